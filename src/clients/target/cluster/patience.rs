//! How long a target is waited for, and how often it is asked meanwhile.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::failpoint;
use crate::clients::cluster::ClusterError;
use crate::clients::target::TargetError;

/// Limits with names.
pub mod limits {
    use std::time::Duration;

    /// How long a target that is down, overloaded or starting is waited for without any progress: long enough for a
    /// restart of it.
    pub const UNAVAILABLE: Duration = Duration::from_mins(10);
    /// How long a block of writes on an index is waited for.
    pub const BLOCKED: Duration = Duration::from_mins(1);
    /// Times that a document is sent which the server answers with an error of its own that nobody knows.
    pub const UNKNOWN_ERRORS: u32 = 6;
    /// The first wait between two tries; doubled each time, and spread so that workers do not come all at once.
    pub const BACKOFF: Duration = Duration::from_millis(200);
    /// The longest wait between two tries.
    pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
}

/// The tries of one thing.
#[derive(Debug)]
pub(super) struct Patience {
    began: Option<Instant>,
    wait: Duration,
    tries: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            began: None,
            wait: limits::BACKOFF,
            tries: 0,
        }
    }

    /// Something went through: waiting begins anew.
    pub(super) fn progressed(&mut self) {
        *self = Self::new();
    }

    /// Tries that failed one after the other.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// After a failed try: the wait before the next one, which the server may ask to be longer; `None` once it has lasted
    /// longer than `limit`.
    pub(super) fn next_after(
        &mut self,
        asked: Option<Duration>,
        limit: Duration,
    ) -> Option<Duration> {
        Some(self.next(limit)?.max(asked.unwrap_or_default()))
    }

    /// As [`Self::next_after`], where nothing was asked for.
    pub(super) fn next(&mut self, limit: Duration) -> Option<Duration> {
        let began = *self.began.get_or_insert_with(Instant::now);
        if began.elapsed() >= limit {
            return None;
        }
        self.tries += 1;
        let wait = self.wait;
        self.wait = (self.wait * 2).min(limits::BACKOFF_MAX);
        // Between a half and the whole of it.
        let spread = RandomState::new().build_hasher().finish() % 512;
        let share = 512 + u32::try_from(spread).unwrap_or(0);
        Some(wait * share / 1024)
    }
}

/// How often a wait looks whether to stop.
const POLL: Duration = Duration::from_millis(50);

/// Calls until it goes through, as long as it fails only because the target can't take anything now, and as long as nobody
/// asks to stop.
pub fn patiently<T>(
    stop: &dyn Fn() -> bool,
    mut call: impl FnMut() -> Result<T, TargetError>,
) -> Result<T, TargetError> {
    let mut patience = Patience::new();
    loop {
        let error = match call() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let limit = match &error {
            TargetError::Cluster(error) => limit_of(error),
            _ => None,
        };
        let Some(wait) = limit.and_then(|limit| patience.next(limit)) else {
            return Err(error);
        };
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if stop() {
                return Err(error);
            }
            thread::sleep(POLL.min(wait));
        }
    }
}

/// How long to go on after this error; `None`: it will not go by.
fn limit_of(error: &ClusterError) -> Option<Duration> {
    match error {
        ClusterError::Unreachable { .. }
        | ClusterError::Broken { .. }
        | ClusterError::Timeout { .. } => Some(limits::UNAVAILABLE),
        _ if error.kind() == "cluster_block_exception"
            && matches!(error.status(), Some(403 | 429)) =>
        {
            Some(failpoint::shortened("BLOCKED", limits::BLOCKED))
        }
        _ => matches!(error.status(), Some(429 | 500..)).then_some(limits::UNAVAILABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_and_not_for_ever() {
        let mut patience = Patience::new();
        let hour = Duration::from_hours(1);
        let first = patience.next(hour).unwrap();
        assert!(first >= limits::BACKOFF / 2 && first <= limits::BACKOFF);
        for _ in 0..20 {
            let wait = patience.next(hour).unwrap();
            assert!(wait <= limits::BACKOFF_MAX);
        }
        assert!(patience.next(hour).unwrap() >= limits::BACKOFF_MAX / 2);
        assert_eq!(patience.tries(), 22);
        let asked = Duration::from_secs(17);
        assert_eq!(patience.next_after(Some(asked), hour), Some(asked));
        assert_eq!(patience.next(Duration::ZERO), None);
        patience.progressed();
        assert_eq!(patience.tries(), 0);
    }
}
