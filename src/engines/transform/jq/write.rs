//! Values of scripts to JSON on one line.
//!
//! Deliberately absent: what is no JSON. Infinite numbers, keys that are no texts and bytes that are no text are refused.

use jaq_json::{Num, Val};

use super::meter;
use crate::engines::bulk::limits;

/// Why a value is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    NotFinite,
    Key,
    Bytes,
    Long,
}

impl WriteError {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotFinite => {
                "the script gave a number that is infinite or none, which JSON can't hold"
            }
            Self::Key => "the script gave an object with a key that is no text",
            Self::Bytes => "the script gave bytes that are no text",
            Self::Long => "the script gave more than 100 MiB of JSON",
        }
    }
}

/// Writes a value.
pub(crate) fn value(val: &Val, out: &mut Vec<u8>) -> Result<(), WriteError> {
    // Parts of a value may be shared, and a character may take six bytes.
    if out.len() > limits::DOCUMENT_BYTES {
        return Err(WriteError::Long);
    }
    match val {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(true) => out.extend_from_slice(b"true"),
        Val::Bool(false) => out.extend_from_slice(b"false"),
        Val::Num(Num::Float(number)) if !number.is_finite() => return Err(WriteError::NotFinite),
        Val::Num(Num::Dec(digits)) => out.extend_from_slice(digits.as_bytes()),
        Val::Num(number) => {
            if let Num::BigInt(whole) = number {
                // The time grows with the square of the digits.
                let limbs = usize::try_from(whole.bits() / 64).unwrap_or(usize::MAX);
                if limbs > super::super::limits::WHOLE_DIGITS {
                    meter::work(limbs.saturating_mul(limbs));
                }
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Val::TStr(text) => string(text, out)?,
        Val::BStr(_) => return Err(WriteError::Bytes),
        Val::Arr(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                value(item, out)?;
            }
            out.push(b']');
        }
        Val::Obj(entries) => {
            out.push(b'{');
            for (at, (key, item)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                let Val::TStr(key) = key else {
                    return Err(WriteError::Key);
                };
                string(key, out)?;
                out.push(b':');
                value(item, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// As a text for a script (`tojson`) or a person: what JSON can't hold is `null`.
pub(crate) fn text(val: &Val) -> Vec<u8> {
    let mut out = Vec::new();
    match value(val, &mut out) {
        Ok(()) => out,
        Err(WriteError::Long) => meter::too_long(),
        Err(_) => val.to_string().into_bytes(),
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) -> Result<(), WriteError> {
    out.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                escaped(valid.as_bytes(), out)?;
                break;
            }
            Err(error) => {
                let (valid, broken) = rest.split_at(error.valid_up_to());
                escaped(valid, out)?;
                rest = surrogate(broken, out)?;
            }
        }
    }
    out.push(b'"');
    Ok(())
}

/// A lone surrogate as `read` has it.
fn surrogate<'a>(bytes: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], WriteError> {
    match bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, rest @ ..] => {
            let unit = 0xd000 | (u16::from(second & 0x3f) << 6) | u16::from(third & 0x3f);
            out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            Ok(rest)
        }
        _ => Err(WriteError::Bytes),
    }
}

fn escaped(text: &[u8], out: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut plain = 0;
    for (at, byte) in text.iter().enumerate() {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => b"",
            _ => continue,
        };
        if out.len() > limits::DOCUMENT_BYTES {
            return Err(WriteError::Long);
        }
        out.extend_from_slice(&text[plain..at]);
        plain = at + 1;
        if short.is_empty() {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.extend_from_slice(short);
        }
    }
    out.extend_from_slice(&text[plain..]);
    Ok(())
}
