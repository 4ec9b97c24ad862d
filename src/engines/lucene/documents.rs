//! Reading documents: windows of chunks from the store, each chunk decoded once, each live root given to the visitor.
//!
//! The cost of a document is its share of decompression, the parsing of three or four field headers, and the decoding
//! of its `_id`: nothing is allocated or copied for one. Deliberately absent: threads. Callers give ranges of chunks to
//! as many as they like, each with a [`Scratch`] of its own.

use std::ops::Range;

use super::doc_values::{Column, Numeric, ValuesWindow};
use super::limits::WINDOW_BYTES;
use super::segment::{ChecksumSpan, Segment};
use super::stored_fields::chunk::Chunk;
use super::stored_fields::fields::StoredDocument;
use super::stored_fields::{Bad, Decompressor, fields};
use super::{ChunkRef, Chunks, DocSet, LuceneError, ReadError, codec, uid};

/// One live root document. Borrows from the reader's scratch: valid until the visitor returns.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Lucene document number within the segment.
    pub doc: u32,
    /// `_id`, decoded.
    pub id: &'a str,
    /// `_routing`, when the document was given one.
    pub routing: Option<&'a str>,
    /// `_source` as it is stored: JSON, or SMILE, CBOR or YAML where the client sent that.
    pub source: Option<&'a [u8]>,
    /// `_recovery_source`: the original where `_source` was disabled or filtered. Never put in `source`: the owner may
    /// have left fields out on purpose.
    pub recovery_source: Option<&'a [u8]>,
    /// `_version`.
    pub version: Option<i64>,
    /// `_seq_no`.
    pub seq_no: Option<i64>,
    /// `_primary_term`.
    pub primary_term: Option<i64>,
    /// The mapping type of indices created before Elasticsearch 6, which is part of the identity there.
    pub legacy_type: Option<&'a str>,
    /// All stored fields, the above ones too. Parsed as they are asked for.
    pub stored: StoredDocument<'a>,
}

/// What one call of [`Segment::read_documents`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Lucene documents in the chunks.
    pub docs: u64,
    /// Live roots given to the visitor.
    pub live_roots: u64,
    /// Of these, without `_source`.
    pub without_source: u64,
    /// Hard- or soft-deleted.
    pub dead: u64,
    /// Live nested children: they have no stored `_id`.
    pub nested: u64,
    /// Bytes of the chunks in the file.
    pub compressed_bytes: u64,
    /// Bytes after decompression.
    pub decompressed_bytes: u64,
    /// The CRC of the bytes that were read.
    pub span: ChecksumSpan,
}

/// Buffers that reading reuses; one per thread, for any number of segments.
///
/// Holds the largest decompressed chunk so far (at most 32 MiB between windows), and half a megabyte of each of three
/// doc values fields.
#[derive(Default)]
pub struct Scratch {
    chunk: Chunk,
    decompressor: Decompressor,
    id: Vec<u8>,
    values: [(ValuesWindow, Column); 3],
    /// Whose values are held.
    token: u64,
}

impl Scratch {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Segment {
    /// Decodes the chunks of `range` (clamped to those there are) and gives each live root document to `visit`, in order
    /// of document numbers. The store is asked for windows of at most 8 MiB, or one chunk where that is larger.
    ///
    /// The documents are proven when the span of the result, with those of all other chunks, has passed
    /// [`Segment::check_spans`].
    ///
    /// # Errors
    /// [`ReadError::Lucene`] when bytes contradict the format or a live root document can't be identified;
    /// [`ReadError::Visitor`] with what `visit` returned. Documents before the error were visited.
    pub fn read_documents<E>(
        &self,
        range: Range<usize>,
        scratch: &mut Scratch,
        visit: impl FnMut(Document<'_>) -> Result<(), E>,
    ) -> Result<ReadStats, ReadError<E>> {
        self.read_chosen(range, None, scratch, visit)
    }

    /// As [`Self::read_documents`], of those documents that are in `chosen`, where that is given; others are counted
    /// nowhere. All bytes of the chunks are read, since the checksum of the file is over all of them, but a chunk without a
    /// chosen document is not decompressed.
    ///
    /// # Errors
    /// As of [`Self::read_documents`].
    pub fn read_chosen<E>(
        &self,
        range: Range<usize>,
        chosen: Option<&DocSet>,
        scratch: &mut Scratch,
        mut visit: impl FnMut(Document<'_>) -> Result<(), E>,
    ) -> Result<ReadStats, ReadError<E>> {
        if scratch.token != self.token {
            scratch.values = Default::default();
            scratch.token = self.token;
        }
        let end = range.end.min(self.chunks().len());
        let start = range.start.min(end);
        let mut stats = ReadStats::default();
        let mut crc = crc32fast::Hasher::new();
        let mut windows = Windows::new(self.chunks().range(start..end));
        while let Some(window) = windows.next()? {
            let offset = window[0].pointer;
            let length = window.iter().map(|chunk| u64::from(chunk.length)).sum();
            let stored = &self.stored;
            let bytes = codec::read(&stored.file, stored.data.as_ref(), offset, length)?;
            crc.update(&bytes);
            stats.compressed_bytes += length;
            for chunk in window {
                let at = (chunk.pointer - offset) as usize;
                let bytes = &bytes[at..at + chunk.length as usize];
                let wanted = (*chunk, chosen);
                self.read_chunk(wanted, bytes, scratch, &mut stats, &mut visit)?;
            }
            scratch.chunk.shrink();
        }
        stats.span = ChecksumSpan {
            first_chunk: start as u64,
            end_chunk: end as u64,
            crc: crc.finalize(),
        };
        Ok(stats)
    }

    /// Decompresses the chunks of `range` and does nothing with them: what reading can't be cheaper than. For benchmarks.
    ///
    /// # Errors
    /// As of [`Self::read_documents`].
    pub fn decompress(
        &self,
        range: Range<usize>,
        scratch: &mut Scratch,
    ) -> Result<ReadStats, LuceneError> {
        let mut stats = ReadStats::default();
        let stored = &self.stored;
        let mut windows = Windows::new(self.chunks().range(range));
        while let Some(window) = windows.next()? {
            let offset = window[0].pointer;
            let length = window.iter().map(|chunk| u64::from(chunk.length)).sum();
            let bytes = codec::read(&stored.file, stored.data.as_ref(), offset, length)?;
            stats.compressed_bytes += length;
            for chunk in window {
                let at = (chunk.pointer - offset) as usize;
                let bytes = &bytes[at..at + chunk.length as usize];
                let header = scratch.chunk.header(stored.format, *chunk, bytes);
                let decoded = header.and_then(|cursor| {
                    let decompressor = &mut scratch.decompressor;
                    scratch.chunk.data(stored.format, cursor, decompressor)
                });
                decoded.map_err(|bad| self.corrupt(*chunk, bad))?;
                stats.docs += u64::from(chunk.docs);
                stats.decompressed_bytes += scratch.chunk.bytes().len() as u64;
            }
            scratch.chunk.shrink();
        }
        Ok(stats)
    }

    fn corrupt(&self, chunk: ChunkRef, bad: Bad) -> LuceneError {
        LuceneError::Corrupt {
            file: self.stored.file.clone(),
            offset: chunk.pointer + bad.at as u64,
            expected: format!("{} (chunk of document {})", bad.expected, chunk.first_doc),
        }
    }

    fn read_chunk<E>(
        &self,
        (reference, chosen): (ChunkRef, Option<&DocSet>),
        bytes: &[u8],
        scratch: &mut Scratch,
        stats: &mut ReadStats,
        visit: &mut impl FnMut(Document<'_>) -> Result<(), E>,
    ) -> Result<(), ReadError<E>> {
        let Scratch {
            chunk,
            decompressor,
            id,
            values,
            ..
        } = scratch;
        let format = self.stored.format;
        let corrupt = |bad| self.corrupt(reference, bad);
        let docs = reference.first_doc..reference.first_doc + reference.docs;
        stats.docs += u64::from(reference.docs);
        let cursor = chunk.header(format, reference, bytes).map_err(corrupt)?;
        if let Some(live) = &self.live
            && !live.any(docs.start, docs.end)
        {
            stats.dead += u64::from(reference.docs);
            return Ok(());
        }
        if chosen.is_some_and(|chosen| !chosen.any(docs.start, docs.end)) {
            return Ok(());
        }
        chunk.data(format, cursor, decompressor).map_err(corrupt)?;
        stats.decompressed_bytes += chunk.bytes().len() as u64;
        let columns = [&self.version, &self.seq_no, &self.primary_term];
        for (field, (window, column)) in columns.into_iter().zip(values.iter_mut()) {
            if let Some(field) = field {
                field.read(docs.clone(), window, column)?;
            }
        }
        let [(_, version), (_, seq_no), (_, primary_term)] = &*values;
        let value = |field: &Option<Numeric>, column, doc| {
            let field = field.as_ref()?;
            field.get(column, doc)
        };
        let mut rest = chunk.bytes();
        for ((doc, count), length) in docs.zip(&chunk.fields).zip(&chunk.lengths) {
            let (bytes, behind) = rest.split_at(*length as usize);
            rest = behind;
            if !self.is_live(doc) {
                stats.dead += 1;
                continue;
            }
            if chosen.is_some_and(|chosen| !chosen.contains(doc)) {
                continue;
            }
            let broken = |reason: String| LuceneError::Document {
                segment: self.name().to_owned(),
                doc,
                reason,
            };
            let found = fields::parse(bytes, *count, &self.wanted).map_err(|bad| {
                broken(format!("expected {} at its byte {}", bad.expected, bad.at))
            })?;
            let primary_term = value(&self.primary_term, primary_term, doc);
            let is_root = found.source.is_some();
            let (id, legacy_type) = match (found.id, found.uid.or(found.id_text)) {
                (Some(stored), _) => {
                    let id = uid::decode(stored, id)
                        .ok_or_else(|| broken(format!("its _id {stored:02x?} is no id")))?;
                    (id, None)
                }
                (None, Some(stored)) if found.uid.is_none() => {
                    let id = std::str::from_utf8(stored).ok();
                    let id = id.filter(|id| !id.is_empty());
                    (
                        id.ok_or_else(|| broken("its _id is no text".to_owned()))?,
                        None,
                    )
                }
                (None, Some(stored)) => {
                    let pair = std::str::from_utf8(stored).ok();
                    let (kind, id) = pair
                        .and_then(|pair| pair.split_once('#'))
                        .ok_or_else(|| broken("its _uid is not type#id".to_owned()))?;
                    (id, Some(kind))
                }
                // In indices made before Elasticsearch 6.1 nested children have one too.
                (None, None) if primary_term.is_some() && !self.wanted.legacy() => {
                    let reason = "it has a primary term, as roots have, and no _id";
                    return Err(broken(reason.to_owned()).into());
                }
                // A nested child has none of its own: what has one must not be passed over as one.
                (None, None) if is_root => {
                    let reason = "it has a source, as roots have, and no _id that is known";
                    return Err(broken(reason.to_owned()).into());
                }
                (None, None) => {
                    stats.nested += 1;
                    continue;
                }
            };
            let routing = match found.routing {
                None => None,
                Some(stored) => Some(
                    std::str::from_utf8(stored)
                        .map_err(|_| broken("its _routing is not UTF-8".to_owned()))?,
                ),
            };
            stats.live_roots += 1;
            stats.without_source += u64::from(found.source.is_none());
            let document = Document {
                doc,
                id,
                routing,
                source: found.source,
                recovery_source: found.recovery_source,
                version: value(&self.version, version, doc),
                seq_no: value(&self.seq_no, seq_no, doc),
                primary_term,
                legacy_type,
                stored: StoredDocument::new(
                    bytes,
                    *count,
                    &self.wanted,
                    &self.fields,
                    self.name(),
                    doc,
                ),
            };
            visit(document).map_err(ReadError::Visitor)?;
        }
        Ok(())
    }
}

/// Chunks by what one read asks for: at least one, at most [`WINDOW_BYTES`].
struct Windows<'a> {
    chunks: Chunks<'a>,
    window: Vec<ChunkRef>,
    /// The first of the next window.
    next: Option<ChunkRef>,
}

impl<'a> Windows<'a> {
    fn new(chunks: Chunks<'a>) -> Self {
        Self {
            chunks,
            window: Vec::new(),
            next: None,
        }
    }

    fn next(&mut self) -> Result<Option<&[ChunkRef]>, LuceneError> {
        self.window.clear();
        let first = match self.next.take() {
            Some(first) => Some(first),
            None => self.chunks.next().transpose()?,
        };
        let Some(first) = first else {
            return Ok(None);
        };
        self.window.push(first);
        while let Some(chunk) = self.chunks.next().transpose()? {
            if chunk.pointer + u64::from(chunk.length) - first.pointer > WINDOW_BYTES {
                self.next = Some(chunk);
                break;
            }
            self.window.push(chunk);
        }
        Ok(Some(&self.window))
    }
}
