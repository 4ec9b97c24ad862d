//! What a load of this process measures of itself while it runs: for who watches, never for who decides.
//!
//! Counters only grow, over all turns of a load. Documents are counted once they are noted in the work store, so that at the
//! end the counters of all processes are together what the work store says. Relies on `clients::target` for what becomes of
//! requests, and on the board for what others of the fleet measure, which is kept apart. Deliberately absent: rates (who watches makes
//! them of two looks).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use super::figures::Latency;
use super::figures::{BUCKETS, Figures, Gauges, Others};
use super::work_store::ItemProgress;
use crate::clients::target::{Answered, Outcome, Rejected, Sent};

/// Limits with names.
pub mod limits {
    /// Indices that are counted by name. What is beyond is counted together under [`OTHER`].
    pub const INDICES_TOLD: usize = 200;
    /// Classes of failures that are counted by name, likewise.
    pub const CLASSES_TOLD: usize = 50;
    /// The name of all the others. No index may have it, since it begins with an underscore.
    pub const OTHER: &str = "_other";
    pub use super::super::figures::limits::LATENCY_MS;
}

/// In the order of [`outcome_name`].
const OUTCOMES: [Outcome; 5] = [
    Outcome::Taken,
    Outcome::Rejected,
    Outcome::Lost,
    Outcome::Away,
    Outcome::TooLarge,
];

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Taken => "taken",
        Outcome::Rejected => "rejected",
        Outcome::Lost => "lost",
        Outcome::Away => "away",
        Outcome::TooLarge => "too-large",
    }
}

/// See the module. One a load, shared by all that works on it.
#[derive(Debug, Default)]
pub struct Meter {
    gauges: AtomicGauges,
    sent: AtomicSent,
    answers: [AtomicU64; OUTCOMES.len()],
    latency: [AtomicU64; BUCKETS],
    latency_micros: AtomicU64,
    noted: Mutex<Noted>,
    others: Mutex<Others>,
}

#[derive(Debug, Default)]
struct AtomicGauges {
    in_flight: AtomicU32,
    in_flight_most: AtomicU32,
    bytes_in_flight: AtomicU64,
    batch_bytes: AtomicU64,
    workers: AtomicU32,
    workers_wanted: AtomicU32,
    items: AtomicU64,
    items_done: AtomicU64,
    items_held: AtomicU32,
    items_set_aside: AtomicU64,
}

#[derive(Debug, Default)]
struct AtomicSent {
    requests: AtomicU64,
    requests_again: AtomicU64,
    docs: AtomicU64,
    docs_again: AtomicU64,
    bytes: AtomicU64,
    wire_bytes: AtomicU64,
    throttled: AtomicU64,
    blocked: AtomicU64,
    docs_rejected: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Noted {
    indices: BTreeMap<String, IndexCounts>,
    failed_by_class: BTreeMap<String, u64>,
}

/// What became of documents that this process noted in the work store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexCounts {
    /// Documents that the reader delivered, without those that go to another index.
    pub delivered: u64,
    /// Written.
    pub written: u64,
    /// The target holds a newer version.
    pub newer_present: u64,
    /// Left out by a transform, by the plan's word, or without a source.
    pub left_out: u64,
    /// Failed.
    pub failed: u64,
    /// Bytes of the store read.
    pub bytes_read: u64,
}

impl IndexCounts {
    fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.written += other.written;
        self.newer_present += other.newer_present;
        self.left_out += other.left_out;
        self.failed += other.failed;
        self.bytes_read += other.bytes_read;
    }

    /// What was noted of an item between two of its checkpoints.
    fn between(before: &ItemProgress, now: &ItemProgress) -> Self {
        let of = |count: fn(&ItemProgress) -> u64| count(now).saturating_sub(count(before));
        Self {
            delivered: of(|it| it.delivered.saturating_sub(it.elsewhere)),
            written: of(|it| it.written),
            newer_present: of(|it| it.newer_present),
            left_out: of(|it| it.dropped + it.skipped),
            failed: of(|it| it.failed),
            bytes_read: of(|it| it.bytes_read),
        }
    }
}

/// A look at a [`Meter`]: plain values, taken one after the other while the load goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Requests on their way.
    pub in_flight: u32,
    /// Requests that may be.
    pub in_flight_most: u32,
    /// Bytes of batches on their way.
    pub bytes_in_flight: u64,
    /// Bytes of the next batch at most.
    pub batch_bytes: u64,
    /// Workers at work in this process.
    pub workers: u32,
    /// Workers that are wanted of it.
    pub workers_wanted: u32,
    /// Items of the indices whose turn it is, whoever works on them.
    pub items: Items,
    /// Requests that were sent, each time counted.
    pub requests: u64,
    /// Of these, those that were sent once more.
    pub requests_again: u64,
    /// Documents in requests, each time counted.
    pub docs_sent: u64,
    /// Of these, those that were sent once more.
    pub docs_again: u64,
    /// Bytes of the bodies before any compression, each time counted.
    pub bytes_sent: u64,
    /// Bytes of the bodies as they went out, likewise.
    pub wire_bytes: u64,
    /// Answers 429 to whole requests.
    pub throttled: u64,
    /// Answers that said that an index or the cluster takes no writes.
    pub blocked: u64,
    /// Documents that the target could not take at that moment, within requests that it answered.
    pub docs_rejected: u64,
    /// What became of requests, by name.
    pub answers: Vec<(&'static str, u64)>,
    /// How long they took.
    pub latency: Latency,
    /// By index; beyond [`limits::INDICES_TOLD`] under [`limits::OTHER`].
    pub indices: BTreeMap<String, IndexCounts>,
    /// Documents that failed, by class, likewise.
    pub failed_by_class: BTreeMap<String, u64>,
    /// What the rest of the fleet told.
    pub others: Others,
}

impl Measured {
    /// What this process tells the fleet of itself.
    pub fn figures(&self) -> Figures {
        let lost = [Outcome::Lost, Outcome::Away].map(outcome_name);
        let answers = self.answers.iter();
        Figures {
            requests: self.requests,
            requests_again: self.requests_again,
            docs_sent: self.docs_sent,
            docs_again: self.docs_again,
            bytes: self.bytes_sent,
            wire_bytes: self.wire_bytes,
            throttled: self.throttled,
            blocked: self.blocked,
            docs_rejected: self.docs_rejected,
            lost: answers
                .filter(|(name, _)| lost.contains(name))
                .map(|(_, count)| count)
                .sum(),
            latency: self.latency,
        }
    }

    /// What is so in this process just now.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            in_flight: self.in_flight,
            in_flight_most: self.in_flight_most,
            batch_bytes: self.batch_bytes,
            workers: self.workers,
            workers_wanted: self.workers_wanted,
        }
    }

    /// Of the whole fleet, as far as this process hears of it.
    pub fn fleet(&self) -> (Figures, Gauges) {
        let others = &self.others;
        (
            self.figures().plus(&others.figures),
            self.gauges().plus(&others.gauges),
        )
    }

    /// Over all indices.
    pub fn docs(&self) -> IndexCounts {
        let mut all = IndexCounts::default();
        for counts in self.indices.values() {
            all.add(*counts);
        }
        all
    }
}

/// Items by how far they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// Not done: nobody has them, or another process.
    pub open: u64,
    /// Workers of this process have them.
    pub held: u64,
    /// Done, by whomever.
    pub done: u64,
    /// They could not be done.
    pub set_aside: u64,
}

impl Meter {
    fn noted_now(&self) -> MutexGuard<'_, Noted> {
        // Plain sums, which a panic elsewhere leaves whole.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on its way, and what may be.
    pub(super) fn on_the_way(&self, requests: u32, most: u32, bytes: u64, batch_bytes: usize) {
        let gauges = &self.gauges;
        gauges.in_flight.store(requests, Ordering::Relaxed);
        gauges.in_flight_most.store(most, Ordering::Relaxed);
        gauges.bytes_in_flight.store(bytes, Ordering::Relaxed);
        let batch_bytes = u64::try_from(batch_bytes).unwrap_or(u64::MAX);
        gauges.batch_bytes.store(batch_bytes, Ordering::Relaxed);
    }

    pub(super) fn workers(&self, working: u32, wanted: u32) {
        self.gauges.workers.store(working, Ordering::Relaxed);
        self.gauges.workers_wanted.store(wanted, Ordering::Relaxed);
    }

    pub(super) fn items(&self, all: u64, done: u64) {
        self.gauges.items.store(all, Ordering::Relaxed);
        self.gauges.items_done.store(done, Ordering::Relaxed);
    }

    /// A load begins: those that were set aside before are tried again.
    pub(super) fn begins(&self, items: u64, done: u64) {
        self.items(items, done);
        self.gauges.items_set_aside.store(0, Ordering::Relaxed);
    }

    /// A worker took an item; it has it until what is given back is dropped.
    pub(super) fn holds(&self) -> Held<'_> {
        self.gauges.items_held.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    pub(super) fn set_aside(&self) {
        self.gauges.items_set_aside.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, sent: Sent) {
        let to = &self.sent;
        to.requests.fetch_add(1, Ordering::Relaxed);
        to.docs.fetch_add(sent.docs, Ordering::Relaxed);
        to.bytes.fetch_add(sent.bytes, Ordering::Relaxed);
        to.wire_bytes.fetch_add(sent.wire_bytes, Ordering::Relaxed);
        if sent.again {
            to.requests_again.fetch_add(1, Ordering::Relaxed);
            to.docs_again.fetch_add(sent.docs, Ordering::Relaxed);
        }
    }

    pub(super) fn rejected(&self, rejected: Rejected) {
        let to = &self.sent;
        to.docs_rejected.fetch_add(rejected.docs, Ordering::Relaxed);
        to.throttled
            .fetch_add(rejected.throttled.into(), Ordering::Relaxed);
        to.blocked
            .fetch_add(rejected.blocked.into(), Ordering::Relaxed);
    }

    pub(super) fn answered(&self, answer: Answered) {
        let number = OUTCOMES.iter().position(|it| *it == answer.outcome);
        if let Some(count) = number.and_then(|number| self.answers.get(number)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let bucket = bucket(answer.took);
        if let Some(count) = self.latency.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(answer.took.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// A checkpoint of an item was noted; `failed` are the classes of those that failed since the one before.
    pub(super) fn noted(
        &self,
        index: &str,
        before: &ItemProgress,
        now: &ItemProgress,
        failed: &BTreeMap<String, u64>,
    ) {
        let counts = IndexCounts::between(before, now);
        let mut noted = self.noted_now();
        let Noted {
            indices,
            failed_by_class,
        } = &mut *noted;
        slot(indices, index, limits::INDICES_TOLD).add(counts);
        for (class, count) in failed {
            *slot(failed_by_class, class, limits::CLASSES_TOLD) += count;
        }
    }

    /// What the board tells of the others was heard.
    pub(super) fn heard(&self, others: Others) {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = others;
    }

    /// What was measured so far.
    pub fn look(&self) -> Measured {
        let gauges = &self.gauges;
        let done = gauges.items_done.load(Ordering::Relaxed);
        let held = u64::from(gauges.items_held.load(Ordering::Relaxed));
        let set_aside = gauges.items_set_aside.load(Ordering::Relaxed);
        let all = gauges.items.load(Ordering::Relaxed);
        let mut latency = Latency {
            micros: self.latency_micros.load(Ordering::Relaxed),
            ..Latency::default()
        };
        for (to, from) in latency.buckets.iter_mut().zip(&self.latency) {
            *to = from.load(Ordering::Relaxed);
        }
        let answers = OUTCOMES.iter().zip(&self.answers);
        let answers = answers
            .map(|(outcome, count)| (outcome_name(*outcome), count.load(Ordering::Relaxed)))
            .collect();
        let noted = self.noted_now().clone();
        let sent = &self.sent;
        Measured {
            in_flight: gauges.in_flight.load(Ordering::Relaxed),
            in_flight_most: gauges.in_flight_most.load(Ordering::Relaxed),
            bytes_in_flight: gauges.bytes_in_flight.load(Ordering::Relaxed),
            batch_bytes: gauges.batch_bytes.load(Ordering::Relaxed),
            workers: gauges.workers.load(Ordering::Relaxed),
            workers_wanted: gauges.workers_wanted.load(Ordering::Relaxed),
            items: Items {
                open: all.saturating_sub(done + held + set_aside),
                held,
                done,
                set_aside,
            },
            requests: sent.requests.load(Ordering::Relaxed),
            requests_again: sent.requests_again.load(Ordering::Relaxed),
            docs_sent: sent.docs.load(Ordering::Relaxed),
            docs_again: sent.docs_again.load(Ordering::Relaxed),
            bytes_sent: sent.bytes.load(Ordering::Relaxed),
            wire_bytes: sent.wire_bytes.load(Ordering::Relaxed),
            throttled: sent.throttled.load(Ordering::Relaxed),
            blocked: sent.blocked.load(Ordering::Relaxed),
            docs_rejected: sent.docs_rejected.load(Ordering::Relaxed),
            answers,
            latency,
            indices: noted.indices,
            failed_by_class: noted.failed_by_class,
            others: *self.others.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// See [`Meter::holds`].
pub(super) struct Held<'a>(&'a Meter);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.gauges.items_held.fetch_sub(1, Ordering::Relaxed);
    }
}

fn bucket(took: Duration) -> usize {
    let bounds = limits::LATENCY_MS.iter();
    let within = |bound: &u64| took <= Duration::from_millis(*bound);
    bounds
        .clone()
        .position(within)
        .unwrap_or(limits::LATENCY_MS.len())
}

/// The count under a name, or that of all others where there are too many names.
fn slot<'m, T: Default>(map: &'m mut BTreeMap<String, T>, name: &str, most: usize) -> &'m mut T {
    let name = if map.contains_key(name) || map.len() < most {
        name
    } else {
        limits::OTHER
    };
    map.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(written: u64, failed: u64) -> ItemProgress {
        ItemProgress {
            delivered: written + failed,
            written,
            failed,
            bytes_read: 10 * written,
            ..ItemProgress::default()
        }
    }

    #[test]
    fn counts_what_was_noted_between_checkpoints() {
        let meter = Meter::default();
        let class = BTreeMap::from([("mapper_parsing_exception".to_owned(), 2)]);
        meter.noted("a", &progress(10, 0), &progress(15, 2), &class);
        meter.noted("a", &progress(15, 2), &progress(20, 2), &BTreeMap::new());
        let seen = meter.look();
        assert_eq!(
            seen.docs().written,
            10,
            "what an earlier run did is not ours"
        );
        assert_eq!(seen.docs().failed, 2);
        assert_eq!(seen.indices["a"].delivered, 12);
        assert_eq!(seen.failed_by_class["mapper_parsing_exception"], 2);
    }

    #[test]
    fn names_are_bounded_and_nothing_is_left_out() {
        let meter = Meter::default();
        let many = limits::INDICES_TOLD as u64 + 30;
        for number in 0..many {
            let none = BTreeMap::new();
            meter.noted(
                &format!("i-{number}"),
                &progress(0, 0),
                &progress(1, 0),
                &none,
            );
        }
        let seen = meter.look();
        assert_eq!(seen.indices.len(), limits::INDICES_TOLD + 1);
        assert_eq!(seen.indices[limits::OTHER].written, 30);
        assert_eq!(seen.docs().written, many);
    }

    #[test]
    fn a_request_counts_in_the_bucket_whose_bound_it_does_not_exceed() {
        let meter = Meter::default();
        for millis in [5, 6, 200_000] {
            meter.answered(Answered {
                bytes: 1,
                took: Duration::from_millis(millis),
                outcome: Outcome::Taken,
            });
        }
        let seen = meter.look();
        assert_eq!(seen.latency.buckets[..2], [1, 1]);
        assert_eq!(seen.latency.buckets[BUCKETS - 1], 1);
        assert_eq!(seen.latency.count(), 3);
        assert_eq!(seen.latency.micros, 200_011_000);
        assert_eq!(seen.answers[0], ("taken", 3));
    }

    #[test]
    fn an_item_is_held_as_long_as_a_worker_has_it() {
        let meter = Meter::default();
        meter.items(5, 2);
        let held = meter.holds();
        meter.set_aside();
        let items = meter.look().items;
        assert_eq!(
            (items.open, items.held, items.done, items.set_aside),
            (1, 1, 2, 1)
        );
        drop(held);
        assert_eq!(meter.look().items.open, 2);
    }
}
