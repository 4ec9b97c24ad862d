//! What is known of a running apply, folded from its events: what a live view draws and a metrics endpoint tells.
//!
//! Pure: times come with the events. Deliberately absent: how it looks (`ui`), and anything that a decision could rest on.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::event::{Event, Load};
use crate::base::{Address, Fingerprint};
use crate::plan::model::PhaseKindName;

/// Words about findings that are kept, the newest.
const SAID_MAX: usize = 50;

/// See the module.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The plan's name.
    pub plan: String,
    /// Its digest.
    pub plan_digest: Fingerprint,
    /// When the run began.
    pub began: Timestamp,
    /// In the order of execution.
    pub phases: Vec<PhasePicture>,
    /// What went wrong or is worth a word, the newest last.
    pub said: VecDeque<String>,
    /// Whether the run ended.
    pub ended: bool,
}

/// How far a phase is.
#[derive(Clone, Debug, PartialEq)]
pub struct PhasePicture {
    /// The phase.
    pub address: Address,
    /// Its kind.
    pub kind: PhaseKindName,
    /// How far it is.
    pub state: PhaseState,
    /// How far within that, where it told.
    pub progress: Option<Amount>,
    /// When it began in this run.
    pub began: Option<Timestamp>,
    /// How long it ran in this run, once it ended, in seconds.
    pub seconds: Option<f64>,
    /// One line about it: its title while it runs, then what was proved or why it ended.
    pub note: String,
}

/// How far a running phase is.
#[derive(Clone, Debug, PartialEq)]
pub struct Amount {
    /// What is counted.
    pub unit: String,
    /// Done so far, over all runs.
    pub done: u64,
    /// In all.
    pub total: u64,
    /// In this run, a second.
    pub rate: f64,
    /// What is left at that rate, in seconds.
    pub eta_s: Option<u64>,
    /// Bytes read.
    pub bytes: u64,
    /// Failed.
    pub failed: u64,
    /// Workers at work in this process; of the whole fleet `load` tells.
    pub workers: u32,
    /// Who had it rest, while it does.
    pub paused_by: Option<String>,
    /// What a load measures.
    pub load: Option<Load>,
}

/// How far a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhaseState {
    /// Not begun.
    Pending,
    /// It runs.
    Running,
    /// It waits for a person.
    Waiting,
    /// Nothing was to do.
    UpToDate,
    /// It ended well.
    Done,
    /// It stopped at a checkpoint.
    Stopped,
    /// It failed.
    Failed,
    /// It will not begin in this run.
    Skipped,
}

impl PhaseState {
    /// All of them, in the order of a phase's life.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::UpToDate,
        Self::Done,
        Self::Stopped,
        Self::Failed,
        Self::Skipped,
    ];

    /// One word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::UpToDate => "up-to-date",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Picture {
    /// Before the first event; of each phase its address, its kind, and whether nothing is to do.
    pub fn new(
        plan: &str,
        plan_digest: Fingerprint,
        began: Timestamp,
        phases: impl Iterator<Item = (Address, PhaseKindName, bool)>,
    ) -> Self {
        let phases = phases.map(|(address, kind, up_to_date)| PhasePicture {
            address,
            kind,
            state: if up_to_date {
                PhaseState::UpToDate
            } else {
                PhaseState::Pending
            },
            progress: None,
            began: None,
            seconds: None,
            note: String::new(),
        });
        Self {
            plan: plan.to_owned(),
            plan_digest,
            began,
            phases: phases.collect(),
            said: VecDeque::new(),
            ended: false,
        }
    }

    /// Takes one event.
    pub fn take(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::PhaseStart { address, title, .. } => {
                self.with(address, |phase| {
                    phase.state = PhaseState::Running;
                    phase.began = Some(at);
                    phase.note.clone_from(title);
                });
            }
            Event::PhaseProgress { address, .. } => {
                let amount = amount(event);
                self.with(address, |phase| {
                    phase.state = PhaseState::Running;
                    phase.progress = amount;
                });
            }
            Event::Checkpoint { address, reason } => {
                self.end(address, PhaseState::Stopped, reason.clone(), at);
            }
            Event::GateWaiting { address, title, .. } => {
                self.end(address, PhaseState::Waiting, title.clone(), at);
            }
            Event::PhaseComplete {
                address, evidence, ..
            } => {
                let first = evidence.first().cloned().unwrap_or_default();
                self.end(address, PhaseState::Done, first, at);
            }
            Event::PhaseFailed { address, error, .. } => {
                let first = error.lines().next().unwrap_or_default().to_owned();
                self.say(format!("{address}: {first}"));
                self.end(address, PhaseState::Failed, first, at);
            }
            Event::PhaseSkipped { address, because } => {
                self.end(address, PhaseState::Skipped, because.clone(), at);
            }
            Event::CheckResult {
                address,
                passed: false,
                findings,
            } => {
                for finding in findings {
                    self.say(format!("{address}: {finding}"));
                }
            }
            Event::Diagnostic { message, .. } => self.say(message.clone()),
            Event::Summary(tally) => {
                for address in &tally.up_to_date {
                    self.with(address, |phase| phase.state = PhaseState::UpToDate);
                }
                self.ended = true;
            }
            Event::Version { .. }
            | Event::PlanSummary { .. }
            | Event::GatePassed { .. }
            | Event::CheckResult { .. } => {}
        }
    }

    fn with(&mut self, address: &Address, change: impl FnOnce(&mut PhasePicture)) {
        if let Some(phase) = self.phases.iter_mut().find(|it| it.address == *address) {
            change(phase);
        }
    }

    fn end(&mut self, address: &Address, state: PhaseState, note: String, at: Timestamp) {
        self.with(address, |phase| {
            phase.state = state;
            phase.note = note;
            phase.seconds = phase
                .began
                .map(|began| at.duration_since(began).as_secs_f64().max(0.0));
        });
    }

    fn say(&mut self, words: String) {
        if self.said.len() >= SAID_MAX {
            self.said.pop_front();
        }
        self.said.push_back(words);
    }
}

fn amount(event: &Event) -> Option<Amount> {
    let Event::PhaseProgress {
        done,
        total,
        unit,
        rate,
        eta_s,
        bytes,
        failed,
        workers,
        paused_by,
        load,
        ..
    } = event
    else {
        return None;
    };
    Some(Amount {
        unit: unit.clone(),
        done: *done,
        total: *total,
        rate: *rate,
        eta_s: *eta_s,
        bytes: *bytes,
        failed: *failed,
        workers: *workers,
        paused_by: paused_by.clone(),
        load: *load,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_goes_through_its_states() {
        let address = Address::new("docs");
        let kind = PhaseKindName::Backfill;
        let phases = [(address.clone(), kind, false)];
        let zero = Timestamp::UNIX_EPOCH;
        let mut picture = Picture::new("p", Fingerprint::of(&"p"), zero, phases.into_iter());
        let state = |picture: &Picture| picture.phases[0].state;
        assert_eq!(state(&picture), PhaseState::Pending);
        let begins = Event::PhaseStart {
            address: address.clone(),
            kind,
            action: crate::diff::change::Action::Run,
            title: "2 indices".into(),
        };
        picture.take(&begins, zero);
        assert_eq!(state(&picture), PhaseState::Running);
        let failed = Event::PhaseFailed {
            address,
            error: "the target is away\nmore words".into(),
            help: None,
        };
        picture.take(&failed, Timestamp::from_second(9).unwrap());
        assert_eq!(state(&picture), PhaseState::Failed);
        assert_eq!(picture.phases[0].seconds, Some(9.0));
        assert_eq!(picture.said, ["docs: the target is away"]);
    }
}
