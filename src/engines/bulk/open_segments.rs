//! The segments of a snapshot that are open: workers on the same segment share it, and of those that nobody reads a
//! bounded number stays for the next item.
//!
//! Relies on the caller for opening. Deliberately absent: knowledge of snapshots.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::source::{SegmentKey, SourceError};
use crate::engines::lucene::Segment;

/// Bytes of open segments that are kept, those that are being read among them. One that is larger by itself is kept while
/// it is read.
const KEPT_BYTES: usize = 24 << 20;
/// What a segment takes beside what it says by itself, about: the names of its files, headers.
const BYTES_EACH: usize = 4 << 10;

/// See the module.
#[derive(Default)]
pub(super) struct OpenSegments {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The latest at the end.
    kept: Vec<(SegmentKey, Arc<Segment>)>,
    bytes: usize,
    /// All that somebody may still hold.
    known: BTreeMap<SegmentKey, Weak<Segment>>,
    /// Held while one of these is opened, so that it is opened once.
    opening: BTreeMap<SegmentKey, Arc<Mutex<()>>>,
}

impl OpenSegments {
    /// The open segment `key`; opens it where it is not.
    pub(super) fn get(
        &self,
        key: &SegmentKey,
        open: impl FnOnce() -> Result<Segment, SourceError>,
    ) -> Result<Arc<Segment>, SourceError> {
        let gate = {
            let mut inner = self.lock();
            if let Some(found) = inner.find(key) {
                return Ok(found);
            }
            Arc::clone(inner.opening.entry(key.clone()).or_default())
        };
        let _alone = gate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.lock().find(key) {
            return Ok(found);
        }
        let opened = open();
        let mut inner = self.lock();
        inner.opening.remove(key);
        let opened = Arc::new(opened?);
        inner.keep(key.clone(), &opened);
        Ok(opened)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What it guards is whole after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(segment: &Segment) -> usize {
    segment.memory() + BYTES_EACH
}

impl Inner {
    fn find(&mut self, key: &SegmentKey) -> Option<Arc<Segment>> {
        if let Some(at) = self.kept.iter().rposition(|(kept, _)| kept == key) {
            let found = self.kept.remove(at);
            let segment = Arc::clone(&found.1);
            self.kept.push(found);
            return Some(segment);
        }
        let segment = self.known.get(key)?.upgrade()?;
        self.keep(key.clone(), &segment);
        Some(segment)
    }

    fn keep(&mut self, key: SegmentKey, segment: &Arc<Segment>) {
        self.bytes += bytes(segment);
        self.known.insert(key.clone(), Arc::downgrade(segment));
        self.kept.push((key, Arc::clone(segment)));
        let mut let_go = 0;
        while self.bytes > KEPT_BYTES && let_go + 1 < self.kept.len() {
            self.bytes -= bytes(&self.kept[let_go].1);
            let_go += 1;
        }
        if let_go > 0 {
            self.kept.drain(..let_go);
            self.known.retain(|_, segment| segment.strong_count() > 0);
        }
    }
}
