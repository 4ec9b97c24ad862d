//! `metadata:` moves templates, indices and aliases from a snapshot to a target, translated by rules.
//!
//! Relies on the `metadata` engine for the translation and on `clients::target` for the writing. An object that is there
//! and equal is left alone; one that differs is never overwritten or passed over without a word in the plan.
//! Deliberately absent: documents; putting held-back settings in force (the verify phase does it once it passes).

mod decide;
mod desired;
mod perform;
pub(super) mod source;
mod undo;

use serde_json::json;

use super::common;
use super::connections::Connections;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use super::live::SourceView;
use crate::clients::target::Target;
use crate::diff::change::PhaseChange;
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind, Observation};
use crate::engines::metadata::{core_fingerprint, differences};
use crate::plan::model::{MetadataSpec, Phase, PhaseSpec};
use crate::state::model::{PhaseRecord, SideEffect};

use desired::{Desired, desired};

/// The kind.
pub struct Metadata;

impl PhaseKind for Metadata {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        look(cx.phase, cx.connections)
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

fn look(phase: &Phase, connections: &Connections) -> Result<Observation, PhaseError> {
    let spec = spec(phase)?;
    let target = connections.open_target(&spec.to.value)?;
    let view = connections.source(&spec.from.value)?;
    let source_objects = match &view {
        SourceView::Snapshot(view) => source::objects(view)?,
        SourceView::Live(live) => live.objects.clone(),
        SourceView::Wider(wider) => {
            source::with_more(source::objects(&wider.taken)?, &wider.live.objects)
        }
        SourceView::Nothing => Vec::new(),
    };
    let keys: Vec<ObjectKey> = source_objects.iter().map(|(key, _)| key.clone()).collect();
    let target_objects = target
        .get_many(&keys)
        .map_err(|error| common::target_error(&spec.to.value, &error))?;
    Ok(Observation::Metadata(MetadataObservation {
        snapshot_uuid: view.snapshot_uuid(),
        source: view.made_by(),
        target: target.version(),
        source_objects,
        target_objects,
    }))
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

/// What a lost state made: whether all of it is there, the outputs and the effects; `None` where nothing is.
pub(super) fn adopt(
    phase: &Phase,
    spec: &MetadataSpec,
    target: &dyn Target,
    connections: &Connections,
) -> Result<Option<(bool, serde_json::Value, Vec<SideEffect>)>, PhaseError> {
    let on = &spec.to.value;
    let Observation::Metadata(observed) = look(phase, connections)? else {
        return Ok(None);
    };
    let (wanted, _) = desired(spec, &observed);
    let total = wanted.len();
    let mut effects = Vec::new();
    let mut indices = Vec::new();
    for object in wanted {
        let found = target
            .get(&object.key)
            .map_err(|error| common::target_error(on, &error))?;
        let equal = found
            .is_some_and(|found| differences(object.key.kind, &object.body, &found).is_empty());
        if !equal {
            continue;
        }
        let label = format!("{} {}", object.key.kind.as_str(), object.key.name);
        let detail = json!({
            "object": object.key,
            "existed": false,
            "before": null,
            "core": core_fingerprint(object.key.kind, &object.body),
        });
        effects.push(common::effect_with(on, "create-object", &label, detail));
        if object.key.kind == ObjectKind::Index {
            indices.push(object.key.name);
        }
    }
    if effects.is_empty() {
        return Ok(None);
    }
    let outputs = json!({"snapshot-uuid": observed.snapshot_uuid, "indices": indices});
    Ok(Some((effects.len() == total, outputs, effects)))
}
