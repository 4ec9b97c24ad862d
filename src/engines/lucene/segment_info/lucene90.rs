//! `Lucene90SegmentInfo` (Lucene 9 and 10): as 86 in little-endian. From 9.9 on there is a flag more, under the same
//! header: what tells the two apart is the version of Lucene that stands in the file.

use super::super::input::Input;
use super::super::{LuceneError, LuceneVersion};
use super::SegmentInfo;

/// The first that says whether documents were added in blocks.
const WITH_BLOCKS: LuceneVersion = LuceneVersion {
    major: 9,
    minor: 9,
    bugfix: 0,
};

pub(super) fn parse(input: &mut Input<'_>) -> Result<SegmentInfo, LuceneError> {
    let lucene_version = super::version(input)?;
    super::oldest_version(input)?;
    let (max_doc, compound) = super::counts(input)?;
    if lucene_version >= WITH_BLOCKS {
        super::flag(input, "a flag of blocks")?;
    }
    Ok(SegmentInfo {
        lucene_version,
        max_doc,
        compound,
        attributes: super::lists(input)?,
    })
}
