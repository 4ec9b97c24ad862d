//! `coerce`: gives values the JSON type that the mapping of the target says, without losing a digit.
//!
//! Servers coerce when they index and leave the source as it is; this is for those who read the source, and for targets
//! that are stricter than the source was. Dates, addresses, shapes and objects stay. Deliberately absent: rounding.

use std::borrow::Cow;

use super::fault::Fault;
use super::field_types::{Coerced, FieldTypes, JsonType};
use super::json::Json;
use super::path::{self, Act};
use crate::plan::model::OnFailure;

/// Coerces fields, all that have a type where `None`; whether that changed anything.
pub(super) fn apply(
    json: &mut Json<'_>,
    fields: Option<&[String]>,
    types: &FieldTypes,
    on_failure: OnFailure,
) -> Result<bool, Fault> {
    let Some(fields) = fields else {
        return all(json, &mut String::new(), types, on_failure);
    };
    let mut changed = false;
    for field in fields {
        let Some(wanted) = types.get(field) else {
            continue;
        };
        changed |= path::visit(json, field, false, &mut |fields, at, _| {
            value(&mut fields[at].value, field, wanted, on_failure)
        })?;
    }
    Ok(changed)
}

fn all(
    json: &mut Json<'_>,
    prefix: &mut String,
    types: &FieldTypes,
    on_failure: OnFailure,
) -> Result<bool, Fault> {
    let mut changed = false;
    match json.open()? {
        Json::Raw(_) => {}
        Json::List(items) => {
            for item in items.iter_mut().filter(|item| item.scalar().is_none()) {
                changed |= all(item, prefix, types, on_failure)?;
            }
        }
        Json::Object(fields) => {
            let above = prefix.len();
            for field in fields {
                if above > 0 {
                    prefix.push('.');
                }
                prefix.push_str(&field.name());
                if let Some(wanted) = types.get(prefix) {
                    let act = value(&mut field.value, prefix, wanted, on_failure)?;
                    changed |= matches!(act, Act::Changed);
                } else if field.value.scalar().is_none() && types.has_below(prefix) {
                    changed |= all(&mut field.value, prefix, types, on_failure)?;
                }
                prefix.truncate(above);
            }
        }
    }
    Ok(changed)
}

fn value(
    json: &mut Json<'_>,
    field: &str,
    wanted: JsonType,
    on_failure: OnFailure,
) -> Result<Act, Fault> {
    if let Json::List(items) = json.open()? {
        let mut changed = false;
        for item in items {
            changed |= matches!(value(item, field, wanted, on_failure)?, Act::Changed);
        }
        return Ok(if changed { Act::Changed } else { Act::Leave });
    }
    let coerced = match json.scalar() {
        Some(b"null") => return Ok(Act::Leave),
        Some(raw) => wanted.of(raw).ok_or_else(|| raw.to_vec()),
        None => Err(b"an object".to_vec()),
    };
    match (coerced, on_failure) {
        (Ok(Coerced::Same), _) | (Err(_), OnFailure::Keep) => Ok(Act::Leave),
        (Ok(Coerced::To(text)), _) => {
            *json = Json::Raw(Cow::Owned(text.into_bytes()));
            Ok(Act::Changed)
        }
        (Err(raw), OnFailure::Fail) => Err(Fault::value(field, &raw, wanted.refused())),
    }
}
