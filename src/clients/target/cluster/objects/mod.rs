//! Indices, templates and aliases of a cluster in the one form that all targets share.
//!
//! An index is `{settings, mappings}` with `routing_num_shards` and, where it is closed, `closed`; an alias
//! `{indices: {name: definition}}`; a template what `PUT` takes. Settings are flat texts. What a body holds back can't be
//! kept in the object itself: it stands in the working state ([`held_back`]) and is merged into what is read.

mod held_back;
mod read;

use std::collections::BTreeMap;

use serde_json::Value;

use super::ClusterTarget;
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

fn not_yet(target: &ClusterTarget) -> TargetError {
    TargetError::Refused {
        location: target.client.location().to_owned(),
        what: "not in this version".to_owned(),
    }
}

pub(super) fn list(target: &ClusterTarget, kind: ObjectKind) -> Result<Vec<String>, TargetError> {
    if kind == ObjectKind::Index {
        return Ok(read::states(target, None)?.into_keys().collect());
    }
    Ok(read::bodies(target, kind, None)?.into_keys().collect())
}

pub(super) fn get(target: &ClusterTarget, key: &ObjectKey) -> Result<Option<Value>, TargetError> {
    let found = get_many(target, std::slice::from_ref(key))?;
    Ok(found.into_iter().next().map(|(_, body)| body))
}

/// Those of the objects that are there, in the order of the keys.
pub(super) fn get_many(
    target: &ClusterTarget,
    keys: &[ObjectKey],
) -> Result<Vec<(ObjectKey, Value)>, TargetError> {
    let mut names: BTreeMap<ObjectKind, Vec<&str>> = BTreeMap::new();
    for key in keys {
        names.entry(key.kind).or_default().push(&key.name);
    }
    let mut bodies = BTreeMap::new();
    for (kind, names) in names {
        bodies.insert(kind, read::bodies(target, kind, Some(&names))?);
    }
    let mut found: Vec<(ObjectKey, Value)> = keys
        .iter()
        .filter_map(|key| {
            let body = bodies.get_mut(&key.kind)?.remove(&key.name)?;
            Some((key.clone(), body))
        })
        .collect();
    held_back::merge(target, &mut found)?;
    Ok(found)
}

pub(super) fn put(
    target: &ClusterTarget,
    _key: &ObjectKey,
    _body: &Value,
) -> Result<(), TargetError> {
    Err(not_yet(target))
}

pub(super) fn delete(target: &ClusterTarget, _key: &ObjectKey) -> Result<bool, TargetError> {
    Err(not_yet(target))
}

pub(super) fn set_closed(
    target: &ClusterTarget,
    _index: &str,
    _closed: bool,
) -> Result<(), TargetError> {
    Err(not_yet(target))
}

pub(super) fn is_closed(target: &ClusterTarget, index: &str) -> Result<bool, TargetError> {
    let states = read::states(target, Some(&[index]))?;
    match states.get(index) {
        Some(state) => Ok(state.closed),
        None => Err(no_index(target, index)),
    }
}

pub(super) fn clear_documents(target: &ClusterTarget, _index: &str) -> Result<(), TargetError> {
    Err(not_yet(target))
}

fn no_index(target: &ClusterTarget, index: &str) -> TargetError {
    TargetError::NoIndex {
        location: target.client.location().to_owned(),
        index: index.to_owned(),
    }
}
