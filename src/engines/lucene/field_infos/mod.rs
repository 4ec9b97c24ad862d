//! `.fnm`: the fields of a segment, their numbers, and where their doc values stand.
//!
//! Field numbers mean something within one segment only.

mod lucene50;
mod lucene60;

use std::collections::BTreeMap;

use super::LuceneError;
use super::directory::{Directory, base36};
use super::input::Input;

/// The kinds of doc values that the reader tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocValuesKind {
    None,
    Numeric,
    Other,
}

/// One field.
#[derive(Clone, Debug)]
pub(super) struct FieldInfo {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) doc_values: DocValuesKind,
    /// Generation of the field's doc values; `None` for those written with the segment.
    pub(super) doc_values_gen: Option<u64>,
    pub(super) attributes: BTreeMap<String, String>,
}

/// All fields of a segment.
#[derive(Debug)]
pub(super) struct FieldInfos(Vec<FieldInfo>);

impl FieldInfos {
    /// Reads the generation of the file that the commit names.
    pub(super) fn read(
        directory: &Directory,
        generation: Option<u64>,
    ) -> Result<Self, LuceneError> {
        let suffix = generation.map(base36).unwrap_or_default();
        let middle = if suffix.is_empty() {
            String::new()
        } else {
            format!("_{suffix}")
        };
        let (name, bytes) = directory.read(&middle, ".fnm")?;
        let mut input = Input::new(&name, &bytes);
        let header = directory.header(&mut input, &suffix)?;
        let fields = match (header.codec, header.version) {
            ("Lucene50FieldInfos", 1) => fields(&mut input, lucene50::parse),
            ("Lucene60FieldInfos", version @ 0..=2) => {
                fields(&mut input, |input| lucene60::parse(input, version))
            }
            _ => Err(header.unsupported(&input)),
        }?;
        Ok(Self(fields))
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&FieldInfo> {
        self.0.iter().find(|field| field.name == name)
    }

    pub(super) fn by_number(&self, number: u32) -> Option<&FieldInfo> {
        self.0.iter().find(|field| field.number == number)
    }
}

fn fields(
    input: &mut Input<'_>,
    mut parse: impl FnMut(&mut Input<'_>) -> Result<FieldInfo, LuceneError>,
) -> Result<Vec<FieldInfo>, LuceneError> {
    let mut fields = Vec::new();
    for _ in 0..input.vint()? {
        fields.push(parse(input)?);
    }
    if input.remaining() > 0 {
        return Err(input.corrupt("the footer"));
    }
    let mut numbers: Vec<u32> = fields
        .iter()
        .map(|field: &FieldInfo| field.number)
        .collect();
    numbers.sort_unstable();
    let mut names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    let twice = numbers.windows(2).any(|pair| pair[0] == pair[1])
        || names.windows(2).any(|pair| pair[0] == pair[1]);
    if twice {
        return Err(input.corrupt("each field once"));
    }
    Ok(fields)
}

/// What all versions from 50 to 60 begin a field with: name, number, bits, index options, doc values, generation and
/// attributes.
fn common(input: &mut Input<'_>) -> Result<FieldInfo, LuceneError> {
    let name = input.string()?.to_owned();
    let number = input.vint()?;
    input.u8()?; // bits: vectors, norms, payloads, soft deletes
    input.u8()?; // index options
    let doc_values = match input.u8()? {
        0 => DocValuesKind::None,
        1 => DocValuesKind::Numeric,
        2..=5 => DocValuesKind::Other,
        byte => return Err(input.corrupt(format!("a doc values type of 0 to 5, not {byte}"))),
    };
    Ok(FieldInfo {
        name,
        number,
        doc_values,
        doc_values_gen: input.generation()?,
        attributes: input.map()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::codec::encode;
    use super::*;

    fn field(out: &mut Vec<u8>, name: &str, number: u8, kind: u8, generation: i64) {
        encode::string(out, name);
        out.extend([number, 0, 0, kind]);
        out.extend(generation.to_be_bytes());
        out.push(1);
        encode::string(out, "k");
        encode::string(out, "v");
    }

    #[test]
    fn points_are_skipped_by_version() {
        for version in 0..=2 {
            let mut out = vec![2];
            field(&mut out, "a", 0, 5, -1);
            out.push(2);
            if version >= 2 {
                out.push(2);
            }
            out.push(8);
            field(&mut out, "__soft_deletes", 1, 1, 7);
            out.push(0);
            let mut input = Input::new("_0.fnm", &out);
            let read = fields(&mut input, |input| lucene60::parse(input, version)).unwrap();
            assert_eq!(read[0].doc_values, DocValuesKind::Other);
            assert_eq!(read[1].doc_values, DocValuesKind::Numeric);
            assert_eq!(read[1].doc_values_gen, Some(7));
            assert_eq!(read[1].attributes["k"], "v");
        }
    }

    #[test]
    fn a_field_stands_once() {
        let mut out = vec![2];
        field(&mut out, "a", 0, 0, -1);
        field(&mut out, "b", 0, 0, -1);
        assert!(fields(&mut Input::new("_0.fnm", &out), lucene50::parse).is_err());
        let mut out = vec![1];
        field(&mut out, "a", 0, 6, -1);
        assert!(fields(&mut Input::new("_0.fnm", &out), lucene50::parse).is_err());
        let hostile = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(fields(&mut Input::new("_0.fnm", &hostile), lucene50::parse).is_err());
    }
}
