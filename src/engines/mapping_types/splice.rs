//! Puts fields in front of the others of a source on one line, which stays byte for byte the same otherwise.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;

/// Why fields can't be put into a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// It begins otherwise than an object does.
    #[error("the source is no object")]
    NoObject,
    /// It has such a field already.
    #[error("the source has a field `{0}` already, which the plan adds")]
    Taken(String),
}

/// Adds fields, given as JSON text by name, in front; the result is in `out`, which comes empty.
pub fn splice(
    source: &[u8],
    fields: &[(&str, &str)],
    out: &mut Vec<u8>,
) -> Result<(), SpliceError> {
    let start = source
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .filter(|at| source[*at] == b'{')
        .ok_or(SpliceError::NoObject)?;
    for (name, _) in fields {
        if has(source, name) {
            return Err(SpliceError::Taken((*name).to_owned()));
        }
    }
    let rest = &source[start + 1..];
    out.extend_from_slice(&source[..=start]);
    for (number, (name, value)) in fields.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.as_bytes());
    }
    let empty = rest
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_none_or(|byte| *byte == b'}');
    if !empty && !fields.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// Whether the object has a field of this name. Parsed only where its bytes stand somewhere in the source at all; a name
/// that is written with escapes is not seen here, and the target refuses it.
fn has(source: &[u8], name: &str) -> bool {
    let stands = source
        .windows(name.len())
        .any(|window| window == name.as_bytes());
    if !stands {
        return false;
    }
    let fields: Result<BTreeMap<Cow<'_, str>, IgnoredAny>, _> = serde_json::from_slice(source);
    match fields {
        Ok(fields) => fields.contains_key(name),
        // Comments and the like, which servers take: rather once too often.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(source: &str, fields: &[(&str, &str)]) -> Result<String, SpliceError> {
        let mut out = Vec::new();
        splice(source.as_bytes(), fields, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_was_there_stays_as_it_was() {
        let kind = ("kind", "\"post\"");
        let join = ("join", "{\"name\":\"a\",\"parent\":\"1\"}");
        assert_eq!(spliced("{}", &[kind]).unwrap(), r#"{"kind":"post"}"#);
        assert_eq!(spliced("{ }", &[kind]).unwrap(), r#"{"kind":"post" }"#);
        assert_eq!(
            spliced(r#" { "n": 1.50, "a": {"kind": 2} }"#, &[kind, join]).unwrap(),
            r#" {"kind":"post","join":{"name":"a","parent":"1"}, "n": 1.50, "a": {"kind": 2} }"#
        );
        assert_eq!(spliced(r#"{"a":1}"#, &[]).unwrap(), r#"{"a":1}"#);
    }

    #[test]
    fn a_field_that_is_there_is_told() {
        let kind = ("kind", "1");
        let taken = Err(SpliceError::Taken("kind".into()));
        assert_eq!(spliced(r#"{"kind": "x"}"#, &[kind]), taken);
        assert_eq!(spliced(r#"{"a": "x" /* kind */}"#, &[kind]), taken);
        assert_eq!(spliced("[1]", &[kind]), Err(SpliceError::NoObject));
        assert_eq!(spliced("", &[kind]), Err(SpliceError::NoObject));
    }
}
