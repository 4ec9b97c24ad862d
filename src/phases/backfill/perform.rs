//! Moves the documents, resumable at any instant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::super::common;
use super::super::existing::SnapshotView;
use super::super::kind::{PerformContext, Performed, PhaseError};
use super::super::streams;
use super::course::Course;
use super::fleet::{Fleet, stopped};
use super::ground::Ground;
use super::materials::{self, Materials};
use super::{
    bulk_error, choice, cluster, failed, generations, landed, restore, since, spec, store, way,
};
use crate::base::failpoint;
use crate::base::units::plural;
use crate::clients::target::Target;
use crate::diff::change::Action;
use crate::diff::observation::{BackfillObservation, Observation, SnapshotIndexFacts};
use crate::engines::bulk::delta::{DeltaError, DeltaSource, Limits, Pair};
use crate::engines::bulk::failed::FailedPlace;
use crate::engines::bulk::fleet::Turn;
use crate::engines::bulk::snapshot_source::ITEM_BYTES;
use crate::engines::bulk::work_store::COORDINATOR;
use crate::engines::bulk::{self, BulkError, BulkOutcome, BulkProgress, Job, Part};
use crate::plan::model::BackfillSpec;
use crate::state::model::SINCE;

pub(super) fn perform(cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
    let Observation::Backfill(observed) = cx.observation else {
        return Err(PhaseError::Stale(
            "the observation is of another kind".into(),
        ));
    };
    let spec = spec(cx.phase)?;
    let on = &spec.to.value;
    let all: BTreeMap<String, Action> = cx
        .change
        .items
        .iter()
        .filter(|item| matches!(item.action, Action::Run | Action::Replace))
        .map(|item| (item.name.clone(), item.action))
        .collect();
    if all.is_empty() {
        return Ok(Performed::Done {
            outputs: previous(cx),
            evidence: cx.change.evidence.clone(),
        });
    }
    refuse_live(cx, &*cx.connections.open_target(on)?, on)?;
    let snapshot_uuid = observed
        .snapshot_uuid
        .as_deref()
        .ok_or_else(|| PhaseError::Stale("the snapshot is not there".into()))?;
    let Some(view) = cx.connections.usable_snapshot(&spec.from.value)? else {
        return Err(PhaseError::Stale("the snapshot is not there".into()));
    };
    let target = landed(cx.connections, spec, &observed.source)?;
    let landings = streams::landings(choice(spec, observed), &observed.source);
    if target.cluster().is_some() && !landings.is_empty() {
        // What a kill left of a rollover: the template that the generation was made by.
        let made_by = cx.connections.plan_name();
        let prepared = target.prepare(made_by);
        prepared.map_err(|error| common::target_error(on, &error))?;
    }
    let stop = || common::stop(cx.interrupt);
    let (restored, chosen): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(name, action)| {
            let way = restore::at_perform(cx, spec, observed, (name, *action));
            matches!(way, restore::Way::Restore(_))
        });
    let since = observed.since.as_ref();
    let base_uuid = since.and_then(|since| since.snapshot_uuid.as_deref());
    let of_this = (cx.plan, cx.state, &cx.phase.address);
    let by_changes: BTreeSet<&str> = chosen
        .iter()
        .filter(|(name, action)| {
            since::is_by_changes(of_this, spec, observed, (name.as_str(), **action))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let whole: Vec<&str> = chosen
        .keys()
        .map(String::as_str)
        .filter(|name| since.is_some() && !by_changes.contains(name))
        .collect();
    let work = since::work_snapshot(snapshot_uuid, base_uuid);
    let store = store::open(cx, spec, &*target, (&work, &whole), &stop)?;
    let names: Vec<String> = chosen.keys().cloned().collect();
    let wanted: Vec<(&str, &SnapshotIndexFacts)> = names
        .iter()
        .filter_map(|name| Some((name.as_str(), observed.source.get(name)?)))
        .collect();
    let Some(changes) = changes(cx, spec, &view, &wanted, &by_changes)? else {
        return Ok(Performed::Interrupted);
    };
    let materials = Materials::gather(cx.plan, spec, &view, &*target, &wanted, changes)?;
    let way = way(cx.plan, spec);
    let deletes = |name: &str| {
        let found = materials.source.changes.indices().get(name);
        found.is_some_and(|found| found.deletes + found.restarts > 0)
    };
    let marks = names.iter();
    let marks = marks.filter_map(|name| {
        let facts = observed.source.get(name)?;
        Some((name.as_str(), way.mark(name, facts)?))
    });
    let marks = marks.collect();
    let failed_place = materials::failed_place(&cx.phase.address, cx.artifacts, &*target)?;
    let choice = choice(spec, observed);
    // Tells processes of several machines apart, too.
    let id = format!(
        "{COORDINATOR}{}-{}",
        std::process::id(),
        uuid::Uuid::new_v4().simple()
    );
    let fleet = Fleet::join(cx, spec, &*target, &id)?;
    let docs = names.iter().map(|name| observed.source.get(name)?.docs);
    let course = Course::new(cx, docs.sum());
    let mut outcome = BulkOutcome {
        finished: true,
        ..BulkOutcome::default()
    };
    let mut uuids = BTreeMap::new();
    let ground = Ground {
        cx,
        target: &*target,
        store: &*store,
        on,
        spec,
        snapshot_uuid,
        landings: &landings,
        marks: &marks,
        source: &observed.source,
        choice,
        changes: &by_changes,
        since: base_uuid,
    };
    let restored = match target.cluster() {
        Some(cluster) => {
            let restores = restore::Restores {
                ground: &ground,
                view: &view,
                cluster,
                fleet: &fleet,
            };
            restores.run(&restored)?
        }
        None => restore::Restored::default(),
    };
    if restored.stopped {
        return match fleet.stopped_by() {
            Some(by) => Err(restore::stopped(&cx.phase.address, &by, &restored)),
            None => Ok(Performed::Interrupted),
        };
    }
    let began = Instant::now();
    for turn in generations::turns(&chosen, &landings) {
        let mut indices = BTreeMap::new();
        for (name, action) in &turn {
            if cx.interrupt.draining() {
                return Ok(Performed::Interrupted);
            }
            let uuid = ground.prepare(name, *action)?;
            indices.insert(name.clone(), Some(uuid));
        }
        cluster::tune(cx, spec, &*target, &indices, &deletes)?;
        // Before workers hear of them.
        bulk::register(&materials.source, &*store, &indices).map_err(|error| bulk_error(&error))?;
        fleet.give_out(Turn::Loading, &indices)?;
        let watch = cluster::Watch::new(&*target, &indices);
        let check = |index: &str| watch.check(index);
        let progress = |now: BulkProgress| course.tell(&now, fleet.paused_by());
        let stop = || fleet.stop(common::stop(cx.interrupt));
        let mut options = materials::options(spec, &*target, failed_place.clone(), id.clone());
        let layer = cx.plan.depth_of(spec).unwrap_or(1);
        options.layers = by_changes
            .iter()
            .map(|name| ((*name).to_owned(), layer))
            .collect();
        options.meter = cx.meters.of(&cx.phase.address);
        options.max_failed = Some(spec.max_failed.saturating_sub(outcome.failed()));
        let loaded = bulk::run(&Job {
            source: &materials.source,
            target: &*target,
            store: &*store,
            transform: materials.transform(),
            crew: fleet.crew(),
            part: Part::Whole,
            indices: indices.clone(),
            options,
            check: &check,
            stop: &stop,
            progress: &progress,
        });
        failpoint::hit("backfill.loaded");
        let turned = fleet.turned();
        let restored = cluster::restore(on, &*target, indices.keys());
        let loaded = loaded.map_err(|error| view.or_vanished(bulk_error(&error)))?;
        restored?;
        turned?;
        let count = loaded.items_set_aside();
        if count > 0 {
            let items = loaded.set_aside;
            return Err(view.or_vanished(bulk_error(&BulkError::SetAside { count, items })));
        }
        course.turned(&loaded);
        uuids.extend(indices);
        outcome.add(loaded);
        if !outcome.finished || outcome.too_many_failed {
            break;
        }
    }
    if let Some(by) = fleet.stopped_by() {
        return Err(stopped(&cx.phase.address, &by));
    }
    if outcome.finished {
        fleet.give_out(Turn::Done, &BTreeMap::new())?;
        fleet.hear_last_words(&|| cx.interrupt.draining());
        course.tell_again();
    }
    let indices = uuids;
    let read = course.read();
    let measured = json!({
        "bytes": read,
        "millis": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    let outputs = outputs(
        cx,
        &*target,
        spec,
        snapshot_uuid,
        (&outcome, &restored),
        &indices,
        (base_uuid, &by_changes),
        (&measured, &failed_place),
    )?;
    let failed_docs = outcome.failed();
    if failed_docs > spec.max_failed || outcome.too_many_failed {
        return Ok(Performed::Partial {
            reason: format!(
                "{} could not be written and the plan tolerates {}{}: see {}",
                plural(failed_docs, "document"),
                spec.max_failed,
                by_class(&outcome),
                failed_place.location()
            ),
            outputs,
        });
    }
    if !outcome.finished {
        return Ok(Performed::Interrupted);
    }
    let mut evidence: Vec<String> = restored.statement(on.as_str()).into_iter().collect();
    if !chosen.is_empty() {
        evidence.push(match &spec.since {
            Some(since) if !by_changes.is_empty() => {
                statement_of_changes(on.as_str(), since.value.as_str(), &outcome)
            }
            _ => statement(on.as_str(), &outcome),
        });
    }
    if outcome.cpu_unknown {
        evidence.push(format!(
            "`limits.target-cpu` was of no effect: {on} does not say how busy its processors are"
        ));
    }
    evidence.extend(without_shards(observed, names.iter().map(String::as_str)));
    Ok(Performed::Done { evidence, outputs })
}

/// The changes of the indices that are loaded by them. `None`: asked to stop.
fn changes(
    cx: &PerformContext<'_>,
    spec: &BackfillSpec,
    later: &SnapshotView,
    wanted: &[(&str, &SnapshotIndexFacts)],
    by_changes: &BTreeSet<&str>,
) -> Result<Option<DeltaSource>, PhaseError> {
    let base = match &spec.since {
        Some(since) if !by_changes.is_empty() => {
            let base = cx.connections.usable_snapshot(&since.value)?;
            let gone = || PhaseError::Stale(format!("the snapshot `{}` is not there", since.value));
            Some(base.ok_or_else(gone)?)
        }
        _ => None,
    };
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for (name, facts) in wanted.iter().filter(|(name, _)| by_changes.contains(name)) {
        let pair = base
            .as_ref()
            .and_then(|base| since::pair(spec, (base, later), name, facts));
        let missing = || PhaseError::Stale(format!("index {name} is not in both snapshots"));
        pairs.push(pair.ok_or_else(missing)?);
    }
    let stop = || common::stop(cx.interrupt);
    let workers = spec.workers.min(bulk::limits::WORKERS);
    match DeltaSource::open(&pairs, ITEM_BYTES, workers, &Limits::default(), &stop) {
        Ok(found) => Ok(Some(found)),
        Err(DeltaError::Stopped) => Ok(None),
        Err(DeltaError::Source(error)) => {
            let error = bulk_error(&error.into());
            let vanished = base.and_then(|base| base.vanished());
            Err(vanished.unwrap_or_else(|| later.or_vanished(error)))
        }
    }
}

/// ` (3 of mapper_parsing_exception)`: what refused documents, the most frequent first.
fn by_class(outcome: &BulkOutcome) -> String {
    let mut classes: Vec<(&str, u64)> = outcome
        .failed_by_class
        .iter()
        .map(|(class, count)| (class.as_str(), *count))
        .collect();
    classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let texts: Vec<String> = classes
        .iter()
        .map(|(class, count)| format!("{} of {class}", crate::base::units::human_count(*count)))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    if texts.is_empty() {
        String::new()
    } else {
        format!(" ({})", common::few(&texts))
    }
}

fn statement_of_changes(on: &str, since: &str, outcome: &BulkOutcome) -> String {
    let sum = |count: fn(&bulk::IndexOutcome) -> u64| {
        let sum = outcome.indices.values().map(count).sum::<u64>();
        crate::base::units::human_count(sum)
    };
    format!(
        "{} written to {on} and {} deleted there, {} left since what is there is newer, {} left out as the plan says, {} failed: what \
         changed in {} since `{since}`, each change as often as the two snapshots have it",
        sum(|index| index.written),
        sum(|index| index.deleted),
        sum(|index| index.newer_present),
        sum(|index| index.dropped + index.skipped),
        sum(|index| index.failed),
        common::indices(outcome.indices.len()),
    )
}

fn statement(on: &str, outcome: &BulkOutcome) -> String {
    let sum =
        |count: fn(&bulk::IndexOutcome) -> u64| outcome.indices.values().map(count).sum::<u64>();
    let written = sum(|index| index.written);
    // Documents of other mapping types are another index's.
    let delivered = sum(|index| index.delivered - index.elsewhere);
    let by_transforms = |index: &bulk::IndexOutcome| index.dropped_by.values().sum::<u64>();
    let by_plan = |index: &bulk::IndexOutcome| index.dropped.saturating_sub(by_transforms(index));
    let dropped = match outcome.indices.values().map(by_plan).sum::<u64>() {
        0 => String::new(),
        dropped => format!(
            ", {} left out as the plan says",
            crate::base::units::human_count(dropped)
        ),
    };
    // Segments written before Elasticsearch 6 have no second count of roots.
    let counted = if outcome.indices.values().all(|it| it.expected.is_some()) {
        "as many as the snapshot's own bitmaps count"
    } else {
        "each that its segments hold"
    };
    let failed = sum(|index| index.failed);
    let mut left_out: BTreeMap<&str, u64> = BTreeMap::new();
    for (by, count) in outcome.indices.values().flat_map(|it| &it.dropped_by) {
        *left_out.entry(by).or_default() += count;
    }
    let left_out = left_out
        .into_iter()
        .fold(String::new(), |text, (by, count)| {
            let count = crate::base::units::human_count(count);
            text + &format!(", {count} left out by transform {by}")
        });
    let skipped = match sum(|index| index.skipped) {
        0 => String::new(),
        skipped => format!(
            ", {} left out without a _source as the plan says",
            crate::base::units::human_count(skipped)
        ),
    };
    format!(
        "{} of {} of {} written to {on}, {failed} failed{skipped}{dropped}{left_out}; {counted}",
        crate::base::units::human_count(written),
        plural(delivered, "document"),
        common::indices(outcome.indices.len()),
    )
}

/// What the snapshot lacks of the indices, a statement a shard.
fn without_shards<'a>(
    observed: &'a BackfillObservation,
    names: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    names
        .filter_map(|name| Some((name, observed.source.get(name)?)))
        .flat_map(|(name, facts)| facts.missing_shards.iter().map(move |it| (name, it)))
        .map(|(name, missing)| {
            format!(
                "shard {} of {name} is not in the snapshot and its documents are not moved: {}",
                missing.shard, missing.reason
            )
        })
        .collect()
}

/// What an earlier run recorded.
fn previous(cx: &PerformContext<'_>) -> Value {
    common::record(cx.state, &cx.phase.address)
        .map(|record| record.outputs.clone())
        .filter(|outputs| !outputs.is_null())
        .unwrap_or_else(|| json!({}))
}

#[allow(clippy::too_many_arguments, reason = "each of another kind")]
fn outputs(
    cx: &PerformContext<'_>,
    target: &dyn Target,
    spec: &BackfillSpec,
    snapshot_uuid: &str,
    (outcome, restored): (&BulkOutcome, &restore::Restored),
    uuids: &BTreeMap<String, Option<String>>,
    (since, by_changes): (Option<&str>, &BTreeSet<&str>),
    (measured, failed_place): (&Value, &FailedPlace),
) -> Result<Value, PhaseError> {
    let mut indices: Map<String, Value> = match previous(cx).get("indices") {
        Some(Value::Object(indices)) => indices.clone(),
        _ => Map::new(),
    };
    indices.extend(restored.outputs.clone());
    let finished = outcome.finished && !outcome.too_many_failed;
    let exact = target.capabilities().exact_parts;
    for (name, index) in &outcome.indices {
        let done = index.items_done == index.items;
        if !(finished || done) {
            indices.remove(name);
            continue;
        }
        let facts = target
            .index_facts(name, index.written)
            .map_err(|error| common::target_error(&spec.to.value, &error))?;
        indices.insert(
            name.clone(),
            json!({
                "snapshot-uuid": snapshot_uuid,
                "target-uuid": uuids.get(name),
                "expected": index.expected,
                "written": index.written,
                "newer-present": index.newer_present,
                "deleted": index.deleted,
                SINCE: since.filter(|_| by_changes.contains(name.as_str())),
                "dropped": index.dropped,
                "elsewhere": index.elsewhere,
                "dropped-by": index.dropped_by,
                "without-source": index.skipped,
                "failed": index.failed,
                // A cluster is its users' too: what they write later stands, so nothing is held against it.
                "content": facts.filter(|_| exact).and_then(|facts| facts.content),
            }),
        );
    }
    let mut outputs = json!({
        "snapshot-uuid": snapshot_uuid,
        "indices": indices,
        "measured": measured,
    });
    if !restored.outputs.is_empty()
        && let Value::Object(fields) = &mut outputs
    {
        fields.insert(
            "restored".into(),
            json!({"indices": restored.outputs.len(), "docs": restored.docs, "bytes": restored.bytes, "millis": restored.millis}),
        );
    }
    if outcome.failed() > 0
        && let Value::Object(fields) = &mut outputs
    {
        let at = failed_place.location();
        fields.insert(
            "failed-documents".into(),
            json!({"count": outcome.failed(), "by-class": outcome.failed_by_class, "at": at}),
        );
    }
    Ok(outputs)
}

fn refuse_live(
    cx: &PerformContext<'_>,
    target: &dyn Target,
    on: &crate::base::Address,
) -> Result<(), PhaseError> {
    let mark = target
        .live()
        .map_err(|error| common::target_error(on, &error))?;
    if mark.is_some() || cx.state.live_targets.contains_key(on) {
        return Err(failed(
            format!("{on} is live: no phase writes documents there any more"),
            "give another target",
        ));
    }
    Ok(())
}
