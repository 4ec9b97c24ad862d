//! The server's clock as this process knows it: an offset to its own monotonic clock.
//!
//! The server is asked for its time, which it told at some instant between the question and the answer: the middle is taken,
//! and half of the way there and back bounds the error. Of a few questions the quickest counts. Since monotonic clocks drift,
//! it is asked again every [`limits::MEASURE_EVERY`]. What the machine's own clock says plays no part in a lease.
//!
//! Where the server does not tell (a proxy, a missing privilege), or takes too long to, there is no offset: then leases are
//! noted without an end, and whoever sees an item's last write unchanged for a whole lease by its own monotonic clock takes
//! it, which is right without any clock. None of it is a matter of safety: whoever takes an item raises its fence.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::documents::{Server, Time};

/// Limits with names.
pub(in super::super) mod limits {
    use std::time::Duration;

    /// Time between two measurements.
    pub(in super::super::super) const MEASURE_EVERY: Duration = Duration::from_mins(5);
    /// Time until the next one where the server could not be asked.
    pub(in super::super::super) const RETRY_EVERY: Duration = Duration::from_secs(30);
    /// How long an offset is trusted that could not be measured again.
    pub(in super::super::super) const TRUSTED: Duration = Duration::from_mins(30);
    /// Questions of one measurement at most.
    pub(in super::super::super) const QUESTIONS: usize = 3;
    /// An error that is good enough for the first question to be the last.
    pub(in super::super::super) const GOOD: Duration = Duration::from_millis(50);
    /// The largest error of an offset that is used.
    pub(in super::super::super) const ERROR_MAX: Duration = Duration::from_secs(1);
    /// How much later than its end a lease of another process is taken over: the errors of both clocks, and drift.
    pub(in super::super::super) const SLACK: Duration = Duration::from_secs(3);
}

/// See the module.
pub(super) struct Clock {
    /// What time goes by where the server's is not known.
    began: (Timestamp, Duration),
    known: Mutex<Known>,
    /// Held while the server is asked: others go on with what is known.
    asking: Mutex<()>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    offset: Option<Offset>,
    /// When to ask again, by the monotonic clock.
    due: Duration,
}

/// A reading of the clock.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) time: Timestamp,
    /// Whether it is the server's time; the process's own otherwise, which says nothing to others.
    pub(super) is_servers: bool,
}

impl Now {
    /// The end of a lease as it is noted.
    pub(super) fn end(self, term: SignedDuration) -> Option<Timestamp> {
        let end = self.time.checked_add(term).unwrap_or(Timestamp::MAX);
        Some(end).filter(|_| self.is_servers)
    }
}

/// The server's time at an instant of the monotonic clock.
#[derive(Clone, Copy)]
struct Offset {
    server: Timestamp,
    at: Duration,
    error: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole values are put in.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plus(time: Timestamp, later: Duration) -> Timestamp {
    let later = SignedDuration::try_from(later).unwrap_or(SignedDuration::MAX);
    time.checked_add(later).unwrap_or(Timestamp::MAX)
}

impl Clock {
    pub(super) fn new(time: &dyn Time) -> Self {
        Self {
            began: (time.wall(), time.monotonic()),
            known: Mutex::default(),
            asking: Mutex::default(),
        }
    }

    /// Now, and whether that is by the server's clock. The two go together: a time that was told before the server's clock was
    /// known is not to be compared with one of after.
    pub(super) fn now(&self, server: &Server<'_>, time: &dyn Time) -> Now {
        self.measure(server, time);
        let now = time.monotonic();
        match lock(&self.known).offset {
            Some(offset) => Now {
                time: plus(offset.server, now.saturating_sub(offset.at)),
                is_servers: true,
            },
            None => Now {
                time: plus(self.began.0, now.saturating_sub(self.began.1)),
                is_servers: false,
            },
        }
    }

    fn measure(&self, server: &Server<'_>, time: &dyn Time) {
        if time.monotonic() < lock(&self.known).due {
            return;
        }
        let Ok(_asking) = self.asking.try_lock() else {
            return;
        };
        let mut best: Option<Offset> = None;
        let mut unreachable = false;
        for _ in 0..limits::QUESTIONS {
            let asked = time.monotonic();
            let answer = server.server_time();
            let took = time.monotonic().saturating_sub(asked);
            match answer {
                Ok(Some(told)) => {
                    // The server tells whole milliseconds.
                    let error = took / 2 + Duration::from_millis(1);
                    if best.is_none_or(|best| error < best.error) {
                        best = Some(Offset {
                            server: told,
                            at: asked + took / 2,
                            error,
                        });
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    unreachable = true;
                    break;
                }
            }
            if best.is_some_and(|best| best.error <= limits::GOOD) {
                break;
            }
        }
        let best = best.filter(|best| best.error <= limits::ERROR_MAX);
        let now = time.monotonic();
        let mut known = lock(&self.known);
        let trusted = |it: &Offset| now.saturating_sub(it.at) < limits::TRUSTED;
        // A server that tells its time no longer is as good as one that never did.
        let kept = known.offset.filter(|it| unreachable && trusted(it));
        known.due = now
            + if best.is_none() && unreachable {
                limits::RETRY_EVERY
            } else {
                limits::MEASURE_EVERY
            };
        known.offset = best.or(kept);
    }
}
