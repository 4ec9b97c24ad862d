//! Sends failed documents of a backfill again and writes down what came of it.
//!
//! The effect stands in the journal before anything is sent, and goes with the new counts. A retry that was killed in between
//! leaves it there: then the next apply finishes the phase by what the work store says. Deliberately absent: the sending
//! (`phases::backfill::again`), asking.

use jiff::Timestamp;

use crate::phases::backfill::again::{Retried, Retrying, again, statement};
use crate::phases::kind::PhaseError;
use crate::plan::model::PhaseSpec;
use crate::state::model::{Entry, PhaseStatus};
use crate::state::{LockedState, StateError};

/// Why a retry did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something outside.
    #[error(transparent)]
    Phase(#[from] PhaseError),
}

/// Does it. The state that `cx` has is the one that is locked.
pub fn retry(locked: &mut dyn LockedState, cx: &Retrying<'_>) -> Result<Retried, RetryError> {
    let address = &cx.phase.address;
    let mut broken = None;
    let tried = again(cx, &mut |effect| {
        let entry = Entry::Effect {
            address: address.clone(),
            effect,
        };
        locked.append(Timestamp::now(), &entry).map_err(|error| {
            let told = PhaseError::Failed {
                message: error.to_string(),
                help: Some(error.help()),
            };
            broken = Some(error);
            told
        })
    });
    if let Some(error) = broken {
        return Err(error.into());
    }
    let tried = tried?;
    if let Some(entry) = entry(locked, cx, &tried) {
        locked.append(Timestamp::now(), &entry)?;
    }
    Ok(tried)
}

/// What the record is to say. A phase that is not done is finished by an apply, which proves its counts.
fn entry(locked: &dyn LockedState, cx: &Retrying<'_>, tried: &Retried) -> Option<Entry> {
    let address = cx.phase.address.clone();
    let record = locked.state().phases.get(&address)?;
    let outputs = tried.outputs.clone()?;
    let PhaseSpec::Backfill(spec) = &cx.phase.spec else {
        return None;
    };
    let said = statement(&tried.outcome);
    let tolerated = tried.outcome.failed <= spec.max_failed;
    match record.status {
        PhaseStatus::Done if tolerated && tried.all_loaded => {
            let mut evidence = record.evidence.clone();
            evidence.push(said);
            Some(Entry::PhaseDone {
                address,
                outputs,
                evidence,
            })
        }
        PhaseStatus::Done | PhaseStatus::Failed => {
            let more = if tolerated {
                "; `mig apply` finishes the phase".to_owned()
            } else {
                format!(
                    "; {} still failed and the plan tolerates {}",
                    tried.outcome.failed, spec.max_failed
                )
            };
            Some(Entry::PhaseFailed {
                address,
                error: format!("{said}{more}"),
                outputs,
            })
        }
        PhaseStatus::Started | PhaseStatus::RolledBack | PhaseStatus::Reset => None,
    }
}
