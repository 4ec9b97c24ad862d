//! JSON to values of scripts, without losing a digit.
//!
//! Doubled keys are refused, since an object of a script can't hold them. A lone surrogate, which no text of Rust can hold,
//! goes as the three bytes that its number would have. Deliberately absent: anything that is not JSON.

use jaq_json::{Map, Num, Rc, Val};

use super::super::limits;

/// Why a text is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// No JSON, at this byte.
    Malformed(usize),
    /// A key stands twice.
    DoubledKey(String),
    /// More levels than [`limits::DEPTH`].
    Depth,
}

impl ReadError {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Malformed(at) => format!("no valid JSON at byte {at}"),
            Self::DoubledKey(key) => {
                format!("the key `{key}` stands twice in one object, which no script can hold")
            }
            Self::Depth => format!("it has more than {} levels", limits::DEPTH),
        }
    }
}

/// Reads one value; its levels too.
pub(crate) fn value(json: &[u8]) -> Result<(Val, u32), ReadError> {
    let mut reader = Reader { json, at: 0 };
    let read = reader.value(0)?;
    reader.space();
    if reader.at < json.len() {
        return Err(ReadError::Malformed(reader.at));
    }
    Ok(read)
}

/// A number by its digits: whole ones exactly, others as they are written. A whole one of very many digits stays written,
/// since the time of making a number of it grows with their square.
pub(crate) fn number(digits: &str) -> Val {
    let whole = digits
        .bytes()
        .enumerate()
        .all(|(at, byte)| byte.is_ascii_digit() || (at == 0 && byte == b'-'));
    let number = if whole && digits.len() <= limits::WHOLE_DIGITS && digits != "-0" {
        Num::from_str_radix(digits, 10)
    } else {
        None
    };
    Val::Num(number.unwrap_or_else(|| Num::Dec(Rc::new(digits.to_owned()))))
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn malformed(&self) -> ReadError {
        ReadError::Malformed(self.at)
    }

    fn space(&mut self) {
        while matches!(self.json.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.json.get(self.at).copied()
    }

    fn word(&mut self, word: &'static [u8], val: Val) -> Result<(Val, u32), ReadError> {
        if !self.json[self.at..].starts_with(word) {
            return Err(self.malformed());
        }
        self.at += word.len();
        Ok((val, 0))
    }

    fn value(&mut self, depth: usize) -> Result<(Val, u32), ReadError> {
        if depth > limits::DEPTH {
            return Err(ReadError::Depth);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok((Val::utf8_str(self.string()?), 0)),
            Some(b't') => self.word(b"true", Val::Bool(true)),
            Some(b'f') => self.word(b"false", Val::Bool(false)),
            Some(b'n') => self.word(b"null", Val::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.malformed()),
        }
    }

    fn number(&mut self) -> Result<(Val, u32), ReadError> {
        let start = self.at;
        while matches!(
            self.json.get(self.at),
            Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
        ) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.json[start..self.at]).unwrap_or_default();
        let has_digit = digits.ends_with(|last: char| last.is_ascii_digit());
        // What is no number for a float is none of JSON either.
        if !has_digit || digits.parse::<f64>().is_err() {
            self.at = start;
            return Err(self.malformed());
        }
        Ok((number(digits), 0))
    }

    fn list(&mut self, depth: usize) -> Result<(Val, u32), ReadError> {
        self.at += 1;
        let mut items = Vec::new();
        let mut levels = 0;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok((Val::Arr(Rc::new(items)), 1));
        }
        loop {
            let (item, below) = self.value(depth + 1)?;
            levels = levels.max(below);
            items.push(item);
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok((Val::Arr(Rc::new(items)), levels + 1));
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(Val, u32), ReadError> {
        self.at += 1;
        let mut entries = Map::default();
        let mut levels = 0;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok((Val::obj(entries), 1));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.malformed());
            }
            let key = self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.malformed());
            }
            self.at += 1;
            let (value, below) = self.value(depth + 1)?;
            levels = levels.max(below);
            let key_value = Val::utf8_str(key.clone());
            if entries.insert(key_value, value).is_some() {
                let key = String::from_utf8_lossy(&key).into_owned();
                return Err(ReadError::DoubledKey(key));
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok((Val::obj(entries), levels + 1));
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    fn string(&mut self) -> Result<Vec<u8>, ReadError> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = &self.json[self.at..];
            let Some(plain) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(self.malformed());
            };
            text.extend_from_slice(&rest[..plain]);
            self.at += plain;
            if rest[plain] == b'"' {
                self.at += 1;
                return Ok(text);
            }
            self.escape(&mut text)?;
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), ReadError> {
        let plain = match self.json.get(self.at + 1) {
            Some(b'u') => return self.unicode(text),
            Some(same @ (b'"' | b'\\' | b'/')) => *same,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => 10,
            Some(b'r') => 13,
            Some(b't') => 9,
            _ => return Err(self.malformed()),
        };
        text.push(plain);
        self.at += 2;
        Ok(())
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| hex)
    }

    fn unicode(&mut self, text: &mut Vec<u8>) -> Result<(), ReadError> {
        let first = self.unit(self.at).ok_or_else(|| self.malformed())?;
        self.at += 6;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first)
            && let Some(second) = self.unit(self.at)
            && (0xdc00..0xe000).contains(&second)
        {
            self.at += 6;
            code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        }
        if let Some(character) = char::from_u32(code) {
            let mut buffer = [0; 4];
            text.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        } else {
            // A lone surrogate.
            let part = |bits: u32| u8::try_from(bits & 0x3f).unwrap_or_default() | 0x80;
            text.extend_from_slice(&[0xed, part(code >> 6), part(code)]);
        }
        Ok(())
    }
}
