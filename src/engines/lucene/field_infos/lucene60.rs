//! `Lucene60FieldInfos` v0 to v2 (Lucene 6.0 to 8.11). New against 50: the dimensions of points.

use super::super::LuceneError;
use super::super::input::Input;
use super::FieldInfo;

pub(super) fn parse(input: &mut Input<'_>, version: u32) -> Result<FieldInfo, LuceneError> {
    let mut field = super::begin(input, false)?;
    field.attributes = input.map()?;
    super::points(input, &mut field, version >= 2)?;
    Ok(field)
}
