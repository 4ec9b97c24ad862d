//! Rate limits over all workers, and how many batches are on their way at once. Changeable while a load runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::limits;
use super::stop::{Stop, StopFn};

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Documents a second.
    pub docs: Option<u64>,
    /// Bytes of batches a second.
    pub bytes: Option<u64>,
    /// Batches on their way at once.
    pub in_flight: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            docs: None,
            bytes: None,
            in_flight: limits::IN_FLIGHT,
        }
    }
}

/// How often a wait looks whether to stop.
const POLL: Duration = Duration::from_millis(50);
/// A rate may be used ahead by so much time, so that batches need not be cut to size.
const BURST: Duration = Duration::from_millis(200);

/// Shared by all workers.
#[derive(Debug)]
pub struct Budget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    rates: Rates,
    in_flight: u32,
    /// When the next document and the next byte are allowed.
    docs_at: Instant,
    bytes_at: Instant,
}

/// A batch on its way; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    inner: Arc<Inner>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.inner.state).in_flight -= 1;
        self.inner.freed.notify_one();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic elsewhere leaves numbers that are still usable.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Budget {
    /// Allows `rates`.
    pub fn new(rates: Rates) -> Self {
        let now = Instant::now();
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(State {
                    rates,
                    in_flight: 0,
                    docs_at: now,
                    bytes_at: now,
                }),
                freed: Condvar::new(),
            }),
        }
    }

    /// Allows something else from now on.
    pub fn set(&self, rates: Rates) {
        lock(&self.inner.state).rates = rates;
        self.inner.freed.notify_all();
    }

    /// Waits until a batch may go; `None` when asked to stop at once.
    pub(crate) fn acquire(&self, docs: u64, bytes: u64, stop: StopFn<'_>) -> Option<Permit> {
        let mut state = lock(&self.inner.state);
        loop {
            if stop() == Stop::Now {
                return None;
            }
            let now = Instant::now();
            let ready = state.docs_at.max(state.bytes_at);
            if state.in_flight < state.rates.in_flight.max(1) && ready <= now + BURST {
                break;
            }
            let wait = if ready > now + BURST {
                ready.saturating_duration_since(now + BURST).min(POLL)
            } else {
                POLL
            };
            state = self
                .inner
                .freed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let now = Instant::now();
        state.in_flight += 1;
        state.docs_at = after(state.docs_at.max(now), docs, state.rates.docs);
        state.bytes_at = after(state.bytes_at.max(now), bytes, state.rates.bytes);
        Some(Permit {
            inner: Arc::clone(&self.inner),
        })
    }
}

/// When the next one is allowed after `count` at `rate`. A minute at most, so that a rate that was raised acts soon.
fn after(at: Instant, count: u64, rate: Option<u64>) -> Instant {
    match rate {
        None => at,
        Some(rate) => at + Duration::from_secs_f64((count as f64 / rate.max(1) as f64).min(60.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_back_what_goes_beyond_the_rate() {
        let budget = Budget::new(Rates {
            docs: Some(1000),
            bytes: None,
            in_flight: 1,
        });
        let began = Instant::now();
        for _ in 0..5 {
            drop(budget.acquire(100, 1, &|| Stop::No));
        }
        assert!(began.elapsed() >= Duration::from_millis(190));
    }

    #[test]
    fn stops_waiting_when_asked_to() {
        let budget = Budget::new(Rates {
            in_flight: 1,
            ..Rates::default()
        });
        let held = budget.acquire(1, 1, &|| Stop::No);
        assert!(held.is_some());
        assert!(budget.acquire(1, 1, &|| Stop::Now).is_none());
        drop(held);
        assert!(budget.acquire(1, 1, &|| Stop::No).is_some());
    }
}
