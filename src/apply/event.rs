//! What happens during an apply, as typed values: the only thing that reporters and `--events` see.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::base::{Address, ExitCode, Fingerprint};
use crate::diff::change::Action;
use crate::plan::model::PhaseKindName;

/// The version of the event lines: a reader ignores fields and types it does not know.
pub const EVENTS_VERSION: &str = "1.0";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first line.
    Version {
        /// Of the event lines.
        events: &'static str,
        /// Of `mig`.
        mig: &'static str,
    },
    /// What this run is about to do.
    PlanSummary {
        /// The plan's name.
        plan: String,
        /// Its digest.
        plan_digest: Fingerprint,
        /// Phases by action.
        actions: BTreeMap<Action, u64>,
    },
    /// A phase begins.
    PhaseStart {
        /// The phase.
        address: Address,
        /// Its kind.
        kind: PhaseKindName,
        /// What is done.
        action: Action,
        /// One line for people.
        title: String,
    },
    /// How far a phase is.
    PhaseProgress {
        /// The phase.
        address: Address,
        /// Done so far, over all runs.
        done: u64,
        /// In all.
        total: u64,
        /// What is counted.
        unit: String,
        /// In this run, a second.
        rate: f64,
        /// What is left at that rate.
        eta_s: Option<u64>,
        /// Bytes read.
        bytes: u64,
        /// Failed.
        failed: u64,
        /// Workers at work in this process.
        workers: u32,
        /// Who had it rest, while it does.
        #[serde(skip_serializing_if = "Option::is_none")]
        paused_by: Option<String>,
        /// What is measured of a load, where the phase is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        load: Option<Load>,
    },
    /// A phase stopped at a checkpoint, because it was asked to.
    Checkpoint {
        /// The phase.
        address: Address,
        /// Why it was asked to.
        reason: String,
    },
    /// A phase waits for a person.
    GateWaiting {
        /// The phase.
        address: Address,
        /// What the person is asked.
        title: String,
        /// Whether there was an approval, for inputs that have changed since.
        lapsed: bool,
        /// What to type.
        command: String,
    },
    /// A person's approval was found.
    GatePassed {
        /// The phase.
        address: Address,
        /// Who.
        who: String,
        /// When.
        approved_at: Timestamp,
    },
    /// A check ended.
    CheckResult {
        /// The phase.
        address: Address,
        /// Whether it passed.
        passed: bool,
        /// What it found.
        findings: Vec<String>,
    },
    /// A phase ended well.
    PhaseComplete {
        /// The phase.
        address: Address,
        /// Its kind.
        kind: PhaseKindName,
        /// How long it ran.
        seconds: f64,
        /// What was proved or done.
        evidence: Vec<String>,
    },
    /// A phase ended with an error.
    PhaseFailed {
        /// The phase.
        address: Address,
        /// Why.
        error: String,
        /// How to mend.
        help: Option<String>,
    },
    /// A phase was not begun.
    PhaseSkipped {
        /// The phase.
        address: Address,
        /// Why not.
        because: String,
    },
    /// Something worth a word.
    Diagnostic {
        /// `warning` or `note`.
        severity: &'static str,
        /// What.
        message: String,
    },
    /// The last line.
    Summary(Tally),
}

/// What is measured of a load: of the whole fleet, as far as the process that runs the apply hears of it. Of the others it hears what
/// they said on the board, every few seconds. Counts are of the whole load, earlier runs and processes that are gone too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// Processes that are there.
    pub processes: u32,
    /// Their workers at work.
    pub workers: u32,
    /// Workers that are wanted of them.
    pub workers_wanted: u32,
    /// Requests on their way.
    pub in_flight: u32,
    /// Requests that may be.
    pub in_flight_most: u32,
    /// Bytes of the next batch at most, of the process that sends the largest.
    pub batch_bytes: u64,
    /// The mean time of the requests that were answered over the last seconds, in milliseconds; none were: absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Requests that were sent.
    pub sent: u64,
    /// Bytes of them before any compression.
    pub sent_bytes: u64,
    /// Bytes of them as they went out.
    pub wire_bytes: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Their time in all, in microseconds.
    pub request_micros: u64,
    /// Documents that the target could not take at once, and that were sent again.
    pub rejected: u64,
    /// Answers 429 to whole requests.
    pub throttled: u64,
    /// Documents that were sent once more.
    pub sent_again: u64,
    /// Requests that got no answer.
    pub unanswered: u64,
    /// Items of the indices whose turn it is.
    pub items: u64,
    /// Those of them that are done.
    pub items_done: u64,
}

/// How an apply ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// The exit code.
    pub exit_code: u8,
    /// Phases that this run completed.
    pub done: Vec<Address>,
    /// Phases that had nothing to do.
    pub up_to_date: Vec<Address>,
    /// Phases whose work changed on the outside and that were left alone, as the plan says.
    pub drifted: Vec<Address>,
    /// Phases that failed.
    pub failed: Vec<Address>,
    /// Phases that wait for a person.
    pub waiting: Vec<Address>,
    /// Phases that stopped at a checkpoint.
    pub interrupted: Vec<Address>,
    /// Phases that were not begun, with the reason.
    pub skipped: BTreeMap<Address, String>,
    /// How long the run took.
    pub seconds: f64,
}

impl Tally {
    /// The exit code as an enum value.
    pub fn code(&self) -> ExitCode {
        ExitCode::ALL
            .into_iter()
            .find(|code| *code as u8 == self.exit_code)
            .unwrap_or(ExitCode::Error)
    }
}

impl Event {
    /// As a line of `--events`.
    pub fn to_line(&self, at: Timestamp) -> String {
        let mut value = serde_json::to_value(self).unwrap_or(Value::Null);
        if let Value::Object(fields) = &mut value {
            fields.insert("at".into(), Value::String(at.to_string()));
        }
        format!("{value}\n")
    }
}
