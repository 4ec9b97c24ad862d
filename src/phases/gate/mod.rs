//! `gate:` waits until a person has approved what the gate asks, and until what it proves was seen.
//!
//! Relies on the approvals of the state, and on `quiet` for a source that takes no writes. A proof is sought once the
//! approval is there. Deliberately absent: the asking; `mig approve` does it.

mod quiet;

use serde_json::json;

use super::check::Probes;
use super::common;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use crate::diff::change::{Action, Estimate, PhaseChange, Undo};
use crate::diff::observation::Observation;
use crate::plan::model::{Approve, GateSpec, PhaseSpec, Proves};
use crate::state::model::PhaseRecord;

/// The kind.
pub struct Gate;

impl PhaseKind for Gate {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        match &cx.phase.spec {
            PhaseSpec::Gate(GateSpec {
                proves: Some(Proves::SourceQuiet(proof)),
                ..
            }) => quiet::observe(cx, proof).map(Observation::Gate),
            _ => Ok(Observation::Nothing),
        }
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
            _ if spec.approve == Approve::None && spec.proves.is_some() => {
                (Action::Run, "proof-missing")
            }
            _ if spec.approve == Approve::None => (Action::Run, "needs-no-approval"),
            _ if approved => (Action::Run, "approved"),
            _ if approval.is_some() || done.is_some() => (Action::Wait, "approval-lapsed"),
            _ => (Action::Wait, "approval-missing"),
        };
        let mut change = PhaseChange::new(cx.phase, action, reason, spec.title.clone(), inputs);
        change.fields = common::fields(cx);
        if action == Action::UpToDate {
            change.evidence = done.map(|done| done.evidence.clone()).unwrap_or_default();
            return change;
        }
        change.undo = Undo::Rollback(match spec.approve {
            Approve::Manual => "withdraws the approval".into(),
            Approve::None => "it counts as not passed afterwards".into(),
        });
        if let (Some(Proves::SourceQuiet(proof)), Observation::Gate(observed)) =
            (&spec.proves, cx.observation)
        {
            let waits_s = proof.r#for.0.as_secs();
            change.items = quiet::items(observed);
            change.left_out = quiet::left_out(proof, observed);
            change.estimate = Some(Estimate {
                low_s: waits_s,
                high_s: waits_s.saturating_mul(2),
                basis: format!(
                    "{} has to take no writes for {}; each write begins the time anew",
                    proof
                        .of
                        .as_ref()
                        .map_or("the source", |of| of.value.as_str()),
                    proof.r#for
                ),
            });
        }
        change
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        let PhaseSpec::Gate(spec) = &cx.phase.spec else {
            return Err(PhaseError::Stale(format!(
                "`{}` is no gate",
                cx.phase.address
            )));
        };
        let approval = cx.state.approvals.get(&cx.phase.address);
        let mut evidence = match approval {
            Some(approval) if approval.inputs == cx.change.inputs => {
                vec![format!("approved by {} at {}", approval.who, approval.at)]
            }
            _ if spec.approve == Approve::None && spec.proves.is_some() => Vec::new(),
            _ if spec.approve == Approve::None => vec!["passed: it asks nobody".to_owned()],
            _ => {
                return Err(PhaseError::Stale(format!(
                    "`{}` is not approved for what it stands before now",
                    cx.phase.address
                )));
            }
        };
        let mut outputs = json!({});
        if let Some(Proves::SourceQuiet(proof)) = &spec.proves {
            let Some((proved, statement)) = quiet::prove(cx, proof)? else {
                return Ok(Performed::Interrupted);
            };
            outputs["source-quiet"] = proved;
            evidence.push(statement);
        }
        Ok(Performed::Done { outputs, evidence })
    }

    fn undo_plan(&self, _record: &PhaseRecord) -> UndoPlan {
        UndoPlan {
            removes: vec!["withdraws the approval".into()],
            cannot: Vec::new(),
        }
    }

    fn check(&self, probes: &mut Probes<'_>) {
        probes.none("a person decides, or it only looks at the source");
    }

    fn undo(&self, _cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        Ok(()) // the approval is the state's, and goes with the record
    }
}
