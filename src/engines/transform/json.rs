//! A document as a tree that is opened only where a step goes: what stays closed keeps its bytes.
//!
//! Order of keys, doubled keys and digits stay. Relies on sources being valid JSON, and tells where one is not as far as it
//! looks. Deliberately absent: meanings of numbers.

use std::borrow::Cow;

use super::fault::Fault;
use super::limits;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Json<'a> {
    /// Bytes as they are, without spaces around.
    Raw(Cow<'a, [u8]>),
    /// An opened object.
    Object(Vec<Field<'a>>),
    /// An opened list.
    List(Vec<Json<'a>>),
}

/// A field of an opened object.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    /// With its quotes, as it is spelled.
    pub(super) key: Cow<'a, [u8]>,
    pub(super) value: Json<'a>,
}

impl Field<'_> {
    /// The key's text.
    pub(super) fn name(&self) -> Cow<'_, str> {
        let inner = self.key.get(1..self.key.len().saturating_sub(1));
        let inner = inner.unwrap_or_default();
        if !inner.contains(&b'\\') {
            return String::from_utf8_lossy(inner);
        }
        serde_json::from_slice::<String>(&self.key)
            .map_or_else(|_| String::from_utf8_lossy(inner), Cow::Owned)
    }
}

/// A key as it is spelled in JSON.
pub(super) fn spelled<'a>(name: &str) -> Cow<'a, [u8]> {
    Cow::Owned(serde_json::Value::from(name).to_string().into_bytes())
}

impl<'a> Json<'a> {
    /// A document.
    pub(super) fn of(source: &'a [u8]) -> Self {
        Self::Raw(Cow::Borrowed(source.trim_ascii()))
    }

    /// Opens an object or a list by one level; anything else stays as it is.
    pub(super) fn open(&mut self) -> Result<&mut Self, Fault> {
        if let Self::Raw(raw) = self {
            let opened = match raw {
                Cow::Borrowed(raw) => open(raw)?,
                Cow::Owned(raw) => open(raw)?.map(Json::into_owned),
            };
            if let Some(opened) = opened {
                *self = opened;
            }
        }
        Ok(self)
    }

    fn into_owned<'b>(self) -> Json<'b> {
        match self {
            Self::Raw(raw) => Json::Raw(Cow::Owned(raw.into_owned())),
            Self::Object(fields) => Json::Object(
                fields
                    .into_iter()
                    .map(|field| Field {
                        key: Cow::Owned(field.key.into_owned()),
                        value: field.value.into_owned(),
                    })
                    .collect(),
            ),
            Self::List(items) => Json::List(items.into_iter().map(Self::into_owned).collect()),
        }
    }

    /// The bytes of a value that is neither object nor list.
    pub(super) fn scalar(&self) -> Option<&[u8]> {
        match self {
            Self::Raw(raw) if !matches!(raw.first(), Some(b'{' | b'[')) => Some(raw),
            _ => None,
        }
    }

    /// Appends it to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(raw) => out.extend_from_slice(raw),
            Self::Object(fields) => {
                out.push(b'{');
                for (at, field) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&field.key);
                    out.push(b':');
                    field.value.write(out);
                }
                out.push(b'}');
            }
            Self::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
        }
    }
}

fn open(raw: &[u8]) -> Result<Option<Json<'_>>, Fault> {
    let mut scanner = Scanner { json: raw, at: 0 };
    Ok(match raw.first() {
        Some(b'{') => Some(Json::Object(scanner.fields()?)),
        Some(b'[') => Some(Json::List(scanner.items()?)),
        _ => None,
    })
}

struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.json.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    fn fields(&mut self) -> Result<Vec<Field<'a>>, Fault> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.peek() == Some(b'}') {
            return Ok(fields);
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Fault::Malformed);
            }
            let start = self.at;
            self.string()?;
            let key = Cow::Borrowed(&self.json[start..self.at]);
            if self.peek() != Some(b':') {
                return Err(Fault::Malformed);
            }
            self.at += 1;
            let value = Json::Raw(Cow::Borrowed(self.value()?));
            fields.push(Field { key, value });
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(fields),
                _ => return Err(Fault::Malformed),
            }
        }
    }

    fn items(&mut self) -> Result<Vec<Json<'a>>, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            return Ok(items);
        }
        loop {
            items.push(Json::Raw(Cow::Borrowed(self.value()?)));
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return Ok(items),
                _ => return Err(Fault::Malformed),
            }
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            let rest = self.json.get(self.at..).unwrap_or_default();
            let next = memchr::memchr2(b'"', b'\\', rest).ok_or(Fault::Malformed)?;
            self.at += next + 1;
            if rest[next] == b'"' {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// Goes over one value, without going down.
    fn value(&mut self) -> Result<&'a [u8], Fault> {
        let first = self.peek().ok_or(Fault::Malformed)?;
        let start = self.at;
        match first {
            b'"' => self.string()?,
            b'{' | b'[' => self.nested()?,
            _ => {
                let rest = &self.json[start..];
                let end = rest
                    .iter()
                    .position(|byte| {
                        matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')
                    })
                    .unwrap_or(rest.len());
                if end == 0 {
                    return Err(Fault::Malformed);
                }
                self.at += end;
            }
        }
        Ok(&self.json[start..self.at])
    }

    fn nested(&mut self) -> Result<(), Fault> {
        let mut depth = 0_usize;
        loop {
            match self.json.get(self.at) {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    if depth > limits::DEPTH {
                        return Err(Fault::Depth);
                    }
                }
                Some(b'}' | b']') => depth = depth.saturating_sub(1),
                Some(_) => {}
                None => return Err(Fault::Malformed),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}
