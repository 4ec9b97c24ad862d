//! Probes of a plan's phases, one after the other, and what they made removed at every end.
//!
//! What is about to be made is written down beside the state first (`check.json`), so that what a killed check left is removed by the
//! next one, also where there is no state yet: a check begins none, since an apply may have a lost one to adopt. Deliberately
//! absent: what is probed, which the kinds of phases know.

use std::cell::RefCell;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::interrupt::Signals;
use crate::base::Address;
use crate::phases::check::{CLEAN_UP, CheckContext, Made, Mark, Outcome, PhaseChecks, check, made};
use crate::phases::connections::Connections;
use crate::phases::kind::PhaseError;
use crate::plan::model::Plan;
use crate::state::model::State;
use crate::state::{Artifacts, StateError};

/// The artifact in which announcements stand.
const ANNOUNCED: &str = "check.json";

/// What a check showed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Checked {
    /// The phases, in the order in which they would run.
    pub phases: Vec<PhaseChecks>,
    /// What an earlier check left and this one removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// What is left of probes and could not be removed, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<Stays>,
    /// Whether the user stopped it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// What could not be removed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Stays {
    /// What, and why.
    pub said: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Checked {
    /// How many probes ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        let probes = self.phases.iter().flat_map(|phase| &phase.probes);
        probes.filter(|probe| probe.outcome == outcome).count()
    }

    /// Whether nothing failed.
    pub fn is_well(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.stays.is_empty()
    }
}

/// What is announced and not removed yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Announced {
    lineage: String,
    plan: String,
    made: Vec<Made>,
}

/// The announcements, kept beside the state.
struct Ledger<'a> {
    artifacts: &'a dyn Artifacts,
    announced: RefCell<Announced>,
}

impl<'a> Ledger<'a> {
    /// As an earlier check left it; one that can't be read any more says nothing.
    fn open(artifacts: &'a dyn Artifacts, plan: &Plan) -> Result<Self, StateError> {
        let kept = artifacts.get(ANNOUNCED)?;
        let announced = kept
            .and_then(|bytes| serde_json::from_slice::<Announced>(&bytes).ok())
            .filter(|announced| announced.plan == plan.name)
            .unwrap_or_default();
        Ok(Self {
            artifacts,
            announced: RefCell::new(announced),
        })
    }

    fn add(&self, made: &Made) -> Result<(), PhaseError> {
        let mut announced = self.announced.borrow_mut();
        if !announced.made.contains(made) {
            announced.made.push(made.clone());
        }
        let bytes = serde_json::to_vec_pretty(&*announced).unwrap_or_default();
        let kept = self.artifacts.put(ANNOUNCED, &bytes);
        kept.map_err(|error| PhaseError::Failed {
            message: error.to_string(),
            help: Some(error.help()),
        })
    }

    /// Forgets what is gone; all of it where nothing stays.
    fn keep_only(&self, stays: Vec<Made>) -> Result<(), StateError> {
        let mut announced = self.announced.borrow_mut();
        announced.made = stays;
        if announced.made.is_empty() {
            return self.artifacts.remove(ANNOUNCED);
        }
        let bytes = serde_json::to_vec_pretty(&*announced).unwrap_or_default();
        self.artifacts.put(ANNOUNCED, &bytes)
    }
}

/// What checks left of a plan: announcements of one that was killed, and what carries a check's name.
pub struct Left {
    mark: Mark,
    made: Vec<Made>,
}

impl Left {
    /// Looks for it. Reads only.
    pub fn look(
        plan: &Plan,
        state: &State,
        artifacts: &dyn Artifacts,
        connections: &Connections,
    ) -> Result<Vec<Self>, StateError> {
        let ledger = Ledger::open(artifacts, plan)?;
        let announced = ledger.announced.into_inner();
        let of = |lineage: &str| Mark {
            plan: plan.name.clone(),
            lineage: lineage.to_owned(),
            at: Timestamp::now(),
        };
        let mut left = Vec::new();
        if !announced.made.is_empty() {
            left.push(Self {
                mark: of(&announced.lineage),
                made: announced.made,
            });
        }
        if state.serial > 0 {
            let mark = of(&state.lineage);
            let known = |it: &Made| left.iter().any(|left: &Self| left.made.contains(it));
            let mut made = made::left(plan, connections, &mark);
            made.retain(|it| !known(it));
            if !made.is_empty() {
                left.push(Self { mark, made });
            }
        }
        Ok(left)
    }

    /// In words.
    pub fn told(&self) -> impl Iterator<Item = String> {
        self.made.iter().map(ToString::to_string)
    }
}

/// Removes what checks left: what is gone, and what stays with the reason.
pub fn remove_left(
    left: &[Left],
    artifacts: &dyn Artifacts,
    plan: &Plan,
    connections: &Connections,
) -> Result<(Vec<String>, Vec<Stays>), StateError> {
    let (mut removed, mut stays, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for Left { mark, made } in left {
        for made in made.iter().rev() {
            match made::remove(connections, mark, made) {
                Ok(()) => removed.push(made.to_string()),
                Err(error) => {
                    let help = match &error {
                        PhaseError::Failed { help, .. } => help.clone(),
                        PhaseError::Unreachable { help, .. } | PhaseError::NotYet { help, .. } => {
                            Some(help.clone())
                        }
                        PhaseError::Stale(_) => None,
                    };
                    stays.push(Stays {
                        said: format!("{made}: {error}"),
                        help,
                    });
                    kept.push(made.clone());
                }
            }
        }
    }
    Ledger::open(artifacts, plan)?.keep_only(kept)?;
    Ok((removed, stays))
}

/// Probes the phases in this order. `told` hears of each before it begins.
pub fn run(
    plan: &Plan,
    order: &[Address],
    state: &State,
    artifacts: &dyn Artifacts,
    signals: &Signals,
    told: &mut dyn FnMut(&Address),
) -> Result<Checked, StateError> {
    let before = Ledger::open(artifacts, plan)?.announced.into_inner();
    let lineage = if state.serial > 0 {
        state.lineage.clone()
    } else if before.lineage.is_empty() {
        uuid::Uuid::new_v4().to_string()
    } else {
        before.lineage
    };
    let mark = Mark {
        plan: plan.name.clone(),
        lineage,
        at: Timestamp::now(),
    };
    let connections = Connections::new(plan, &mark.lineage);
    let left = Left::look(plan, state, artifacts, &connections)?;
    let (removed, stays) = remove_left(&left, artifacts, plan, &connections)?;
    let ledger = Ledger::open(artifacts, plan)?;
    {
        let mut announced = ledger.announced.borrow_mut();
        announced.plan.clone_from(&plan.name);
        announced.lineage.clone_from(&mark.lineage);
    }
    let mut checked = Checked {
        phases: Vec::new(),
        removed,
        stays,
        interrupted: false,
    };
    let stopping = || signals.count() > 0;
    for address in order {
        let Some(phase) = plan.phases.get(address) else {
            continue;
        };
        if stopping() {
            break;
        }
        told(address);
        let before = ledger.announced.borrow().made.len();
        let phase = check(&CheckContext {
            plan,
            phase,
            state,
            connections: &connections,
            mark: &mark,
            announce: &|made| ledger.add(made),
            stopping: &stopping,
        });
        let clean = !phase.probes.iter().any(|probe| probe.name == CLEAN_UP);
        checked.phases.push(phase);
        if clean {
            let mut stays = ledger.announced.borrow().made.clone();
            stays.truncate(before);
            ledger.keep_only(stays)?;
        }
    }
    checked.interrupted = stopping();
    Ok(checked)
}
