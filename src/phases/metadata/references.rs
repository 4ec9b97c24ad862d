//! Which objects name which others: what is missing is found before anything is written. Pure.
//!
//! Deliberately absent: names that are made up while documents are indexed (templates in braces), and aliases of indices.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::metadata::normal_settings;

/// Levels of processors within processors that are looked at.
const DEPTH_MAX: usize = 64;

/// The objects that one names.
pub(super) fn references(kind: ObjectKind, body: &Value) -> BTreeSet<ObjectKey> {
    let mut found = BTreeSet::new();
    match kind {
        ObjectKind::IngestPipeline => of_processors(body, DEPTH_MAX, &mut found),
        ObjectKind::RoleMapping => {
            // Of Elasticsearch: the roles of its own are there too.
            let roles = body.get("roles").and_then(Value::as_array);
            for role in roles.into_iter().flatten().filter_map(Value::as_str) {
                add(&mut found, ObjectKind::Role, role);
            }
        }
        kind if kind.has_index_settings() => of_index(kind, body, &mut found),
        _ => {}
    }
    found
}

/// The objects that are named and that neither `wanted` nor the target has, with those that name them.
pub(super) fn missing<'a>(
    wanted: impl Iterator<Item = (&'a ObjectKey, &'a Value)>,
    there: &BTreeSet<&ObjectKey>,
) -> BTreeMap<ObjectKey, Vec<String>> {
    let mut missing: BTreeMap<ObjectKey, Vec<String>> = BTreeMap::new();
    for (key, body) in wanted {
        for named in references(key.kind, body) {
            if !there.contains(&named) {
                let by = format!("{} {}", key.kind.as_str(), key.name);
                missing.entry(named).or_default().push(by);
            }
        }
    }
    missing
}

fn add(found: &mut BTreeSet<ObjectKey>, kind: ObjectKind, name: &str) {
    if !name.is_empty() && name != "_none" && !name.contains("{{") {
        let name = name.to_owned();
        found.insert(ObjectKey { kind, name });
    }
}

fn of_index(kind: ObjectKind, body: &Value, found: &mut BTreeSet<ObjectKey>) {
    let section = match kind {
        ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate => body.get("template"),
        _ => Some(body),
    };
    let in_force = section.and_then(|it| it.get("settings"));
    let waiting = body.pointer("/held_back/settings");
    for settings in [in_force, waiting].into_iter().flatten() {
        let settings = normal_settings(settings);
        for (key, kind) in [
            ("index.default_pipeline", ObjectKind::IngestPipeline),
            ("index.final_pipeline", ObjectKind::IngestPipeline),
            ("index.search.default_pipeline", ObjectKind::SearchPipeline),
        ] {
            if let Some(name) = settings.get(key).and_then(Value::as_str) {
                add(found, kind, name);
            }
        }
    }
    let list = |name: &str| {
        let items = body.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str)
    };
    let optional: BTreeSet<&str> = list("ignore_missing_component_templates").collect();
    for part in list("composed_of").filter(|part| !optional.contains(part)) {
        add(found, ObjectKind::ComponentTemplate, part);
    }
}

/// Processors, those that stand within others too.
fn of_processors(value: &Value, depth: usize, found: &mut BTreeSet<ObjectKey>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                of_processors(item, depth - 1, found);
            }
        }
        Value::Object(fields) => {
            let named = |processor: &str, field: &str| {
                let processor = fields.get(processor).and_then(Value::as_object);
                processor.and_then(|it: &Map<String, Value>| it.get(field)?.as_str())
            };
            if let Some(name) = named("pipeline", "name") {
                add(found, ObjectKind::IngestPipeline, name);
            }
            if let Some(id) = named("script", "id") {
                add(found, ObjectKind::Script, id);
            }
            for inner in fields.values() {
                of_processors(inner, depth - 1, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(kind: ObjectKind, body: &Value) -> Vec<String> {
        references(kind, body)
            .into_iter()
            .map(|key| format!("{} {}", key.kind.as_str(), key.name))
            .collect()
    }

    #[test]
    fn settings_and_parts_are_named() {
        let template = json!({"composed_of": ["a", "b"], "ignore_missing_component_templates": ["b"],
            "template": {"settings": {"index": {"default_pipeline": "in", "search": {"default_pipeline": "s"}}}}});
        assert_eq!(
            named(ObjectKind::IndexTemplate, &template),
            ["pipeline in", "search pipeline s", "component template a"]
        );
        let index = json!({"settings": {"index.default_pipeline": "_none"},
            "held_back": {"settings": {"index.final_pipeline": "last"}}});
        assert_eq!(named(ObjectKind::Index, &index), ["pipeline last"]);
    }

    #[test]
    fn processors_within_processors_are_looked_at() {
        let pipeline = json!({"processors": [
            {"foreach": {"field": "a", "processor": {"script": {"id": "each"}}}},
            {"pipeline": {"name": "next", "on_failure": [{"pipeline": {"name": "{{{where}}}"}}]}}],
            "on_failure": [{"pipeline": {"name": "lost"}}]});
        assert_eq!(
            named(ObjectKind::IngestPipeline, &pipeline),
            ["script each", "pipeline lost", "pipeline next"]
        );
    }

    #[test]
    fn what_is_missing_is_told_once_with_all_that_name_it() {
        let key = |kind, name: &str| ObjectKey {
            kind,
            name: name.to_owned(),
        };
        let body = json!({"settings": {"index.default_pipeline": "in"}});
        let (a, b) = (key(ObjectKind::Index, "a"), key(ObjectKind::Index, "b"));
        let wanted = [(&a, &body), (&b, &body)];
        let there = BTreeSet::new();
        let found = missing(wanted.into_iter(), &there);
        let pipeline = key(ObjectKind::IngestPipeline, "in");
        assert_eq!(found[&pipeline], ["index a", "index b"]);
        let there = BTreeSet::from([&pipeline]);
        assert!(missing(wanted.into_iter(), &there).is_empty());
    }
}
