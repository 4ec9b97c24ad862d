//! The shapes of what is told of a backfill, as `--json` gives it.
//!
//! Deliberately absent: how it is found (`status`), how it is drawn (`ui`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::orders::Fleet;
use crate::base::Address;
use crate::engines::bulk::failed::causes::Cause;
use crate::engines::bulk::fleet::{Beat, Control};

/// In what state a backfill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// Nothing of it was begun.
    NotStarted,
    /// Processes are there, and no worker is at work yet.
    Starting,
    /// Workers are at work.
    Running,
    /// It was begun and is not done, and nobody works: it can go on.
    Paused,
    /// It was stopped for good.
    Stopped,
    /// All is loaded and nobody works.
    Completed,
}

impl Stage {
    /// As it is written behind `BackfillStatus.`
    pub fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Completed => "COMPLETED",
        }
    }
}

/// How far a backfill is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackfillStatus {
    /// The phase.
    pub phase: Address,
    /// In what state.
    pub status: Stage,
    /// Workers at work.
    pub running: u32,
    /// Workers that are wanted and not at work.
    pub pending: u32,
    /// Workers that are wanted.
    pub desired: u32,
    /// Shards of the snapshot's indices that the phase is for.
    #[serde(flatten)]
    pub shards: Shards,
    /// Indices that the target restores by itself just now.
    #[serde(skip_serializing_if = "is_none_at_all")]
    pub restoring: usize,
    /// Documents that failed and still do.
    pub failed: u64,
    /// What made them fail, the most frequent first.
    pub failed_causes: Vec<Cause>,
    /// What all processes measured that ever worked on the load.
    pub fleet: FleetStatus,
    /// What a person ought to know, a sentence a line.
    pub says: Vec<String>,
    /// The rest, where it was asked for.
    #[serde(flatten)]
    pub deep: Option<Deep>,
}

/// What the processes of a load measured of their requests to the target, all together: of those that are there, those that left,
/// and those that were killed up to their last beat.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FleetStatus {
    /// Processes that are there.
    pub processes: u64,
    /// Processes that are gone.
    pub processes_gone: u64,
    /// Requests with documents, each time that they were sent.
    pub requests: u64,
    /// Of these, those that were sent once more.
    pub requests_again: u64,
    /// Documents in requests, each time that they were sent.
    pub docs_sent: u64,
    /// Of these, those that were sent once more.
    pub docs_sent_again: u64,
    /// Bytes of requests before any compression.
    pub bytes_sent: u64,
    /// Bytes of requests as they went out.
    pub wire_bytes_sent: u64,
    /// Answers 429 to whole requests.
    pub answers_429: u64,
    /// Documents that the target could not take at once, in requests that it answered.
    pub docs_rejected: u64,
    /// Requests that met a block of writes.
    pub blocked: u64,
    /// Requests that got no answer: a connection failed, nobody was there, or it took too long.
    pub unanswered: u64,
    /// The mean time of a request, in milliseconds.
    pub latency_ms_mean: Option<f64>,
    /// Half of the requests took no longer, by the bounds of a histogram.
    pub latency_ms_50_within: Option<u64>,
    /// Of a hundred requests ninety-five took no longer.
    pub latency_ms_95_within: Option<u64>,
    /// Requests that are on their way.
    pub in_flight: u32,
    /// Requests that may be.
    pub in_flight_limit: u32,
    /// Bytes of the next request at most, of the process that sends the largest.
    pub batch_limit_bytes: u64,
}

impl FleetStatus {
    pub(super) fn of(fleet: &Fleet) -> Self {
        let (all, now) = (&fleet.figures, fleet.muster.gauges());
        Self {
            processes: fleet.muster.there.len() as u64,
            processes_gone: fleet.gone,
            requests: all.requests,
            requests_again: all.requests_again,
            docs_sent: all.docs_sent,
            docs_sent_again: all.docs_again,
            bytes_sent: all.bytes,
            wire_bytes_sent: all.wire_bytes,
            answers_429: all.throttled,
            docs_rejected: all.docs_rejected,
            blocked: all.blocked,
            unanswered: all.lost,
            latency_ms_mean: all.latency.mean_ms(),
            latency_ms_50_within: all.latency.within_ms(50),
            latency_ms_95_within: all.latency.within_ms(95),
            in_flight: now.in_flight,
            in_flight_limit: now.in_flight_most,
            batch_limit_bytes: now.batch_bytes,
        }
    }
}

/// Shards (an index and a number in it) by how far they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shards {
    /// In all.
    #[serde(rename = "shard_total")]
    pub total: u64,
    /// All their documents are done.
    #[serde(rename = "shard_complete")]
    pub completed: u64,
    /// Somebody works on them.
    #[serde(rename = "shard_in_progress")]
    pub in_progress: u64,
    /// Nobody does, and something of them is left.
    #[serde(rename = "shard_waiting")]
    pub unclaimed: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none_at_all(count: &usize) -> bool {
    *count == 0
}

impl Shards {
    /// Not completed.
    pub fn incomplete(self) -> u64 {
        self.total - self.completed
    }
}

/// What `--deep-check` tells beyond that.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Deep {
    /// When the phase last began.
    pub started: Option<Timestamp>,
    /// When it ended well.
    pub finished: Option<Timestamp>,
    /// Documents that are done, of all kinds: written, newer on the target, left out, failed.
    pub docs_done: u64,
    /// Documents in all, where the snapshot tells.
    pub docs_total: Option<u64>,
    /// Bytes of the snapshot that were read for them.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// By documents, else by bytes.
    pub percentage_completed: f64,
    /// Documents a second by the last beats of all processes.
    pub docs_per_second: f64,
    /// Documents a second since the first of the processes that are there joined.
    pub docs_per_second_since_start: Option<f64>,
    /// Time that is left.
    pub eta_ms: Option<u64>,
    /// What that rests on.
    pub eta_basis: String,
    /// Lines of the stream of failed documents, by class.
    pub failed_by_class: BTreeMap<String, u64>,
    /// Where that stream is.
    pub failed_document_stream_location: String,
    /// Items that can't be done now: nobody takes them before the next apply.
    pub set_aside: Vec<SetAside>,
    /// By index.
    pub indices: Vec<IndexStatus>,
    /// The processes that are there, the oldest first.
    pub processes: Vec<Beat>,
    /// Processes that fell silent.
    pub lost: Vec<Beat>,
    /// Limits that an operator set in the place of the plan's, and all else that was asked for.
    pub control: Control,
}

/// An item that can't be done now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// What it covers.
    pub item: String,
    /// Why.
    pub reason: String,
}

/// How far an index is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct IndexStatus {
    /// Its name on the target.
    pub index: String,
    /// Documents in the snapshot, where it tells.
    pub docs_total: Option<u64>,
    /// Documents that are done.
    pub docs_done: u64,
    /// Bytes that are read for it.
    pub bytes_total: u64,
    /// Bytes that were read.
    pub bytes_done: u64,
    /// Shards.
    pub shards: Shards,
    /// Documents that failed.
    pub failed: u64,
    /// Documents that the target counts.
    pub docs_on_target: Option<u64>,
}

impl IndexStatus {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self.shards {
            shards if shards.total == shards.completed => "done",
            shards if shards.in_progress > 0 => "loading",
            _ if self.docs_done > 0 || self.shards.completed > 0 => "begun",
            _ => "waiting",
        }
    }
}
