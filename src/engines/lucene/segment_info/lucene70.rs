//! `Lucene70SegmentInfo` (Lucene 7.0 to 8.5) and `Lucene86SegmentInfo` (8.6 to 8.11), which differ in the sort behind
//! what is read. New against 62: the oldest version that a document of the segment was written with.

use super::super::LuceneError;
use super::super::input::Input;
use super::SegmentInfo;

pub(super) fn parse(input: &mut Input<'_>) -> Result<SegmentInfo, LuceneError> {
    let lucene_version = super::version(input)?;
    super::oldest_version(input)?;
    let (max_doc, compound) = super::counts(input)?;
    Ok(SegmentInfo {
        lucene_version,
        max_doc,
        compound,
        attributes: super::lists(input)?,
    })
}
