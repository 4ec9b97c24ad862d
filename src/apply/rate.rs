//! Rates of running phases: over what this run did, smoothed so that an estimate does not jump.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::Load;
use crate::engines::bulk::Measured;
use crate::phases::kind::Progress;

const WINDOW: Duration = Duration::from_secs(30);
/// Events for one phase come no closer than this.
const EVERY: Duration = Duration::from_millis(200);

/// The mean time of requests is over this time at least: longer than between two beats of a process.
const LATENCY_OVER: Duration = Duration::from_secs(6);

/// What a load measures, between events.
#[derive(Default)]
pub(super) struct LoadMeter {
    /// Requests that were answered and their time at earlier events, the oldest first; all but the first within [`LATENCY_OVER`].
    before: VecDeque<(Instant, u64, u64)>,
}

impl LoadMeter {
    pub(super) fn take(&mut self, at: Instant, now: &Measured) -> Load {
        let (all, gauges) = now.fleet();
        let (requests, micros) = (all.latency.count(), all.latency.micros);
        let old = |it: &(Instant, u64, u64)| at.duration_since(it.0) >= LATENCY_OVER;
        while self.before.len() > 1 && self.before.get(1).is_some_and(old) {
            self.before.pop_front();
        }
        let before = self.before.front();
        let (requests_before, micros_before) = before.map_or((0, 0), |it| (it.1, it.2));
        self.before.push_back((at, requests, micros));
        let answered = requests.saturating_sub(requests_before);
        let spent = micros.saturating_sub(micros_before) as f64;
        let items = now.items;
        Load {
            processes: 1 + now.others.processes,
            workers: gauges.workers,
            workers_wanted: gauges.workers_wanted,
            in_flight: gauges.in_flight,
            in_flight_most: gauges.in_flight_most,
            batch_bytes: gauges.batch_bytes,
            latency_ms: (answered > 0).then(|| spent / 1000.0 / answered as f64),
            sent: all.requests,
            sent_bytes: all.bytes,
            wire_bytes: all.wire_bytes,
            requests,
            request_micros: micros,
            rejected: all.docs_rejected,
            throttled: all.throttled,
            sent_again: all.docs_again,
            unanswered: all.lost,
            items: items.open + items.held + items.done + items.set_aside,
            items_done: items.done,
        }
    }
}

/// Measures one phase.
pub(super) struct RateMeter {
    started: Instant,
    from: Option<u64>,
    told: Option<Instant>,
    last: (Instant, u64),
    rate: f64,
}

impl RateMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            from: None,
            told: None,
            last: (now, 0),
            rate: 0.0,
        }
    }

    /// Takes a report in. The rate and the seconds left, where it is time to tell them.
    pub(super) fn take(&mut self, now: Instant, progress: &Progress) -> Option<(f64, Option<u64>)> {
        let from = *self.from.get_or_insert(progress.done);
        let first = self.told.is_none();
        let last_one = progress.done >= progress.total;
        if self.told.is_some_and(|told| now - told < EVERY) && !last_one {
            return None;
        }
        let since_last = (now - self.last.0).as_secs_f64();
        if !first && since_last > 0.0 {
            let current = progress.done.saturating_sub(self.last.1) as f64 / since_last;
            let age = (now - self.started).as_secs_f64();
            let overall = progress.done.saturating_sub(from) as f64 / age.max(0.001);
            let weight = (since_last / WINDOW.as_secs_f64()).min(1.0);
            self.rate = if age < WINDOW.as_secs_f64() {
                overall
            } else {
                self.rate + (current - self.rate) * weight
            };
        }
        self.told = Some(now);
        self.last = (now, progress.done);
        let left = progress.total.saturating_sub(progress.done);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // an estimate, never negative
        let eta = (self.rate > 0.0).then(|| (left as f64 / self.rate).ceil() as u64);
        Some((self.rate, eta))
    }
}
