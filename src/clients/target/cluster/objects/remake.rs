//! Makes an index anew: to take all documents out of it, or because it can't be changed in place and holds none.
//!
//! What it is to be is written down first, with its aliases, so that a kill in between loses nothing: an index that is
//! gone is planned as one to be made, and made from what was written down. One that is still there was never deleted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::working_state::{Condition, Tag, Whose};
use super::super::{ClusterTarget, part};
use super::{alias, index, no_index, read};
use crate::base::failpoint;
use crate::clients::target::TargetError;
use crate::diff::observation::ObjectKind;

const KIND: &str = "remake";

/// An index that is being made again.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Remake {
    index: String,
    /// The identity of the index that is to go.
    uuid: Option<String>,
    body: Value,
    /// Definitions by alias.
    aliases: Map<String, Value>,
}

fn id(index: &str) -> String {
    format!("{KIND}:{index}")
}

/// Takes the documents out.
pub(in super::super) fn clear(target: &ClusterTarget, name: &str) -> Result<(), TargetError> {
    if let Some(body) = index::found(target, name)? {
        return again(target, name, &body, &body);
    }
    match target.state.get::<Remake>(&id(name))? {
        Some(stored) => finish(target, &stored.body),
        None => Err(no_index(target, name)),
    }
}

/// Deletes an index and makes it as `body` says, with the aliases that it has.
pub(super) fn again(
    target: &ClusterTarget,
    name: &str,
    there: &Value,
    body: &Value,
) -> Result<(), TargetError> {
    let remake = Remake {
        index: name.to_owned(),
        uuid: uuid(there),
        aliases: aliases_of(target, name)?,
        body: body.clone(),
    };
    let tag = Tag {
        kind: KIND,
        plan: &target.plan,
        lineage: &target.lineage,
    };
    target.state.ensure()?;
    let state = &target.state;
    state.put(&id(name), tag, &remake, Condition::Always, true)?;
    failpoint::hit("target.remake.before");
    index::delete(target, name)?;
    failpoint::hit("target.remake.deleted");
    finish(target, &remake)
}

/// Finishes what a kill of the same state left half done. What is another's may be under way at this instant: its record is the
/// one thing from which it could be made again.
pub(super) fn clean_up(target: &ClusterTarget) -> Result<(), TargetError> {
    for stored in target
        .state
        .list::<Remake>(KIND, Whose::Lineage(&target.lineage))?
    {
        let remake = stored.body;
        let there = index::found(target, &remake.index)?;
        if there.is_some_and(|body| uuid(&body) == remake.uuid) {
            // It was never deleted: whether it is to be is asked anew.
            target.state.delete(&id(&remake.index))?;
        } else {
            finish(target, &remake)?;
        }
    }
    Ok(())
}

/// Forgets that an index was to be made again.
pub(super) fn forget(target: &ClusterTarget, name: &str) -> Result<(), TargetError> {
    // Looked for first: there hardly ever is one, and a removal is a write.
    if target.state.get::<Remake>(&id(name))?.is_some() {
        target.state.delete(&id(name))?;
    }
    Ok(())
}

fn finish(target: &ClusterTarget, remake: &Remake) -> Result<(), TargetError> {
    if index::found(target, &remake.index)?.is_none() {
        index::create(target, &remake.index, &remake.body)?;
        failpoint::hit("target.remake.created");
    }
    alias::give(target, &remake.index, &remake.aliases)?;
    target.state.delete(&id(&remake.index))?;
    Ok(())
}

fn uuid(body: &Value) -> Option<String> {
    let uuid = body.get("settings")?.get("index.uuid")?;
    uuid.as_str().map(str::to_owned)
}

fn aliases_of(target: &ClusterTarget, name: &str) -> Result<Map<String, Value>, TargetError> {
    let mut found = Map::new();
    for (alias, body) in read::bodies(target, ObjectKind::Alias, None)? {
        let definition = body.get("indices").and_then(|indices| indices.get(name));
        if let Some(definition) = definition
            && !part::is_alias(&alias)
        {
            found.insert(alias, definition.clone());
        }
    }
    Ok(found)
}
