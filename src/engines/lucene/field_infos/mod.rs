//! `.fnm`: the fields of a segment, their numbers, and where their doc values stand.
//!
//! Field numbers mean something within one segment only.

mod lucene46;
mod lucene50;
mod lucene60;
mod lucene90;

use std::collections::BTreeMap;

use super::LuceneError;
use super::directory::{Directory, base36};
use super::input::Input;

/// What doc values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocValuesKind {
    /// No doc values.
    None,
    /// At most one number a document.
    Numeric,
    /// At most one value of bytes a document.
    Binary,
    /// At most one term a document, as a number in a dictionary.
    Sorted,
    /// A set of terms a document.
    SortedSet,
    /// A list of numbers a document, in order of size.
    SortedNumeric,
}

/// What the numbers of a vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VectorEncoding {
    /// Signed bytes.
    Byte,
    /// Single-precision floats.
    Float32,
}

/// A field of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorInfo {
    /// Numbers a vector.
    pub dimension: u32,
    /// What they are.
    pub encoding: VectorEncoding,
    /// Lucene's number of the similarity function.
    pub similarity: u8,
}

/// One field of one segment.
#[derive(Clone, Debug)]
pub struct FieldInfo {
    /// Full name: `_source`, `user.name`.
    pub name: String,
    /// What stored fields and doc values name it by; means something within one segment only.
    pub number: u32,
    /// Whether there are postings.
    pub indexed: bool,
    /// What doc values there are.
    pub doc_values: DocValuesKind,
    /// Generation of the field's doc values; `None` for those written with the segment.
    pub doc_values_gen: Option<u64>,
    /// Whether its doc values have a skip index (Lucene 10).
    pub doc_values_skipper: bool,
    /// Dimensions of points; 0 for none.
    pub point_dimensions: u32,
    /// Bytes in one dimension of a point.
    pub point_bytes: u32,
    /// Vectors, where there are.
    pub vector: Option<VectorInfo>,
    /// What codecs noted: `PerFieldDocValuesFormat.format`, `PerFieldKnnVectorsFormat.suffix`, …
    pub attributes: BTreeMap<String, String>,
}

/// All fields of a segment, in order of their numbers.
#[derive(Debug)]
pub(super) struct FieldInfos(Vec<FieldInfo>);

impl FieldInfos {
    pub(super) const EMPTY: Self = Self(Vec::new());

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
            ("Lucene46FieldInfos", 0..=2) => fields(&mut input, lucene46::parse),
            ("Lucene50FieldInfos", version @ 0..=1) => {
                fields(&mut input, |input| lucene50::parse(input, version))
            }
            ("Lucene60FieldInfos", version @ 0..=2) => {
                fields(&mut input, |input| lucene60::parse(input, version))
            }
            ("Lucene90FieldInfos", 0) => fields(&mut input, lucene90::parse_90),
            ("Lucene94FieldInfos", version @ 0..=2) => {
                fields(&mut input, |input| lucene90::parse_94(input, version))
            }
            _ => Err(header.unsupported(&input)),
        }?;
        Ok(Self(fields))
    }

    /// Bytes held, about.
    pub(super) fn memory(&self) -> usize {
        let texts = |field: &FieldInfo| {
            let attributes = field.attributes.iter();
            let attributes = attributes.map(|(key, value)| key.len() + value.len() + 48);
            field.name.len() + attributes.sum::<usize>()
        };
        let fields = self.0.iter();
        fields
            .map(|field| size_of::<FieldInfo>() + texts(field))
            .sum()
    }

    pub(super) fn as_slice(&self) -> &[FieldInfo] {
        &self.0
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&FieldInfo> {
        self.0.iter().find(|field| field.name == name)
    }

    pub(super) fn by_number(&self, number: u32) -> Option<&FieldInfo> {
        let at = self.0.binary_search_by_key(&number, |field| field.number);
        self.0.get(at.ok()?)
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
    fields.sort_by_key(|field: &FieldInfo| field.number);
    if input.remaining() > 0 {
        return Err(input.corrupt("the footer"));
    }
    let mut names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    let twice = fields
        .windows(2)
        .any(|pair| pair[0].number == pair[1].number)
        || names.windows(2).any(|pair| pair[0] == pair[1]);
    if twice {
        return Err(input.corrupt("each field once"));
    }
    Ok(fields)
}

/// What all versions from 50 on begin a field with, up to its attributes.
fn begin(input: &mut Input<'_>, skipper: bool) -> Result<FieldInfo, LuceneError> {
    let name = input.string()?.to_owned();
    let number = input.vint()?;
    input.u8()?; // bits: vectors, norms, payloads, soft deletes
    let indexed = input.u8()? != 0;
    let kind = input.u8()?;
    let doc_values = doc_values_kind(input, kind)?;
    let mut doc_values_skipper = false;
    if skipper {
        doc_values_skipper = match input.u8()? {
            0 => false,
            1 => true,
            byte => return Err(input.corrupt(format!("a skip index of 0 or 1, not {byte}"))),
        };
    }
    Ok(FieldInfo {
        name,
        number,
        indexed,
        doc_values,
        doc_values_gen: input.generation()?,
        doc_values_skipper,
        point_dimensions: 0,
        point_bytes: 0,
        vector: None,
        attributes: BTreeMap::new(),
    })
}

fn doc_values_kind(input: &Input<'_>, kind: u8) -> Result<DocValuesKind, LuceneError> {
    Ok(match kind {
        0 => DocValuesKind::None,
        1 => DocValuesKind::Numeric,
        2 => DocValuesKind::Binary,
        3 => DocValuesKind::Sorted,
        4 => DocValuesKind::SortedSet,
        5 => DocValuesKind::SortedNumeric,
        byte => return Err(input.corrupt(format!("a doc values type of 0 to 5, not {byte}"))),
    })
}

/// The dimensions of points, where `with_indexed` also how many of them are indexed.
fn points(
    input: &mut Input<'_>,
    field: &mut FieldInfo,
    with_indexed: bool,
) -> Result<(), LuceneError> {
    field.point_dimensions = input.vint()?;
    if field.point_dimensions > 0 {
        if with_indexed {
            input.vint()?;
        }
        field.point_bytes = input.vint()?;
    }
    Ok(())
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
            assert_eq!(read[0].doc_values, DocValuesKind::SortedNumeric);
            assert_eq!((read[0].point_dimensions, read[0].point_bytes), (2, 8));
            assert_eq!(read[1].doc_values, DocValuesKind::Numeric);
            assert_eq!(read[1].doc_values_gen, Some(7));
            assert_eq!(read[1].attributes["k"], "v");
        }
    }

    #[test]
    fn vectors_and_skip_indices_are_told() {
        for (is_94, version) in [(false, 0), (true, 0), (true, 2)] {
            let mut out = vec![1];
            encode::string(&mut out, "v");
            out.extend([7, 0, 0, 5]);
            if version >= 2 {
                out.push(1);
            }
            out.extend((-1_i64).to_le_bytes());
            out.extend([0, 0]);
            encode::vlong(&mut out, 300);
            if is_94 {
                out.push(0);
            }
            out.push(2);
            let mut input = Input::new("_0.fnm", &out);
            input.set_order(super::super::input::Order::Little);
            let read = fields(&mut input, |input| {
                if is_94 {
                    lucene90::parse_94(input, version)
                } else {
                    lucene90::parse_90(input)
                }
            });
            let [field] = &read.unwrap()[..] else {
                panic!("one field")
            };
            let vector = field.vector.unwrap();
            assert_eq!((vector.dimension, vector.similarity), (300, 2));
            let bytes = vector.encoding == VectorEncoding::Byte;
            assert_eq!((bytes, field.doc_values_skipper), (is_94, version >= 2));
        }
    }

    #[test]
    fn fields_of_lucene_4_are_read() {
        let mut out = vec![1];
        encode::string(&mut out, "_version");
        out.extend([4, 0x21, 0x11]);
        out.extend((-1_i64).to_be_bytes());
        out.extend([0, 0, 0, 1]);
        encode::string(&mut out, "PerFieldDocValuesFormat.format");
        encode::string(&mut out, "Lucene410");
        let read = fields(&mut Input::new("_0.fnm", &out), lucene46::parse).unwrap();
        assert!(read[0].indexed);
        assert_eq!(read[0].doc_values, DocValuesKind::Numeric);
        assert_eq!(read[0].attributes.len(), 1);
    }

    #[test]
    fn a_field_stands_once() {
        let mut out = vec![2];
        field(&mut out, "a", 0, 0, -1);
        field(&mut out, "b", 0, 0, -1);
        assert!(
            fields(&mut Input::new("_0.fnm", &out), |input| lucene50::parse(
                input, 1
            ))
            .is_err()
        );
        let mut out = vec![1];
        field(&mut out, "a", 0, 6, -1);
        assert!(
            fields(&mut Input::new("_0.fnm", &out), |input| lucene50::parse(
                input, 1
            ))
            .is_err()
        );
        let hostile = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(
            fields(
                &mut Input::new("_0.fnm", &hostile),
                |input| lucene50::parse(input, 1)
            )
            .is_err()
        );
    }
}
