//! Analysis: names, parameters and parts that the target has not got, or calls otherwise.
//!
//! Settings are flat keys, and names of analysers may hold dots: a part is found by its kind before its name and its
//! parameter behind it.

mod limits;
mod names;
mod parts;

use serde_json::Value;

use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::Rule;

const PREFIX: &str = "index.analysis.";

/// Kinds of parts that an analyser names, with the parameter in which it names them.
const LISTED: [(&str, &str); 3] = [
    ("filter", "filter"),
    ("char_filter", "char_filter"),
    ("tokenizer", "tokenizer"),
];

/// All rules of analysis, in the order in which they work.
pub(super) fn tables() -> [&'static [Rule]; 3] {
    [names::RULES, parts::RULES, limits::RULES]
}

/// `filter`, its name and one of its parameters, from a key of the settings.
fn part(key: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = key.strip_prefix(PREFIX)?.split_once('.')?;
    let (name, parameter) = rest.rsplit_once('.')?;
    Some((kind, name, parameter))
}

/// The parts of a kind with a type, by name: `(name, type)`.
fn parts_of(draft: &Draft, kind: &str) -> Vec<(String, String)> {
    draft
        .settings
        .iter()
        .filter_map(|(key, value)| match (part(key)?, value) {
            ((of, name, "type"), Value::String(is)) if of == kind => {
                Some((name.to_owned(), is.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Whether the index has a part of this name of its own.
fn is_own(draft: &Draft, kind: &str, name: &str) -> bool {
    let prefix = format!("{PREFIX}{kind}.{name}.");
    draft.settings.keys().any(|key| key.starts_with(&prefix))
}

/// Changes the names that analysers and normalizers list of a kind; one edit a list. A name that becomes nothing goes.
fn rename_listed(
    rule: &'static Rule,
    draft: &mut Draft,
    kind: &str,
    new: &dyn Fn(&Draft, &str) -> Option<Option<String>>,
) {
    let Some((_, parameter)) = LISTED.iter().find(|(of, _)| *of == kind) else {
        return;
    };
    let keys: Vec<String> = draft
        .settings
        .keys()
        .filter(|key| {
            part(key).is_some_and(|(owner, _, is)| {
                is == *parameter && matches!(owner, "analyzer" | "normalizer" | "filter")
            })
        })
        .cloned()
        .collect();
    for key in keys {
        let Some(value) = draft.settings.get(&key) else {
            continue;
        };
        let renamed = |name: &str| new(draft, name).unwrap_or_else(|| Some(name.to_owned()));
        let after = match value {
            Value::String(names) if names.contains(',') => {
                let kept: Vec<Value> = names
                    .split(',')
                    .filter_map(|name| renamed(name.trim()))
                    .map(Value::String)
                    .collect();
                if kept
                    .iter()
                    .filter_map(Value::as_str)
                    .eq(names.split(',').map(str::trim))
                {
                    continue;
                }
                Value::Array(kept)
            }
            Value::String(name) => match renamed(name) {
                Some(name) => Value::String(name),
                None => Value::Array(Vec::new()),
            },
            Value::Array(names) => Value::Array(
                names
                    .iter()
                    .filter_map(|name| match name.as_str() {
                        Some(text) => renamed(text).map(Value::String),
                        None => Some(name.clone()),
                    })
                    .collect(),
            ),
            _ => continue,
        };
        if *value != after {
            draft.set_setting(rule, &key, after);
        }
    }
}

/// Drops a part with all its parameters.
fn drop_part(rule: &'static Rule, draft: &mut Draft, kind: &str, name: &str) {
    let prefix = format!("{PREFIX}{kind}.{name}.*");
    draft.drop_settings(rule, &[&prefix]);
}
