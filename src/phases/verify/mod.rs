//! `verify:` proves that a target holds every document of a snapshot or of a live cluster, and then puts in force what
//! waited for the proof.
//!
//! Relies on the `verify` engine for the comparison. The evidence file holds all of it; the state keeps which indices are
//! proved against a snapshot, which is what makes a backfill stay done. Deliberately absent: mending what differs.

mod decide;
mod evidence;
mod held_back;
mod live;
mod perform;
mod source_writes;
mod through;

use std::collections::BTreeMap;

use super::check::Probes;
use super::common;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use super::streams;
use super::types::{self, Way};
use crate::diff::change::PhaseChange;
use crate::diff::observation::{Observation, VerifyObservation};
use crate::plan::model::{Phase, PhaseSpec, Plan, VerifySpec};
use crate::state::model::PhaseRecord;

/// The kind.
pub struct Verify;

impl PhaseKind for Verify {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        let spec = spec(cx.phase)?;
        let on = &spec.target.value;
        let plain = cx.connections.open_target(on)?;
        let version = plain.version();
        let error = |error| common::target_error(on, &error);
        let mut snapshot_uuid = None;
        let mut source_cluster = None;
        let source = if cx.plan.clusters.contains_key(&spec.source.value) {
            let (uuid, indices) = live::observe(cx, &spec.source.value, &spec.indices)?;
            source_cluster = Some(uuid);
            indices
        } else {
            let view = cx.connections.source(&spec.source.value)?;
            snapshot_uuid = view.snapshot_uuid();
            way(cx.plan, spec).targets(view.indices())
        };
        let choice = decide::choice(cx.plan, spec, Some(version));
        let target = streams::landed(plain, choice, &source);
        let mut indices = BTreeMap::new();
        let mut to_close = Vec::new();
        for (name, source) in &source {
            let of = types::of(name, source);
            if streams::left_out(&spec.indices, choice, (of, source)).is_some() {
                continue;
            }
            if let Some(found) = target.index_facts(name, 0).map_err(error)? {
                indices.insert(name.clone(), found);
                if snapshot_uuid.is_some()
                    && source.closed
                    && !target.is_closed(name).map_err(error)?
                {
                    to_close.push(name.clone());
                }
            }
        }
        Ok(Observation::Verify(VerifyObservation {
            snapshot_uuid,
            source_cluster,
            source,
            held_back: held_back::waiting(&*target, on)?,
            target: indices,
            to_close,
            live: target.live().map_err(error)?.is_some(),
            target_version: Some(version),
        }))
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        decide::decide(cx)
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        perform::perform(cx)
    }

    fn undo_plan(&self, record: &PhaseRecord) -> UndoPlan {
        held_back::undo_plan(record)
    }

    fn check(&self, probes: &mut Probes<'_>) {
        probes.none("it only reads: the probes of a backfill read their documents back as it does");
    }

    fn undo(&self, cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        held_back::undo(cx)
    }
}

/// Where the documents came from and went.
fn way<'a>(plan: &'a Plan, spec: &'a VerifySpec) -> Way<'a> {
    Way {
        plan,
        from: &spec.source.value,
        to: &spec.target.value,
    }
}

fn spec(phase: &Phase) -> Result<&VerifySpec, PhaseError> {
    match &phase.spec {
        PhaseSpec::Verify(spec) => Ok(spec),
        _ => Err(PhaseError::Failed {
            message: format!("`{}` is no verify phase", phase.address),
            help: None,
        }),
    }
}
