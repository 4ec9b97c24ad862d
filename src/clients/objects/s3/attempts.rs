//! How often and when a request is sent again.

use std::time::{Duration, Instant};

use super::error::Problem;
use super::limits;

/// The attempts of one request.
pub(super) struct Attempts {
    began: Instant,
    /// How many failed.
    pub(super) failed: u32,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            failed: 0,
        }
    }

    /// How long to wait before the next one; `None` where it is not to be sent again.
    pub(super) fn next(&mut self, problem: &Problem) -> Option<Duration> {
        self.failed += 1;
        let over = self.failed >= limits::ATTEMPTS_MAX || self.began.elapsed() >= limits::PATIENCE;
        if over || !problem.is_transient() {
            return None;
        }
        let doubled = limits::BACKOFF * 2u32.saturating_pow(self.failed - 1).min(1 << 10);
        Some(half_by_chance(doubled.min(limits::BACKOFF_MAX)))
    }
}

/// Between half of it and all of it, so that many readers do not come back at the same instant.
fn half_by_chance(wait: Duration) -> Duration {
    let chance = uuid::Uuid::new_v4().as_bytes()[0];
    wait / 2 + wait / 2 * u32::from(chance) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_end_and_waits_stay_within_their_limits() {
        let mut attempts = Attempts::new();
        let busy = Problem::Busy("HTTP 503".to_owned());
        let waits: Vec<Duration> = std::iter::from_fn(|| attempts.next(&busy)).collect();
        assert_eq!(waits.len(), limits::ATTEMPTS_MAX as usize - 1);
        assert!(waits.iter().all(|wait| *wait <= limits::BACKOFF_MAX));
        assert!(waits[0] >= limits::BACKOFF / 2 && waits[8] >= limits::BACKOFF_MAX / 2);
        assert_eq!(Attempts::new().next(&Problem::NoKey), None);
    }
}
