//! The normal form of what is no index and no template: without what servers fill in by themselves.
//!
//! Deliberately absent: the form of settings and mappings, which [`super::compare`] has.

use serde_json::{Map, Value, json};

use crate::diff::observation::ObjectKind;

/// How often Index State Management tries an action again when nothing is said.
const RETRY: (u64, &str, &str) = (3, "exponential", "1m");

pub(super) fn normal_object(kind: ObjectKind, body: &Value) -> Value {
    let mut body = body.clone();
    match kind {
        ObjectKind::ClusterSettings => {
            if let Some(Value::Object(settings)) = body.get_mut("persistent") {
                settings.values_mut().for_each(as_text);
            }
        }
        ObjectKind::Script => script(&mut body),
        ObjectKind::LifecyclePolicy => {
            if let Value::Object(fields) = &mut body {
                // Which templates name it is told for the translation alone.
                fields.remove("used_by");
            }
            if let Some(policy) = body.get_mut("policy") {
                ilm(policy);
                ism(policy);
            }
        }
        _ => {}
    }
    without_nothing(&body).unwrap_or_else(|| json!({}))
}

/// Settings are texts on the wire.
fn as_text(value: &mut Value) {
    match value {
        Value::Bool(_) | Value::Number(_) => *value = Value::String(value.to_string()),
        Value::Array(items) => items.iter_mut().for_each(as_text),
        _ => {}
    }
}

fn script(body: &mut Value) {
    let Some(Value::Object(script)) = body.get_mut("script") else {
        return;
    };
    // Of templates of searches a server notes that they are JSON.
    let is_json = |options: &Map<String, Value>| {
        let kind = options.get("content_type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.starts_with("application/json"))
    };
    if let Some(Value::Object(options)) = script.get_mut("options")
        && is_json(options)
    {
        options.remove("content_type");
    }
}

fn ilm(policy: &mut Value) {
    let Some(Value::Object(phases)) = policy.get_mut("phases") else {
        return;
    };
    for phase in phases.values_mut().filter_map(Value::as_object_mut) {
        let age = phase.get("min_age").and_then(Value::as_str);
        if age.is_some_and(|age| age.trim_start_matches('0').chars().all(char::is_alphabetic)) {
            phase.remove("min_age");
        }
        if let Some(Value::Object(delete)) =
            phase.get_mut("actions").and_then(|it| it.get_mut("delete"))
            && delete.get("delete_searchable_snapshot") == Some(&json!(true))
        {
            delete.remove("delete_searchable_snapshot");
        }
    }
}

fn ism(policy: &mut Value) {
    let states = policy.get_mut("states").and_then(Value::as_array_mut);
    for state in states.into_iter().flatten() {
        let actions = state.get_mut("actions").and_then(Value::as_array_mut);
        for action in actions
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            let retry = json!({"count": RETRY.0, "backoff": RETRY.1, "delay": RETRY.2});
            if action.get("retry") == Some(&retry) {
                action.remove("retry");
            }
        }
    }
    let templates = policy.get_mut("ism_template").and_then(Value::as_array_mut);
    for template in templates
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        template.remove("last_updated_time");
    }
}

/// `null`, `""`, `[]` mean nothing; an empty object is an action without parameters and stays.
fn without_nothing(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields = fields.iter();
            let kept = fields.filter_map(|(name, value)| {
                let nothing = match value {
                    Value::Null => true,
                    Value::Array(items) => items.is_empty() && name != "processors",
                    Value::String(text) => {
                        text.is_empty() && matches!(name.as_str(), "dls" | "description")
                    }
                    Value::Object(inner) => {
                        inner.is_empty()
                            && matches!(
                                name.as_str(),
                                "options" | "metadata" | "transient_metadata"
                            )
                    }
                    _ => false,
                };
                (!nothing).then(|| Some((name.clone(), without_nothing(value)?)))?
            });
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(
            items.iter().filter_map(without_nothing).collect(),
        )),
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::differences;
    use super::*;

    #[test]
    fn what_servers_note_is_no_difference() {
        for (kind, wanted, found) in [
            (
                ObjectKind::Script,
                json!({"script": {"lang": "mustache", "source": "{}"}}),
                json!({"script": {"lang": "mustache", "source": "{}", "options": {"content_type": "application/json; charset=UTF-8"}}}),
            ),
            (
                ObjectKind::ClusterSettings,
                json!({"persistent": {"cluster.max_shards_per_node": 2000}}),
                json!({"persistent": {"cluster.max_shards_per_node": "2000", "action.auto_create_index": "false"}}),
            ),
            (
                ObjectKind::LifecyclePolicy,
                json!({"policy": {"states": [{"name": "hot", "actions": [{"delete": {}}], "transitions": []}]}, "used_by": []}),
                json!({"policy": {"error_notification": null, "states": [{"name": "hot", "transitions": [],
                    "actions": [{"retry": {"count": 3, "backoff": "exponential", "delay": "1m"}, "delete": {}}]}]}}),
            ),
            (
                ObjectKind::LifecyclePolicy,
                json!({"policy": {"phases": {"hot": {"actions": {}}, "delete": {"min_age": "1d", "actions": {"delete": {}}}}}}),
                json!({"policy": {"phases": {"hot": {"min_age": "0ms", "actions": {}},
                    "delete": {"min_age": "1d", "actions": {"delete": {"delete_searchable_snapshot": true}}}}}}),
            ),
        ] {
            assert_eq!(differences(kind, &wanted, &found), [], "{kind:?}");
        }
    }

    #[test]
    fn other_processors_and_sources_are_differences() {
        let wanted = json!({"processors": [{"set": {"field": "a", "value": 1}}]});
        let found = json!({"processors": []});
        assert_eq!(
            differences(ObjectKind::IngestPipeline, &wanted, &found).len(),
            1
        );
        let wanted = json!({"policy": {"phases": {"hot": {"min_age": "10d"}}}});
        let found = json!({"policy": {"phases": {"hot": {"min_age": "0ms"}}}});
        assert_eq!(
            differences(ObjectKind::LifecyclePolicy, &wanted, &found).len(),
            1
        );
    }
}
