//! `set`: gives a field a constant, or a copy of another field.

use std::borrow::Cow;

use super::fault::Fault;
use super::json::Json;
use super::path::{self, Act};
use crate::plan::model::SetValue;

/// Sets a field; whether that changed anything.
pub(super) fn apply<'a>(
    json: &mut Json<'a>,
    field: &str,
    value: &'a SetValue,
    only_if_missing: bool,
) -> Result<bool, Fault> {
    let value = match value {
        SetValue::Constant(text) => Json::Raw(Cow::Borrowed(text.as_bytes())),
        SetValue::CopyOf(other) => match path::only(json, other)? {
            Some(value) => value,
            None => return Ok(false),
        },
    };
    if !path::exists(json, field)? {
        path::insert(json, field, &value)?;
        return Ok(true);
    }
    if only_if_missing {
        return Ok(false);
    }
    let mut wanted = Vec::new();
    value.write(&mut wanted);
    path::visit(json, field, false, &mut |fields, at, _| {
        let mut there = Vec::new();
        fields[at].value.write(&mut there);
        if there == wanted {
            return Ok(Act::Leave);
        }
        fields[at].value = value.clone();
        Ok(Act::Changed)
    })
}
