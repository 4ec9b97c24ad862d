//! Scripts, pipelines, policies and roles of a cluster: things that have a name and a call of their own.
//!
//! A body is what `PUT` takes. What a server notes beside it (versions, dates, who may change it) is taken off when it is
//! read. A cluster that lacks a kind (a plugin is not installed) has no objects of it; [`lacks`] says so in words, so that
//! it is found when planning. Deliberately absent: translation, and any list of what plugins there are.

use serde_json::{Map, Value, json};

use super::super::ClusterTarget;
use super::read::Bodies;
use super::refused;
use crate::base::version::Product;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// Where the objects of a kind are on one product, and how an answer holds them.
struct Api {
    /// The path before the name.
    path: &'static str,
    /// Whether all are told at once, by name.
    listed: bool,
    /// Where in what is told of one its body stands; empty for the whole.
    inner: &'static str,
    /// Under which name the body stands in a request; empty for the whole.
    outer: &'static str,
    /// What the server notes beside a body.
    notes: &'static [&'static str],
    /// Whether a change has to say which version it changes.
    guarded: bool,
    /// What has to be installed.
    part: &'static str,
}

const PLAIN: Api = Api {
    path: "",
    listed: true,
    inner: "",
    outer: "",
    notes: &[],
    guarded: false,
    part: "",
};

fn api(target: &ClusterTarget, kind: ObjectKind) -> Option<Api> {
    let about = target.about.version;
    let opensearch = about.product == Product::OpenSearch;
    Some(match (kind, opensearch) {
        (ObjectKind::IngestPipeline, _) => Api {
            path: "/_ingest/pipeline",
            notes: &[
                "created_date",
                "created_date_millis",
                "modified_date",
                "modified_date_millis",
            ],
            part: "ingest pipelines",
            ..PLAIN
        },
        (ObjectKind::SearchPipeline, true) => Api {
            path: "/_search/pipeline",
            part: "search pipelines",
            ..PLAIN
        },
        (ObjectKind::LifecyclePolicy, false) => Api {
            path: "/_ilm/policy",
            inner: "/policy",
            outer: "policy",
            part: "index lifecycle management (ILM)",
            ..PLAIN
        },
        (ObjectKind::LifecyclePolicy, true) => Api {
            path: "/_plugins/_ism/policies",
            listed: false,
            inner: "/policy",
            outer: "policy",
            notes: &["policy_id", "last_updated_time", "schema_version"],
            guarded: true,
            part: "Index State Management (the plugin opensearch-index-management)",
        },
        (ObjectKind::SnapshotPolicy, false) => Api {
            path: "/_slm/policy",
            inner: "/policy",
            part: "snapshot lifecycle management (SLM)",
            ..PLAIN
        },
        (ObjectKind::SnapshotPolicy, true) => Api {
            path: "/_plugins/_sm/policies",
            listed: false,
            inner: "/sm_policy",
            notes: &[
                "name",
                "schema_version",
                "schedule",
                "enabled_time",
                "last_updated_time",
            ],
            guarded: true,
            part: "Snapshot Management (the plugin opensearch-index-management)",
            ..PLAIN
        },
        (ObjectKind::Role, true) => Api {
            path: "/_plugins/_security/api/roles",
            notes: &["reserved", "hidden", "static"],
            part: "security (the plugin opensearch-security)",
            ..PLAIN
        },
        (ObjectKind::RoleMapping, true) => Api {
            path: "/_plugins/_security/api/rolesmapping",
            notes: &["reserved", "hidden", "static"],
            part: "security (the plugin opensearch-security)",
            ..PLAIN
        },
        (ObjectKind::Role, false) => Api {
            path: "/_security/role",
            notes: &["transient_metadata"],
            part: "security",
            ..PLAIN
        },
        (ObjectKind::RoleMapping, false) => Api {
            path: "/_security/role_mapping",
            part: "security",
            ..PLAIN
        },
        _ => return None,
    })
}

/// The objects of a kind by name; none where the cluster lacks the kind.
pub(super) fn bodies(
    target: &ClusterTarget,
    kind: ObjectKind,
    names: Option<&[&str]>,
) -> Result<Bodies, TargetError> {
    if kind == ObjectKind::Script {
        return scripts(target);
    }
    let Some(api) = api(target, kind) else {
        return Ok(Bodies::new());
    };
    let mut found = Bodies::new();
    if api.listed {
        let answer = ask(target, api.path)?;
        for (name, told) in answer
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if let Some(body) = body_of(&api, told) {
                found.insert(name.clone(), body);
            }
        }
        return Ok(found);
    }
    for name in names.into_iter().flatten() {
        let told = ask(target, &format!("{}/{}", api.path, Request::part(name)))?;
        if let Some(body) = told.and_then(|told| body_of(&api, &told)) {
            found.insert((*name).to_owned(), body);
        }
    }
    Ok(found)
}

/// An answer; `None` where there is nothing of the kind.
fn ask(target: &ClusterTarget, path: &str) -> Result<Option<Value>, ClusterError> {
    match target.client.found(Request::get(path)) {
        Err(error) if is_absent(&error) => Ok(None),
        other => other,
    }
}

/// How servers answer a call that they do not have: by no handler, or by taking its first part for an index.
fn is_absent(error: &ClusterError) -> bool {
    matches!(error.status(), Some(400 | 405 | 410 | 501))
}

fn body_of(api: &Api, told: &Value) -> Option<Value> {
    let mut body = told.pointer(api.inner)?.clone();
    if let Value::Object(fields) = &mut body {
        fields.retain(|name, _| !api.notes.contains(&name.as_str()));
    }
    if api.outer.is_empty() {
        return Some(body);
    }
    Some(json!({ api.outer: body }))
}

/// No call tells all scripts; the state of the cluster does.
fn scripts(target: &ClusterTarget) -> Result<Bodies, TargetError> {
    let request = Request::get("/_cluster/state/metadata?filter_path=metadata.stored_scripts");
    let mut answer = target.client.json(request)?;
    let scripts = answer.pointer_mut("/metadata/stored_scripts");
    let scripts = match scripts.map(Value::take) {
        Some(Value::Object(scripts)) => scripts,
        _ => Map::new(),
    };
    let scripts = scripts.into_iter();
    Ok(scripts
        .map(|(id, script)| (id, json!({ "script": script })))
        .collect())
}

/// Why the cluster can't hold objects of a kind at all.
pub(super) fn lacks(
    target: &ClusterTarget,
    kind: ObjectKind,
) -> Result<Option<String>, TargetError> {
    if kind == ObjectKind::Script {
        return Ok(None);
    }
    let Some(api) = api(target, kind) else {
        return Ok(Some(format!("{} has no such thing", target.about.version)));
    };
    match target.client.found(Request::get(api.path)) {
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(Some(format!("it has no {}", api.part))),
        Err(error) => Err(error.into()),
    }
}

fn path(target: &ClusterTarget, key: &ObjectKey) -> Result<(Option<Api>, String), TargetError> {
    let name = Request::part(&key.name);
    if key.kind == ObjectKind::Script {
        return Ok((None, format!("/_scripts/{name}")));
    }
    let Some(api) = api(target, key.kind) else {
        let what = format!(
            "{} `{}`: {} has no such thing",
            key.kind.as_str(),
            key.name,
            target.about.version
        );
        return Err(refused(target, what));
    };
    let path = format!("{}/{name}", api.path);
    Ok((Some(api), path))
}

pub(super) fn put(
    target: &ClusterTarget,
    key: &ObjectKey,
    body: &Value,
) -> Result<(), TargetError> {
    let (api, mut path) = path(target, key)?;
    let mut request = Request::put(path.clone());
    if api.is_some_and(|api| api.guarded)
        && let Some(told) = ask(target, &path)?
    {
        let number = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or(0);
        path.push_str(&format!(
            "?if_seq_no={}&if_primary_term={}",
            number("_seq_no"),
            number("_primary_term")
        ));
        request = Request::put(path);
    } else if key.kind == ObjectKind::SnapshotPolicy
        && target.about.version.product == Product::OpenSearch
    {
        // What is not there yet is made by another method.
        request = Request::post(path);
    }
    target.client.send(request.json(body))?;
    Ok(())
}

/// Says whether there was one.
pub(super) fn delete(target: &ClusterTarget, key: &ObjectKey) -> Result<bool, TargetError> {
    let (_, path) = path(target, key)?;
    match target.client.send(Request::delete(path)) {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) || is_absent(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
