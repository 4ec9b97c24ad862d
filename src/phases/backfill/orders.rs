//! What operators order of a backfill, by its board: how many workers, a pause, other limits.
//!
//! Relies on the board alone, which is written without the lock of the state: processes that work look at it every few
//! seconds. Deliberately absent: starting processes, and the end of a backfill, which changes the state.

use jiff::Timestamp;

use super::super::connections::Connections;
use super::super::kind::PhaseError;
use super::{failed, spec};
use crate::base::Address;
use crate::clients::target::{Target, WorkPlace};
use crate::engines::bulk::fleet::{
    Board, BoardError, Control, IndexBoard, Limits, LocalBoard, Muster, muster,
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
    /// The time at the board's place.
    pub now: Timestamp,
}

/// The backfill phases of a plan, in the order of their names.
pub fn phases(plan: &Plan) -> Vec<&Phase> {
    let phases = plan.phases.values();
    phases
        .filter(|phase| matches!(phase.spec, PhaseSpec::Backfill(_)))
        .collect()
}

/// The limits that the plan gives each process.
pub fn limits_of_plan(phase: &Phase) -> Result<Limits, PhaseError> {
    let limits = &spec(phase)?.limits;
    Ok(Limits {
        docs: limits.docs.map(|rate| rate.0),
        bytes: limits.bytes.map(|rate| rate.0),
        in_flight: limits.in_flight,
        target_cpu: None,
    })
}

/// The board of a phase.
pub(super) fn board_at(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
    lineage: &str,
) -> Result<Box<dyn Board>, PhaseError> {
    let work = phase.as_str();
    match (target.cluster(), target.work_place()) {
        (Some(cluster), _) => Ok(Box::new(IndexBoard::new(
            cluster.state(),
            &plan.name,
            work,
            lineage,
        ))),
        (None, WorkPlace::Directory(place)) => {
            Ok(Box::new(LocalBoard::new(&place, &plan.name, work)))
        }
        (None, WorkPlace::Index(index)) => Err(failed(
            format!("{}: no board can be kept in {index}", target.location()),
            "give a directory or a cluster as target",
        )),
    }
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

fn read(board: &dyn Board) -> Result<Fleet, PhaseError> {
    let control = board.control().map_err(|error| board_error(&error))?;
    let beats = board.beats().map_err(|error| board_error(&error))?;
    let now = board.now();
    Ok(Fleet {
        muster: muster(&control, beats, now),
        control,
        now,
    })
}

fn board_error(error: &BoardError) -> PhaseError {
    failed(error.to_string(), &error.help())
}

/// Where orders for one phase are left.
pub struct Orders {
    board: Box<dyn Board>,
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
            return Err(stopped(phase));
        }
        let mut ended = false;
        self.board
            .change(by, &mut |control| {
                ended = control.stopped;
                if !ended {
                    change(control);
                }
            })
            .map_err(|error| board_error(&error))?;
        if ended {
            return Err(stopped(phase));
        }
        self.fleet()
    }
}

/// What is said of a backfill that was stopped.
fn stopped(phase: &Address) -> PhaseError {
    failed(
        format!("`{phase}` was stopped, and a stopped backfill takes no orders any more"),
        "`mig backfill reset` lets it begin anew: its documents are loaded again",
    )
}
