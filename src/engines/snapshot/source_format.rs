//! `_source` as it is stored is what the client sent: JSON, or SMILE, CBOR or YAML; before 5.0 perhaps compressed, by LZF or
//! DEFLATE. This makes one line of JSON of it.
//!
//! JSON is passed through byte for byte but for line breaks, which in JSON stand between tokens only, and comments, which
//! are no JSON and which servers take all the same: each becomes spaces, so that a document stays one line of a bulk
//! request. It is not parsed. Numbers of the other encodings keep their digits, keys their order and doubles.

use std::borrow::Cow;
use std::fmt;
use std::io::Read as _;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::limits::MAX_SOURCE_BYTES;
use super::{cbor, lzf, smile, yaml};

/// Stands before a deflated source.
const DEFLATE_MAGIC: &[u8] = b"DFL\0";
/// Looks for the beginning of a comment; made once, since making it takes longer than a look through a short document.
static COMMENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"/*"));

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
    /// Any of these, compressed by LZF.
    Lzf,
    /// Any of these, deflated.
    Deflate,
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
            Self::Lzf => "LZF",
            Self::Deflate => "DEFLATE",
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
    if source.starts_with(yaml::MAGIC) {
        return SourceFormat::Yaml;
    }
    if source.starts_with(lzf::MAGIC) {
        return SourceFormat::Lzf;
    }
    if source.starts_with(DEFLATE_MAGIC) {
        return SourceFormat::Deflate;
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
    match format {
        SourceFormat::Lzf => {
            let plain = lzf::decode(source, MAX_SOURCE_BYTES)
                .map_err(|error| malformed(format, error.offset, error.reason))?;
            decompressed(&plain)
        }
        SourceFormat::Deflate => decompressed(&inflate(source)?),
        _ => rendered(format, source),
    }
}

/// What was compressed is one of the encodings, and is not compressed twice.
fn decompressed(plain: &[u8]) -> Result<Cow<'static, [u8]>, SourceError> {
    match detect(plain) {
        format @ (SourceFormat::Lzf | SourceFormat::Deflate) => {
            Err(SourceError::Unsupported { format })
        }
        format => rendered(format, plain).map(|line| Cow::Owned(line.into_owned())),
    }
}

fn rendered(format: SourceFormat, source: &[u8]) -> Result<Cow<'_, [u8]>, SourceError> {
    let decoded = match format {
        SourceFormat::Json => return Ok(one_line(source)),
        SourceFormat::Smile => smile::decode(source),
        SourceFormat::Cbor => cbor::decode(source),
        SourceFormat::Yaml => yaml::decode(source),
        SourceFormat::Lzf | SourceFormat::Deflate | SourceFormat::Unknown => {
            return Err(SourceError::Unsupported { format });
        }
    };
    let content = decoded.map_err(|error| malformed(format, error.offset, error.reason))?;
    let mut line = Vec::with_capacity(source.len().saturating_mul(2));
    content.write_json(&mut line);
    Ok(Cow::Owned(line))
}

fn malformed(format: SourceFormat, offset: u64, reason: impl Into<String>) -> SourceError {
    SourceError::Malformed {
        format,
        offset,
        reason: reason.into(),
    }
}

fn inflate(source: &[u8]) -> Result<Vec<u8>, SourceError> {
    let format = SourceFormat::Deflate;
    let deflated = source.strip_prefix(DEFLATE_MAGIC).unwrap_or(source);
    let mut plain = Vec::new();
    flate2::read::DeflateDecoder::new(deflated)
        .take(MAX_SOURCE_BYTES + 1)
        .read_to_end(&mut plain)
        .map_err(|error| malformed(format, DEFLATE_MAGIC.len() as u64, error.to_string()))?;
    if plain.len() as u64 > MAX_SOURCE_BYTES {
        let reason = format!("decompressed it has more than {MAX_SOURCE_BYTES} bytes");
        return Err(malformed(format, 0, reason));
    }
    Ok(plain)
}

/// JSON with line feeds and carriage returns as spaces (in strict JSON both stand between tokens only), and without
/// comments, which Elasticsearch takes and stores: one that ends with its line would swallow the rest without its break.
///
/// A document on one line is looked through for comments only where it can have some: `/*` stands in it, or something
/// follows its last brace.
pub fn one_line(json: &[u8]) -> Cow<'_, [u8]> {
    let first = memchr::memchr2(b'\n', b'\r', json);
    let closed = json.trim_ascii_end().last() == Some(&b'}');
    let commented = if first.is_some() {
        memchr::memchr(b'/', json).is_some()
    } else {
        !closed || COMMENT.find(json).is_some()
    };
    if first.is_none() && !commented {
        return Cow::Borrowed(json);
    }
    let mut line = json.to_vec();
    if commented {
        blank_comments(&mut line);
    }
    for byte in &mut line[first.unwrap_or(json.len())..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    Cow::Owned(line)
}

/// Spaces over each `// …` up to its line break and over each `/* … */`. Strings are stepped over.
fn blank_comments(json: &mut [u8]) {
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
                let end = end.map_or(json.len(), |end| at + 2 + end + 2);
                json[at..end].fill(b' ');
                at = end;
                continue;
            }
            (b'/', Some(b'/')) => {
                let end = memchr::memchr2(b'\n', b'\r', &json[at..]);
                let end = end.map_or(json.len(), |end| at + end);
                json[at..end].fill(b' ');
                at = end;
                continue;
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
            (b"DFL\0", SourceFormat::Deflate),
            (b"ZV\x01", SourceFormat::Lzf),
            (b"DFL", SourceFormat::Unknown),
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
            "{          \"a//b\": \"\\\"//\",          \"c\": 1          }"
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
        assert_eq!(&to_json_line(b"---\na: 1").unwrap()[..], b"{\"a\":1}");
        let error = to_json_line(b"---\na: [").unwrap_err().to_string();
        assert!(error.contains("damaged YAML"), "{error}");
        assert!(matches!(
            to_json_line(b":)\n\x00\xfa"),
            Err(SourceError::Malformed { .. })
        ));
    }

    #[test]
    fn comments_of_a_document_on_one_line_are_blanked_too() {
        for (json, line) in [
            (&b"{\"a\": /* b */ 1}"[..], &b"{\"a\":         1}"[..]),
            (b"/**/{}", b"    {}"),
            (b"{} // end", b"{}       "),
            (b"{\"a\":\"/*\"}", b"{\"a\":\"/*\"}"),
            (b"{\"a\":\"http://b\"}", b"{\"a\":\"http://b\"}"),
        ] {
            assert_eq!(&one_line(json)[..], line);
        }
    }

    #[test]
    fn compressed_sources_are_rendered_as_what_they_hold() {
        use std::io::Write as _;

        let lzf =
            |plain: &[u8]| [&b"ZV\0\0"[..], &[u8::try_from(plain.len()).unwrap()], plain].concat();
        let deflated = |plain: &[u8]| {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::DeflateEncoder::new(DEFLATE_MAGIC.to_vec(), level);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        };
        for plain in [
            &b"{\"a\":\n1}"[..],
            b":)\n\x00\xfa\x80a\xc2\xfb",
            b"---\na: 1",
        ] {
            for compressed in [lzf(plain), deflated(plain)] {
                let line = to_json_line(&compressed).unwrap();
                assert_eq!(line, to_json_line(plain).unwrap());
                let cut = &compressed[..compressed.len() - 1];
                assert!(to_json_line(cut).is_err() || cut.starts_with(DEFLATE_MAGIC));
            }
        }
        assert!(to_json_line(&lzf(&lzf(b"{}"))).is_err(), "twice");
        assert!(to_json_line(b"DFL\0\xff\xff").is_err());
    }
}
