//! What a cluster has beside indices and their templates, as objects in the form in which a `PUT` takes them: settings,
//! scripts, pipelines, policies. Pure.
//!
//! The sections of a snapshot and of a live cluster's state have the same form. Deliberately absent: templates, which
//! [`super::source`] reads, and roles, which stand in an index.

use serde_json::{Map, Value, json};

use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::snapshot::GlobalMetadata;

/// The name of the one object that holds the settings of a cluster.
pub(in super::super) const PERSISTENT: &str = "persistent";

/// Objects of the sections.
pub(in super::super) fn global_objects(global: &GlobalMetadata) -> Vec<(ObjectKey, Value)> {
    let mut objects = Vec::new();
    let mut add = |kind: ObjectKind, name: &str, body: Value| {
        let name = name.to_owned();
        objects.push((ObjectKey { kind, name }, body));
    };
    if !global.persistent_settings.is_empty() {
        let settings = json!({ PERSISTENT: global.persistent_settings });
        add(ObjectKind::ClusterSettings, PERSISTENT, settings);
    }
    for (id, stored) in &global.stored_scripts {
        let Some((name, body)) = script(id, stored, &global.stored_scripts) else {
            continue;
        };
        add(ObjectKind::Script, name, body);
    }
    for (name, body) in &global.pipelines {
        add(ObjectKind::IngestPipeline, name, body.clone());
    }
    for (name, body) in &global.search_pipelines {
        add(ObjectKind::SearchPipeline, name, body.clone());
    }
    for (name, policy) in policies(global, "index_lifecycle") {
        let mut body = json!({ "policy": policy });
        let users = users(global, name);
        if !users.is_empty() {
            body["used_by"] = Value::Array(users);
        }
        add(ObjectKind::LifecyclePolicy, name, body);
    }
    for (name, policy) in policies(global, "snapshot_lifecycle") {
        add(ObjectKind::SnapshotPolicy, name, policy.clone());
    }
    objects
}

/// The policies of a section by name, without what a server notes beside them.
fn policies<'a>(
    global: &'a GlobalMetadata,
    section: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let policies = global.other.get(section);
    let policies = policies.and_then(|it| it.get("policies")?.as_object());
    policies
        .into_iter()
        .flatten()
        .filter_map(|(name, noted)| Some((name.as_str(), noted.get("policy")?)))
}

/// Elasticsearch 5 wrote `language#id`, and a source alone, and from 5.3 on each script once more by its id; up to 5.5 the
/// source is called `code`. `None`: it is told by its id alone.
fn script<'a>(id: &'a str, stored: &Value, all: &Map<String, Value>) -> Option<(&'a str, Value)> {
    let (language, name) = match id.split_once('#') {
        Some((language, name)) => (Some(language), name),
        None => (None, id),
    };
    let by_id = all.get(name).filter(|_| language.is_some());
    let of_other = by_id.is_some_and(|it| it.get("lang").and_then(Value::as_str) != language);
    if by_id.is_some() && !of_other {
        return None;
    }
    // Of two languages under one id both are shown, and the target has something to say to this name.
    let name = if of_other { id } else { name };
    let mut script = match stored {
        Value::Object(fields) => fields.clone(),
        source => Map::from_iter([("source".to_owned(), source.clone())]),
    };
    for old in ["code", "script", "template"] {
        if let Some(source) = script.remove(old) {
            script.entry("source").or_insert(source);
        }
    }
    if let Some(language) = language {
        script.entry("lang").or_insert_with(|| json!(language));
    }
    if let Some(source @ (Value::Object(_) | Value::Array(_))) = script.get_mut("source") {
        *source = Value::String(source.to_string());
    }
    Some((name, json!({ "script": script })))
}

/// Patterns and priorities of the templates whose indices a lifecycle policy takes up.
fn users(global: &GlobalMetadata, policy: &str) -> Vec<Value> {
    let names = |template: &Value| {
        let settings = template.get("settings");
        let settings = settings.map(crate::engines::metadata::normal_settings);
        let name =
            settings.and_then(|it| it.get("index.lifecycle.name")?.as_str().map(str::to_owned));
        name.as_deref() == Some(policy)
    };
    let named_by_component = |template: &Value| {
        let parts = template.get("composed_of").and_then(Value::as_array);
        parts
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|part| {
                let part = global.component_templates.get(part);
                part.and_then(|it| it.get("template")).is_some_and(names)
            })
    };
    let mut users = Vec::new();
    for template in global.index_templates.values() {
        if template.get("template").is_some_and(names) || named_by_component(template) {
            users.push(json!({
                "index_patterns": template.get("index_patterns"),
                "priority": template.get("priority").and_then(Value::as_u64).unwrap_or(0),
            }));
        }
    }
    for template in global.templates.values() {
        if names(template) {
            users.push(json!({
                "index_patterns": template.get("index_patterns"),
                "priority": template.get("order").and_then(Value::as_u64).unwrap_or(0),
            }));
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(state: &Value) -> Vec<(String, Value)> {
        let global = GlobalMetadata::from_state(state.as_object().unwrap());
        global_objects(&global)
            .into_iter()
            .map(|(key, body)| (format!("{} {}", key.kind.as_str(), key.name), body))
            .collect()
    }

    #[test]
    fn scripts_of_every_age_have_one_form() {
        let found = objects(&json!({"stored_scripts": {
            "painless#old": "return 1",
            "painless#new": "return 3",
            "mustache#older": {"template": {"query": {"match_all": {}}}},
            "half": {"lang": "painless", "code": "return 2"},
            "new": {"lang": "painless", "source": "return 3", "options": {"a": "b"}}}}));
        assert_eq!(
            found,
            [
                (
                    "script half".to_owned(),
                    json!({"script": {"lang": "painless", "source": "return 2"}})
                ),
                (
                    "script older".to_owned(),
                    json!({"script": {"lang": "mustache", "source": "{\"query\":{\"match_all\":{}}}"}})
                ),
                (
                    "script new".to_owned(),
                    json!({"script": {"lang": "painless", "source": "return 3", "options": {"a": "b"}}})
                ),
                (
                    "script old".to_owned(),
                    json!({"script": {"lang": "painless", "source": "return 1"}})
                ),
            ]
        );
    }

    #[test]
    fn a_policy_knows_the_templates_that_name_it() {
        let found = objects(&json!({
            "index_lifecycle": {"operation_mode": "RUNNING", "policies": {"logs": {
                "policy": {"phases": {}}, "headers": {}, "version": 1, "modified_date": 1}}},
            "index_template": {"index_template": {
                "a": {"index_patterns": ["a-*"], "priority": 7, "composed_of": ["part"], "template": {}},
                "b": {"index_patterns": ["b-*"], "template": {"settings": {"index.lifecycle.name": "other"}}}}},
            "component_template": {"component_template": {
                "part": {"template": {"settings": {"index": {"lifecycle": {"name": "logs"}}}}}}},
            "templates": {"c": {"index_patterns": ["c-*"], "order": 2, "settings": {"index": {"lifecycle": {"name": "logs"}}}}},
        }));
        assert_eq!(
            found,
            [(
                "lifecycle policy logs".to_owned(),
                json!({"policy": {"phases": {}}, "used_by": [
                    {"index_patterns": ["a-*"], "priority": 7}, {"index_patterns": ["c-*"], "priority": 2}]})
            )]
        );
    }
}
