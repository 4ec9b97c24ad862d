//! The kinds of phases: the only place where the plan's words meet the engines.
//!
//! A kind is one trait: `observe` (read-only) → `decide` (pure) → `perform` (idempotent, checkpointed, cancellable) →
//! `undo`. Relies on `plan`, `diff` and `state` for types, on `engines` and `clients` for work. Deliberately absent: the
//! order of phases, approvals, locks and the journal's file (all `apply`'s).

pub mod adopt;
pub mod backfill;
pub mod check;
pub mod clusters;
mod common;
pub mod connections;
pub mod existing;
pub mod gate;
pub mod kind;
pub mod live;
pub mod metadata;
pub mod meters;
pub mod plan_tests;
pub mod reset;
mod scan;
pub mod snapshot;
mod source_gap;
mod streams;
pub mod switchover;
mod transforms;
mod types;
pub mod verify;

pub(crate) use common::question;
pub(crate) use streams::by_name as stream_by_name;

use crate::diff::observation::Observation;
use crate::plan::model::PhaseKindName;
use kind::{ObserveContext, PhaseError, PhaseKind};

/// The implementation of a kind.
pub fn kind_of(name: PhaseKindName) -> &'static dyn PhaseKind {
    match name {
        PhaseKindName::Gate => &gate::Gate,
        PhaseKindName::Snapshot => &snapshot::Snapshot,
        PhaseKindName::Metadata => &metadata::Metadata,
        PhaseKindName::Backfill => &backfill::Backfill,
        PhaseKindName::Verify => &verify::Verify,
        PhaseKindName::Switchover => &switchover::Switchover,
    }
}

/// Observes a phase, or answers what was recorded for it.
pub fn observe(cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
    match cx.connections.recorded_for(&cx.phase.address) {
        Some(observation) => Ok(observation.clone()),
        None => kind_of(cx.phase.spec.kind()).observe(cx),
    }
}
