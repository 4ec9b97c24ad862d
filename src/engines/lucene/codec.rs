//! The frame of every Lucene file: header (codec name, version, and from Lucene 5 on the segment's id) and footer
//! (CRC-32, from Lucene 4.8 on).
//!
//! The codec name says which of these a file has, and in which order its numbers have their bytes.

use bytes::Bytes;

use super::input::{Input, Order};
use super::limits::{CHECKSUM_STEP_BYTES, SMALL_FILE_BYTES};
use super::{LuceneError, ReadAt};

const HEADER_MAGIC: u32 = 0x3fd7_6c17;
const FOOTER_MAGIC: u32 = !HEADER_MAGIC;
/// Stands before the header of `.del` files, −2: what older ones had there was their length.
pub(super) const BIT_VECTOR: u32 = 0xffff_fffe;
/// Magic, algorithm and checksum.
const FOOTER_BYTES: u64 = 16;
/// The part of the footer that the checksum does not cover: itself.
const CRC_BYTES: u64 = 8;

/// What the header says the file is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) codec: &'a str,
    pub(super) version: u32,
    /// `None` in the formats of Lucene 4.
    pub(super) id: Option<[u8; 16]>,
    pub(super) suffix: &'a str,
}

/// The header up to the version, as files before Lucene 5 have it.
fn codec_header<'a>(input: &mut Input<'a>) -> Result<(&'a str, u32), LuceneError> {
    let magic = input.clone().be_u32()?;
    if magic != HEADER_MAGIC {
        return Err(input.corrupt(format!("a Lucene header (3fd76c17), not {magic:08x}")));
    }
    input.be_u32()?;
    let codec = input.string()?;
    Ok((codec, input.be_u32()?))
}

/// Reads the header, in the form that its codec name has it in. Numbers behind it are read in the file's own order.
pub(super) fn header<'a>(input: &mut Input<'a>) -> Result<Header<'a>, LuceneError> {
    let (codec, version) = codec_header(input)?;
    let mut header = Header {
        codec,
        version,
        id: None,
        suffix: "",
    };
    if !before_ids(codec, version) {
        let mut id = [0; 16];
        id.copy_from_slice(input.take(16)?);
        let length = usize::from(input.u8()?);
        header.id = Some(id);
        header.suffix = std::str::from_utf8(input.take(length)?)
            .map_err(|_| input.corrupt("a file suffix in ASCII before this byte"))?;
    }
    input.set_order(order(codec));
    Ok(header)
}

/// Whether the header ends with the version: the formats of Lucene 4.
fn before_ids(codec: &str, version: u32) -> bool {
    match codec {
        "segments" => version < 4,
        "CompoundFileWriterEntries" | "BitVector" => true,
        _ => codec.starts_with("Lucene4"),
    }
}

/// The formats that Lucene 9 and later write, and those that others build on them, are little-endian.
fn order(codec: &str) -> Order {
    let names = [
        "Lucene9",
        "Lucene10",
        "ZstdStoredFields814",
        "CustomStoredFields",
        "QatStoredFields",
        "ES8",
        "ES9",
    ];
    if names.iter().any(|name| codec.starts_with(name)) {
        return Order::Little;
    }
    Order::Big
}

/// How many bytes the footer of a file takes: none where its format has none.
pub(super) fn footer_bytes(codec: &str, version: u32) -> u64 {
    if before_footers(codec, version) {
        0
    } else {
        FOOTER_BYTES
    }
}

/// Whether a file has no footer: its format is one that Lucene 4 had before 4.8.
fn before_footers(codec: &str, version: u32) -> bool {
    let first_with_footer = match codec {
        "segments"
        | "BitVector"
        | "Lucene41StoredFieldsData"
        | "Lucene41StoredFieldsIndex"
        | "Lucene45ValuesMetadata"
        | "Lucene45DocValuesData" => 2,
        "Lucene40SegmentInfo" => u32::MAX,
        "Lucene46SegmentInfo" | "Lucene46FieldInfos" | "CompoundFileWriterEntries" => 1,
        _ => 0,
    };
    version < first_with_footer
}

impl Header<'_> {
    /// The id tells a file of another segment under this name.
    pub(super) fn check_id(
        &self,
        input: &Input<'_>,
        id: Option<[u8; 16]>,
    ) -> Result<(), LuceneError> {
        // Segments of Lucene 4 have no id; in an index that Lucene 5 opened, their deletions may have one.
        if self.id.is_none() || id.is_none() || self.id == id {
            return Ok(());
        }
        Err(input.corrupt("the segment's id before this byte"))
    }

    pub(super) fn check_suffix(&self, input: &Input<'_>, suffix: &str) -> Result<(), LuceneError> {
        if self.id.is_none() || self.suffix == suffix {
            return Ok(());
        }
        Err(input.corrupt(format!("file suffix `{suffix}`, not `{}`", self.suffix)))
    }

    pub(super) fn unsupported(&self, input: &Input<'_>) -> LuceneError {
        LuceneError::Unsupported {
            file: input.file().to_owned(),
            codec: self.codec.to_owned(),
            version: i64::from(self.version),
        }
    }
}

/// Bytes `[offset, offset + length)` of `file`.
pub(super) fn read(
    file: &str,
    reader: &dyn ReadAt,
    offset: u64,
    length: u64,
) -> Result<Bytes, LuceneError> {
    let io = |source| LuceneError::Io {
        file: file.to_owned(),
        offset,
        source,
    };
    let end = offset.checked_add(length);
    if end.is_none_or(|end| end > reader.len()) {
        return Err(LuceneError::Corrupt {
            file: file.to_owned(),
            offset,
            expected: format!("{length} bytes within the file of {}", reader.len()),
        });
    }
    let length =
        usize::try_from(length).map_err(|_| io(std::io::ErrorKind::UnexpectedEof.into()))?;
    let bytes = reader.read_at(offset, length).map_err(io)?;
    if bytes.len() != length {
        return Err(io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// A small file whole, its checksum verified; the footer is cut off.
pub(super) fn read_verified(file: &str, reader: &dyn ReadAt) -> Result<Bytes, LuceneError> {
    let length = reader.len();
    if length > SMALL_FILE_BYTES {
        return Err(LuceneError::Limit {
            file: file.to_owned(),
            offset: 0,
            what: "the length of a file that is read whole",
            value: length,
            limit: SMALL_FILE_BYTES,
        });
    }
    let bytes = read(file, reader, 0, length)?;
    let body = body(file, &bytes)?.len();
    Ok(bytes.slice(..body))
}

/// How many bytes the footer of the file that begins with `head` takes.
pub(super) fn footer_of(file: &str, head: &[u8]) -> Result<u64, LuceneError> {
    let mut input = Input::new(file, head);
    if input.clone().be_u32()? == BIT_VECTOR {
        input.be_u32()?;
    }
    let (codec, version) = codec_header(&mut input)?;
    Ok(footer_bytes(codec, version))
}

/// The bytes before the footer, verified; all bytes where the format has none.
fn body<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a [u8], LuceneError> {
    let mut input = Input::new(file, bytes);
    if input
        .clone()
        .be_u32()
        .is_ok_and(|first| first == BIT_VECTOR)
    {
        input.be_u32()?;
    }
    let (codec, version) = codec_header(&mut input)?;
    // Where a footer stands, the version is damaged.
    if before_footers(codec, version) && Footer::parse(file, bytes.len() as u64, bytes).is_err() {
        return Ok(bytes);
    }
    verified(file, bytes)
}

/// Verifies the footer of a file in memory and gives the bytes before it.
pub(super) fn verified<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a [u8], LuceneError> {
    let footer = Footer::parse(file, bytes.len() as u64, bytes)?;
    let covered = &bytes[..bytes.len() - CRC_BYTES as usize];
    footer.compare(file, crc32fast::hash(covered))?;
    Ok(&bytes[..bytes.len() - FOOTER_BYTES as usize])
}

/// The checksum that a file states.
pub(super) struct Footer {
    crc: u64,
}

impl Footer {
    /// Reads the footer of a file of any length.
    pub(super) fn read(file: &str, reader: &dyn ReadAt) -> Result<Self, LuceneError> {
        let length = reader.len();
        let start = length.saturating_sub(FOOTER_BYTES);
        let bytes = read(file, reader, start, length - start)?;
        Self::parse(file, length, &bytes)
    }

    /// `tail` ends where the file of `length` bytes ends.
    fn parse(file: &str, length: u64, tail: &[u8]) -> Result<Self, LuceneError> {
        let start = tail.len().saturating_sub(FOOTER_BYTES as usize);
        let offset = length.saturating_sub(FOOTER_BYTES);
        let mut input = Input::at_offset(file, offset, &tail[start..]);
        if input.clone().be_u64()? != u64::from(FOOTER_MAGIC) << 32 {
            return Err(input.corrupt("a Lucene footer (c02893e8, algorithm 0)"));
        }
        input.be_u64()?;
        Ok(Self {
            crc: input.be_u64()?,
        })
    }

    /// Compares with the checksum of all bytes but the last 8.
    pub(super) fn compare(&self, file: &str, computed: u32) -> Result<(), LuceneError> {
        if u64::from(computed) == self.crc {
            return Ok(());
        }
        Err(LuceneError::Checksum {
            file: file.to_owned(),
            computed,
            stored: self.crc,
        })
    }
}

/// Reads a file of any length from end to end in steps and compares its checksum.
pub(super) fn verify_large(file: &str, reader: &dyn ReadAt) -> Result<(), LuceneError> {
    let footer = Footer::read(file, reader)?;
    let covered = reader.len() - CRC_BYTES;
    footer.compare(file, crc_of(file, reader, 0, covered)?.finalize())
}

/// The checksum of bytes `[start, end)`, read in steps.
pub(super) fn crc_of(
    file: &str,
    reader: &dyn ReadAt,
    start: u64,
    end: u64,
) -> Result<crc32fast::Hasher, LuceneError> {
    let mut hasher = crc32fast::Hasher::new();
    let mut at = start;
    while at < end {
        let step = (end - at).min(CHECKSUM_STEP_BYTES);
        hasher.update(&read(file, reader, at, step)?);
        at += step;
    }
    Ok(hasher)
}

/// Where the bytes that the checksum covers end.
pub(super) fn covered(reader: &dyn ReadAt) -> u64 {
    reader.len().saturating_sub(CRC_BYTES)
}

#[cfg(test)]
pub(super) mod encode {
    //! Writers of the frame, for tests that make files by hand.

    pub(crate) fn vlong(out: &mut Vec<u8>, mut value: u64) {
        while value > 0x7f {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
        vlong(out, text.len() as u64);
        out.extend(text.as_bytes());
    }

    pub(crate) fn header(codec: &str, version: u32, id: [u8; 16], suffix: &str) -> Vec<u8> {
        let mut out = super::HEADER_MAGIC.to_be_bytes().to_vec();
        string(&mut out, codec);
        out.extend(version.to_be_bytes());
        out.extend(id);
        out.push(suffix.len() as u8);
        out.extend(suffix.as_bytes());
        out
    }

    pub(crate) fn old_header(codec: &str, version: u32) -> Vec<u8> {
        let mut out = super::HEADER_MAGIC.to_be_bytes().to_vec();
        string(&mut out, codec);
        out.extend(version.to_be_bytes());
        out
    }

    pub(crate) fn footer(out: &mut Vec<u8>) {
        out.extend(super::FOOTER_MAGIC.to_be_bytes());
        out.extend([0; 4]);
        let crc = u64::from(crc32fast::hash(out));
        out.extend(crc.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_a_framed_file_is_found() {
        let mut file = encode::header("Codec", 3, [7; 16], "x");
        file.extend(b"body");
        encode::footer(&mut file);
        assert!(verified("f", &file).unwrap().ends_with(b"body"));
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verified("f", &flipped).is_err(), "bit {bit}");
            assert!(
                verify_large("f", &Bytes::from(flipped)).is_err(),
                "bit {bit}"
            );
        }
        verify_large("f", &Bytes::from(file)).unwrap();
    }

    #[test]
    fn short_files_are_errors() {
        for length in 0..40 {
            let bytes = Bytes::from(vec![0; length]);
            assert!(verified("f", &bytes).is_err());
            assert!(verify_large("f", &bytes).is_err());
            assert!(read_verified("f", &bytes).is_err());
        }
    }
}
