//! Phases whose target may be gone: those of a hop that is done, when the hop behind it has its own snapshot of that target.
//! They stand as recorded, with their evidence. So do phases whose snapshot an operator deleted once they were done. Pure.
//!
//! Deliberately absent: the last cluster of a path, and phases that are not done. There, not to be able to look is an error.

use jiff::Timestamp;

use crate::base::{Address, Fingerprint};
use crate::diff::change::{Action, PhaseChange};
use crate::phases::kind::PhaseError;
use crate::phases::question;
use crate::phases::snapshot::DELETED;
use crate::plan::model::{Phase, PhaseKindName, PhaseSpec, Plan, SnapshotSpec};
use crate::state::model::{PhaseRecord, PhaseStatus, State};

/// The snapshot that it reads was deleted.
const GONE: &str = "MIG361";

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

/// Whether a phase reads the snapshots of another one.
pub(super) fn rests_on(phase: &Phase, snapshot: &Address) -> bool {
    match &phase.spec {
        PhaseSpec::Metadata(spec) => spec.from.value == *snapshot,
        PhaseSpec::Backfill(spec) => {
            spec.from.value == *snapshot
                || spec
                    .since
                    .as_ref()
                    .is_some_and(|since| since.value == *snapshot)
        }
        PhaseSpec::Verify(spec) => spec.source.value == *snapshot,
        _ => false,
    }
}

/// The decision for a phase that reads snapshots which an operator deleted: it stands as recorded, or asks for others.
/// `None` where it reads none of these.
pub(super) fn after_deletion(
    phase: &Phase,
    state: &State,
    earlier: &[PhaseChange],
    redo: bool,
) -> Option<PhaseChange> {
    let deleted = earlier.iter().find(|change| {
        change.action_reason == DELETED
            && change.kind == PhaseKindName::Snapshot
            && rests_on(phase, &change.address)
    })?;
    let snapshot = &deleted.address;
    let by = state
        .phases
        .get(snapshot)
        .and_then(|record| record.ended.as_ref())
        .map_or_else(String::new, |ended| {
            format!(" by {} at {:.0}", ended.by, ended.at)
        });
    let address = &phase.address;
    let inputs = |record: Option<&PhaseRecord>| {
        Fingerprint::of(&(record.map(|record| &record.inputs), address, DELETED))
    };
    let record = done(state, address).filter(|record| {
        !redo && serde_json::to_value(&phase.spec).is_ok_and(|spec| spec == record.spec)
    });
    if let Some(record) = record {
        let mut evidence = record.evidence.clone();
        evidence.push(format!(
            "as recorded: the snapshot of `{snapshot}` was deleted{by}, and nothing of this phase was left to do"
        ));
        let change = PhaseChange::new(
            phase,
            Action::UpToDate,
            "recorded",
            "done before its snapshot was deleted",
            inputs(Some(record)),
        );
        return Some(PhaseChange { evidence, ..change });
    }
    let mut change = PhaseChange::new(
        phase,
        Action::Decide,
        "decision-missing",
        "its snapshot was deleted",
        inputs(None),
    );
    change.items = vec![question(
        "snapshot",
        snapshot.as_str(),
        GONE,
        format!(
            "`{address}` is not done, and the snapshot of `{snapshot}` that it reads was deleted{by}. Is another to be taken?"
        ),
        vec![format!("# `mig apply --redo {snapshot}` takes another")],
    )];
    Some(change)
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
