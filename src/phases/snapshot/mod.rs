//! `snapshot:` takes snapshots of a cluster, or names an existing one, and says what is in them.
//!
//! ```text
//! series      names, the mark that each snapshot carries, and which of them hold now
//! look        what is observed: the store, and the cluster where it can be reached
//! intent      what is to be done, from that alone
//! decide      how it is shown
//! questions   what stands in its way
//! perform     registers the repository, takes a snapshot or waits for one that is being taken
//! repository  how the store is registered on the cluster
//! found       snapshots that are there
//! status      how far the newest snapshot is
//! since       what earlier hops wrote to the cluster after its snapshot
//! name_mark   the mark in the name, where a server keeps nothing beside a snapshot
//! undo        deletes what was taken
//! check       tries the store and the registration in small; bucket_words: what a bucket refused to the cluster
//! ```
//!
//! The state is not needed to know what was taken: every snapshot carries whose it is, in its metadata or in its name. Deliberately absent: reading
//! documents.

mod bucket_words;
mod check;
mod decide;
mod found;
mod intent;
mod look;
pub mod name_mark;
mod perform;
mod questions;
pub(super) mod repository;
pub mod series;
mod since;
pub mod status;
mod undo;

use super::check::Probes;
use super::common;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use crate::diff::change::{Action, PhaseChange};
use crate::diff::observation::Observation;
use crate::plan::model::{PhaseSpec, SnapshotSpec};
use crate::state::model::PhaseRecord;

pub(crate) use super::common::DELETED;
pub(super) use undo::{adopted, is_registered, registered, take_off};
pub use undo::{delete, refuse_others, taken};

/// The kind.
pub struct Snapshot;

impl PhaseKind for Snapshot {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        look::look(cx.plan, cx.phase, cx.state, cx.connections).map(Observation::Snapshot)
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        let Observation::Snapshot(observed) = cx.observation else {
            return mismatch(cx);
        };
        match &cx.phase.spec {
            PhaseSpec::Snapshot(SnapshotSpec::Take { .. }) => match decide::deleted(cx, observed) {
                Some(change) => change,
                None => decide::decide(cx, observed),
            },
            _ => found::decide(cx, observed),
        }
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        let Observation::Snapshot(observed) = cx.observation else {
            return Err(PhaseError::Stale(
                "the observation is of another kind".into(),
            ));
        };
        match &cx.phase.spec {
            PhaseSpec::Snapshot(SnapshotSpec::Take { .. }) => perform::perform(cx, observed),
            _ => found::perform(cx, observed),
        }
    }

    fn undo_plan(&self, record: &PhaseRecord) -> UndoPlan {
        undo::undo_plan(record)
    }

    fn undo(&self, cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        undo::undo(cx)
    }

    fn check(&self, probes: &mut Probes<'_>) {
        check::check(probes);
    }
}

/// A saved observation of another kind: nothing can be decided on it.
pub(super) fn mismatch(cx: &DecideContext<'_>) -> PhaseChange {
    PhaseChange::new(
        cx.phase,
        Action::Decide,
        "observation-mismatch",
        "what was observed is of another kind of phase: plan again",
        common::inputs(cx, &cx.observation.fingerprint()),
    )
}
