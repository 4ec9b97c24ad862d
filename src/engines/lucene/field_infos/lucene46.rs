//! `Lucene46FieldInfos` (Lucene 4.6 to 4.10): index options stand in the bits, norms in the upper half of the byte of
//! doc values.

use super::super::LuceneError;
use super::super::input::Input;
use super::{FieldInfo, doc_values_kind};

const INDEXED: u8 = 1;

pub(super) fn parse(input: &mut Input<'_>) -> Result<FieldInfo, LuceneError> {
    let name = input.string()?.to_owned();
    let number = input.vint()?;
    let bits = input.u8()?;
    let kinds = input.u8()?;
    let doc_values = doc_values_kind(input, kinds & 15)?;
    let doc_values_gen = input.generation()?;
    Ok(FieldInfo {
        name,
        number,
        indexed: bits & INDEXED != 0,
        doc_values,
        doc_values_gen,
        doc_values_skipper: false,
        point_dimensions: 0,
        point_bytes: 0,
        vector: None,
        attributes: input.old_map()?,
    })
}
