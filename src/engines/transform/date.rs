//! `date`: writes dates in another format. `null` and empty lists stay; a date that the format can't hold whole fails.

use std::borrow::Cow;

use super::fault::Fault;
use super::json::Json;
use super::path::{self, Act};
use crate::engines::reconstruct::DateFormat;

/// The formats of a step.
#[derive(Clone, Debug)]
pub(super) struct Dates {
    from: Vec<DateFormat>,
    to: DateFormat,
    /// For messages.
    read: String,
    written: String,
}

impl Dates {
    /// The format that is none, where one is.
    pub(super) fn new(from: &[String], to: &str) -> Result<Self, String> {
        let format = |text: &String| DateFormat::strict(text).ok_or_else(|| text.clone());
        Ok(Self {
            from: from.iter().map(format).collect::<Result<_, _>>()?,
            to: DateFormat::strict(to).ok_or_else(|| to.to_owned())?,
            read: from.join(", "),
            written: to.to_owned(),
        })
    }

    /// Writes a field anew; whether that changed anything.
    pub(super) fn apply(&self, json: &mut Json<'_>, field: &str) -> Result<bool, Fault> {
        path::visit(json, field, false, &mut |fields, at, _| {
            self.value(&mut fields[at].value, field)
        })
    }

    fn value(&self, value: &mut Json<'_>, field: &str) -> Result<Act, Fault> {
        if let Json::List(items) = value.open()? {
            let mut changed = false;
            for item in items {
                changed |= matches!(self.value(item, field)?, Act::Changed);
            }
            return Ok(if changed { Act::Changed } else { Act::Leave });
        }
        let Some(raw) = value.scalar() else {
            return Err(Fault::value(field, b"an object", "no date"));
        };
        if raw == b"null" {
            return Ok(Act::Leave);
        }
        let none = || Fault::value(field, raw, format!("no date of {}", self.read));
        let text = match raw.first() {
            Some(b'"') => serde_json::from_slice::<String>(raw).map_err(|_| none())?,
            Some(b'-' | b'0'..=b'9') => String::from_utf8_lossy(raw).into_owned(),
            _ => return Err(none()),
        };
        let read = self.from.iter().find_map(|format| format.read(&text));
        let nanos = read.ok_or_else(none)?;
        let mut out = String::new();
        self.to.write(nanos, &mut out).ok_or_else(|| {
            let wanted = format!("more than {} can hold", self.written);
            Fault::value(field, raw, wanted)
        })?;
        if out.as_bytes() == raw {
            return Ok(Act::Leave);
        }
        *value = Json::Raw(Cow::Owned(out.into_bytes()));
        Ok(Act::Changed)
    }
}
