//! Stops a backfill for good: its working state is archived, that is journalled, and then it is removed from the target.
//!
//! Whoever calls has the lock and has seen that nobody works any more. Done again after a kill it finishes what is left.
//! Deliberately absent: waiting, asking.

use jiff::Timestamp;

use crate::base::failpoint;
use crate::phases::backfill::stop::{Stopping, Totals, ended};
use crate::phases::kind::PhaseError;
use crate::phases::reset::{Removal, Scope, look, remove};
use crate::plan::model::Phase;
use crate::state::model::{Ended, Entry};
use crate::state::{Artifacts, LockedState, StateError};

/// Why a stop did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something outside.
    #[error(transparent)]
    Phase(#[from] PhaseError),
}

/// A backfill that is over.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// What the journal knows of it.
    pub ended: Ended,
    /// What was archived just now; `None` where an earlier stop did that.
    pub totals: Option<Totals>,
}

/// Does it. `scope` is this phase alone.
pub fn stop(
    locked: &mut dyn LockedState,
    phase: &Phase,
    stopping: &Stopping<'_>,
    scope: &Scope<'_>,
    by: &str,
    artifacts: &dyn Artifacts,
) -> Result<Stopped, StopError> {
    let address = &phase.address;
    let mut totals = None;
    if ended(locked.state(), address).is_none() {
        let now = Timestamp::now();
        let serial = locked.state().serial;
        let (detail, of_items) = stopping.archive(serial, by, now, artifacts)?;
        let entry = Entry::EndedForGood {
            address: address.clone(),
            by: by.to_owned(),
            detail,
        };
        locked.append(now, &entry)?;
        failpoint::hit("backfill.stop.journalled");
        totals = Some(of_items);
    }
    // What a load changes for its time: a process that was killed did not put it back.
    let of_loads =
        |removal: &&Removal| matches!(removal, Removal::Tuned(_) | Removal::Alias { .. });
    for removal in look(scope)?.removes.iter().filter(of_loads) {
        remove(scope, removal)?;
    }
    stopping.clean()?;
    // A server keeps a repository that it restores from: what it was at is taken back by now.
    let of_restores = |removal: &&Removal| matches!(removal, Removal::Repository { .. });
    for removal in look(scope)?.removes.iter().filter(of_restores) {
        remove(scope, removal)?;
    }
    let ended = ended(locked.state(), address).cloned();
    let ended = ended.ok_or_else(|| PhaseError::Failed {
        message: format!("`{address}` is not in the state any more"),
        help: None,
    })?;
    Ok(Stopped { ended, totals })
}
