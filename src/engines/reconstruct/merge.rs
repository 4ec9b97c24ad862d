//! Putting fields that a stored source lacks back into it: what is there keeps its order and every digit.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::values::json_text;

/// Objects within objects, at the most.
const MAX_DEPTH: usize = 60;

/// Something of the fields would go into a list, and into which element of it is not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entangled;

/// The fields of one object in their order, their values unparsed.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    fields.push((name.0, map.next_value()?));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn object(text: &str) -> Option<Object<'_>> {
    text.starts_with('{')
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

/// Whether a source has a field, be it with dots in its names or within lists.
pub(super) fn has(source: &[u8], path: &[String]) -> bool {
    std::str::from_utf8(source).is_ok_and(|text| has_at(text, path, 0))
}

fn has_at(text: &str, path: &[String], depth: usize) -> bool {
    if path.is_empty() {
        return true;
    }
    if depth > MAX_DEPTH {
        return false;
    }
    if text.starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
        return elements
            .iter()
            .any(|element| has_at(element.get(), path, depth + 1));
    }
    let Some(Object(fields)) = object(text) else {
        return false;
    };
    fields.iter().any(|(name, value)| {
        let parts = name.split('.').count();
        let matches =
            parts <= path.len() && name.split('.').eq(path[..parts].iter().map(String::as_str));
        matches && has_at(value.get(), &path[parts..], depth + 1)
    })
}

/// `stored` with the fields of `added` behind its own, object by object.
pub(super) fn merge(stored: &[u8], added: &str, out: &mut String) -> Result<(), Entangled> {
    out.clear();
    let stored = std::str::from_utf8(stored).map_err(|_| Entangled)?;
    merge_at(stored, added, 0, out)
}

fn merge_at(stored: &str, added: &str, depth: usize, out: &mut String) -> Result<(), Entangled> {
    let both = object(stored).zip(object(added));
    let (Object(stored), Object(mut added)) =
        both.filter(|_| depth <= MAX_DEPTH).ok_or(Entangled)?;
    out.push('{');
    let mut first = true;
    for (name, value) in &stored {
        field(name, &mut first, out);
        match added.iter().position(|(other, _)| other == name) {
            None => out.push_str(value.get()),
            Some(at) => {
                let (_, more) = added.remove(at);
                merge_at(value.get(), more.get(), depth + 1, out)?;
            }
        }
    }
    for (name, value) in &added {
        field(name, &mut first, out);
        out.push_str(value.get());
    }
    out.push('}');
    Ok(())
}

fn field(name: &str, first: &mut bool, out: &mut String) {
    if !*first {
        out.push(',');
    }
    *first = false;
    json_text(name, out);
    out.push(':');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(stored: &str, added: &str) -> Result<String, Entangled> {
        let mut out = String::new();
        merge(stored.as_bytes(), added, &mut out).map(|()| out)
    }

    #[test]
    fn what_is_there_keeps_order_and_digits() {
        assert_eq!(
            merged(
                r#"{"z":1.50,"a":{"x":12345678901234567890123}}"#,
                r#"{"a":{"y":2},"k":"v"}"#
            )
            .unwrap(),
            r#"{"z":1.50,"a":{"x":12345678901234567890123,"y":2},"k":"v"}"#
        );
        assert_eq!(merged("{}", r#"{"k":1}"#).unwrap(), r#"{"k":1}"#);
        assert_eq!(merged(r#"{"k":1}"#, "{}").unwrap(), r#"{"k":1}"#);
        assert_eq!(
            merged(r#"{"a":[{"x":1}]}"#, r#"{"a":{"y":2}}"#),
            Err(Entangled)
        );
    }

    #[test]
    fn a_field_is_found_through_dots_and_lists() {
        let path = |path: &str| -> Vec<String> { path.split('/').map(str::to_owned).collect() };
        let source = br#"{"a.b":{"c":1},"l":[{"x":1},{"y":2}],"n":null}"#;
        for there in ["a/b/c", "l/x", "l/y", "n", "a/b"] {
            assert!(has(source, &path(there)), "{there}");
        }
        for absent in ["a/c", "l/z", "q", "a/b/c/d"] {
            assert!(!has(source, &path(absent)), "{absent}");
        }
    }
}
