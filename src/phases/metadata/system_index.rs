//! Roles and policies that a server keeps as documents of an index of its own, where the snapshot holds that index.
//!
//! Elasticsearch keeps roles in `.security-N`, a document each; OpenSearch in `.opendistro_security`, all of a kind in one
//! document, and policies in `.opendistro-ism-config`. Users, keys and hashes of passwords are named as not moved and
//! read no further. Relies on the reader of snapshots. Deliberately absent: live clusters, whose API shows roles to
//! administrators alone: what is moved of them shows once the snapshot is taken.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::existing::SnapshotView;
use super::super::kind::PhaseError;
use crate::diff::change::LeftOut;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::bulk::source::{DocumentSource, SourceError, StepError, VisitStopped};
use crate::plan::model::{MetadataInclude, WithoutSource};

/// Documents of such an index that are read at most.
const DOCUMENTS_MAX: usize = 20_000;
/// Bytes of one document at most.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;

const ISM: &str = ".opendistro-ism-config";
const SECURITY: &str = ".opendistro_security";
const SECURITY_OF_ELASTICSEARCH: &str = ".security-";
/// Behind the name of a policy of snapshots in its document's id.
const SNAPSHOT_POLICY: &str = "-sm-policy";

/// What such indices hold.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) objects: Vec<(ObjectKey, Value)>,
    pub(super) not_moved: Vec<LeftOut>,
}

/// Reads the indices of a snapshot that are known to hold roles or policies, where a plan chooses any of these.
pub(super) fn kept(include: &MetadataInclude, view: &SnapshotView) -> Result<Kept, PhaseError> {
    let mut kept = Kept::default();
    let names: Vec<String> = view.metadata.keys().cloned().collect();
    for index in names {
        let take: fn(&str, &Value, &mut Kept) = match index.as_str() {
            ISM if !include.policies.is_empty() => of_state_management,
            SECURITY if !include.security.is_empty() => of_security,
            name if !include.security.is_empty()
                && name.starts_with(SECURITY_OF_ELASTICSEARCH)
                && !name.contains("tokens")
                && !name.contains("profile") =>
            {
                of_elasticsearch
            }
            _ => continue,
        };
        documents(view, &index, &mut |id, source| take(id, source, &mut kept))?;
    }
    Ok(kept)
}

fn documents(
    view: &SnapshotView,
    index: &str,
    take: &mut dyn FnMut(&str, &Value),
) -> Result<(), PhaseError> {
    let failed = |error: SourceError| PhaseError::Failed {
        message: format!("index {index} of the snapshot can't be read: {error}"),
        help: Some("take the snapshot again, or one without this index".into()),
    };
    let parents = BTreeMap::new();
    let source = view.source(&[index.to_owned()], &|_| WithoutSource::Refuse, &parents)?;
    let mut left = DOCUMENTS_MAX;
    for item in source.items().map_err(failed)? {
        let mut reader = source.open(&item.key, item.key.from).map_err(failed)?;
        loop {
            let step = reader.step(u32::MAX, &mut |document| {
                if left == 0 {
                    return Err(VisitStopped);
                }
                left -= 1;
                let source = document.source.ok();
                let source = source.filter(|source| source.len() <= DOCUMENT_BYTES_MAX);
                if let Some(source) = source.and_then(|it| serde_json::from_slice(it).ok()) {
                    take(document.id, &source);
                }
                Ok(())
            });
            match step {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(StepError::Source(error)) => return Err(failed(error)),
                Err(StepError::Stopped) => {
                    return Err(PhaseError::Failed {
                        message: format!(
                            "index {index} of the snapshot holds more than {DOCUMENTS_MAX} documents, which is no index of roles or policies"
                        ),
                        help: Some("take a snapshot without this index".into()),
                    });
                }
            }
        }
    }
    Ok(())
}

fn object(kept: &mut Kept, kind: ObjectKind, name: &str, body: Value) {
    let name = name.to_owned();
    kept.objects.push((ObjectKey { kind, name }, body));
}

fn not_moved(kept: &mut Kept, object: &str, name: &str, reason: &str) {
    kept.not_moved.push(LeftOut {
        object: object.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
    });
}

const USER: &str = "users and their passwords are never moved: make the user anew";

/// One document each: `role-NAME`, `role-mapping_NAME`, `user-NAME`.
fn of_elasticsearch(id: &str, source: &Value, kept: &mut Kept) {
    let Some(mut fields) = source.as_object().cloned() else {
        return;
    };
    for noted in ["type", "doc_type"] {
        fields.remove(noted);
    }
    if let Some(name) = id.strip_prefix("role-mapping_") {
        object(kept, ObjectKind::RoleMapping, name, Value::Object(fields));
    } else if let Some(name) = id.strip_prefix("role-") {
        object(kept, ObjectKind::Role, name, Value::Object(fields));
    } else if let Some(name) = id.strip_prefix("user-") {
        not_moved(kept, "user", name, USER);
    } else if let Some(name) = fields.get("name").and_then(Value::as_str)
        && fields.contains_key("api_key_hash")
    {
        let reason = "keys are secrets and are never moved: make the key anew";
        not_moved(kept, "API key", name, reason);
    }
}

/// One document a kind, `{KIND: base64 of {NAME: body, …}}`.
fn of_security(id: &str, source: &Value, kept: &mut Kept) {
    let Some(entries) = entries(id, source) else {
        return;
    };
    for (name, mut body) in entries {
        let reserved = ["reserved", "hidden", "static"];
        let is_own = |field: &&str| body.get(*field) == Some(&json!(true));
        if name == "_meta" || reserved.iter().any(is_own) {
            continue;
        }
        if let Value::Object(fields) = &mut body {
            fields.retain(|field, _| !reserved.contains(&field.as_str()));
        }
        match id {
            "roles" => object(kept, ObjectKind::Role, &name, body),
            "rolesmapping" => object(kept, ObjectKind::RoleMapping, &name, body),
            "internalusers" => not_moved(kept, "user", &name, USER),
            "tenants" | "actiongroups" => not_moved(
                kept,
                if id == "tenants" {
                    "tenant"
                } else {
                    "action group"
                },
                &name,
                "this version of mig does not move it: make it anew",
            ),
            _ => {}
        }
    }
}

fn entries(id: &str, source: &Value) -> Option<Map<String, Value>> {
    let bytes = STANDARD.decode(source.get(id)?.as_str()?).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(entries) => Some(entries),
        _ => None,
    }
}

/// `{policy: …}` by the policy's name; what is noted of single indices is none.
fn of_state_management(id: &str, source: &Value, kept: &mut Kept) {
    if let Some(policy) = source.get("policy") {
        let mut policy = policy.clone();
        if let Value::Object(fields) = &mut policy {
            fields.retain(|name, _| {
                !["policy_id", "last_updated_time", "schema_version", "user"]
                    .contains(&name.as_str())
            });
        }
        object(
            kept,
            ObjectKind::LifecyclePolicy,
            id,
            json!({ "policy": policy }),
        );
    } else if let (Some(name), Some(policy)) =
        (id.strip_suffix(SNAPSHOT_POLICY), source.get("sm_policy"))
    {
        let mut policy = policy.clone();
        if let Value::Object(fields) = &mut policy {
            fields.retain(|name, _| {
                ![
                    "name",
                    "schema_version",
                    "schedule",
                    "enabled_time",
                    "last_updated_time",
                    "user",
                ]
                .contains(&name.as_str())
            });
        }
        object(kept, ObjectKind::SnapshotPolicy, name, policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kept: &Kept) -> Vec<String> {
        let objects = kept.objects.iter();
        let objects =
            objects.map(|(key, body)| format!("{} {} {body}", key.kind.as_str(), key.name));
        let others = kept
            .not_moved
            .iter()
            .map(|it| format!("not {} {}", it.object, it.name));
        objects.chain(others).collect()
    }

    #[test]
    fn passwords_and_keys_are_named_and_never_carried() {
        let mut kept = Kept::default();
        let role = json!({"type": "role", "cluster": ["monitor"], "indices": []});
        of_elasticsearch("role-analyst", &role, &mut kept);
        of_elasticsearch(
            "user-ann",
            &json!({"type": "user", "password": "$2a$10$x"}),
            &mut kept,
        );
        of_elasticsearch(
            "k1",
            &json!({"name": "ci", "api_key_hash": "{PBKDF2}x"}),
            &mut kept,
        );
        assert_eq!(
            told(&kept),
            [
                r#"role analyst {"cluster":["monitor"],"indices":[]}"#,
                "not user ann",
                "not API key ci"
            ]
        );
    }

    #[test]
    fn what_the_plugin_has_of_its_own_is_no_object() {
        let mut kept = Kept::default();
        let coded = |value: &Value| STANDARD.encode(value.to_string());
        let roles = coded(
            &json!({"_meta": {"type": "roles"}, "all_access": {"reserved": true},
            "analyst": {"reserved": false, "hidden": false, "cluster_permissions": ["cluster_monitor"]}}),
        );
        of_security("roles", &json!({"roles": roles}), &mut kept);
        let users = coded(&json!({"ann": {"hash": "$2y$12$x", "reserved": false}}));
        of_security("internalusers", &json!({"internalusers": users}), &mut kept);
        of_state_management(
            "logs",
            &json!({"policy": {"policy_id": "logs", "states": []}}),
            &mut kept,
        );
        of_state_management("i1", &json!({"managed_index": {"index": "a"}}), &mut kept);
        assert_eq!(
            told(&kept),
            [
                r#"role analyst {"cluster_permissions":["cluster_monitor"]}"#,
                r#"lifecycle policy logs {"policy":{"states":[]}}"#,
                "not user ann"
            ]
        );
    }
}
