//! `Lucene50SegmentInfo` (Lucene 5.0 to 6.1) and `Lucene62SegmentInfo` (6.2 to 6.6), which differ behind what is read.
//! Version 0 of the first has lists with counts of four bytes.

use super::super::LuceneError;
use super::super::input::Input;
use super::SegmentInfo;

pub(super) fn parse(input: &mut Input<'_>, old_lists: bool) -> Result<SegmentInfo, LuceneError> {
    let lucene_version = super::version(input)?;
    let (max_doc, compound) = super::counts(input)?;
    let attributes = if old_lists {
        input.old_map()?;
        input.skip_old_set()?;
        input.old_map()?
    } else {
        super::lists(input)?
    };
    Ok(SegmentInfo {
        lucene_version,
        max_doc,
        compound,
        attributes,
    })
}
