//! What scripts can call: the natives and definitions of jaq, without those that would make a script give another result
//! the next time (a clock, the environment, further input, local time) or do something (`halt`, `debug`, `stderr`), and
//! the few that `jaq-json` has for its own values alone.

use jaq_core::load::parse::Def;
use jaq_core::native::{Filter, Fun, bome, run, unary, v};
use jaq_core::{DataT, Error, RunPtr, ValR};
use jaq_json::{Num, Val};

use super::value::{Value, compared};
use super::{meter, patterns, read, write};

/// Natives that are left out, and those that are made otherwise here.
const NATIVES_OUT: &[&str] = &[
    "now",
    "env",
    "halt",
    "localtime",
    "strflocaltime",
    "debug_empty",
    "stderr_empty",
    "matches",
    "split_matches",
    "split_",
];
/// Definitions that are left out, since they rest on those, or on bytes that are no text.
const DEFINITIONS_OUT: &[&str] = &["stderr", "debug", "halt", "halt_error"];

/// The definitions that every script sees.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .filter(|def| !DEFINITIONS_OUT.contains(&def.name))
}

/// The natives that every script sees.
pub(super) fn natives<D>() -> impl Iterator<Item = Fun<D>>
where
    D: for<'a> DataT<V<'a> = Value>,
{
    jaq_core::funs()
        .chain(jaq_std::funs())
        .filter(|(name, _, _)| !NATIVES_OUT.contains(name))
        .chain(own().into_vec().into_iter().map(run))
        .chain(patterns::natives().into_vec().into_iter().map(run))
}

fn own<D: for<'a> DataT<V<'a> = Value>>() -> Box<[Filter<RunPtr<D>>]> {
    Box::new([
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("tojson", v(0), |cv| {
            bome(Ok(Value::text(write::text(&cv.1.val))))
        }),
        ("length", v(0), |cv| bome(length(cv.1))),
        ("contains", v(1), |cv| {
            unary(cv, |whole, part| {
                Ok(Value::from(contains(&whole.val, &part.val)))
            })
        }),
        ("has", v(1), |cv| unary(cv, |value, key| has(&value, &key))),
        ("indices", v(1), |cv| unary(cv, indices)),
        ("bsearch", v(1), |cv| {
            unary(cv, |items, wanted| match &items.val {
                Val::Arr(list) => {
                    let place = list.binary_search_by(|item| {
                        compared(item, &wanted.val);
                        item.cmp(&wanted.val)
                    });
                    let signed = |at: usize| isize::try_from(at).unwrap_or(isize::MAX);
                    Ok(Value::from(place.map_or_else(|at| -1 - signed(at), signed)))
                }
                _ => Err(Error::typ(items, "array")),
            })
        }),
    ])
}

fn from_json(text: &Value) -> ValR<Value> {
    let Some(json) = text.bytes_of() else {
        return Err(Error::typ(text.clone(), "string"));
    };
    meter::bytes(json.len());
    let (val, depth) = read::value(json)
        .map_err(|error| Error::str(format!("cannot parse as JSON: {}", error.text())))?;
    Ok(Value::new(val, depth))
}

fn length(value: Value) -> ValR<Value> {
    let count = match &value.val {
        Val::Null => 0,
        Val::Num(number) => {
            let negative = match number {
                Num::Dec(digits) => digits.starts_with('-'),
                _ => value.val < Val::from(0_usize),
            };
            return if negative { -value } else { Ok(value) };
        }
        Val::TStr(text) | Val::BStr(text) => {
            meter::work(text.len() / 8);
            String::from_utf8_lossy(text).chars().count()
        }
        Val::Arr(items) => items.len(),
        Val::Obj(entries) => entries.len(),
        Val::Bool(_) => return Err(Error::str(format!("{value} has no length"))),
    };
    Ok(Value::from(count))
}

fn contains(whole: &Val, part: &Val) -> bool {
    meter::work(16);
    match (whole, part) {
        (Val::TStr(whole), Val::TStr(part)) => {
            meter::work(whole.len() / 8);
            memchr::memmem::find(whole, part).is_some()
        }
        (Val::Arr(whole), Val::Arr(part)) => part
            .iter()
            .all(|part| whole.iter().any(|whole| contains(whole, part))),
        (Val::Obj(whole), Val::Obj(part)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part))),
        _ => {
            compared(whole, part);
            whole == part
        }
    }
}

fn has(value: &Value, key: &Value) -> ValR<Value> {
    let found = match (&value.val, &key.val) {
        (Val::Obj(entries), key) => entries.contains_key(key),
        (Val::Arr(items), Val::Num(number)) => number
            .as_isize()
            .and_then(|at| usize::try_from(at).ok())
            .is_some_and(|at| at < items.len()),
        _ => return Err(Error::index(value.clone(), key.clone())),
    };
    Ok(Value::from(found))
}

fn indices(whole: Value, part: Value) -> ValR<Value> {
    let places: Vec<usize> = match (&whole.val, &part.val) {
        (Val::Null, _) => return Ok(whole),
        (Val::TStr(whole), Val::TStr(part)) if !part.is_empty() => {
            // By characters, as slices are.
            let whole = String::from_utf8_lossy(whole);
            meter::work(whole.len());
            let starts = whole.char_indices().enumerate();
            starts
                .filter(|(_, (byte, _))| whole.as_bytes()[*byte..].starts_with(part))
                .map(|(at, _)| at)
                .collect()
        }
        (Val::TStr(_), Val::TStr(_)) => Vec::new(),
        (Val::Arr(_), Val::Arr(part)) if part.is_empty() => Vec::new(),
        (Val::Arr(whole), Val::Arr(part)) => {
            meter::work(whole.len().saturating_mul(part.len()));
            let windows = whole.windows(part.len()).enumerate();
            windows
                .filter(|(_, window)| {
                    let mut pairs = window.iter().zip(part.iter());
                    pairs.all(|(item, part)| {
                        compared(item, part);
                        item == part
                    })
                })
                .map(|(at, _)| at)
                .collect()
        }
        (Val::Arr(whole), part) => {
            meter::work(whole.len());
            let items = whole.iter().enumerate();
            items
                .filter(|(_, item)| {
                    compared(item, part);
                    *item == part
                })
                .map(|(at, _)| at)
                .collect()
        }
        _ => return Err(Error::index(whole, part)),
    };
    Ok(places.into_iter().map(Value::from).collect())
}
