//! From a loaded plan and a remembered state to what is planned: survey, then assemble. Writes nothing but new states.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Kinds;
use super::recorded::Recorded;
use super::survey::{Ground, Survey, SurveyError, with_renames};
use crate::base::Address;
use crate::diff::{Assembling, PlannedChanges, Selected, assemble, overlaps};
use crate::graph::model::Graph;
use crate::phases::adopt::{adopt, lineage};
use crate::phases::connections::Connections;
use crate::phases::kind::PhaseError;
use crate::plan::diagnostics::Diagnostic;
use crate::plan::model::Plan;
use crate::state::model::{Entry, State};
use crate::state::{LockedState, Notice, StateError, StateStore, adopt_entries, new_state};

/// What is remembered, without a lock.
pub struct Remembered {
    /// The state, with the plan's renames taken in.
    pub state: State,
    /// What was noticed about its files.
    pub notices: Vec<Notice>,
    /// Whether it was put together from what a lost state left.
    pub adopted: bool,
}

/// Why the state could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    /// The state itself.
    #[error(transparent)]
    State(#[from] StateError),
    /// Looking for what a lost state left.
    #[error(transparent)]
    Adopt(#[from] PhaseError),
}

/// Reads the state. Where there is none, looks for what a lost one left; nothing is written.
pub fn remember(store: &dyn StateStore, plan: &Plan) -> Result<Remembered, RememberError> {
    if let Some(loaded) = store.load()? {
        belongs(&loaded.state, store, plan)?;
        return Ok(Remembered {
            state: with_renames(&loaded.state, plan),
            notices: loaded.notices,
            adopted: false,
        });
    }
    let entries = left_by_a_lost_state(plan)?;
    Ok(Remembered {
        adopted: entries.is_some(),
        state: entries.map_or_else(State::default, |entries| derive(&entries)),
        notices: Vec::new(),
    })
}

/// Brings a locked state to where a run can begin: opened or adopted, renames journalled. Whether it was adopted.
pub fn open_locked(
    locked: &mut dyn LockedState,
    store: &dyn StateStore,
    plan: &Plan,
) -> Result<bool, RememberError> {
    let mut adopted = false;
    if locked.state().serial == 0 {
        let entries = left_by_a_lost_state(plan)?;
        adopted = entries.is_some();
        for entry in entries.unwrap_or_else(|| vec![new_state(&plan.name)]) {
            locked.append(Timestamp::now(), &entry)?;
        }
    }
    belongs(locked.state(), store, plan)?;
    for (to, from) in super::survey::pending_renames(locked.state(), plan) {
        locked.append(Timestamp::now(), &Entry::Renamed { from, to })?;
    }
    Ok(adopted)
}

fn belongs(state: &State, store: &dyn StateStore, plan: &Plan) -> Result<(), StateError> {
    if state.plan == plan.name {
        return Ok(());
    }
    Err(StateError::OtherPlan {
        location: store.location(),
        found: state.plan.clone(),
        wanted: plan.name.clone(),
    })
}

fn left_by_a_lost_state(plan: &Plan) -> Result<Option<Vec<Entry>>, PhaseError> {
    let fresh = uuid::Uuid::new_v4().to_string();
    // Work stores and snapshots are known by their lineage: the new state goes on with that of the lost one.
    let lineage = lineage(plan, &Connections::new(plan, &fresh))?.unwrap_or(fresh);
    let records = adopt(plan, &Connections::new(plan, &lineage))?;
    if records.is_empty() {
        return Ok(None);
    }
    Ok(Some(adopt_entries(&plan.name, &lineage, records)))
}

fn derive(entries: &[Entry]) -> State {
    let mut state = State::default();
    for entry in entries {
        // Entries that this module has just made follow each other.
        drop(state.fold(Timestamp::UNIX_EPOCH, entry));
    }
    state
}

/// What a plan is made of.
pub struct Planning<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its graph.
    pub graph: &'a Graph,
    /// Findings so far.
    pub findings: &'a [Diagnostic],
    /// What is remembered.
    pub state: &'a State,
    /// The phases in question.
    pub selected: &'a Selected,
    /// How many phases are looked at at once.
    pub parallelism: usize,
    /// The kinds of phases.
    pub kinds: Kinds,
    /// The time of planning.
    pub now: Timestamp,
}

/// A plan as it was made.
pub struct Made {
    /// All that was seen and decided, of phases that were not selected too.
    pub survey: Survey,
    /// What is shown and approved.
    pub planned: PlannedChanges,
    /// Findings that only show once clusters were looked at.
    pub findings: Vec<Diagnostic>,
}

impl Planning<'_> {
    /// Stores and targets for this plan; with observations from the last survey where they are not to be made again.
    pub fn connections(&self, recorded: Option<Recorded>) -> Connections {
        let connections = Connections::new(self.plan, &self.state.lineage);
        match recorded {
            Some(recorded) => connections.recorded(recorded.observations),
            None => connections,
        }
    }

    /// Looks, decides and assembles.
    pub fn make(&self, connections: &Connections) -> Result<Made, SurveyError> {
        let ground = Ground {
            plan: self.plan,
            graph: self.graph,
            connections,
            kinds: self.kinds,
        };
        let survey = ground.survey(self.state, &self.selected.redo, self.now, self.parallelism)?;
        let mut findings = self.findings.to_vec();
        findings.extend(overlaps(self.plan, &survey.changes));
        let selected: BTreeSet<&Address> = self.selected.phases.iter().collect();
        let changes = survey
            .changes
            .iter()
            .filter(|change| selected.contains(&change.address))
            .cloned()
            .collect();
        let planned = assemble(Assembling {
            plan: self.plan,
            graph: self.graph,
            state: self.state,
            observations: &survey.observations,
            changes,
            diagnostics: &findings,
            selected: Some(self.selected),
        });
        Ok(Made {
            survey,
            planned,
            findings,
        })
    }
}
