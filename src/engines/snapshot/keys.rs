//! Keys of blobs, built from names that come from the repository itself: each is checked to be one plain path part.

use super::error::SnapshotError;

/// A generous bound: real parts are ids, numbers and at most an index name of 255 bytes.
const MAX_PART_BYTES: usize = 255;

/// `part`, if it is one path part that stays where it is put. `blob` is the blob that holds it.
pub(crate) fn part<'a>(blob: &str, part: &'a str) -> Result<&'a str, SnapshotError> {
    let plain = !part.is_empty()
        && part.len() <= MAX_PART_BYTES
        && part != "."
        && part != ".."
        && !part
            .chars()
            .any(|char| matches!(char, '/' | '\\') || char.is_control());
    if plain {
        return Ok(part);
    }
    Err(SnapshotError::UnsafeName {
        blob: blob.to_owned(),
        name: part.escape_debug().take(MAX_PART_BYTES).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_parts_pass() {
        for good in ["Xk-_9", "a b", "..x", "index.latest", "日本"] {
            assert_eq!(part("blob", good).unwrap(), good);
        }
        let long = "x".repeat(300);
        for bad in ["", ".", "..", "a/b", "/etc", "..\\x", "a\0b", "a\nb", &long] {
            assert!(
                matches!(part("blob", bad), Err(SnapshotError::UnsafeName { .. })),
                "{bad:?}"
            );
        }
    }
}
