//! `backfill:` moves documents from a snapshot to a target, and stays done for good once they were proved.
//!
//! Relies on the `bulk` engine for the moving; progress is in its work store beside the documents, not in the state.
//! Deliberately absent: the proof (the verify phase's), indices and their mappings (the metadata phase's: a target never
//! makes an index by itself).

pub mod again;
mod check;
mod cluster;
mod course;
mod decide;
pub mod failures;
mod fate;
mod findings;
pub mod fleet;
mod generations;
mod ground;
pub mod join;
mod materials;
pub mod orders;
mod perform;
mod restore;
pub mod sample;
mod since;
pub mod status;
mod status_shapes;
pub mod stop;
mod store;
mod undo;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::Probes;
use super::common;
use super::connections::Connections;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use super::streams;
use super::types::Way;
use crate::base::{Address, Fingerprint};
use crate::clients::target::Target;
use crate::diff::change::PhaseChange;
use crate::diff::observation::{BackfillObservation, Observation, SnapshotIndexFacts, WorkFacts};
use crate::engines::bulk::BulkError;
use crate::engines::bulk::fleet::Control;
use crate::engines::bulk::work_store::WorkIdentity;
use crate::plan::model::{BackfillSpec, DataStreams, Phase, PhaseSpec, Plan, WithoutSource};
use crate::state::model::{PhaseRecord, State};
pub use cluster::{TunedIndex, restore_tuned, tuned};
pub(super) use materials::{failed_folder_in, failed_place};
pub use since::snapshots_of_work;
pub(super) use since::taken_over;

/// The kind.
pub struct Backfill;

impl PhaseKind for Backfill {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        let spec = spec(cx.phase)?;
        let on = &spec.to.value;
        let error = |error| common::target_error(on, &error);
        cx.connections.refuse_itself(&spec.from.value, on)?;
        let view = cx.connections.source(&spec.from.value)?;
        let target = landed(cx.connections, spec, view.indices())?;
        let snapshot_uuid = view.snapshot_uuid();
        let (identity, work) = match peek(&*target, cx.plan, &cx.phase.address)? {
            Some((identity, work)) => (Some(identity), Some(work)),
            None => (None, None),
        };
        let ours = identity
            .as_ref()
            .is_none_or(|identity| identity.lineage == cx.state.lineage);
        let other_work = identity.as_ref().filter(|_| !ours).map(|identity| {
            format!(
                "plan `{}`, state {}, snapshot {}",
                identity.plan, identity.lineage, identity.snapshot_uuid
            )
        });
        let way = way(cx.plan, spec);
        let source = way.targets(view.indices());
        let base = since::base_uuid(cx.connections, spec)?;
        let base = base.as_deref();
        let wanted = snapshot_uuid
            .as_deref()
            .map(|uuid| since::work_snapshot(uuid, base));
        let this_snapshot = identity.is_some_and(|identity| Some(identity.snapshot_uuid) == wanted);
        let mut work = work.filter(|_| ours && this_snapshot);
        let written = work.as_ref().map_or(0, |work| work.docs_done);
        // Beyond what changed, all that stands there is the load's that this one builds upon.
        let written = if spec.since.is_some() {
            u64::MAX
        } else {
            written
        };
        let names: Vec<&str> = source.keys().map(String::as_str).collect();
        let restore = restore::ground(cx.connections, cx.plan, spec, &view, &*target)?;
        let indices = target.index_facts_many(&names, written).map_err(error)?;
        let restored = match &snapshot_uuid {
            Some(snapshot) if ours => {
                let whose = restore::Whose {
                    plan: cx.plan,
                    phase: &cx.phase.address,
                    lineage: &cx.state.lineage,
                    snapshot,
                };
                restore::marks(&*target, whose, &indices, &mut work).map_err(error)?
            }
            _ => BTreeMap::new(),
        };
        let version = target.version();
        let since = since::observe(cx, spec, (&source, &indices), version)?;
        let mut there = BTreeMap::new();
        for stream in streams::names(view.indices().values()) {
            if let Some(found) = target.stream(stream).map_err(error)? {
                there.insert(stream.to_owned(), found.indices.len());
            }
        }
        Ok(Observation::Backfill(BackfillObservation {
            snapshot_uuid,
            source,
            target: indices,
            work,
            other_work,
            live: target.live().map_err(error)?.is_some(),
            streams: there,
            target_version: Some(target.version()),
            since,
            restored,
            restore,
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

    fn check(&self, probes: &mut Probes<'_>) {
        check::check(probes);
    }
}

/// The target of a backfill, with the indices behind data streams where they land.
pub(super) fn landed(
    connections: &Connections,
    spec: &BackfillSpec,
    indices: &BTreeMap<String, SnapshotIndexFacts>,
) -> Result<Arc<dyn Target>, PhaseError> {
    let target = connections.open_target(&spec.to.value)?;
    let choice = streams::choice(spec.data_streams, target.version());
    Ok(streams::landed(target, choice, indices))
}

/// How the plan takes data streams, as far as the target is known.
fn choice(spec: &BackfillSpec, observed: &BackfillObservation) -> Option<DataStreams> {
    match observed.target_version {
        Some(version) => streams::choice(spec.data_streams, version),
        None => spec.data_streams.or(Some(DataStreams::Streams)),
    }
}

fn failed(message: String, help: &str) -> PhaseError {
    PhaseError::Failed {
        message,
        help: Some(help.to_owned()),
    }
}

fn bulk_error(error: &BulkError) -> PhaseError {
    failed(error.to_string(), &error.help())
}

fn spec(phase: &Phase) -> Result<&BackfillSpec, PhaseError> {
    match &phase.spec {
        PhaseSpec::Backfill(spec) => Ok(spec),
        _ => Err(PhaseError::Failed {
            message: format!("`{}` is no backfill phase", phase.address),
            help: None,
        }),
    }
}

/// Where its documents come from and go.
pub(super) fn way<'a>(plan: &'a Plan, spec: &'a BackfillSpec) -> Way<'a> {
    Way {
        plan,
        from: &spec.from.value,
        to: &spec.to.value,
    }
}

/// What the work store of a phase says, whoever's it is.
pub(super) fn peek(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
) -> Result<Option<(WorkIdentity, WorkFacts)>, PhaseError> {
    store::peek(target, plan, phase).map_err(|error| work_error(&error))
}

/// Whether operators left orders for a phase, or processes words about it.
pub(super) fn is_ordered(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
    state: &State,
) -> Result<bool, PhaseError> {
    let fleet = orders::fleet_of(target, plan, phase, state)?;
    let said = !fleet.muster.there.is_empty() || !fleet.muster.lost.is_empty();
    Ok(said || fleet.control != Control::default())
}

/// Counts what the target restored for a phase, or restores, into what its work store says.
pub(super) fn add_restores(
    target: &dyn Target,
    (plan, phase): (&Plan, &Phase),
    identity: &WorkIdentity,
    indices: &BTreeMap<String, SnapshotIndexFacts>,
    work: &mut WorkFacts,
) -> Result<(), PhaseError> {
    if target.cluster().is_none() {
        return Ok(());
    }
    let whose = restore::Whose {
        plan,
        phase: &phase.address,
        lineage: &identity.lineage,
        snapshot: &identity.snapshot_uuid,
    };
    let on = &spec(phase)?.to.value;
    let names: Vec<&str> = indices.keys().map(String::as_str).collect();
    let there = target
        .index_facts_many(&names, 0)
        .map_err(|error| common::target_error(on, &error))?;
    let mut all = Some(std::mem::take(work));
    let found = restore::marks(target, whose, &there, &mut all);
    *work = all.unwrap_or_default();
    found
        .map(drop)
        .map_err(|error| common::target_error(on, &error))
}

/// Removes the work store of a phase.
pub(super) fn forget_work(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
) -> Result<(), PhaseError> {
    store::remove(target, plan, phase).map_err(|error| work_error(&error))
}

fn work_error(error: &crate::engines::bulk::work_store::WorkError) -> PhaseError {
    PhaseError::Failed {
        message: error.to_string(),
        help: Some(error.help()),
    }
}

/// Whether a work store is of the phase as it stands in the plan.
pub(super) fn is_work_of(
    identity: &WorkIdentity,
    spec: &BackfillSpec,
    plan: &Plan,
    phase: &Address,
) -> bool {
    let (lineage, snapshot) = (&identity.lineage, &identity.snapshot_uuid);
    *identity == work_identity(spec, plan, phase, lineage, (snapshot, &[]))
}

/// Whose work this is. `whole` are the indices of a load of changes that are written whole all the same: their items are others.
fn work_identity(
    spec: &BackfillSpec,
    plan: &Plan,
    phase: &Address,
    lineage: &str,
    (snapshot, whole): (&str, &[&str]),
) -> WorkIdentity {
    let as_streams = matches!(spec.data_streams, None | Some(DataStreams::Streams));
    let digest = match (
        spec.without_source,
        way(plan, spec).rules(),
        spec.transforms.as_slice(),
        as_streams,
    ) {
        (WithoutSource::Refuse, None, [], true) => Fingerprint::of(&(&spec.to, spec.versions)),
        (choice, None, [], true) => Fingerprint::of(&(&spec.to, spec.versions, choice)),
        (choice, Some(types), [], true) => {
            Fingerprint::of(&(&spec.to, spec.versions, choice, types))
        }
        (choice, None, transforms, true) => {
            Fingerprint::of(&(&spec.to, spec.versions, choice, transforms))
        }
        (choice, types, transforms, true) => {
            Fingerprint::of(&(&spec.to, spec.versions, choice, types, transforms))
        }
        (choice, types, transforms, false) => {
            let streams = spec.data_streams;
            Fingerprint::of(&(&spec.to, spec.versions, choice, types, transforms, streams))
        }
    };
    WorkIdentity {
        plan: plan.name.clone(),
        lineage: lineage.to_owned(),
        work: phase.as_str().to_owned(),
        snapshot_uuid: snapshot.to_owned(),
        digest: match &spec.since {
            None => digest,
            Some(since) => Fingerprint::of(&(digest, since, whole)),
        },
    }
}
