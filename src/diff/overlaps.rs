//! Indices that two phases of one kind work on, now that the indices are known.
//!
//! The compiler finds what patterns tell by themselves; this is the rest. Relies on the changes alone.

use std::collections::BTreeMap;

use super::change::{Action, PhaseChange};
use crate::base::Address;
use crate::plan::codes::graph as codes;
use crate::plan::diagnostics::Diagnostic;
use crate::plan::model::{Phase, PhaseKindName, PhaseSpec, Plan};

/// One finding for each pair of phases, naming the first index and how many more.
pub fn overlaps(plan: &Plan, changes: &[PhaseChange]) -> Vec<Diagnostic> {
    let mut owners = BTreeMap::<(PhaseKindName, &Address, &str), &Address>::new();
    let mut clashes = BTreeMap::<(&Address, &Address), Vec<&str>>::new();
    for change in changes {
        let Some(target) = plan.phases.get(&change.address).and_then(written) else {
            continue;
        };
        for item in &change.items {
            if item.action == Action::Delete || !matches!(&*item.object, "index" | "documents") {
                continue;
            }
            let key = (change.kind, target, item.name.as_str());
            match owners.get(&key) {
                Some(owner) if plan.one_chain(owner, &change.address) => {}
                Some(owner) if **owner != change.address => clashes
                    .entry((*owner, &change.address))
                    .or_default()
                    .push(&item.name),
                Some(_) => {}
                None => {
                    owners.insert(key, &change.address);
                }
            }
        }
    }
    clashes
        .into_iter()
        .map(|((first, second), names)| told(plan, first, second, &names))
        .collect()
}

fn written(phase: &Phase) -> Option<&Address> {
    match &phase.spec {
        PhaseSpec::Metadata(it) => Some(&it.to.value),
        PhaseSpec::Backfill(it) => Some(&it.to.value),
        _ => None,
    }
}

fn told(plan: &Plan, first: &Address, second: &Address, names: &[&str]) -> Diagnostic {
    let more = match names.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let name = names.first().copied().unwrap_or_default();
    let finding = Diagnostic::new(
        codes::OVERLAP,
        format!("index `{name}`{more} belongs to `{first}` and to `{second}`"),
    )
    .help(format!("exclude it in one of them: `\"!{name}\"`"));
    let place = |address: &Address| plan.phases.get(address).map(|phase| phase.location);
    match (place(first), place(second)) {
        (Some(first_place), Some(second_place)) => finding
            .at(second_place)
            .related(first_place, format!("`{first}` has it too")),
        _ => finding,
    }
}
