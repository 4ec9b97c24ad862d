//! Rate limits over all workers, and how many batches are on their way at once. Changeable while a load runs.
//!
//! What a plan or an operator allows stands in [`Rates`]; within it [`super::steering`] says by the target's answers what is
//! sent. Deliberately absent: what is in the batches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::limits;
use super::meter::Meter;
use super::steering::{Ceilings, Controller, limits as steering};
use super::stop::{Stop, StopFn};
use crate::clients::target::{Answered, OnTheWay, Rejected, Sent};

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Documents a second.
    pub docs: Option<u64>,
    /// Bytes of batches a second.
    pub bytes: Option<u64>,
    /// Batches on their way at once, at most.
    pub in_flight: u32,
    /// Bytes of a batch, at most. A document that is larger by itself makes a batch of its own.
    pub batch_bytes: usize,
    /// How busy the processors of the target's busiest node may be, in percent.
    pub target_cpu: Option<u8>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            docs: None,
            bytes: None,
            in_flight: limits::IN_FLIGHT,
            batch_bytes: limits::BATCH_BYTES,
            target_cpu: None,
        }
    }
}

/// What a target is like, as far as budgets are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    /// Whether its answers say what may be sent; else all that is allowed is.
    pub(crate) pushes_back: bool,
    /// The largest request, in bytes.
    pub(crate) request_bytes: usize,
}

/// How often a wait looks whether to stop.
const POLL: Duration = Duration::from_millis(50);
/// A batch holds no more than what a rate allows in so much time: what is sent at once by a slow load, and twice after a kill.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Nothing waits longer than this for its turn.
const AHEAD_MAX: Duration = Duration::from_mins(1);
/// A rate may be used ahead by so much time.
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
    /// The size of the next batch, and its documents: asked for at every document.
    batch_bytes: AtomicUsize,
    batch_docs: AtomicUsize,
    /// The largest request that the target takes.
    request_bytes: AtomicUsize,
    meter: Arc<Meter>,
}

#[derive(Debug)]
struct State {
    rates: Rates,
    takes: Takes,
    controller: Controller,
    in_flight: u32,
    bytes_in_flight: u64,
    /// When the next document and the next byte are allowed.
    docs_at: Instant,
    bytes_at: Instant,
    /// When the pause ends that a target needs which is too hot.
    rested_at: Instant,
}

impl State {
    /// Batches that may be on their way.
    fn most(&self) -> u32 {
        if self.takes.pushes_back {
            self.controller.in_flight()
        } else {
            self.rates.in_flight.max(1)
        }
    }

    fn batch_bytes(&self) -> usize {
        let wanted = if self.takes.pushes_back {
            self.controller.batch_bytes()
        } else {
            self.rates.batch_bytes
        };
        wanted
            .min(self.takes.request_bytes)
            .min(at_once(self.rates.bytes))
    }

    fn batch_docs(&self) -> usize {
        limits::BATCH_DOCS.min(at_once(self.rates.docs))
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.in_flight < self.most()
            && (self.in_flight == 0 || self.bytes_in_flight + bytes <= steering::BYTES_IN_FLIGHT)
    }
}

fn ceilings(rates: &Rates) -> Ceilings {
    Ceilings {
        in_flight: rates.in_flight,
        batch_bytes: rates.batch_bytes.max(1),
        cpu_percent: rates.target_cpu,
    }
}

/// What a rate allows in [`BATCH_TIME`].
fn at_once(rate: Option<u64>) -> usize {
    let allowed = rate.map(|rate| rate.saturating_mul(BATCH_TIME.as_secs()).max(1));
    allowed.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX))
}

/// A batch on its way; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    inner: Arc<Inner>,
    bytes: u64,
}

impl OnTheWay for Permit {
    fn answered(&self, answer: Answered) {
        self.inner.meter.answered(answer);
        let now = Instant::now();
        let mut state = lock(&self.inner.state);
        let on_their_way = state.in_flight;
        state.controller.answered(now, on_their_way, answer);
        let pause = state.controller.pause_after(answer.took);
        state.rested_at = state.rested_at.max(now + pause);
        self.inner.changed(&state);
    }

    fn sent(&self, sent: Sent) {
        self.inner.meter.sent(sent);
    }

    fn rejected(&self, rejected: Rejected) {
        self.inner.meter.rejected(rejected);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = lock(&self.inner.state);
        state.in_flight -= 1;
        state.bytes_in_flight = state.bytes_in_flight.saturating_sub(self.bytes);
        self.inner.measure(&state);
        drop(state);
        self.inner.freed.notify_one();
    }
}

impl Inner {
    fn changed(&self, state: &State) {
        self.batch_bytes
            .store(state.batch_bytes(), Ordering::Relaxed);
        self.batch_docs.store(state.batch_docs(), Ordering::Relaxed);
        self.measure(state);
    }

    fn measure(&self, state: &State) {
        let (way, most) = (state.in_flight, state.most());
        let bytes = state.bytes_in_flight;
        self.meter.on_the_way(way, most, bytes, state.batch_bytes());
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic elsewhere leaves numbers that are still usable.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Budget {
    /// Allows `rates`.
    pub fn new(rates: Rates) -> Self {
        Self::measured(rates, Arc::default())
    }

    /// As [`Self::new`]; tells `meter` what is sent.
    pub fn measured(rates: Rates, meter: Arc<Meter>) -> Self {
        let now = Instant::now();
        let state = State {
            rates,
            takes: Takes {
                pushes_back: false,
                request_bytes: limits::DOCUMENT_BYTES,
            },
            controller: Controller::new(ceilings(&rates)),
            in_flight: 0,
            bytes_in_flight: 0,
            docs_at: now,
            bytes_at: now,
            rested_at: now,
        };
        Self {
            inner: Arc::new(Inner {
                batch_bytes: AtomicUsize::new(state.batch_bytes()),
                batch_docs: AtomicUsize::new(state.batch_docs()),
                state: Mutex::new(state),
                freed: Condvar::new(),
                request_bytes: AtomicUsize::new(limits::DOCUMENT_BYTES),
                meter,
            }),
        }
    }

    /// Allows something else from now on, whatever runs.
    pub fn set(&self, rates: Rates) {
        let mut state = lock(&self.inner.state);
        let now = Instant::now();
        // What was sent ahead is paid for at the new rate.
        state.docs_at = again(state.docs_at, now, (state.rates.docs, rates.docs));
        state.bytes_at = again(state.bytes_at, now, (state.rates.bytes, rates.bytes));
        state.rates = rates;
        state.controller.set(ceilings(&rates));
        self.inner.changed(&state);
        drop(state);
        self.inner.freed.notify_all();
    }

    /// What is allowed now.
    pub fn rates(&self) -> Rates {
        lock(&self.inner.state).rates
    }

    /// Learns what the target is like.
    pub(crate) fn meet(&self, takes: Takes) {
        let mut state = lock(&self.inner.state);
        state.takes = takes;
        let most = &self.inner.request_bytes;
        most.store(takes.request_bytes, Ordering::Relaxed);
        self.inner.changed(&state);
    }

    /// The size of the next batch.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.inner.batch_bytes.load(Ordering::Relaxed)
    }

    /// Documents of the next batch, at most.
    pub(crate) fn batch_docs(&self) -> usize {
        self.inner.batch_docs.load(Ordering::Relaxed)
    }

    /// The largest request that the target takes, in bytes.
    pub(crate) fn request_bytes(&self) -> usize {
        self.inner.request_bytes.load(Ordering::Relaxed)
    }

    /// How busy the target's processors may be, in percent; `None` where nobody asks.
    pub(crate) fn cpu_limit(&self) -> Option<u8> {
        lock(&self.inner.state).controller.cpu_limit()
    }

    /// How busy they are.
    pub(crate) fn looked_at_cpu(&self, percent: u8) {
        let mut state = lock(&self.inner.state);
        state.controller.looked_at_cpu(percent);
        tracing::debug!(percent, in_flight = state.most(), "the target's processors");
        self.inner.changed(&state);
    }

    /// Waits until a batch may go; `None` when asked to stop at once.
    pub(crate) fn acquire(&self, docs: u64, bytes: u64, stop: StopFn<'_>) -> Option<Permit> {
        let mut state = lock(&self.inner.state);
        loop {
            if stop() == Stop::Now {
                return None;
            }
            let now = Instant::now();
            let allowed = now + BURST;
            let ready = state.docs_at.max(state.bytes_at);
            let wait = ready
                .saturating_duration_since(allowed)
                .max(state.rested_at.saturating_duration_since(now));
            if wait.is_zero() && state.has_room(bytes) {
                break;
            }
            let wait = if wait.is_zero() { POLL } else { wait.min(POLL) };
            state = self
                .inner
                .freed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let now = Instant::now();
        state.in_flight += 1;
        state.bytes_in_flight += bytes;
        self.inner.measure(&state);
        state.docs_at = after(state.docs_at.max(now), docs, state.rates.docs);
        state.bytes_at = after(state.bytes_at.max(now), bytes, state.rates.bytes);
        Some(Permit {
            inner: Arc::clone(&self.inner),
            bytes,
        })
    }
}

/// When the next one is allowed after `count` at `rate`.
fn after(at: Instant, count: u64, rate: Option<u64>) -> Instant {
    match rate {
        None => at,
        Some(rate) => {
            at + Duration::from_secs_f64(
                (count as f64 / rate.max(1) as f64).min(AHEAD_MAX.as_secs_f64()),
            )
        }
    }
}

/// When the next one is allowed after a rate has changed from one to another.
fn again(at: Instant, now: Instant, (then, rate): (Option<u64>, Option<u64>)) -> Instant {
    let (Some(then), Some(rate)) = (then, rate) else {
        return now;
    };
    let ahead = at.saturating_duration_since(now).as_secs_f64();
    let ahead = ahead * then as f64 / rate.max(1) as f64;
    now + Duration::from_secs_f64(ahead.min(AHEAD_MAX.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::target::Outcome;

    #[test]
    fn holds_back_what_goes_beyond_the_rate() {
        let budget = Budget::new(Rates {
            docs: Some(1000),
            in_flight: 1,
            ..Rates::default()
        });
        let began = Instant::now();
        for _ in 0..5 {
            drop(budget.acquire(100, 1, &|| Stop::No));
        }
        assert!(began.elapsed() >= Duration::from_millis(190));
    }

    #[test]
    fn a_batch_holds_what_a_rate_allows_in_a_second() {
        let rates = Rates {
            docs: Some(300),
            bytes: Some(70_000),
            ..Rates::default()
        };
        let budget = Budget::new(rates);
        assert_eq!((budget.batch_docs(), budget.batch_bytes()), (300, 70_000));
        budget.set(Rates {
            docs: Some(0),
            bytes: None,
            ..rates
        });
        assert_eq!(budget.batch_docs(), 1);
        assert_eq!(budget.batch_bytes(), limits::BATCH_BYTES);
        budget.set(Rates::default());
        assert_eq!(budget.batch_docs(), limits::BATCH_DOCS);
    }

    #[test]
    fn a_rate_that_changes_forgives_nothing() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let at = |then, rate| again(now + second, now, (then, rate)) - now;
        assert_eq!(at(Some(1000), Some(1000)), second);
        assert_eq!(at(Some(1000), Some(4000)), second / 4);
        assert_eq!(at(Some(1000), Some(100)), second * 10);
        assert_eq!(at(Some(1000), None), Duration::ZERO);
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

    fn steered(rates: Rates, request_bytes: usize) -> Budget {
        let budget = Budget::new(rates);
        budget.meet(Takes {
            pushes_back: true,
            request_bytes,
        });
        budget
    }

    fn room(budget: &Budget, bytes: u64) -> bool {
        lock(&budget.inner.state).has_room(bytes)
    }

    #[test]
    fn a_rejection_leaves_fewer_at_once() {
        let budget = steered(Rates::default(), usize::MAX);
        let held: Vec<_> = (0..steering::FIRST_IN_FLIGHT)
            .filter_map(|_| budget.acquire(1, 1, &|| Stop::No))
            .collect();
        assert!(!room(&budget, 1), "all that are allowed are on their way");
        held[0].answered(Answered {
            bytes: 1,
            took: Duration::ZERO,
            outcome: Outcome::Rejected,
        });
        drop(held);
        let most = lock(&budget.inner.state).most();
        assert_eq!(most, steering::FIRST_IN_FLIGHT / 2);
    }

    #[test]
    fn bytes_on_their_way_are_bounded_and_one_batch_always_goes() {
        let budget = steered(Rates::default(), usize::MAX);
        assert!(room(&budget, u64::MAX / 2));
        let held = budget.acquire(1, steering::BYTES_IN_FLIGHT, &|| Stop::No);
        assert!(!room(&budget, 1));
        drop(held);
        assert!(room(&budget, 1));
    }

    #[test]
    fn batches_are_cut_to_what_the_target_takes_and_limits_change_meanwhile() {
        let budget = steered(Rates::default(), 1 << 20);
        assert_eq!(budget.batch_bytes(), 1 << 20);
        let rates = Rates {
            batch_bytes: 4096,
            target_cpu: Some(70),
            docs: Some(1),
            ..Rates::default()
        };
        budget.set(rates);
        assert_eq!(budget.batch_bytes(), 4096);
        assert_eq!(budget.cpu_limit(), Some(70));
        drop(budget.acquire(50, 1, &|| Stop::No));
        // Fifty seconds of waiting are over with the rate that asked for them.
        budget.set(Rates {
            docs: None,
            ..rates
        });
        assert!(budget.acquire(50, 1, &|| Stop::No).is_some());
        assert_eq!(budget.rates().docs, None);
    }
}
