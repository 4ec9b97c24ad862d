//! Sends documents that failed once more, after what made them fail was mended.
//!
//! What is sent is what the plan makes of them now, read anew from the snapshot: the same that a verification expects. Only
//! where it is asked for are the requests sent that were kept. Whoever calls has the lock of the state, and writes down what
//! this gives back. Deliberately absent: the journal, and asking.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::{Interrupt, PhaseError};
use super::super::streams;
use super::fate::written_to;
use super::materials::{self, Materials};
use super::orders::fleet_of;
use super::{bulk_error, cluster, failed, is_work_of, landed, spec, stop, store, way, work_error};
use crate::base::units::plural;
use crate::base::{Address, failpoint};
use crate::clients::target::cluster::leftovers;
use crate::clients::target::{Landing, Target, TargetError};
use crate::diff::observation::SnapshotIndexFacts;
use crate::engines::bulk::delta::DeltaSource;
use crate::engines::bulk::fleet::Muster;
use crate::engines::bulk::retry::{self, Again, NoSource, RetryOutcome};
use crate::engines::bulk::work_store::{COORDINATOR, ItemState, ItemStatus, WorkIdentity};
use crate::engines::bulk::{Alone, BulkProgress, Job, Part};
use crate::plan::model::{BackfillSpec, Phase, Plan};
use crate::state::Artifacts;
use crate::state::model::{RETRY_DOCUMENTS, SideEffect, State};

/// What a retry needs.
pub struct Retrying<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The backfill.
    pub phase: &'a Phase,
    /// What is remembered.
    pub state: &'a State,
    /// Opened stores and targets.
    pub connections: &'a Connections,
    /// Where failed documents are.
    pub artifacts: &'a dyn Artifacts,
    /// Whether the requests are sent that were kept.
    pub as_kept: bool,
    /// Asks to stop.
    pub interrupt: &'a Interrupt,
    /// Told how far it is.
    pub progress: &'a (dyn Fn(BulkProgress) + Sync),
}

/// What came of a retry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retried {
    /// In sum over the indices that could be tried.
    pub outcome: RetryOutcome,
    /// Why indices could not be tried, or not to the end: by index.
    pub problems: BTreeMap<String, String>,
    /// What the record of the phase is to say now; `None` where it holds nothing yet that changes.
    pub outputs: Option<Value>,
    /// Whether every item of the load is done.
    pub all_loaded: bool,
}

/// The indices that have failed documents, with how many.
pub fn failing(items: &[ItemState]) -> BTreeMap<String, u64> {
    let mut failing = BTreeMap::new();
    for item in items.iter().filter(|it| it.progress.failed > 0) {
        *failing.entry(item.item.key.index.clone()).or_default() += item.progress.failed;
    }
    failing
}

/// Tries all failed documents once. `announce` writes down what is about to be written to, durably.
pub fn again(
    cx: &Retrying<'_>,
    announce: &mut dyn FnMut(SideEffect) -> Result<(), PhaseError>,
) -> Result<Retried, PhaseError> {
    let spec = spec(cx.phase)?;
    let on = &spec.to.value;
    let plain = cx.connections.open_target(on)?;
    let (identity, items) = known(cx, spec, &*plain)?;
    refuse_busy(cx, &*plain)?;
    let live = plain
        .live()
        .map_err(|error| common::target_error(on, &error))?;
    if live.is_some() || cx.state.live_targets.contains_key(on) {
        return Err(failed(
            format!("{on} is live: no phase writes documents there any more"),
            "what failed stays as it is; its users write what they need",
        ));
    }
    let mut failing = failing(&items);
    if failing.is_empty() {
        return Ok(Retried {
            outcome: RetryOutcome {
                finished: true,
                ..RetryOutcome::default()
            },
            all_loaded: items.iter().all(|it| it.status == ItemStatus::Done),
            ..Retried::default()
        });
    }
    let facts = source(cx, spec, &identity)?;
    let target = landed(cx.connections, spec, &facts)?;
    let names: Vec<String> = failing.keys().cloned().collect();
    let gone_on = gone_on(cx, spec, &*target, &facts, &names)?;
    failing.retain(|name, _| !gone_on.contains_key(name));
    let uuids = same_indices(cx, &*target, failing.keys())?;
    for (index, uuid) in &uuids {
        let detail = json!({ "target-uuid": uuid });
        announce(common::effect_with(on, RETRY_DOCUMENTS, index, detail))?;
    }
    failpoint::hit("backfill.retry.announced");
    let stop = || common::stop(cx.interrupt);
    let store = store::coordinate(&*target, &identity, &stop)?;
    let (mut outcome, mut problems) = each_index(cx, spec, &*target, &*store, (&facts, &uuids))?;
    failpoint::hit("backfill.retry.sent");
    let items = store.items().map_err(|error| work_error(&error))?;
    let untried = items.iter();
    let untried = untried.filter(|it| gone_on.contains_key(&it.item.key.index));
    outcome.failed += untried.map(|it| it.progress.failed).sum::<u64>();
    problems.extend(gone_on);
    let chosen: BTreeSet<&str> = uuids.keys().map(String::as_str).collect();
    Ok(Retried {
        outputs: outputs(cx, &*target, &items, &chosen)?,
        all_loaded: items.iter().all(|it| it.status == ItemStatus::Done),
        outcome,
        problems,
    })
}

/// The work of the phase as the plan has it now; another one is refused.
fn known(
    cx: &Retrying<'_>,
    spec: &BackfillSpec,
    target: &dyn Target,
) -> Result<(WorkIdentity, Vec<ItemState>), PhaseError> {
    let phase = &cx.phase.address;
    if let Some(ended) = stop::ended(cx.state, phase) {
        return Err(failed(
            format!(
                "`{phase}` was stopped by {}: its working state is archived, and nothing is sent any more",
                ended.by
            ),
            "`mig backfill reset` lets it begin anew, which sends every document again",
        ));
    }
    if let Some((message, help)) = not_one_by_one(cx.plan, cx.state, cx.phase) {
        return Err(failed(message, &help));
    }
    let found = store::peek_items(target, cx.plan, phase);
    let found = found.map_err(|error| work_error(&error))?;
    let Some((identity, items)) = found.filter(|(it, _)| it.lineage == cx.state.lineage) else {
        return Err(failed(
            format!("nothing of `{phase}` was loaded, so no document of it failed"),
            "`mig backfill start` begins",
        ));
    };
    if !is_work_of(&identity, spec, cx.plan, phase) {
        return Err(failed(
            format!(
                "`{phase}` was loaded by another plan than this one: its transforms, its versions or its target are others"
            ),
            "`mig plan` shows what is written again by the plan as it is now: the documents that failed are among it",
        ));
    }
    Ok((identity, items))
}

/// Why no failed document of a phase is sent again by itself, and what does instead; `None` where they are. Changes between two
/// snapshots are told by what an earlier load left: documents alone would not mend them, and those of the earlier load alone
/// would bring back what the changes deleted.
pub(super) fn not_one_by_one(
    plan: &Plan,
    state: &State,
    phase: &Phase,
) -> Option<(String, String)> {
    let spec = spec(phase).ok()?;
    let phase = &phase.address;
    if let Some(since) = &spec.since {
        return Some((
            format!(
                "`{phase}` moves what changed since `{}`: documents of it are not sent one by one",
                since.value
            ),
            format!("`mig apply --redo {phase}` writes its indices whole"),
        ));
    }
    let begun = |upon: &Address| {
        let record = common::record(state, upon);
        record.is_some_and(|it| it.effects.iter().any(|it| it.what == "write-documents"))
    };
    let (upon, _) = plan.deltas_upon(spec).find(|(upon, _)| begun(upon))?;
    Some((
        format!(
            "`{upon}` went over what `{phase}` loaded: older documents would bring back what it deleted"
        ),
        format!("`mig apply --redo {upon}` writes its indices whole"),
    ))
}

/// Which of these indices are generations that their data stream on the target has gone on from, each with what is said of it:
/// a stream takes documents into its newest generation alone.
fn gone_on(
    cx: &Retrying<'_>,
    spec: &BackfillSpec,
    target: &dyn Target,
    facts: &BTreeMap<String, SnapshotIndexFacts>,
    names: &[String],
) -> Result<BTreeMap<String, String>, PhaseError> {
    let on = &spec.to.value;
    let choice = streams::choice(spec.data_streams, target.version());
    let landings = streams::landings(choice, facts);
    let mut gone_on = BTreeMap::new();
    for name in names {
        let Some(Landing::Generation { stream, number, .. }) = landings.get(name) else {
            continue;
        };
        let found = target.stream(stream);
        let found = found.map_err(|error| common::target_error(on, &error))?;
        let there = found.map_or(0, |it| it.indices.len());
        if there > *number {
            gone_on.insert(
                name.clone(),
                format!(
                    "data stream {stream} on {on} takes documents into its generation {there} alone, and these are of generation \
                     {number}: they stay failed. `mig apply --redo {}` loads the stream anew, once the cause is mended",
                    cx.phase.address
                ),
            );
        }
    }
    Ok(gone_on)
}

/// Of two processes at one item one would be in vain.
fn refuse_busy(cx: &Retrying<'_>, target: &dyn Target) -> Result<(), PhaseError> {
    let fleet = fleet_of(target, cx.plan, &cx.phase.address, cx.state)?;
    let Muster { there, .. } = &fleet.muster;
    if there.is_empty() {
        return Ok(());
    }
    Err(failed(
        format!(
            "{} at work on `{}`",
            crate::base::units::plural(there.len() as u64, "process"),
            cx.phase.address
        ),
        "wait until it is loaded, or end them; then run the same command again",
    ))
}

/// The indices of the snapshot by the names that they have on the target. Where the snapshot can't be read, only kept requests
/// can be sent.
fn source(
    cx: &Retrying<'_>,
    spec: &BackfillSpec,
    identity: &WorkIdentity,
) -> Result<BTreeMap<String, SnapshotIndexFacts>, PhaseError> {
    let from = &spec.from.value;
    let usable = cx.connections.usable_snapshot(from);
    if cx.as_kept {
        // Where documents of data streams go is known by the snapshot alone.
        let view = cx.connections.source(from);
        return Ok(match (usable, view) {
            (Ok(Some(_)), Ok(view)) => way(cx.plan, spec).targets(view.indices()),
            _ => BTreeMap::new(),
        });
    }
    let there = usable?.is_some();
    let view = cx.connections.source(from)?;
    if !there || view.snapshot_uuid().as_deref() != Some(&identity.snapshot_uuid) {
        return Err(failed(
            format!("the snapshot of `{from}` that was loaded is not there any more"),
            "`--as-kept` sends the requests as they were when they failed",
        ));
    }
    Ok(way(cx.plan, spec).targets(view.indices()))
}

/// The uuids of the indices on the target, which have to be those that were loaded.
fn same_indices<'i>(
    cx: &Retrying<'_>,
    target: &dyn Target,
    names: impl Iterator<Item = &'i String>,
) -> Result<BTreeMap<String, String>, PhaseError> {
    let on = &spec(cx.phase)?.to.value;
    let mut uuids = BTreeMap::new();
    for name in names {
        let found = target.index_facts(name, 0);
        let found = found.map_err(|error| common::target_error(on, &error))?;
        let wrote = written_to(cx.state, &cx.phase.address, on, name);
        match found {
            Some(found) if wrote.is_none_or(|uuid| uuid == found.uuid) => {
                uuids.insert(name.clone(), found.uuid);
            }
            found => {
                let what = if found.is_some() {
                    "was made anew since it was loaded"
                } else {
                    "is not there any more"
                };
                return Err(failed(
                    format!(
                        "index {name} on {on} {what}: its failed documents alone would be in it"
                    ),
                    "`mig plan` shows what is loaded into it anew",
                ));
            }
        }
    }
    Ok(uuids)
}

/// One index after the other, so that one that can't be written to keeps no other from it.
fn each_index(
    cx: &Retrying<'_>,
    spec: &BackfillSpec,
    target: &dyn Target,
    store: &dyn crate::engines::bulk::work_store::WorkStore,
    (facts, uuids): (
        &BTreeMap<String, SnapshotIndexFacts>,
        &BTreeMap<String, String>,
    ),
) -> Result<(RetryOutcome, BTreeMap<String, String>), PhaseError> {
    let place = materials::failed_place(&cx.phase.address, cx.artifacts, target)?;
    let holder = format!("{COORDINATOR}{}-retry", std::process::id());
    let view = if cx.as_kept {
        None
    } else {
        cx.connections.usable_snapshot(&spec.from.value)?
    };
    let mut sum = RetryOutcome {
        finished: true,
        ..RetryOutcome::default()
    };
    let mut problems = BTreeMap::new();
    for (name, uuid) in uuids {
        let indices: BTreeMap<_, _> = [(name.clone(), Some(uuid.clone()))].into();
        let wanted: Vec<(&str, &SnapshotIndexFacts)> = facts
            .get(name)
            .map(|it| (name.as_str(), it))
            .into_iter()
            .collect();
        let materials = view.as_ref().map(|view| {
            let none = DeltaSource::none().map_err(|error| bulk_error(&error.into()))?;
            Materials::gather(cx.plan, spec, view, target, &wanted, none)
        });
        let materials = materials.transpose()?;
        let watch = cluster::Watch::new(target, &indices);
        let stop = || common::stop(cx.interrupt);
        let options = materials::options(spec, target, place.clone(), holder.clone());
        let tried = retry::run(
            &Job {
                source: match &materials {
                    Some(materials) => &materials.source,
                    None => &NoSource,
                },
                target,
                store,
                transform: match &materials {
                    Some(materials) => materials.transform(),
                    None => &crate::engines::bulk::Identity,
                },
                crew: &Alone(spec.workers),
                part: Part::Helping,
                indices: indices.clone(),
                options,
                check: &|index| watch.check(index),
                stop: &stop,
                progress: cx.progress,
            },
            if view.is_some() {
                Again::FromSource
            } else {
                Again::AsKept
            },
        );
        let closed = take_alias_away(target, name, uuid);
        match tried {
            Ok(outcome) => add(&mut sum, outcome),
            Err(error) => {
                sum.finished = false;
                let error = bulk_error(&error);
                problems.insert(name.clone(), error.to_string());
            }
        }
        closed.map_err(|error| common::target_error(&spec.to.value, &error))?;
        if cx.interrupt.draining() {
            sum.finished = false;
            break;
        }
    }
    Ok((sum, problems))
}

/// A cluster is written to through an alias that goes with the writing.
fn take_alias_away(target: &dyn Target, index: &str, uuid: &str) -> Result<(), TargetError> {
    let Some(cluster) = target.cluster() else {
        return Ok(());
    };
    let there = target.name_there(index)?;
    match leftovers::alias(cluster, &there, uuid)? {
        Some(alias) => leftovers::remove_alias(cluster, &there, &alias),
        None => Ok(()),
    }
}

fn add(sum: &mut RetryOutcome, more: RetryOutcome) {
    sum.finished &= more.finished;
    sum.written += more.written;
    sum.newer_present += more.newer_present;
    sum.left_out += more.left_out;
    sum.failed_again += more.failed_again;
    sum.untold += more.untold;
    sum.failed += more.failed;
    for (class, count) in more.failed_by_class {
        *sum.failed_by_class.entry(class).or_default() += count;
    }
}

/// What the record says of the indices, with the counts of now; `None` where it says nothing of any of them.
fn outputs(
    cx: &Retrying<'_>,
    target: &dyn Target,
    items: &[ItemState],
    chosen: &BTreeSet<&str>,
) -> Result<Option<Value>, PhaseError> {
    let on = &spec(cx.phase)?.to.value;
    let record = common::record(cx.state, &cx.phase.address);
    let Some(mut outputs) = record.map(|it| it.outputs.clone()).filter(Value::is_object) else {
        return Ok(None);
    };
    let exact = target.capabilities().exact_parts;
    for name in chosen {
        let Some(Value::Object(index)) = outputs.pointer_mut(&format!(
            "/indices/{}",
            name.replace('~', "~0").replace('/', "~1")
        )) else {
            continue;
        };
        let of_index = || items.iter().filter(|it| it.item.key.index == *name);
        let sum = |of: fn(&ItemState) -> u64| of_index().map(of).sum::<u64>();
        index.insert("written".into(), json!(sum(|it| it.progress.written)));
        index.insert(
            "newer-present".into(),
            json!(sum(|it| it.progress.newer_present)),
        );
        index.insert("dropped".into(), json!(sum(|it| it.progress.dropped)));
        index.insert(
            "without-source".into(),
            json!(sum(|it| it.progress.skipped)),
        );
        index.insert("failed".into(), json!(sum(|it| it.progress.failed)));
        let mut dropped_by: BTreeMap<&str, u64> = BTreeMap::new();
        for (by, count) in of_index().flat_map(|it| &it.progress.dropped_by) {
            *dropped_by.entry(by).or_default() += count;
        }
        index.insert("dropped-by".into(), json!(dropped_by));
        if exact {
            let found = target.index_facts(name, 0);
            let found = found.map_err(|error| common::target_error(on, &error))?;
            index.insert("content".into(), json!(found.and_then(|it| it.content)));
        }
    }
    let place = materials::failed_place(&cx.phase.address, cx.artifacts, target)?;
    let left: u64 = items.iter().map(|it| it.progress.failed).sum();
    if let Value::Object(fields) = &mut outputs {
        if left == 0 {
            fields.remove("failed-documents");
        } else {
            let by_class = crate::engines::bulk::failed::classes(&place, items);
            let by_class = by_class.map_err(|error| bulk_error(&error))?;
            let told = json!({"count": left, "by-class": by_class, "at": place.location()});
            fields.insert("failed-documents".into(), told);
        }
    }
    Ok(Some(outputs))
}

/// What is told of a retry, in a sentence.
pub fn statement(outcome: &RetryOutcome) -> String {
    format!(
        "{} that had failed sent again: {} written, {} newer on the target, {} left out as the plan says, {} failed again",
        plural(outcome.arrived() + outcome.failed_again, "document"),
        outcome.written,
        outcome.newer_present,
        outcome.left_out,
        outcome.failed_again
    )
}
