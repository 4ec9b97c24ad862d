//! `Lucene46SegmentInfo` (Lucene 4.6 to 4.10) and `Lucene40SegmentInfo` (4.0 to 4.5): the version is text, and lists
//! have counts of four bytes.

use std::collections::BTreeMap;

use super::super::input::Input;
use super::super::{LuceneError, LuceneVersion};
use super::SegmentInfo;

pub(super) fn parse(
    input: &mut Input<'_>,
    has_attributes: bool,
) -> Result<SegmentInfo, LuceneError> {
    let text = input.string()?;
    let lucene_version = version(text)
        .ok_or_else(|| input.corrupt(format!("a version before this byte, not `{text}`")))?;
    let (max_doc, compound) = super::counts(input)?;
    input.old_map()?; // diagnostics
    let mut attributes = BTreeMap::new();
    if has_attributes {
        attributes = input.old_map()?;
    }
    input.skip_old_set()?;
    Ok(SegmentInfo {
        lucene_version,
        max_doc,
        compound,
        attributes,
    })
}

/// `4.10.4`, `4.0`, `4.1.0.1` or with a word behind a hyphen.
fn version(text: &str) -> Option<LuceneVersion> {
    let mut numbers = text.split(['.', '-']).map(|part| part.parse().ok());
    Some(LuceneVersion {
        major: numbers.next()??,
        minor: numbers.next()??,
        bugfix: numbers.next().flatten().unwrap_or(0),
    })
}
