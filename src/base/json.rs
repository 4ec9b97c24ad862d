//! Canonical JSON: one spelling for all texts that mean the same. Keys are sorted, white space goes, strings are unescaped
//! and escaped again in one way, numbers are compared by value without losing a digit.
//!
//! `1`, `1.0`, `10e-1` and `1E0` are one number; `-0` is `0`; 30-digit integers and decimals keep every digit. Of doubled
//! keys all stay, in their order: dropping one would hide a difference. Lone surrogates (`\ud800`), which no Rust string
//! can hold, stay escaped. Deliberately absent: a tree (depth is bounded by [`DEPTH`], memory by the text).

/// The deepest nesting that is read.
pub const DEPTH: usize = 1_000;

/// Why a text has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no valid JSON at byte {at}: expected {expected}")]
pub struct JsonError {
    /// Offset in bytes.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// Appends the canonical form of `json` to `out`; on an error `out` holds a part of it.
pub fn canonical(json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
    let mut reader = Reader {
        json: json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json),
        at: 0,
    };
    reader.value(out, 0)?;
    reader.space();
    if reader.at < reader.json.len() {
        return Err(reader.expected("the end"));
    }
    Ok(())
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError {
            at: self.at,
            expected,
        }
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

    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        if depth > DEPTH {
            return Err(self.expected("fewer levels of nesting"));
        }
        match self.peek() {
            Some(b'{') => self.object(out, depth),
            Some(b'[') => self.array(out, depth),
            Some(b'"') => self.string(out),
            Some(b't') => self.word(b"true", out),
            Some(b'f') => self.word(b"false", out),
            Some(b'n') => self.word(b"null", out),
            Some(b'-' | b'0'..=b'9') => self.number(out),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self, word: &'static [u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
        if !self.json[self.at..].starts_with(word) {
            return Err(self.expected("true, false or null"));
        }
        self.at += word.len();
        out.extend_from_slice(word);
        Ok(())
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        out.push(b'[');
        if self.peek() == Some(b']') {
            self.at += 1;
            out.push(b']');
            return Ok(());
        }
        loop {
            self.value(out, depth + 1)?;
            match self.peek() {
                Some(b',') => out.push(b','),
                Some(b']') => {
                    self.at += 1;
                    out.push(b']');
                    return Ok(());
                }
                _ => return Err(self.expected("`,` or `]`")),
            }
            self.at += 1;
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        // Fields as (key, whole field) in one buffer; sorted afterwards.
        let mut fields: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> = Vec::new();
        let mut text = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key"));
            }
            let start = text.len();
            self.string(&mut text)?;
            let key = start..text.len();
            if self.peek() != Some(b':') {
                return Err(self.expected("`:`"));
            }
            self.at += 1;
            text.push(b':');
            self.value(&mut text, depth + 1)?;
            fields.push((key, start..text.len()));
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    break;
                }
                _ => return Err(self.expected("`,` or `}`")),
            }
        }
        fields.sort_by(|(left, _), (right, _)| text[left.clone()].cmp(&text[right.clone()]));
        out.push(b'{');
        for (number, (_, field)) in fields.into_iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&text[field]);
        }
        out.push(b'}');
        Ok(())
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.at += 1;
        out.push(b'"');
        loop {
            let rest = &self.json[self.at..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .unwrap_or(rest.len());
            out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.json.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    out.push(b'"');
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                Some(control) => {
                    // Not allowed by JSON and taken by lenient readers; one spelling for it too.
                    push_unit(u16::from(*control), out);
                    self.at += 1;
                }
                None => return Err(self.expected("the end of a string")),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let plain = match self.json.get(self.at + 1) {
            Some(b'u') => return self.unicode(out),
            Some(quote @ (b'"' | b'\\')) => {
                out.extend_from_slice(&[b'\\', *quote]);
                self.at += 2;
                return Ok(());
            }
            Some(b'/') => {
                out.push(b'/');
                self.at += 2;
                return Ok(());
            }
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => 10,
            Some(b'r') => 13,
            Some(b't') => 9,
            _ => return Err(self.expected("an escape")),
        };
        push_unit(plain, out);
        self.at += 2;
        Ok(())
    }

    fn unit(&self, at: usize) -> Option<u16> {
        let text = self.json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(text).ok()?;
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| hex)
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let first = self
            .unit(self.at)
            .ok_or_else(|| self.expected("four hexadecimal digits"))?;
        self.at += 6;
        if (0xd800..0xdc00).contains(&first)
            && let Some(second) = self.unit(self.at)
            && (0xdc00..0xe000).contains(&second)
        {
            self.at += 6;
            let code =
                0x1_0000 + ((u32::from(first) - 0xd800) << 10) + (u32::from(second) - 0xdc00);
            if let Some(character) = char::from_u32(code) {
                let mut buffer = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
            return Ok(());
        }
        push_unit(first, out);
        Ok(())
    }

    fn digits(&mut self) -> std::ops::Range<usize> {
        let start = self.at;
        while matches!(self.json.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        start..self.at
    }

    /// As `[-]<digits>e<exponent>`: whole digits with neither leading nor trailing zeros; zero as `0`.
    fn number(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let negative = self.json.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let whole = self.digits();
        if whole.is_empty() {
            return Err(self.expected("a digit"));
        }
        let mut fraction = self.at..self.at;
        if self.json.get(self.at) == Some(&b'.') {
            self.at += 1;
            fraction = self.digits();
            if fraction.is_empty() {
                return Err(self.expected("a digit"));
            }
        }
        let mut exponent_negative = false;
        let mut exponent = self.at..self.at;
        if matches!(self.json.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if let Some(sign @ (b'+' | b'-')) = self.json.get(self.at) {
                exponent_negative = *sign == b'-';
                self.at += 1;
            }
            exponent = self.digits();
            if exponent.is_empty() {
                return Err(self.expected("a digit"));
            }
        }
        let mut power: i128 = 0;
        for digit in &self.json[exponent] {
            power = power.saturating_mul(10) + i128::from(digit - b'0');
            if power > 1 << 100 {
                return Err(self.expected("an exponent of fewer than 30 digits"));
            }
        }
        if exponent_negative {
            power = -power;
        }
        let whole = &self.json[whole];
        let fraction = &self.json[fraction];
        let digit = |at: usize| whole.get(at).or_else(|| fraction.get(at - whole.len()));
        let count = whole.len() + fraction.len();
        let Some(first) = (0..count).find(|at| digit(*at) != Some(&b'0')) else {
            out.push(b'0');
            return Ok(());
        };
        let last = (0..count)
            .rev()
            .find(|at| digit(*at) != Some(&b'0'))
            .unwrap_or(first);
        // The last digit that is kept stands for 10^(whole - 1 - last).
        power += whole.len() as i128 - 1 - last as i128;
        if negative {
            out.push(b'-');
        }
        out.extend((first..=last).filter_map(digit));
        if power != 0 {
            out.push(b'e');
            out.extend_from_slice(power.to_string().as_bytes());
        }
        Ok(())
    }
}

/// A UTF-16 unit: as itself where it is a character by itself, else escaped.
fn push_unit(unit: u16, out: &mut Vec<u8>) {
    match char::from_u32(u32::from(unit)) {
        Some(quote @ ('"' | '\\')) => out.extend_from_slice(format!("\\{quote}").as_bytes()),
        Some(character) if character >= ' ' => {
            let mut buffer = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
        _ => out.extend_from_slice(format!("\\u{unit:04x}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(json: &str) -> String {
        let mut out = Vec::new();
        canonical(json.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_spelling_for_one_number() {
        for text in ["1", "1.0", "10e-1", "1E0", "0.1e+1", "1.000"] {
            assert_eq!(form(text), "1", "{text}");
        }
        for text in ["0", "-0", "0.0", "-0.0e9"] {
            assert_eq!(form(text), "0", "{text}");
        }
        assert_eq!(form("19.90"), form("19.9"));
        assert_ne!(form("9007199254740993"), form("9007199254740992"));
        assert_ne!(
            form("3.14159265358979323846264338327950288"),
            form("3.14159265358979323846264338327950289")
        );
        assert_eq!(form("-12300"), "-123e2");
        assert_eq!(form("110.5e-3"), "1105e-4");
    }

    #[test]
    fn one_spelling_for_one_text() {
        assert_eq!(
            form(r#" { "b" : [ 1 , true ] , "a" : "\u0041\/\ud83d\ude00\n" } "#),
            "{\"a\":\"A/\u{1f600}\\u000a\",\"b\":[1,true]}"
        );
        assert_eq!(form(r#""\ud800 alone""#), r#""\ud800 alone""#);
        assert_eq!(form(r#"{"a":1,"a":2}"#), r#"{"a":1,"a":2}"#);
        assert_ne!(form(r#"{"a":1,"a":2}"#), form(r#"{"a":2,"a":1}"#));
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in [
            "", "{", "[1,]", "{\"a\"}", "01x", "1.", "\"\\x\"", "tru", "{} {}",
        ] {
            assert!(
                canonical(text.as_bytes(), &mut Vec::new()).is_err(),
                "{text}"
            );
        }
        let deep = "[".repeat(100_000);
        assert!(canonical(deep.as_bytes(), &mut Vec::new()).is_err());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::hash_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn spelling_does_not_matter(value in json()) {
            let compact = serde_json::to_string(&value).unwrap();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(form(&compact), form(&pretty));
            let once = form(&compact);
            prop_assert_eq!(form(&once), once);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            canonical(&bytes, &mut Vec::new()).ok();
        }
    }
}
