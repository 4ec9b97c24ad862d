//! Stops a backfill for good: nobody works any more, its working state is archived, and then removed.
//!
//! The order is what a kill at any instant asks for: the word to stop stands on the board first, the archive is whole and
//! journalled before anything is removed, and a stop that is done again finds the rest. What operators ordered stays on the
//! board, so that a worker that comes later is refused. Deliberately absent: the journal, and asking.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::PhaseError;
use super::orders::{self, Fleet};
use super::restore::Course;
use super::{failed, fleet, spec, store, work_error};
use crate::base::{Address, failpoint};
use crate::clients::target::Target;
use crate::clients::target::cluster::restore::{self, Restoring};
use crate::engines::bulk::fleet::{Beat, Brief, Control};
use crate::engines::bulk::limits::LEASE;
use crate::engines::bulk::work_store::{COORDINATOR, ItemState, ItemStatus, WorkIdentity};
use crate::plan::model::{Phase, Plan};
use crate::state::Artifacts;
use crate::state::model::{Ended, State};

/// The format of an archive.
const FORMAT: u32 = 1;

/// The working state of a backfill as it was when it was stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Archive {
    /// 1.
    pub format: u32,
    /// The plan.
    pub plan: String,
    /// The lineage of its state.
    pub lineage: String,
    /// The phase.
    pub phase: Address,
    /// Who stopped it.
    pub by: String,
    /// When it was archived, by this machine's clock.
    pub at: Timestamp,
    /// The version of mig.
    pub mig: String,
    /// Whose work it was; `None` where no work store was left.
    pub work: Option<WorkIdentity>,
    /// In sum.
    pub totals: Totals,
    /// What operators ordered.
    pub control: Control,
    /// What was given out last.
    pub brief: Option<Brief>,
    /// The last words of the processes.
    pub processes: Vec<Beat>,
    /// Every work item with its lease and its progress.
    pub items: Vec<ItemState>,
    /// What the target restored by itself, or was at.
    #[serde(default)]
    pub restores: Vec<Restoring>,
}

/// Sums over the items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Totals {
    /// Items in all.
    pub items: u64,
    /// Items that are done.
    pub items_done: u64,
    /// Documents that the reader delivered.
    pub delivered: u64,
    /// Documents that were written.
    pub written: u64,
    /// Documents that failed.
    pub failed: u64,
    /// Indices that the target had restored.
    #[serde(default)]
    pub restored: u64,
    /// Indices that the target was to restore, or was at: they are as they were before.
    #[serde(default)]
    pub taken_back: u64,
}

impl Totals {
    fn of(items: &[ItemState], restores: &[Restoring]) -> Self {
        let mut totals = Self::default();
        for restoring in restores {
            totals.restored += u64::from(restoring.done);
            totals.taken_back += u64::from(!restoring.done);
        }
        for item in items {
            totals.items += 1;
            totals.items_done += u64::from(item.status == ItemStatus::Done);
            totals.delivered += item.progress.delivered;
            totals.written += item.progress.written;
            totals.failed += item.progress.failed;
        }
        totals
    }
}

/// What is waited for before a backfill is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// So many processes are there.
    Processes(usize),
    /// A lease of a process that is lost; it ends then.
    Lease(Timestamp),
}

/// A backfill that is being stopped.
pub struct Stopping<'a> {
    plan: &'a Plan,
    phase: &'a Phase,
    lineage: &'a str,
    target: std::sync::Arc<dyn Target>,
    began: Timestamp,
}

impl<'a> Stopping<'a> {
    /// Of a phase that was begun.
    pub fn open(
        plan: &'a Plan,
        phase: &'a Phase,
        state: &'a State,
        connections: &Connections,
        start: &str,
    ) -> Result<Self, PhaseError> {
        let target = connections.open_target(&spec(phase)?.to.value)?;
        if common::record(state, &phase.address).is_none() {
            return Err(failed(
                format!(
                    "nothing of `{}` was begun, so there is nothing to stop",
                    phase.address
                ),
                &format!("`{start}` begins; take the phase out of the plan if it is not wanted"),
            ));
        }
        Ok(Self {
            plan,
            phase,
            lineage: &state.lineage,
            began: orders::board_at(&*target, plan, &phase.address, &state.lineage)?.now(),
            target,
        })
    }

    fn board(&self) -> Result<std::sync::Arc<dyn crate::engines::bulk::fleet::Board>, PhaseError> {
        orders::board_at(&*self.target, self.plan, &self.phase.address, self.lineage)
    }

    fn error(error: &crate::engines::bulk::fleet::BoardError) -> PhaseError {
        fleet::board_error(error)
    }

    /// The fleet as it is.
    pub fn fleet(&self) -> Result<Fleet, PhaseError> {
        orders::read(&*self.board()?)
    }

    /// Says on the board that it is over, where it does not say so yet.
    pub fn order(&self, by: &str) -> Result<(), PhaseError> {
        let board = self.board()?;
        let control = board.control().map_err(|error| Self::error(&error))?;
        if !control.stopped {
            let changed = board.change(by, &mut Control::stop);
            changed.map_err(|error| Self::error(&error))?;
        }
        failpoint::hit("backfill.stop.ordered");
        Ok(())
    }

    /// What is still waited for; `None` when nobody works any more.
    pub fn awaited(&self) -> Result<Option<Awaited>, PhaseError> {
        let fleet = self.fleet()?;
        let there = fleet.muster.there.len();
        if there > 0 {
            return Ok(Some(Awaited::Processes(there)));
        }
        // One process alone has the store of a directory: its lock tells whether it is there.
        if self.target.cluster().is_none() {
            return Ok(None);
        }
        let items = self.items()?.map(|(_, items)| items).unwrap_or_default();
        let lease = last_lease(&items, &fleet.ended, self.began, LEASE);
        Ok(lease.filter(|end| *end > fleet.now).map(Awaited::Lease))
    }

    fn items(&self) -> Result<Option<(WorkIdentity, Vec<ItemState>)>, PhaseError> {
        let found = store::peek_items(&*self.target, self.plan, &self.phase.address);
        let found = found.map_err(|error| work_error(&error))?;
        Ok(found.filter(|(identity, _)| identity.lineage == self.lineage))
    }

    /// What is noted of restores of this phase.
    fn restores(&self) -> Result<Vec<Restoring>, PhaseError> {
        let Some(cluster) = self.target.cluster() else {
            return Ok(Vec::new());
        };
        let found = restore::of_phase(cluster, &self.plan.name, self.phase.address.as_str());
        let found = found.map_err(|error| {
            let on = spec(self.phase).map(|spec| &spec.to.value);
            on.map_or_else(|error| error, |on| common::target_error(on, &error))
        });
        let ours = |it: &Restoring| it.lineage == self.lineage;
        found.map(|found| found.into_iter().filter(ours).collect())
    }

    /// Writes the archive, whole and durable when this returns; gives back what the journal is to know of it. `None` where the
    /// work store is another state's, which is left alone.
    pub fn archive(
        &self,
        serial: u64,
        by: &str,
        now: Timestamp,
        artifacts: &dyn Artifacts,
    ) -> Result<(Value, Totals), PhaseError> {
        let board = self.board()?;
        let (work, items) = match self.items()? {
            Some((work, items)) => (Some(work), items),
            None => (None, Vec::new()),
        };
        let restores = self.restores()?;
        let totals = Totals::of(&items, &restores);
        let archive = Archive {
            format: FORMAT,
            plan: self.plan.name.clone(),
            lineage: self.lineage.to_owned(),
            phase: self.phase.address.clone(),
            by: by.to_owned(),
            at: now,
            mig: env!("CARGO_PKG_VERSION").to_owned(),
            work,
            totals,
            control: board.control().map_err(|error| Self::error(&error))?,
            brief: board.brief().map_err(|error| Self::error(&error))?,
            processes: board.beats().map_err(|error| Self::error(&error))?,
            items,
            restores,
        };
        // One that was killed before the journal knew of it is written over by the next.
        let name = format!(
            "archive/backfill-{}-{serial}.json",
            self.phase.address.file_name()
        );
        let wrong =
            |message: String| failed(message, "nothing was removed; run the same command again");
        let bytes = serde_json::to_vec(&archive).map_err(|error| wrong(error.to_string()))?;
        artifacts
            .put(&name, &bytes)
            .map_err(|error| wrong(error.to_string()))?;
        failpoint::hit("backfill.stop.archived");
        let detail = json!({
            "archive": name,
            "at": artifacts.locate(&name),
            "items": totals.items,
            "items-done": totals.items_done,
            "written": totals.written,
            "failed": totals.failed,
        });
        Ok((detail, totals))
    }

    /// Removes what was archived from the target; what operators ordered stays.
    pub fn clean(&self) -> Result<(), PhaseError> {
        let ours = self.items()?.is_some() || !self.restores()?.is_empty();
        failpoint::hit("backfill.stop.clean");
        if ours {
            let cleared = store::clear(&*self.target, self.plan, &self.phase.address);
            return cleared.map_err(|error| work_error(&error));
        }
        self.board()?.clear().map_err(|error| Self::error(&error))
    }
}

/// When the last lease of a worker ends that is not known to be gone. The holders of coordinators are gone with the lock of the
/// state. Where a lease has no end of its own, it has one as long as a lease after the stop began.
fn last_lease(
    items: &[ItemState],
    gone: &[String],
    began: Timestamp,
    lease: Duration,
) -> Option<Timestamp> {
    let gone = |holder: &str| gone.iter().any(|id| holder.starts_with(id));
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::ZERO);
    let ends = items.iter().filter_map(|item| match &item.status {
        ItemStatus::Held { holder, expires }
            if !holder.starts_with(COORDINATOR) && !gone(holder) =>
        {
            expires.or_else(|| began.checked_add(lease).ok())
        }
        _ => None,
    });
    ends.max()
}

/// That a backfill was stopped for good, where it was.
pub fn ended<'s>(state: &'s State, phase: &Address) -> Option<&'s Ended> {
    common::record(state, phase)?.ended.as_ref()
}

/// Where the archive of one that was stopped is.
pub fn archived_at(ended: &Ended) -> &str {
    common::text(&ended.detail, "/at").unwrap_or_default()
}

/// The items of a backfill that was stopped; none where it was not, or where the archive is gone.
pub fn archived_items(
    state: &State,
    phase: &Address,
    artifacts: &dyn Artifacts,
) -> Result<Vec<ItemState>, PhaseError> {
    Ok(archived(state, phase, artifacts)?.map_or_else(Vec::new, |it| it.items))
}

/// What the target had restored of a backfill that was stopped: the rest was taken back by the stop.
pub(super) fn archived_restores(
    state: &State,
    phase: &Address,
    artifacts: &dyn Artifacts,
) -> Result<BTreeMap<String, Course>, PhaseError> {
    let restores = archived(state, phase, artifacts)?.map(|it| it.restores);
    let done = restores.into_iter().flatten().filter(|it| it.done);
    Ok(done
        .map(|it| (it.index.clone(), Course::of_done(&it)))
        .collect())
}

fn archived(
    state: &State,
    phase: &Address,
    artifacts: &dyn Artifacts,
) -> Result<Option<Archive>, PhaseError> {
    let name = ended(state, phase).and_then(|it| common::text(&it.detail, "/archive"));
    let Some(name) = name else {
        return Ok(None);
    };
    let wrong = |message: String| {
        let at = artifacts.locate(name);
        failed(
            format!("the archive {at} of a backfill that was stopped: {message}"),
            "bring it back, or `mig backfill reset`, which needs it no more",
        )
    };
    let found = artifacts
        .get(name)
        .map_err(|error| wrong(error.to_string()))?;
    let Some(bytes) = found else {
        return Ok(None);
    };
    let archive = serde_json::from_slice(&bytes);
    archive.map(Some).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::bulk::work_store::{ItemKey, ItemProgress, ItemSpec};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held(holder: &str, expires: Option<i64>) -> ItemState {
        ItemState {
            item: ItemSpec {
                key: ItemKey {
                    index: "shop".into(),
                    shard: 0,
                    segment: "_0".into(),
                    from: 0,
                    to: 10,
                },
                bytes: 1,
                expected: None,
            },
            attempt: 1,
            tries: 1,
            status: ItemStatus::Held {
                holder: holder.into(),
                expires: expires.map(at),
            },
            progress: ItemProgress {
                delivered: 4,
                written: 3,
                failed: 1,
                ..ItemProgress::default()
            },
        }
    }

    #[test]
    fn leases_of_workers_are_waited_for_and_those_of_who_had_the_lock_are_not() {
        let wait = Duration::from_mins(2);
        let known = ["worker-d".to_owned()];
        let last = |items: &[ItemState]| last_lease(items, &known, at(1000), wait);
        assert_eq!(last(&[held("apply-1/0", Some(5000))]), None);
        let items = [
            held("worker-a/0", Some(1030)),
            held("worker-b/1", Some(1020)),
        ];
        assert_eq!(last(&items), Some(at(1030)));
        assert_eq!(last(&[held("worker-c/0", None)]), Some(at(1120)));
        // Of who is known to have ended nothing is waited for, of who only fell silent it is.
        assert_eq!(last(&[held("worker-d/0", Some(5000))]), None);
        assert_eq!(last(&[]), None);
    }

    #[test]
    fn an_archive_is_read_back() {
        let items = vec![held("worker-a/0", Some(1030))];
        let archive = Archive {
            format: FORMAT,
            plan: "p".into(),
            lineage: "l".into(),
            phase: Address::from("docs"),
            by: "ann".into(),
            at: at(1),
            mig: "1".into(),
            work: None,
            totals: Totals::of(&items, &[]),
            control: Control::default(),
            brief: None,
            processes: Vec::new(),
            items: items.clone(),
            restores: Vec::new(),
        };
        let text = serde_json::to_vec(&archive).unwrap();
        let read: Archive = serde_json::from_slice(&text).unwrap();
        assert_eq!((read.items, read.totals.failed), (items, 1));
    }
}
