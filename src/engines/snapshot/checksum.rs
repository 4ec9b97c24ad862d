//! Checks a whole Lucene file against its footer and against the checksum in the file list, in pieces.

use std::io;

use super::codec::{FOOTER_BYTES, parse_footer};
use super::error::SnapshotError;
use crate::base::ReadAt;

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// The last eight bytes of the footer are the checksum itself, and not covered by it.
const CHECKSUM_BYTES: u64 = 8;

/// `key` names the file in errors; `store_error` makes one of what the store says.
pub(crate) fn verify_file(
    key: &str,
    recorded: Option<u32>,
    file: &dyn ReadAt,
    store_error: impl Fn(io::Error) -> SnapshotError,
) -> Result<(), SnapshotError> {
    let Some(footer_at) = file.len().checked_sub(FOOTER_BYTES as u64) else {
        return Err(SnapshotError::Malformed {
            blob: key.to_owned(),
            offset: file.len(),
            reason: "the file is shorter than a footer".to_owned(),
        });
    };
    let footer = file
        .read_at(footer_at, FOOTER_BYTES)
        .map_err(&store_error)?;
    let stated = parse_footer(key, footer_at, &footer)?;
    let covered = file.len() - CHECKSUM_BYTES;
    let mut hasher = crc32fast::Hasher::new();
    let mut at = 0;
    while at < covered {
        let length = PIECE_BYTES.min(covered - at);
        let piece = usize::try_from(length)
            .map_err(io::Error::other)
            .and_then(|length| file.read_at(at, length))
            .map_err(&store_error)?;
        hasher.update(&piece);
        at += length;
    }
    let actual = hasher.finalize();
    for expected in [Some(stated), recorded].into_iter().flatten() {
        if actual != expected {
            return Err(SnapshotError::Checksum {
                blob: key.to_owned(),
                expected,
                actual,
            });
        }
    }
    Ok(())
}
