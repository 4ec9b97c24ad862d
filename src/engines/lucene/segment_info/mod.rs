//! `.si`: how many documents a segment has, whether its files stand in a compound file, and what codecs noted about it.
//!
//! Deliberately absent: the sort of the segment, which differs by version, and which nothing here needs.

mod lucene46;
mod lucene50;
mod lucene70;
mod lucene90;

use std::collections::BTreeMap;

use super::codec;
use super::input::Input;
use super::limits::MAX_DOCS;
use super::{LuceneError, LuceneVersion};

/// What the reader needs of a `.si` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentInfo {
    pub(super) lucene_version: LuceneVersion,
    pub(super) max_doc: u32,
    pub(super) compound: bool,
    /// By key: `Lucene90StoredFieldsFormat.mode`, `derived_vector_fields`, …
    pub(super) attributes: BTreeMap<String, String>,
}

/// Parses the bytes before the footer.
pub(super) fn parse(
    file: &str,
    bytes: &[u8],
    id: Option<[u8; 16]>,
) -> Result<SegmentInfo, LuceneError> {
    let mut input = Input::new(file, bytes);
    let header = codec::header(&mut input)?;
    header.check_id(&input, id)?;
    let info = match (header.codec, header.version) {
        ("Lucene40SegmentInfo", 0) => lucene46::parse(&mut input, true),
        ("Lucene46SegmentInfo", 0 | 1) => lucene46::parse(&mut input, false),
        ("Lucene50SegmentInfo", 0) => lucene50::parse(&mut input, true),
        ("Lucene50SegmentInfo", 1) | ("Lucene62SegmentInfo", 0 | 1) => {
            lucene50::parse(&mut input, false)
        }
        ("Lucene70SegmentInfo" | "Lucene86SegmentInfo", 0) => lucene70::parse(&mut input),
        ("Lucene90SegmentInfo", 0) => lucene90::parse(&mut input),
        _ => Err(header.unsupported(&input)),
    }?;
    if info.max_doc > MAX_DOCS {
        return Err(LuceneError::Limit {
            file: file.to_owned(),
            offset: input.offset(),
            what: "the number of documents",
            value: u64::from(info.max_doc),
            limit: u64::from(MAX_DOCS),
        });
    }
    Ok(info)
}

fn version(input: &mut Input<'_>) -> Result<LuceneVersion, LuceneError> {
    Ok(LuceneVersion {
        major: input.count("a major version")?,
        minor: input.count("a minor version")?,
        bugfix: input.count("a bugfix version")?,
    })
}

/// From Lucene 7 on: the oldest version that a document of the segment was written with, where there is one.
fn oldest_version(input: &mut Input<'_>) -> Result<(), LuceneError> {
    match input.u8()? {
        0 => Ok(()),
        1 => version(input).map(drop),
        byte => Err(input.corrupt(format!("0 or 1 before a version, not {byte}"))),
    }
}

/// Document count and compound flag, which all versions have in this order.
fn counts(input: &mut Input<'_>) -> Result<(u32, bool), LuceneError> {
    Ok((
        input.count("a number of documents")?,
        flag(input, "a compound flag")?,
    ))
}

/// 1 is yes and −1 is no, as a signed byte.
fn flag(input: &mut Input<'_>, what: &str) -> Result<bool, LuceneError> {
    match input.u8()? {
        1 => Ok(true),
        0xff => Ok(false),
        byte => Err(input.corrupt(format!("{what} of 1 or -1, not {byte}"))),
    }
}

/// Diagnostics, file names and attributes, of which the last are given.
fn lists(input: &mut Input<'_>) -> Result<BTreeMap<String, String>, LuceneError> {
    input.map()?;
    input.skip_set()?;
    input.map()
}

#[cfg(test)]
mod tests {
    use super::super::codec::encode;
    use super::*;

    struct Shape {
        codec: &'static str,
        version: u32,
        /// Whether the oldest version stands there; `None` in formats that have none.
        oldest: Option<bool>,
        lucene: [u32; 3],
    }

    const fn shape(
        codec: &'static str,
        version: u32,
        oldest: Option<bool>,
        lucene: [u32; 3],
    ) -> Shape {
        Shape {
            codec,
            version,
            oldest,
            lucene,
        }
    }

    const SHAPES: [Shape; 8] = [
        shape("Lucene46SegmentInfo", 0, None, [4, 7, 1]),
        shape("Lucene50SegmentInfo", 0, None, [5, 0, 0]),
        shape("Lucene50SegmentInfo", 1, None, [5, 5, 4]),
        shape("Lucene62SegmentInfo", 1, None, [6, 6, 1]),
        shape("Lucene70SegmentInfo", 0, Some(false), [8, 5, 1]),
        shape("Lucene86SegmentInfo", 0, Some(true), [8, 7, 0]),
        shape("Lucene90SegmentInfo", 0, Some(true), [9, 8, 9]),
        shape("Lucene90SegmentInfo", 0, Some(true), [9, 9, 0]),
    ];

    fn body(shape: &Shape, docs: u32, compound: u8) -> Vec<u8> {
        let four = shape.codec == "Lucene46SegmentInfo";
        let little = shape.codec == "Lucene90SegmentInfo";
        let old = four || shape.version == 0 && shape.codec == "Lucene50SegmentInfo";
        let int = |value: u32| {
            if little {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            }
        };
        let mut out = if four {
            encode::old_header(shape.codec, shape.version)
        } else {
            encode::header(shape.codec, shape.version, [3; 16], "")
        };
        if four {
            let text: Vec<String> = shape.lucene.iter().map(u32::to_string).collect();
            encode::string(&mut out, &text.join("."));
        } else {
            out.extend(shape.lucene.into_iter().flat_map(int));
        }
        if let Some(has) = shape.oldest {
            out.push(u8::from(has));
            if has {
                out.extend([8, 0, 0].into_iter().flat_map(int));
            }
        }
        out.extend(int(docs));
        out.push(compound);
        if little && shape.lucene >= [9, 9, 0] {
            out.push(0xff);
        }
        let list = |out: &mut Vec<u8>, texts: &[&str], pairs: bool| {
            let count = texts.len() as u32 / if pairs { 2 } else { 1 };
            if old {
                out.extend(count.to_be_bytes());
            } else {
                out.push(count as u8);
            }
            for text in texts {
                encode::string(out, text);
            }
        };
        list(&mut out, &["os", "Linux"], true);
        list(&mut out, &["_0.cfs", "_0.cfe", "_0.si"], false);
        if !four {
            list(&mut out, &["derived_vector_fields", "v"], true);
        }
        out
    }

    #[test]
    fn each_version_gives_count_flag_and_attributes() {
        for shape in &SHAPES {
            let file = body(shape, 77, 0xff);
            let info = parse("_0.si", &file, Some([3; 16])).unwrap();
            assert_eq!(
                (info.max_doc, info.compound),
                (77, false),
                "{}",
                shape.codec
            );
            let [major, minor, bugfix] = shape.lucene;
            assert_eq!(
                info.lucene_version.to_string(),
                format!("{major}.{minor}.{bugfix}")
            );
            let attribute = info.attributes.get("derived_vector_fields");
            let expected = (shape.codec != "Lucene46SegmentInfo").then_some("v");
            assert_eq!(attribute.map(String::as_str), expected);
            for length in 0..file.len() {
                assert!(parse("_0.si", &file[..length], Some([3; 16])).is_err());
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let [.., shape_86, _, _] = &SHAPES;
        let file = |docs, compound| body(shape_86, docs, compound);
        let read = |bytes: &[u8]| parse("_0.si", bytes, Some([3; 16]));
        assert!(read(&file(1, 1)).unwrap().compound);
        assert!(read(&file(1, 2)).is_err());
        assert!(read(&file(u32::MAX, 1)).is_err());
        assert!(read(&file(i32::MAX as u32, 1)).is_err());
        assert!(parse("_0.si", &file(1, 1), Some([4; 16])).is_err());
        let unknown = shape("Lucene99SegmentInfo", 0, None, [9, 9, 0]);
        assert!(read(&body(&unknown, 1, 1)).is_err());
    }
}
