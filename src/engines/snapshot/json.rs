//! JSON bodies: `index-N` always, `.dat` blobs of test repositories and of older versions.

use super::content::Content;
use super::error::DecodeError;
use crate::base::cut;

/// Decodes one JSON text. What lies below [`cut::LEVELS`] levels is marked as cut.
pub(crate) fn decode(bytes: &[u8]) -> Result<Content, DecodeError> {
    cut::parse(bytes)
        .map(Content::from_json)
        .map_err(|error| DecodeError::new(offset_of(bytes, &error), error.to_string()))
}

/// The byte offset of `serde_json`'s line and column.
pub(crate) fn offset_of(bytes: &[u8], error: &serde_json::Error) -> usize {
    let before = error.line().saturating_sub(1);
    let line_start = if before == 0 {
        0
    } else {
        memchr::memchr_iter(b'\n', bytes)
            .nth(before - 1)
            .map_or(bytes.len(), |at| at + 1)
    };
    (line_start + error.column().saturating_sub(1)).min(bytes.len())
}
