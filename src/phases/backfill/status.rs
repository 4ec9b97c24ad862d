//! How far a backfill is: what `mig backfill status` tells.
//!
//! Relies on the items of the work store, the board, the snapshot's list of indices and what is remembered of the phase.
//! Takes no lock and writes nothing, so it works before, while and after an apply runs. Deliberately absent: rendering.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::PhaseError;
use super::failures::Failures;
use super::orders::fleet_of;
pub use super::status_shapes::{
    BackfillStatus, Deep, FleetStatus, IndexStatus, SetAside, Shards, Stage,
};
use super::{again, decide, restore, since, spec, stop, store, way};
use crate::base::Address;
use crate::base::units::{human_bytes, human_count, rounded};
use crate::clients::target::Target;
use crate::diff::observation::{BackfillObservation, SnapshotIndexFacts};
use crate::engines::bulk::fleet::{Beat, Control, Muster};
use crate::engines::bulk::work_store::{ItemState, ItemStatus};
use crate::plan::model::{BackfillSpec, Phase, Plan};
use crate::state::Artifacts;
use crate::state::model::{PhaseRecord, PhaseStatus, State};

/// What is asked about.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The backfill phase.
    pub phase: &'a Phase,
    /// What is remembered.
    pub state: &'a State,
    /// Opened stores and targets.
    pub connections: &'a Connections,
    /// What stands behind commands that are told: ` -f FILE --phase NAME`, as far as it is needed.
    pub then: &'a str,
}

/// Looks at one backfill. With `deep` the target is asked for its counts too. Failed documents are read where there are any.
pub fn look(
    asked: Asked<'_>,
    artifacts: &dyn Artifacts,
    deep: bool,
) -> Result<BackfillStatus, PhaseError> {
    let spec = spec(asked.phase)?;
    let address = &asked.phase.address;
    let target = asked.connections.open_target(&spec.to.value)?;
    let fleet = fleet_of(&*target, asked.plan, address, asked.state)?;
    let mut says = Vec::new();
    let (source, snapshot) = match source(asked, spec, &*target) {
        Ok(found) => found,
        Err(error) => {
            says.push(format!(
                "The snapshot can't be looked at, so shards are counted by the work store alone: {error}"
            ));
            (None, None)
        }
    };
    let mut items = Vec::new();
    // Where it can't be looked at, the later snapshot alone has to do.
    let base = since::base_uuid(asked.connections, spec).ok().flatten();
    let found = store::peek_items(&*target, asked.plan, address);
    if let Some((identity, found)) = found.map_err(|error| super::work_error(&error))? {
        if identity.lineage != asked.state.lineage {
            says.push(format!(
                "The work store of this phase on {} belongs to another state ({}): nothing of it is counted.",
                spec.to.value, identity.lineage
            ));
        } else if snapshot
            .as_ref()
            .is_some_and(|it| !is_of(&identity.snapshot_uuid, it, base.as_deref()))
        {
            says.push("The work store is of another snapshot: the next apply begins anew.".into());
        } else {
            items = found;
        }
    }
    let ended = stop::ended(asked.state, address);
    if items.is_empty() {
        items = stop::archived_items(asked.state, address, artifacts)?;
    }
    let failures = Failures::of(asked.phase, items.clone(), artifacts, &*target)?;
    let restores = match (&source, &snapshot) {
        (Some(source), Some(snapshot)) => {
            let whose = restore::Whose {
                plan: asked.plan,
                phase: address,
                lineage: &asked.state.lineage,
                snapshot,
            };
            let names: Vec<&str> = source.keys().map(String::as_str).collect();
            let courses = restore::courses(&*target, whose, &names);
            courses.map_err(|error| common::target_error(&spec.to.value, &error))?
        }
        _ => BTreeMap::new(),
    };
    let restores = if ended.is_some() && restores.is_empty() {
        stop::archived_restores(asked.state, address, artifacts)?
    } else {
        restores
    };
    let seen = Seen {
        address,
        then: asked.then,
        record: common::record(asked.state, address),
        source: source.as_ref(),
        snapshot: snapshot.as_deref(),
        items: &items,
        restores: &restores,
        control: &fleet.control,
        muster: &fleet.muster,
        now: fleet.now,
    };
    let mut status = sum_up(&seen, says);
    status.fleet = FleetStatus::of(&fleet);
    if let Some(ended) = ended {
        status.says.push(format!(
            "Its working state is archived in {}; `mig backfill reset{}` lets it begin anew.",
            stop::archived_at(ended),
            asked.then
        ));
    }
    status.failed = failures.count();
    if status.failed > 0 {
        status.failed_causes = failures.causes()?;
        let one_by_one = again::not_one_by_one(asked.plan, asked.state, asked.phase);
        let again = match one_by_one {
            _ if ended.is_some() => String::new(),
            Some((_, instead)) => format!("; once the cause is mended, {instead}"),
            None => format!(
                "; once the cause is mended, `mig backfill retry-failed{}` sends them again",
                asked.then
            ),
        };
        status.says.push(format!(
            "Of documents that failed `mig backfill failed list{then}` tells each{again}.",
            then = asked.then
        ));
    }
    if deep {
        status.deep = Some(look_deep(&seen, spec, asked, &*target, &failures, &status)?);
    }
    Ok(status)
}

/// Whether a work store is of this snapshot, and of what changed in it since another one where that is known.
fn is_of(work: &str, snapshot: &str, since: Option<&str>) -> bool {
    let (later, base) = since::snapshots_of_work(work);
    later == snapshot && (since.is_none() || since == base)
}

/// Indices of the snapshot, by the names that they have on the target.
type Indices = BTreeMap<String, SnapshotIndexFacts>;

/// The indices that the phase is for, and the snapshot's uuid.
fn source(
    asked: Asked<'_>,
    spec: &BackfillSpec,
    target: &dyn Target,
) -> Result<(Option<Indices>, Option<String>), PhaseError> {
    let view = asked.connections.source(&spec.from.value)?;
    let observed = BackfillObservation {
        snapshot_uuid: view.snapshot_uuid(),
        source: way(asked.plan, spec).targets(view.indices()),
        target: BTreeMap::new(),
        work: None,
        other_work: None,
        live: false,
        streams: BTreeMap::new(),
        since: None,
        target_version: Some(target.version()),
        restored: BTreeMap::new(),
        restore: None,
    };
    let (chosen, _) = decide::selected(spec, &observed);
    let chosen = chosen.into_iter();
    let chosen: Indices = chosen
        .map(|(name, facts)| (name.to_owned(), facts.clone()))
        .collect();
    let unknown = chosen.is_empty() && observed.snapshot_uuid.is_none();
    Ok(((!unknown).then_some(chosen), observed.snapshot_uuid))
}

/// All that a status is made of.
struct Seen<'a> {
    address: &'a Address,
    then: &'a str,
    record: Option<&'a PhaseRecord>,
    /// `None` where the source could not be looked at.
    source: Option<&'a Indices>,
    snapshot: Option<&'a str>,
    items: &'a [ItemState],
    /// What the target restores by itself.
    restores: &'a BTreeMap<String, restore::Course>,
    control: &'a Control,
    muster: &'a Muster,
    now: Timestamp,
}

impl Seen<'_> {
    /// Whether somebody who is there holds the item.
    fn is_held(&self, item: &ItemState) -> bool {
        let ItemStatus::Held { holder, expires } = &item.status else {
            return false;
        };
        let lost = |beat: &Beat| holder.starts_with(&beat.id);
        expires.is_none_or(|it| it > self.now) && !self.muster.lost.iter().any(lost)
    }

    /// Whether the record says that the index was written in full.
    fn is_recorded(&self, index: &str) -> bool {
        let found = self
            .record
            .and_then(|record| record.outputs.get("indices")?.get(index));
        found.is_some_and(|found| {
            let of = common::text(found, "/snapshot-uuid");
            self.snapshot.is_none() || of == self.snapshot
        })
    }

    fn begun(&self) -> bool {
        let written = |record: &PhaseRecord| {
            record.status != PhaseStatus::RolledBack
                && (record.effects.iter().any(|it| it.what == "write-documents")
                    || record.status == PhaseStatus::Done)
        };
        !self.items.is_empty() || !self.restores.is_empty() || self.record.is_some_and(written)
    }

    /// By index, in the order of the names.
    fn indices(&self) -> Vec<IndexStatus> {
        let mut by_index: BTreeMap<&str, Vec<&ItemState>> = BTreeMap::new();
        for item in self.items {
            by_index.entry(&item.item.key.index).or_default().push(item);
        }
        let all_done = self.items.iter().all(|it| it.status == ItemStatus::Done);
        let names: BTreeSet<&str> = match self.source {
            Some(source) => source.keys().map(String::as_str).collect(),
            None => by_index.keys().copied().collect(),
        };
        let known = |name: &str| self.source.and_then(|source| source.get(name));
        let empty_done = self.begun() && all_done;
        names
            .into_iter()
            .map(|name| {
                let items = by_index.get(name).map_or(&[][..], Vec::as_slice);
                self.index(name, known(name), items, empty_done)
            })
            .collect()
    }

    fn index(
        &self,
        name: &str,
        facts: Option<&SnapshotIndexFacts>,
        items: &[&ItemState],
        empty_done: bool,
    ) -> IndexStatus {
        let mut by_shard: BTreeMap<u32, (bool, bool)> = BTreeMap::new();
        let mut status = IndexStatus {
            index: name.to_owned(),
            docs_total: facts.and_then(|facts| facts.docs),
            bytes_total: facts.map_or_else(
                || items.iter().map(|it| it.item.bytes).sum(),
                |facts| facts.bytes,
            ),
            ..IndexStatus::default()
        };
        for item in items {
            let (done, held) = by_shard.entry(item.item.key.shard).or_insert((true, false));
            *done &= item.status == ItemStatus::Done;
            *held |= self.is_held(item);
            // Documents of other mapping types are another index's.
            status.docs_done += item
                .progress
                .delivered
                .saturating_sub(item.progress.elsewhere);
            status.bytes_done += item.progress.bytes_read;
            status.failed += item.progress.failed;
        }
        let missing = facts.map_or(0, |facts| facts.missing_shards.len() as u64);
        let of_snapshot = facts.map_or(0, |facts| u64::from(facts.shards));
        let total = of_snapshot.saturating_sub(missing);
        let total = total.max(by_shard.len() as u64);
        let is_empty = facts.is_some_and(|facts| facts.docs == Some(0));
        let (mut completed, mut in_progress) = (0, 0);
        let restored = self.restores.get(name).filter(|_| items.is_empty());
        if let Some(course) = restored.filter(|course| !course.done) {
            let recovered = course.recovered;
            status.bytes_total = recovered.of_bytes.max(status.bytes_total);
            status.bytes_done = recovered.bytes;
            // A shard may be there and what is to be counted of it not yet.
            completed = recovered.shards.min(total.saturating_sub(1));
            in_progress = if course.under_way {
                total - completed
            } else {
                0
            };
        } else if items.is_empty() {
            if restored.is_some() || self.is_recorded(name) || (is_empty && empty_done) {
                completed = total;
                status.docs_done = status.docs_total.unwrap_or(0);
                status.bytes_done = status.bytes_total;
            }
        } else {
            // All items of an index are registered at once, so a shard without any holds nothing.
            completed = total - by_shard.len() as u64;
            for (done, held) in by_shard.values() {
                completed += u64::from(*done);
                in_progress += u64::from(!*done && *held);
            }
        }
        if completed == total {
            // Where a segment is read in part, what is read of the store is less than what was planned.
            status.bytes_done = status.bytes_total;
        }
        status.bytes_done = status.bytes_done.min(status.bytes_total);
        status.shards = Shards {
            total,
            completed,
            in_progress,
            unclaimed: total - completed - in_progress,
        };
        status
    }
}

fn total(indices: &[IndexStatus]) -> Shards {
    let mut sum = Shards::default();
    for index in indices {
        sum.total += index.shards.total;
        sum.completed += index.shards.completed;
        sum.in_progress += index.shards.in_progress;
        sum.unclaimed += index.shards.unclaimed;
    }
    sum
}

fn sum_up(seen: &Seen<'_>, mut says: Vec<String>) -> BackfillStatus {
    let shards = total(&seen.indices());
    let muster = seen.muster;
    let begun = seen.begun();
    let done = begun && shards.incomplete() == 0;
    let nobody = muster.there.is_empty();
    let restoring: Vec<&restore::Course> = seen.restores.values().filter(|it| !it.done).collect();
    let at_work = restoring.iter().filter(|it| it.under_way).count();
    let status = match () {
        () if muster.running > 0 || at_work > 0 => Stage::Running,
        () if seen.control.stopped => Stage::Stopped,
        () if !nobody && seen.control.paused => Stage::Paused,
        // Who waits for the others is up as well.
        () if !nobody && done => Stage::Running,
        () if !nobody => Stage::Starting,
        () if done => Stage::Completed,
        () if begun => Stage::Paused,
        () => Stage::NotStarted,
    };
    let (control, then) = (seen.control, seen.then);
    let by = match control.at {
        Some(at) => format!(" by {} at {at:.0}", control.by),
        None => String::new(),
    };
    match status {
        Stage::NotStarted if control.paused => says.push(format!(
            "Paused{by} before it began: `mig backfill start{then}` begins."
        )),
        Stage::NotStarted => says.push(format!(
            "Nothing of it was begun: `mig backfill start{then}` begins."
        )),
        Stage::Paused if control.paused => says.push(format!(
            "Paused{by}: `mig backfill start{then}` or `mig backfill scale{then} N` resumes."
        )),
        Stage::Paused => says.push(format!(
            "Nobody works on it: `mig backfill start{then}` goes on where it was."
        )),
        Stage::Stopped => says.push(format!("Stopped{by}: no worker begins any more.")),
        Stage::Running if control.stopped => {
            says.push(format!(
                "Asked to stop{by}: workers give back what they hold."
            ));
        }
        Stage::Running if control.paused && at_work > 0 => says.push(format!(
            "Asked to pause{by}: no further index is begun. No server lets a restore rest, so what the target is at comes to its end there."
        )),
        Stage::Running if control.paused => {
            says.push(format!("Asked to pause{by}: workers come to a checkpoint."));
        }
        Stage::Starting | Stage::Running | Stage::Completed => {}
    }
    if at_work > 0 {
        let sum = |of: fn(&restore::Course) -> u64| restoring.iter().map(|it| of(it)).sum::<u64>();
        says.push(format!(
            "The target restores {} by itself, {} of {} so far: no worker helps it, and it goes on whoever watches.",
            common::indices(at_work),
            human_bytes(sum(|it| it.recovered.bytes)),
            human_bytes(sum(|it| it.recovered.of_bytes))
        ));
    }
    if let Some(record) = seen.record
        && record.status == PhaseStatus::Failed
        && nobody
    {
        let error = record.error.as_deref().unwrap_or_default();
        says.push(format!(
            "The last apply of `{}` failed: {error}",
            seen.address
        ));
    }
    if !muster.lost.is_empty() {
        let count = human_count(muster.lost.len() as u64);
        let noun = if muster.lost.len() == 1 {
            "process"
        } else {
            "processes"
        };
        says.push(format!(
            "{count} {noun} fell silent: what was held there is taken up by others when its leases end."
        ));
    }
    BackfillStatus {
        phase: seen.address.clone(),
        status,
        running: muster.running,
        pending: muster.pending,
        desired: muster.desired,
        shards,
        restoring: at_work,
        failed: 0,
        failed_causes: Vec::new(),
        fleet: FleetStatus::default(),
        says,
        deep: None,
    }
}

fn look_deep(
    seen: &Seen<'_>,
    spec: &BackfillSpec,
    asked: Asked<'_>,
    target: &dyn Target,
    failures: &Failures,
    status: &BackfillStatus,
) -> Result<Deep, PhaseError> {
    let mut indices = seen.indices();
    if target.cluster().is_some() {
        let landed = match seen.source {
            Some(source) => super::landed(asked.connections, spec, source)?,
            None => asked.connections.open_target(&spec.to.value)?,
        };
        let names: Vec<&str> = indices.iter().map(|it| it.index.as_str()).collect();
        let counts = landed.index_facts_many(&names, 0);
        let counts = counts.map_err(|error| common::target_error(&spec.to.value, &error))?;
        for index in &mut indices {
            index.docs_on_target = counts.get(&index.index).map(|found| found.docs);
        }
    }
    let mut by_class = BTreeMap::new();
    for cause in &status.failed_causes {
        *by_class.entry(cause.class.clone()).or_default() += cause.count;
    }
    Ok(deepen(seen, indices, by_class, failures.location()))
}

fn deepen(
    seen: &Seen<'_>,
    indices: Vec<IndexStatus>,
    failed_by_class: BTreeMap<String, u64>,
    location: String,
) -> Deep {
    let there = &seen.muster.there;
    let sum = |of: fn(&IndexStatus) -> u64| indices.iter().map(of).sum::<u64>();
    let docs_done = sum(|it| it.docs_done);
    let docs_total: Option<u64> = indices.iter().map(|it| it.docs_total).sum();
    let (bytes_done, bytes_total) = (sum(|it| it.bytes_done), sum(|it| it.bytes_total));
    let joined = there.iter().map(|beat| beat.started).min();
    let since_start = joined.and_then(|joined| {
        let seconds = seen.now.duration_since(joined).as_secs_f64();
        let docs: u64 = there.iter().map(|beat| beat.counts.docs).sum();
        (seconds >= 1.0).then(|| docs as f64 / seconds)
    });
    let (done, of) = match docs_total {
        Some(total) if total > 0 => (docs_done, total),
        _ => (bytes_done, bytes_total),
    };
    let complete = total(&indices).incomplete() == 0;
    let percentage_completed = match of {
        _ if complete && seen.begun() => 100.0,
        0 => 0.0,
        // All that is left may be a thousandth: that is not done.
        of => {
            (done.min(of) as f64 * 1000.0 / of as f64)
                .floor()
                .min(999.0)
                / 10.0
        }
    };
    let left = docs_total.map(|total| total.saturating_sub(docs_done));
    let (eta_ms, eta_basis) = eta(
        seen,
        (left, bytes_total.saturating_sub(bytes_done)),
        since_start,
        complete,
    );
    Deep {
        started: seen.record.map(|record| record.started_at),
        finished: seen.record.and_then(|record| record.finished_at),
        docs_done,
        docs_total,
        bytes_done,
        bytes_total,
        percentage_completed,
        // The sum of nothing is less than nothing, as far as its sign goes.
        docs_per_second: seen.muster.docs_per_second + 0.0,
        docs_per_second_since_start: since_start,
        eta_ms,
        eta_basis,
        failed_by_class,
        failed_document_stream_location: location,
        set_aside: seen.items.iter().filter_map(set_aside).collect(),
        indices,
        processes: there.clone(),
        lost: seen.muster.lost.clone(),
        control: seen.control.clone(),
    }
}

fn set_aside(item: &ItemState) -> Option<SetAside> {
    let ItemStatus::SetAside { reason } = &item.status else {
        return None;
    };
    Some(SetAside {
        item: item.item.key.to_string(),
        reason: reason.clone(),
    })
}

/// What is left at the rate that says most: of the last beats, since the start, of the last run.
fn eta(
    seen: &Seen<'_>,
    (docs_left, bytes_left): (Option<u64>, u64),
    since_start: Option<f64>,
    complete: bool,
) -> (Option<u64>, String) {
    let millis = |left: u64, rate: f64| rounded((left as f64 * 1000.0 / rate).ceil());
    if complete && seen.begun() {
        return (Some(0), "all is loaded".into());
    }
    let docs = |rate: f64| human_count(rounded(rate));
    let now = seen.muster.docs_per_second;
    if let Some(left) = docs_left
        && now > 0.0
    {
        let basis = format!("at {} docs/s of the last beats", docs(now));
        return (Some(millis(left, now)), basis);
    }
    if let (Some(left), Some(rate)) = (docs_left, since_start)
        && rate > 0.0
    {
        let basis = format!("at {} docs/s since the start", docs(rate));
        return (Some(millis(left, rate)), basis);
    }
    let measured = seen.record.and_then(|record| {
        let measured = record.outputs.get("measured")?;
        let bytes = measured.get("bytes")?.as_u64()?;
        let millis = measured.get("millis")?.as_u64()?;
        (bytes > 0 && millis >= 1000).then(|| bytes as f64 * 1000.0 / millis as f64)
    });
    match measured {
        Some(rate) => {
            let rate_text = human_bytes(rounded(rate));
            let basis =
                format!("once somebody works, at {rate_text}/s of the snapshot as in the last run");
            (Some(millis(bytes_left, rate)), basis)
        }
        None => (None, "not known: nobody works on it".into()),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
