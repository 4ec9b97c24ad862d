//! Persistent settings of a cluster: one object, `{persistent: {key: value}}`, flat.
//!
//! A `PUT` sets the keys that it names and leaves the others; `null` takes one back to its default. The whole is never
//! removed. Deliberately absent: transient settings, which end with the cluster.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::ClusterTarget;
use super::read::Bodies;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;

/// The name of the object and of its section.
pub(super) const PERSISTENT: &str = "persistent";
/// Beginnings of settings that are made by their names, so that no list holds them.
const OPEN_ENDED: &[&str] = &[
    "logger.",
    "cluster.metadata.",
    "cluster.remote.",
    "search.remote.",
    "cluster.routing.allocation.awareness.force.",
    "cluster.routing.allocation.exclude.",
    "cluster.routing.allocation.include.",
    "cluster.routing.allocation.require.",
];

pub(super) fn bodies(target: &ClusterTarget) -> Result<Bodies, TargetError> {
    let persistent = section(target, "/_cluster/settings?flat_settings=true", PERSISTENT)?;
    let mut found = Bodies::new();
    if !persistent.is_empty() {
        found.insert(PERSISTENT.to_owned(), json!({ PERSISTENT: persistent }));
    }
    Ok(found)
}

fn section(
    target: &ClusterTarget,
    path: &str,
    name: &str,
) -> Result<Map<String, Value>, ClusterError> {
    let mut answer = target.client.json(Request::get(path))?;
    Ok(match answer.get_mut(name).map(Value::take) {
        Some(Value::Object(section)) => section,
        _ => Map::new(),
    })
}

pub(super) fn put(target: &ClusterTarget, body: &Value) -> Result<(), TargetError> {
    let settings = body.get(PERSISTENT).and_then(Value::as_object);
    if settings.is_none_or(Map::is_empty) {
        return Ok(());
    }
    target
        .client
        .send(Request::put("/_cluster/settings").json(body))?;
    Ok(())
}

/// The keys that the cluster does not know: it tells the defaults of all that it does.
pub(super) fn unknown(
    target: &ClusterTarget,
    body: &Value,
) -> Result<BTreeSet<String>, TargetError> {
    let wanted = body.get(PERSISTENT).and_then(Value::as_object);
    let mut unknown: BTreeSet<String> = wanted
        .into_iter()
        .flat_map(Map::keys)
        .filter(|key| !OPEN_ENDED.iter().any(|start| key.starts_with(start)))
        .cloned()
        .collect();
    if unknown.is_empty() {
        return Ok(unknown);
    }
    let path = "/_cluster/settings?flat_settings=true&include_defaults=true";
    for name in [PERSISTENT, "transient", "defaults"] {
        let known = section(target, path, name)?;
        unknown.retain(|key| !known.contains_key(key));
    }
    Ok(unknown)
}
