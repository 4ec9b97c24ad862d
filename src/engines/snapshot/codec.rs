//! The wrapper around every `.dat` blob of Elasticsearch 2–9 and OpenSearch: Lucene's codec header, a body that may be
//! deflated, and a footer with a checksum.
//!
//! Elasticsearch 1.x had no wrapper: [`decode_bare`].

use std::io::Read as _;

use bytes::Bytes;

use super::bytes::Cursor;
use super::content::Content;
use super::error::SnapshotError;
use super::limits::{MAX_INFLATED_BYTES, MAX_METADATA_BLOB_BYTES};
use super::{json, lzf, smile};

/// Begins every file of Lucene's codecs, big-endian.
pub(crate) const CODEC_MAGIC: u32 = 0x3fd7_6c17;

/// Begins every footer: the complement of [`CODEC_MAGIC`].
pub(crate) const FOOTER_MAGIC: u32 = !CODEC_MAGIC;

/// Footer magic, algorithm and checksum.
pub(crate) const FOOTER_BYTES: usize = 16;

/// The only version that was ever written.
const WRAPPER_VERSION: u32 = 1;

/// Stands before a deflated body.
const DEFLATE_MAGIC: &[u8] = b"DFL\0";

/// The codec names, one for each kind of blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlobKind {
    /// `meta-*.dat` at the root.
    GlobalMetadata,
    /// `snap-*.dat` at the root and in shards.
    Snapshot,
    /// `meta-*.dat` of an index.
    IndexMetadata,
}

impl BlobKind {
    fn codec_name(self) -> &'static str {
        match self {
            Self::GlobalMetadata => "metadata",
            Self::Snapshot => "snapshot",
            Self::IndexMetadata => "index-metadata",
        }
    }
}

/// Checks the wrapper and the checksum, inflates, decodes.
pub(crate) fn decode(blob: &str, kind: BlobKind, bytes: &Bytes) -> Result<Content, SnapshotError> {
    let (body_offset, body) = unwrap(blob, kind, bytes)?;
    if let Some(deflated) = body.strip_prefix(DEFLATE_MAGIC) {
        let inflated = inflate(blob, deflated, body_offset + DEFLATE_MAGIC.len() as u64)?;
        return decode_body(&inflated).map_err(|mut error| {
            error.reason.push_str(", counted in the inflated body");
            error.in_blob(blob, 0)
        });
    }
    decode_body(body).map_err(|error| error.in_blob(blob, body_offset))
}

/// A blob of Elasticsearch 1.x: JSON (or SMILE) as it is, or compressed by LZF. Nothing tells whether it is damaged but
/// that it does not decode.
pub(crate) fn decode_bare(blob: &str, bytes: &[u8]) -> Result<Content, SnapshotError> {
    if bytes.len() as u64 > MAX_METADATA_BLOB_BYTES {
        return Err(SnapshotError::Limit {
            blob: blob.to_owned(),
            what: "its size in bytes",
            limit: MAX_METADATA_BLOB_BYTES,
        });
    }
    decode_embedded(blob, bytes)
}

/// The body between header and footer, with its offset.
pub(super) fn unwrap<'a>(
    blob: &str,
    kind: BlobKind,
    bytes: &'a Bytes,
) -> Result<(u64, &'a [u8]), SnapshotError> {
    if bytes.len() as u64 > MAX_METADATA_BLOB_BYTES {
        return Err(SnapshotError::Limit {
            blob: blob.to_owned(),
            what: "its size in bytes",
            limit: MAX_METADATA_BLOB_BYTES,
        });
    }
    let at = |error: super::error::DecodeError| error.in_blob(blob, 0);
    let mut cursor = Cursor::new(bytes);
    if cursor.u32_be().map_err(at)? != CODEC_MAGIC {
        return Err(SnapshotError::Malformed {
            blob: blob.to_owned(),
            offset: 0,
            reason: "no codec header".to_owned(),
        });
    }
    let name_length = cursor.v_int().map_err(at)? as usize;
    let name = cursor.take(name_length).map_err(at)?;
    if name != kind.codec_name().as_bytes() {
        return Err(at(cursor.error(format!(
            "its codec is `{}`, and `{}` was expected",
            name.escape_ascii()
                .to_string()
                .chars()
                .take(64)
                .collect::<String>(),
            kind.codec_name()
        ))));
    }
    let version = cursor.u32_be().map_err(at)?;
    if version != WRAPPER_VERSION {
        return Err(at(cursor.error(format!(
            "its codec has version {version}, and {WRAPPER_VERSION} is known"
        ))));
    }
    let start = cursor.position();
    let Some(end) = bytes
        .len()
        .checked_sub(FOOTER_BYTES)
        .filter(|end| *end >= start)
    else {
        return Err(at(cursor.error("the bytes end before the footer")));
    };
    verify_footer(blob, bytes)?;
    Ok((start as u64, &bytes[start..end]))
}

/// Checks magic, algorithm and CRC-32 of a whole file of Lucene's codecs.
pub(crate) fn verify_footer(blob: &str, bytes: &[u8]) -> Result<(), SnapshotError> {
    let Some(end) = bytes.len().checked_sub(FOOTER_BYTES) else {
        return Err(SnapshotError::Malformed {
            blob: blob.to_owned(),
            offset: bytes.len() as u64,
            reason: "the bytes end before the footer".to_owned(),
        });
    };
    let expected = parse_footer(blob, end as u64, &bytes[end..])?;
    let actual = crc32fast::hash(&bytes[..end + 8]);
    if actual != expected {
        return Err(SnapshotError::Checksum {
            blob: blob.to_owned(),
            expected,
            actual,
        });
    }
    Ok(())
}

/// The checksum that a footer states.
pub(crate) fn parse_footer(blob: &str, offset: u64, footer: &[u8]) -> Result<u32, SnapshotError> {
    let at = |error: super::error::DecodeError| error.in_blob(blob, offset);
    let mut cursor = Cursor::new(footer);
    let magic = cursor.u32_be().map_err(at)?;
    let algorithm = cursor.u32_be().map_err(at)?;
    let checksum = cursor.u64_be().map_err(at)?;
    if magic != FOOTER_MAGIC || algorithm != 0 {
        return Err(at(super::error::DecodeError::new(0, "no codec footer")));
    }
    u32::try_from(checksum).map_err(|_| {
        at(super::error::DecodeError::new(
            8,
            "the checksum passes 32 bits",
        ))
    })
}

/// Inflates to the end of the stream; what stands after it is ignored, as writers flush before they finish.
pub(super) fn inflate(blob: &str, deflated: &[u8], offset: u64) -> Result<Vec<u8>, SnapshotError> {
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(deflated)
        .take(MAX_INFLATED_BYTES + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| SnapshotError::Malformed {
            blob: blob.to_owned(),
            offset,
            reason: format!("its body can't be inflated: {error}"),
        })?;
    if inflated.len() as u64 > MAX_INFLATED_BYTES {
        return Err(SnapshotError::Limit {
            blob: blob.to_owned(),
            what: "its inflated size in bytes",
            limit: MAX_INFLATED_BYTES,
        });
    }
    Ok(inflated)
}

fn decode_body(body: &[u8]) -> Result<Content, super::error::DecodeError> {
    if body.starts_with(smile::MAGIC) {
        return smile::decode_metadata(body);
    }
    if body.trim_ascii_start().first() == Some(&b'{') {
        return json::decode(body);
    }
    Err(super::error::DecodeError::new(
        0,
        "its body is neither SMILE nor JSON",
    ))
}

/// SMILE or JSON as it is, deflated (`DFL\0`) or compressed by LZF: blobs of 1.x, and mappings as some versions keep them
/// within metadata.
pub(crate) fn decode_embedded(blob: &str, bytes: &[u8]) -> Result<Content, SnapshotError> {
    if bytes.starts_with(lzf::MAGIC) {
        let plain =
            lzf::decode(bytes, MAX_INFLATED_BYTES).map_err(|error| error.in_blob(blob, 0))?;
        return decode_body(&plain).map_err(|mut error| {
            error.reason.push_str(", counted in the decompressed body");
            error.in_blob(blob, 0)
        });
    }
    if let Some(deflated) = bytes.strip_prefix(DEFLATE_MAGIC) {
        let inflated = inflate(blob, deflated, 0)?;
        return decode_body(&inflated).map_err(|error| error.in_blob(blob, 0));
    }
    decode_body(bytes).map_err(|error| error.in_blob(blob, 0))
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
