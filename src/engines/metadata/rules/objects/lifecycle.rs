//! Lifecycle policies: of ILM to those of Index State Management.
//!
//! Each phase becomes a state that goes over to the next one by age. What Index State Management has no word for is taken
//! out by rules of its own. Deliberately absent: putting indices that are moved under the policy, whose ages there would
//! count from the move; a person does that by `POST _plugins/_ism/add/INDEX`.

use serde_json::{Map, Value, json};

use super::super::lines::{ELASTICSEARCH, OPENSEARCH};
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Proof, Rule, Versions};

const POLICIES: &[ObjectKind] = &[ObjectKind::LifecyclePolicy];
const LINK: &str = "https://docs.opensearch.org/latest/im-plugin/ism/policies/";
/// In the order in which an index goes through them.
const PHASES: [&str; 5] = ["hot", "warm", "cold", "frozen", "delete"];
/// In the order in which ILM does them, whatever the policy's order; with the names of the other side.
const ACTIONS: &[(&str, &str)] = &[
    ("set_priority", "index_priority"),
    ("unfollow", "unfollow"),
    ("rollover", "rollover"),
    ("readonly", "read_only"),
    ("downsample", "downsample"),
    ("allocate", "allocate"),
    ("migrate", "migrate"),
    ("shrink", "shrink"),
    ("forcemerge", "force_merge"),
    ("searchable_snapshot", "searchable_snapshot"),
    ("freeze", "freeze"),
    ("wait_for_snapshot", "wait_for_snapshot"),
    ("delete", "delete"),
];
/// What Index State Management knows, and this writes.
const KNOWN: &[&str] = &[
    "index_priority",
    "rollover",
    "read_only",
    "replica_count",
    "allocation",
    "shrink",
    "force_merge",
    "delete",
];
/// Parameters of actions that it knows.
const PARAMETERS: &[(&str, &[&str])] = &[
    (
        "rollover",
        &[
            "min_index_age",
            "min_doc_count",
            "min_size",
            "min_primary_shard_size",
            "copy_alias",
        ],
    ),
    ("force_merge", &["max_num_segments"]),
    (
        "shrink",
        &[
            "num_new_shards",
            "max_shard_size",
            "percentage_of_source_shards",
        ],
    ),
    ("allocation", &["require", "include", "exclude", "wait_for"]),
    ("replica_count", &["number_of_replicas"]),
    ("index_priority", &["priority"]),
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG240",
        title: "a lifecycle policy becomes one of Index State Management",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: POLICIES,
        level: Level::Warn,
        lossy: false,
        why: "phases become states; new indices of the templates that named it are taken up by their names, and moved ones are not until somebody adds them; a template has to name the alias to roll over in `plugins.index_state_management.rollover_alias`",
        link: LINK,
        proof: Proof::TranslatedOnly,
        before: r#"{"policy": {"phases": {
            "hot": {"min_age": "0ms", "actions": {"rollover": {"max_age": "1d", "max_size": "50gb"}, "set_priority": {"priority": 100}}},
            "warm": {"min_age": "2d", "actions": {"forcemerge": {"max_num_segments": 1}, "allocate": {"number_of_replicas": 1}}},
            "delete": {"min_age": "30d", "actions": {"delete": {}}}}},
            "used_by": [{"index_patterns": ["logs-*"], "priority": 100}]}"#,
        after: r#"{"policy": {"description": "translated from a lifecycle policy of Elasticsearch", "default_state": "hot",
            "ism_template": [{"index_patterns": ["logs-*"], "priority": 100}],
            "states": [
            {"name": "hot", "actions": [{"index_priority": {"priority": 100}}, {"rollover": {"min_index_age": "1d", "min_size": "50gb"}}],
             "transitions": [{"state_name": "warm", "conditions": {"min_rollover_age": "2d"}}]},
            {"name": "warm", "actions": [{"replica_count": {"number_of_replicas": 1}}, {"force_merge": {"max_num_segments": 1}}],
             "transitions": [{"state_name": "delete", "conditions": {"min_rollover_age": "30d"}}]},
            {"name": "delete", "actions": [{"delete": {}}], "transitions": []}]}}"#,
        apply: convert,
    },
    Rule {
        code: "MIG241",
        title: "a policy that waits for a snapshot would delete without one",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: POLICIES,
        level: Level::Deny,
        lossy: true,
        why: "Index State Management does not wait for a policy of snapshots before it deletes: indices would go that nobody has a copy of",
        link: LINK,
        proof: Proof::TranslatedOnly,
        before: r#"{"policy": {"states": [{"name": "delete", "actions": [{"wait_for_snapshot": {"policy": "nightly"}}, {"delete": {}}]}]}}"#,
        after: r#"{"policy": {"states": [{"name": "delete", "actions": [{"delete": {}}]}]}}"#,
        apply: |rule, draft, _versions| {
            drop_actions(rule, draft, |name| name == "wait_for_snapshot");
        },
    },
    Rule {
        code: "MIG242",
        title: "actions that Index State Management does not have are taken out",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: POLICIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch has no such action: indices keep the form and the place that they had before it",
        link: LINK,
        proof: Proof::TranslatedOnly,
        before: r#"{"policy": {"states": [{"name": "cold", "actions": [{"searchable_snapshot": {"snapshot_repository": "r"}}, {"read_only": {}}]}]}}"#,
        after: r#"{"policy": {"states": [{"name": "cold", "actions": [{"read_only": {}}]}]}}"#,
        apply: |rule, draft, _versions| {
            drop_actions(rule, draft, |name| {
                !KNOWN.contains(&name) && name != "wait_for_snapshot"
            });
        },
    },
    Rule {
        code: "MIG243",
        title: "parameters of actions that Index State Management does not have are taken out",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: POLICIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch does not know the condition or parameter: the action happens without it",
        link: LINK,
        proof: Proof::TranslatedOnly,
        before: r#"{"policy": {"states": [{"name": "hot", "actions": [{"rollover": {"min_index_age": "1d", "max_primary_shard_docs": 5}}]}]}}"#,
        after: r#"{"policy": {"states": [{"name": "hot", "actions": [{"rollover": {"min_index_age": "1d"}}]}]}}"#,
        apply: drop_parameters,
    },
];

fn convert(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Some(policy) = draft.beside.get("policy") else {
        return;
    };
    let Some(phases) = policy.get("phases").and_then(Value::as_object) else {
        return;
    };
    let description = policy.pointer("/_meta/description").and_then(Value::as_str);
    let description = description.unwrap_or("translated from a lifecycle policy of Elasticsearch");
    let states = states(phases);
    let first = states.first().and_then(|state| state.get("name")).cloned();
    let mut made = Map::new();
    made.insert("description".into(), json!(description));
    made.insert(
        "default_state".into(),
        first.unwrap_or_else(|| json!("hot")),
    );
    made.insert("states".into(), Value::Array(states));
    let before = draft.beside.remove("policy");
    if let Some(users @ Value::Array(_)) = draft.beside.remove("used_by") {
        made.insert("ism_template".into(), users);
    }
    let made = Value::Object(made);
    draft.beside.insert("policy".into(), made.clone());
    let change = Change {
        path: "policy",
        before,
        after: Some(made),
    };
    draft.note(rule, change);
}

fn states(phases: &Map<String, Value>) -> Vec<Value> {
    let mut states: Vec<Map<String, Value>> = Vec::new();
    let mut rolled = false;
    for name in PHASES {
        let Some(phase) = phases.get(name) else {
            continue;
        };
        let age = phase
            .get("min_age")
            .and_then(Value::as_str)
            .unwrap_or("0ms");
        let waits = !is_zero(age);
        if states.is_empty() && waits {
            // An index waits before its first phase.
            states.push(state("new", &[]));
        }
        if let Some(last) = states.last_mut() {
            let mut over = Map::new();
            over.insert("state_name".into(), json!(name));
            if waits {
                // ILM counts from the rollover where there is one.
                let condition = if rolled {
                    "min_rollover_age"
                } else {
                    "min_index_age"
                };
                over.insert("conditions".into(), json!({ condition: age }));
            }
            last.insert("transitions".into(), json!([over]));
        }
        let actions = phase.get("actions").and_then(Value::as_object);
        rolled |= actions.is_some_and(|actions| actions.contains_key("rollover"));
        let actions = actions.map(self::actions).unwrap_or_default();
        states.push(state(name, &actions));
    }
    states.into_iter().map(Value::Object).collect()
}

fn state(name: &str, actions: &[Value]) -> Map<String, Value> {
    let state = json!({ "name": name, "actions": actions, "transitions": [] });
    state.as_object().cloned().unwrap_or_default()
}

fn is_zero(age: &str) -> bool {
    let number = age.trim_end_matches(char::is_alphabetic);
    number.parse::<u64>() == Ok(0)
}

fn actions(of_phase: &Map<String, Value>) -> Vec<Value> {
    let mut made = Vec::new();
    let known = |name: &str| ACTIONS.iter().any(|(old, _)| *old == name);
    for (old, new) in ACTIONS {
        let Some(parameters) = of_phase.get(*old) else {
            continue;
        };
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        match *old {
            "allocate" => allocation(parameters, &mut made),
            "set_priority" if parameters.get("priority").is_none_or(Value::is_null) => {}
            "rollover" => made.push(json!({ *new: renamed(parameters, &[
                ("max_age", "min_index_age"),
                ("max_docs", "min_doc_count"),
                ("max_size", "min_size"),
                ("max_primary_shard_size", "min_primary_shard_size"),
            ]) })),
            "shrink" => made.push(json!({ *new: renamed(parameters, &[
                ("number_of_shards", "num_new_shards"),
                ("max_primary_shard_size", "max_shard_size"),
            ]) })),
            // Snapshots that indices are mounted from have no counterpart.
            "delete" | "readonly" => made.push(json!({ *new: {} })),
            _ => made.push(json!({ *new: parameters })),
        }
    }
    for (name, parameters) in of_phase.iter().filter(|(name, _)| !known(name)) {
        made.push(json!({ name: parameters }));
    }
    made
}

fn renamed(mut parameters: Map<String, Value>, names: &[(&str, &str)]) -> Map<String, Value> {
    for (old, new) in names {
        if let Some(value) = parameters.remove(*old) {
            parameters.insert((*new).to_owned(), value);
        }
    }
    parameters
}

/// One action there, two here.
fn allocation(mut parameters: Map<String, Value>, made: &mut Vec<Value>) {
    if let Some(replicas) = parameters.remove("number_of_replicas") {
        made.push(json!({ "replica_count": { "number_of_replicas": replicas } }));
    }
    parameters.retain(|_, value| value.as_object().is_none_or(|it| !it.is_empty()));
    if !parameters.is_empty() {
        made.push(json!({ "allocation": parameters }));
    }
}

/// Gives the actions of every state, with the path of the state.
fn each_state(draft: &mut Draft, mut visit: impl FnMut(&str, &mut Vec<Value>)) {
    let states = draft.beside.get_mut("policy");
    let states = states.and_then(|policy| policy.get_mut("states")?.as_array_mut());
    for state in states.into_iter().flatten() {
        let name = state
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("policy.states.{name}");
        if let Some(Value::Array(actions)) = state.get_mut("actions") {
            visit(&path, actions);
        }
    }
}

/// What is no action but stands beside one.
const BESIDE: &[&str] = &["retry", "timeout"];

fn drop_actions(rule: &'static Rule, draft: &mut Draft, unwanted: impl Fn(&str) -> bool) {
    let mut dropped = Vec::new();
    each_state(draft, |path, actions| {
        actions.retain(|action| {
            let fields = action.as_object();
            let mut names = fields.into_iter().flat_map(Map::keys);
            let name = names.find(|name| !BESIDE.contains(&name.as_str()));
            match name.filter(|name| unwanted(name)) {
                Some(name) => {
                    dropped.push((format!("{path}.{name}"), action.get(name).cloned()));
                    false
                }
                None => true,
            }
        });
    });
    note_dropped(rule, draft, dropped);
}

fn drop_parameters(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let mut dropped = Vec::new();
    each_state(draft, |path, actions| {
        for action in actions {
            for (name, known) in PARAMETERS {
                let Some(Value::Object(parameters)) = action.get_mut(*name) else {
                    continue;
                };
                parameters.retain(|parameter, value| {
                    let keeps = known.contains(&parameter.as_str());
                    if !keeps {
                        let path = format!("{path}.{name}.{parameter}");
                        dropped.push((path, Some(value.take())));
                    }
                    keeps
                });
            }
        }
    });
    note_dropped(rule, draft, dropped);
}

fn note_dropped(rule: &'static Rule, draft: &mut Draft, dropped: Vec<(String, Option<Value>)>) {
    for (path, before) in dropped {
        let change = Change {
            path: &path,
            before,
            after: None,
        };
        draft.note(rule, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_only_deletes_lets_an_index_wait_first() {
        let phases = json!({"delete": {"min_age": "7d", "actions": {"delete": {"delete_searchable_snapshot": true}}}});
        assert_eq!(
            Value::Array(states(phases.as_object().unwrap())),
            json!([
                {"name": "new", "actions": [], "transitions": [{"state_name": "delete", "conditions": {"min_index_age": "7d"}}]},
                {"name": "delete", "actions": [{"delete": {}}], "transitions": []}])
        );
    }

    #[test]
    fn allocation_is_two_actions_and_what_is_unknown_stays_to_be_told() {
        let phase = json!({"allocate": {"number_of_replicas": 0, "require": {"box": "cold"}, "include": {}},
            "freeze": {}, "unheard": {"a": 1}, "set_priority": {"priority": null}});
        assert_eq!(
            Value::Array(actions(phase.as_object().unwrap())),
            json!([{"replica_count": {"number_of_replicas": 0}}, {"allocation": {"require": {"box": "cold"}}},
                {"freeze": {}}, {"unheard": {"a": 1}}])
        );
    }
}
