//! `gate:` waits until a person has approved what the gate asks.
//!
//! Relies on the approvals of the state alone. Deliberately absent: the asking; `mig approve` does it.

use serde_json::json;

use super::common;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use crate::diff::change::{Action, PhaseChange, Undo};
use crate::diff::observation::Observation;
use crate::plan::model::{Approve, PhaseSpec};
use crate::state::model::PhaseRecord;

/// The kind.
pub struct Gate;

impl PhaseKind for Gate {
    fn observe(&self, _cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        Ok(Observation::Nothing)
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        let PhaseSpec::Gate(spec) = &cx.phase.spec else {
            return super::snapshot::mismatch(cx);
        };
        let inputs = common::ground_of_approval(cx, cx.plan);
        let done = common::done(cx.state, &cx.phase.address);
        let approval = cx.state.approvals.get(&cx.phase.address);
        let approved = approval.is_some_and(|approval| approval.inputs == inputs);
        let (action, reason) = match done {
            Some(done) if done.inputs == inputs && !cx.redo => (Action::UpToDate, "passed"),
            _ if spec.approve == Approve::None => (Action::Run, "needs-no-approval"),
            _ if approved => (Action::Run, "approved"),
            _ if approval.is_some() || done.is_some() => (Action::Wait, "approval-lapsed"),
            _ => (Action::Wait, "approval-missing"),
        };
        let mut change = PhaseChange::new(cx.phase, action, reason, spec.title.clone(), inputs);
        change.fields = common::fields(cx);
        if action == Action::UpToDate {
            change.evidence = done.map(|done| done.evidence.clone()).unwrap_or_default();
        } else {
            change.undo = Undo::Rollback("withdraws the approval".into());
        }
        change
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        let approval = cx.state.approvals.get(&cx.phase.address);
        let evidence = match approval {
            Some(approval) if approval.inputs == cx.change.inputs => {
                format!("approved by {} at {}", approval.who, approval.at)
            }
            _ => match &cx.phase.spec {
                PhaseSpec::Gate(spec) if spec.approve == Approve::None => {
                    "passed: it asks nobody".to_owned()
                }
                _ => {
                    return Err(PhaseError::Stale(format!(
                        "`{}` is not approved for what it stands before now",
                        cx.phase.address
                    )));
                }
            },
        };
        Ok(Performed::Done {
            outputs: json!({}),
            evidence: vec![evidence],
        })
    }

    fn undo_plan(&self, _record: &PhaseRecord) -> UndoPlan {
        UndoPlan {
            removes: vec!["withdraws the approval".into()],
            cannot: Vec::new(),
        }
    }

    fn undo(&self, _cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        Ok(()) // the approval is the state's, and goes with the record
    }
}
