//! What one process measured of its requests, as values that can be summed over the processes of a fleet. Pure.
//!
//! Counters only grow as long as the process is in the fleet, so that of two tellings of one process the greater is the later one,
//! and that a telling which is heard twice counts once: see [`Figures::later`]. Deliberately absent: who tells whom (`fleet`), and
//! anything that a decision could rest on.

use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// Limits with names.
pub mod limits {
    /// Upper bounds of the buckets of how long requests take, in milliseconds; the last bucket has none.
    pub const LATENCY_MS: [u64; 14] = [
        5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 180_000,
    ];
}

/// Buckets of [`Latency`].
pub const BUCKETS: usize = limits::LATENCY_MS.len() + 1;

/// How long requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Latency {
    /// Requests by bucket of [`limits::LATENCY_MS`]; each counts in one bucket. In JSON without the empty ones at the end.
    #[serde(with = "short")]
    pub buckets: [u64; BUCKETS],
    /// Their time in all, in microseconds.
    pub micros: u64,
}

/// Another version may have more buckets or fewer: what it tells of them is read as far as it goes.
mod short {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::BUCKETS;

    pub(super) fn serialize<S: Serializer>(
        buckets: &[u64; BUCKETS],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let used = buckets.iter().rposition(|count| *count > 0);
        buckets[..used.map_or(0, |last| last + 1)].serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[u64; BUCKETS], D::Error> {
        let mut buckets = [0_u64; BUCKETS];
        let told = Vec::<u64>::deserialize(from)?;
        for (number, count) in told.into_iter().enumerate() {
            let bucket = &mut buckets[number.min(BUCKETS - 1)];
            *bucket = bucket.saturating_add(count);
        }
        Ok(buckets)
    }
}

impl Latency {
    /// Requests.
    pub fn count(&self) -> u64 {
        self.buckets.iter().copied().fold(0, u64::saturating_add)
    }

    /// The mean, in milliseconds; `None` where there were none.
    pub fn mean_ms(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.micros as f64 / 1000.0 / count as f64)
    }

    /// The least bound, in milliseconds, within which so many of a hundred requests were answered; `None` where there were none, or
    /// where that is beyond all bounds.
    pub fn within_ms(&self, percent: u64) -> Option<u64> {
        let count = self.count();
        let enough = u128::from(count) * u128::from(percent);
        let mut below = 0_u128;
        let bounds = limits::LATENCY_MS.iter().zip(self.buckets);
        let mut found = bounds.filter(|(_, here)| {
            below += u128::from(*here);
            below * 100 >= enough
        });
        found.next().filter(|_| count > 0).map(|(bound, _)| *bound)
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Figures {
    /// Requests with documents that were sent, each time counted.
    pub requests: u64,
    /// Of these, those whose documents were sent before.
    pub requests_again: u64,
    /// Documents in requests, each time counted.
    pub docs_sent: u64,
    /// Of these, those that were sent once more.
    pub docs_again: u64,
    /// Bytes of the bodies before any compression, each time counted.
    pub bytes: u64,
    /// Bytes of the bodies as they went out, likewise.
    pub wire_bytes: u64,
    /// Answers 429 to whole requests.
    pub throttled: u64,
    /// Answers that said that an index or the cluster takes no writes.
    pub blocked: u64,
    /// Documents that the target could not take at that moment, within requests that it answered.
    pub docs_rejected: u64,
    /// Requests that timed out, whose connection broke, or that nobody was there to take.
    pub lost: u64,
    /// How long requests took.
    pub latency: Latency,
}

impl Figures {
    fn with(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        let mut latency = Latency {
            micros: of(self.latency.micros, other.latency.micros),
            ..Latency::default()
        };
        let both = self.latency.buckets.iter().zip(other.latency.buckets);
        for (to, (left, right)) in latency.buckets.iter_mut().zip(both) {
            *to = of(*left, right);
        }
        Self {
            requests: of(self.requests, other.requests),
            requests_again: of(self.requests_again, other.requests_again),
            docs_sent: of(self.docs_sent, other.docs_sent),
            docs_again: of(self.docs_again, other.docs_again),
            bytes: of(self.bytes, other.bytes),
            wire_bytes: of(self.wire_bytes, other.wire_bytes),
            throttled: of(self.throttled, other.throttled),
            blocked: of(self.blocked, other.blocked),
            docs_rejected: of(self.docs_rejected, other.docs_rejected),
            lost: of(self.lost, other.lost),
            latency,
        }
    }

    /// Those of two processes together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// What came since `then`, of one process.
    #[must_use]
    pub fn since(&self, then: &Self) -> Self {
        self.with(then, u64::saturating_sub)
    }

    /// The later of two tellings of one process, whichever was heard first.
    #[must_use]
    pub fn later(&self, other: &Self) -> Self {
        self.with(other, u64::max)
    }

    /// What was not taken at once: answers 429 and documents that were rejected.
    pub fn not_taken(&self) -> u64 {
        self.throttled.saturating_add(self.docs_rejected)
    }
}

/// What is so just now, in one process or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Gauges {
    /// Requests on their way.
    pub in_flight: u32,
    /// Requests that may be.
    pub in_flight_most: u32,
    /// Bytes of the next batch at most; of many the largest.
    pub batch_bytes: u64,
    /// Workers at work.
    pub workers: u32,
    /// Workers that are wanted.
    pub workers_wanted: u32,
}

impl Gauges {
    /// Those of two processes together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            in_flight: self.in_flight.saturating_add(other.in_flight),
            in_flight_most: self.in_flight_most.saturating_add(other.in_flight_most),
            batch_bytes: self.batch_bytes.max(other.batch_bytes),
            workers: self.workers.saturating_add(other.workers),
            workers_wanted: self.workers_wanted.saturating_add(other.workers_wanted),
        }
    }
}

impl Sum for Gauges {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| sum.plus(&one))
    }
}

/// What the board tells of other processes of the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Of all that ever worked on the load, but for this one.
    pub figures: Figures,
    /// Of those that are there.
    pub gauges: Gauges,
    /// Those that are there.
    pub processes: u32,
    /// Whether this process hears the others at all: only who leads does.
    pub heard: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(requests: u64) -> Figures {
        let mut latency = Latency {
            micros: requests * 7_000,
            ..Latency::default()
        };
        latency.buckets[1] = requests;
        Figures {
            requests,
            latency,
            ..Figures::default()
        }
    }

    #[test]
    fn what_is_heard_twice_counts_once_and_sums_are_sums() {
        let (early, late) = (figures(3), figures(5));
        assert_eq!(early.later(&late), late);
        assert_eq!(late.later(&early), late);
        assert_eq!(late.later(&late), late);
        assert_eq!(early.plus(&late), figures(8));
        assert_eq!(late.since(&early), figures(2));
        assert_eq!(late.latency.mean_ms(), Some(7.0));
        assert_eq!(Figures::default().latency.mean_ms(), None);
    }

    #[test]
    fn a_part_of_the_requests_is_within_a_bound() {
        let mut latency = Latency::default();
        assert_eq!(latency.within_ms(95), None);
        latency.buckets[0] = 90;
        latency.buckets[3] = 9;
        latency.buckets[BUCKETS - 1] = 1;
        assert_eq!(latency.within_ms(50), Some(5));
        assert_eq!(latency.within_ms(95), Some(50));
        assert_eq!(latency.within_ms(100), None);
    }

    #[test]
    fn what_another_version_tells_is_read_as_far_as_it_goes() {
        let text = serde_json::to_string(&figures(2)).unwrap();
        assert!(text.contains("\"buckets\":[0,2]"), "{text}");
        assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), figures(2));
        let more: Vec<u64> = (0..20).map(|_| 1).collect();
        let text = serde_json::json!({"requests": 20, "more": 1, "latency": {"buckets": more}});
        let read: Figures = serde_json::from_value(text).unwrap();
        assert_eq!((read.requests, read.latency.count()), (20, 20));
        let huge = serde_json::json!({"latency": {"buckets": vec![u64::MAX; 20]}});
        let huge: Figures = serde_json::from_value(huge).unwrap();
        assert_eq!(huge.latency.count(), u64::MAX);
        assert_eq!(huge.latency.within_ms(50), Some(5));
        let none: Figures = serde_json::from_str("{}").unwrap();
        assert_eq!(none, Figures::default());
    }
}
