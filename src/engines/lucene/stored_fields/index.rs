//! The chunk table that every form of index is read into, checked as it grows.

use super::super::limits::CHUNK_DOCS;
use super::super::{ChunkRef, LuceneError};

/// A table being filled: chunks arrive as (first document, pointer) in order.
pub(super) struct Table<'a> {
    file: &'a str,
    end: u64,
    max_doc: u32,
    next_doc: u32,
    next_pointer: u64,
    open: bool,
    chunks: Vec<ChunkRef>,
}

impl<'a> Table<'a> {
    /// Chunks of the `.fdt` file named `file` stand within `[start, end)`.
    pub(super) fn new(file: &'a str, start: u64, end: u64, max_doc: u32) -> Self {
        Self {
            file,
            end,
            max_doc,
            next_doc: 0,
            next_pointer: start,
            open: false,
            chunks: Vec::new(),
        }
    }

    pub(super) fn max_doc(&self) -> u32 {
        self.max_doc
    }

    /// The first byte that can't be of a chunk.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The next chunk. Its predecessor ends here.
    pub(super) fn push(&mut self, doc: i64, pointer: i64) -> Result<(), LuceneError> {
        let doc = u32::try_from(doc).map_err(|_| self.corrupt("a document number"))?;
        let pointer = u64::try_from(pointer).map_err(|_| self.corrupt("a pointer"))?;
        if self.open {
            self.close(doc, pointer)?;
        } else if doc != 0 || pointer != self.next_pointer {
            return Err(self.corrupt("the first chunk, of document 0, behind the header"));
        }
        self.open = true;
        self.next_doc = doc;
        self.next_pointer = pointer;
        Ok(())
    }

    fn close(&mut self, doc: u32, pointer: u64) -> Result<(), LuceneError> {
        let docs = doc.checked_sub(self.next_doc).filter(|docs| *docs > 0);
        let docs = docs.ok_or_else(|| self.corrupt("document numbers that rise by chunk"))?;
        if docs > CHUNK_DOCS {
            return Err(self.corrupt(format!("at most {CHUNK_DOCS} documents, not {docs}")));
        }
        let length = pointer
            .checked_sub(self.next_pointer)
            .filter(|length| *length > 0);
        let length = length.ok_or_else(|| self.corrupt("pointers that rise by chunk"))?;
        if pointer > self.end {
            return Err(self.corrupt(format!("a chunk before the footer at {}", self.end)));
        }
        let length = u32::try_from(length).map_err(|_| LuceneError::Limit {
            file: self.file.to_owned(),
            offset: self.next_pointer,
            what: "the length of a chunk",
            value: length,
            limit: u64::from(u32::MAX),
        })?;
        self.chunks.push(ChunkRef {
            pointer: self.next_pointer,
            length,
            first_doc: self.next_doc,
            docs,
        });
        Ok(())
    }

    /// The last chunk ends at `max_pointer`.
    pub(super) fn finish(mut self, max_pointer: u64) -> Result<Vec<ChunkRef>, LuceneError> {
        if self.open {
            self.close(self.max_doc, max_pointer)?;
        } else if self.max_doc > 0 || max_pointer != self.next_pointer {
            return Err(self.corrupt(format!("chunks of {} documents", self.max_doc)));
        }
        self.chunks.shrink_to_fit();
        Ok(self.chunks)
    }

    fn corrupt(&self, expected: impl Into<String>) -> LuceneError {
        LuceneError::Corrupt {
            file: self.file.to_owned(),
            offset: self.next_pointer,
            expected: format!("{}, by the index", expected.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(max_doc: u32, pairs: &[(i64, i64)], end: u64) -> Result<Vec<ChunkRef>, LuceneError> {
        let mut table = Table::new("_0.fdt", 50, 1000, max_doc);
        for (doc, pointer) in pairs {
            table.push(*doc, *pointer)?;
        }
        table.finish(end)
    }

    #[test]
    fn chunks_are_contiguous_and_hold_every_document() {
        let chunks = table(10, &[(0, 50), (4, 90)], 100).unwrap();
        assert_eq!(chunks.iter().map(|chunk| chunk.docs).sum::<u32>(), 10);
        assert_eq!(
            chunks[1].pointer,
            chunks[0].pointer + u64::from(chunks[0].length)
        );
        assert!(table(0, &[], 50).unwrap().is_empty());
    }

    #[test]
    fn gaps_and_falls_are_errors() {
        for (max_doc, pairs, end) in [
            (10, &[(0, 51)][..], 100),
            (10, &[(1, 50)], 100),
            (10, &[(0, 50), (0, 60)], 100),
            (10, &[(0, 50), (4, 50)], 100),
            (10, &[(0, 50), (11, 60)], 100),
            (10, &[(0, 50)], 50),
            (10, &[(0, 50)], 1001),
            (10, &[(0, 50), (4, -1)], 100),
            (10, &[], 50),
            (5000, &[(0, 50)], 100),
        ] {
            assert!(table(max_doc, pairs, end).is_err(), "{pairs:?} {end}");
        }
    }
}
