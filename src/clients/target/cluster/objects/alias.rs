//! Aliases: over the indices that a body names, and no others.
//!
//! A body is `{indices: {name: definition}}`; `null` in the place of a definition takes the index out of the alias. Other
//! indices of the alias are left as they are. All changes of one alias are one request, which a cluster does at once or
//! not at all.

use serde_json::{Map, Value, json};

use super::super::ClusterTarget;
use super::read;
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;
use crate::diff::observation::ObjectKind;

pub(super) fn put(target: &ClusterTarget, name: &str, body: &Value) -> Result<(), TargetError> {
    let found = found(target, name)?;
    let wanted = body.get("indices").and_then(Value::as_object);
    let mut actions = Vec::new();
    for (index, definition) in wanted.into_iter().flatten() {
        let is = found.get(index);
        if definition.is_null() {
            if is.is_some() {
                actions.push(json!({"remove": {"index": index, "alias": name}}));
            }
            continue;
        }
        let definition = normal(definition);
        if is.map(normal).as_ref() != Some(&definition) {
            actions.push(added(name, index, definition));
        }
    }
    send(target, &actions)
}

/// Takes all indices out of the alias; says whether there were any.
pub(super) fn delete(target: &ClusterTarget, name: &str) -> Result<bool, TargetError> {
    let actions: Vec<Value> = found(target, name)?
        .keys()
        .map(|index| json!({"remove": {"index": index, "alias": name}}))
        .collect();
    send(target, &actions)?;
    Ok(!actions.is_empty())
}

/// Gives an index aliases: definitions by alias.
pub(super) fn give(
    target: &ClusterTarget,
    index: &str,
    aliases: &Map<String, Value>,
) -> Result<(), TargetError> {
    let actions: Vec<Value> = aliases
        .iter()
        .map(|(alias, definition)| added(alias, index, normal(definition)))
        .collect();
    send(target, &actions)
}

fn added(alias: &str, index: &str, mut definition: Map<String, Value>) -> Value {
    definition.insert("index".into(), json!(index));
    definition.insert("alias".into(), json!(alias));
    json!({ "add": definition })
}

fn send(target: &ClusterTarget, actions: &[Value]) -> Result<(), TargetError> {
    if !actions.is_empty() {
        let request = Request::post("/_aliases")
            .json(&json!({ "actions": actions }))
            .idempotent();
        target.client.send(request)?;
    }
    Ok(())
}

fn found(target: &ClusterTarget, name: &str) -> Result<Map<String, Value>, TargetError> {
    let mut body = read::bodies(target, ObjectKind::Alias, Some(&[name]))?.remove(name);
    let indices = body.as_mut().and_then(|body| body.get_mut("indices"));
    Ok(match indices.map(Value::take) {
        Some(Value::Object(indices)) => indices,
        _ => Map::new(),
    })
}

/// `routing` stands for both routings.
fn normal(definition: &Value) -> Map<String, Value> {
    let mut definition = definition.as_object().cloned().unwrap_or_default();
    if let Some(routing) = definition.remove("routing") {
        for key in ["index_routing", "search_routing"] {
            definition.entry(key).or_insert_with(|| routing.clone());
        }
    }
    definition.retain(|_, value| !value.is_null());
    definition
}
