//! Whether and when a request is sent again. Pure but for the clock of the one who asks.

use std::time::{Duration, Instant};

use super::error::ClusterError;
use super::limits;

/// What is known when a try failed.
pub(super) struct Failed<'a> {
    pub(super) error: &'a ClusterError,
    /// What the server asked for with `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// Whether doing it twice does no harm.
    pub(super) idempotent: bool,
    /// Whether the cluster ever answered.
    pub(super) known: bool,
}

/// The tries of one request.
pub(super) struct Tries {
    began: Option<Instant>,
    pub(super) made: u32,
    wait: Duration,
}

impl Tries {
    pub(super) fn new() -> Self {
        Self {
            began: None,
            made: 0,
            wait: limits::BACKOFF,
        }
    }

    /// How long to wait before the next try; `None`: there is none.
    pub(super) fn next(
        &mut self,
        failed: &Failed<'_>,
        now: Instant,
        chance: f64,
    ) -> Option<Duration> {
        self.made += 1;
        let began = *self.began.get_or_insert(now);
        let most = tries(failed)?;
        if self.made >= most || now.duration_since(began) >= limits::PATIENCE {
            return None;
        }
        let backoff = self.wait.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0);
        self.wait = (self.wait * 2).min(limits::BACKOFF_MAX);
        let asked = failed.retry_after.unwrap_or_default();
        Some(backoff.max(asked.min(limits::RETRY_AFTER_MAX)))
    }
}

/// How often it may be tried in all; `None`: never again.
fn tries(failed: &Failed<'_>) -> Option<u32> {
    let idempotent = |most| failed.idempotent.then_some(most);
    match failed.error {
        // It never got there. What never answered has a wrong address more often than not.
        ClusterError::Unreachable { .. } if failed.known => Some(u32::MAX),
        ClusterError::Unreachable { .. } => Some(limits::FIRST_TRIES),
        ClusterError::Broken { .. } if failed.known => idempotent(u32::MAX),
        ClusterError::Broken { .. } => idempotent(limits::FIRST_TRIES),
        ClusterError::Timeout { .. } => idempotent(limits::TIMEOUT_TRIES),
        // A disk that is full stays so until somebody makes room.
        ClusterError::Status { kind, .. }
            if kind == "cluster_block_exception" && !failed.passing() =>
        {
            None
        }
        ClusterError::Status { status, .. } => match status {
            // The server, or what stands before it, did not take it.
            429 | 503 => Some(u32::MAX),
            // What stands before it does not know what became of it.
            502 | 504 => idempotent(u32::MAX),
            _ => None,
        },
        _ => None,
    }
}

impl Failed<'_> {
    /// Whether a block goes by itself: a cluster without a master, or one that recovers its state.
    fn passing(&self) -> bool {
        self.error.status() == Some(503)
    }
}

/// A number from 0 to 1 by chance.
pub(super) fn chance() -> f64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let bits = std::hash::RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// The time that `Retry-After` asks for: seconds, or a date.
pub(super) fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(at.duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, kind: &str) -> ClusterError {
        ClusterError::Status {
            location: "l".into(),
            call: "c".into(),
            status,
            kind: kind.into(),
            reason: String::new(),
        }
    }

    fn unreachable() -> ClusterError {
        ClusterError::Unreachable {
            location: "l".into(),
            reason: "r".into(),
        }
    }

    fn broken() -> ClusterError {
        ClusterError::Broken {
            location: "l".into(),
            call: "c".into(),
            reason: "r".into(),
        }
    }

    fn first(error: &ClusterError, idempotent: bool) -> Option<Duration> {
        let failed = Failed {
            error,
            retry_after: None,
            idempotent,
            known: true,
        };
        Tries::new().next(&failed, Instant::now(), 0.0)
    }

    #[test]
    fn only_what_may_help_and_does_no_harm_is_sent_again() {
        let full = "cluster_block_exception";
        for (error, if_idempotent, else_) in [
            (unreachable(), true, true),
            (broken(), true, false),
            (status(429, "es_rejected_execution_exception"), true, true),
            (status(503, ""), true, true),
            (status(503, full), true, true),
            (status(429, full), false, false),
            (status(502, ""), true, false),
            (status(504, ""), true, false),
            (status(500, ""), false, false),
            (status(400, ""), false, false),
            (status(404, ""), false, false),
            (status(409, ""), false, false),
        ] {
            assert_eq!(first(&error, true).is_some(), if_idempotent, "{error}");
            assert_eq!(first(&error, false).is_some(), else_, "{error}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let error = status(503, "");
        let failed = |retry_after| Failed {
            error: &error,
            retry_after,
            idempotent: true,
            known: true,
        };
        let (mut tries, start) = (Tries::new(), Instant::now());
        let mut now = start;
        let mut waits = Vec::new();
        while let Some(wait) = tries.next(&failed(None), now, 0.0) {
            waits.push(wait);
            now += wait;
        }
        assert_eq!(waits[..3], [250, 500, 1000].map(Duration::from_millis));
        assert!(waits.iter().all(|wait| *wait <= limits::BACKOFF_MAX));
        let all = now - start;
        assert!(all >= limits::PATIENCE && all < limits::PATIENCE + limits::BACKOFF_MAX);

        let asked = |seconds| {
            let wait = Some(Duration::from_secs(seconds));
            Tries::new().next(&failed(wait), start, 1.0).unwrap()
        };
        assert_eq!(asked(0), Duration::from_millis(125));
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(86_400), limits::RETRY_AFTER_MAX);
    }

    #[test]
    fn a_cluster_that_never_answered_is_called_twice() {
        let error = unreachable();
        let failed = Failed {
            error: &error,
            retry_after: None,
            idempotent: true,
            known: false,
        };
        let mut tries = Tries::new();
        assert!(tries.next(&failed, Instant::now(), 0.0).is_some());
        assert!(tries.next(&failed, Instant::now(), 0.0).is_none());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2015-10-21T07:27:30Z".parse().unwrap();
        assert_eq!(retry_after(" 12 ", now), Some(Duration::from_secs(12)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now),
            Some(Duration::from_secs(30))
        );
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:20:00 GMT", now), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
