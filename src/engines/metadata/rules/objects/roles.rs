//! Roles: of Elasticsearch's security to those of OpenSearch's.
//!
//! Nothing is ever widened: what can't be said exactly is taken out, and told. Deliberately absent: users, keys, hashes of
//! passwords, and mappings of Elasticsearch, which name roles by rules.

use serde_json::{Map, Value, json};

use super::super::lines::{ELASTICSEARCH, OPENSEARCH};
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Proof, Rule, Versions};

const ROLES: &[ObjectKind] = &[ObjectKind::Role];
const LINK: &str =
    "https://docs.opensearch.org/latest/security/access-control/default-action-groups/";

/// Privileges of a cluster, and the groups of actions or the actions that allow the same or less.
const CLUSTER: &[(&str, &[&str])] = &[
    ("all", &["cluster_all"]),
    ("create_snapshot", &["cluster:admin/snapshot/create"]),
    (
        "manage_index_templates",
        &["cluster_manage_index_templates"],
    ),
    ("manage_ingest_pipelines", &["cluster_manage_pipelines"]),
    ("manage_pipeline", &["cluster_manage_pipelines"]),
    ("monitor", &["cluster_monitor"]),
    (
        "monitor_snapshot",
        &[
            "cluster:admin/repository/get",
            "cluster:admin/snapshot/get",
            "cluster:admin/snapshot/status",
        ],
    ),
    ("read_pipeline", &["cluster:admin/ingest/pipeline/get"]),
];

/// The same for indices.
const INDEX: &[(&str, &[&str])] = &[
    ("all", &["indices_all"]),
    ("create_index", &["create_index"]),
    ("delete", &["delete"]),
    ("delete_index", &["indices:admin/delete"]),
    ("index", &["index"]),
    ("manage", &["manage"]),
    ("monitor", &["indices_monitor"]),
    ("read", &["read"]),
    (
        "view_index_metadata",
        &[
            "indices:admin/aliases/get",
            "indices:admin/exists",
            "indices:admin/get",
            "indices:admin/mappings/fields/get*",
            "indices:admin/mappings/get",
            "indices:monitor/settings/get",
        ],
    ),
    ("write", &["write"]),
];

/// Of a role of Elasticsearch beside its privileges.
const BESIDE: &[&str] = &[
    "applications",
    "global",
    "metadata",
    "remote_cluster",
    "remote_indices",
    "run_as",
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG260",
        title: "a role becomes one of OpenSearch's security",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: ROLES,
        level: Level::Warn,
        lossy: false,
        why: "privileges become the groups of actions that allow the same; nobody has the role until it is mapped",
        link: LINK,
        proof: Proof::Target,
        before: r#"{"cluster": ["monitor"], "indices": [{"names": ["logs-*"], "privileges": ["read", "view_index_metadata"],
            "field_security": {"grant": ["*"]}, "query": "{\"term\": {\"public\": true}}"}]}"#,
        after: r#"{"cluster_permissions": ["cluster_monitor"], "index_permissions": [{"index_patterns": ["logs-*"],
            "allowed_actions": ["read", "indices:admin/aliases/get", "indices:admin/exists", "indices:admin/get",
                "indices:admin/mappings/fields/get*", "indices:admin/mappings/get", "indices:monitor/settings/get"],
            "dls": "{\"term\": {\"public\": true}}"}]}"#,
        apply: convert,
    },
    Rule {
        code: "MIG261",
        title: "privileges without a counterpart are taken out",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: ROLES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch has no group of actions that allows the same and no more: who has the role may do less",
        link: LINK,
        proof: Proof::Target,
        before: r#"{"cluster_permissions": ["cluster_monitor", "manage_ml"], "index_permissions": [{"index_patterns": ["a"], "allowed_actions": ["read", "create_doc"]}]}"#,
        after: r#"{"cluster_permissions": ["cluster_monitor"], "index_permissions": [{"index_patterns": ["a"], "allowed_actions": ["read"]}]}"#,
        apply: drop_privileges,
    },
    Rule {
        code: "MIG262",
        title: "access to parts of documents that can't be said is taken out",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: ROLES,
        level: Level::Deny,
        lossy: true,
        why: "fields that are granted and excepted at once, or a query that is a template, would let more be seen if they were left out: the role loses the whole access to these indices",
        link: "https://docs.opensearch.org/latest/security/access-control/field-level-security/",
        proof: Proof::TranslatedOnly,
        before: r#"{"index_permissions": [{"index_patterns": ["a"], "allowed_actions": ["read"], "field_security": {"grant": ["a*"], "except": ["ab"]}}]}"#,
        after: r#"{"index_permissions": []}"#,
        apply: drop_unsayable,
    },
    Rule {
        code: "MIG263",
        title: "what a role says of other parts is not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: ROLES,
        level: Level::Warn,
        lossy: true,
        why: "privileges in Kibana and on other clusters, and acting for others, have no counterpart in a role of OpenSearch",
        link: "https://docs.opensearch.org/latest/security/access-control/users-roles/",
        proof: Proof::TranslatedOnly,
        before: r#"{"cluster_permissions": [], "run_as": ["web"], "applications": [{"application": "kibana-.kibana", "privileges": ["read"], "resources": ["*"]}]}"#,
        after: r#"{"cluster_permissions": []}"#,
        apply: drop_beside,
    },
];

fn convert(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    if !draft.beside.contains_key("indices") && !draft.beside.contains_key("cluster") {
        return;
    }
    let before = draft.beside.clone();
    let cluster = draft.beside.remove("cluster").unwrap_or_default();
    let indices = draft.beside.remove("indices").unwrap_or_default();
    // Of an answer or a document, and no part of a role.
    for noted in ["transient_metadata", "type", "doc_type"] {
        draft.beside.remove(noted);
    }
    let permissions: Vec<Value> = indices
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .map(of_indices)
        .collect();
    draft
        .beside
        .insert("cluster_permissions".into(), json!(said(&cluster, CLUSTER)));
    draft
        .beside
        .insert("index_permissions".into(), Value::Array(permissions));
    let after = Value::Object(draft.beside.clone());
    let change = Change {
        path: "role",
        before: Some(Value::Object(before)),
        after: Some(after),
    };
    draft.note(rule, change);
}

/// What allows the same; a name that none stands for is left to be taken out.
fn said(privileges: &Value, names: &[(&str, &[&str])]) -> Vec<String> {
    let mut said = Vec::new();
    let privileges = privileges.as_array().into_iter().flatten();
    for privilege in privileges.filter_map(Value::as_str) {
        match names.iter().find(|(name, _)| *name == privilege) {
            Some((_, actions)) => said.extend(actions.iter().map(|it| (*it).to_owned())),
            None if privilege == "none" => {}
            None => said.push(privilege.to_owned()),
        }
    }
    said
}

fn of_indices(of: &Map<String, Value>) -> Value {
    let mut made = Map::new();
    let names = match of.get("names") {
        Some(Value::String(name)) => json!([name]),
        Some(names) => names.clone(),
        None => json!([]),
    };
    made.insert("index_patterns".into(), names);
    let privileges = of.get("privileges").cloned().unwrap_or_default();
    made.insert("allowed_actions".into(), json!(said(&privileges, INDEX)));
    fields(of.get("field_security"), &mut made);
    match of.get("query") {
        None | Some(Value::Null) => {}
        Some(query) => {
            let text = match query {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let is_template = serde_json::from_str::<Value>(&text)
                .map_or(true, |query| query.get("template").is_some());
            if is_template {
                made.insert("query".into(), query.clone());
            } else if !text.is_empty() {
                made.insert("dls".into(), json!(text));
            }
        }
    }
    Value::Object(made)
}

/// Fields that are granted, or all but some; both at once is left to be taken out.
fn fields(security: Option<&Value>, made: &mut Map<String, Value>) {
    let Some(security) = security else { return };
    let list = |name: &str| -> Vec<&str> {
        let items = security.get(name).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let (grant, except) = (list("grant"), list("except"));
    let all = security.get("grant").is_none_or(Value::is_null) || grant.contains(&"*");
    if all && except.is_empty() {
        return;
    }
    if all {
        let except: Vec<String> = except.iter().map(|field| format!("~{field}")).collect();
        made.insert("fls".into(), json!(except));
    } else if except.is_empty() && !grant.is_empty() {
        made.insert("fls".into(), json!(grant));
    } else {
        made.insert("field_security".into(), security.clone());
    }
}

/// Whether it is a group that this writes, or an action by its name.
fn is_said(name: &str, names: &[(&str, &[&str])]) -> bool {
    name.contains(':') || name == "*" || names.iter().any(|(_, actions)| actions.contains(&name))
}

fn drop_privileges(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let mut dropped = Vec::new();
    let mut sieve = |path: String, list: &mut Vec<Value>, names: &[(&str, &[&str])]| {
        list.retain(|name| {
            let keeps = name.as_str().is_some_and(|name| is_said(name, names));
            if !keeps {
                dropped.push((path.clone(), name.clone()));
            }
            keeps
        });
    };
    if let Some(Value::Array(list)) = draft.beside.get_mut("cluster_permissions") {
        sieve("cluster_permissions".into(), list, CLUSTER);
    }
    let permissions = draft.beside.get_mut("index_permissions");
    let permissions = permissions.and_then(Value::as_array_mut);
    for (at, permission) in permissions.into_iter().flatten().enumerate() {
        if let Some(Value::Array(list)) = permission.get_mut("allowed_actions") {
            let path = format!("index_permissions.{at}.allowed_actions");
            sieve(path, list, INDEX);
        }
    }
    for (path, name) in dropped {
        let change = Change {
            path: &path,
            before: Some(name),
            after: None,
        };
        draft.note(rule, change);
    }
}

fn drop_unsayable(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let mut dropped = Vec::new();
    if let Some(Value::Array(permissions)) = draft.beside.get_mut("index_permissions") {
        let mut at = 0;
        permissions.retain(|permission| {
            let path = format!("index_permissions.{at}");
            at += 1;
            let unsayable =
                permission.get("field_security").is_some() || permission.get("query").is_some();
            if unsayable {
                dropped.push((path, permission.clone()));
            }
            !unsayable
        });
    }
    for (path, permission) in dropped {
        let change = Change {
            path: &path,
            before: Some(permission),
            after: None,
        };
        draft.note(rule, change);
    }
}

fn drop_beside(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    for name in BESIDE {
        let Some(value) = draft.beside.remove(*name) else {
            continue;
        };
        let nothing = match &value {
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Null => true,
            _ => false,
        };
        if !nothing {
            let change = Change {
                path: name,
                before: Some(value),
                after: None,
            };
            draft.note(rule, change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_widened() {
        let made = |of: Value| of_indices(of.as_object().unwrap());
        assert_eq!(
            made(
                json!({"names": "a", "privileges": ["read"], "field_security": {"grant": ["*"], "except": ["salary"]}})
            ),
            json!({"index_patterns": ["a"], "allowed_actions": ["read"], "fls": ["~salary"]})
        );
        let both = made(
            json!({"names": ["a"], "privileges": ["read"], "field_security": {"grant": ["n*"], "except": ["no"]}}),
        );
        assert!(both.get("field_security").is_some() && both.get("fls").is_none());
        // Nothing at all is granted: left to be taken out, not opened.
        let none =
            made(json!({"names": ["a"], "privileges": ["read"], "field_security": {"grant": []}}));
        assert!(none.get("field_security").is_some());
        let template = made(
            json!({"names": ["a"], "privileges": ["read"], "query": {"template": {"source": "x"}}}),
        );
        assert!(template.get("query").is_some() && template.get("dls").is_none());
        let object = made(json!({"names": ["a"], "privileges": [], "query": {"term": {"a": 1}}}));
        assert_eq!(object["dls"], r#"{"term":{"a":1}}"#);
    }
}
