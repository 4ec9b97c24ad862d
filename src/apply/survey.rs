//! Observe every phase (read-only, in parallel), then decide each in the order of the graph (pure).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use super::{Kinds, passed};
use crate::base::Address;
use crate::diff::change::PhaseChange;
use crate::diff::observation::Observation;
use crate::graph::model::Graph;
use crate::phases::connections::Connections;
use crate::phases::kind::{DecideContext, ObserveContext, PhaseError};
use crate::plan::model::{Phase, Plan};
use crate::state::model::State;

/// What a survey works on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its graph.
    pub graph: &'a Graph,
    /// Opened stores and targets.
    pub connections: &'a Connections,
    /// The kinds of phases.
    pub kinds: Kinds,
}

/// What was seen and what is to do.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What was observed of each phase.
    pub observations: BTreeMap<Address, Observation>,
    /// What each phase would do, in the order of the graph.
    pub changes: Vec<PhaseChange>,
}

/// Phases that could not be observed, with the reasons.
#[derive(Debug)]
pub struct SurveyError(pub Vec<(Address, PhaseError)>);

impl Ground<'_> {
    /// Observes one phase, or answers what was recorded for it.
    pub fn observe(&self, phase: &Phase, state: &State) -> Result<Observation, PhaseError> {
        if let Some(recorded) = self.connections.recorded_for(&phase.address) {
            return Ok(recorded.clone());
        }
        tracing::debug!(phase = %phase.address, "observe");
        (self.kinds)(phase.spec.kind()).observe(&ObserveContext {
            plan: self.plan,
            phase,
            state,
            connections: self.connections,
        })
    }

    /// Decides one phase.
    pub fn decide(
        &self,
        phase: &Phase,
        state: &State,
        observation: &Observation,
        earlier: &[PhaseChange],
        redo: bool,
        now: Timestamp,
    ) -> PhaseChange {
        if let Some(change) = passed::after_deletion(phase, state, earlier, redo) {
            return change;
        }
        let mut change = (self.kinds)(phase.spec.kind()).decide(&DecideContext {
            plan: self.plan,
            phase,
            state,
            observation,
            earlier,
            redo,
            now,
        });
        if change.previous_address.is_none() {
            change.previous_address = self.plan.renamed.get(&phase.address).cloned();
        }
        change
    }

    /// Observes and decides every phase.
    pub fn survey(
        &self,
        state: &State,
        redo: &BTreeSet<Address>,
        now: Timestamp,
        parallelism: usize,
    ) -> Result<Survey, SurveyError> {
        let phases: Vec<&Phase> = self
            .graph
            .order
            .iter()
            .filter_map(|address| self.plan.phases.get(address))
            .collect();
        let results = Mutex::new(BTreeMap::new());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..parallelism.clamp(1, phases.len().max(1)) {
                scope.spawn(|| {
                    while let Some(phase) = phases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let observed = self.observe(phase, state);
                        let mut results = results
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner);
                        results.insert(phase.address.clone(), observed);
                    }
                });
            }
        });
        let results = results
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut survey = Survey::default();
        let mut failed = Vec::new();
        let mut standing = BTreeMap::new();
        for (address, result) in results {
            let error = match result {
                Ok(observation) => {
                    survey.observations.insert(address, observation);
                    continue;
                }
                Err(error) => error,
            };
            let change = self.plan.phases.get(&address).and_then(|phase| {
                passed::decide(self.plan, phase, state, redo.contains(&address), &error)
            });
            match change {
                Some(change) => drop(standing.insert(address, change)),
                None => failed.push((address, error)),
            }
        }
        if !failed.is_empty() {
            return Err(SurveyError(failed));
        }
        for phase in phases {
            let redo = redo.contains(&phase.address);
            if let Some(observation) = survey.observations.get(&phase.address) {
                let change = self.decide(phase, state, observation, &survey.changes, redo, now);
                survey.changes.push(change);
            } else if let Some(change) = standing.remove(&phase.address) {
                survey.changes.push(change);
            }
        }
        Ok(survey)
    }
}

/// The state as this plan names its phases: what `renamed:` says is taken in.
pub fn with_renames(state: &State, plan: &Plan) -> State {
    let mut state = state.clone();
    for (to, from) in pending_renames(&state, plan) {
        if let Some(record) = state.phases.remove(&from) {
            state.phases.insert(to.clone(), record);
        }
        if let Some(approval) = state.approvals.remove(&from) {
            state.approvals.insert(to, approval);
        }
    }
    state
}

/// New and old addresses of phases that the state still knows by the old one.
pub fn pending_renames(state: &State, plan: &Plan) -> Vec<(Address, Address)> {
    let known = |address: &Address| state.phases.contains_key(address);
    plan.renamed
        .iter()
        .filter(|(to, from)| known(from) && !known(to) && plan.phases.contains_key(*to))
        .map(|(to, from)| (to.clone(), from.clone()))
        .collect()
}
