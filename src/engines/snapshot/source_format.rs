//! `_source` as it is stored is what the client sent: JSON, or SMILE, CBOR or YAML. This makes one line of JSON of it.
//!
//! JSON is passed through byte for byte but for line breaks, which in JSON stand between tokens only: each becomes a
//! space, so that a document stays one line of a bulk request. It is not parsed.

use std::borrow::Cow;
use std::fmt;

use super::{cbor, smile};

/// The encoding of a `_source`, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceFormat {
    /// JSON: an object, perhaps after white space.
    Json,
    /// SMILE.
    Smile,
    /// CBOR.
    Cbor,
    /// YAML.
    Yaml,
    /// None of these.
    Unknown,
}

impl fmt::Display for SourceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Json => "JSON",
            Self::Smile => "SMILE",
            Self::Cbor => "CBOR",
            Self::Yaml => "YAML",
            Self::Unknown => "an unknown encoding",
        })
    }
}

/// Why a `_source` can't be given as JSON. The caller knows the document's name and adds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// An encoding that is known and not rendered, or not known.
    #[error("its _source is stored as {format}, which can't be rendered as JSON")]
    Unsupported {
        /// The encoding.
        format: SourceFormat,
    },
    /// Bytes that are not what their first bytes promise.
    #[error("its _source is damaged {format}: {reason} (at byte {offset})")]
    Malformed {
        /// The encoding.
        format: SourceFormat,
        /// Offset in the `_source`, in bytes.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
}

/// The encoding of `source`, by its first bytes alone.
pub fn detect(source: &[u8]) -> SourceFormat {
    if source.starts_with(smile::MAGIC) {
        return SourceFormat::Smile;
    }
    if source.starts_with(b"---") {
        return SourceFormat::Yaml;
    }
    match source.first() {
        // A map of definite or indefinite length, or the tag that says "CBOR".
        Some(0xa0..=0xbb | 0xbf) => return SourceFormat::Cbor,
        Some(0xd9) if source.starts_with(cbor::MAGIC) => return SourceFormat::Cbor,
        _ => {}
    }
    let text = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    // Elasticsearch's reader of JSON allows comments before the object.
    match text.trim_ascii_start().first() {
        Some(b'{' | b'/') => SourceFormat::Json,
        _ => SourceFormat::Unknown,
    }
}

/// `source` as one line of JSON. Borrowed when it is JSON on one line already, which nearly all documents are.
pub fn to_json_line(source: &[u8]) -> Result<Cow<'_, [u8]>, SourceError> {
    let format = detect(source);
    let decoded = match format {
        SourceFormat::Json => return Ok(one_line(source)),
        SourceFormat::Smile => smile::decode(source),
        SourceFormat::Cbor => cbor::decode(source),
        SourceFormat::Yaml | SourceFormat::Unknown => {
            return Err(SourceError::Unsupported { format });
        }
    };
    let content = decoded.map_err(|error| SourceError::Malformed {
        format,
        offset: error.offset,
        reason: error.reason,
    })?;
    let mut line = Vec::with_capacity(source.len().saturating_mul(2));
    content.write_json(&mut line);
    Ok(Cow::Owned(line))
}

/// JSON with line feeds and carriage returns as spaces: in strict JSON both stand between tokens only.
///
/// Elasticsearch 7.10 also takes and stores `// …` comments, which end with their line: without its line break such a
/// comment would swallow the rest of the document. So the comments of a document of several lines are blanked as well.
pub fn one_line(json: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr2(b'\n', b'\r', json) else {
        return Cow::Borrowed(json);
    };
    let mut line = json.to_vec();
    if memchr::memchr(b'/', json).is_some() {
        blank_line_comments(&mut line);
    }
    for byte in &mut line[first..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    Cow::Owned(line)
}

/// Spaces over each `// …` up to its line break. Strings and `/* … */` are stepped over.
fn blank_line_comments(json: &mut [u8]) {
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match (byte, json.get(at + 1)) {
            (b'"', _) => {
                at += 1;
                while json.get(at).is_some_and(|&byte| byte != b'"') {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
            }
            (b'/', Some(b'*')) => {
                let end = memchr::memmem::find(&json[at + 2..], b"*/");
                at = end.map_or(json.len(), |end| at + 2 + end + 1);
            }
            (b'/', Some(b'/')) => {
                while json
                    .get(at)
                    .is_some_and(|byte| !matches!(byte, b'\n' | b'\r'))
                {
                    json[at] = b' ';
                    at += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_known_by_their_first_bytes() {
        for (bytes, format) in [
            (&b"{}"[..], SourceFormat::Json),
            (b"\n\n  {\"a\":1}", SourceFormat::Json),
            (b"\xef\xbb\xbf{}", SourceFormat::Json),
            (b":)\n\x03\xfa\xfb", SourceFormat::Smile),
            (b"\xbf\xff", SourceFormat::Cbor),
            (b"\xa0", SourceFormat::Cbor),
            (b"\xd9\xd9\xf7\xa0", SourceFormat::Cbor),
            (b"---\na: 1", SourceFormat::Yaml),
            (b"DFL\0", SourceFormat::Unknown),
            (b"", SourceFormat::Unknown),
        ] {
            assert_eq!(detect(bytes), format, "{bytes:?}");
        }
    }

    #[test]
    fn json_is_passed_through_and_kept_on_one_line() {
        let json = b"{\"a\":1.0e+1,\"a\":\"\\n\"}";
        assert!(matches!(to_json_line(json), Ok(Cow::Borrowed(same)) if same == json));
        let lines = to_json_line(b"{\r\n \"a\": 1\n}").unwrap();
        assert_eq!(&lines[..], b"{   \"a\": 1 }");
    }

    #[test]
    fn a_comment_that_ends_with_its_line_does_not_swallow_the_rest() {
        let lines = one_line(b"{ // first\n\"a//b\": \"\\\"//\", /* // */ \"c\": 1 // last\r\n}");
        assert_eq!(
            std::str::from_utf8(&lines).unwrap(),
            "{          \"a//b\": \"\\\"//\", /* // */ \"c\": 1          }"
        );
        for cut in [&b"\n//"[..], b"\n/*", b"\n\"", b"\n\"\\", b"\n/"] {
            assert_eq!(one_line(cut).len(), cut.len());
        }
    }

    #[test]
    fn other_encodings_are_rendered_or_refused() {
        assert_eq!(
            &to_json_line(b":)\n\x00\xfa\x80a\xc2\xfb").unwrap()[..],
            b"{\"a\":1}"
        );
        assert_eq!(&to_json_line(b"\xa1\x61a\x20").unwrap()[..], b"{\"a\":-1}");
        let error = to_json_line(b"---\na: 1").unwrap_err().to_string();
        assert!(error.contains("YAML"), "{error}");
        assert!(matches!(
            to_json_line(b":)\n\x00\xfa"),
            Err(SourceError::Malformed { .. })
        ));
    }
}
