//! CBOR, which clients may send documents in and Elasticsearch then stores as `_source` byte for byte.
//!
//! Decodes RFC 8949 with definite and indefinite lengths, big numbers and decimal fractions. Tags beyond these say
//! nothing that JSON could, and are passed over as Elasticsearch's own reader does. Hostile-safe: bounded depth and
//! memory. Deliberately absent: writing.

use bytes::Bytes;

use super::budget::Budget;
use super::bytes::Cursor;
use super::content::Content;
use super::error::DecodeError;
use super::limits::MAX_DEPTH;
use super::numbers::{decimal_of_magnitude, scaled};

/// Tag 55799, "this is CBOR", as writers put it in front.
pub const MAGIC: &[u8] = &[0xd9, 0xd9, 0xf7];

const BREAK: u8 = 0xff;
const TAG_BIG: u64 = 2;
const TAG_BIG_NEGATIVE: u64 = 3;
const TAG_DECIMAL: u64 = 4;

/// Decodes one value; bytes after it are not looked at.
pub(crate) fn decode(bytes: &[u8]) -> Result<Content, DecodeError> {
    let mut decoder = Decoder {
        cursor: Cursor::new(bytes),
        budget: Budget::default(),
    };
    decoder.value(0)
}

struct Decoder<'a> {
    cursor: Cursor<'a>,
    budget: Budget,
}

/// The first byte of a value and the number that follows it.
struct Head {
    major: u8,
    low: u8,
    /// The argument; `None` for an indefinite length.
    argument: Option<u64>,
}

impl Decoder<'_> {
    fn head(&mut self) -> Result<Head, DecodeError> {
        let byte = self.cursor.u8()?;
        let low = byte & 0x1f;
        let argument = match low {
            0..=23 => Some(u64::from(low)),
            24 => Some(u64::from(self.cursor.u8()?)),
            25 => Some(u64::from(self.cursor.u16_be()?)),
            26 => Some(u64::from(self.cursor.u32_be()?)),
            27 => Some(self.cursor.u64_be()?),
            31 => None,
            _ => {
                return Err(self
                    .cursor
                    .error(format!("0x{byte:02x} begins no CBOR value")));
            }
        };
        Ok(Head {
            major: byte >> 5,
            low,
            argument,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Content, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(self
                .cursor
                .error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let at = self.cursor.position();
        self.budget.spend(0, at)?;
        let head = self.head()?;
        match (head.major, head.argument) {
            (0, Some(number)) => Ok(i64::try_from(number)
                .map_or_else(|_| Content::Number(number.to_string()), Content::Int)),
            (1, Some(number)) => {
                let value = -1 - i128::from(number);
                Ok(i64::try_from(value)
                    .map_or_else(|_| Content::Number(value.to_string()), Content::Int))
            }
            (2, length) => self.bytes(2, length).map(Bytes::from).map(Content::Binary),
            (3, length) => self.text(length).map(Content::Text),
            (4, length) => self.array(length, depth),
            (5, length) => self.map(length, depth),
            (6, Some(tag)) => self.tagged(tag, depth),
            (7, argument) => simple(head.low, argument, at),
            _ => Err(DecodeError::new(at, "a value has no length")),
        }
    }

    /// Bytes or the bytes of a text; of indefinite length these are pieces of definite length.
    fn bytes(&mut self, major: u8, length: Option<u64>) -> Result<Vec<u8>, DecodeError> {
        if let Some(length) = length {
            return self.piece(length).map(<[u8]>::to_vec);
        }
        let mut joined = Vec::new();
        while self.cursor.peek() != Some(BREAK) {
            let head = self.head()?;
            match head.argument {
                Some(length) if head.major == major => {
                    let piece = self.piece(length)?;
                    joined.extend_from_slice(piece);
                }
                _ => return Err(self.cursor.error("a piece of a text is of another kind")),
            }
        }
        self.cursor.u8()?;
        Ok(joined)
    }

    fn piece(&mut self, length: u64) -> Result<&[u8], DecodeError> {
        let length =
            usize::try_from(length).map_err(|_| self.cursor.error("a length passes memory"))?;
        self.budget.spend(length, self.cursor.position())?;
        self.cursor.take(length)
    }

    fn text(&mut self, length: Option<u64>) -> Result<String, DecodeError> {
        let at = self.cursor.position();
        String::from_utf8(self.bytes(3, length)?)
            .map_err(|_| DecodeError::new(at, "a text is not UTF-8"))
    }

    /// Whether another item follows; consumes the end mark. The count is hostile: nothing is reserved for it.
    fn more(&mut self, left: &mut Option<u64>) -> Result<bool, DecodeError> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None if self.cursor.peek() == Some(BREAK) => {
                self.cursor.u8()?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn array(&mut self, length: Option<u64>, depth: usize) -> Result<Content, DecodeError> {
        let mut left = length;
        let mut items = Vec::new();
        while self.more(&mut left)? {
            items.push(self.value(depth + 1)?);
        }
        Ok(Content::Array(items))
    }

    fn map(&mut self, length: Option<u64>, depth: usize) -> Result<Content, DecodeError> {
        let mut left = length;
        let mut fields = Vec::new();
        while self.more(&mut left)? {
            let at = self.cursor.position();
            let name = match self.value(depth + 1)? {
                Content::Text(name) | Content::Number(name) => name,
                Content::Int(number) => number.to_string(),
                _ => return Err(DecodeError::new(at, "a key is no text")),
            };
            fields.push((name, self.value(depth + 1)?));
        }
        Ok(Content::Object(fields))
    }

    fn tagged(&mut self, tag: u64, depth: usize) -> Result<Content, DecodeError> {
        let at = self.cursor.position();
        let value = self.value(depth + 1)?;
        match (tag, value) {
            (TAG_BIG, Content::Binary(magnitude)) => decimal_of_magnitude(&magnitude, false)
                .map(Content::Number)
                .ok_or_else(|| DecodeError::new(at, "a number is too long")),
            (TAG_BIG_NEGATIVE, Content::Binary(magnitude)) => {
                // The value is -1 - n: n + 1 with a minus.
                let mut magnitude = magnitude.to_vec();
                let mut carry = true;
                for byte in magnitude.iter_mut().rev() {
                    if carry {
                        (*byte, carry) = byte.overflowing_add(1);
                    }
                }
                if carry {
                    magnitude.insert(0, 1);
                }
                decimal_of_magnitude(&magnitude, true)
                    .map(Content::Number)
                    .ok_or_else(|| DecodeError::new(at, "a number is too long"))
            }
            (TAG_DECIMAL, Content::Array(pair)) => {
                let exponent = pair.first().and_then(Content::as_i64);
                let digits = match pair.get(1) {
                    Some(Content::Int(digits)) => Some(digits.to_string()),
                    // Whole ones alone: a fraction of a fraction has no digits to put a point between.
                    Some(Content::Number(digits)) => Some(digits.clone()).filter(|digits| {
                        let digits = digits.strip_prefix('-').unwrap_or(digits);
                        digits.bytes().all(|digit| digit.is_ascii_digit())
                    }),
                    _ => None,
                };
                exponent
                    .and_then(i64::checked_neg)
                    .zip(digits)
                    .and_then(|(scale, digits)| scaled(&digits, scale))
                    .map(Content::Number)
                    .ok_or_else(|| DecodeError::new(at, "a decimal fraction is malformed"))
            }
            (_, value) => Ok(value),
        }
    }
}

fn simple(low: u8, argument: Option<u64>, at: usize) -> Result<Content, DecodeError> {
    let bits = argument.unwrap_or_default();
    match low {
        20 => Ok(Content::Bool(false)),
        21 => Ok(Content::Bool(true)),
        // null and undefined.
        22 | 23 => Ok(Content::Null),
        25 => Ok(Content::Float(half(
            u16::try_from(bits).unwrap_or_default(),
        ))),
        26 => Ok(Content::Float(f32::from_bits(
            u32::try_from(bits).unwrap_or_default(),
        ))),
        27 => Ok(Content::Double(f64::from_bits(bits))),
        _ => Err(DecodeError::new(
            at,
            "a simple value has no meaning in JSON",
        )),
    }
}

/// A 16-bit float; every one is exact in 32 bits.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        decode(bytes).unwrap().write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn examples_of_the_standard_decode() {
        assert_eq!(
            json(&[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            "18446744073709551615"
        );
        assert_eq!(
            json(&[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            "-18446744073709551616"
        );
        assert_eq!(
            json(&[0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            "18446744073709551616"
        );
        assert_eq!(
            json(&[0xc3, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            "-18446744073709551617"
        );
        assert_eq!(json(&[0xc4, 0x82, 0x21, 0x19, 0x6a, 0xb3]), "273.15");
        assert_eq!(json(&[0xf9, 0x3e, 0x00]), "1.5");
        assert_eq!(json(&[0xf9, 0x00, 0x01]), "5.9604645e-8");
        assert_eq!(json(&[0xf9, 0x7c, 0x00]), "\"Infinity\"");
        assert_eq!(
            json(&[0xfb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a]),
            "1.1"
        );
        assert_eq!(
            json(&[0x5f, 0x42, 1, 2, 0x43, 3, 4, 5, 0xff]),
            "\"AQIDBAU=\""
        );
        assert_eq!(
            json(&[0xbf, 0x61, b'a', 1, 0x61, b'b', 0x9f, 2, 3, 0xff, 0xff]),
            "{\"a\":1,\"b\":[2,3]}"
        );
        assert_eq!(json(&[0xd9, 0xd9, 0xf7, 0xa0]), "{}");
    }

    #[test]
    fn hostile_bytes_end_in_errors() {
        assert!(decode(&vec![0x9f; 100_000]).is_err(), "depth");
        assert!(decode(&vec![0xc1; 100_000]).is_err(), "depth of tags");
        assert!(decode(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(decode(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
        let nested = [0xc4, 0x82, 0x21, 0xc4, 0x82, 0x21, 0x19, 0x6a, 0xb3];
        assert!(decode(&nested).is_err(), "a fraction of a fraction");
        assert!(decode(&[0xff]).is_err());
        assert!(decode(&[]).is_err());
    }
}
