//! Keeps the target's templates out of an index that is made.
//!
//! What a plan wants of an index is the whole of it: a template of the target that matches its name would add settings,
//! fields and aliases. A composable template for this one name, above all others and with nothing in it, stands in the
//! way of them while the index is made. Elasticsearch before 7.8 has no such templates, and what its legacy ones add
//! shows as a difference.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::super::{ClusterTarget, dialect};
use crate::base::glob;
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;

/// What the names of these templates begin with.
pub(super) const PREFIX: &str = "mig-no-template-";
/// Above what anybody gives to a template.
pub(super) const PRIORITY: u64 = 2_147_483_000;

/// The indices that one template keeps the others out of, while many are made.
#[derive(Debug, Default)]
pub(in super::super) struct Shielded(Mutex<BTreeSet<String>>);

impl Shielded {
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands for the names of many indices in the name of their guard.
fn many(target: &ClusterTarget) -> String {
    format!("many-{}", target.lineage.to_lowercase())
}

/// One guard for all of these: each by itself would change the state of the cluster twice more than making it does.
pub(in super::super) fn shield(
    target: &ClusterTarget,
    indices: &[&str],
) -> Result<(), TargetError> {
    if !dialect::has_composable(target.about.version) || indices.is_empty() {
        return Ok(());
    }
    let patterns = patterns(target)?;
    let matched = |index: &&str| patterns.iter().any(|pattern| glob::fits(pattern, index));
    if indices.iter().any(matched) {
        let body = body(target, indices);
        let path = path(&many(target));
        target.client.send(Request::put(path).json(&body))?;
    }
    let names = indices.iter().map(|index| (*index).to_owned());
    *target.shielded.names() = names.collect();
    Ok(())
}

/// Takes it down.
pub(in super::super) fn unshield(target: &ClusterTarget) -> Result<(), TargetError> {
    let names = std::mem::take(&mut *target.shielded.names());
    if names.is_empty() {
        return Ok(());
    }
    lower(target, &many(target))
}

fn body(target: &ClusterTarget, indices: &[&str]) -> Value {
    json!({
        "index_patterns": indices,
        "priority": PRIORITY,
        "template": {},
        "_meta": {"mig": {"lineage": target.lineage}},
    })
}

fn path(index: &str) -> String {
    format!("/_index_template/{PREFIX}{}", Request::part(index))
}

/// Puts the guard up where a template matches; says whether it did.
pub(super) fn raise(target: &ClusterTarget, index: &str) -> Result<bool, TargetError> {
    let has = dialect::has_composable(target.about.version);
    if !has || target.shielded.names().contains(index) {
        return Ok(false);
    }
    if !patterns(target)?.iter().any(|it| glob::fits(it, index)) {
        return Ok(false);
    }
    let body = body(target, &[index]);
    target.client.send(Request::put(path(index)).json(&body))?;
    Ok(true)
}

/// Takes it down again.
pub(super) fn lower(target: &ClusterTarget, index: &str) -> Result<(), TargetError> {
    match target.client.send(Request::delete(path(index))) {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(404) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes it down where a killed run may have left it.
pub(super) fn lower_if_possible(target: &ClusterTarget, index: &str) -> Result<(), TargetError> {
    if dialect::has_composable(target.about.version) {
        lower(target, index)?;
    }
    Ok(())
}

/// Takes down what a run of the same state left that was killed.
pub(super) fn clean_up(target: &ClusterTarget) -> Result<(), TargetError> {
    for index in left_by(target, PREFIX)? {
        lower(target, &index)?;
    }
    Ok(())
}

/// What templates stand for whose names begin with `prefix` and that a run of the same state left.
pub(super) fn left_by(target: &ClusterTarget, prefix: &str) -> Result<Vec<String>, TargetError> {
    let mut left = Vec::new();
    if !dialect::has_composable(target.about.version) {
        return Ok(left);
    }
    let request = Request::get(format!("/_index_template/{prefix}*"));
    let Some(answer) = target.client.found(request)? else {
        return Ok(left);
    };
    let templates = answer.get("index_templates").and_then(Value::as_array);
    for template in templates.into_iter().flatten() {
        let lineage = template.pointer("/index_template/_meta/mig/lineage");
        let name = template.get("name").and_then(Value::as_str);
        if let Some(index) = name.and_then(|name| name.strip_prefix(prefix))
            && lineage.and_then(Value::as_str) == Some(target.lineage.as_str())
        {
            left.push(index.to_owned());
        }
    }
    Ok(left)
}

/// The patterns of all templates of the target.
fn patterns(target: &ClusterTarget) -> Result<Vec<String>, TargetError> {
    let legacy = target
        .client
        .found(Request::get("/_template?filter_path=*.index_patterns"))?
        .unwrap_or_default();
    let composable = target
        .client
        .found(Request::get(
            "/_index_template?filter_path=index_templates.index_template.index_patterns",
        ))?
        .unwrap_or_default();
    let legacy = legacy.as_object().into_iter().flatten().map(|(_, it)| it);
    let composable = composable.get("index_templates").and_then(Value::as_array);
    let composable = composable.into_iter().flatten();
    let bodies = legacy.chain(composable.filter_map(|it| it.get("index_template")));
    Ok(bodies
        .filter_map(|body| body.get("index_patterns").and_then(Value::as_array))
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}
