//! YAML, which clients may send documents in and Elasticsearch then stores as `_source` byte for byte.
//!
//! Rendered as the server renders it, whose reader (Jackson's over `SnakeYAML`) differs from what YAML 1.2 says: an alias is
//! not followed but becomes the text of its name, keys keep their order and doubles, `yes`, `no`, `on` and `off` stay texts,
//! and so do hexadecimal, octal and base-60 numbers. Decimal numbers keep their digits. Only the first document is read.
//!
//! Relies on `granit-parser`, which gives events and keeps no tree. Hostile-safe: bounded depth and memory, and what an
//! alias names is never copied. Deliberately absent: writing.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Tag};

use super::budget::Budget;
use super::content::Content;
use super::error::DecodeError;
use super::limits::MAX_DEPTH;

/// Begins a document, as Elasticsearch tells YAML from other texts.
pub const MAGIC: &[u8] = b"---";

/// Decodes the first document.
pub(crate) fn decode(bytes: &[u8]) -> Result<Content, DecodeError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| DecodeError::new(error.valid_up_to(), "the text is not UTF-8"))?;
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut decoder = Decoder {
        parser: Parser::new_from_str_with_options(text, options),
        budget: Budget::default(),
        anchors: HashMap::new(),
        at: 0,
    };
    loop {
        match decoder.next()? {
            Some(Event::StreamStart | Event::DocumentStart(..)) => {}
            None | Some(Event::StreamEnd | Event::DocumentEnd) => {
                return Err(DecodeError::new(decoder.at, "it holds no value"));
            }
            Some(event) => return decoder.value(event, 0),
        }
    }
}

struct Decoder<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    budget: Budget,
    /// Names of anchors by the numbers that aliases have.
    anchors: HashMap<usize, String>,
    /// Where the last event begins, in bytes.
    at: usize,
}

impl<'a> Decoder<'a> {
    /// The next event that is a part of the document.
    fn next(&mut self) -> Result<Option<Event<'a>>, DecodeError> {
        loop {
            let Some(next) = self.parser.next_event() else {
                return Ok(None);
            };
            let (event, span) = next.map_err(|error| {
                let at = error.marker().byte_offset().unwrap_or(self.at);
                DecodeError::new(at, error.info())
            })?;
            self.at = span.start.byte_offset().unwrap_or(self.at);
            match event {
                Event::Anchor(id, name) => {
                    self.budget.spend(name.len(), self.at)?;
                    self.anchors.insert(id, name.into_owned());
                }
                event => return Ok(Some(event)),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Content, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::new(
                self.at,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        self.budget.spend(0, self.at)?;
        match event {
            Event::Scalar(text, style, _, tag) => {
                self.budget.spend(text.len(), self.at)?;
                Ok(scalar(&text, style, tag.as_deref()))
            }
            Event::Alias(id) => {
                let name = self.anchors.get(&id).cloned().unwrap_or_default();
                self.budget.spend(name.len(), self.at)?;
                Ok(Content::Text(name))
            }
            Event::UnresolvedAlias(name) => Ok(Content::Text(name.into_owned())),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.within()? {
                        Event::SequenceEnd => return Ok(Content::Array(items)),
                        event => items.push(self.value(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut fields = Vec::new();
                loop {
                    let key = match self.within()? {
                        Event::MappingEnd => return Ok(Content::Object(fields)),
                        Event::Scalar(text, ..) => text.into_owned(),
                        Event::Alias(id) => self.anchors.get(&id).cloned().unwrap_or_default(),
                        Event::UnresolvedAlias(name) => name.into_owned(),
                        _ => return Err(DecodeError::new(self.at, "a key is no text")),
                    };
                    self.budget.spend(key.len(), self.at)?;
                    let event = self.within()?;
                    let value = self.value(event, depth + 1)?;
                    fields.push((key, value));
                }
            }
            _ => Err(DecodeError::new(self.at, "a value is missing")),
        }
    }

    fn within(&mut self) -> Result<Event<'a>, DecodeError> {
        let at = self.at;
        self.next()?
            .ok_or_else(|| DecodeError::new(at, "the text ends early"))
    }
}

/// What a scalar stands for: only one without quotes and without a tag is more than its text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Content {
    let plain = match tag.and_then(Tag::core_suffix) {
        Some("int" | "float" | "bool" | "null") => true,
        Some(_) => false,
        None => tag.is_none() && style == ScalarStyle::Plain,
    };
    if !plain {
        return Content::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| Content::Text(text.to_owned()))
}

/// A decimal number in the form of JSON, with the digits that it was written with.
fn number(text: &str) -> Option<Content> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    // `1_000` is a number to the server; `_1` is none.
    let first = unsigned.bytes().next()?;
    if !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    let digits: String = unsigned.chars().filter(|char| *char != '_').collect();
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits.as_str(), None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction_digits = fraction.unwrap_or_default();
    if !all_digits(whole)
        || !all_digits(fraction_digits)
        || (whole.is_empty() && fraction_digits.is_empty())
    {
        return None;
    }
    // With a zero in front it is octal to the server's resolver, and no number where it can't be; read as decimal all the same.
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if leading_zero && fraction.is_none() && exponent.is_none() && whole.contains(['8', '9']) {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let mut json = format!("{sign}{whole}");
    if fraction.is_none() && exponent.is_none() {
        return Some(
            json.parse()
                .map_or_else(|_| Content::Number(json), Content::Int),
        );
    }
    if let Some(fraction) = fraction {
        json.push('.');
        json.push_str(if fraction.is_empty() { "0" } else { fraction });
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !all_digits(digits) {
            return None;
        }
        json.push('e');
        json.push_str(exponent);
    }
    Some(Content::Number(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        decode(text.as_bytes()).unwrap().write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn documents_are_rendered_with_order_doubles_and_digits() {
        assert_eq!(
            json(
                "---\nz: 1\na: [1.10, -0.5, 1e3, 12345678901234567890123, +7, 1_000, .5, 1., 007, 08]\nz: 2\n"
            ),
            r#"{"z":1,"a":[1.10,-0.5,1e3,12345678901234567890123,7,1000,0.5,1.0,7,"08"],"z":2}"#
        );
        assert_eq!(
            json(
                "---\na: ~\nb:\nc: true\nd: yes\ne: 'true'\nf: \"1\"\ng: 0x10\nh: 1:30\ni: .inf\nj: 1e\n"
            ),
            r#"{"a":null,"b":null,"c":true,"d":"yes","e":"true","f":"1","g":"0x10","h":"1:30","i":".inf","j":"1e"}"#
        );
        assert_eq!(
            json("--- {a: !!str 12, b: !own 12, c: 2014-05-01, 4: x}\n"),
            r#"{"a":"12","b":"12","c":"2014-05-01","4":"x"}"#
        );
        assert_eq!(
            json("---\nt: |\n  two\n  lines\nf: >\n  one\n  line\n"),
            r#"{"t":"two\nlines\n","f":"one line\n"}"#
        );
        assert_eq!(json("---\n{}\n---\nsecond: 1\n"), "{}");
    }

    #[test]
    fn aliases_are_their_names() {
        assert_eq!(
            json("---\na: &one [1, 2]\nb: *one\n<<: *one\n"),
            r#"{"a":[1,2],"b":"one","<<":"one"}"#
        );
    }

    #[test]
    fn hostile_texts_end_in_errors() {
        assert!(decode(b"---").is_ok_and(|content| content == Content::Null));
        for text in [
            &b"--- {a"[..],
            b"---\n? [a]\n: 1\n",
            b"---\na: b: c: d\n  - x",
            b"---\n\xff",
            b"---\n\"",
            b"--- @x",
        ] {
            assert!(decode(text).is_err(), "{text:?}");
        }
        let deep = [&b"--- "[..], &b"[".repeat(100_000)].concat();
        assert!(decode(&deep).is_err());
        let mut bomb = "---\na0: &a0 [x]\n".to_owned();
        for level in 1..40 {
            bomb.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
        }
        assert!(json(&bomb).len() < 2000);
    }
}
