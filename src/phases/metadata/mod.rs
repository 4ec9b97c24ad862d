//! `metadata:` moves templates, indices and aliases from a snapshot to a target, translated by rules.
//!
//! Relies on the `metadata` engine for the translation and on `clients::target` for the writing. An object that is there
//! and equal is left alone; one that differs is never overwritten or passed over without a word in the plan.
//! Deliberately absent: documents; putting held-back settings in force (the verify phase does it once it passes).

pub(super) mod check;
mod decide;
mod desired;
mod findings;
pub(super) mod global;
mod perform;
mod questions;
mod references;
pub(super) mod source;
pub(super) mod streams;
mod summary;
mod system_index;
mod through;
mod undo;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::check::Probes;
use super::common;
use super::connections::{Announcing, Connections};
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use super::live::SourceView;
use crate::clients::target::{NotAnnounced, Target, TargetError};
use crate::diff::change::PhaseChange;
use crate::diff::observation::{
    MetadataObservation, ObjectKey, ObjectKind, Observation, ProbeFacts,
};
use crate::engines::metadata::{core_fingerprint, release};
use crate::plan::model::{LegacyTemplates, MetadataSpec, Phase, PhaseSpec};
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

    fn check(&self, probes: &mut Probes<'_>) {
        check::check(probes);
    }
}

fn look(phase: &Phase, connections: &Connections) -> Result<Observation, PhaseError> {
    let spec = spec(phase)?;
    let target = connections.open_target(&spec.to.value)?;
    connections.refuse_itself(&spec.from.value, &spec.to.value)?;
    let view = connections.source(&spec.from.value)?;
    let (mut source_objects, not_moved) = match &view {
        SourceView::Snapshot(view) => {
            let held = source::held(spec, view)?;
            (held.objects, held.not_moved)
        }
        SourceView::Live(live) => (live.objects.clone(), live.not_moved.clone()),
        SourceView::Wider(wider) => {
            let held = source::held(spec, &wider.taken)?;
            let objects = source::with_more(held.objects, &wider.live.objects);
            (objects, held.not_moved)
        }
        SourceView::Nothing => (Vec::new(), Vec::new()),
    };
    if spec.legacy_templates == LegacyTemplates::Composable {
        source_objects = source::with_composable(spec, source_objects);
    }
    let target_error = |error| common::target_error(&spec.to.value, &error);
    let backing = |(key, body): &&(ObjectKey, Value)| streams::stream_of(key, body).is_some();
    let mut target_templates = Vec::new();
    let composable = |(key, _): &&(ObjectKey, Value)| key.kind == ObjectKind::IndexTemplate;
    if source_objects
        .iter()
        .any(|object| backing(&object) || composable(&object))
    {
        let kind = ObjectKind::IndexTemplate;
        let names = target.list(kind).map_err(target_error)?;
        let keys: Vec<_> = names
            .into_iter()
            .map(|name| ObjectKey { kind, name })
            .collect();
        let found = target.get_many(&keys).map_err(target_error)?;
        target_templates.extend(found.into_iter().map(|(key, body)| (key.name, body)));
    }
    let types = view
        .indices()
        .iter()
        .filter_map(|(name, facts)| Some((name.clone(), facts.types.clone()?)))
        .collect();
    let mut observed = MetadataObservation {
        snapshot_uuid: view.snapshot_uuid(),
        source: view.made_by(),
        target: target.version(),
        source_objects,
        target_objects: Vec::new(),
        unknown_settings: BTreeSet::new(),
        refused: Vec::new(),
        target_templates,
        probed: None,
        types,
        not_moved,
        target_has: Vec::new(),
        target_names: Vec::new(),
        shard_room: None,
    };
    let mut keys = desired::keys(spec, &observed);
    let mut on_target = Vec::new();
    for kind in findings::NAMED {
        let names = target.list(kind).map_err(target_error)?;
        on_target.extend(names.into_iter().map(|name| ObjectKey { kind, name }));
    }
    observed.target_names =
        findings::contested(&keys, &observed.source_objects, on_target.into_iter());
    let held: BTreeSet<ObjectKey> = keys.iter().cloned().collect();
    let named: BTreeSet<ObjectKey> = observed
        .source_objects
        .iter()
        .flat_map(|(key, body)| references::references(key.kind, body))
        .filter(|key| !held.contains(key))
        .collect();
    keys.extend(named);
    let found = target
        .get_many(&keys)
        .map_err(|error| common::target_error(&spec.to.value, &error))?;
    let (there, beside): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(key, _)| held.contains(key));
    observed.target_objects = there;
    observed.target_has = beside.into_iter().map(|(key, _)| key).collect();
    if target.capabilities().checks_bodies {
        ask(spec, &*target, &mut observed)
            .map_err(|error| common::target_error(&spec.to.value, &error))?;
    }
    if let Some(announce) = connections.announcing() {
        probe(spec, &*target, announce, &mut observed)?;
    }
    Ok(Observation::Metadata(observed))
}

/// Asks the target what it would say to the objects that it has not got yet, or has otherwise.
fn ask(
    spec: &MetadataSpec,
    target: &dyn Target,
    observed: &mut MetadataObservation,
) -> Result<(), TargetError> {
    let mut settings = Map::new();
    for object in to_make(spec, observed) {
        let released = release(object.key.kind, &object.body);
        let generations = released.get("generations").and_then(Value::as_array);
        let sections = match generations {
            Some(generations) => generations.iter().collect(),
            None => vec![released.get("template").unwrap_or(&released)],
        };
        for section in sections {
            let found = section.pointer("/settings").and_then(Value::as_object);
            settings.extend(found.cloned().unwrap_or_default());
        }
    }
    observed.unknown_settings = target.unknown_settings(&settings)?;
    let bodies: Vec<_> = to_make(spec, observed)
        .into_iter()
        .map(|object| (object.key, object.body))
        .collect();
    observed.refused = target.refusals(&bodies)?;
    if !bodies.is_empty() {
        observed.shard_room = target.shard_room()?;
    }
    Ok(())
}

/// Makes what the target has not refused yet for a moment, and removes it again.
fn probe(
    spec: &MetadataSpec,
    target: &dyn Target,
    announce: &Announcing,
    observed: &mut MetadataObservation,
) -> Result<(), PhaseError> {
    let on = &spec.to.value;
    let refused: HashSet<&ObjectKey> = observed.refused.iter().map(|(key, _)| key).collect();
    let bodies: Vec<_> = to_make(spec, observed)
        .into_iter()
        .filter(|object| !refused.contains(&object.key))
        .map(|object| (object.key, object.body))
        .collect();
    let failed = RefCell::new(None);
    let outcome = target.probe(&bodies, &|index| {
        announce(on, index).map_err(|error| {
            failed.replace(Some(error));
            NotAnnounced
        })
    });
    if let Some(error) = failed.take() {
        return Err(error);
    }
    let outcome = outcome.map_err(|error| common::target_error(on, &error))?;
    observed.probed = Some(ProbeFacts {
        made: outcome.made,
        not_probed: outcome.not_probed,
    });
    observed.refused.extend(outcome.refused);
    Ok(())
}

/// What is wanted and is not on the target, or differs there.
fn to_make(spec: &MetadataSpec, observed: &MetadataObservation) -> Vec<Desired> {
    let seen = decide::seen(observed);
    let (wanted, _) = desired(spec, observed);
    wanted
        .into_iter()
        .filter(|object| object.problems.is_empty() && object.findings.is_empty())
        .filter(|object| !seen.has(object))
        .collect()
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
    let seen = decide::seen(&observed);
    for object in wanted {
        if !seen.has(&object) {
            continue;
        }
        let label = format!("{} {}", object.key.kind.as_str(), object.key.name);
        let detail = json!({
            "object": object.key,
            "existed": false,
            "before": null,
            "core": core_fingerprint(object.key.kind, &object.body),
            "body": object.body,
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
