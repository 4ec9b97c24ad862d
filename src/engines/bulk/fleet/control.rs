//! What an operator wants of a load. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Kept on the board; absent means [`Control::default`], which leaves everything to the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Control {
    /// Workers of the whole fleet; `None`: those of the plan and all that join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
    /// Whether the workers rest: they give back what they hold at the next checkpoint and wait.
    pub paused: bool,
    /// Whether the load is over for good: every process ends, and none begins any more.
    pub stopped: bool,
    /// Limits that stand in the place of the plan's.
    pub limits: Limits,
    /// Whoever changed it last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// When, by the clock of the board's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Grows with each change.
    pub serial: u64,
}

/// Limits; a field that is `None` leaves the plan's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Limits {
    /// Documents a second of all processes together: each takes its part, by its workers at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<u64>,
    /// Bytes a second of all processes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Batches of one process on their way at once, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Processor use of the busiest data node, percent, above which the load slows down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_cpu: Option<u8>,
}

impl Limits {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, with those of `other` where they are given.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            docs: other.docs.or(self.docs),
            bytes: other.bytes.or(self.bytes),
            in_flight: other.in_flight.or(self.in_flight),
            target_cpu: other.target_cpu.or(self.target_cpu),
        }
    }
}

impl Control {
    /// Lets the workers rest.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Lets them work again.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// Asks for a fleet of so many workers, and ends a pause; none at all is a pause.
    pub fn scale(&mut self, workers: u32) {
        self.desired = Some(workers);
        self.paused = workers == 0;
    }

    /// Notes who changed it, and when.
    pub(super) fn changed(&mut self, by: &str, at: Timestamp) {
        by.clone_into(&mut self.by);
        self.at = Some(at);
        self.serial += 1;
    }

    /// Ends the load for good.
    pub fn stop(&mut self) {
        self.stopped = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_ends_a_pause_and_to_none_is_one() {
        let mut control = Control::default();
        control.pause();
        control.scale(3);
        assert_eq!((control.desired, control.paused), (Some(3), false));
        control.scale(0);
        assert_eq!((control.desired, control.paused), (Some(0), true));
    }

    #[test]
    fn a_control_of_nothing_says_little() {
        let text = serde_json::to_string(&Control::default()).unwrap();
        assert_eq!(
            text,
            r#"{"paused":false,"stopped":false,"limits":{},"serial":0}"#
        );
        assert_eq!(
            serde_json::from_str::<Control>("{}").unwrap(),
            Control::default()
        );
    }
}
