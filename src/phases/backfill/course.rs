//! How far a load is, over all the turns that it takes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::kind::{PerformContext, Progress};
use crate::engines::bulk::{BulkOutcome, BulkProgress};

/// Progress over all turns of a load.
pub(super) struct Course<'a> {
    cx: &'a PerformContext<'a>,
    docs: Option<u64>,
    before: Mutex<Counted>,
    last: Last,
}

/// What earlier turns did, and this one.
#[derive(Clone, Copy, Default)]
struct Counted {
    docs: u64,
    failed: u64,
    /// Bytes read in this run, up to the last turn.
    read: u64,
    /// The first and the last figure of this turn.
    turn: Option<(u64, u64)>,
}

/// What was told last.
type Last = Mutex<Option<Progress>>;

impl<'a> Course<'a> {
    pub(super) fn new(cx: &'a PerformContext<'a>, docs: Option<u64>) -> Self {
        Self {
            cx,
            docs,
            before: Mutex::default(),
            last: Mutex::default(),
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, now: &BulkProgress, paused_by: Option<String>) {
        let mut before = self.counted();
        let (first, last) = before.turn.unwrap_or((now.bytes_read, now.bytes_read));
        before.turn = Some((first.min(now.bytes_read), last.max(now.bytes_read)));
        let before = *before;
        let progress = Progress {
            unit: "docs".into(),
            done: before.docs + now.docs_done,
            total: self.docs.unwrap_or(0).max(before.docs + now.docs_total),
            bytes: before.read + now.bytes_read,
            failed: before.failed + now.failed,
            workers: now.workers,
            paused_by,
        };
        *self.told() = Some(progress.clone());
        (self.cx.progress)(progress);
    }

    fn told(&self) -> MutexGuard<'_, Option<Progress>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells once more what was told last: with figures that came since.
    pub(super) fn tell_again(&self) {
        let last = self.told().clone();
        if let Some(last) = last {
            (self.cx.progress)(Progress { workers: 0, ..last });
        }
    }

    pub(super) fn turned(&self, loaded: &BulkOutcome) {
        let mut before = self.counted();
        let docs = loaded.indices.values();
        before.docs += docs.map(|index| index.delivered).sum::<u64>();
        before.failed += loaded.failed();
        if let Some((first, last)) = before.turn.take() {
            before.read += last - first;
        }
    }

    /// Bytes that were read in this run.
    pub(super) fn read(&self) -> u64 {
        self.counted().read
    }
}
