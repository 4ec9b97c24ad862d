//! What a kind of phase is.

use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use serde_json::Value;

use crate::base::Address;
use crate::diff::change::PhaseChange;
use crate::diff::observation::Observation;
use crate::phases::check::Probes;
use crate::phases::connections::Connections;
use crate::phases::meters::Meters;
use crate::plan::model::{Phase, Plan};
use crate::state::Artifacts;
use crate::state::model::{PhaseRecord, SideEffect, State};

/// A kind of phase. One implementation each in a folder of this module.
pub trait PhaseKind: Send + Sync {
    /// Looks at what the phase works on. Writes nothing anywhere.
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError>;

    /// What would be done. Pure: the same inputs give the same bytes.
    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange;

    /// Does it. Idempotent: after a kill at any instant, doing it again finishes it. Announces each side effect to
    /// `cx.announce` before it happens; returns early, with [`Performed::Interrupted`], once `cx.interrupt` asks.
    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError>;

    /// What `undo` would remove, and what can't be undone; pure.
    fn undo_plan(&self, record: &PhaseRecord) -> UndoPlan;

    /// Takes back what the record's effects say was done. Idempotent.
    fn undo(&self, cx: &UndoContext<'_>) -> Result<(), PhaseError>;

    /// Tries in small what it will do, under names of its own; or says why there is nothing to try.
    fn check(&self, probes: &mut Probes<'_>) {
        probes.none("it does nothing that could be tried in small");
    }
}

/// For `observe`.
pub struct ObserveContext<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The phase.
    pub phase: &'a Phase,
    /// What is remembered.
    pub state: &'a State,
    /// Opened stores and targets, shared by all phases of a run.
    pub connections: &'a Connections,
}

/// For `decide`.
pub struct DecideContext<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The phase.
    pub phase: &'a Phase,
    /// What is remembered.
    pub state: &'a State,
    /// What was observed for this phase.
    pub observation: &'a Observation,
    /// Decisions of the phases that come earlier in the graph's order.
    pub earlier: &'a [PhaseChange],
    /// Whether `--redo` names this phase.
    pub redo: bool,
    /// The time of planning.
    pub now: Timestamp,
}

/// For `perform`.
pub struct PerformContext<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The phase.
    pub phase: &'a Phase,
    /// What is remembered at the start of the phase.
    pub state: &'a State,
    /// What was decided (freshly, just before this call).
    pub change: &'a PhaseChange,
    /// What that decision rests on.
    pub observation: &'a Observation,
    /// Opened stores and targets.
    pub connections: &'a Connections,
    /// Writes a side effect to the journal, durably, before it happens.
    pub announce: &'a (dyn Fn(SideEffect) -> Result<(), PhaseError> + Sync),
    /// Tells progress.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Asks to stop.
    pub interrupt: &'a Interrupt,
    /// The time of this decision, for evidence.
    pub now: Timestamp,
    /// Where evidence is kept, and what a run may take up again: beside the state, wherever that is.
    pub artifacts: &'a dyn Artifacts,
    /// Where loads tell what they measure, for who watches.
    pub meters: &'a Meters,
}

/// For `undo`.
pub struct UndoContext<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The phase's address.
    pub address: &'a Address,
    /// What is remembered of it.
    pub record: &'a PhaseRecord,
    /// The lineage of the state.
    pub lineage: &'a str,
    /// Opened stores and targets.
    pub connections: &'a Connections,
}

/// How a `perform` ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Performed {
    /// All done.
    Done {
        /// What later phases and plans need of it.
        outputs: Value,
        /// What was proved or done; one statement a line.
        evidence: Vec<String>,
    },
    /// Stopped at a checkpoint because `interrupt` asked.
    Interrupted,
    /// Done, but documents failed beyond what the plan tolerates: exit 9.
    Partial {
        /// Why.
        reason: String,
        /// What was done.
        outputs: Value,
    },
    /// A check or a verification failed: exit 8.
    CheckFailed {
        /// Why, one statement a line.
        findings: Vec<String>,
        /// What was found, kept as evidence.
        outputs: Value,
    },
}

/// How far a running phase is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// What is counted: `docs`, `objects`.
    pub unit: String,
    /// Done so far, including what earlier runs did.
    pub done: u64,
    /// In all.
    pub total: u64,
    /// Bytes of source read so far.
    pub bytes: u64,
    /// Documents that failed.
    pub failed: u64,
    /// Workers at work.
    pub workers: u32,
    /// Who had it rest, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
}

/// What an undo removes, and what it can't.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct UndoPlan {
    /// One thing a line.
    pub removes: Vec<String>,
    /// One thing a line, with the reason.
    pub cannot: Vec<String>,
}

/// Asks running work to stop: first at the next checkpoint, then at once.
#[derive(Debug, Default)]
pub struct Interrupt(AtomicU8);

impl Interrupt {
    /// Stop at the next checkpoint.
    pub fn drain(&self) {
        self.0.fetch_max(1, Ordering::SeqCst);
    }

    /// Stop at once.
    pub fn stop(&self) {
        self.0.fetch_max(2, Ordering::SeqCst);
    }

    /// Whether to stop at the next checkpoint (or at once).
    pub fn draining(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 1
    }

    /// Whether to stop at once.
    pub fn stopping(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 2
    }
}

/// Why a phase could not do its work. The text says what, where and how to mend.
#[derive(Debug, thiserror::Error)]
pub enum PhaseError {
    /// Something outside refused or is broken.
    #[error("{message}")]
    Failed {
        /// What and where.
        message: String,
        /// How to mend.
        help: Option<String>,
    },
    /// A cluster does not answer.
    #[error("{message}")]
    Unreachable {
        /// Which, and what was tried.
        message: String,
        /// How to mend.
        help: String,
    },
    /// What the decision rested on has moved in between: exit 6.
    #[error("{0}")]
    Stale(String),
    /// This version of `mig` can't do it yet.
    #[error("{message}")]
    NotYet {
        /// What.
        message: String,
        /// What can be done instead.
        help: String,
    },
}
