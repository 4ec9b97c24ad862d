//! `gate:` waits until a person has approved what the gate asks.
//!
//! Relies on the approvals of the state alone. Deliberately absent: the asking; `mig approve` does it.

use serde_json::Value;

use crate::base::Fingerprint;
use crate::diff::change::{Action, PhaseChange, Undo};
use crate::diff::observation::Observation;
use crate::phases::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use crate::state::model::PhaseRecord;

/// The kind.
pub struct Gate;

impl PhaseKind for Gate {
    fn observe(&self, _cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        Ok(Observation::Nothing)
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        PhaseChange {
            address: cx.phase.address.clone(),
            previous_address: None,
            kind: cx.phase.spec.kind(),
            hop: cx.phase.address.hop().map(str::to_owned),
            action: Action::Wait,
            action_reason: "approval-needed".into(),
            title: String::new(),
            fields: Vec::new(),
            items: Vec::new(),
            left_out: Vec::new(),
            effects: Vec::new(),
            estimate: None,
            undo: Undo::Nothing,
            evidence: Vec::new(),
            provisional: false,
            inputs: Fingerprint::of(&cx.phase.spec),
        }
    }

    fn perform(&self, _cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        Ok(Performed::Done {
            outputs: Value::Null,
            evidence: Vec::new(),
        })
    }

    fn undo_plan(&self, _record: &PhaseRecord) -> UndoPlan {
        UndoPlan::default()
    }

    fn undo(&self, _cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        Ok(())
    }
}
