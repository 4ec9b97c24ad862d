//! From YAML text to a tree whose every node knows its place.
//!
//! Relies on `serde-saphyr` for scanning and its budgets. A scalar keeps its text as written, taken from the source by
//! its place, so `7.10` stays `7.10` and `0x10` is no number here. Duplicate keys are kept, for the decoder to tell.
//! Deliberately absent: any knowledge of what keys mean.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::codes::language as code;
use super::diagnostics::Diagnostic;
use super::location::Location;

/// The largest file that is read.
pub(crate) const FILE_BYTES_MAX: usize = 4 << 20;
/// How deep maps and lists may nest.
const DEPTH_MAX: usize = 64;
/// How many values a file may hold once anchors are expanded.
const NODES_MAX: usize = 200_000;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) location: Location,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A text and how it was written.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number or a word.
    Plain,
    /// In quotes or as a block: a text.
    Quoted,
    /// Some of it came from a substitution: whatever it looks like.
    Substituted,
    /// A substitution in it failed, which is told: it fits everywhere and means nothing.
    Poisoned,
}

/// One key of a map with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_location: Location,
    pub(crate) value: Node,
}

impl Node {
    /// A map made by the loader.
    pub(crate) fn map(entries: Vec<Entry>, location: Location) -> Self {
        Self {
            value: Value::Map(entries),
            location,
        }
    }

    /// From JSON, all at one place: for defaults.
    pub(crate) fn from_json(json: &serde_json::Value, location: Location) -> Self {
        use serde_json::Value as Json;
        let plain = |text: String| {
            Value::Scalar(Scalar {
                text,
                style: Style::Plain,
            })
        };
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => plain(flag.to_string()),
            Json::Number(number) => plain(number.to_string()),
            Json::String(text) => Value::Scalar(Scalar {
                text: text.clone(),
                style: Style::Quoted,
            }),
            Json::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Self::from_json(item, location))
                    .collect(),
            ),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_location: location,
                        value: Self::from_json(value, location),
                    })
                    .collect(),
            ),
        };
        Self { value, location }
    }

    /// To JSON as an editor's schema check sees it: plain scalars become numbers and booleans where they are ones.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar(scalar) if scalar.style == Style::Plain => match scalar.text.as_str() {
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                text => text
                    .parse::<i64>()
                    .map(Json::from)
                    .or_else(|_| text.parse::<f64>().map(Json::from))
                    .unwrap_or_else(|_| Json::String(text.to_owned())),
            },
            Value::Scalar(scalar) => Json::String(scalar.text.clone()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()))
                    .collect(),
            ),
        }
    }

    /// The entry of a key, where this is a map.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads one file. An empty file is an empty map.
pub(crate) fn parse(text: &str, file: u32) -> Result<Node, Box<Diagnostic>> {
    let whole = Location {
        file,
        start: 0,
        end: 0,
    };
    if text.len() > FILE_BYTES_MAX {
        return Err(Box::new(
            Diagnostic::new(
                code::LIMIT,
                format!(
                    "the file has {} bytes, more than {FILE_BYTES_MAX}",
                    text.len()
                ),
            )
            .at(whole),
        ));
    }
    let raw: Raw = serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| Box::new(syntax_error(&error, text, file)))?;
    let node = raw.into_node(text, file);
    Ok(match node.value {
        Value::Null => Node::map(Vec::new(), whole),
        _ => node,
    })
}

// The options are non-exhaustive, so they can't be written as a literal.
#[allow(clippy::field_reassign_with_default)]
fn options() -> serde_saphyr::Options {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = DEPTH_MAX;
    budget.flow_nesting_limit = DEPTH_MAX;
    budget.max_nodes = NODES_MAX;
    budget.max_events = NODES_MAX * 2;
    budget.max_documents = 1;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    options.merge_keys = serde_saphyr::options::MergeKeyPolicy::AsOrdinary;
    options.alias_limits.max_total_replayed_events = NODES_MAX;
    options.non_finite_float_policy = serde_saphyr::options::NonFiniteFloatPolicy::AsString;
    options.ignore_binary_tag_for_string = true;
    options.with_snippet = false;
    options
}

fn syntax_error(error: &serde_saphyr::Error, text: &str, file: u32) -> Diagnostic {
    let message = error.without_snippet().to_string();
    // The place stands in the location already; the text of the scanner ends with it too.
    let message = message
        .split('\n')
        .next()
        .unwrap_or_default()
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_owned();
    let offset = error
        .location()
        .map_or(0, |location| byte_offset(text, &location));
    let offset = offset.min(text.len());
    let location = Location {
        file,
        start: to_u32(offset),
        end: to_u32(offset),
    };
    let lower = message.to_lowercase();
    let limited = [
        "budget",
        "limit",
        "exceed",
        "too deep",
        "too many",
        "recursion",
    ]
    .iter()
    .any(|word| lower.contains(word));
    if limited {
        return Diagnostic::new(code::LIMIT, format!("the file is beyond a limit: {message}"))
            .at(location)
            .help(format!(
                "limits are {} MiB, {DEPTH_MAX} levels and {NODES_MAX} values after anchors are expanded",
                FILE_BYTES_MAX >> 20
            ));
    }
    let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let indentation: String = line
        .chars()
        .take_while(|character| character.is_whitespace())
        .collect();
    Diagnostic::new(code::SYNTAX, format!("this is not YAML: {message}"))
        .at(location)
        .help_if(
            (indentation.contains('\t') || lower.contains("tab"))
                .then(|| "indent with spaces; YAML allows no tabs there".to_owned()),
        )
}

fn byte_offset(text: &str, location: &serde_saphyr::Location) -> usize {
    if let Some(offset) = location.span().byte_offset() {
        let mut offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        return offset;
    }
    let line = usize::try_from(location.line()).unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = usize::try_from(location.column()).unwrap_or(1).max(1) - 1;
    let rest = text.get(start..).unwrap_or_default();
    start
        + rest
            .chars()
            .take(column)
            .take_while(|character| *character != '\n')
            .map(char::len_utf8)
            .sum::<usize>()
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The tree as serde gives it, before texts are taken from the source.
struct Raw(serde_saphyr::Spanned<RawValue>);

enum RawValue {
    Null,
    /// A number or a boolean; its text is that of the source.
    Typed(String),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
}

impl Raw {
    fn into_node(self, text: &str, file: u32) -> Node {
        let location = place(&self.0.referenced, text, file);
        let source = {
            let defined = place(&self.0.defined, text, file);
            text.get(defined.start as usize..defined.end as usize)
                .unwrap_or_default()
        };
        let value = match self.0.value {
            RawValue::Null => Value::Null,
            RawValue::Typed(shown) => {
                let source = source.trim();
                // A tag before the value, or a place that is not known: what serde saw is the next best.
                let text = if source.is_empty() || source.starts_with(['!', '&']) {
                    shown
                } else {
                    source.to_owned()
                };
                Value::Scalar(Scalar {
                    text,
                    style: Style::Plain,
                })
            }
            RawValue::Text(value) => {
                // The place of a block scalar is that of its lines, after the `|` or `>`.
                let defined = place(&self.0.defined, text, file);
                let before = text
                    .get(..defined.start as usize)
                    .unwrap_or_default()
                    .trim_end();
                let block = ["|", ">", "|-", ">-", "|+", ">+"]
                    .iter()
                    .any(|sign| before.ends_with(sign));
                let style = if block || value.contains('\n') || source.starts_with(['"', '\'']) {
                    Style::Quoted
                } else {
                    Style::Plain
                };
                Value::Scalar(Scalar { text: value, style })
            }
            RawValue::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| item.into_node(text, file))
                    .collect(),
            ),
            RawValue::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let key = key.into_node(text, file);
                        let value = value.into_node(text, file);
                        Entry {
                            key_location: key.location,
                            // A key that is no text can't be a known key; its kind serves as its name.
                            key: match key.value {
                                Value::Scalar(scalar) => scalar.text,
                                Value::Null => "null".to_owned(),
                                Value::List(_) | Value::Map(_) => key.kind().to_owned(),
                            },
                            value,
                        }
                    })
                    .collect(),
            ),
        };
        Node { value, location }
    }
}

fn place(location: &serde_saphyr::Location, text: &str, file: u32) -> Location {
    let start = byte_offset(text, location);
    let length = location
        .span()
        .byte_len()
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    let mut end = start.saturating_add(length).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Location {
        file,
        start: to_u32(start),
        end: to_u32(end.max(start)),
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_saphyr::Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

macro_rules! typed {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, value: $type) -> Result<RawValue, E> {
            Ok(RawValue::Typed(value.to_string()))
        })*
    };
}

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    typed!(visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64);

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawValue, E> {
        Ok(RawValue::Text(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<RawValue, E> {
        Ok(RawValue::Text(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawValue, D::Error> {
        RawValue::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(RawValue::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(scalar) => format!("{:?}:{:?}", scalar.style, scalar.text),
            Value::List(items) => format!("{:?}", items.iter().map(show).collect::<Vec<_>>()),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| {
                    format!(
                        "{}@{}={}@{}-{}",
                        entry.key,
                        entry.key_location.start,
                        show(&entry.value),
                        entry.value.location.start,
                        entry.value.location.end
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn texts_stay_as_written_with_their_places() {
        let text =
            "a: 7.10 # c\nb: \"x y\"\nc: 0x1F\nd: ~\ne: yes\na: [1e3, -0]\nf: |\n  two\n  lines\n";
        let node = parse(text, 0).unwrap();
        assert_eq!(
            show(&node),
            "a@0=Plain:\"7.10\"@3-7 b@12=Quoted:\"x y\"@15-20 c@21=Plain:\"0x1F\"@24-28 d@29=null@32-33 \
             e@34=Plain:\"yes\"@37-40 a@41=[\"Plain:\\\"1e3\\\"\", \"Plain:\\\"-0\\\"\"]@44-45 \
             f@54=Quoted:\"two\\nlines\\n\"@61-73"
        );
    }

    #[test]
    fn anchors_point_at_where_they_are_used() {
        let node = parse("a: &x 7.10\nb: *x\n", 0).unwrap();
        let b = node.entry("b").unwrap();
        assert_eq!(b.value.location.start, 14);
        assert!(matches!(&b.value.value, Value::Scalar(scalar) if scalar.text == "7.10"));
    }

    #[test]
    fn hostile_files_meet_named_limits() {
        let deep = "[".repeat(5000);
        assert_eq!(parse(&deep, 0).unwrap_err().code, code::LIMIT);
        let deep = format!("{}x{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(parse(&deep, 0).unwrap_err().code, code::LIMIT);
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let previous = format!("*a{}", level - 1);
            bomb.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                vec![previous; 10].join(", ")
            ));
        }
        assert_eq!(parse(&bomb, 0).unwrap_err().code, code::LIMIT);
        let huge = "a".repeat(FILE_BYTES_MAX + 1);
        assert_eq!(parse(&huge, 0).unwrap_err().code, code::LIMIT);
    }
}
