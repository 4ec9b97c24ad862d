//! The work store of a backfill, wherever its target keeps it.

use super::super::common;
use super::super::kind::{PerformContext, PhaseError};
use super::{bulk_error, fleet, materials, work_error, work_identity};
use crate::base::Address;
use crate::clients::target::cluster::restore::take_back;
use crate::clients::target::{Target, WorkPlace};
use crate::diff::observation::WorkFacts;
use crate::engines::bulk::StopFn;
use crate::engines::bulk::work_store::{
    IndexWorkStore, ItemState, LocalWorkStore, Role, WorkError, WorkIdentity, WorkStore,
};
use crate::plan::model::{BackfillSpec, Plan};

/// What the work store of a phase says, whoever's it is.
pub(super) fn peek(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
) -> Result<Option<(WorkIdentity, WorkFacts)>, WorkError> {
    match (target.cluster(), target.work_place()) {
        (Some(cluster), _) => {
            IndexWorkStore::peek_work(cluster.state(), &plan.name, phase.as_str())
        }
        (None, WorkPlace::Directory(directory)) => {
            LocalWorkStore::peek_work(&directory, &plan.name, phase.as_str())
        }
        (None, WorkPlace::Index(_)) => Ok(None),
    }
}

/// The items of the work store of a phase, whoever's it is: reads only, takes no lock.
pub(super) fn peek_items(
    target: &dyn Target,
    plan: &Plan,
    phase: &Address,
) -> Result<Option<(WorkIdentity, Vec<ItemState>)>, WorkError> {
    match (target.cluster(), target.work_place()) {
        (Some(cluster), _) => {
            IndexWorkStore::peek_items(cluster.state(), &plan.name, phase.as_str())
        }
        (None, WorkPlace::Directory(directory)) => {
            LocalWorkStore::peek_items(&directory, &plan.name, phase.as_str())
        }
        (None, WorkPlace::Index(_)) => Ok(None),
    }
}

/// Removes the work store of a phase, where there is one, and the board beside it.
pub(super) fn remove(target: &dyn Target, plan: &Plan, phase: &Address) -> Result<(), WorkError> {
    remove_items(target, plan, phase)?;
    if let Some(board) = fleet::board(target, plan, phase, "") {
        board.remove()?;
    }
    Ok(())
}

/// Removes the work store of a phase and what processes said; what operators ordered stays.
pub(super) fn clear(target: &dyn Target, plan: &Plan, phase: &Address) -> Result<(), WorkError> {
    remove_items(target, plan, phase)?;
    if let Some(board) = fleet::board(target, plan, phase, "") {
        board.clear()?;
    }
    Ok(())
}

fn remove_items(target: &dyn Target, plan: &Plan, phase: &Address) -> Result<(), WorkError> {
    match (target.cluster(), target.work_place()) {
        (Some(cluster), _) => {
            take_back(cluster, &plan.name, phase.as_str())?;
            IndexWorkStore::remove(cluster.state(), &plan.name, phase.as_str())?;
        }
        (None, WorkPlace::Directory(directory)) => {
            LocalWorkStore::remove(&directory, &plan.name, phase.as_str())?;
        }
        (None, WorkPlace::Index(_)) => {}
    }
    Ok(())
}

/// Opens the store of a load that another process leads.
pub(super) fn join<'a>(
    target: &dyn Target,
    identity: &WorkIdentity,
    stop: StopFn<'a>,
) -> Result<Box<dyn WorkStore + 'a>, WorkError> {
    let not_begun = || WorkError::NotBegun {
        path: target.location().into(),
        plan: identity.plan.clone(),
        work: identity.work.clone(),
    };
    let cluster = target.cluster().ok_or_else(not_begun)?;
    let store = IndexWorkStore::open(cluster.state(), identity, Role::Worker, stop)?;
    Ok(Box::new(store))
}

/// Opens the work store of some snapshots, with the indices that are whole where others are not; one of this phase for another
/// snapshot, or of an older form of the phase, is made anew.
pub(super) fn open<'a>(
    cx: &PerformContext<'_>,
    spec: &BackfillSpec,
    target: &dyn Target,
    of: (&str, &[&str]),
    stop: StopFn<'a>,
) -> Result<Box<dyn WorkStore + 'a>, PhaseError> {
    let identity = work_identity(spec, cx.plan, &cx.phase.address, &cx.state.lineage, of);
    let found = peek(target, cx.plan, &cx.phase.address).map_err(|error| work_error(&error))?;
    if let Some((found, _)) = found
        && found != identity
        && found.lineage == identity.lineage
    {
        let detail = serde_json::json!({"snapshot-uuid": found.snapshot_uuid});
        (cx.announce)(common::effect_with(
            &spec.to.value,
            "reset-work",
            cx.phase.address.as_str(),
            detail,
        ))?;
        remove(target, cx.plan, &cx.phase.address).map_err(|error| work_error(&error))?;
        let of_before = materials::failed_place(&cx.phase.address, cx.artifacts, target)?;
        of_before.remove(None).map_err(|error| bulk_error(&error))?;
    }
    coordinate(target, &identity, stop)
}

/// Opens the work store of a work as its coordinator: whoever calls has the lock of the plan's state.
pub(super) fn coordinate<'a>(
    target: &dyn Target,
    identity: &WorkIdentity,
    stop: StopFn<'a>,
) -> Result<Box<dyn WorkStore + 'a>, PhaseError> {
    let opened = match (target.cluster(), target.work_place()) {
        (Some(cluster), _) => {
            IndexWorkStore::open(cluster.state(), identity, Role::Coordinator, stop)
                .map(|store| Box::new(store) as Box<dyn WorkStore + 'a>)
        }
        (None, WorkPlace::Directory(directory)) => LocalWorkStore::open(&directory, identity)
            .map(|store| Box::new(store) as Box<dyn WorkStore + 'a>),
        (None, WorkPlace::Index(index)) => {
            return Err(PhaseError::Failed {
                message: format!(
                    "{}: no work store can be kept in {index}",
                    target.location()
                ),
                help: None,
            });
        }
    };
    opened.map_err(|error| work_error(&error))
}
