//! Indices, templates, aliases and the other objects of a cluster in the one form that all targets share.
//!
//! An index is `{settings, mappings}` with `routing_num_shards` and, where it is closed, `closed`; an alias
//! `{indices: {name: definition}}`; a template, and any other thing ([`named`]), what `PUT` takes; a data stream
//! `{timestamp_field, generations: [index, …]}`. Settings are flat texts. What a body holds back can't be
//! kept in the object itself: it stands in the working state ([`held_back`]) and is merged into what is read.

mod alias;
mod check;
mod check_named;
mod guard;
pub(super) mod guard_of_stream;
mod held_back;
mod index;
mod named;
mod probe;
mod read;
mod remake;
mod settings;
mod template;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ClusterTarget, part, stream};
use crate::base::failpoint;
use crate::clients::cluster::ClusterError;
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

pub(super) use check::{refusals, unknown_settings};
pub(super) use guard::{Shielded, shield, unshield};
pub(super) use index::{as_it_is, bring_to as in_place, set_closed, settle};
pub(super) use probe::probe;
pub(super) use remake::clear as clear_documents;

pub(super) fn list(target: &ClusterTarget, kind: ObjectKind) -> Result<Vec<String>, TargetError> {
    if kind == ObjectKind::Index {
        return Ok(read::states(target, None)?.into_keys().collect());
    }
    if kind == ObjectKind::DataStream {
        let streams = stream::all(target)?;
        return Ok(streams.into_iter().map(|(name, _)| name).collect());
    }
    let ours = |name: &String| match kind {
        ObjectKind::Alias => part::is_alias(name),
        ObjectKind::IndexTemplate => {
            name.starts_with(guard::PREFIX) || name.starts_with(guard_of_stream::PREFIX)
        }
        _ => false,
    };
    let names = read::bodies(target, kind, None)?.into_keys();
    Ok(names.filter(|name| !ours(name)).collect())
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
    key: &ObjectKey,
    body: &Value,
) -> Result<(), TargetError> {
    let mut body = body.clone();
    let waiting = body
        .as_object_mut()
        .and_then(|body| body.remove("held_back"));
    if let Some(waiting) = &waiting {
        held_back::keep(target, key, waiting)?;
        failpoint::hit("target.put.held-back");
    }
    match key.kind {
        ObjectKind::Index => index::put(target, &key.name, &body)?,
        ObjectKind::Alias => alias::put(target, &key.name, &body)?,
        ObjectKind::DataStream => stream::put(target, &key.name, &body)?,
        ObjectKind::ClusterSettings => settings::put(target, &body)?,
        kind if kind.has_index_settings() => template::put(target, key, &body)?,
        _ => named::put(target, key, &body)?,
    }
    if waiting.is_none() && key.kind.has_index_settings() {
        failpoint::hit("target.put.released");
        held_back::forget(target, key)?;
    }
    Ok(())
}

pub(super) fn delete(target: &ClusterTarget, key: &ObjectKey) -> Result<bool, TargetError> {
    let there = match key.kind {
        ObjectKind::Alias => return alias::delete(target, &key.name),
        ObjectKind::Index => {
            let there = index::delete(target, &key.name)?;
            guard::lower_if_possible(target, &key.name)?;
            remake::forget(target, &key.name)?;
            there
        }
        ObjectKind::DataStream => stream::delete(target, &key.name)?,
        // Those of other hands are among them: they are put back one by one.
        ObjectKind::ClusterSettings => return Ok(false),
        kind if !kind.has_index_settings() => return named::delete(target, key),
        _ => template::delete(target, key)?,
    };
    held_back::forget(target, key)?;
    Ok(there)
}

/// What a killed run left, in words; reads only.
pub(super) fn half_done(target: &ClusterTarget) -> Result<Vec<String>, TargetError> {
    let mut found = Vec::new();
    for prefix in [guard::PREFIX, guard_of_stream::PREFIX] {
        let names = guard::left_by(target, prefix)?.into_iter();
        found.extend(names.map(|name| format!("index template {prefix}{name}")));
    }
    let probes = probe::left_by(target)?.into_iter();
    found.extend(probes.map(|name| format!("index {name}")));
    Ok(found)
}

/// Finishes what a killed run left.
pub(super) fn clean_up(target: &ClusterTarget) -> Result<(), TargetError> {
    guard::clean_up(target)?;
    guard_of_stream::clean_up(target)?;
    probe::clean_up(target)?;
    remake::clean_up(target)
}

pub(super) fn is_closed(target: &ClusterTarget, index: &str) -> Result<bool, TargetError> {
    let states = read::states(target, Some(&[index]))?;
    match states.get(index) {
        Some(state) => Ok(state.closed),
        None => Err(no_index(target, index)),
    }
}

fn no_index(target: &ClusterTarget, index: &str) -> TargetError {
    TargetError::NoIndex {
        location: target.client.location().to_owned(),
        index: index.to_owned(),
    }
}

fn refused(target: &ClusterTarget, what: String) -> TargetError {
    TargetError::Refused {
        location: target.client.location().to_owned(),
        what,
    }
}

/// The words of a server that does not take what it was given; any other error as it is.
fn refusal(error: ClusterError) -> Result<String, ClusterError> {
    match error {
        ClusterError::Status {
            status: 400,
            kind,
            reason,
            ..
        } => Ok(if reason.is_empty() { kind } else { reason }),
        other => Err(other),
    }
}

/// Whether there is such an index already.
fn exists_error(error: &ClusterError) -> bool {
    error.kind() == "resource_already_exists_exception"
}
