//! Takes phases back in reverse order: shown first, journalled, and resumable.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Kinds;
use super::interrupt::Signals;
use crate::base::{Address, failpoint};
use crate::graph::model::Graph;
use crate::phases::connections::Connections;
use crate::phases::kind::{PhaseError, UndoContext, UndoPlan};
use crate::plan::model::Plan;
use crate::state::model::{Entry, PhaseStatus, State};
use crate::state::{LockedState, StateError};

/// What taking back would do, in the order in which it is done.
pub fn preview(
    state: &State,
    graph: &Graph,
    kinds: Kinds,
    only: Option<&BTreeSet<Address>>,
) -> Vec<(Address, UndoPlan)> {
    let chosen = only.map(|only| with_dependents(graph, only));
    let known = |address: &Address| {
        state
            .phases
            .get(address)
            .is_some_and(|record| record.status != PhaseStatus::RolledBack)
    };
    // Phases that the plan has no more come first: nothing in the plan can need them.
    let gone = state
        .phases
        .keys()
        .filter(|address| !graph.order.contains(address));
    gone.chain(graph.order.iter().rev())
        .filter(|address| known(address))
        .filter(|address| {
            chosen
                .as_ref()
                .is_none_or(|chosen| chosen.contains(*address))
        })
        .filter_map(|address| {
            let record = state.phases.get(address)?;
            Some((address.clone(), kinds(record.kind).undo_plan(record)))
        })
        .collect()
}

/// These phases and all that waits for them: it rests on them, so it is taken back first.
pub fn with_dependents(graph: &Graph, only: &BTreeSet<Address>) -> BTreeSet<Address> {
    let mut chosen = only.clone();
    for address in &graph.order {
        if graph.needs(address).any(|need| chosen.contains(need)) {
            chosen.insert(address.clone());
        }
    }
    chosen
}

/// How a rollback ended.
#[derive(Debug)]
pub enum RolledBack {
    /// All of it.
    All,
    /// Stopped between two phases.
    Interrupted,
    /// A phase could not be taken back.
    Failed(Address, PhaseError),
}

/// Takes the phases back, in the given order.
pub fn roll_back(
    plan: &Plan,
    connections: &Connections,
    kinds: Kinds,
    addresses: &[Address],
    state: &mut dyn LockedState,
    signals: &Signals,
    told: &mut dyn FnMut(&Address),
) -> Result<RolledBack, StateError> {
    for address in addresses {
        if signals.count() > 0 {
            return Ok(RolledBack::Interrupted);
        }
        let Some(record) = state.state().phases.get(address).cloned() else {
            continue;
        };
        let lineage = state.state().lineage.clone();
        state.append(
            Timestamp::now(),
            &Entry::RollbackStarted {
                address: address.clone(),
            },
        )?;
        failpoint::hit("phase.undo.before");
        let undone = kinds(record.kind).undo(&UndoContext {
            plan,
            address,
            record: &record,
            lineage: &lineage,
            connections,
        });
        failpoint::hit("phase.undo.after");
        if let Err(error) = undone {
            return Ok(RolledBack::Failed(address.clone(), error));
        }
        state.append(
            Timestamp::now(),
            &Entry::RolledBack {
                address: address.clone(),
            },
        )?;
        told(address);
    }
    Ok(RolledBack::All)
}
