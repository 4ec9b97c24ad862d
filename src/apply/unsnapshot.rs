//! Deletes the snapshots of a phase once nothing rests on them any more: journalled first, and finished by doing it again.
//!
//! Deliberately absent: the deleting itself (`phases::snapshot`), asking.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::passed::rests_on;
use crate::base::units::plural;
use crate::base::{Address, failpoint};
use crate::diff::change::{Action, PhaseChange};
use crate::phases::connections::Connections;
use crate::phases::kind::PhaseError;
use crate::phases::snapshot;
use crate::plan::model::{Phase, Plan};
use crate::state::model::{Entry, State};
use crate::state::{LockedState, StateError};

/// Why a deletion did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something outside.
    #[error(transparent)]
    Phase(#[from] PhaseError),
}

/// The phases that still need the snapshots of a phase, each with the reason. `changes` is what a plan would do now.
pub fn needed_by(
    plan: &Plan,
    state: &State,
    changes: &[PhaseChange],
    snapshot: &Address,
) -> Vec<(Address, String)> {
    let mut needs = Vec::new();
    for change in changes {
        let Some(phase) = plan.phases.get(&change.address) else {
            continue;
        };
        if !rests_on(phase, snapshot) {
            continue;
        }
        let failed = state
            .phases
            .get(&phase.address)
            .and_then(|record| record.outputs.pointer("/failed-documents/count"))
            .and_then(Value::as_u64);
        let why = match (change.action, failed) {
            (Action::UpToDate, None) => continue,
            (Action::UpToDate, Some(failed)) => {
                format!(
                    "{} failed and can be read anew from it alone",
                    plural(failed, "document")
                )
            }
            (Action::Decide, _) => "something is to be decided that may read it".to_owned(),
            _ => "it is not done".to_owned(),
        };
        needs.push((phase.address.clone(), why));
    }
    needs
}

/// Does it; gives back the names of what was deleted now.
pub fn delete(
    locked: &mut dyn LockedState,
    plan: &Plan,
    phase: &Phase,
    connections: &Connections,
    by: &str,
) -> Result<Vec<String>, DeleteError> {
    let address = &phase.address;
    let nothing = || PhaseError::Failed {
        message: format!("`{address}` took no snapshot, so there is none to delete"),
        help: Some("only what the plan took is deleted".into()),
    };
    let record = locked.state().phases.get(address).cloned();
    let record = record.ok_or_else(nothing)?;
    let taken = snapshot::taken(&record);
    if taken.is_empty() {
        return Err(nothing().into());
    }
    let lineage = locked.state().lineage.clone();
    // Before the journal says so: what is not the plan's own is not deleted, and not called deleted either.
    snapshot::refuse_others(plan, address, &record, &lineage, connections)?;
    if record.ended.is_none() {
        let entry = Entry::EndedForGood {
            address: address.clone(),
            by: by.to_owned(),
            detail: json!({ "snapshots": taken }),
        };
        locked.append(Timestamp::now(), &entry)?;
        failpoint::hit("snapshot.delete.journalled");
    }
    let deleted = snapshot::delete(plan, address, &record, &lineage, connections)?;
    Ok(deleted)
}
