//! `Lucene90FieldInfos` (Lucene 9.0 to 9.3) and `Lucene94FieldInfos` (9.4 on), in little-endian. New against 60:
//! vectors, in 94 with the encoding of their numbers, and from version 2 of 94 on whether doc values have a skip index.

use super::super::LuceneError;
use super::super::input::Input;
use super::{FieldInfo, VectorEncoding, VectorInfo};

pub(super) fn parse_90(input: &mut Input<'_>) -> Result<FieldInfo, LuceneError> {
    let mut field = begin(input, false)?;
    let dimension = input.vint()?;
    let similarity = input.u8()?;
    field.vector = vector(dimension, VectorEncoding::Float32, similarity);
    Ok(field)
}

pub(super) fn parse_94(input: &mut Input<'_>, version: u32) -> Result<FieldInfo, LuceneError> {
    let mut field = begin(input, version >= 2)?;
    let dimension = input.vint()?;
    let encoding = match input.u8()? {
        0 => VectorEncoding::Byte,
        1 => VectorEncoding::Float32,
        byte => return Err(input.corrupt(format!("a vector encoding of 0 or 1, not {byte}"))),
    };
    let similarity = input.u8()?;
    field.vector = vector(dimension, encoding, similarity);
    Ok(field)
}

fn begin(input: &mut Input<'_>, skipper: bool) -> Result<FieldInfo, LuceneError> {
    let mut field = super::begin(input, skipper)?;
    field.attributes = input.map()?;
    super::points(input, &mut field, true)?;
    Ok(field)
}

fn vector(dimension: u32, encoding: VectorEncoding, similarity: u8) -> Option<VectorInfo> {
    (dimension > 0).then_some(VectorInfo {
        dimension,
        encoding,
        similarity,
    })
}
