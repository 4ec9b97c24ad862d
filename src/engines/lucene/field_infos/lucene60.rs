//! `Lucene60FieldInfos` v0 to v2 (Lucene 6.0 to 8.11). New against 50: the dimensions of points.

use super::super::LuceneError;
use super::super::input::Input;
use super::FieldInfo;

pub(super) fn parse(input: &mut Input<'_>, version: u32) -> Result<FieldInfo, LuceneError> {
    let field = super::common(input)?;
    if input.vint()? > 0 {
        if version >= 2 {
            input.vint()?; // how many of the dimensions are indexed
        }
        input.vint()?; // bytes a dimension
    }
    Ok(field)
}
