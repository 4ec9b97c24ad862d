//! Nothing is done until counted: an item by its own counts, and a segment by those of all its items.
//!
//! The last item of a segment is marked as done only when the whole segment holds. Where several processes do a segment's
//! items, each reads of the store what it did not see; two that do the last two items at once may both think that the other
//! has the last one. So whoever calls the load finished checks by the store every segment that was not checked by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::job::{BulkError, Job, limits};
use super::source::SegmentKey;
use super::stop::Stop;
use super::work_store::{ItemProgress, ItemState, ItemStatus, Lease};

/// See the module.
pub(super) struct Checks<'a> {
    job: &'a Job<'a>,
    expected: &'a BTreeMap<SegmentKey, Option<u64>>,
    /// Those that hold. Held while an item is completed, so that of two threads one sees the other's item done.
    checked: Mutex<BTreeSet<SegmentKey>>,
}

/// Documents whose fate is known.
pub(super) fn accounted(progress: &ItemProgress) -> u64 {
    progress.written
        + progress.newer_present
        + progress.deleted
        + progress.dropped
        + progress.skipped
        + progress.failed
        + progress.elsewhere
}

impl<'a> Checks<'a> {
    pub(super) fn new(job: &'a Job<'a>, expected: &'a BTreeMap<SegmentKey, Option<u64>>) -> Self {
        Self {
            job,
            expected,
            checked: Mutex::default(),
        }
    }

    fn checked(&self) -> MutexGuard<'_, BTreeSet<SegmentKey>> {
        // A name is put in whole.
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks an item as done, if its counts hold and, as far as it is the last one of its segment, those of the segment.
    pub(super) fn complete(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), BulkError> {
        let key = &lease.item.key;
        let segment = SegmentKey::of(key);
        if let Some(expected) = lease.item.expected
            && expected != progress.delivered
        {
            return Err(BulkError::Count {
                segment,
                delivered: progress.delivered,
                expected,
            });
        }
        let accounted = accounted(progress);
        if accounted != progress.delivered {
            return Err(BulkError::Lost {
                item: key.to_string(),
                delivered: progress.delivered,
                accounted,
            });
        }
        let mut checked = self.checked();
        let rest = self.job.store.rest_of_segment(key)?;
        if let Some(rest) = &rest {
            let all = rest.iter().map(|state| &state.progress);
            self.check(&segment, all.chain([progress]))?;
        }
        self.job.store.complete(lease, progress)?;
        if rest.is_some() {
            checked.insert(segment);
        }
        Ok(())
    }

    /// Whether a segment whose items are all done came whole.
    fn check<'p>(
        &self,
        segment: &SegmentKey,
        items: impl Iterator<Item = &'p ItemProgress>,
    ) -> Result<(), BulkError> {
        let mut delivered = 0;
        let mut proofs = Vec::new();
        for progress in items {
            delivered += progress.delivered;
            proofs.extend(progress.proofs.iter().cloned());
        }
        if let Some(Some(expected)) = self.expected.get(segment)
            && *expected != delivered
        {
            return Err(BulkError::Count {
                segment: segment.clone(),
                delivered,
                expected: *expected,
            });
        }
        Ok(self.job.source.check_segment(segment, &proofs)?)
    }

    /// Checks what this process did not: the segments whose items are all done, by what the store says of them. On as many
    /// threads as there are workers, since each segment may have to be opened.
    pub(super) fn check_rest(&self, states: &[ItemState]) -> Result<(), BulkError> {
        let mut segments: BTreeMap<SegmentKey, Vec<&ItemState>> = BTreeMap::new();
        for state in states {
            let segment = SegmentKey::of(&state.item.key);
            segments.entry(segment).or_default().push(state);
        }
        let checked = self.checked();
        segments.retain(|segment, items| {
            let done = |state: &&ItemState| state.status == ItemStatus::Done;
            !checked.contains(segment) && items.iter().all(done)
        });
        drop(checked);
        let segments: Vec<(SegmentKey, Vec<&ItemState>)> = segments.into_iter().collect();
        let next = AtomicUsize::new(0);
        let first_error = Mutex::new(None);
        let failed = || first_error.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            while (self.job.stop)() == Stop::No && failed().is_none() {
                let Some((segment, items)) = segments.get(next.fetch_add(1, Ordering::Relaxed))
                else {
                    return;
                };
                let items = items.iter().map(|state| &state.progress);
                match self.check(segment, items) {
                    Ok(()) => drop(self.checked().insert(segment.clone())),
                    Err(error) => drop(failed().get_or_insert(error)),
                }
            }
        };
        let workers = self.job.crew.wanted().clamp(1, limits::WORKERS) as usize;
        thread::scope(|scope| {
            for _ in 1..workers.min(segments.len()) {
                // One thread less where it can't be had.
                let spawned = thread::Builder::new()
                    .stack_size(limits::STACK_BYTES)
                    .spawn_scoped(scope, work);
                drop(spawned);
            }
            work();
        });
        let error = failed().take();
        error.map_or(Ok(()), Err)
    }

    /// Whether every segment whose items are all done was checked.
    pub(super) fn all_checked(&self, states: &[ItemState]) -> bool {
        let checked = self.checked();
        states
            .iter()
            .all(|state| checked.contains(&SegmentKey::of(&state.item.key)))
    }
}
