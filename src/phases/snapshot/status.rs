//! How far a snapshot is: what `mig snapshot status` tells.
//!
//! Of a running one the cluster is asked, which alone knows; of one that is there the repository, so that it can be told
//! without the cluster. Reads only. Deliberately absent: rendering.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::super::connections::{Connections, Reach};
use super::super::existing;
use super::super::kind::PhaseError;
use super::series::Series;
use super::{look, name_mark, repository};
use crate::base::Address;
use crate::base::units::rounded;
use crate::clients::cluster::{ClusterClient, Request};
use crate::engines::snapshot::inspect::inspect;
use crate::engines::snapshot::{Repository, SnapshotInfo, SnapshotState};
use crate::plan::model::{Phase, PhaseSpec, Plan, SnapshotSpec};

/// The state where there is no snapshot.
pub const NOT_STARTED: &str = "NOT_STARTED";
/// The state of one that the cluster is taking.
pub const IN_PROGRESS: &str = "IN_PROGRESS";

/// How far a snapshot is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotStatus {
    /// The phase.
    pub phase: Address,
    /// The snapshot's name; `None` where there is none.
    pub name: Option<String>,
    /// As the server has it: `SUCCESS`, `IN_PROGRESS`, `PARTIAL`, `FAILED`, …
    pub state: String,
    /// The rest, where it was asked for and there is a snapshot.
    pub deep: Option<Deep>,
}

/// What `--deep-check` tells beyond that.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Deep {
    /// Bytes that are written.
    pub bytes_done: u64,
    /// Bytes that are to be written; of a snapshot beside others only those that are new.
    pub bytes_total: u64,
    /// Shards.
    pub shards_total: u64,
    /// Shards that are done.
    pub shards_successful: u64,
    /// Shards that failed.
    pub shards_failed: u64,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// How long it took, or takes until now.
    pub duration_ms: u64,
    /// Of the bytes; 100 only when it is whole.
    pub percentage_completed: f64,
    /// At the rate of so far.
    pub anticipated_remaining_ms: Option<u64>,
    /// Over the whole time.
    pub bytes_per_second: f64,
}

/// The snapshot phases of a plan, in the order of their names.
pub fn phases(plan: &Plan) -> Vec<&Phase> {
    let phases = plan.phases.values();
    phases
        .filter(|phase| matches!(phase.spec, PhaseSpec::Snapshot(_)))
        .collect()
}

/// Whether a phase takes snapshots, rather than naming one that is there.
pub fn takes(phase: &Phase) -> bool {
    matches!(phase.spec, PhaseSpec::Snapshot(SnapshotSpec::Take { .. }))
}

/// Looks at the newest snapshot of a phase.
pub fn look(
    plan: &Plan,
    phase: &Phase,
    connections: &Connections,
    deep: bool,
) -> Result<SnapshotStatus, PhaseError> {
    match &phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Existing { store, name, .. }) => {
            let found = connections.open_store(&store.value)?;
            in_repository(phase, &store.value, &found, name, deep)
        }
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, to, .. }) => {
            let owner = connections.owner(&phase.address)?;
            let found = connections.repository(&to.value)?;
            let error = |error| existing::failed(&to.value, &error);
            let series = match &found {
                Some(found) => Series::look(found, &owner).map_err(error)?,
                None => Series::default(),
            };
            let next = owner.name(series.next(&owner));
            if let Some(name) = next
                && let Reach::Up(client) = connections.reach(&of.value)?
                && let Some(running) = running(plan, &client, (&of.value, &to.value), &name)?
            {
                let status = running_status(phase, &running);
                return Ok(if deep { status } else { without_deep(status) });
            }
            match (series.newest(), &found) {
                (Some(newest), Some(found)) => {
                    in_repository(phase, &to.value, found, newest.snapshot.name(), deep)
                }
                _ => Ok(SnapshotStatus {
                    phase: phase.address.clone(),
                    name: None,
                    state: NOT_STARTED.to_owned(),
                    deep: None,
                }),
            }
        }
        _ => Err(PhaseError::Failed {
            message: format!("`{}` is no snapshot phase", phase.address),
            help: None,
        }),
    }
}

fn without_deep(status: SnapshotStatus) -> SnapshotStatus {
    SnapshotStatus {
        deep: None,
        ..status
    }
}

/// What the cluster says of a snapshot of this phase that it is taking now, which is one of the name that comes next.
fn running(
    plan: &Plan,
    client: &ClusterClient,
    (of, to): (&Address, &Address),
    next: &str,
) -> Result<Option<Value>, PhaseError> {
    let registered = repository::name(&plan.name, to);
    let path = format!("/_snapshot/{}/_status", Request::part(&registered));
    let failed = |error| look::failed(of, &error);
    let found = client.found(Request::get(path)).map_err(failed)?;
    let all = found.as_ref().and_then(|it| it.get("snapshots"));
    let all = all.and_then(Value::as_array).map(Vec::as_slice);
    let ours = |snapshot: &&Value| {
        let name = snapshot.get("snapshot").and_then(Value::as_str);
        name.is_some_and(|name| name_mark::is_named(name, next))
    };
    Ok(all.unwrap_or_default().iter().find(ours).cloned())
}

/// From an answer of `_snapshot/_status`, in whose words before 6.4 too.
fn running_status(phase: &Phase, found: &Value) -> SnapshotStatus {
    let number = |pointers: [&str; 2]| {
        let mut found = pointers.iter().filter_map(|it| found.pointer(it)?.as_u64());
        found.next()
    };
    let total = number([
        "/stats/incremental/size_in_bytes",
        "/stats/total_size_in_bytes",
    ]);
    let done = number([
        "/stats/processed/size_in_bytes",
        "/stats/processed_size_in_bytes",
    ]);
    let shards = |key: &str| {
        let count = found.get("shards_stats").and_then(|it| it.get(key));
        count.and_then(Value::as_u64).unwrap_or(0)
    };
    let start = number(["/stats/start_time_in_millis", "/start_time_in_millis"]);
    let time = number(["/stats/time_in_millis", "/time_in_millis"]).unwrap_or(0);
    let start = start.and_then(|it| i64::try_from(it).ok());
    let start_time = start.and_then(|it| Timestamp::from_millisecond(it).ok());
    let mut deep = Deep {
        bytes_total: total.unwrap_or(0),
        bytes_done: done.unwrap_or(0).min(total.unwrap_or(0)),
        shards_total: shards("total"),
        shards_successful: shards("done"),
        shards_failed: shards("failed"),
        start_time,
        duration_ms: time,
        ..Deep::default()
    };
    deep.reckon(false);
    let name = found.get("snapshot").and_then(Value::as_str);
    SnapshotStatus {
        phase: phase.address.clone(),
        name: name.map(str::to_owned),
        state: IN_PROGRESS.to_owned(),
        deep: Some(deep),
    }
}

fn in_repository(
    phase: &Phase,
    store: &Address,
    found: &Repository,
    name: &str,
    deep: bool,
) -> Result<SnapshotStatus, PhaseError> {
    let error = |error| existing::failed(store, &error);
    let snapshot = found.snapshot(name).map_err(error)?;
    let info = snapshot.info();
    let deep = if deep {
        let report = inspect(found, Some(name)).map_err(error)?;
        let bytes = report.detail.map_or(0, |detail| detail.totals.bytes);
        Some(of_info(info, bytes))
    } else {
        None
    };
    Ok(SnapshotStatus {
        phase: phase.address.clone(),
        name: Some(name.to_owned()),
        state: word(info.state).to_owned(),
        deep,
    })
}

fn word(state: SnapshotState) -> &'static str {
    match state {
        SnapshotState::InProgress => IN_PROGRESS,
        SnapshotState::Success => "SUCCESS",
        SnapshotState::Failed => "FAILED",
        SnapshotState::Partial => "PARTIAL",
        SnapshotState::Incompatible => "INCOMPATIBLE",
        SnapshotState::Unknown => "UNKNOWN",
    }
}

fn of_info(info: &SnapshotInfo, bytes: u64) -> Deep {
    let failed = info.failures.len() as u64;
    let start_time = info.start_time_millis;
    let duration = start_time
        .zip(info.end_time_millis)
        .and_then(|(start, end)| u64::try_from(end - start).ok());
    let total = info.total_shards.unwrap_or(0);
    let mut deep = Deep {
        bytes_done: bytes,
        bytes_total: bytes,
        shards_total: total,
        shards_successful: info.successful_shards.unwrap_or(total - failed.min(total)),
        shards_failed: failed,
        start_time: start_time.and_then(|it| Timestamp::from_millisecond(it).ok()),
        duration_ms: duration.unwrap_or(0),
        ..Deep::default()
    };
    deep.reckon(info.state.is_complete());
    deep
}

impl Deep {
    /// What follows from the rest.
    fn reckon(&mut self, whole: bool) {
        let (done, total) = (self.bytes_done as f64, self.bytes_total as f64);
        let by_shards = || self.shards_successful as f64 / (self.shards_total as f64).max(1.0);
        let part = if total > 0.0 {
            done / total
        } else {
            by_shards()
        };
        let took = self.duration_ms as f64;
        if whole {
            self.percentage_completed = 100.0;
            self.anticipated_remaining_ms = Some(0);
        } else {
            // What is left may be the last thousandth: that is not done.
            self.percentage_completed = (part * 10_000.0).floor().min(9_999.0) / 100.0;
            let left = |part: f64| rounded(took * (1.0 - part).max(0.0) / part);
            self.anticipated_remaining_ms = (part > 0.0).then(|| left(part));
        }
        self.bytes_per_second = if took > 0.0 {
            done * 1000.0 / took
        } else {
            0.0
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deep(found: &Value) -> Deep {
        let mut deep = Deep {
            bytes_total: found["total"].as_u64().unwrap(),
            bytes_done: found["done"].as_u64().unwrap(),
            shards_total: 4,
            shards_successful: 1,
            duration_ms: 10_000,
            ..Deep::default()
        };
        deep.reckon(false);
        deep
    }

    #[test]
    fn what_is_left_goes_by_bytes_and_is_never_all() {
        let half = deep(&json!({"total": 200, "done": 100}));
        assert!((half.percentage_completed - 50.0).abs() < 1e-9);
        assert_eq!(half.anticipated_remaining_ms, Some(10_000));
        assert!((half.bytes_per_second - 10.0).abs() < 1e-9);
        let nearly = deep(&json!({"total": 200, "done": 200}));
        assert!((nearly.percentage_completed - 99.99).abs() < 1e-9);
        let begun = deep(&json!({"total": 0, "done": 0}));
        assert!((begun.percentage_completed - 25.0).abs() < 1e-9);
    }
}
