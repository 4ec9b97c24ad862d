//! The workers of one process: as many threads as are wanted just now, from none to [`limits::WORKERS`].
//!
//! Workers come and go while a load runs: one that is not wanted any more gives its item back at the next checkpoint. A
//! process without workers goes on looking whether the others are through. Deliberately absent: who wants how many (a
//! [`Crew`] says so), and leases.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::budget::Rates;
use super::fleet::Counts;
use super::job::{BulkError, limits};
use super::stop::Stop;
use super::worker::{self, Shared};

/// Time between two looks at what is wanted.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two looks at the store of a process that has no workers.
const IDLE_LOOK: Duration = Duration::from_secs(2);

/// What is wanted of the workers of a process, and what they tell of themselves. Asked many times a second.
pub trait Crew: Sync {
    /// So many workers.
    fn wanted(&self) -> u32;

    /// With these limits; `None`: as the load began.
    fn rates(&self) -> Option<Rates>;

    /// What others of the fleet did since this load began here.
    fn others(&self) -> Counts;

    /// What was done here since this load began, and by how many workers it goes on.
    fn tell(&self, done: Counts, working: u32);
}

/// A fixed number of workers that nobody else helps.
#[derive(Clone, Copy, Debug)]
pub struct Alone(pub u32);

impl Crew for Alone {
    fn wanted(&self) -> u32 {
        self.0
    }

    fn rates(&self) -> Option<Rates> {
        None
    }

    fn others(&self) -> Counts {
        Counts::default()
    }

    fn tell(&self, _done: Counts, _working: u32) {}
}

/// Keeps the workers until nothing is left, by whomever it was done, or a stop is asked for.
pub(super) fn work(shared: &Shared<'_>) {
    let (ended, ends) = channel();
    thread::scope(|scope| {
        let mut at_work: Vec<bool> = Vec::new();
        let mut looked: Option<Instant> = None;
        let mut rates = None;
        loop {
            let over = shared.is_over();
            if over && at_work.iter().all(|it| !it) {
                return;
            }
            let wanted = shared.wanted() as usize;
            at_work.resize(at_work.len().max(wanted), false);
            for (number, working) in at_work.iter_mut().enumerate().take(wanted) {
                if !over && !*working {
                    *working = true;
                    spawn(scope, shared, number, ended.clone());
                }
            }
            let now = shared.crew().rates();
            if let Some(now) = now.filter(|_| now != rates) {
                shared.budget.set(now);
            }
            rates = now;
            shared.tell_crew();
            let idle = wanted == 0 && at_work.iter().all(|it| !it);
            if idle && looked.is_none_or(|looked| looked.elapsed() >= IDLE_LOOK) {
                looked = Some(Instant::now());
                shared.look();
                shared.tell(true);
            }
            match ends.recv_timeout(LOOK) {
                Ok(number) => {
                    if let Some(working) = at_work.get_mut(number) {
                        *working = false;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    });
    shared.tell_crew();
}

/// Tells that a worker ended, however it did.
struct End(Sender<usize>, usize);

impl Drop for End {
    fn drop(&mut self) {
        // Where it can't be sent, nobody waits for it any more.
        self.0.send(self.1).unwrap_or(());
    }
}

fn spawn<'scope, 'env>(
    scope: &'scope thread::Scope<'scope, 'env>,
    shared: &'env Shared<'_>,
    number: usize,
    ended: Sender<usize>,
) {
    let end = End(ended, number);
    let spawned = thread::Builder::new()
        .name(format!("worker-{number}"))
        .stack_size(limits::STACK_BYTES)
        .spawn_scoped(scope, move || {
            let end = end;
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let work = std::panic::AssertUnwindSafe(|| worker::work(shared, number));
            if std::panic::catch_unwind(work).is_err() {
                shared.fail(BulkError::Worker("it panicked".to_owned()));
            }
            drop(end);
        });
    if let Err(error) = spawned {
        shared.fail(BulkError::Worker(error.to_string()));
    }
}

impl Shared<'_> {
    /// As many workers as are wanted and as one process may have.
    fn wanted(&self) -> u32 {
        self.crew().wanted().min(limits::WORKERS)
    }

    /// Whether no worker is to begin any more.
    fn is_over(&self) -> bool {
        self.stop() != Stop::No || self.is_through()
    }

    /// What is asked of one worker: one that is not wanted any more gives back what it has.
    pub(super) fn stop_of(&self, number: u32) -> Stop {
        let spare = if number < self.wanted() {
            Stop::No
        } else {
            Stop::Drain
        };
        self.stop().max(spare)
    }
}
