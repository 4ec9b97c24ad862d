//! What a cluster has and no plan moves: by kind, with the reason.
//!
//! Relies on the names that products give to sections of their state and to indices of their own. What is known by
//! nothing of it is listed too, by the name of its section: nothing is passed over in silence. Deliberately absent: what
//! a selector leaves out, which is the plan's business.

use serde_json::{Map, Value};

use super::rule::Versions;
use crate::base::settings::meant;
use crate::base::version::Product;
use crate::diff::change::LeftOut;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// A section of a cluster's state that is not moved.
struct Section {
    name: &'static str,
    /// Where the names of its things stand; empty where the section is one thing.
    things: &'static str,
    /// What one of them is.
    object: &'static str,
    reason: &'static str,
}

const SECTIONS: &[Section] = &[
    Section {
        name: "repositories",
        things: "",
        object: "repository",
        reason: "a repository is registered for one cluster to write to: register on the target what takes snapshots there",
    },
    Section {
        name: "enrich",
        things: "/policies",
        object: "enrich policy",
        reason: "OpenSearch has no enrich processor; on Elasticsearch make the policy anew and execute it",
    },
    Section {
        name: "ccr_auto_follow",
        things: "/patterns",
        object: "auto-follow pattern",
        reason: "it names remote clusters: replication is set up anew on the target",
    },
    Section {
        name: "autoscaling",
        things: "/policies",
        object: "autoscaling policy",
        reason: "it belongs to the machines of the source",
    },
    Section {
        name: "ml",
        things: "",
        object: "machine learning",
        reason: "jobs, feeds and models have no counterpart on another product: make them anew on the target",
    },
    Section {
        name: "watcher",
        things: "",
        object: "watcher",
        reason: "watches stand as documents in `.watches`: make monitors of the Alerting plugin of them",
    },
    Section {
        name: "rollup",
        things: "",
        object: "rollup",
        reason: "rollup jobs are made anew on the target",
    },
    Section {
        name: "index_rollup_caps",
        things: "",
        object: "rollup",
        reason: "rollup jobs are made anew on the target",
    },
];

/// Sections that say nothing of what users set up, or that are told elsewhere.
const NOT_TOLD: &[&str] = &[
    "index_lifecycle",
    "snapshot_lifecycle",
    "data_stream",
    "data_stream_alias",
    "persistent_tasks",
    "licenses",
    "license",
    "snapshot_lifecycle_stats",
    "feature_migration",
    "reserved_state",
    "node_shutdown",
    "nodes_shutdown",
    "desired_nodes",
    "transport_version",
    "health",
    "security_tokens",
    "trained_model_assignment",
    "model_assignment",
    "model_routing",
    "decommissionedAttribute",
    "weighted_shard_routing",
    "index_metadata_version",
    "hashes_of_consistent_settings",
    "lifecycle_operation_mode",
    "operation_mode",
    "synonyms",
    "persistent_cluster_tasks",
    "cluster_tasks",
    "projects",
    "metering",
];

/// Kinds of persistent tasks that stand for something that a user set up.
const TASKS: &[(&str, &str, &str)] = &[
    (
        "xpack/rollup/job",
        "rollup job",
        "rollup jobs are made anew on the target",
    ),
    (
        "data_frame/transforms",
        "transform",
        "transforms are made anew on the target: OpenSearch has them in Index Management",
    ),
    (
        "xpack/ml/job",
        "machine learning job",
        "it has no counterpart on another product: make it anew on the target",
    ),
    (
        "xpack/ml/datafeed",
        "machine learning feed",
        "it has no counterpart on another product: make it anew on the target",
    ),
    (
        "xpack/ccr/shard_follow_task",
        "follower index",
        "replication from another cluster is set up anew on the target",
    ),
];

/// Indices that a product keeps its own things in, and why these are not moved as documents.
const INDICES: &[(&str, &str)] = &[
    (
        ".kibana*",
        "saved objects of Kibana: export them there and import them into OpenSearch Dashboards",
    ),
    (
        ".security*",
        "users, keys and roles: roles are moved by `include: { security: … }`, passwords never",
    ),
    (
        ".opendistro_security*",
        "users and roles: roles are moved by `include: { security: … }`, passwords never",
    ),
    (
        ".opendistro-ism*",
        "policies of Index State Management are moved by `include: { policies: … }`",
    ),
    (
        ".watches*",
        "watches: make monitors of the Alerting plugin of them",
    ),
    (
        ".triggered_watches*",
        "watches that were at work when the snapshot was taken",
    ),
    (
        ".ml-*",
        "machine learning: jobs and models are made anew on the target",
    ),
    (".transform-*", "transforms are made anew on the target"),
    (".data-frame-*", "transforms are made anew on the target"),
    (
        ".enrich-*",
        "of an enrich policy: executing the policy makes it anew",
    ),
    (
        ".scripts",
        "scripts of Elasticsearch 1 and 2 stand here as documents: store them on the target by hand",
    ),
    (".tasks*", "results of tasks of the source"),
    (".async-search*", "results of searches of the source"),
];

/// Languages of scripts that Elasticsearch 6 took out.
const OLD_LANGUAGES: &[&str] = &["groovy", "javascript", "js", "python", "mvel", "native"];

/// Why an object can't be on the target in any form.
pub fn unmovable(key: &ObjectKey, body: &Value, versions: Versions) -> Option<String> {
    let target = versions.target;
    let to_opensearch = target.product == Product::OpenSearch;
    let same = versions.source.product == target.product;
    match key.kind {
        ObjectKind::Script => {
            let language = body.pointer("/script/lang").and_then(Value::as_str)?;
            let newer = to_opensearch || target.version.floor().0 >= 6;
            (newer && OLD_LANGUAGES.contains(&language)).then(|| {
                format!("written in {language}, which {target} does not have: write it anew in painless")
            })
        }
        ObjectKind::SearchPipeline if !to_opensearch => {
            Some("Elasticsearch has no search pipelines".to_owned())
        }
        ObjectKind::SnapshotPolicy if to_opensearch && !same => {
            let schedule = super::rules::objects::unsayable_schedule(body)?;
            Some(format!(
                "its schedule `{schedule}` can't be said in Snapshot Management: make the policy anew there"
            ))
        }
        ObjectKind::RoleMapping if to_opensearch && !same => Some(
            "a mapping of Elasticsearch gives roles by rules; on OpenSearch each role lists who has it: map it anew"
                .to_owned(),
        ),
        ObjectKind::LifecyclePolicy | ObjectKind::SnapshotPolicy | ObjectKind::Role | ObjectKind::RoleMapping
            if !to_opensearch && !same =>
        {
            Some("those of OpenSearch are not translated to Elasticsearch".to_owned())
        }
        _ => None,
    }
}

/// Everything of the sections beside the known ones that no plan moves.
pub fn not_moved(sections: &Map<String, Value>) -> Vec<LeftOut> {
    let mut found = Vec::new();
    for (name, section) in sections {
        if let Some(known) = SECTIONS.iter().find(|known| known.name == name) {
            things(known, section, &mut found);
        } else if name == "persistent_tasks" {
            tasks(section, &mut found);
        } else if !NOT_TOLD.contains(&name.as_str()) && !is_empty(section) {
            found.push(left_out(
                "section of the cluster's state",
                name,
                "this version of mig does not know what it is",
            ));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Why an index that a product keeps its own things in is not moved; `None` where nothing is known of it.
pub fn system_index(name: &str) -> Option<&'static str> {
    INDICES
        .iter()
        .find(|(pattern, _)| meant(pattern, name))
        .map(|(_, reason)| *reason)
}

fn things(known: &Section, section: &Value, found: &mut Vec<LeftOut>) {
    // Some versions wrap a section once more under its own name.
    let section = section.get(known.name).unwrap_or(section);
    if matches!(
        known.name,
        "ml" | "watcher" | "rollup" | "index_rollup_caps"
    ) {
        if !is_empty(section) && !only_flags(section) {
            found.push(left_out(known.object, known.name, known.reason));
        }
        return;
    }
    let things = section.pointer(known.things).and_then(Value::as_object);
    for name in things.into_iter().flat_map(Map::keys) {
        found.push(left_out(known.object, name, known.reason));
    }
}

fn tasks(section: &Value, found: &mut Vec<LeftOut>) {
    let tasks = section.get("tasks").and_then(Value::as_array);
    for task in tasks.into_iter().flatten() {
        let id = task.get("id").and_then(Value::as_str).unwrap_or_default();
        let kinds = task.get("task").and_then(Value::as_object);
        for kind in kinds.into_iter().flat_map(Map::keys) {
            if let Some((_, object, reason)) = TASKS.iter().find(|(known, ..)| known == kind) {
                found.push(left_out(object, id, reason));
            }
        }
    }
}

/// A section that says only whether something is switched on tells of nothing that anybody made.
fn only_flags(section: &Value) -> bool {
    section.as_object().is_some_and(|fields| {
        fields.values().all(|value| {
            value.is_boolean() || value.as_array().is_some_and(Vec::is_empty) || is_empty(value)
        })
    })
}

fn is_empty(section: &Value) -> bool {
    match section {
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::Null => true,
        _ => false,
    }
}

fn left_out(object: &str, name: &str, reason: &str) -> LeftOut {
    LeftOut {
        object: object.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_users_made_is_listed_and_what_servers_note_is_not() {
        let state = json!({
            "repositories": {"nightly": {"type": "fs"}},
            "enrich": {"policies": {"users": {}, "hosts": {}}},
            "ml": {"upgrade_mode": false},
            "watcher": {"manually_stopped": false},
            "licenses": {"license": {"uid": "x"}},
            "persistent_tasks": {"last_allocation_id": 3, "tasks": [
                {"id": "t1", "task": {"data_frame/transforms": {}}},
                {"id": "geoip-downloader", "task": {"geoip-downloader": {}}}]},
            "unheard_of": {"a": {"b": 1}},
            "empty": {"policies": {}},
        });
        let found = not_moved(state.as_object().unwrap());
        let told: Vec<String> = found
            .iter()
            .map(|it| format!("{} {}", it.object, it.name))
            .collect();
        assert_eq!(
            told,
            [
                "enrich policy hosts",
                "enrich policy users",
                "repository nightly",
                "section of the cluster's state unheard_of",
                "transform t1",
            ]
        );
        assert!(found.iter().all(|it| !it.reason.is_empty()));
    }

    #[test]
    fn indices_of_products_are_known_by_their_names() {
        assert!(system_index(".kibana_7.17.9_001").is_some());
        assert!(system_index(".security-7").is_some());
        assert_eq!(system_index(".shop-internal"), None);
    }
}
