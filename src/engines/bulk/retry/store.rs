//! The items of a pass, as the loader takes them: each progress of a document is noted in the item's own.
//!
//! Leases are of this process alone, which has the lock of the plan's state; the store below refuses an item that somebody
//! else holds or wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::base::failpoint;
use crate::diff::observation::WorkFacts;
use crate::engines::bulk::work_store::{
    Acquired, ItemKey, ItemProgress, ItemSpec, ItemState, ItemStatus, Lease, Retried, WorkError,
    WorkIdentity, WorkStore,
};

/// See the module.
pub(super) struct PassStore<'a> {
    store: &'a dyn WorkStore,
    pass: u32,
    /// Tells the chunks of this run from those of one that was killed in the same pass.
    attempt: u64,
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    /// Before this run of the pass.
    origin: ItemProgress,
    /// As the store below has it.
    noted: ItemProgress,
    /// What the pass tries, and where it began in this run.
    start: Retried,
    /// As the loader sees it.
    state: ItemState,
}

impl<'a> PassStore<'a> {
    /// Over these items, with the documents of each that are tried.
    pub(super) fn new(
        store: &'a dyn WorkStore,
        pass: u32,
        items: Vec<ItemState>,
        wanted: &BTreeMap<ItemKey, Vec<u32>>,
    ) -> Self {
        let entries = items.into_iter().map(|item| {
            let start = begin(&item, pass);
            let docs = wanted.get(&item.item.key).map_or(0, Vec::len);
            let spec = ItemSpec {
                expected: Some(docs as u64),
                bytes: 0,
                ..item.item
            };
            Entry {
                state: ItemState {
                    item: spec,
                    attempt: 0,
                    tries: 0,
                    status: ItemStatus::Free,
                    progress: ItemProgress {
                        cursor: start.cursor,
                        failed_bytes: start.failed_bytes,
                        mark: start.mark.clone(),
                        ..ItemProgress::default()
                    },
                },
                start,
                noted: item.progress.clone(),
                origin: item.progress,
            }
        });
        let now = store.now().as_millisecond();
        Self {
            entries: Mutex::new(entries.collect()),
            store,
            pass,
            attempt: u64::try_from(now).unwrap_or(1),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing is changed in memory before it stands below.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(
        &self,
        lease: &Lease,
        progress: &ItemProgress,
        status: Option<ItemStatus>,
    ) -> Result<(), WorkError> {
        let key = &lease.item.key;
        let mut entries = self.entries();
        let found = entries.iter_mut().find(|it| it.state.item.key == *key);
        let entry = found.ok_or_else(|| unknown(key))?;
        let amended = amended(&entry.origin, &entry.start, progress);
        // Nothing of it was tried: then nothing is to be noted either.
        if amended != entry.noted && progress.cursor > entry.start.cursor {
            failpoint::hit("retry-before-note");
            self.store.amend(key, &entry.noted, &amended)?;
            failpoint::hit("retry-after-note");
            entry.noted = amended;
        }
        entry.state.progress = progress.clone();
        if let Some(status) = status {
            entry.state.status = status;
        }
        Ok(())
    }

    fn free(&self) -> usize {
        let entries = self.entries();
        let free = |it: &&Entry| !it.state.status.is_settled();
        entries.iter().filter(free).count()
    }
}

fn unknown(key: &ItemKey) -> WorkError {
    WorkError::Item {
        item: key.to_string(),
        what: "no part of this pass".to_owned(),
    }
}

/// Where a pass begins or goes on for an item.
fn begin(item: &ItemState, pass: u32) -> Retried {
    let progress = &item.progress;
    match &progress.retried {
        Some(retried) if retried.pass == pass => retried.clone(),
        Some(before) => Retried {
            pass,
            of: before.pass,
            of_bytes: before.failed_bytes,
            cursor: 0,
            failed_bytes: 0,
            mark: before.mark.clone(),
        },
        None => Retried {
            pass,
            of: 0,
            of_bytes: progress.failed_bytes,
            ..Retried::default()
        },
    }
}

/// The progress of an item once this run of the pass came so far.
fn amended(origin: &ItemProgress, start: &Retried, pass: &ItemProgress) -> ItemProgress {
    let arrived = pass.written + pass.newer_present + pass.dropped + pass.skipped;
    let mut dropped_by = origin.dropped_by.clone();
    for (by, count) in &pass.dropped_by {
        *dropped_by.entry(by.clone()).or_default() += count;
    }
    ItemProgress {
        written: origin.written + pass.written,
        newer_present: origin.newer_present + pass.newer_present,
        dropped: origin.dropped + pass.dropped,
        skipped: origin.skipped + pass.skipped,
        failed: origin.failed.saturating_sub(arrived),
        dropped_by,
        retried: Some(Retried {
            cursor: pass.cursor,
            failed_bytes: pass.failed_bytes,
            mark: pass.mark.clone(),
            ..start.clone()
        }),
        ..origin.clone()
    }
}

impl WorkStore for PassStore<'_> {
    fn identity(&self) -> &WorkIdentity {
        self.store.identity()
    }

    fn now(&self) -> Timestamp {
        self.store.now()
    }

    fn register(&self, _items: &[ItemSpec]) -> Result<u64, WorkError> {
        Ok(0)
    }

    fn limit_to(&self, _indices: BTreeSet<String>) -> Result<(), WorkError> {
        Ok(())
    }

    fn acquire(
        &self,
        holder: &str,
        _now: Timestamp,
        expires: Timestamp,
    ) -> Result<Acquired, WorkError> {
        let mut entries = self.entries();
        let free = entries
            .iter_mut()
            .find(|it| it.state.status == ItemStatus::Free);
        let Some(entry) = free else {
            return Ok(Acquired::Finished);
        };
        entry.state.attempt = self.attempt;
        entry.state.status = ItemStatus::Held {
            holder: holder.to_owned(),
            expires: Some(expires),
        };
        Ok(Acquired::Lease(Box::new(Lease {
            item: entry.state.item.clone(),
            attempt: self.attempt,
            progress: entry.state.progress.clone(),
        })))
    }

    fn checkpoint(
        &self,
        lease: &Lease,
        progress: &ItemProgress,
        _expires: Timestamp,
    ) -> Result<(), WorkError> {
        self.note(lease, progress, None)
    }

    fn complete(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError> {
        self.note(lease, progress, Some(ItemStatus::Done))
    }

    fn release(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError> {
        // Nobody takes it up again in this run unless the loader asks anew.
        self.note(lease, progress, Some(ItemStatus::Free))
    }

    fn set_aside(&self, lease: &Lease, reason: &str) -> Result<(), WorkError> {
        let mut entries = self.entries();
        let key = &lease.item.key;
        let found = entries.iter_mut().find(|it| it.state.item.key == *key);
        let entry = found.ok_or_else(|| unknown(key))?;
        entry.state.status = ItemStatus::SetAside {
            reason: reason.to_owned(),
        };
        Ok(())
    }

    /// What the segments hold was proved by the load.
    fn rest_of_segment(&self, _item: &ItemKey) -> Result<Option<Vec<ItemState>>, WorkError> {
        Ok(None)
    }

    fn amend(
        &self,
        item: &ItemKey,
        _before: &ItemProgress,
        _progress: &ItemProgress,
    ) -> Result<(), WorkError> {
        Err(WorkError::Item {
            item: item.to_string(),
            what: format!("pass {} is the one that amends it", self.pass),
        })
    }

    fn reset(&self, _index: Option<&str>) -> Result<u64, WorkError> {
        Ok(0)
    }

    fn finished(&self) -> Result<bool, WorkError> {
        Ok(self.free() == 0)
    }

    fn items(&self) -> Result<Vec<ItemState>, WorkError> {
        Ok(self.entries().iter().map(|it| it.state.clone()).collect())
    }

    fn facts(&self) -> Result<WorkFacts, WorkError> {
        self.store.facts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::target::PartMark;

    fn item(progress: ItemProgress) -> ItemState {
        ItemState {
            item: ItemSpec {
                key: ItemKey {
                    index: "shop".into(),
                    shard: 0,
                    segment: "_0".into(),
                    from: 0,
                    to: 100,
                },
                bytes: 1,
                expected: None,
            },
            attempt: 3,
            tries: 0,
            status: ItemStatus::Done,
            progress,
        }
    }

    fn loaded() -> ItemProgress {
        ItemProgress {
            cursor: 100,
            delivered: 100,
            written: 90,
            failed: 10,
            failed_bytes: 1000,
            ..ItemProgress::default()
        }
    }

    #[test]
    fn what_arrived_moves_from_failed_to_where_it_belongs_and_the_sum_stays() {
        let origin = loaded();
        let start = begin(&item(origin.clone()), 1);
        assert_eq!((start.of, start.of_bytes, start.cursor), (0, 1000, 0));
        let pass = ItemProgress {
            cursor: 60,
            delivered: 6,
            written: 3,
            newer_present: 1,
            dropped: 1,
            dropped_by: [("t".to_owned(), 1)].into(),
            failed: 1,
            failed_bytes: 90,
            ..ItemProgress::default()
        };
        let noted = amended(&origin, &start, &pass);
        assert_eq!((noted.written, noted.failed, noted.dropped), (93, 5, 1));
        assert_eq!((noted.cursor, noted.failed_bytes), (100, 1000));
        let sum = noted.written + noted.newer_present + noted.dropped + noted.failed;
        assert_eq!(sum, noted.delivered);
        // Killed here, the pass goes on behind what was tried; what it adds is added once.
        let start = begin(&item(noted.clone()), 1);
        assert_eq!(
            (start.cursor, start.failed_bytes, start.of_bytes),
            (60, 90, 1000)
        );
        let rest = ItemProgress {
            cursor: 100,
            written: 4,
            failed_bytes: 90,
            ..ItemProgress::default()
        };
        let noted = amended(&noted, &start, &rest);
        assert_eq!((noted.written, noted.failed), (97, 1));
    }

    #[test]
    fn the_next_pass_tries_what_the_last_one_left_and_writes_behind_it() {
        let mut origin = loaded();
        origin.retried = Some(Retried {
            pass: 4,
            of: 2,
            of_bytes: 7,
            cursor: 100,
            failed_bytes: 55,
            mark: Some(PartMark {
                bytes: 9,
                docs: 1,
                digest: "x".into(),
                ..PartMark::default()
            }),
        });
        let start = begin(&item(origin), 5);
        assert_eq!((start.pass, start.of, start.of_bytes), (5, 4, 55));
        assert_eq!((start.cursor, start.failed_bytes), (0, 0));
        assert_eq!(start.mark.unwrap().bytes, 9);
    }
}
