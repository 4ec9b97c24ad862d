//! Compares what is wanted with what a target holds, in normal form.
//!
//! No differences: settings that servers add by themselves, fields that grew dynamically, empty sections, and whether
//! held-back settings are in force yet.

use serde_json::{Map, Value, json};

use super::draft::is_nested;
use super::held_back::release;
use super::rules::PRIVATE_SETTINGS;
use super::settings::meant;
use crate::base::Fingerprint;
use crate::base::settings::normal_settings;
use crate::diff::change::Edit;
use crate::diff::observation::ObjectKind;

/// Settings that a server gives to an index by itself.
const SERVER_SETTINGS: [&str; 2] = ["index.replication.type", "index.creation_date"];

/// What would have to change on the target, by path; `before` is what the target has. Empty: they are equal.
pub fn differences(kind: ObjectKind, wanted: &Value, found: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    compare(
        "",
        &normal(kind, wanted),
        &normal(kind, found),
        Growth::of(kind),
        &mut edits,
    );
    edits.sort_by(|left, right| left.path.cmp(&right.path));
    edits
}

/// Identity of a body, the same before and after held-back settings are put in force.
pub fn core_fingerprint(kind: ObjectKind, body: &Value) -> Fingerprint {
    Fingerprint::of(&normal(kind, body))
}

/// Only mappings of indices grow by themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    None,
    InMappings,
    Here,
}

impl Growth {
    fn of(kind: ObjectKind) -> Self {
        if kind == ObjectKind::Index {
            Self::InMappings
        } else {
            Self::None
        }
    }

    fn below(self, name: &str) -> Self {
        match self {
            Self::InMappings if name == "mappings" => Self::Here,
            other => other,
        }
    }
}

fn normal(kind: ObjectKind, body: &Value) -> Value {
    let mut body = release(kind, body);
    if kind != ObjectKind::Alias {
        let section = if is_nested(kind) {
            body.get_mut("template")
        } else {
            Some(&mut body)
        };
        if let Some(Value::Object(section)) = section
            && let Some(settings) = section.get_mut("settings")
        {
            let mut flat = normal_settings(settings);
            flat.retain(|key, _| {
                !PRIVATE_SETTINGS
                    .iter()
                    .chain(&SERVER_SETTINGS)
                    .any(|pattern| meant(pattern, key))
            });
            *settings = Value::Object(flat);
        }
    }
    without_empty(&body).unwrap_or_else(|| json!({}))
}

/// `{}`, `[]` and `null` mean the same as nothing at the level of sections.
fn without_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, value)| {
                    let sections = ["settings", "mappings", "aliases", "properties", "template"];
                    let empty = match value {
                        Value::Object(fields) => fields.is_empty(),
                        Value::Null => true,
                        _ => false,
                    };
                    if empty && (value.is_null() || sections.contains(&name.as_str())) {
                        return None;
                    }
                    let value = without_empty(value)?;
                    let emptied = value.as_object().is_some_and(Map::is_empty)
                        && sections.contains(&name.as_str());
                    (!emptied).then(|| (name.clone(), value))
                })
                .collect();
            Some(Value::Object(fields))
        }
        other => Some(other.clone()),
    }
}

fn compare(path: &str, wanted: &Value, found: &Value, growth: Growth, edits: &mut Vec<Edit>) {
    let (Value::Object(wanted_fields), Value::Object(found_fields)) = (wanted, found) else {
        if wanted != found {
            edits.push(edit(path, Some(found), Some(wanted)));
        }
        return;
    };
    for (name, wanted) in wanted_fields {
        let path = join(path, name);
        match found_fields.get(name) {
            Some(found) => compare(&path, wanted, found, growth.below(name), edits),
            None => edits.push(edit(&path, None, Some(wanted))),
        }
    }
    let fixed = matches!(
        found_fields.get("dynamic").and_then(Value::as_str),
        Some("strict" | "false")
    ) || found_fields.get("dynamic") == Some(&Value::Bool(false));
    for (name, found) in found_fields {
        if wanted_fields.contains_key(name) {
            continue;
        }
        let in_properties = path.ends_with(".properties") || path.ends_with(".fields");
        let grown = match growth {
            Growth::Here => in_properties || (name == "properties" && !fixed),
            // An index that has no mapping in the snapshot gets one with its first document.
            Growth::InMappings => name == "mappings",
            Growth::None => false,
        };
        if !grown {
            edits.push(edit(&join(path, name), Some(found), None));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn edit(path: &str, before: Option<&Value>, after: Option<&Value>) -> Edit {
    Edit {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
        rule: None,
        why: String::new(),
        lossy: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_adds_is_no_difference() {
        let wanted = json!({"settings": {"index.number_of_shards": "1"},
            "mappings": {"properties": {"a": {"type": "keyword"}}}, "aliases": {}});
        let found = json!({"settings": {"index": {"number_of_shards": 1, "uuid": "x", "creation_date": "1",
            "provided_name": "i", "version": {"created": "1"}, "replication": {"type": "DOCUMENT"}}},
            "mappings": {"properties": {"a": {"type": "keyword"}, "grown": {"type": "long"}}}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        assert_eq!(differences(ObjectKind::Index, &found, &wanted).len(), 1);
    }

    #[test]
    fn other_types_and_settings_are_differences() {
        let wanted = json!({"settings": {"index.codec": "best_compression"},
            "mappings": {"properties": {"a": {"type": "keyword"}}}});
        let found = json!({"settings": {"index.number_of_replicas": "1"},
            "mappings": {"properties": {"a": {"type": "text"}}}});
        let paths: Vec<_> = differences(ObjectKind::Index, &wanted, &found)
            .into_iter()
            .map(|edit| edit.path)
            .collect();
        assert_eq!(
            paths,
            [
                "mappings.properties.a.type",
                "settings.index.codec",
                "settings.index.number_of_replicas"
            ]
        );
    }

    #[test]
    fn held_back_settings_do_not_count_as_missing() {
        let wanted =
            json!({"settings": {}, "held_back": {"settings": {"index.blocks.write": "true"}}});
        let found = json!({"settings": {"index.blocks.write": "true"}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        assert_eq!(
            core_fingerprint(ObjectKind::Index, &wanted),
            core_fingerprint(ObjectKind::Index, &found)
        );
    }
}
