//! What operators order of a backfill, by its board: how many workers, a pause, other limits.
//!
//! Relies on the board alone, which is written without the lock of the state: processes that work look at it every few
//! seconds. Deliberately absent: starting processes, and the end of a backfill, which changes the state.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::connections::Connections;
use super::super::kind::PhaseError;
use super::fleet::{self, board_error, stopped};
use super::{failed, materials, spec};
use crate::base::{Address, host};
use crate::clients::target::Target;
use crate::engines::bulk::Figures;
use crate::engines::bulk::fleet::{
    Beat, Board, Control, Doing, Limits, Muster, Role, Tally, muster,
};
use crate::engines::bulk::limits::WORKERS;
use crate::plan::model::{Phase, PhaseSpec, Plan};
use crate::state::model::State;

/// Workers of a whole fleet, at most: sixty-four processes with as many workers as one may have.
pub const FLEET_WORKERS: u32 = 64 * WORKERS;

/// A fleet as it is now.
pub struct Fleet {
    /// What operators want.
    pub control: Control,
    /// The processes.
    pub muster: Muster,
    /// What all processes measured that ever worked on the load.
    pub figures: Figures,
    /// Processes that are gone.
    pub gone: u64,
    /// Of those that are lost, the ids of those that are known to have ended.
    pub ended: Vec<String>,
    /// The time at the board's place.
    pub now: Timestamp,
}

impl Fleet {
    /// The processes that have not said yet, since the last order, that they rest: what they said before tells nothing.
    pub fn at_work(&self) -> usize {
        let rests = |beat: &&Beat| {
            matches!(beat.doing, Doing::Paused | Doing::Leaving)
                && beat.working == 0
                && self.control.at.is_none_or(|at| beat.at >= at)
        };
        self.muster.there.iter().filter(|it| !rests(it)).count()
    }

    /// Processes that fell silent and may come back.
    pub fn silent(&self) -> impl Iterator<Item = &Beat> {
        let lost = self.muster.lost.iter();
        lost.filter(|beat| !self.ended.contains(&beat.id))
    }
}

/// `a worker on vm, process 1234`.
pub fn named(beat: &Beat) -> String {
    let role = match beat.role {
        Role::Coordinator => "an apply",
        Role::Worker => "a worker",
    };
    format!("{role} on {}, process {}", beat.host, beat.pid)
}

/// The backfill phases of a plan, in the order of their names.
pub fn phases(plan: &Plan) -> Vec<&Phase> {
    let phases = plan.phases.values();
    phases
        .filter(|phase| matches!(phase.spec, PhaseSpec::Backfill(_)))
        .collect()
}

/// The limits of the plan.
pub fn limits_of_plan(phase: &Phase) -> Result<Limits, PhaseError> {
    let spec = spec(phase)?;
    let rates = materials::rates(spec);
    Ok(Limits {
        docs: rates.docs,
        bytes: rates.bytes,
        // What the engine does by itself is no limit of the plan.
        in_flight: spec.limits.in_flight,
        target_cpu: rates.target_cpu,
    })
}

/// The board of a phase.
pub(super) fn board_at(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
    lineage: &str,
) -> Result<Arc<dyn Board>, PhaseError> {
    fleet::board(target, plan, phase, lineage).ok_or_else(|| {
        failed(
            format!("{}: no board can be kept there", target.location()),
            "give a directory or a cluster as target",
        )
    })
}

/// Reads the board of a phase; a fleet of nobody where there is none.
pub(super) fn fleet_of(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
    state: &State,
) -> Result<Fleet, PhaseError> {
    read(&*board_at(target, plan, phase, &state.lineage)?)
}

pub(super) fn read(board: &dyn Board) -> Result<Fleet, PhaseError> {
    let control = board.control().map_err(|error| board_error(&error))?;
    // Before the tally: who is gone in between is in both, and counts once.
    let beats = board.beats().map_err(|error| board_error(&error))?;
    let now = board.now();
    // Others wait until a process fell silent; of those of this machine it is known at once.
    let here = host::name();
    let (dead, beats): (Vec<Beat>, Vec<Beat>) = beats
        .into_iter()
        .partition(|beat| !beat.left && beat.host == here && is_gone(Path::new("/proc"), beat.pid));
    let mut muster = muster(&control, beats, now);
    let ended = dead.iter().map(|beat| beat.id.clone()).collect();
    muster.lost.extend(dead);
    // Without it all else can be told.
    let tally = board.tally().unwrap_or_else(|error| {
        tracing::debug!(%error, "what processes did that are gone could not be read");
        Tally::default()
    });
    let listed = |id: &String| muster.beats().any(|beat| beat.id == *id);
    let gone = tally.processes() - tally.gone.keys().filter(|id| listed(id)).count() as u64;
    Ok(Fleet {
        figures: tally.total(muster.beats()),
        gone: gone + muster.left.len() as u64,
        control,
        muster,
        ended,
        now,
    })
}

/// Whether a process of this machine ended, also where nobody took note of its end yet. Where the system does not tell, it did
/// not.
fn is_gone(processes: &Path, pid: u32) -> bool {
    if !processes.join("self").exists() {
        return false;
    }
    match std::fs::read_to_string(processes.join(pid.to_string()).join("stat")) {
        Ok(stat) => {
            let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest);
            after_name.is_some_and(|rest| rest.starts_with('Z') || rest.starts_with('X'))
        }
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Where orders for one phase are left.
pub struct Orders {
    board: Arc<dyn Board>,
}

impl Orders {
    /// Of a phase of which something was begun: there is no place for orders before.
    pub fn open(
        plan: &Plan,
        phase: &Phase,
        state: &State,
        connections: &Connections,
        start: &str,
    ) -> Result<Self, PhaseError> {
        Self::find(plan, phase, state, connections)?.ok_or_else(|| {
            failed(
                format!(
                    "nothing of `{}` was begun, so there is nobody to give orders to",
                    phase.address
                ),
                &format!("`{start}` begins; `workers` and `limits` of the phase say how"),
            )
        })
    }

    /// As [`Self::open`]; `None` where nothing was begun.
    pub fn find(
        plan: &Plan,
        phase: &Phase,
        state: &State,
        connections: &Connections,
    ) -> Result<Option<Self>, PhaseError> {
        let on = &spec(phase)?.to.value;
        let target = connections.open_target(on)?;
        let error = |error| super::common::target_error(on, &error);
        let ready = target.identity().map_err(error)?.is_some();
        if state.serial == 0 || !ready {
            return Ok(None);
        }
        let board = board_at(&*target, plan, &phase.address, &state.lineage)?;
        Ok(Some(Self { board }))
    }

    /// The fleet as it is.
    pub fn fleet(&self) -> Result<Fleet, PhaseError> {
        read(&*self.board)
    }

    /// Changes what is wanted. Refused where the backfill was stopped.
    pub fn change(
        &self,
        phase: &Address,
        by: &str,
        change: impl Fn(&mut Control),
    ) -> Result<Fleet, PhaseError> {
        let before = self.board.control().map_err(|error| board_error(&error))?;
        if before.stopped {
            return Err(stopped(phase, &before.by));
        }
        let mut ended = None;
        self.board
            .change(by, &mut |control| {
                if control.stopped {
                    ended = Some(control.by.clone());
                } else {
                    change(control);
                }
            })
            .map_err(|error| board_error(&error))?;
        if let Some(by) = ended {
            return Err(stopped(phase, &by));
        }
        self.fleet()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ended_is_known_to_be_gone() {
        let own = std::process::id();
        assert!(!is_gone(Path::new("/proc"), own));
        let processes = tempfile::tempdir().unwrap();
        // Nothing is told there.
        assert!(!is_gone(processes.path(), own));
        for (pid, stat) in [("self", ""), ("7", "7 (a) b) Z 1"), ("8", "8 (mig) S 1")] {
            let folder = processes.path().join(pid);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("stat"), stat).unwrap();
        }
        let gone = |pid| is_gone(processes.path(), pid);
        assert_eq!([gone(7), gone(8), gone(9)], [true, false, true]);
    }
}
