//! The documents of a backfill that failed and still do: where they are told, what made them fail.
//!
//! Which they are is known by the items of the work store, or by those of its archive once the backfill was stopped; the
//! stream has their lines. Reads only. Deliberately absent: sending them again (`again`).

use super::super::connections::Connections;
use super::super::kind::PhaseError;
use super::{bulk_error, materials, spec, stop, store, work_error};
use crate::clients::target::Target;
use crate::engines::bulk::BulkError;
use crate::engines::bulk::failed::causes::{Cause, Causes};
use crate::engines::bulk::failed::{self, FailedDocument, FailedPlace, Seen};
use crate::engines::bulk::work_store::ItemState;
use crate::plan::model::{Phase, Plan};
use crate::state::Artifacts;
use crate::state::model::State;

/// See the module.
pub struct Failures {
    place: FailedPlace,
    items: Vec<ItemState>,
}

/// Takes documents; an error ends the reading.
pub type Visit<'v> = dyn FnMut(FailedDocument<'_>) -> Result<(), PhaseError> + 'v;

impl Failures {
    /// Of a phase of a plan.
    pub fn look(
        plan: &Plan,
        phase: &Phase,
        state: &State,
        connections: &Connections,
        artifacts: &dyn Artifacts,
    ) -> Result<Self, PhaseError> {
        let target = connections.open_target(&spec(phase)?.to.value)?;
        let found = store::peek_items(&*target, plan, &phase.address);
        let found = found.map_err(|error| work_error(&error))?;
        let ours = found.filter(|(identity, _)| identity.lineage == state.lineage);
        let items = match ours {
            Some((_, items)) => items,
            None => stop::archived_items(state, &phase.address, artifacts)?,
        };
        Self::of(phase, items, artifacts, &*target)
    }

    /// Of these items.
    pub(super) fn of(
        phase: &Phase,
        items: Vec<ItemState>,
        artifacts: &dyn Artifacts,
        target: &dyn Target,
    ) -> Result<Self, PhaseError> {
        Ok(Self {
            place: materials::failed_place(&phase.address, artifacts, target)?,
            items,
        })
    }

    /// Where people find the lines.
    pub fn location(&self) -> String {
        self.place.location()
    }

    /// How many there are, as the items know.
    pub fn count(&self) -> u64 {
        self.items.iter().map(|it| it.progress.failed).sum()
    }

    /// Gives each whose line is here.
    pub fn each(&self, visit: &mut Visit<'_>) -> Result<Seen, PhaseError> {
        let mut ended = None;
        let read = failed::read(&self.place, &self.items, &mut |document| {
            visit(document).map_err(|error| {
                ended = Some(error);
                BulkError::Worker(String::new())
            })
        });
        match (read, ended) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(bulk_error(&error)),
            (Ok(seen), None) => Ok(seen),
        }
    }

    /// What made them fail.
    pub fn causes(&self) -> Result<Vec<Cause>, PhaseError> {
        let mut causes = Causes::default();
        self.each(&mut |document| {
            causes.add(&document);
            Ok(())
        })?;
        Ok(causes.into_list())
    }
}
