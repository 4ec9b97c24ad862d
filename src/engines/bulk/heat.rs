//! Looks at the target's processors while a load runs, where their busy time has a limit.
//!
//! A target that does not tell is noted once, and the limit is of no effect then. Deliberately absent: what follows from a
//! number ([`super::steering`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::budget::Budget;
use super::job::limits;
use crate::clients::target::Target;

/// Ends when the load does.
#[derive(Default)]
pub(super) struct Heat {
    ended: Mutex<bool>,
    end: Condvar,
    unknown: AtomicBool,
}

impl Heat {
    /// Looks until [`Self::end`].
    pub(super) fn watch(&self, target: &dyn Target, budget: &Budget) {
        loop {
            if budget.cpu_limit().is_some() {
                match target.cpu_percent() {
                    Ok(Some(percent)) => budget.looked_at_cpu(percent),
                    Ok(None) => self.unknown.store(true, Ordering::Relaxed),
                    // It restarts, or is too busy to answer: the load itself waits for it.
                    Err(error) => tracing::debug!(%error, "the target's processors"),
                }
            }
            if self.ends() {
                return;
            }
        }
    }

    /// Whether a limit was of no effect.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown.load(Ordering::Relaxed)
    }

    /// Waits until the next look; says whether there is none.
    fn ends(&self) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let (ended, _) = self
            .end
            .wait_timeout_while(ended, limits::CPU_EVERY, |ended| !*ended)
            .unwrap_or_else(PoisonError::into_inner);
        *ended
    }

    /// The load is over.
    pub(super) fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }
}
