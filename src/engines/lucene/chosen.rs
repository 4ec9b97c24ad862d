//! What tells documents apart without reading them: whether they live, and the operation that wrote them.
//!
//! An operation has a sequence number and the term of the primary that gave it, in Elasticsearch 6 and later and in
//! OpenSearch. Both are columns of their own, so that a hundred million documents are told apart by a few hundred megabytes.
//! Deliberately absent: what a difference means.

use super::LuceneError;
use super::doc_values::{Column, ValuesWindow};
use super::segment::Segment;

/// Documents of one step: half a megabyte of each of the two columns.
const STEP_DOCS: u32 = 1 << 16;

impl Segment {
    /// Whether a document is neither hard- nor soft-deleted.
    pub fn lives(&self, doc: u32) -> bool {
        doc < self.counts().max_doc && self.is_live(doc)
    }

    /// Whether every live root has the number of its operation. Not of documents that a server before Elasticsearch 6 wrote.
    pub fn has_operations(&self) -> bool {
        self.counts().live == 0
            || (self.seq_no.is_some()
                && self.primary_term.is_some()
                && self.counts().roots_live.is_some())
    }

    /// Gives each live root with its `_seq_no` and `_primary_term`, in order of documents. Reads these two columns alone.
    ///
    /// # Errors
    /// [`LuceneError`] when bytes contradict the format.
    pub fn operations(&self, visit: &mut dyn FnMut(u32, i64, i64)) -> Result<(), LuceneError> {
        let (Some(seq_no), Some(term)) = (&self.seq_no, &self.primary_term) else {
            return Ok(());
        };
        let mut numbers = (ValuesWindow::default(), Column::default());
        let mut terms = (ValuesWindow::default(), Column::default());
        let max_doc = self.counts().max_doc;
        let mut start = 0;
        while start < max_doc {
            let docs = start..max_doc.min(start.saturating_add(STEP_DOCS));
            start = docs.end;
            seq_no.read(docs.clone(), &mut numbers.0, &mut numbers.1)?;
            term.read(docs.clone(), &mut terms.0, &mut terms.1)?;
            for doc in docs.filter(|doc| self.is_live(*doc)) {
                // Nested children have the number of their root and no term.
                if let (Some(number), Some(term)) =
                    (seq_no.get(&numbers.1, doc), term.get(&terms.1, doc))
                {
                    visit(doc, number, term);
                }
            }
        }
        Ok(())
    }
}
