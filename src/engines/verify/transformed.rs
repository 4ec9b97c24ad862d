//! A source's side as transforms make it: what they leave out is on neither side, and what they can't change is found
//! missing.
//!
//! Relies on transforms being pure: a document read here becomes what it became when it was loaded. Deliberately absent: which
//! transforms those were.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::side::{DocumentSide, Fetched, SideDocument, SideError};
use crate::clients::target::Partition;
use crate::engines::bulk::{DocumentView, Scratch, Transform, Transformed};

/// How many documents of an index the load left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// So many, by the load's own count.
    Known(u64),
    /// Nothing is recorded: then nothing counts the index but reading it.
    Unknown,
}

/// What stands between the source and the comparison, for one index.
pub struct Through<'a> {
    /// What its documents go through.
    pub transform: &'a dyn Transform,
    /// How many the load left out.
    pub left_out: LeftOut,
}

/// A side with transforms before it.
pub struct TransformedSide<'a> {
    inner: &'a dyn DocumentSide,
    through: BTreeMap<String, Through<'a>>,
}

impl<'a> TransformedSide<'a> {
    /// Over a side; indices without transforms pass as they are.
    pub fn new(inner: &'a dyn DocumentSide, through: BTreeMap<String, Through<'a>>) -> Self {
        Self { inner, through }
    }
}

impl DocumentSide for TransformedSide<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn partitions(&self, index: &str) -> Result<Vec<Partition>, SideError> {
        self.inner.partitions(index)
    }

    fn count(&self, index: &str) -> Result<Option<u64>, SideError> {
        let count = self.inner.count(index)?;
        Ok(match self.through.get(index).map(|it| it.left_out) {
            None => count,
            Some(LeftOut::Known(left_out)) => count.map(|count| count.saturating_sub(left_out)),
            Some(LeftOut::Unknown) => None,
        })
    }

    fn moves(&self) -> bool {
        self.inner.moves()
    }

    fn fetch(
        &self,
        index: &str,
        wanted: &[(&str, Option<&str>)],
    ) -> Result<Option<Vec<Fetched>>, SideError> {
        let mut fetched = self.inner.fetch(index, wanted)?;
        let Some(through) = self.through.get(index) else {
            return Ok(fetched);
        };
        let mut scratch = Scratch::default();
        for (document, (id, routing)) in fetched.iter_mut().flatten().zip(wanted) {
            let Some(found) = document else { continue };
            scratch.clear();
            let view = DocumentView {
                index,
                id,
                routing: *routing,
                source: &found.source,
            };
            let changed = match through.transform.apply(view, &mut scratch) {
                Transformed::Write(view) if std::ptr::eq(view.source, found.source.as_slice()) => {
                    None
                }
                Transformed::Write(view) => Some(Some(view.source.to_vec())),
                Transformed::Drop { .. } => Some(None),
                Transformed::Fail { .. } => None,
            };
            match changed {
                None => {}
                Some(Some(source)) => found.source = source,
                Some(None) => *document = None,
            }
        }
        Ok(fetched)
    }

    fn read(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(SideDocument<'_>) -> ControlFlow<()>,
    ) -> Result<(), SideError> {
        let Some(through) = self.through.get(index) else {
            return self.inner.read(index, partition, visit);
        };
        let mut scratch = Scratch::default();
        self.inner.read(index, partition, &mut |document| {
            // What could not be made one line of JSON was not loaded; what stands for it differs from anything.
            if document.source.is_empty() {
                return visit(document);
            }
            scratch.clear();
            let view = DocumentView {
                index,
                id: document.id,
                routing: document.routing,
                source: document.source,
            };
            match through.transform.apply(view, &mut scratch) {
                Transformed::Write(view) => visit(SideDocument {
                    source: view.source,
                    ..document
                }),
                Transformed::Drop { .. } => ControlFlow::Continue(()),
                Transformed::Fail { .. } => visit(document),
            }
        })
    }
}
