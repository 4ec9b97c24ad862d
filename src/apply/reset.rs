//! Removes what a plan left beside what it made, and has its phases begin anew: shown first, and resumable.
//!
//! The state is archived before it changes, and its journal keeps all of it anyway. It changes last: a reset that was killed
//! finds the rest by the same look. Deliberately absent: what there is to remove, which `phases::reset` knows.

use jiff::Timestamp;

use super::check::{Left, remove_left};
use crate::base::failpoint;
use crate::phases::kind::PhaseError;
use crate::phases::reset::{Found, Removal, Scope, anew, look, remove};
use crate::state::model::Entry;
use crate::state::{Artifacts, LockedState, StateError};

/// What a reset would do.
pub struct Preview {
    /// What goes and what stays.
    pub found: Found,
    /// What checks left.
    pub probes: Vec<Left>,
    /// The phases that begin anew.
    pub anew: Vec<crate::base::Address>,
}

impl Preview {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let removes = self.found.removes.iter().any(Removal::counts);
        !removes && self.probes.is_empty() && self.anew.is_empty()
    }
}

/// Why a reset did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something outside.
    #[error(transparent)]
    Phase(#[from] PhaseError),
}

/// Looks; reads only.
pub fn preview(scope: &Scope<'_>, artifacts: &dyn Artifacts) -> Result<Preview, ResetError> {
    let probes = match scope.only {
        None => Left::look(scope.plan, scope.state, artifacts, scope.connections)?,
        Some(_) => Vec::new(),
    };
    Ok(Preview {
        found: look(scope)?,
        probes,
        anew: anew(scope),
    })
}

/// Does it. Gives back where the state was archived.
pub fn reset(
    scope: &Scope<'_>,
    preview: &Preview,
    artifacts: &dyn Artifacts,
    told: &mut dyn FnMut(&str),
) -> Result<(), ResetError> {
    for removal in &preview.found.removes {
        remove(scope, removal)?;
        if removal.counts() {
            for line in removal.told() {
                told(&line);
            }
        }
    }
    let (removed, stays) = remove_left(&preview.probes, artifacts, scope.plan, scope.connections)?;
    for it in &removed {
        told(&format!("removes {it}, which a check left"));
    }
    if let Some(stays) = stays.first() {
        return Err(PhaseError::Failed {
            message: format!("what a check left could not be removed: {}", stays.said),
            help: stays.help.clone(),
        }
        .into());
    }
    Ok(())
}

/// Keeps a copy of the state as it was, and has the phases begin anew. Where the copy is.
pub fn begin_anew(
    preview: &Preview,
    locked: &mut dyn LockedState,
    artifacts: &dyn Artifacts,
) -> Result<Option<String>, StateError> {
    if preview.anew.is_empty() {
        return Ok(None);
    }
    let name = format!("archive/state-{}.json", locked.state().serial);
    let bytes = serde_json::to_vec_pretty(locked.state()).unwrap_or_default();
    artifacts.put(&name, &bytes)?;
    failpoint::hit("reset.archived");
    locked.append(
        Timestamp::now(),
        &Entry::Reset {
            addresses: preview.anew.clone(),
        },
    )?;
    Ok(Some(artifacts.locate(&name)))
}
