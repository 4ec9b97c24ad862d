//! Indices that the target restores from a snapshot by itself.
//!
//! An index is restored over the one that is there: made as the plan wants it, without documents, and closed. So it keeps its uuid and
//! its aliases, and no name is ever taken over that somebody else has. What the index was is written down before it is closed, with
//! what is restored into it: a kill at any instant leaves a note by which the next run finds the restore again, or an operator takes it back.
//! Whether a restore was asked for is told by the index itself, which has the snapshot's date of creation from then on.
//!
//! Deliberately absent: which indices may be restored, and how repositories are registered (the backfill's).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::working_state::{Condition, Tag, Whose};
use super::{ClusterTarget, objects};
use crate::base::failpoint;
use crate::base::settings::normal_settings;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;

/// What such a document is in the working state, until all of it is there and afterwards.
pub(super) const UNDER_WAY: &str = "restoring";
const DONE: &str = "restored";
const REPLICAS: &str = "index.number_of_replicas";
const AUTO_REPLICAS: &str = "index.auto_expand_replicas";
/// Indices that one question names at most: their names stand in its path.
const NAMED_AT_ONCE: usize = 10;

/// An index that is restored, as the working state has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Restoring {
    /// The index.
    pub index: String,
    /// Its uuid, which a restore leaves as it is.
    pub uuid: String,
    /// The plan.
    pub plan: String,
    /// The lineage of its state.
    pub lineage: String,
    /// The phase.
    pub phase: String,
    /// Identity of the phase's snapshot.
    pub snapshot_uuid: String,
    /// The repository, as the target has it registered.
    pub repository: String,
    /// The snapshot that holds the index, by its name there.
    pub snapshot: String,
    /// `index.creation_date` of the index in the snapshot: milliseconds since 1970.
    pub creation_date: String,
    /// Primary shards.
    pub shards: u32,
    /// Settings in the snapshot: flat, without those that only servers set.
    pub settings: Map<String, Value>,
    /// The index as it was, and as it is to be but for its documents; `null` once it is done.
    pub body: Value,
    /// Whether all of it is there.
    pub done: bool,
    /// Bytes that were restored, where the target told.
    pub bytes: u64,
}

/// How far a restore is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was not asked for: the index is as it was, or closed.
    Before,
    /// The target is at it.
    UnderWay,
    /// The target gave it up: why.
    Failed(String),
    /// Every primary shard is there.
    Restored,
    /// There is no such index any more, or it is another one.
    Gone,
}

/// How much of an index was restored, over its primary shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes so far.
    pub bytes: u64,
    /// Bytes in all, as far as the target knows yet.
    pub of_bytes: u64,
    /// Shards that are there.
    pub shards: u64,
}

fn id(index: &str) -> String {
    format!("restore:{index}")
}

/// What is noted of these indices; those of which nothing is are left out.
pub fn find(target: &ClusterTarget, indices: &[&str]) -> Result<Vec<Restoring>, TargetError> {
    let ids: Vec<String> = indices.iter().map(|index| id(index)).collect();
    let found = target.state.get_many::<Restoring>(&ids)?;
    Ok(found.into_iter().map(|stored| stored.body).collect())
}

/// All restores that did not come to their end, of everybody.
pub fn unfinished(target: &ClusterTarget) -> Result<Vec<Restoring>, TargetError> {
    listed(target, UNDER_WAY, Whose::All)
}

/// All that is noted of a phase, done or not.
pub fn of_phase(
    target: &ClusterTarget,
    plan: &str,
    phase: &str,
) -> Result<Vec<Restoring>, TargetError> {
    if !target.state.exists()? {
        return Ok(Vec::new());
    }
    let mut found = listed(target, UNDER_WAY, Whose::Plan(plan))?;
    found.extend(listed(target, DONE, Whose::Plan(plan))?);
    found.retain(|restoring| restoring.phase == phase);
    Ok(found)
}

fn listed(
    target: &ClusterTarget,
    kind: &str,
    whose: Whose<'_>,
) -> Result<Vec<Restoring>, TargetError> {
    let found = target.state.list::<Restoring>(kind, whose)?;
    Ok(found.into_iter().map(|stored| stored.body).collect())
}

/// Notes what will be restored into an index. Before anything of it happens.
pub fn note(target: &ClusterTarget, restoring: &Restoring) -> Result<(), TargetError> {
    target.state.ensure()?;
    let tag = Tag {
        kind: if restoring.done { DONE } else { UNDER_WAY },
        plan: &restoring.plan,
        lineage: &restoring.lineage,
    };
    target.state.put(
        &id(&restoring.index),
        tag,
        restoring,
        Condition::Always,
        true,
    )?;
    Ok(())
}

/// Forgets it.
pub fn forget(target: &ClusterTarget, index: &str) -> Result<(), TargetError> {
    target.state.delete(&id(index)).map(drop)
}

/// Forgets all of a phase. An index whose restore did not come to its end is made again as it was, without documents.
pub fn take_back(target: &ClusterTarget, plan: &str, phase: &str) -> Result<(), TargetError> {
    for restoring in of_phase(target, plan, phase)? {
        if restoring.done {
            forget(target, &restoring.index)?;
        } else {
            take_back_one(target, &restoring)?;
        }
    }
    Ok(())
}

/// Takes back every restore of this lineage that did not come to its end.
pub(super) fn take_back_all(target: &ClusterTarget) -> Result<(), TargetError> {
    for restoring in listed(target, UNDER_WAY, Whose::Lineage(&target.lineage))? {
        take_back_one(target, &restoring)?;
    }
    Ok(())
}

/// In words, those of this lineage that did not come to their end; reads only.
pub(super) fn half_done(target: &ClusterTarget) -> Result<Vec<String>, TargetError> {
    let found = listed(target, UNDER_WAY, Whose::Lineage(&target.lineage))?;
    let each = found.into_iter();
    Ok(each
        .map(|it| format!("what is restored of index {}", it.index))
        .collect())
}

fn take_back_one(target: &ClusterTarget, restoring: &Restoring) -> Result<(), TargetError> {
    let now = look(target, std::slice::from_ref(&restoring))?;
    if now.get(&restoring.index) != Some(&Stage::Gone) {
        // What is known of it says how it was before: it is made so again.
        objects::clear_documents(target, &restoring.index)?;
    }
    forget(target, &restoring.index)
}

/// The index as it is, also while it is noted to be restored.
pub fn body_now(target: &ClusterTarget, index: &str) -> Result<Option<Value>, TargetError> {
    objects::as_it_is(target, index)
}

/// What is asked of the target: the settings are those that the index has, and no copies are made meanwhile where
/// `no_replicas`. Pure.
fn request(restoring: &Restoring, no_replicas: bool) -> Value {
    let wanted = restoring.body.get("settings").map(normal_settings);
    let wanted = wanted.unwrap_or_default();
    let mut ignored: Vec<&str> = Vec::new();
    let mut set = Map::new();
    for (key, value) in &restoring.settings {
        match wanted.get(key) {
            Some(other) if other == value => {}
            Some(other) => {
                set.insert(key.clone(), other.clone());
            }
            // No server lets this one be left out.
            None if key == AUTO_REPLICAS => {
                set.insert(key.clone(), json!("false"));
            }
            None if key == REPLICAS => {}
            None => ignored.push(key),
        }
    }
    if no_replicas {
        set.insert(REPLICAS.to_owned(), json!("0"));
        if restoring.settings.contains_key(AUTO_REPLICAS) || set.contains_key(AUTO_REPLICAS) {
            set.insert(AUTO_REPLICAS.to_owned(), json!("false"));
        }
    }
    json!({
        "indices": [restoring.index],
        "ignore_unavailable": false,
        "include_global_state": false,
        "include_aliases": false,
        "partial": false,
        "index_settings": set,
        "ignore_index_settings": ignored,
    })
}

/// Closes the index and asks for the restore. It must be noted already.
pub fn begin(
    target: &ClusterTarget,
    restoring: &Restoring,
    no_replicas: bool,
) -> Result<(), TargetError> {
    objects::set_closed(target, &restoring.index, true)?;
    failpoint::hit("restore.closed");
    let path = format!(
        "/_snapshot/{}/{}/_restore?wait_for_completion=false",
        Request::part(&restoring.repository),
        Request::part(&restoring.snapshot)
    );
    let asked = Request::post(path).json(&request(restoring, no_replicas));
    let asked = target.client.send(asked);
    failpoint::hit("restore.asked");
    match asked {
        Ok(_) => Ok(()),
        // An answer may have got lost: what the index says of itself counts.
        Err(error) if error.status().is_none() || is_asked_twice(&error) => {
            let now = look(target, &[restoring])?;
            match now.get(&restoring.index) {
                Some(Stage::UnderWay | Stage::Restored) => Ok(()),
                _ => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Asked again, a server says that an index that is open can't be restored over.
fn is_asked_twice(error: &ClusterError) -> bool {
    error.kind() == "snapshot_restore_exception" && error.reason().contains("open index")
}

/// How far each of these is.
pub fn look(
    target: &ClusterTarget,
    all: &[&Restoring],
) -> Result<BTreeMap<String, Stage>, TargetError> {
    let mut stages = BTreeMap::new();
    for some in all.chunks(NAMED_AT_ONCE) {
        let names: Vec<String> = some.iter().map(|it| Request::part(&it.index)).collect();
        let path = format!(
            "/_cluster/state/metadata,routing_table,customs/{}?expand_wildcards=all&ignore_unavailable=true\
             &filter_path=restore,metadata.indices.*.state,metadata.indices.*.settings.index.uuid,\
             metadata.indices.*.settings.index.creation_date,routing_table.indices.*.shards",
            names.join(",")
        );
        let state = target.client.json(Request::get(path))?;
        for restoring in some {
            stages.insert(restoring.index.clone(), stage(&state, restoring));
        }
    }
    Ok(stages)
}

/// What the state of a cluster says of a restore. Pure.
fn stage(state: &Value, restoring: &Restoring) -> Stage {
    let of = |section: &str| {
        let section = state.get(section)?.get("indices")?;
        section.get(&restoring.index)
    };
    let Some(index) = of("metadata") else {
        return Stage::Gone;
    };
    let text = |pointer: &str| index.pointer(pointer).and_then(Value::as_str);
    if text("/settings/index/uuid") != Some(&restoring.uuid) {
        return Stage::Gone;
    }
    let asked = text("/settings/index/creation_date") == Some(&restoring.creation_date);
    if !asked || text("/state") == Some("close") {
        return Stage::Before;
    }
    let shards = of("routing_table").and_then(|it| it.get("shards")?.as_object());
    let primaries: Vec<&Value> = shards
        .into_iter()
        .flatten()
        .filter_map(|(_, copies)| {
            let copies = copies.as_array()?;
            copies
                .iter()
                .find(|it| it.get("primary") == Some(&json!(true)))
        })
        .collect();
    let is = |shard: &Value, state: &str| shard.get("state").and_then(Value::as_str) == Some(state);
    let there = |shard: &&&Value| is(shard, "STARTED") || is(shard, "RELOCATING");
    if primaries.len() == restoring.shards as usize
        && primaries.iter().filter(there).count() == primaries.len()
    {
        return Stage::Restored;
    }
    let given_up = primaries
        .iter()
        .find(|shard| is(shard, "UNASSIGNED") && has_no_copy(shard));
    match given_up {
        Some(shard) if !is_listed(state, restoring) => {
            let why = shard
                .pointer("/unassigned_info/details")
                .and_then(Value::as_str);
            let why = why.unwrap_or("the target does not say why");
            Stage::Failed(why.to_owned())
        }
        _ => Stage::UnderWay,
    }
}

/// Whether nothing but a restore can bring a shard that is nowhere. A server that was ended in the middle of one takes what is
/// there for a shard of its own when it comes back, and finds that it is none.
fn has_no_copy(shard: &Value) -> bool {
    let text = |pointer: &str| shard.pointer(pointer).and_then(Value::as_str);
    text("/recovery_source/type") == Some("SNAPSHOT")
        || matches!(
            text("/unassigned_info/allocation_status"),
            Some("no_valid_shard_copy" | "deciders_no")
        )
}

/// Whether the target still works on a shard of the index: it lists restores until all their shards came to an end.
fn is_listed(state: &Value, restoring: &Restoring) -> bool {
    let restores = state
        .pointer("/restore/snapshots")
        .and_then(Value::as_array);
    let shards = restores
        .into_iter()
        .flatten()
        .filter_map(|restore| restore.get("shards")?.as_array())
        .flatten();
    let ours = shards.filter(|shard| {
        shard.pointer("/index/index_uuid").and_then(Value::as_str) == Some(&restoring.uuid)
    });
    let mut states = ours.map(|shard| shard.get("state").and_then(Value::as_str));
    states.any(|state| state != Some("FAILURE") && state != Some("SUCCESS"))
}

/// How much of these indices was restored, by the target's own count; of what it does not tell there is nothing.
pub fn recovered(
    target: &ClusterTarget,
    indices: &[&str],
) -> Result<BTreeMap<String, Recovered>, TargetError> {
    let mut found = BTreeMap::new();
    for some in indices.chunks(NAMED_AT_ONCE) {
        let names: Vec<String> = some.iter().map(|index| Request::part(index)).collect();
        let path = format!(
            "/{}/_recovery?ignore_unavailable=true&filter_path=*.shards.type,*.shards.stage,*.shards.primary,\
             *.shards.index.size",
            names.join(",")
        );
        let answer = target.client.found(Request::get(path))?.unwrap_or_default();
        for (index, body) in answer.as_object().into_iter().flatten() {
            let shards = body.get("shards").and_then(Value::as_array);
            let mut sum = Recovered::default();
            for shard in shards.into_iter().flatten() {
                let text = |key: &str| shard.get(key).and_then(Value::as_str);
                let number = |pointer: &str| shard.pointer(pointer).and_then(Value::as_u64);
                if text("type") != Some("SNAPSHOT") || shard.get("primary") != Some(&json!(true)) {
                    continue;
                }
                let reused = number("/index/size/reused_in_bytes").unwrap_or(0);
                sum.bytes += reused + number("/index/size/recovered_in_bytes").unwrap_or(0);
                sum.of_bytes += number("/index/size/total_in_bytes").unwrap_or(0);
                sum.shards += u64::from(text("stage") == Some("DONE"));
            }
            found.insert(index.clone(), sum);
        }
    }
    Ok(found)
}

/// Gives a restored index the settings that it had, and says how it is then. Idempotent.
pub fn settle(target: &ClusterTarget, restoring: &Restoring) -> Result<Value, TargetError> {
    if let Some(why) = objects::settle(target, &restoring.index, &restoring.body)? {
        return Err(TargetError::Refused {
            location: target.client.location().to_owned(),
            what: format!(
                "index `{}` was restored and does not take the settings that it had: {why}",
                restoring.index
            ),
        });
    }
    let now = objects::as_it_is(target, &restoring.index)?;
    now.ok_or_else(|| TargetError::NoIndex {
        location: target.client.location().to_owned(),
        index: restoring.index.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restoring() -> Restoring {
        let settings = json!({
            "index.number_of_shards": "2", "index.number_of_replicas": "1", "index.refresh_interval": "7s",
            "index.lifecycle.name": "p", "index.auto_expand_replicas": "0-1", "index.blocks.write": "true",
        });
        let body = json!({"settings": {"index.number_of_shards": "2", "index.number_of_replicas": "1",
            "index.refresh_interval": "9s"}});
        let Value::Object(settings) = settings else {
            unreachable!("an object")
        };
        Restoring {
            index: "x".into(),
            uuid: "u".into(),
            plan: "p".into(),
            lineage: "l".into(),
            phase: "docs".into(),
            snapshot_uuid: "s".into(),
            repository: "mig-r".into(),
            snapshot: "one".into(),
            creation_date: "17".into(),
            shards: 2,
            settings,
            body,
            done: false,
            bytes: 0,
        }
    }

    #[test]
    fn settings_are_those_that_the_index_had() {
        let asked = request(&restoring(), false);
        assert_eq!(
            asked["index_settings"],
            json!({"index.refresh_interval": "9s", "index.auto_expand_replicas": "false"})
        );
        assert_eq!(
            asked["ignore_index_settings"],
            json!(["index.blocks.write", "index.lifecycle.name"])
        );
        assert_eq!(asked["include_aliases"], false);
        assert_eq!(asked["partial"], false);
        let asked = request(&restoring(), true);
        assert_eq!(asked["index_settings"]["index.number_of_replicas"], "0");
    }

    fn state(index: &Value, shards: &Value, restores: &Value) -> Value {
        json!({
            "metadata": {"indices": {"x": index}},
            "routing_table": {"indices": {"x": {"shards": shards}}},
            "restore": {"snapshots": restores},
        })
    }

    #[test]
    fn the_state_of_a_cluster_says_how_far_a_restore_is() {
        let index = |state: &str, date: &str, uuid: &str| {
            json!({"state": state,
            "settings": {"index": {"uuid": uuid, "creation_date": date}}})
        };
        let shard = |state: &str, from: &str| {
            json!([{"primary": true, "state": state, "recovery_source": {"type": from},
                "unassigned_info": {"details": "no such blob"}}])
        };
        let both =
            |state: &str, from: &str| json!({"0": shard("STARTED", "x"), "1": shard(state, from)});
        let nowhere = |status: &str| {
            json!({"0": [{"primary": true, "state": "UNASSIGNED", "recovery_source": {"type": "EXISTING_STORE"},
                "unassigned_info": {"allocation_status": status}}]})
        };
        let listed =
            |state: &str| json!([{"shards": [{"index": {"index_uuid": "u"}, "state": state}]}]);
        let none = json!([]);
        let open = index("open", "17", "u");
        for (found, stage_is) in [
            (json!({}), Stage::Gone),
            (
                state(&index("open", "17", "v"), &json!({}), &none),
                Stage::Gone,
            ),
            (
                state(&index("open", "16", "u"), &both("STARTED", "x"), &none),
                Stage::Before,
            ),
            (
                state(&index("close", "17", "u"), &both("STARTED", "x"), &none),
                Stage::Before,
            ),
            (state(&open, &both("STARTED", "x"), &none), Stage::Restored),
            (
                state(&open, &both("INITIALIZING", "SNAPSHOT"), &none),
                Stage::UnderWay,
            ),
            (
                state(&open, &both("UNASSIGNED", "SNAPSHOT"), &listed("INIT")),
                Stage::UnderWay,
            ),
            (
                state(&open, &both("UNASSIGNED", "EXISTING_STORE"), &none),
                Stage::UnderWay,
            ),
            (
                state(&open, &both("UNASSIGNED", "SNAPSHOT"), &listed("FAILURE")),
                Stage::Failed("no such blob".into()),
            ),
            (
                state(&open, &both("UNASSIGNED", "SNAPSHOT"), &none),
                Stage::Failed("no such blob".into()),
            ),
            (
                state(&open, &nowhere("no_valid_shard_copy"), &none),
                Stage::Failed("the target does not say why".into()),
            ),
            (
                state(&open, &nowhere("fetching_shard_data"), &none),
                Stage::UnderWay,
            ),
            // Not all shards are told.
            (
                state(&open, &json!({"0": shard("STARTED", "x")}), &none),
                Stage::UnderWay,
            ),
        ] {
            assert_eq!(stage(&found, &restoring()), stage_is, "{found}");
        }
    }
}
