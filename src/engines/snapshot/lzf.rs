//! LZF, the compression of Elasticsearch 1.x: of repository blobs, and of `_source` where a mapping asked for it.
//!
//! A stream is a run of chunks of at most 65 535 bytes each, every one with its own header; a chunk that did not become
//! smaller stands there as it was. Hostile-safe: lengths are checked before anything is copied, and the sum of all chunks
//! has a limit that the caller names. Deliberately absent: compressing.

use super::bytes::Cursor;
use super::error::DecodeError;

/// Begins every chunk.
pub(super) const MAGIC: &[u8] = b"ZV";

/// A chunk whose bytes stand there as they are.
const STORED: u8 = 0;
/// A chunk that is compressed.
const COMPRESSED: u8 = 1;
/// Control bytes below this are runs of literals.
const LITERALS: u8 = 1 << 5;
/// A length of a copy that goes on in the next byte.
const LONG_COPY: usize = 7;

/// Decompresses a whole stream into at most `limit_bytes`.
pub(crate) fn decode(bytes: &[u8], limit_bytes: u64) -> Result<Vec<u8>, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let mut out = Vec::new();
    while cursor.remaining() > 0 {
        if cursor.take(MAGIC.len())? != MAGIC {
            return Err(cursor.error("an LZF chunk begins with `ZV`"));
        }
        let kind = cursor.u8()?;
        let stored = usize::from(cursor.u16_be()?);
        let length = match kind {
            STORED => stored,
            COMPRESSED => usize::from(cursor.u16_be()?),
            _ => return Err(cursor.error(format!("an LZF chunk has the unknown type {kind}"))),
        };
        if (out.len() + length) as u64 > limit_bytes {
            return Err(cursor.error(format!("decompressed it has more than {limit_bytes} bytes")));
        }
        let at = cursor.position();
        let data = cursor.take(stored)?;
        if kind == STORED {
            out.extend_from_slice(data);
        } else {
            chunk(data, length, &mut out).map_err(|mut error| {
                error.offset = error.offset.saturating_add(at as u64);
                error
            })?;
        }
    }
    Ok(out)
}

/// Appends the `length` bytes that `data` decompresses to. Copies reach back within the chunk alone.
fn chunk(data: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let begin = out.len();
    let end = begin + length;
    let mut cursor = Cursor::new(data);
    while cursor.remaining() > 0 {
        let control = cursor.u8()?;
        if control < LITERALS {
            let run = cursor.take(usize::from(control) + 1)?;
            if out.len() + run.len() > end {
                return Err(cursor.error("a chunk is longer than it says"));
            }
            out.extend_from_slice(run);
            continue;
        }
        let mut copied = usize::from(control >> 5);
        if copied == LONG_COPY {
            copied += usize::from(cursor.u8()?);
        }
        let back = (usize::from(control & 31) << 8 | usize::from(cursor.u8()?)) + 1;
        let copied = copied + 2;
        let Some(from) = out.len().checked_sub(back).filter(|from| *from >= begin) else {
            return Err(cursor.error("a copy reaches before its chunk"));
        };
        if out.len() + copied > end {
            return Err(cursor.error("a chunk is longer than it says"));
        }
        // The two may overlap: what was just written is copied again.
        for at in from..from + copied {
            out.push(out[at]);
        }
    }
    if out.len() == end {
        Ok(())
    } else {
        Err(cursor.error("a chunk is shorter than it says"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1 << 20;

    #[test]
    fn chunks_of_both_kinds_decompress() {
        assert_eq!(decode(b"", LIMIT).unwrap(), b"");
        assert_eq!(decode(b"ZV\0\0\x03abc", LIMIT).unwrap(), b"abc");
        // Three literals, then a copy of seven bytes that overlaps itself.
        let compressed = b"ZV\x01\0\x06\0\x0a\x02abc\xa0\x02";
        assert_eq!(decode(compressed, LIMIT).unwrap(), b"abcabcabca");
        // The long form of a copy: 7 + 0 + 2 bytes.
        let long = b"ZV\x01\0\x05\0\x0a\0a\xe0\0\0";
        assert_eq!(decode(long, LIMIT).unwrap(), b"aaaaaaaaaa");
        let two = [&compressed[..], b"ZV\0\0\x01!"].concat();
        assert_eq!(decode(&two, LIMIT).unwrap(), b"abcabcabca!");
    }

    #[test]
    fn hostile_bytes_end_in_errors() {
        for bytes in [
            &b"Z"[..],
            b"ZX\0\0\0",
            b"ZV\x02\0\0",
            b"ZV\0\0\x04abc",
            b"ZV\x01\0\x02\0\x01\0",
            b"ZV\x01\0\x02\0\x03\0a",
            b"ZV\x01\0\x04\0\x09\x02abc",
            b"ZV\x01\0\x04\0\x02\0a\x20\x05",
            b"ZV\x01\0\x04\0\x02\0a\x20\0",
            b"ZV\x01\0\x03\0\x09\0a\xe0",
            // A copy that reaches into the chunk before.
            b"ZV\0\0\x03abcZV\x01\0\x02\0\x03\x20\0",
        ] {
            assert!(decode(bytes, LIMIT).is_err(), "{bytes:?}");
        }
        assert!(decode(b"ZV\0\0\x03abc", 2).is_err(), "a limit");
    }
}
