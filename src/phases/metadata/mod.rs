//! `metadata:` moves templates, indices and aliases from a snapshot to a target, translated by rules.
//!
//! Relies on the `metadata` engine for the translation and on `clients::target` for the writing. An object that is there
//! and equal is left alone; one that differs is never overwritten or passed over without a word in the plan.
//! Deliberately absent: documents; putting held-back settings in force (the verify phase does it once it passes).

mod decide;
mod desired;
mod perform;
mod source;
mod undo;

use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use crate::diff::change::PhaseChange;
use crate::diff::observation::{MetadataObservation, Observation};
use crate::plan::model::{MetadataSpec, Phase, PhaseSpec};
use crate::state::model::PhaseRecord;

pub(super) use desired::{Desired, desired};

/// The kind.
pub struct Metadata;

impl PhaseKind for Metadata {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        let spec = spec(cx.phase)?;
        let target = cx.connections.open_target(&spec.to.value)?;
        let view = cx.connections.usable_snapshot(&spec.from.value)?;
        let source_objects = match &view {
            Some(view) => source::objects(view)?,
            None => Vec::new(),
        };
        let mut target_objects = Vec::new();
        for (key, _) in &source_objects {
            let found = target
                .get(key)
                .map_err(|error| super::common::target_error(&spec.to.value, &error))?;
            if let Some(body) = found {
                target_objects.push((key.clone(), body));
            }
        }
        let facts = view.as_ref().and_then(|view| view.facts.as_ref());
        Ok(Observation::Metadata(MetadataObservation {
            snapshot_uuid: facts.map(|facts| facts.uuid.clone()),
            source: facts.and_then(|facts| facts.made_by),
            target: target.version(),
            source_objects,
            target_objects,
        }))
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        decide::decide(cx)
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        perform::perform(cx)
    }

    fn undo_plan(&self, record: &PhaseRecord) -> UndoPlan {
        undo::undo_plan(record)
    }

    fn undo(&self, cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        undo::undo(cx)
    }
}

fn spec(phase: &Phase) -> Result<&MetadataSpec, PhaseError> {
    match &phase.spec {
        PhaseSpec::Metadata(spec) => Ok(spec),
        _ => Err(PhaseError::Failed {
            message: format!("`{}` is no metadata phase", phase.address),
            help: None,
        }),
    }
}
