//! `Lucene50FieldInfos` v1 (Lucene 5.1 to 5.5).

use super::super::LuceneError;
use super::super::input::Input;
use super::FieldInfo;

pub(super) fn parse(input: &mut Input<'_>) -> Result<FieldInfo, LuceneError> {
    super::common(input)
}
