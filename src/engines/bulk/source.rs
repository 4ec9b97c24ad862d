//! Where documents come from, as the pipeline sees it.
//!
//! A source lists its work items, says by a second path how many documents there have to be, and reads an item in steps.
//! A step ends where reading can begin again (a chunk of stored fields). Deliberately absent: writing, and any knowledge
//! of snapshots (the adapter in [`super::snapshot_source`] has it).

use std::collections::BTreeMap;

use serde_json::Value;

use super::work_store::{ItemKey, ItemSpec};

/// A segment of a shard: what expected counts are known for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentKey {
    /// The index.
    pub index: String,
    /// The shard.
    pub shard: u32,
    /// The segment.
    pub segment: String,
}

impl SegmentKey {
    /// The segment that an item is a part of.
    pub fn of(item: &ItemKey) -> Self {
        Self {
            index: item.index.clone(),
            shard: item.shard,
            segment: item.segment.clone(),
        }
    }
}

/// Why a source can't give its documents.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SourceError {
    /// Index, shard, segment, document: as far as known.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// One live root document. Borrows from the reader: valid until the visitor returns.
#[derive(Clone, Copy, Debug)]
pub struct SourceDocument<'a> {
    /// Lucene document number within the segment.
    pub doc: u32,
    /// `_id`.
    pub id: &'a str,
    /// `_routing`.
    pub routing: Option<&'a str>,
    /// `_version`.
    pub version: Option<i64>,
    /// The mapping type, of indices made before Elasticsearch 6.
    pub mapping_type: Option<&'a str>,
    /// The `_id` of its parent, where the source was told to look for it.
    pub parent: Option<&'a str>,
    /// `_timestamp` in milliseconds since 1970, where it is stored and the source was told to look for it.
    pub timestamp: Option<i64>,
    /// When it was to vanish by its `_ttl`, likewise.
    pub expiry: Option<i64>,
    /// The source on one line of valid JSON, or why it can't be written.
    pub source: Result<&'a [u8], Unusable<'a>>,
    /// What becomes of it on the target.
    pub change: Change,
}

/// What becomes of a document on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// It is written. All that a source without a base has.
    #[default]
    Written,
    /// It is written in the place of one with the same identity, which an earlier load of the plan left there.
    Replaces,
    /// It is deleted; of the document only its identity and version count.
    Removed,
}

/// A document that is there and can't be written.
#[derive(Clone, Copy, Debug)]
pub struct Unusable<'a> {
    /// A class for counting: `source-missing`, `source-invalid`.
    pub class: &'static str,
    /// What is wrong.
    pub reason: &'a str,
    /// The bytes as they are stored.
    pub raw: &'a [u8],
    /// Whether the plan leaves such documents out: then it is counted as left out and is no failure.
    pub skip: bool,
}

/// What one step read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The next Lucene document to read.
    pub next: u32,
    /// Live roots that were read: given to the visitor, or one of the next two.
    pub delivered: u64,
    /// Not given to the visitor: of types that go to another index.
    pub elsewhere: u64,
    /// Not given to the visitor: of types that the plan drops.
    pub dropped: u64,
    /// Bytes read from the store.
    pub bytes: u64,
    /// What [`DocumentSource::check_segment`] needs of this step.
    pub proof: Option<Value>,
}

/// Takes documents; an error ends the reading.
pub type Visit<'v> = dyn FnMut(SourceDocument<'_>) -> Result<(), VisitStopped> + 'v;

/// The visitor wants no more documents. Why, it knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitStopped;

/// Why a step ended early.
#[derive(Debug)]
pub enum StepError {
    /// The source failed.
    Source(SourceError),
    /// The visitor stopped it.
    Stopped,
}

/// Reads one item in steps.
pub trait ItemReader {
    /// Reads on, about so many documents at most: what is stored together is read together. `None` when the item is at its end.
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError>;
}

/// Gives documents by work items.
pub trait DocumentSource: Send + Sync {
    /// The work items of all its indices, the same at every call.
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError>;

    /// Live root documents of each segment by the second path (bitmaps and counts, not the documents). `None`: that
    /// segment has no second path that is exact.
    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError>;

    /// Whether documents of an index are left out by the plan's own word, so that the second path counts more than arrive.
    fn leaves_out(&self, index: &str) -> bool {
        let _ = index;
        false
    }

    /// Begins to read an item at a document where a step ended (or at the item's first).
    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError>;

    /// Where a step begins that comes to a document of the item: reading can begin there.
    fn step_with(&self, item: &ItemKey, doc: u32) -> Result<u32, SourceError> {
        let _ = doc;
        Ok(item.from)
    }

    /// Adds the proof of a step to those of the item's earlier steps; where two can be said as one, that keeps progress
    /// small.
    fn fold(&self, item: &ItemKey, proofs: &mut Vec<Value>, proof: Value) {
        let _ = item;
        proofs.push(proof);
    }

    /// Proves that all bytes of a segment were read as they were written, by the proofs of the steps of all its items.
    fn check_segment(&self, segment: &SegmentKey, proofs: &[Value]) -> Result<(), SourceError>;
}
