//! What is measured of a store: how long an answer takes to begin, and how fast it comes then. Parts are sized by it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::limits;

/// The weight of what was measured last.
const NEWEST: f64 = 0.2;
/// Shorter bodies say nothing about speed.
const TELLING_BYTES: u64 = 128 << 10;
/// A part takes so many times as long to come as to begin, so that a connection waits for a seventeenth of its time.
const PARTS_OF_LATENCY: f64 = 16.0;

#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Seconds to the headers of an answer.
    latency: f64,
    /// Of one connection, after the headers; nothing as long as no body was long enough to tell.
    bytes_per_second: Option<f64>,
}

/// Moving means over all requests of a store.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Option<Measured>>);

impl Meter {
    /// One answer: how long it took to begin, how long to come, and its bytes.
    pub(super) fn add(&self, latency: Duration, body: Duration, bytes: u64) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mean = |old: Option<f64>, new: f64| old.map_or(new, |old| old + (new - old) * NEWEST);
        let speed = bytes as f64 / body.as_secs_f64().max(1e-6);
        let known = held.and_then(|held| held.bytes_per_second);
        *held = Some(Measured {
            latency: mean(held.map(|held| held.latency), latency.as_secs_f64()),
            bytes_per_second: if bytes < TELLING_BYTES {
                known
            } else {
                Some(mean(known, speed))
            },
        });
    }

    /// How large a part of a large range is to be.
    pub(super) fn part_bytes(&self) -> u64 {
        let held = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Small ones as long as nothing is known.
        let wanted = held.map_or(0.0, |held| {
            held.latency * held.bytes_per_second.unwrap_or_default() * PARTS_OF_LATENCY
        });
        // Saturates, and a NaN becomes 0.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let wanted = wanted as u64;
        wanted
            .clamp(limits::PART_BYTES_MIN, limits::PART_BYTES_MAX)
            .next_multiple_of(limits::PAGE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_with_latency_and_speed_within_limits() {
        let meter = Meter::default();
        for _ in 0..100 {
            meter.add(
                Duration::from_millis(20),
                Duration::from_millis(200),
                2_000_000,
            );
        }
        // 20 ms × 10 MB/s × 16
        let part = meter.part_bytes();
        assert!((3_000_000..3_700_000).contains(&part), "{part}");
        let near = Meter::default();
        for _ in 0..100 {
            near.add(Duration::from_micros(50), Duration::from_millis(2), 1 << 20);
        }
        assert_eq!(near.part_bytes(), limits::PART_BYTES_MIN);
        let far = Meter::default();
        for _ in 0..100 {
            far.add(
                Duration::from_millis(300),
                Duration::from_millis(10),
                1 << 20,
            );
        }
        assert_eq!(far.part_bytes(), limits::PART_BYTES_MAX);
    }
}
