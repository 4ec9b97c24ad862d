//! What may be left of a plan on a cluster once it is to be forgotten: what a killed run left half done, the aliases that documents were
//! written through, and the working state.
//!
//! Only what is of this lineage is touched. The index of the working state goes when nothing of anybody is left in it.

use serde_json::{Value, json};

use super::working_state::WORKING_STATE;
use super::{ClusterTarget, objects, part, restore};
use crate::base::failpoint;
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;

/// Kinds of documents of the working state that a load knows its progress by, in the order in which they are removed.
const PROGRESS: &[&str] = &[
    "work",
    "work-item",
    "work-control",
    "work-brief",
    "work-beat",
    "work-tally",
    "restored",
    "plan",
    "check",
];
/// The other kinds.
const OTHER: &[&str] = &[
    "tuned",
    "held-back",
    "remake",
    "restoring",
    "stream",
    "live",
];
/// Documents that are removed by one request.
const FORGOTTEN_AT_ONCE: usize = 1000;

/// Whether documents of a kind are known here: others would stay for ever.
pub(super) fn knows(kind: &str) -> bool {
    PROGRESS.contains(&kind) || OTHER.contains(&kind)
}

/// What a killed run of this lineage left half done, in words.
pub fn half_done(target: &ClusterTarget) -> Result<Vec<String>, TargetError> {
    let mut found = objects::half_done(target)?;
    found.extend(restore::half_done(target)?);
    Ok(found)
}

/// Finishes it, or takes it away.
pub fn finish(target: &ClusterTarget) -> Result<(), TargetError> {
    objects::clean_up(target)?;
    restore::take_back_all(target)
}

/// The alias that an index was written through, where it is still there.
pub fn alias(
    target: &ClusterTarget,
    index: &str,
    uuid: &str,
) -> Result<Option<String>, TargetError> {
    let alias = part::alias(uuid);
    let state = super::facts::index_state(target, index)?;
    let there = state.is_some_and(|state| state.uuid == uuid && state.aliases.contains(&alias));
    Ok(there.then_some(alias))
}

/// Takes it away.
pub fn remove_alias(target: &ClusterTarget, index: &str, alias: &str) -> Result<(), TargetError> {
    part::remove_alias(target, index, alias)
}

/// What this lineage has in the working state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Documents that a load knows its progress by: doing the work again makes them again.
    pub progress: u64,
    /// What is known nowhere else: kinds of documents with how many there are of each.
    pub other: Vec<(&'static str, u64)>,
}

/// Looks what there is; an error where the index is another tool's.
pub fn kept(target: &ClusterTarget) -> Result<Kept, TargetError> {
    let mut kept = Kept::default();
    if !target.state.exists()? {
        return Ok(kept);
    }
    refresh(target)?;
    for kind in PROGRESS {
        kept.progress += count(target, &of(target, kind))?;
    }
    for kind in OTHER {
        let there = count(target, &of(target, kind))?;
        if there > 0 {
            kept.other.push((kind, there));
        }
    }
    Ok(kept)
}

/// Removes what a load of this lineage knew its progress by: headers first, since items without one are nobody's.
pub fn forget_progress(target: &ClusterTarget) -> Result<(), TargetError> {
    if !target.state.exists()? {
        return Ok(());
    }
    for kind in PROGRESS {
        loop {
            refresh(target)?;
            let query =
                json!({"size": FORGOTTEN_AT_ONCE, "_source": false, "query": of(target, kind)});
            let request = Request::post(format!("/{WORKING_STATE}/_search")).json(&query);
            let answer = target.client.json(request.idempotent())?;
            let hits = answer.pointer("/hits/hits").and_then(Value::as_array);
            let ids = hits.into_iter().flatten();
            let ids = ids.filter_map(|hit| hit.get("_id")?.as_str().map(str::to_owned));
            let ids: Vec<String> = ids.collect();
            if ids.is_empty() {
                break;
            }
            target.state.delete_many(&ids)?;
            failpoint::hit("target.working-state.forgotten");
        }
    }
    Ok(())
}

/// Documents of one kind of this lineage.
fn of(target: &ClusterTarget, kind: &str) -> Value {
    json!({"bool": {"filter": [
        {"term": {"kind": kind}},
        {"term": {"lineage": target.lineage}},
    ]}})
}

fn refresh(target: &ClusterTarget) -> Result<(), TargetError> {
    let path = format!("/{WORKING_STATE}/_refresh");
    target.client.send(Request::post(path).idempotent())?;
    Ok(())
}

fn count(target: &ClusterTarget, query: &Value) -> Result<u64, TargetError> {
    let request =
        Request::post(format!("/{WORKING_STATE}/_count")).json(&json!({ "query": query }));
    let answer = target.client.json(request.idempotent())?;
    let whole = answer.pointer("/_shards/failed").and_then(Value::as_u64) == Some(0);
    let count = answer.get("count").and_then(Value::as_u64);
    count.filter(|_| whole).ok_or_else(|| TargetError::Refused {
        location: target.client.location().to_owned(),
        what: format!("the documents of {WORKING_STATE} could not be counted"),
    })
}

/// Removes the index of the working state where it is `mig`'s and holds nothing of anybody; says whether it did. Writes are
/// blocked while it is looked at, so that nothing comes in between the look and the removal.
pub fn remove_working_state_if_empty(target: &ClusterTarget) -> Result<bool, TargetError> {
    if !target.state.exists()? {
        return Ok(false);
    }
    if documents(target)? > 0 {
        return Ok(false);
    }
    block(target, &json!(true))?;
    failpoint::hit("target.working-state.blocked");
    let left = documents(target);
    if !matches!(left, Ok(0)) {
        block(target, &Value::Null)?;
        return left.map(|_| false);
    }
    let gone = target
        .client
        .send(Request::delete(format!("/{WORKING_STATE}")));
    match gone {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(true),
        Err(error) => {
            drop(block(target, &Value::Null));
            Err(error.into())
        }
    }
}

/// Removes a document that a check wrote. Where a removal of the empty index was killed, its block goes first.
pub fn remove_note(target: &ClusterTarget, id: &str) -> Result<(), TargetError> {
    match target.state.delete(id) {
        Err(TargetError::Cluster(error)) if error.is_block() && unblock(target)? => {
            target.state.delete(id).map(drop)
        }
        removed => removed.map(drop),
    }
}

/// Takes the block of a removal away that was killed before its end: only then is an empty index blocked. Says whether it did.
pub(super) fn unblock(target: &ClusterTarget) -> Result<bool, TargetError> {
    let empty = documents(target)? == 0;
    if empty {
        block(target, &Value::Null)?;
    }
    Ok(empty)
}

/// Lets nobody write, or everybody again.
fn block(target: &ClusterTarget, on: &Value) -> Result<(), TargetError> {
    let body = json!({ "index.blocks.write": on });
    let path = format!("/{WORKING_STATE}/_settings");
    target.client.send(Request::put(path).json(&body))?;
    Ok(())
}

/// Documents of everybody, once all that was written can be seen.
fn documents(target: &ClusterTarget) -> Result<u64, TargetError> {
    refresh(target)?;
    count(target, &json!({"match_all": {}}))
}
