//! The chunk table being filled by every form of index, checked as it grows.

use std::sync::Mutex;

use super::super::LuceneError;
use super::super::limits::{CHUNK_DOCS, RESIDENT_CHUNKS};
use super::chunks::{Anchor, ChunkTable, Entries, PAGE, Pages};

/// A table being filled: chunks arrive as (first document, pointer) in order.
pub(super) struct Table<'a> {
    file: &'a str,
    end: u64,
    max_doc: u32,
    /// The chunk that is open: it ends where the next begins.
    next: Anchor,
    open: bool,
    anchors: Vec<Anchor>,
    count: usize,
    /// `None` once there are too many to be held.
    entries: Option<Entries>,
    most: usize,
}

impl<'a> Table<'a> {
    /// Chunks of the `.fdt` file named `file` stand within `[start, end)`.
    pub(super) fn new(file: &'a str, start: u64, end: u64, max_doc: u32) -> Self {
        Self {
            file,
            end,
            max_doc,
            next: Anchor {
                pointer: start,
                first_doc: 0,
            },
            open: false,
            anchors: Vec::new(),
            count: 0,
            entries: Some(Entries::Resident(Vec::new(), Vec::new())),
            most: RESIDENT_CHUNKS,
        }
    }

    /// Holds fewer chunks than otherwise.
    #[cfg(test)]
    pub(super) fn holding(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    pub(super) fn max_doc(&self) -> u32 {
        self.max_doc
    }

    /// Chunks that are known, the one that is open too.
    pub(super) fn len(&self) -> usize {
        self.count + usize::from(self.open)
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
        } else if doc != 0 || pointer != self.next.pointer {
            return Err(self.corrupt("the first chunk, of document 0, behind the header"));
        }
        self.open = true;
        self.next = Anchor {
            pointer,
            first_doc: doc,
        };
        Ok(())
    }

    fn close(&mut self, doc: u32, pointer: u64) -> Result<(), LuceneError> {
        let docs = doc
            .checked_sub(self.next.first_doc)
            .filter(|docs| *docs > 0);
        let docs = docs.ok_or_else(|| self.corrupt("document numbers that rise by chunk"))?;
        if docs > CHUNK_DOCS {
            return Err(self.corrupt(format!("at most {CHUNK_DOCS} documents, not {docs}")));
        }
        let length = pointer
            .checked_sub(self.next.pointer)
            .filter(|length| *length > 0);
        let length = length.ok_or_else(|| self.corrupt("pointers that rise by chunk"))?;
        if pointer > self.end {
            return Err(self.corrupt(format!("a chunk before the footer at {}", self.end)));
        }
        let length = u32::try_from(length).map_err(|_| LuceneError::Limit {
            file: self.file.to_owned(),
            offset: self.next.pointer,
            what: "the length of a chunk",
            value: length,
            limit: u64::from(u32::MAX),
        })?;
        if self.count.is_multiple_of(PAGE) {
            self.anchors.push(self.next);
        }
        self.count += 1;
        if self.count > self.most {
            self.entries = None;
        }
        if let Some(entries) = &mut self.entries {
            entries.push(docs, length);
        }
        Ok(())
    }

    /// The last chunk ends at `max_pointer`. `pages` reads a part of the index again, if it has to be.
    pub(super) fn finish(
        mut self,
        max_pointer: u64,
        pages: impl FnOnce() -> Result<Box<dyn Pages>, LuceneError>,
    ) -> Result<ChunkTable, LuceneError> {
        if self.open {
            self.close(self.max_doc, max_pointer)?;
        } else if self.max_doc > 0 || max_pointer != self.next.pointer {
            return Err(self.corrupt(format!("chunks of {} documents", self.max_doc)));
        }
        let mut entries = match self.entries {
            Some(entries) => entries,
            None => Entries::Paged(pages()?),
        };
        if let Entries::Resident(entries, long) = &mut entries {
            entries.shrink_to_fit();
            long.shrink_to_fit();
        }
        self.anchors.shrink_to_fit();
        Ok(ChunkTable {
            file: self.file.to_owned(),
            anchors: self.anchors,
            count: self.count,
            end: Anchor {
                pointer: max_pointer,
                first_doc: self.max_doc,
            },
            entries,
            cache: Mutex::default(),
        })
    }

    fn corrupt(&self, expected: impl Into<String>) -> LuceneError {
        LuceneError::Corrupt {
            file: self.file.to_owned(),
            offset: self.next.pointer,
            expected: format!("{}, by the index", expected.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ChunkRef;
    use super::*;

    struct List(Vec<(i64, i64)>);

    impl Pages for List {
        fn page(&self, page: usize) -> Result<Vec<(i64, i64)>, LuceneError> {
            let chunks = self.0.iter().skip(page * PAGE).take(PAGE);
            Ok(chunks.copied().collect())
        }

        fn memory(&self) -> usize {
            0
        }
    }

    fn table(
        max_doc: u32,
        pairs: &[(i64, i64)],
        end: u64,
        most: usize,
    ) -> Result<ChunkTable, LuceneError> {
        let mut table = Table::new("_0.fdt", 50, 1 << 40, max_doc).holding(most);
        for (doc, pointer) in pairs {
            table.push(*doc, *pointer)?;
        }
        table.finish(end, || Ok(Box::new(List(pairs.to_vec()))))
    }

    fn all(table: &ChunkTable) -> Vec<ChunkRef> {
        table.iter().map(Result::unwrap).collect()
    }

    #[test]
    fn chunks_are_contiguous_and_hold_every_document() {
        let chunks = all(&table(10, &[(0, 50), (4, 90)], 100, 9).unwrap());
        assert_eq!(chunks.iter().map(|chunk| chunk.docs).sum::<u32>(), 10);
        assert_eq!(
            chunks[1].pointer,
            chunks[0].pointer + u64::from(chunks[0].length)
        );
        assert!(table(0, &[], 50, 9).unwrap().is_empty());
    }

    #[test]
    fn every_chunk_is_found_held_or_read_again() {
        let mut pairs = Vec::new();
        let (mut doc, mut pointer) = (0_i64, 50_i64);
        for at in 0..2500 {
            pairs.push((doc, pointer));
            doc += 1 + at * 37 % 4096;
            pointer += match at {
                7 | 2000 => 3_000_000_000,
                8 => i64::from(LONG_LENGTH),
                _ => 1 + at * 7919 % 100_000,
            };
        }
        let (docs, end) = (u32::try_from(doc).unwrap(), u64::try_from(pointer).unwrap());
        for most in [0, 10_000] {
            let table = table(docs, &pairs, end, most).unwrap();
            assert_eq!((table.len(), table.bytes()), (2500, end - 50));
            let chunks = all(&table);
            for (index, pair) in pairs.iter().enumerate() {
                let chunk = table.get(index).unwrap().unwrap();
                assert_eq!(chunk, chunks[index]);
                let found = (i64::from(chunk.first_doc), chunk.pointer as i64);
                assert_eq!(found, *pair, "{most} {index}");
                assert_eq!(table.beginning_with(chunk.first_doc).unwrap(), Some(index));
                if chunk.docs > 1 {
                    assert_eq!(table.beginning_with(chunk.first_doc + 1).unwrap(), None);
                }
            }
            assert_eq!(table.get(2500).unwrap(), None);
            assert_eq!(table.beginning_with(docs).unwrap(), Some(2500));
            assert_eq!(table.pointer(2500).unwrap(), Some(end));
            assert_eq!(table.range(2490..9999).count(), 10);
        }
    }

    const LONG_LENGTH: u32 = (1 << 20) - 1;

    #[test]
    fn an_index_that_changed_is_an_error() {
        let pairs: Vec<(i64, i64)> = (0..1500).map(|at| (at, 50 + at)).collect();
        for change in [0, 700, 1400] {
            let mut builder = Table::new("_0.fdt", 50, 9999, 1500).holding(0);
            for (doc, pointer) in &pairs {
                builder.push(*doc, *pointer).unwrap();
            }
            let mut changed = pairs.clone();
            changed[change].0 += 1;
            let table = builder.finish(1550, || Ok(Box::new(List(changed))));
            assert!(table.unwrap().iter().any(|chunk| chunk.is_err()));
        }
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
            (10, &[(0, 50)], (1 << 40) + 1),
            (10, &[(0, 50), (4, -1)], 100),
            (10, &[], 50),
            (5000, &[(0, 50)], 100),
        ] {
            assert!(table(max_doc, pairs, end, 9).is_err(), "{pairs:?} {end}");
        }
    }
}
