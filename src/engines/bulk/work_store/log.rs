//! The log's framing: one record a line, `<crc32> <durable bytes> <json>`.
//!
//! The checksum is over the rest of the line. `durable bytes` is how much of the log was known to be on disk when the
//! record was written: a bad record is a torn tail, and cut off, unless a later good one says that it had been durable.

use std::path::Path;

use super::WorkError;
use super::table::Record;

/// The longest record.
const RECORD_BYTES: usize = 16 << 20;

/// Appends a record to `out`.
pub(super) fn encode(record: &Record, durable: u64, out: &mut Vec<u8>) -> Result<(), String> {
    let json = serde_json::to_string(record).map_err(|error| error.to_string())?;
    if json.len() > RECORD_BYTES {
        return Err(format!("a record of {} bytes", json.len()));
    }
    let rest = format!("{durable} {json}");
    let crc = crc32fast::hash(rest.as_bytes());
    out.extend_from_slice(format!("{crc:08x} {rest}\n").as_bytes());
    Ok(())
}

/// One line without its line break; `None` where it is not whole.
fn decode(line: &[u8]) -> Option<(u64, Record)> {
    let (crc, rest) = line.split_at_checked(9)?;
    let crc = std::str::from_utf8(crc.strip_suffix(b" ")?).ok()?;
    if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(rest) {
        return None;
    }
    let rest = std::str::from_utf8(rest).ok()?;
    let (durable, json) = rest.split_once(' ')?;
    Some((durable.parse().ok()?, serde_json::from_str(json).ok()?))
}

/// The records of a log up to its torn tail, if it has one, and how many bytes they take.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<(Vec<Record>, u64), WorkError> {
    let mut records = Vec::new();
    let mut good = 0_usize;
    let mut torn = false;
    let mut at = 0_usize;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        let decoded = line.strip_suffix(b"\n").and_then(decode);
        match decoded {
            Some((_, record)) if !torn => {
                records.push(record);
                good = at;
            }
            Some((durable, _)) if durable > good as u64 => {
                return Err(WorkError::Corrupt {
                    path: path.to_owned(),
                    offset: good as u64,
                    what: format!(
                        "a record was durable here and is damaged (the one at {start} says so)"
                    ),
                });
            }
            _ => torn = true,
        }
    }
    Ok((records, good as u64))
}
