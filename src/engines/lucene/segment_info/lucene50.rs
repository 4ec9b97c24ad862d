//! `Lucene50SegmentInfo` v1 (Lucene 5.1 to 6.1) and `Lucene62SegmentInfo` (6.2 to 6.6), which differ behind what is read.

use super::super::LuceneError;
use super::super::input::Input;
use super::SegmentInfo;

pub(super) fn parse(input: &mut Input<'_>) -> Result<SegmentInfo, LuceneError> {
    let version = super::version(input)?;
    super::counts(input, version)
}
