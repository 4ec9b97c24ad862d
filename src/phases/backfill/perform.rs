//! Moves the documents, resumable at any instant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::super::common;
use super::super::kind::{PerformContext, Performed, PhaseError, Progress};
use super::super::streams;
use super::fate::written_to;
use super::{choice, cluster, generations, landed, spec, store, work_error};
use crate::base::units::plural;
use crate::base::{Address, failpoint};
use crate::clients::target::{Landing, Target, WorkPlace};
use crate::diff::change::Action;
use crate::diff::observation::{BackfillObservation, Observation, TargetIndexFacts};
use crate::engines::bulk::work_store::WorkStore;
use crate::engines::bulk::{
    self, BulkError, BulkOutcome, BulkProgress, Identity, Job, Options, Rates,
};
use crate::plan::model::{BackfillSpec, Versions};
use crate::state::model::REMOVE_DOCUMENTS;

fn failed(message: String, help: &str) -> PhaseError {
    PhaseError::Failed {
        message,
        help: Some(help.to_owned()),
    }
}

pub(super) fn perform(cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
    let Observation::Backfill(observed) = cx.observation else {
        return Err(PhaseError::Stale(
            "the observation is of another kind".into(),
        ));
    };
    let spec = spec(cx.phase)?;
    let on = &spec.to.value;
    let chosen: BTreeMap<String, Action> = cx
        .change
        .items
        .iter()
        .filter(|item| matches!(item.action, Action::Run | Action::Replace))
        .map(|item| (item.name.clone(), item.action))
        .collect();
    if chosen.is_empty() {
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
    let stop = || common::stop(cx.interrupt);
    let store = store::open(cx, spec, &*target, snapshot_uuid, &stop)?;
    let names: Vec<String> = chosen.keys().cloned().collect();
    let source = view.source(&names, &|_| spec.without_source)?;
    let failed_folder = failed_folder(cx, &*target)?;
    let began = Instant::now();
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
        snapshot_uuid,
        landings: &landings,
    };
    for turn in generations::turns(&chosen, &landings) {
        let mut indices = BTreeMap::new();
        for (name, action) in &turn {
            if cx.interrupt.draining() {
                return Ok(Performed::Interrupted);
            }
            let uuid = ground.prepare(name, *action)?;
            indices.insert(name.clone(), Some(uuid));
        }
        cluster::tune(cx, spec, &*target, &indices)?;
        let watch = cluster::Watch::new(&*target, &indices);
        let check = |index: &str| watch.check(index);
        let progress = |now: BulkProgress| course.tell(&now);
        let mut options = options(spec, &*target, &failed_folder);
        options.max_failed = Some(spec.max_failed.saturating_sub(outcome.failed()));
        let loaded = bulk::run(&Job {
            source: &source,
            target: &*target,
            store: &*store,
            transform: &Identity,
            indices: indices.clone(),
            options,
            check: &check,
            stop: &stop,
            progress: &progress,
        });
        failpoint::hit("backfill.loaded");
        let restored = cluster::restore(on, &*target, indices.keys());
        let loaded = loaded.map_err(|error| view.or_vanished(bulk_error(&error)))?;
        restored?;
        course.turned(&loaded);
        uuids.extend(indices);
        outcome.add(loaded);
        if !outcome.finished || outcome.too_many_failed {
            break;
        }
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
        &outcome,
        &indices,
        (&measured, &failed_folder),
    )?;
    let failed_docs = outcome.failed();
    if failed_docs > spec.max_failed || outcome.too_many_failed {
        return Ok(Performed::Partial {
            reason: format!(
                "{} could not be written and the plan tolerates {}{}: see {}",
                plural(failed_docs, "document"),
                spec.max_failed,
                by_class(&outcome),
                failed_folder.display()
            ),
            outputs,
        });
    }
    if !outcome.finished {
        return Ok(Performed::Interrupted);
    }
    let mut evidence = vec![statement(on.as_str(), &outcome)];
    evidence.extend(without_shards(observed, names.iter().map(String::as_str)));
    Ok(Performed::Done { evidence, outputs })
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

fn statement(on: &str, outcome: &BulkOutcome) -> String {
    let sum =
        |count: fn(&bulk::IndexOutcome) -> u64| outcome.indices.values().map(count).sum::<u64>();
    let written = sum(|index| index.written);
    let delivered = sum(|index| index.delivered);
    let failed = sum(|index| index.failed);
    let skipped = match sum(|index| index.skipped) {
        0 => String::new(),
        skipped => format!(
            ", {} left out without a _source as the plan says",
            crate::base::units::human_count(skipped)
        ),
    };
    format!(
        "{} of {} of {} written to {on}, {failed} failed{skipped}; as many as the snapshot's own bitmaps count",
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

fn outputs(
    cx: &PerformContext<'_>,
    target: &dyn Target,
    spec: &BackfillSpec,
    snapshot_uuid: &str,
    outcome: &BulkOutcome,
    uuids: &BTreeMap<String, Option<String>>,
    (measured, failed_folder): (&Value, &Path),
) -> Result<Value, PhaseError> {
    let mut indices: Map<String, Value> = match previous(cx).get("indices") {
        Some(Value::Object(indices)) => indices.clone(),
        _ => Map::new(),
    };
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
                "dropped": index.dropped,
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
    if outcome.failed() > 0
        && let Value::Object(fields) = &mut outputs
    {
        let at = failed_folder.display().to_string();
        fields.insert(
            "failed-documents".into(),
            json!({"count": outcome.failed(), "by-class": outcome.failed_by_class, "at": at}),
        );
    }
    Ok(outputs)
}

/// Where the failed documents are: beside the documents of a directory; of a cluster, beside the state.
fn failed_folder(cx: &PerformContext<'_>, target: &dyn Target) -> Result<PathBuf, PhaseError> {
    let place = match target.work_place() {
        WorkPlace::Directory(place) => place,
        WorkPlace::Index(_) => cx
            .artifacts
            .scratch()
            .map_err(|error| failed(error.to_string(), &error.help()))?,
    };
    let folder = place.join("failed");
    Ok(folder.join(file_name(cx.phase.address.as_str())))
}

/// Where indices are loaded to.
struct Ground<'a> {
    cx: &'a PerformContext<'a>,
    target: &'a dyn Target,
    store: &'a dyn WorkStore,
    on: &'a Address,
    snapshot_uuid: &'a str,
    landings: &'a BTreeMap<String, Landing>,
}

impl Ground<'_> {
    /// Announces what will be written into an index, and removes first what is to be written anew; says which index it is.
    fn prepare(&self, name: &str, action: Action) -> Result<String, PhaseError> {
        let Self { cx, target, on, .. } = self;
        let error = |error| common::target_error(on, &error);
        let landing = self.landings.get(name);
        // The later generations went with the first one, where a stream is written again.
        let first = generations::reach(cx, *target, on, landing)?;
        let found = self.facts(name)?;
        let there = target.name_there(name).map_err(error)?;
        let announce = |uuid: &str| {
            let mut detail = json!({"snapshot-uuid": self.snapshot_uuid, "target-uuid": uuid});
            if let Some(landing) = landing {
                detail["landing"] = json!(landing);
            }
            (cx.announce)(common::effect_with(on, "write-documents", name, detail))
        };
        // What went into an index that was made anew since is not there any more. Before the new one is announced: a kill in
        // between must not leave it with the progress of the old one.
        let anew =
            written_to(cx.state, &cx.phase.address, on, name).is_some_and(|it| it != found.uuid);
        if anew {
            self.reset(name)?;
        }
        if action != Action::Replace || !first {
            cluster::refuse_foreign(cx, *target, on, (name, &there, &found.uuid))?;
            announce(&found.uuid)?;
            return Ok(found.uuid);
        }
        if !anew {
            announce(&found.uuid)?;
        }
        let detail = json!({"documents": found.docs, "target-uuid": found.uuid});
        (cx.announce)(common::effect_with(on, REMOVE_DOCUMENTS, name, detail))?;
        failpoint::hit("backfill.reset.before");
        let together = self.together(name);
        for name in &together {
            self.reset(name)?;
        }
        cluster::restore(on, *target, together.iter())?;
        target.clear_documents(name).map_err(error)?;
        failpoint::hit("backfill.reset.after");
        // The proof closes again what was closed at the source.
        if target.cluster().is_some() && target.is_closed(name).map_err(error)? {
            (cx.announce)(common::effect(on, "open-index", name))?;
            target.set_closed(name, false).map_err(error)?;
        }
        // A cluster makes the index anew.
        let cleared = self.facts(name)?;
        if anew || cleared.uuid != found.uuid {
            announce(&cleared.uuid)?;
        }
        Ok(cleared.uuid)
    }

    fn facts(&self, name: &str) -> Result<TargetIndexFacts, PhaseError> {
        let found = self
            .target
            .index_facts(name, 0)
            .map_err(|error| common::target_error(self.on, &error))?;
        found.ok_or_else(|| {
            failed(
                format!(
                    "index {name} is not on {}: a target never makes one by itself",
                    self.on
                ),
                "run the metadata phase first, or leave the index out",
            )
        })
    }

    fn reset(&self, name: &str) -> Result<(), PhaseError> {
        let reset = self.store.reset(Some(name));
        reset.map(drop).map_err(|error| work_error(&error))
    }

    /// The indices whose documents go together: the generations of one stream.
    fn together(&self, name: &str) -> Vec<String> {
        let Some(Landing::Generation { stream, .. }) = self.landings.get(name) else {
            return vec![name.to_owned()];
        };
        let same = |landing: &Landing| matches!(landing, Landing::Generation { stream: other, .. } if other == stream);
        let all = self.landings.iter().filter(|(_, landing)| same(landing));
        all.map(|(name, _)| name.clone()).collect()
    }
}

/// Progress over all turns of a load.
struct Course<'a> {
    cx: &'a PerformContext<'a>,
    docs: Option<u64>,
    before: Mutex<Counted>,
}

/// What earlier turns did, and this one.
#[derive(Clone, Copy, Default)]
struct Counted {
    docs: u64,
    failed: u64,
    /// Bytes read in this run, up to the last turn.
    read: u64,
    /// The first and the last figure of this turn.
    turn: Option<(u64, u64)>,
}

impl<'a> Course<'a> {
    fn new(cx: &'a PerformContext<'a>, docs: Option<u64>) -> Self {
        Self {
            cx,
            docs,
            before: Mutex::default(),
        }
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, now: &BulkProgress) {
        let mut before = self.counted();
        let (first, last) = before.turn.unwrap_or((now.bytes_read, now.bytes_read));
        before.turn = Some((first.min(now.bytes_read), last.max(now.bytes_read)));
        let before = *before;
        (self.cx.progress)(Progress {
            unit: "docs".into(),
            done: before.docs + now.docs_done,
            total: self.docs.unwrap_or(0).max(before.docs + now.docs_total),
            bytes: before.read + now.bytes_read,
            failed: before.failed + now.failed,
            workers: now.workers,
        });
    }

    fn turned(&self, loaded: &BulkOutcome) {
        let mut before = self.counted();
        let docs = loaded.indices.values();
        before.docs += docs.map(|index| index.delivered).sum::<u64>();
        before.failed += loaded.failed();
        if let Some((first, last)) = before.turn.take() {
            before.read += last - first;
        }
    }

    /// Bytes that were read in this run.
    fn read(&self) -> u64 {
        self.counted().read
    }
}

fn options(spec: &BackfillSpec, target: &dyn Target, failed: &Path) -> Options {
    // Tells processes of several machines apart, too.
    let holder = format!(
        "apply-{}-{}",
        std::process::id(),
        uuid::Uuid::new_v4().simple()
    );
    let mut options = Options::new(holder, failed);
    options.failed_may_be_gone = target.cluster().is_some();
    options.workers = spec.workers;
    options.keep_versions = spec.versions == Versions::Keep;
    options.max_failed = Some(spec.max_failed);
    if let Some(batch) = spec.limits.batch {
        options.batch_bytes = usize::try_from(batch.0).unwrap_or(usize::MAX);
    }
    options.rates = Rates {
        docs: spec.limits.docs.map(|rate| rate.0),
        bytes: spec.limits.bytes.map(|rate| rate.0),
        in_flight: spec.limits.in_flight.unwrap_or(Rates::default().in_flight),
    };
    options
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

fn bulk_error(error: &BulkError) -> PhaseError {
    failed(error.to_string(), &error.help())
}

/// An address as the name of a file.
fn file_name(address: &str) -> String {
    address.replace(['/', '>'], "_")
}
