//! Some indices whole and some by their changes, as one source. Deliberately absent: which is which.

use std::collections::BTreeMap;

use serde_json::Value;

use super::delta::DeltaSource;
use super::source::{DocumentSource, ItemReader, SegmentKey, SourceError};
use super::work_store::{ItemKey, ItemSpec};

/// See the module.
pub struct JoinedSource<W> {
    /// Indices that are read whole.
    pub whole: W,
    /// Those of which changes are read.
    pub changes: DeltaSource,
}

impl<W: DocumentSource> JoinedSource<W> {
    fn of(&self, index: &str) -> &dyn DocumentSource {
        if self.changes.indices().contains_key(index) {
            &self.changes
        } else {
            &self.whole
        }
    }
}

impl<W: DocumentSource> DocumentSource for JoinedSource<W> {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        let mut items = self.changes.items()?;
        items.extend(self.whole.items()?);
        Ok(items)
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        let mut expected = self.changes.expected()?;
        expected.extend(self.whole.expected()?);
        Ok(expected)
    }

    fn leaves_out(&self, index: &str) -> bool {
        self.of(index).leaves_out(index)
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        self.of(&item.index).open(item, from)
    }

    fn step_with(&self, item: &ItemKey, doc: u32) -> Result<u32, SourceError> {
        self.of(&item.index).step_with(item, doc)
    }

    fn fold(&self, item: &ItemKey, proofs: &mut Vec<Value>, proof: Value) {
        self.of(&item.index).fold(item, proofs, proof);
    }

    fn check_segment(&self, segment: &SegmentKey, proofs: &[Value]) -> Result<(), SourceError> {
        self.of(&segment.index).check_segment(segment, proofs)
    }
}
