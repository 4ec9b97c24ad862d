//! SMILE, the binary JSON in which Elasticsearch 2–9 and OpenSearch write snapshot metadata, and in which clients may
//! have sent documents.
//!
//! Decodes format version 0 with shared names, shared values and raw or 7-bit binary. Hostile-safe: bounded depth,
//! bounded memory, no recursion beyond the depth. Deliberately absent: streaming and writing.

use bytes::Bytes;

use super::budget::Budget;
use super::bytes::Cursor;
use super::content::Content;
use super::error::DecodeError;
use super::limits::{MAX_BIG_NUMBER_BYTES, MAX_DEPTH};
use super::numbers::{decimal_of_signed, scaled};
use crate::base::cut;

/// The first bytes of every SMILE document.
pub const MAGIC: &[u8] = b":)\n";

/// A shared table holds this many texts, and is emptied before the next one is added.
const SHARED_ENTRIES: usize = 1024;

/// Longer texts are never shared.
const SHARED_TEXT_BYTES: usize = 64;

/// Decodes one document; bytes after its end (an end-of-content mark, padding) are not looked at.
pub(crate) fn decode(bytes: &[u8]) -> Result<Content, DecodeError> {
    decode_to(bytes, None)
}

/// As [`decode`], of metadata: what lies below [`cut::LEVELS`] levels is marked as cut. Never for a document.
pub(crate) fn decode_metadata(bytes: &[u8]) -> Result<Content, DecodeError> {
    decode_to(bytes, Some(cut::LEVELS))
}

fn decode_to(bytes: &[u8], cut_below: Option<usize>) -> Result<Content, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    if cursor.take(MAGIC.len())? != MAGIC {
        return Err(DecodeError::new(0, "no SMILE header"));
    }
    let flags = cursor.u8()?;
    if flags >> 4 != 0 {
        return Err(cursor.error(format!("SMILE version {} is not known", flags >> 4)));
    }
    let mut decoder = Decoder {
        cursor,
        names: (flags & 1 != 0).then(Vec::new),
        values: (flags & 2 != 0).then(Vec::new),
        budget: Budget::default(),
        cut_below,
    };
    decoder.value(0)
}

struct Decoder<'a> {
    cursor: Cursor<'a>,
    /// `None` where the header says that none are shared.
    names: Option<Vec<String>>,
    values: Option<Vec<String>>,
    budget: Budget,
    /// Levels below which values are skipped and marked.
    cut_below: Option<usize>,
}

impl Decoder<'_> {
    fn value(&mut self, depth: usize) -> Result<Content, DecodeError> {
        let at = self.cursor.position();
        self.budget.spend(0, at)?;
        let token = self.cursor.u8()?;
        match token {
            0x01..=0x1f => self.shared_value(usize::from(token) - 1).map(Content::Text),
            0x20 => Ok(Content::Text(String::new())),
            0x21 => Ok(Content::Null),
            0x22 => Ok(Content::Bool(false)),
            0x23 => Ok(Content::Bool(true)),
            0x24 | 0x25 => self.zigzag().map(Content::Int),
            0x26 => self.big_integer().map(Content::Number),
            0x28 => self.float(),
            0x29 => self.double(),
            0x2a => self.big_decimal().map(Content::Number),
            0x40..=0x5f => self.new_value(usize::from(token) - 0x40 + 1),
            0x60..=0x7f => self.new_value(usize::from(token) - 0x60 + 33),
            0x80..=0x9f => self.new_value(usize::from(token) - 0x80 + 2),
            0xa0..=0xbf => self.new_value(usize::from(token) - 0xa0 + 34),
            0xc0..=0xdf => {
                let coded = i64::from(token & 0x1f);
                Ok(Content::Int((coded >> 1) ^ -(coded & 1)))
            }
            0xe0 | 0xe4 => {
                let bytes = self.cursor.take_until(0xfc)?;
                self.text(bytes).map(Content::Text)
            }
            0xe8 => self.seven_bit_binary().map(Content::Binary),
            0xec..=0xef => {
                let low = self.cursor.u8()?;
                self.shared_value(usize::from(token & 3) << 8 | usize::from(low))
                    .map(Content::Text)
            }
            0xf8 | 0xfa if self.cut_below.is_some_and(|levels| depth >= levels) => {
                self.skip(token == 0xfa)?;
                Ok(Content::Text(cut::CUT.to_owned()))
            }
            0xf8 => self.array(depth + 1),
            0xfa => self.object(depth + 1),
            0xfd => {
                let length = self.length()?;
                let bytes = self.cursor.take(length)?;
                self.budget.spend(length, at)?;
                Ok(Content::Binary(Bytes::copy_from_slice(bytes)))
            }
            _ => Err(DecodeError::new(
                at,
                format!("0x{token:02x} begins no SMILE value"),
            )),
        }
    }

    /// Reads on to the end of an object or a list that is begun, without a frame for each level.
    fn skip(&mut self, is_object: bool) -> Result<(), DecodeError> {
        let mut open = vec![is_object];
        while let Some(is_object) = open.last() {
            if *is_object {
                if self.name()?.is_none() {
                    open.pop();
                    continue;
                }
            } else if self.cursor.peek() == Some(0xf9) {
                self.cursor.u8()?;
                open.pop();
                continue;
            }
            match self.cursor.peek() {
                Some(begin @ (0xf8 | 0xfa)) => {
                    let at = self.cursor.position();
                    self.budget.spend(0, at)?;
                    self.cursor.u8()?;
                    open.push(begin == 0xfa);
                }
                // A value without levels.
                _ => drop(self.value(0)?),
            }
        }
        Ok(())
    }

    fn deeper(&self, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(self
                .cursor
                .error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Content, DecodeError> {
        self.deeper(depth)?;
        let mut items = Vec::new();
        while self.cursor.peek() != Some(0xf9) {
            items.push(self.value(depth)?);
        }
        self.cursor.u8()?;
        Ok(Content::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Content, DecodeError> {
        self.deeper(depth)?;
        let mut fields = Vec::new();
        while let Some(name) = self.name()? {
            let value = self.value(depth)?;
            fields.push((name, value));
        }
        Ok(Content::Object(fields))
    }

    /// The next key, or `None` at the end of the object.
    fn name(&mut self) -> Result<Option<String>, DecodeError> {
        let at = self.cursor.position();
        let token = self.cursor.u8()?;
        let name = match token {
            0xfb => return Ok(None),
            0x20 => String::new(),
            0x30..=0x33 => {
                let low = self.cursor.u8()?;
                self.shared_name(usize::from(token & 3) << 8 | usize::from(low))?
            }
            0x34 => {
                let bytes = self.cursor.take_until(0xfc)?;
                self.text(bytes)?
            }
            0x40..=0x7f => self.shared_name(usize::from(token & 0x3f))?,
            0x80..=0xbf => self.new_name(usize::from(token) - 0x80 + 1)?,
            0xc0..=0xf7 => self.new_name(usize::from(token) - 0xc0 + 2)?,
            _ => {
                return Err(DecodeError::new(
                    at,
                    format!("0x{token:02x} begins no SMILE key"),
                ));
            }
        };
        Ok(Some(name))
    }

    fn text(&mut self, bytes: &[u8]) -> Result<String, DecodeError> {
        let at = self.cursor.position();
        self.budget.spend(bytes.len(), at)?;
        let text =
            std::str::from_utf8(bytes).map_err(|_| DecodeError::new(at, "a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn new_value(&mut self, length: usize) -> Result<Content, DecodeError> {
        let bytes = self.cursor.take(length)?;
        let text = self.text(bytes)?;
        if let Some(values) = &mut self.values {
            remember(values, &text);
        }
        Ok(Content::Text(text))
    }

    fn new_name(&mut self, length: usize) -> Result<String, DecodeError> {
        let bytes = self.cursor.take(length)?;
        let text = self.text(bytes)?;
        if let Some(names) = &mut self.names {
            remember(names, &text);
        }
        Ok(text)
    }

    fn shared_value(&mut self, index: usize) -> Result<String, DecodeError> {
        let at = self.cursor.position();
        let text = self.values.as_ref().and_then(|values| values.get(index));
        let text = text.ok_or_else(|| DecodeError::new(at, "a shared text was never written"))?;
        self.budget.spend(text.len(), at)?;
        Ok(text.clone())
    }

    fn shared_name(&mut self, index: usize) -> Result<String, DecodeError> {
        let at = self.cursor.position();
        let text = self.names.as_ref().and_then(|names| names.get(index));
        let text = text.ok_or_else(|| DecodeError::new(at, "a shared key was never written"))?;
        self.budget.spend(text.len(), at)?;
        Ok(text.clone())
    }

    /// SMILE's own vInt: seven bits a byte, high first; the last byte has bit 7 set and six bits.
    fn v_int(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        // 64 bits are at most nine groups of seven and the last of six.
        for _ in 0..10 {
            let byte = self.cursor.u8()?;
            if byte & 0x80 != 0 {
                if value >> 58 != 0 {
                    break;
                }
                return Ok(value << 6 | u64::from(byte & 0x3f));
            }
            if value >> 57 != 0 {
                break;
            }
            value = value << 7 | u64::from(byte);
        }
        Err(self.cursor.error("a number passes 64 bits"))
    }

    fn zigzag(&mut self) -> Result<i64, DecodeError> {
        let coded = self.v_int()?;
        Ok((coded >> 1).cast_signed() ^ -((coded & 1).cast_signed()))
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let length = self.v_int()?;
        usize::try_from(length).map_err(|_| self.cursor.error("a length passes memory"))
    }

    /// Big-endian groups of seven bits: the width of the float over seven, rounded up.
    fn seven_bit_number(&mut self, groups: usize) -> Result<u64, DecodeError> {
        let mut bits = 0_u64;
        for byte in self.cursor.take(groups)? {
            bits = bits << 7 | u64::from(byte & 0x7f);
        }
        Ok(bits)
    }

    fn float(&mut self) -> Result<Content, DecodeError> {
        let bits = self.seven_bit_number(5)?;
        let bits = u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
        Ok(Content::Float(f32::from_bits(bits)))
    }

    fn double(&mut self) -> Result<Content, DecodeError> {
        let bits = self.seven_bit_number(10)?;
        Ok(Content::Double(f64::from_bits(bits)))
    }

    /// Bytes spread over groups of seven bits; the last group holds only the bits that are left, low.
    fn seven_bit_bytes(&mut self, length: usize) -> Result<Vec<u8>, DecodeError> {
        let bits = length
            .checked_mul(8)
            .ok_or_else(|| self.cursor.error("a length passes memory"))?;
        let packed = self.cursor.take(bits.div_ceil(7))?;
        let at = self.cursor.position();
        self.budget.spend(length, at)?;
        let mut out = Vec::with_capacity(length);
        let (mut buffer, mut held) = (0_u32, 0_u32);
        for (index, byte) in packed.iter().enumerate() {
            let width = u32::try_from(bits - index * 7).unwrap_or(7).min(7);
            buffer = buffer << width | u32::from(byte & 0x7f) & ((1 << width) - 1);
            held += width;
            if held >= 8 {
                held -= 8;
                out.push(u8::try_from(buffer >> held & 0xff).unwrap_or_default());
                buffer &= (1 << held) - 1;
            }
        }
        Ok(out)
    }

    fn seven_bit_binary(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.length()?;
        self.seven_bit_bytes(length).map(Bytes::from)
    }

    fn big_integer(&mut self) -> Result<String, DecodeError> {
        let at = self.cursor.position();
        let length = self.length()?;
        if length > MAX_BIG_NUMBER_BYTES {
            return Err(DecodeError::new(
                at,
                format!("a number has {length} bytes; {MAX_BIG_NUMBER_BYTES} are allowed"),
            ));
        }
        let bytes = self.seven_bit_bytes(length)?;
        decimal_of_signed(&bytes).ok_or_else(|| DecodeError::new(at, "a number is too long"))
    }

    fn big_decimal(&mut self) -> Result<String, DecodeError> {
        let at = self.cursor.position();
        let scale = self.zigzag()?;
        let digits = self.big_integer()?;
        scaled(&digits, scale)
            .ok_or_else(|| DecodeError::new(at, format!("a number's scale is {scale}")))
    }
}

fn remember(table: &mut Vec<String>, text: &str) {
    if text.len() > SHARED_TEXT_BYTES {
        return;
    }
    if table.len() == SHARED_ENTRIES {
        table.clear();
    }
    table.push(text.to_owned());
}

#[cfg(test)]
#[path = "smile_tests.rs"]
mod tests;
