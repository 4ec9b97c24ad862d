//! The tree that SMILE, CBOR and JSON decode to: JSON's values plus bytes and exact numbers.
//!
//! Not `serde_json::Value`, because `meta_hash` is bytes, objects keep their order and doubles of keys, and numbers
//! beyond 64 bits keep their digits. [`Content::to_json`] gives the former where that is enough.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

/// One decoded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// An integer of at most 64 bits with sign.
    Int(i64),
    /// A 32-bit float: written with the digits of a 32-bit float.
    Float(f32),
    /// A 64-bit float.
    Double(f64),
    /// Any other number, as JSON writes it.
    Number(String),
    /// A text.
    Text(String),
    /// Bytes: `meta_hash`, or a binary field.
    Binary(Bytes),
    /// An array.
    Array(Vec<Content>),
    /// An object in its order.
    Object(Vec<(String, Content)>),
}

impl Content {
    /// The value of `key`, the last if it stands twice (as JSON readers do).
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields
                .iter()
                .rev()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, if it is one (or a text of one, as settings are).
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Number(text) | Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(number) => u64::try_from(*number).ok(),
            Self::Number(text) | Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The truth value, if it is one (or a text of one, as settings are).
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The fields of an object.
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// As a JSON value; bytes become base64, numbers beyond 64 bits become texts.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(number) => Value::from(*number),
            Self::Float(number) => number
                .to_string()
                .parse::<f64>()
                .map_or(Value::Null, Value::from),
            Self::Double(number) => Value::from(*number),
            Self::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
            }
            Self::Text(text) => Value::String(text.clone()),
            Self::Binary(bytes) => Value::String(STANDARD.encode(bytes)),
            Self::Array(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// From a JSON value.
    pub fn from_json(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => {
                if let Some(whole) = number.as_i64() {
                    Self::Int(whole)
                } else if number.is_u64() {
                    Self::Number(number.to_string())
                } else {
                    number
                        .as_f64()
                        .map_or_else(|| Self::Number(number.to_string()), Self::Double)
                }
            }
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from_json).collect()),
            Value::Object(fields) => Self::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, Self::from_json(value)))
                    .collect(),
            ),
        }
    }

    /// Appends JSON text without white space. Numbers keep their digits; NaN and the infinities become texts, as
    /// Elasticsearch's own JSON writer does, because JSON has no other way.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Float(number) => write_float(f64::from(*number), &format!("{number:?}"), out),
            Self::Double(number) => write_float(*number, &format!("{number:?}"), out),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => write_json_string(text, out),
            Self::Binary(bytes) => {
                out.push(b'"');
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.push(b'"');
            }
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
            Self::Object(fields) => {
                out.push(b'{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_json_string(name, out);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// `digits` is Rust's shortest form that reads back as the same float: valid JSON whenever the number is finite.
fn write_float(number: f64, digits: &str, out: &mut Vec<u8>) {
    if number.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if number.is_infinite() {
        let word: &[u8] = if number > 0.0 {
            b"\"Infinity\""
        } else {
            b"\"-Infinity\""
        };
        out.extend_from_slice(word);
    } else {
        out.extend_from_slice(digits.as_bytes());
    }
}

/// Appends `text` as a JSON string: quotes, backslashes and control characters escaped, all else as it is.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x00..=0x1f => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
