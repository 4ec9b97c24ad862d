//! `Lucene50FieldInfos` (Lucene 5.0 to 5.5); in version 0 attributes are a list with a count of four bytes.

use super::super::LuceneError;
use super::super::input::Input;
use super::FieldInfo;

pub(super) fn parse(input: &mut Input<'_>, version: u32) -> Result<FieldInfo, LuceneError> {
    let mut field = super::begin(input, false)?;
    field.attributes = if version == 0 {
        input.old_map()?
    } else {
        input.map()?
    };
    Ok(field)
}
