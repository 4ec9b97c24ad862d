//! Phases whose target may be gone: those of a hop that is done, when the hop behind it has its own snapshot of that target.
//! They stand as recorded, with their evidence. Pure.
//!
//! Deliberately absent: the last cluster of a path, and phases that are not done. There, not to be able to look is an error.

use jiff::Timestamp;

use crate::base::{Address, Fingerprint};
use crate::diff::change::{Action, PhaseChange};
use crate::phases::kind::PhaseError;
use crate::plan::model::{Phase, PhaseSpec, Plan, SnapshotSpec};
use crate::state::model::{PhaseRecord, PhaseStatus, State};

/// The decision for a phase that could not be looked at; `None` where that is an error.
pub(super) fn decide(
    plan: &Plan,
    phase: &Phase,
    state: &State,
    redo: bool,
    error: &PhaseError,
) -> Option<PhaseChange> {
    let PhaseError::Unreachable { message, .. } = error else {
        return None;
    };
    let target = match &phase.spec {
        PhaseSpec::Metadata(spec) => &spec.to.value,
        PhaseSpec::Backfill(spec) => &spec.to.value,
        PhaseSpec::Verify(spec) => &spec.target.value,
        _ => return None,
    };
    let record = done(state, &phase.address)?;
    let same = serde_json::to_value(&phase.spec).ok()? == record.spec;
    let is_passed = same && !redo && phase.address.hop().is_some() && is_taken(plan, state, target);
    is_passed.then(|| {
        let finished = record.finished_at.as_ref().map_or(String::new(), |at: &Timestamp| {
            format!(" at {}", at.strftime("%Y-%m-%d %H:%M UTC"))
        });
        let mut evidence = record.evidence.clone();
        evidence.push(format!(
            "as recorded{finished}: {message}; the hop behind it has its snapshot and needs it no more"
        ));
        PhaseChange {
            evidence,
            ..PhaseChange::new(
                phase,
                Action::UpToDate,
                "passed",
                format!("done on {target}, which can't be reached now"),
                Fingerprint::of(&(&record.inputs, &phase.address)),
            )
        }
    })
}

fn done<'a>(state: &'a State, address: &Address) -> Option<&'a PhaseRecord> {
    let record = state.phases.get(address)?;
    (record.status == PhaseStatus::Done).then_some(record)
}

/// Whether every snapshot that the plan takes of a cluster is taken, and there is one.
fn is_taken(plan: &Plan, state: &State, cluster: &Address) -> bool {
    let mut snapshots = plan
        .phases
        .values()
        .filter(|phase| match &phase.spec {
            PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. }) => of.value == *cluster,
            _ => false,
        })
        .peekable();
    snapshots.peek().is_some() && snapshots.all(|phase| done(state, &phase.address).is_some())
}
