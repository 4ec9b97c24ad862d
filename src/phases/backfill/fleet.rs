//! The fleet of a backfill as `mig apply` leads it: what it gives out and what it hears from operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::kind::{PerformContext, PhaseError};
use super::materials;
use crate::base::Address;
use crate::clients::target::{Target, WorkPlace};
use crate::engines::bulk::fleet::{
    Board, BoardError, Counts, IndexBoard, Joining, LocalBoard, Member, Role, Turn,
};
use crate::engines::bulk::{Crew, Stop, limits};
use crate::plan::model::{BackfillSpec, Plan};

/// The board of a phase, wherever its target keeps it; `None` where nothing can be kept.
pub(in crate::phases) fn board(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
    lineage: &str,
) -> Option<Arc<dyn Board>> {
    match (target.cluster(), target.work_place()) {
        (Some(cluster), _) => Some(Arc::new(IndexBoard::new(
            cluster.state(),
            &plan.name,
            phase.as_str(),
            lineage,
        ))),
        (None, WorkPlace::Directory(directory)) => Some(Arc::new(LocalBoard::new(
            &directory,
            &plan.name,
            phase.as_str(),
        ))),
        (None, WorkPlace::Index(_)) => None,
    }
}

pub(super) fn board_error(error: &BoardError) -> PhaseError {
    PhaseError::Failed {
        message: error.to_string(),
        help: Some(error.help()),
    }
}

/// The load was ended for good by an operator.
pub(super) fn stopped(phase: &Address, by: &str) -> PhaseError {
    PhaseError::Failed {
        message: format!("the backfill was stopped by {by}: no worker begins any more"),
        help: Some(format!(
            "`mig backfill reset` lets `{phase}` begin anew; `mig backfill stop` once more finishes a stop that was killed"
        )),
    }
}

/// See the module.
pub(super) struct Fleet {
    member: Member,
}

impl Fleet {
    /// Joins as the coordinator, under a name that is the process's own.
    pub(super) fn join(
        cx: &PerformContext<'_>,
        spec: &BackfillSpec,
        target: &dyn Target,
        id: &str,
    ) -> Result<Self, PhaseError> {
        let phase = &cx.phase.address;
        let board = board(target, cx.plan, phase, &cx.state.lineage).ok_or_else(|| {
            super::failed(
                format!("{}: no work can be noted there", target.location()),
                "give another target",
            )
        })?;
        let control = board.control().map_err(|error| board_error(&error))?;
        if control.stopped {
            return Err(stopped(phase, &control.by));
        }
        board
            .give_out(id, Turn::Preparing, &BTreeMap::new())
            .map_err(|error| board_error(&error))?;
        let joining = Joining {
            id: id.to_owned(),
            role: Role::Coordinator,
            able: spec.workers,
            most: limits::WORKERS,
            rates: materials::rates(spec),
            meter: cx.meters.of(phase),
        };
        let member = Member::join(board, joining).map_err(|error| board_error(&error))?;
        Ok(Self { member })
    }

    pub(super) fn crew(&self) -> &dyn Crew {
        &self.member
    }

    /// Tells the workers what there is to take.
    pub(super) fn give_out(
        &self,
        turn: Turn,
        indices: &BTreeMap<String, Option<String>>,
    ) -> Result<(), PhaseError> {
        let board = self.member.board();
        board
            .give_out(self.member.id(), turn, indices)
            .map_err(|error| board_error(&error))
    }

    /// What is asked of the load: by the run, or by an operator.
    pub(super) fn stop(&self, by_the_run: Stop) -> Stop {
        if self.member.is_stopped() {
            by_the_run.max(Stop::Drain)
        } else {
            by_the_run
        }
    }

    /// A turn ended, however it did: nobody is to take more of it.
    pub(super) fn turned(&self) -> Result<(), PhaseError> {
        self.member.turned();
        self.give_out(Turn::Preparing, &BTreeMap::new())
    }

    /// All is loaded: what the others measured is to be among the last figures.
    pub(super) fn hear_last_words(&self, is_over: &dyn Fn() -> bool) {
        self.member.hear_last_words(is_over);
    }

    /// Says of this process how many it has at work, outside of a load.
    pub(super) fn at_work(&self, working: u32) {
        self.member.tell(Counts::default(), working);
    }

    pub(super) fn stopped_by(&self) -> Option<String> {
        let heard = self.member.heard();
        heard.control.stopped.then_some(heard.control.by)
    }

    pub(super) fn paused_by(&self) -> Option<String> {
        self.member.paused_by()
    }
}
