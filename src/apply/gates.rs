//! Whether a phase that waits for a person may go on.

use crate::base::Address;
use crate::diff::change::PhaseChange;
use crate::plan::model::{PhaseSpec, Plan};
use crate::state::model::{Approval, State};

/// What is known of a person's word on a phase.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// None was given.
    Missing,
    /// It was given for inputs that have changed since.
    Lapsed(Approval),
    /// It stands.
    Given(Approval),
}

/// Looks up the approval of a phase as it is decided now.
pub fn word(state: &State, change: &PhaseChange) -> Word {
    match state.approvals.get(&change.address) {
        None => Word::Missing,
        Some(approval) if approval.inputs == change.inputs => Word::Given(approval.clone()),
        Some(approval) => Word::Lapsed(approval.clone()),
    }
}

/// The question that a phase puts to a person.
pub fn title(plan: &Plan, change: &PhaseChange) -> String {
    match plan.phases.get(&change.address).map(|phase| &phase.spec) {
        Some(PhaseSpec::Gate(gate)) => gate.title.clone(),
        _ => change.title.clone(),
    }
}

/// What to type to approve a phase.
pub fn command(address: &Address, plan_file: Option<&str>) -> String {
    let name = if address.as_str().contains(['>', ' ']) {
        format!("'{address}'")
    } else {
        address.to_string()
    };
    match plan_file {
        None | Some("plan.yaml") => format!("mig approve {name}"),
        Some(file) => format!("mig approve {name} -f {file}"),
    }
}
