//! A backfill that builds upon another one (`since`): what changed, index by index, and what becomes of each.
//!
//! What can't be told apart for certain is moved whole, with its reason: the index as it is on the target is emptied and written
//! from the later snapshot. That is also what `--redo` and `on-drift: mend` do, since only the whole mends a target that is not
//! what it was.
//!
//! The load below is up to date from the moment that one upon it announced its first write: what the target holds then is no
//! longer its snapshot, and its proof stands. Deliberately absent: finding the changes (`bulk::delta`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::common;
use super::super::connections::Connections;
use super::super::existing::SnapshotView;
use super::super::kind::{DecideContext, ObserveContext, PhaseError};
use super::super::transforms::{self, Names};
use super::super::types::scan::{READ_BYTES_MAX, READ_DOCS_MAX};
use super::super::{streams, types};
use super::fate::{Fate, fate as ordinary, snapshot_anew, written_to};
use super::{generations, way};
use crate::base::units::{human_bytes, human_count, plural};
use crate::base::version::ProductVersion;
use crate::base::{Address, Fingerprint};
use crate::diff::change::{Action, Item};
use crate::diff::observation::{
    BackfillObservation, ChangeFacts, Changes, SinceObservation, SnapshotIndexFacts,
    TargetIndexFacts,
};
use crate::engines::bulk::delta::{Outlook, Pair, Reason, outlook};
use crate::engines::bulk::snapshot_source::Wanted;
use crate::engines::bulk::{Beside, SourceRule};
use crate::plan::codes::planning::DATA_STREAM;
use crate::plan::model::{BackfillSpec, Plan, WithoutSource};
use crate::state::model::{SINCE, SideEffect, State};

/// The identity of the snapshots of a load: of both where it builds upon one.
pub(super) fn work_snapshot(later: &str, base: Option<&str>) -> String {
    match base {
        Some(base) => format!("{later}{BETWEEN}{base}"),
        None => later.to_owned(),
    }
}

const BETWEEN: &str = " since ";

/// The two snapshots of such an identity.
pub fn snapshots_of_work(identity: &str) -> (&str, Option<&str>) {
    match identity.split_once(BETWEEN) {
        Some((later, base)) => (later, Some(base)),
        None => (identity, None),
    }
}

/// The uuid of the snapshot that a load builds upon, where there is one.
pub(super) fn base_uuid(
    connections: &Connections,
    spec: &BackfillSpec,
) -> Result<Option<String>, PhaseError> {
    let Some(since) = &spec.since else {
        return Ok(None);
    };
    let base = connections.usable_snapshot(&since.value)?;
    Ok(base.and_then(|base| base.facts.as_ref().map(|facts| facts.uuid.clone())))
}

/// What changed since the base, as far as it can be told; nothing for a backfill without `since`.
pub(super) fn observe(
    cx: &ObserveContext<'_>,
    spec: &BackfillSpec,
    (source, target): (
        &BTreeMap<String, SnapshotIndexFacts>,
        &BTreeMap<String, TargetIndexFacts>,
    ),
    version: ProductVersion,
) -> Result<Option<SinceObservation>, PhaseError> {
    let Some(since) = &spec.since else {
        return Ok(None);
    };
    let mut observed = SinceObservation::default();
    let later = cx.connections.usable_snapshot(&spec.from.value)?;
    let base = cx.connections.usable_snapshot(&since.value)?;
    observed.snapshot_uuid = base_uuid(cx.connections, spec)?;
    if let (Some(base), Some(later)) = (&base, &later) {
        let known = base.facts.iter().flat_map(|facts| facts.indices.keys());
        let gone = known.filter(|index| {
            later.owner(index).is_none()
                && spec.indices.matches(index)
                && cx.plan.base_of(spec, index).is_some()
        });
        observed.gone = gone.cloned().collect();
    }
    let loaded = cx
        .plan
        .bases_of(spec)
        .any(|(base, _)| common::done(cx.state, base).is_some());
    for (index, facts) in source {
        let last = last_write(cx.state, &cx.phase.address, &spec.to.value, index);
        let begun = last.filter(|_| {
            let base = cx.plan.base_of(spec, types::of(index, facts));
            let left = base
                .zip(target.get(index))
                .is_some_and(|((base, _), found)| {
                    as_base_left(cx.state, (base, &cx.phase.address), index, found)
                });
            !left
        });
        let changes = match (&base, &later) {
            (None, _) if loaded => Some(Changes::Whole {
                reason: format!("the snapshot `{}` can't be read any more", since.value),
            }),
            (None, _) | (_, None) => None,
            (Some(base), Some(later)) => {
                let known = (index.as_str(), facts, begun.is_some());
                Some(changes(cx, spec, (base, later), known, version)?)
            }
        };
        if let Some(changes) = changes {
            observed.indices.insert(index.clone(), changes);
        }
    }
    Ok(Some(observed))
}

fn changes(
    cx: &ObserveContext<'_>,
    spec: &BackfillSpec,
    (base, later): (&SnapshotView, &SnapshotView),
    (index, facts, begun): (&str, &SnapshotIndexFacts, bool),
    version: ProductVersion,
) -> Result<Changes, PhaseError> {
    let of = types::of(index, facts);
    let of_base = base.facts.as_ref().and_then(|facts| facts.indices.get(of));
    let (Some(of_base), Some((_, base_spec))) = (of_base, cx.plan.base_of(spec, of)) else {
        return Ok(Changes::New);
    };
    let names = |spec: &BackfillSpec| {
        let choice = streams::choice(spec.data_streams, version);
        transforms::identity(spec, &Names::of(choice, index, facts))
    };
    if names(spec) != names(base_spec) || spec.without_source != base_spec.without_source {
        let reason = "its documents are transformed otherwise than the base's were".into();
        return Ok(Changes::Whole { reason });
    }
    if let Some(reason) = whole(cx.plan, spec, (of_base, facts), index) {
        return Ok(Changes::Whole { reason });
    }
    let Some(pair) = pair(spec, (base, later), index, facts) else {
        return Ok(Changes::New);
    };
    // Of what is written already nobody asks how much it is.
    let most = if begun {
        (0, 0)
    } else {
        (READ_BYTES_MAX, READ_DOCS_MAX)
    };
    let found = outlook(&pair, facts.shards, most);
    let found = found.map_err(|error| {
        later.or_vanished(base.or_vanished(super::failed(
            error.to_string(),
            "check both snapshots, or leave `since` out",
        )))
    })?;
    Ok(match found {
        Err(Reason::NoVersion) => Changes::Whole {
            reason: "documents without a version can't be told apart".into(),
        },
        Ok(outlook) if outlook.writes_max + outlook.deletes_max == 0 => Changes::Same,
        Ok(outlook) => Changes::Some(facts_of(&outlook, facts.bytes)),
    })
}

fn facts_of(outlook: &Outlook, whole_bytes: u64) -> ChangeFacts {
    let exact = outlook.exact;
    ChangeFacts {
        shared: outlook.shared,
        replaced: outlook.replaced,
        writes: exact.map_or(outlook.writes_max, |exact| exact.writes),
        deletes: exact.map_or(outlook.deletes_max, |exact| exact.deletes),
        exact: exact.is_some(),
        bytes: exact.map_or(outlook.bytes_max, |exact| exact.bytes),
        whole_bytes,
    }
}

/// Why an index that both snapshots hold is moved whole.
fn whole(
    plan: &Plan,
    spec: &BackfillSpec,
    (base, later): (&SnapshotIndexFacts, &SnapshotIndexFacts),
    index: &str,
) -> Option<String> {
    if base.uuid != later.uuid {
        return Some("it was made anew at the source".into());
    }
    if base.shards != later.shards {
        return Some(format!(
            "it had {} and has {} now",
            plural(u64::from(base.shards), "shard"),
            later.shards
        ));
    }
    if let Some(missing) = base
        .missing_shards
        .iter()
        .chain(&later.missing_shards)
        .next()
    {
        return Some(format!("shard {} is not in both snapshots", missing.shard));
    }
    if !base.unreadable.is_empty() {
        return Some("not all of it can be read in the base's snapshot".into());
    }
    if later.source_gap.is_some() && spec.without_source == WithoutSource::Reconstruct {
        return Some(
            "its sources are made again, which may differ from snapshot to snapshot".into(),
        );
    }
    let route = way(plan, spec).route(index, later);
    if route.is_some_and(|route| !route.keeps_documents()) {
        return Some("its mapping types are taken apart or together".into());
    }
    None
}

/// An index in both snapshots.
pub(super) fn pair<'a>(
    spec: &BackfillSpec,
    (base, later): (&'a SnapshotView, &'a SnapshotView),
    index: &'a str,
    facts: &'a SnapshotIndexFacts,
) -> Option<Pair<'a>> {
    let of = types::of(index, facts);
    let rule = SourceRule::of(facts.source_gap.as_ref(), spec.without_source);
    let wanted = |view: &'a SnapshotView| {
        Some(Wanted {
            snapshot: view.owner(of)?,
            index: of,
            rule,
            without_shards: &[],
            beside: Beside::NOTHING,
        })
    };
    Some(Pair {
        base: wanted(base)?,
        later: wanted(later)?,
    })
}

/// The last announcement of a phase to write documents of an index.
fn last_write<'a>(
    state: &'a State,
    phase: &Address,
    to: &Address,
    index: &str,
) -> Option<&'a SideEffect> {
    let effects = &common::record(state, phase)?.effects;
    effects
        .iter()
        .rev()
        .find(|effect| effect.on == *to && effect.what == "write-documents" && effect.name == index)
}

/// Identity of what a phase left in an index of a directory.
fn content_left(state: &State, phase: &Address, index: &str) -> Option<Fingerprint> {
    let outputs = &common::record(state, phase)?.outputs;
    let content = outputs.get("indices")?.get(index)?.get("content")?;
    serde_json::from_value(content.clone()).ok()
}

/// Whether the target holds what the base left there, and nothing of a phase upon it any more. Only a directory can tell.
fn as_base_left(
    state: &State,
    (base, delta): (&Address, &Address),
    index: &str,
    found: &TargetIndexFacts,
) -> bool {
    found.content.is_some()
        && content_left(state, base, index) == found.content
        && content_left(state, delta, index) != found.content
}

/// The phase upon a load that wrote into an index since: what stands there is no longer what the load left.
pub(in super::super) fn taken_over<'a>(
    plan: &'a Plan,
    state: &State,
    (phase, spec): (&Address, &'a BackfillSpec),
    index: &str,
    found: &TargetIndexFacts,
) -> Option<&'a Address> {
    let to = &spec.to.value;
    plan.deltas_upon(spec)
        .map(|(delta, _)| delta)
        .find(|delta| {
            written_to(state, delta, to, index) == Some(&found.uuid)
                && !as_base_left(state, (phase, delta), index, found)
        })
}

/// Whether an index is loaded by its changes alone, rather than whole.
pub(super) fn is_by_changes(
    (plan, state, phase): (&Plan, &State, &Address),
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    (index, action): (&str, Action),
) -> bool {
    let Some(since) = observed.since.as_ref().filter(|_| action == Action::Run) else {
        return false;
    };
    let Some(facts) = observed.source.get(index) else {
        return false;
    };
    let Some((base, _)) = plan.base_of(spec, types::of(index, facts)) else {
        return false;
    };
    match since.indices.get(index) {
        None | Some(Changes::New | Changes::Whole { .. }) => false,
        Some(Changes::Same | Changes::Some(_)) => {
            let Some(found) = observed.target.get(index) else {
                return true;
            };
            let last = last_write(state, phase, &spec.to.value, index)
                .filter(|last| common::text(&last.detail, "/target-uuid") == Some(&found.uuid));
            as_base_left(state, (base, phase), index, found)
                || last.is_none_or(|last| last.detail.get(SINCE).is_some())
        }
    }
}

/// Whether nothing of this phase stands in an index yet, so that progress that is noted for it is of another one.
pub(super) fn is_fresh(
    (plan, state, phase): (&Plan, &State, &Address),
    spec: &BackfillSpec,
    (index, facts): (&str, &SnapshotIndexFacts),
    found: &TargetIndexFacts,
) -> bool {
    let base = plan.base_of(spec, types::of(index, facts));
    base.is_some_and(|(base, _)| as_base_left(state, (base, phase), index, found))
        || written_to(state, phase, &spec.to.value, index) != Some(&found.uuid)
}

/// What becomes of an index. Pure.
pub(super) fn fate(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    index: &str,
    facts: &SnapshotIndexFacts,
) -> Fate {
    let base = cx.plan.base_of(spec, types::of(index, facts));
    let changes = observed
        .since
        .as_ref()
        .and_then(|since| since.indices.get(index));
    let (Some((base, base_spec)), false) = (base, matches!(changes, Some(Changes::New))) else {
        return ordinary(cx, spec, observed, index, facts);
    };
    let written_below = pending_item(cx, base, index);
    let Some(found) = observed.target.get(index) else {
        return match changes {
            _ if !written_below => ordinary(cx, spec, observed, index, facts),
            Some(changes) if nothing_in(changes) => Fate::Unchanged,
            Some(Changes::Whole { reason }) => Fate::Whole(reason.clone()),
            _ => Fate::Write,
        };
    };
    if generations::of(spec, observed, facts).is_some()
        && !matches!(changes, None | Some(Changes::Same))
    {
        return Fate::ChangedStream;
    }
    let of_this = (cx.plan, cx.state, &cx.phase.address);
    if !written_below && !is_fresh(of_this, spec, (index, facts), found) {
        if let Some(Changes::Whole { reason }) = changes
            && !snapshot_anew(cx, spec)
            && last_write(cx.state, &cx.phase.address, &spec.to.value, index)
                .is_some_and(|last| last.detail.get(SINCE).is_some())
        {
            // Only if there is something left to do by it.
            return match ordinary(cx, spec, observed, index, facts) {
                Fate::Resume | Fate::Write => Fate::Whole(reason.clone()),
                other => other,
            };
        }
        return ordinary(cx, spec, observed, index, facts);
    }
    match changes {
        Some(Changes::Whole { reason }) => return Fate::Whole(reason.clone()),
        Some(changes) if nothing_in(changes) && written_below => return Fate::Unchanged,
        _ if written_below || observed.snapshot_uuid.is_none() => return Fate::Write,
        _ => {}
    }
    if !stands(cx, (base, base_spec), index, found) {
        return Fate::WithoutBase(base.clone());
    }
    match changes {
        Some(changes) if nothing_in(changes) => Fate::Unchanged,
        _ => Fate::Write,
    }
}

fn nothing_in(changes: &Changes) -> bool {
    match changes {
        Changes::Same => true,
        Changes::Some(facts) => facts.exact && facts.writes + facts.deletes == 0,
        Changes::New | Changes::Whole { .. } => false,
    }
}

/// Whether an earlier phase writes the index in the same apply.
fn pending_item(cx: &DecideContext<'_>, phase: &Address, index: &str) -> bool {
    let mut earlier = cx.earlier.iter();
    earlier
        .find(|change| change.address == *phase)
        .is_some_and(|change| {
            common::is_pending(cx, change)
                && change.items.iter().any(|item| {
                    item.name == index && matches!(item.action, Action::Run | Action::Replace)
                })
        })
}

/// Whether the documents that a load is to build upon stand in this very index.
fn stands(
    cx: &DecideContext<'_>,
    (base, spec): (&Address, &BackfillSpec),
    index: &str,
    found: &TargetIndexFacts,
) -> bool {
    let recorded = || -> Option<&Value> {
        let outputs = &common::record(cx.state, base)?.outputs;
        outputs.get("indices")?.get(index)
    };
    let here = |uuid: Option<&str>| uuid.is_none_or(|uuid| uuid == found.uuid);
    if recorded().is_some_and(|it| here(common::text(it, "/target-uuid"))) {
        return true;
    }
    let proved = cx.plan.phases.values().any(|phase| match &phase.spec {
        crate::plan::model::PhaseSpec::Verify(verify) => {
            verify.target.value == spec.to.value
                && verify.source.value == spec.from.value
                && common::record(cx.state, &phase.address).is_some_and(|record| {
                    let proved = record.outputs.get("proved").and_then(|it| it.get(index));
                    proved.is_some_and(|it| here(common::text(it, "/target-uuid")))
                })
        }
        _ => false,
    });
    // One that did not change between two loads was written by none of them but the first.
    proved
        || cx
            .plan
            .bases_of(spec)
            .any(|below| cx.plan.depth_of(spec).is_some() && stands(cx, below, index, found))
}

/// What is said of an index whose changes are moved.
pub(super) fn note(observed: &BackfillObservation, index: &str) -> Option<String> {
    let since = observed.since.as_ref()?;
    let facts = match since.indices.get(index) {
        Some(Changes::Some(facts)) => facts,
        Some(Changes::New) => return Some("the base does not have it".into()),
        Some(Changes::Same | Changes::Whole { .. }) => return None,
        None => return Some("what changed is known once both snapshots are there".into()),
    };
    let most = if facts.exact { "" } else { "at most " };
    Some(format!(
        "{most}{} to write, {} to delete; {} shared, {} replaced; {} to read, {} whole",
        human_count(facts.writes),
        human_count(facts.deletes),
        plural(facts.shared, "segment"),
        human_count(facts.replaced),
        human_bytes(facts.bytes),
        human_bytes(facts.whole_bytes),
    ))
}

/// What an index costs that is moved by its changes: documents to write, to delete, bytes to read.
pub(super) fn cost(observed: &BackfillObservation, index: &str) -> Option<(Option<u64>, u64, u64)> {
    match observed.since.as_ref()?.indices.get(index)? {
        Changes::Some(facts) => Some((Some(facts.writes), facts.deletes, facts.bytes)),
        Changes::Same => Some((Some(0), 0, 0)),
        _ => None,
    }
}

/// What is asked of an index that can't be moved by its changes, nor whole.
pub(super) fn question(
    spec: &BackfillSpec,
    name: &str,
    facts: &SnapshotIndexFacts,
) -> Option<Item> {
    let stream = facts.data_stream.as_deref()?;
    Some(common::question(
        "index",
        name,
        &DATA_STREAM.to_string(),
        format!(
            "{name} of data stream {stream} changed, and what changes in a stream on {} can't be written into a generation. How is it to \
             be taken?",
            spec.to.value
        ),
        vec![
            "data-streams: indices   # of the metadata phase and of the base's backfill, too"
                .to_owned(),
            format!("indices: [\"*\", \"!{stream}\"]"),
        ],
    ))
}
