//! The table of a segment's chunks: where each stands and which documents it holds, in little memory.
//!
//! Up to `RESIDENT_CHUNKS` chunks are held at four bytes each and a little; of a larger segment only the first chunk of
//! each page of 1024 is held, and pages are decoded from the index file again as they are asked for.
//!
//! Deliberately absent: the checks of a table, which `index` makes as it is filled.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::limits::{CACHED_PAGES, CHUNK_DOCS};
use super::super::{ChunkRef, LuceneError};

/// Chunks in one page.
pub(super) const PAGE: usize = 1024;

/// Bits of a chunk's length in its entry; the rest holds its documents, less one.
const LENGTH_BITS: u32 = 20;
/// Stands for a length that has no room in an entry.
const LONG: u32 = (1 << LENGTH_BITS) - 1;
const _: () = assert!(CHUNK_DOCS - 1 < 1 << (32 - LENGTH_BITS));

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) pointer: u64,
    pub(super) first_doc: u32,
}

/// Gives pages of an index again that was read once.
pub(super) trait Pages: Send + Sync {
    /// First document and pointer of each chunk of a page.
    fn page(&self, page: usize) -> Result<Vec<(i64, i64)>, LuceneError>;

    /// Bytes held.
    fn memory(&self) -> usize;
}

/// What is held of the chunks between the anchors.
pub(super) enum Entries {
    /// One number a chunk; lengths that have no room in it, by chunk.
    Resident(Vec<u32>, Vec<(u32, u32)>),
    /// Nothing: read again.
    Paged(Box<dyn Pages>),
}

impl Entries {
    pub(super) fn push(&mut self, docs: u32, length: u32) {
        let Self::Resident(entries, long) = self else {
            return;
        };
        let mut bits = length;
        if length >= LONG {
            bits = LONG;
            long.push((entries.len() as u32, length));
        }
        entries.push((docs - 1) << LENGTH_BITS | bits);
    }
}

type Page = Arc<[ChunkRef]>;

/// The chunks of one segment, in order of documents. Shared by threads.
pub struct ChunkTable {
    pub(super) file: String,
    pub(super) anchors: Vec<Anchor>,
    pub(super) count: usize,
    /// Behind the last chunk.
    pub(super) end: Anchor,
    pub(super) entries: Entries,
    /// The pages used last, the latest at the end.
    pub(super) cache: Mutex<Vec<(usize, Page)>>,
}

impl ChunkTable {
    /// How many chunks there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none: the segment has no documents.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Compressed bytes of all chunks.
    pub fn bytes(&self) -> u64 {
        let start = self
            .anchors
            .first()
            .map_or(self.end.pointer, |first| first.pointer);
        self.end.pointer - start
    }

    /// Chunk number `index`; `None` behind the last.
    ///
    /// # Errors
    /// [`LuceneError`] when a page of the index has to be read again and can't be.
    pub fn get(&self, index: usize) -> Result<Option<ChunkRef>, LuceneError> {
        if index >= self.count {
            return Ok(None);
        }
        let page = self.page(index / PAGE)?;
        Ok(page.get(index % PAGE).copied())
    }

    /// The chunks of `range`, which is clamped to those there are.
    pub fn range(&self, range: Range<usize>) -> Chunks<'_> {
        let end = range.end.min(self.count);
        Chunks {
            table: self,
            page: None,
            next: range.start.min(end),
            end,
        }
    }

    /// All chunks.
    pub fn iter(&self) -> Chunks<'_> {
        self.range(0..self.count)
    }

    /// The number of the chunk that begins with `doc`; that behind the last for the document behind the last. `None` where
    /// no chunk begins there.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub fn beginning_with(&self, doc: u32) -> Result<Option<usize>, LuceneError> {
        if doc == self.end.first_doc {
            return Ok(Some(self.count));
        }
        let behind = self
            .anchors
            .partition_point(|anchor| anchor.first_doc <= doc);
        let Some(page) = behind.checked_sub(1) else {
            return Ok(None);
        };
        let chunks = self.page(page)?;
        let within = chunks.binary_search_by_key(&doc, |chunk| chunk.first_doc);
        Ok(within.ok().map(|within| page * PAGE + within))
    }

    /// The first document of the chunk that holds `doc`; `None` before the first chunk and behind the last.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub fn first_of_chunk_with(&self, doc: u32) -> Result<Option<u32>, LuceneError> {
        let behind = self
            .anchors
            .partition_point(|anchor| anchor.first_doc <= doc);
        let Some(page) = behind.checked_sub(1).filter(|_| doc < self.end.first_doc) else {
            return Ok(None);
        };
        let chunks = self.page(page)?;
        let within = chunks.partition_point(|chunk| chunk.first_doc <= doc);
        let chunk = within.checked_sub(1).and_then(|within| chunks.get(within));
        Ok(chunk.map(|chunk| chunk.first_doc))
    }

    /// Where chunk number `index` begins, or for that behind the last where it ends.
    pub(in super::super) fn pointer(&self, index: u64) -> Result<Option<u64>, LuceneError> {
        let Ok(index) = usize::try_from(index) else {
            return Ok(None);
        };
        if index == self.count {
            return Ok(Some(self.end.pointer));
        }
        Ok(self.get(index)?.map(|chunk| chunk.pointer))
    }

    /// Bytes held in memory, pages that are kept for the next use among them.
    pub fn memory(&self) -> usize {
        let entries = match &self.entries {
            Entries::Resident(entries, long) => entries.capacity() * 4 + long.capacity() * 8,
            Entries::Paged(pages) => pages.memory(),
        };
        let pages = self.count.div_ceil(PAGE).min(CACHED_PAGES);
        entries
            + self.anchors.capacity() * size_of::<Anchor>()
            + pages * PAGE.min(self.count) * size_of::<ChunkRef>()
    }

    fn page(&self, number: usize) -> Result<Page, LuceneError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cache.iter().position(|(cached, _)| *cached == number) {
            let found = cache.remove(at);
            let page = Arc::clone(&found.1);
            cache.push(found);
            return Ok(page);
        }
        drop(cache);
        let page: Page = self.decode(number)?.into();
        cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_PAGES {
            cache.remove(0);
        }
        cache.push((number, Arc::clone(&page)));
        Ok(page)
    }

    fn decode(&self, number: usize) -> Result<Vec<ChunkRef>, LuceneError> {
        let start = number * PAGE;
        let count = self.count.saturating_sub(start).min(PAGE);
        let Some(anchor) = self.anchors.get(number).copied() else {
            return Ok(Vec::new());
        };
        let mut chunks = Vec::with_capacity(count);
        match &self.entries {
            Entries::Resident(entries, long) => {
                let Anchor {
                    mut pointer,
                    mut first_doc,
                } = anchor;
                for (index, entry) in (start..).zip(&entries[start..start + count]) {
                    let mut length = entry & LONG;
                    if length == LONG {
                        let at = long.binary_search_by_key(&(index as u32), |(index, _)| *index);
                        length = at.map_or(length, |at| long[at].1);
                    }
                    let docs = (entry >> LENGTH_BITS) + 1;
                    chunks.push(ChunkRef {
                        pointer,
                        length,
                        first_doc,
                        docs,
                    });
                    pointer += u64::from(length);
                    first_doc += docs;
                }
            }
            Entries::Paged(pages) => {
                let firsts = pages.page(number)?;
                let behind = self.anchors.get(number + 1).unwrap_or(&self.end);
                let behind = (i64::from(behind.first_doc), behind.pointer as i64);
                let begins =
                    firsts.first() == Some(&(anchor.first_doc.into(), anchor.pointer as i64));
                let ends = firsts.iter().skip(1).chain([&behind]);
                for (first, end) in firsts.iter().zip(ends) {
                    chunks.extend(self.chunk(*first, *end));
                }
                if !begins || chunks.len() != count {
                    return Err(self.changed(number));
                }
            }
        }
        Ok(chunks)
    }

    fn chunk(&self, first: (i64, i64), end: (i64, i64)) -> Option<ChunkRef> {
        let docs = u32::try_from(end.0.checked_sub(first.0)?).ok()?;
        let length = u32::try_from(end.1.checked_sub(first.1)?).ok()?;
        let chunk = ChunkRef {
            pointer: u64::try_from(first.1).ok()?,
            length,
            first_doc: u32::try_from(first.0).ok()?,
            docs,
        };
        let held = (1..=CHUNK_DOCS).contains(&docs)
            && length > 0
            && chunk.pointer + u64::from(length) <= self.end.pointer;
        held.then_some(chunk)
    }

    fn changed(&self, page: usize) -> LuceneError {
        LuceneError::Corrupt {
            file: self.file.clone(),
            offset: self.anchors.get(page).map_or(0, |anchor| anchor.pointer),
            expected: "the chunks that its index stated when it was opened".to_owned(),
        }
    }
}

/// Chunks in order. Ends after an error.
pub struct Chunks<'a> {
    table: &'a ChunkTable,
    page: Option<(usize, Page)>,
    next: usize,
    end: usize,
}

impl Iterator for Chunks<'_> {
    type Item = Result<ChunkRef, LuceneError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let (number, within) = (self.next / PAGE, self.next % PAGE);
        self.next += 1;
        if self.page.as_ref().is_none_or(|(held, _)| *held != number) {
            match self.table.page(number) {
                Ok(page) => self.page = Some((number, page)),
                Err(error) => {
                    self.end = 0;
                    return Some(Err(error));
                }
            }
        }
        let page = &self.page.as_ref()?.1;
        Some(
            page.get(within)
                .copied()
                .ok_or_else(|| self.table.changed(number)),
        )
    }
}

impl<'a> IntoIterator for &'a ChunkTable {
    type Item = Result<ChunkRef, LuceneError>;
    type IntoIter = Chunks<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
