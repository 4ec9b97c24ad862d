//! `.si`: how many documents a segment has, and whether its files stand in a compound file.
//!
//! Deliberately absent: the sort of the segment, which differs by version, and which nothing here needs.

mod lucene50;
mod lucene70;

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
}

/// Parses the bytes before the footer.
pub(super) fn parse(file: &str, bytes: &[u8], id: [u8; 16]) -> Result<SegmentInfo, LuceneError> {
    let mut input = Input::new(file, bytes);
    let header = codec::index_header(&mut input)?;
    header.check_id(&input, id)?;
    let info = match (header.codec, header.version) {
        ("Lucene50SegmentInfo", 1) | ("Lucene62SegmentInfo", 0 | 1) => lucene50::parse(&mut input),
        ("Lucene70SegmentInfo" | "Lucene86SegmentInfo", 0) => lucene70::parse(&mut input),
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

/// Document count and compound flag, which all versions have in this order.
fn counts(
    input: &mut Input<'_>,
    lucene_version: LuceneVersion,
) -> Result<SegmentInfo, LuceneError> {
    let max_doc = input.count("a number of documents")?;
    // 1 is yes and −1 is no, as a signed byte.
    let compound = match input.u8()? {
        1 => true,
        0xff => false,
        byte => return Err(input.corrupt(format!("a compound flag of 1 or -1, not {byte}"))),
    };
    Ok(SegmentInfo {
        lucene_version,
        max_doc,
        compound,
    })
}

#[cfg(test)]
mod tests {
    use super::super::codec::encode;
    use super::*;

    fn body(codec: &str, version: u32, docs: u32, minimum: Option<bool>, compound: u8) -> Vec<u8> {
        let mut out = encode::header(codec, version, [3; 16], "");
        out.extend([0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 1]);
        if let Some(has) = minimum {
            out.push(u8::from(has));
            if has {
                out.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
            }
        }
        out.extend(docs.to_be_bytes());
        out.push(compound);
        out
    }

    #[test]
    fn each_version_gives_count_and_compound_flag() {
        for (codec, version, minimum) in [
            ("Lucene50SegmentInfo", 1, None),
            ("Lucene62SegmentInfo", 1, None),
            ("Lucene70SegmentInfo", 0, Some(false)),
            ("Lucene86SegmentInfo", 0, Some(true)),
        ] {
            let info = parse("_0.si", &body(codec, version, 77, minimum, 0xff), [3; 16]).unwrap();
            assert_eq!((info.max_doc, info.compound), (77, false), "{codec}");
            assert_eq!(info.lucene_version.to_string(), "8.7.1");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let file = |docs, compound| body("Lucene86SegmentInfo", 0, docs, Some(true), compound);
        let read = |bytes: &[u8]| parse("_0.si", bytes, [3; 16]);
        assert!(read(&file(1, 1)).unwrap().compound);
        assert!(read(&file(1, 2)).is_err());
        assert!(read(&file(u32::MAX, 1)).is_err());
        assert!(read(&file(i32::MAX as u32, 1)).is_err());
        assert!(parse("_0.si", &file(1, 1), [4; 16]).is_err());
        assert!(read(&body("Lucene99SegmentInfo", 0, 1, None, 1)).is_err());
        for length in 0..file(1, 1).len() {
            assert!(read(&file(1, 1)[..length]).is_err());
        }
    }
}
