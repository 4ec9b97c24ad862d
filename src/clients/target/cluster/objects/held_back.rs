//! Settings that wait until the documents are proved: a document of the working state for each object that has any.
//!
//! Written before the object is made and removed after its settings are in force, so that a kill in between leaves the
//! object with what it waits for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::ClusterTarget;
use super::super::working_state::{Condition, Tag};
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// What such documents are.
const KIND: &str = "held-back";

fn id(key: &ObjectKey) -> String {
    let kind = match key.kind {
        ObjectKind::ComponentTemplate => "component-template",
        ObjectKind::IndexTemplate => "index-template",
        ObjectKind::LegacyTemplate => "legacy-template",
        ObjectKind::Index => "index",
        ObjectKind::DataStream => "data-stream",
        ObjectKind::Alias => "alias",
    };
    format!("{KIND}:{kind}:{}", key.name)
}

/// Puts into each body what waits for it.
pub(super) fn merge(
    target: &ClusterTarget,
    found: &mut [(ObjectKey, Value)],
) -> Result<(), TargetError> {
    let ids: Vec<String> = found
        .iter()
        .filter(|(key, _)| key.kind != ObjectKind::Alias)
        .map(|(key, _)| id(key))
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let waiting = target.state.get_many::<Value>(&ids)?;
    let mut waiting: BTreeMap<String, Value> = waiting
        .into_iter()
        .map(|stored| (stored.id, stored.body))
        .collect();
    for (key, body) in found {
        if let Some(section) = waiting.remove(&id(key))
            && let Value::Object(body) = body
        {
            body.insert("held_back".into(), section);
        }
    }
    Ok(())
}

/// Remembers what waits, before the object is made.
pub(super) fn keep(
    target: &ClusterTarget,
    key: &ObjectKey,
    section: &Value,
) -> Result<(), TargetError> {
    let tag = Tag {
        kind: KIND,
        plan: &target.plan,
        lineage: &target.lineage,
    };
    target.state.ensure()?;
    let state = &target.state;
    state.put(&id(key), tag, section, Condition::Always, true)?;
    Ok(())
}

/// Nothing waits any more.
pub(super) fn forget(target: &ClusterTarget, key: &ObjectKey) -> Result<(), TargetError> {
    // Looked for first: most objects have none, and a removal is a write.
    if target.state.get::<Value>(&id(key))?.is_some() {
        target.state.delete(&id(key))?;
    }
    Ok(())
}
