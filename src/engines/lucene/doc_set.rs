//! A set of documents of one segment, for callers that want some of its documents alone.

use super::bits::Bits;

/// Document numbers below a bound: one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocSet(Bits);

impl DocSet {
    /// The empty set of documents below `max_doc`.
    pub fn new(max_doc: u32) -> Self {
        Self(Bits::new(max_doc))
    }

    /// Whether a document is in it.
    pub fn contains(&self, doc: u32) -> bool {
        self.0.contains(doc)
    }

    /// Whether any document of `[start, end)` is in it.
    pub fn any(&self, start: u32, end: u32) -> bool {
        self.0.any(start, end)
    }

    /// Puts a document in; one behind the bound is no document of the segment and is passed over.
    pub fn insert(&mut self, doc: u32) {
        let _in_bounds = self.0.insert(doc);
    }

    /// Takes a document out.
    pub fn remove(&mut self, doc: u32) {
        self.0.remove(doc);
    }

    /// Puts in what is in another set of the same segment.
    pub fn add_all(&mut self, other: &Self) {
        self.0.add_all(&other.0);
    }

    /// How many documents are in it.
    pub fn count(&self) -> u64 {
        u64::from(self.0.count())
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.count() == 0
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.0.memory()
    }
}
