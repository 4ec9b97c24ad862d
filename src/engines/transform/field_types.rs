//! What a mapping says of the JSON type of each field, and what makes a value one of it.
//!
//! Deliberately absent: fields whose values have a form of their own (dates, addresses, shapes, ranges), and multi-fields,
//! which no document names.

use std::collections::BTreeMap;

use serde_json::Value;

/// The type that a value in a source is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonType {
    Whole,
    Number,
    Boolean,
    Text,
}

/// A value in the type that it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coerced {
    /// It has it already.
    Same,
    /// This JSON.
    To(String),
}

/// Fields by path, those with a JSON type alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldTypes(BTreeMap<String, JsonType>);

impl FieldTypes {
    /// Of the `mappings` of an index, with or without the name of a type in between.
    pub fn of_mappings(mappings: &Value) -> Self {
        let mut types = BTreeMap::new();
        let typed = mappings
            .as_object()
            .filter(|object| object.len() == 1 && !object.contains_key("properties"))
            .and_then(|object| object.values().next())
            .filter(|inner| inner.get("properties").is_some());
        fields(typed.unwrap_or(mappings), "", &mut types);
        Self(types)
    }

    /// Of pairs of path and type as mappings name it; the first type that is none.
    pub fn of_pairs(pairs: &[(String, String)]) -> Self {
        let known = pairs
            .iter()
            .filter_map(|(path, name)| Some((path.clone(), JsonType::named(name)?)));
        Self(known.collect())
    }

    /// These, and those of others where a path has none or another one here.
    pub(super) fn or(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(super) fn get(&self, path: &str) -> Option<JsonType> {
        self.0.get(path).copied()
    }

    /// Whether any field stands below a path.
    pub(super) fn has_below(&self, path: &str) -> bool {
        let from = format!("{path}.");
        let mut behind = self.0.range(from.clone()..);
        behind
            .next()
            .is_some_and(|(path, _)| path.starts_with(&from))
    }
}

fn fields(mapping: &Value, above: &str, types: &mut BTreeMap<String, JsonType>) {
    let properties = mapping.get("properties").and_then(Value::as_object);
    for (name, field) in properties.into_iter().flatten() {
        let path = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        let of_field = field.get("type").and_then(Value::as_str);
        if let Some(known) = of_field.and_then(JsonType::named) {
            types.insert(path.clone(), known);
        }
        fields(field, &path, types);
    }
}

impl JsonType {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "long" | "integer" | "short" | "byte" | "unsigned_long" | "token_count" => Self::Whole,
            "double" | "float" | "half_float" | "scaled_float" | "rank_feature" => Self::Number,
            "boolean" => Self::Boolean,
            "text"
            | "keyword"
            | "string"
            | "wildcard"
            | "constant_keyword"
            | "match_only_text"
            | "annotated_text"
            | "search_as_you_type"
            | "version"
            | "icu_collation_keyword" => Self::Text,
            _ => return None,
        })
    }

    /// In words, of a value that can't be made one.
    pub(super) fn refused(self) -> &'static str {
        match self {
            Self::Whole => "no whole number",
            Self::Number => "no number",
            Self::Boolean => "neither true nor false",
            Self::Text => "no text",
        }
    }

    /// The value in this type; `None` where it can't have it.
    pub(super) fn of(self, raw: &[u8]) -> Option<Coerced> {
        let quoted = raw.first() == Some(&b'"');
        let text = if quoted {
            serde_json::from_slice::<String>(raw).ok()?
        } else {
            String::from_utf8_lossy(raw).into_owned()
        };
        match self {
            Self::Text if quoted => Some(Coerced::Same),
            Self::Text => Some(Coerced::To(serde_json::Value::from(text).to_string())),
            Self::Boolean => boolean(&text, quoted),
            Self::Whole | Self::Number => {
                let trimmed = text.trim();
                let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
                let number = number(digits)?;
                let number = match self {
                    Self::Whole => whole(number)?,
                    _ => number,
                };
                Some(if quoted || number != text {
                    Coerced::To(number.to_owned())
                } else {
                    Coerced::Same
                })
            }
        }
    }
}

/// What servers of old took for true and false, and what they take now.
fn boolean(text: &str, quoted: bool) -> Option<Coerced> {
    match (text, quoted) {
        ("true" | "false", false) => Some(Coerced::Same),
        ("true" | "on" | "yes" | "1", true) | ("1", false) => Some(Coerced::To("true".into())),
        ("false" | "off" | "no" | "0" | "", true) | ("0", false) => {
            Some(Coerced::To("false".into()))
        }
        _ => None,
    }
}

/// A text that is a number of JSON.
fn number(text: &str) -> Option<&str> {
    let starts = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let valid = starts && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    valid.then_some(text)
}

/// A number without a fraction, written without one.
fn whole(number: &str) -> Option<&str> {
    if number.contains(['e', 'E']) {
        return None;
    }
    match number.split_once('.') {
        None => Some(number),
        Some((whole, fraction)) => fraction.bytes().all(|digit| digit == b'0').then_some(whole),
    }
}
