//! What a process of a fleet says of itself. Pure.
//!
//! Fields that came later are absent in what an older version said, and unknown ones are ignored: who only looks reads boards of any
//! version. Workers of another version are refused by the header of the work store before they say anything.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::control::Limits;
use crate::engines::bulk::figures::{Figures, Gauges};
use crate::engines::bulk::work_store::Role;

/// Said every [`super::limits::BEAT_EVERY`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Beat {
    /// Names the process among all that ever worked on the load; its leases' holders begin with it.
    pub id: String,
    /// What it is.
    pub role: Role,
    /// The machine's name.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// The version of `mig`.
    pub mig: String,
    /// When it joined, by the clock of the board's place.
    pub started: Timestamp,
    /// When it said this, by the same clock.
    pub at: Timestamp,
    /// What it does.
    pub doing: Doing,
    /// Workers that it may run.
    pub capacity: u32,
    /// Workers that are at work.
    pub working: u32,
    /// What it did since it joined.
    pub counts: Counts,
    /// Documents a second over the last beats.
    pub docs_per_second: f64,
    /// Bytes of the store a second over the last beats.
    pub bytes_per_second: f64,
    /// The limits that it works by.
    #[serde(default)]
    pub limits: Limits,
    /// What it measured since it joined.
    #[serde(default)]
    pub figures: Figures,
    /// What is so just now.
    #[serde(default)]
    pub gauges: Gauges,
    /// The mean time of its requests over the last beats, in milliseconds; absent before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Whether these are its last words: it left, and what it told is all that it did.
    #[serde(default, skip_serializing_if = "is_false")]
    pub left: bool,
}

#[cfg(test)]
impl Beat {
    /// Of a worker at work, for tests, which change what matters to them.
    pub(crate) fn of_test(id: &str, started_second: i64, at_second: i64) -> Self {
        let second = |number| Timestamp::from_second(number).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            id: id.to_owned(),
            role: Role::Worker,
            host: "h".to_owned(),
            pid: 1,
            mig: "1".to_owned(),
            started: second(started_second),
            at: second(at_second),
            doing: Doing::Working,
            capacity: 1,
            working: 1,
            counts: Counts::default(),
            docs_per_second: 0.0,
            bytes_per_second: 0.0,
            limits: Limits::default(),
            figures: Figures::default(),
            gauges: Gauges::default(),
            latency_ms: None,
            left: false,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(it: &bool) -> bool {
    !*it
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// It waits for work: there is none to take just now.
    Waiting,
    /// It works.
    Working,
    /// It rests, as the control says.
    Paused,
    /// The fleet is as large as was asked for without it.
    Spare,
    /// It gives back what it holds, and ends.
    Leaving,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Counts {
    /// Items that it finished.
    pub items: u64,
    /// Documents read.
    pub docs: u64,
    /// Bytes of the store read.
    pub bytes: u64,
    /// Documents that failed.
    pub failed: u64,
}
