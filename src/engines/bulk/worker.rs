//! One worker: takes items and moves their documents. What all workers share is in [`Shared`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::budget::Budget;
use super::crew::Crew;
use super::fleet::Counts;
use super::item::{End, ItemRun};
use super::job::{BulkError, BulkProgress, Job, limits};
use super::segments::{self, accounted};
use super::source::{SegmentKey, SourceError};
use super::stop::Stop;
use super::work_store::{Acquired, ItemKey, ItemProgress, ItemState, ItemStatus, Lease, WorkError};
use crate::base::failpoint;
use crate::clients::target::TargetError;

/// Time between two tellings of progress.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// How long a worker without an item waits before it looks again.
const IDLE: Duration = Duration::from_millis(50);

/// What all workers of a load share.
pub(super) struct Shared<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) budget: &'a Budget,
    counters: Counters,
    open: AtomicU64,
    /// Whether a look at the store found nothing to take any more.
    through: AtomicBool,
    told: Mutex<Option<Instant>>,
    segments: segments::Checks<'a>,
    /// Items in a row whose source can't be read.
    unreadable: AtomicU32,
    error: Mutex<Option<BulkError>>,
    abort: AtomicBool,
    /// When the last deletes of a part were done, as far as this process knows.
    deleted: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Counters {
    /// What was done before this load began here.
    before: Counts,
    items_all: u64,
    /// Items that were done before.
    items_before: u64,
    items: AtomicU64,
    docs: AtomicU64,
    docs_total: u64,
    bytes: AtomicU64,
    bytes_total: u64,
    failed: AtomicU64,
    workers: AtomicU32,
}

impl Counters {
    fn counts(&self) -> Counts {
        Counts {
            items: self.items.load(Ordering::Relaxed),
            docs: self.docs.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A worker that panicked ends the load with an error; what it left is not built upon.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        budget: &'a Budget,
        expected: &'a BTreeMap<SegmentKey, Option<u64>>,
        states: &[ItemState],
    ) -> Self {
        let mut counters = Counters {
            docs_total: expected.values().flatten().sum(),
            ..Counters::default()
        };
        let mut open = 0;
        // Of an earlier run nobody knows when they were done.
        let deleted = states
            .iter()
            .any(|state| state.status == ItemStatus::Done && state.item.key.removes().is_some());
        for state in states {
            let progress = &state.progress;
            open += u64::from(state.status != ItemStatus::Done);
            *counters.docs.get_mut() += accounted(progress) - progress.elsewhere;
            *counters.bytes.get_mut() += progress.bytes_read;
            *counters.failed.get_mut() += progress.failed;
            counters.bytes_total += state.item.bytes;
        }
        counters.before = counters.counts();
        counters.items_all = states.len() as u64;
        counters.items_before = counters.items_all - open;
        let meter = &job.options.meter;
        meter.begins(counters.items_all, counters.items_before);
        Self {
            job,
            budget,
            counters,
            open: AtomicU64::new(open),
            through: AtomicBool::new(false),
            told: Mutex::new(None),
            segments: segments::Checks::new(job, expected),
            unreadable: AtomicU32::new(0),
            error: Mutex::default(),
            abort: AtomicBool::new(false),
            deleted: Mutex::new(deleted.then(Instant::now)),
        }
    }

    pub(super) fn open_items(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }

    /// What is asked of the workers, from outside or from within.
    pub(super) fn stop(&self) -> Stop {
        let within = if self.abort.load(Ordering::Relaxed) || self.too_many_failed() {
            Stop::Drain
        } else {
            Stop::No
        };
        (self.job.stop)().max(within)
    }

    pub(super) fn too_many_failed(&self) -> bool {
        let failed = self.counters.failed.load(Ordering::Relaxed);
        self.job
            .options
            .max_failed
            .is_some_and(|most| failed > most)
    }

    /// Ends the load with an error; the first one counts.
    pub(super) fn fail(&self, error: BulkError) {
        lock(&self.error).get_or_insert(error);
        self.abort.store(true, Ordering::Relaxed);
    }

    pub(super) fn segments(&self) -> &segments::Checks<'a> {
        &self.segments
    }

    /// The error that ended the load, if one did.
    pub(super) fn error(&self) -> Result<(), BulkError> {
        lock(&self.error).take().map_or(Ok(()), Err)
    }

    pub(super) fn count(&self, docs: u64, failed: u64, bytes: u64) {
        self.counters.docs.fetch_add(docs, Ordering::Relaxed);
        self.counters.failed.fetch_add(failed, Ordering::Relaxed);
        self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Tells progress, if it is time (or `always`).
    pub(super) fn tell(&self, always: bool) {
        let mut told = lock(&self.told);
        if !always && told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        *told = Some(Instant::now());
        drop(told);
        let counters = &self.counters;
        let here = counters.counts();
        let others = self.crew().others();
        (self.job.progress)(BulkProgress {
            docs_done: (here.docs + others.docs).min(counters.docs_total.max(here.docs)),
            docs_total: counters.docs_total,
            bytes_read: here.bytes + others.bytes,
            bytes_total: counters.bytes_total,
            failed: here.failed + others.failed,
            workers: counters.workers.load(Ordering::Relaxed),
        });
    }

    /// Who wants workers.
    pub(super) fn crew(&self) -> &dyn Crew {
        self.job.crew
    }

    /// Tells the fleet what was done here.
    pub(super) fn tell_crew(&self) {
        let (now, before) = (self.counters.counts(), self.counters.before);
        let done = Counts {
            items: now.items,
            docs: now.docs - before.docs,
            bytes: now.bytes - before.bytes,
            failed: now.failed - before.failed,
        };
        let (crew, working) = (self.crew(), self.counters.workers.load(Ordering::Relaxed));
        crew.tell(done, working);
        let meter = &self.job.options.meter;
        meter.workers(working, crew.wanted().min(limits::WORKERS));
        let all = self.counters.items_all;
        let done = if self.is_through() {
            all
        } else {
            // What others say of theirs comes late, and may count an item that was taken over twice.
            (self.counters.items_before + now.items + crew.others().items).min(all)
        };
        meter.items(all, done);
    }

    /// Whether nothing is left to take.
    pub(super) fn is_through(&self) -> bool {
        self.through.load(Ordering::Relaxed)
    }

    /// Looks at the store, for a process that has no worker that would.
    pub(super) fn look(&self) {
        match self.job.store.finished() {
            Ok(true) => self.through.store(true, Ordering::Relaxed),
            Ok(false) => {}
            Err(error) => self.fail(error.into()),
        }
    }

    /// Marks an item as done, if its counts hold. The last item of a segment is done only if the whole segment's hold.
    pub(super) fn complete(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), BulkError> {
        self.segments.complete(lease, progress)?;
        if lease.item.key.removes().is_some() {
            *lock(&self.deleted) = Some(Instant::now());
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.counters.items.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// When a lease ends that is taken or lengthened at `now`.
    pub(super) fn lease_end(now: Timestamp) -> Timestamp {
        let length = SignedDuration::try_from(lease()).unwrap_or(SignedDuration::from_secs(60));
        now.checked_add(length).unwrap_or(Timestamp::MAX)
    }

    /// Waits before the writes of an index until the target forgot what was deleted of it; less where a stop is asked for.
    pub(super) fn rest_after_deletes(&self, key: &ItemKey) {
        let checks = self.job.target.capabilities().checks_versions;
        let applies =
            checks && key.removes().is_none() && self.job.options.layers.contains_key(&key.index);
        let rest = limits::REST_AFTER_DELETES;
        let resting = || lock(&self.deleted).is_some_and(|then| then.elapsed() < rest);
        while applies && resting() && self.stop() == Stop::No {
            thread::sleep(IDLE);
        }
    }
}

/// How long a lease holds.
pub(super) fn lease() -> Duration {
    failpoint::shortened("LEASE", limits::LEASE)
}

/// Takes items until nothing is left or a stop is asked for.
pub(super) fn work(shared: &Shared<'_>, number: u32) {
    let holder = format!("{}/{number}", shared.job.options.holder);
    shared.counters.workers.fetch_add(1, Ordering::Relaxed);
    while shared.stop_of(number) == Stop::No {
        let store = shared.job.store;
        let now = store.now();
        match store.acquire(&holder, now, Shared::lease_end(now)) {
            Ok(Acquired::Finished) => {
                shared.through.store(true, Ordering::Relaxed);
                break;
            }
            Ok(Acquired::Wait(_)) => thread::sleep(IDLE),
            Ok(Acquired::Lease(lease)) => {
                if !take(shared, &lease, number) {
                    break;
                }
            }
            Err(error) => {
                shared.fail(error.into());
                break;
            }
        }
    }
    shared.counters.workers.fetch_sub(1, Ordering::Relaxed);
}

/// Works on one item; says whether to go on with others.
fn take(shared: &Shared<'_>, lease: &Lease, number: u32) -> bool {
    let _held = shared.job.options.meter.holds();
    match ItemRun::new(shared, lease, number).and_then(ItemRun::run) {
        Ok(End::Done) => {
            shared.unreadable.store(0, Ordering::Relaxed);
            true
        }
        // Another one has it, and its progress counts.
        Err(BulkError::Work(WorkError::Fenced { .. })) => true,
        Ok(End::Stopped) => false,
        Err(BulkError::Target(TargetError::Busy { .. })) => {
            if let Err(error) = shared.job.store.release(lease, &lease.progress) {
                shared.fail(error.into());
                return false;
            }
            thread::sleep(IDLE);
            true
        }
        // Writes would wait for a delete that can't be done.
        Err(BulkError::Source(error)) if lease.item.key.removes().is_none() => {
            set_aside(shared, lease, error)
        }
        Err(error) => {
            shared.fail(error);
            false
        }
    }
}

/// Lets the rest go on without an item whose source can't be read; says whether to go on.
fn set_aside(shared: &Shared<'_>, lease: &Lease, error: SourceError) -> bool {
    match shared.job.store.set_aside(lease, &error.to_string()) {
        Ok(()) => shared.job.options.meter.set_aside(),
        Err(WorkError::Fenced { .. }) => {}
        Err(error) => {
            shared.fail(error.into());
            return false;
        }
    }
    let in_a_row = shared.unreadable.fetch_add(1, Ordering::Relaxed) + 1;
    if in_a_row >= limits::UNREADABLE_IN_A_ROW {
        shared.fail(error.into());
        return false;
    }
    true
}
