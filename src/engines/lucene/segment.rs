//! One opened segment: its counts, its chunks and its checksums. Documents are read by `documents`.
//!
//! What catches a flipped bit: in small files (`.si`, `.cfe`, `.fnm`, `.fdm`, `.fdx`, `.liv`, `.dvm`, and `.dvd` up to
//! 32 MiB) the CRC when the segment is opened; in a larger `.dvd` the counts of documents and `verify_checksum`; in `.fdt`
//! the layout of chunks and documents where the flip breaks it, and for every other flip (within the text of a document)
//! the CRC: `check_spans` after reading, or `verify_stored_fields_checksum` before. Documents count as read when one of
//! the two has passed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bits::Bits;
use super::directory::Directory;
use super::doc_values::{DocValues, Numeric, Presence};
use super::field_infos::{FieldInfo, FieldInfos};
use super::stored_fields::StoredFields;
use super::stored_fields::chunks::ChunkTable;
use super::stored_fields::fields::Wanted;
use super::{
    LuceneError, LuceneVersion, SegmentCommit, SegmentFiles, codec, live_docs, segment_info,
};

/// How many documents a segment has, by its metadata alone: the path to an expected count that does not read documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentCounts {
    /// All Lucene documents, dead and nested ones too.
    pub max_doc: u32,
    /// Neither hard- nor soft-deleted; nested children included.
    pub live: u32,
    /// Cleared in the `.liv` file.
    pub hard_deleted: u32,
    /// Soft-deleted and not hard-deleted.
    pub soft_deleted: u32,
    /// Live documents that have `_primary_term`, which only roots have. `None` where some roots may lack it (indices
    /// created before Elasticsearch 6).
    pub roots_live: Option<u64>,
}

/// One chunk of stored fields: the unit of decompression and of splitting a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRef {
    /// Offset in the `.fdt` file.
    pub pointer: u64,
    /// Compressed bytes with the chunk's header.
    pub length: u32,
    /// First Lucene document number.
    pub first_doc: u32,
    /// Documents in the chunk.
    pub docs: u32,
}

/// The CRC-32 over the bytes of a run of chunks. Spans that cover all chunks of a segment are combined and compared
/// with the footer by [`Segment::check_spans`], so that ranges read in parallel or before a restart still prove the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChecksumSpan {
    /// First chunk.
    pub first_chunk: u64,
    /// Behind the last chunk.
    pub end_chunk: u64,
    /// CRC-32 of the chunks' bytes.
    pub crc: u32,
}

/// One opened segment: metadata in memory, documents read by chunks. Shared by threads.
///
/// It holds the chunk table (four bytes a chunk, at most some 5 MB), a bitmap of live documents if some are dead, and for
/// each of three doc values fields that not every document has another bitmap: [`Segment::memory`] says how much.
pub struct Segment {
    directory: Directory,
    lucene_version: LuceneVersion,
    attributes: BTreeMap<String, String>,
    pub(super) fields: FieldInfos,
    counts: SegmentCounts,
    pub(super) stored: StoredFields,
    pub(super) wanted: Wanted,
    /// `None`: all live.
    pub(super) live: Option<Bits>,
    pub(super) version: Option<Numeric>,
    pub(super) seq_no: Option<Numeric>,
    pub(super) primary_term: Option<Numeric>,
    values_unread: Vec<&'static str>,
    unverified: Vec<String>,
    /// Tells a scratch whose values it holds.
    pub(super) token: u64,
}

impl Segment {
    /// Reads the segment's metadata and checks it: ids, checksums of the small files, counts of deletions, and that
    /// chunks are contiguous and hold `max_doc` documents.
    ///
    /// # Errors
    /// [`LuceneError`]: what is damaged, missing, or of an unknown format.
    pub fn open(files: Arc<dyn SegmentFiles>, commit: &SegmentCommit) -> Result<Self, LuceneError> {
        static TOKENS: AtomicU64 = AtomicU64::new(1);
        let mut directory = Directory::new(files, &commit.name, commit.id);
        let (name, bytes) = directory.read("", ".si")?;
        let info = segment_info::parse(&name, &bytes, commit.id)?;
        if info.compound {
            directory.use_compound()?;
        }
        let max_doc = info.max_doc;
        let fields = FieldInfos::read(&directory, commit.field_infos_gen)?;
        let stored = StoredFields::open(&directory, max_doc)?;
        let mut live = live_docs::read(&directory, commit, max_doc)?;
        let mut values = DocValues::new(&directory, &fields, max_doc);
        // Also where the commit counts none: a document must not come back since a count is wrong.
        let soft = values.numeric("__soft_deletes")?;
        if soft.is_some() || commit.soft_del_count > 0 {
            live = Some(without_soft(&name, commit, max_doc, live, soft.as_ref())?);
        }
        let mut values_unread = Vec::new();
        let mut column = |name| match values.numeric(name) {
            // Identity and content do not depend on these; that they can't be read is said by `values_unread`.
            Err(LuceneError::Unsupported { .. }) => {
                values_unread.push(name);
                Ok(None)
            }
            result => result,
        };
        let version = column("_version")?;
        let seq_no = column("_seq_no")?;
        let primary_term = column("_primary_term")?;
        let mut unverified = values.unverified;
        unverified.insert(0, stored.file.clone());
        let wanted = Wanted::new(&fields, stored.format.numbers);
        let count = live.as_ref().map_or(max_doc, Bits::count);
        let roots_live = primary_term
            .as_ref()
            .filter(|_| !wanted.legacy())
            .map(|term| roots(term.presence(), live.as_ref(), max_doc));
        Ok(Self {
            lucene_version: info.lucene_version,
            attributes: info.attributes,
            counts: SegmentCounts {
                max_doc,
                live: count,
                hard_deleted: commit.del_count,
                soft_deleted: commit.soft_del_count,
                roots_live,
            },
            stored,
            wanted,
            live,
            version,
            seq_no,
            primary_term,
            values_unread,
            unverified,
            token: TOKENS.fetch_add(1, Ordering::Relaxed),
            directory,
            fields,
        })
    }

    /// `_0`.
    pub fn name(&self) -> &str {
        self.directory.segment()
    }

    /// The 16 bytes that name the segment wherever it is copied: equal ids mean equal documents. `None` for a segment that
    /// Lucene 4 wrote.
    pub fn id(&self) -> Option<[u8; 16]> {
        self.directory.id()
    }

    /// The version of Lucene that wrote the segment.
    pub fn lucene_version(&self) -> LuceneVersion {
        self.lucene_version
    }

    /// What codecs noted about the whole segment: `Lucene90StoredFieldsFormat.mode`, `derived_vector_fields`, …
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    /// The fields that documents of the segment have, dead ones too.
    pub fn fields(&self) -> &[FieldInfo] {
        self.fields.as_slice()
    }

    /// Codec name and version of the stored fields: `Lucene87StoredFieldsFastData 3`.
    pub fn stored_format(&self) -> &str {
        &self.stored.format_name
    }

    /// Counts by metadata.
    pub fn counts(&self) -> SegmentCounts {
        self.counts
    }

    /// Says that these chunks will be read, in order and from here on: a store that answers late may fetch them ahead.
    pub fn expect(&self, chunks: Range<usize>) {
        let chunk = |number: usize| self.chunks().range(number..number + 1).next()?.ok();
        let last = chunks.end.checked_sub(1).and_then(chunk);
        if let Some((first, last)) = chunk(chunks.start).zip(last) {
            let end = last.pointer + u64::from(last.length);
            self.stored.data.expect(first.pointer..end);
        }
    }

    /// The chunks in order of documents.
    pub fn chunks(&self) -> &ChunkTable {
        &self.stored.chunks
    }

    /// Which of `_version`, `_seq_no`, `_primary_term` stand in a format that is not known: documents come without.
    pub fn values_unread(&self) -> &[&'static str] {
        &self.values_unread
    }

    /// Two spans as one, where the second begins where the first ends.
    pub fn join_spans(&self, first: ChecksumSpan, next: ChecksumSpan) -> Option<ChecksumSpan> {
        let pointer = |chunk| self.stored.chunks.pointer(chunk).ok().flatten();
        if first.end_chunk != next.first_chunk {
            return None;
        }
        let length = pointer(next.end_chunk)?.checked_sub(pointer(next.first_chunk)?)?;
        // Of the first one only its value counts, so its length may be anything.
        let mut hasher = crc32fast::Hasher::new_with_initial(first.crc);
        hasher.combine(&crc32fast::Hasher::new_with_initial_len(next.crc, length));
        Some(ChecksumSpan {
            first_chunk: first.first_chunk,
            end_chunk: next.end_chunk,
            crc: hasher.finalize(),
        })
    }

    /// Compares the combined CRC of spans that cover all chunks with the footer of the `.fdt` file. The spans may come
    /// in any order. Reads the header of the file and what is behind the last chunk, some hundred bytes.
    ///
    /// # Errors
    /// [`LuceneError::Checksum`] when a byte of the file was not as it was written: documents that were read are not
    /// to be trusted. [`LuceneError::Corrupt`] when the spans do not cover each chunk once. Files of Lucene before 4.8 have
    /// no checksum: of them only the second is checked.
    pub fn check_spans(&self, spans: &[ChecksumSpan]) -> Result<(), LuceneError> {
        let StoredFields {
            file, data, chunks, ..
        } = &self.stored;
        let uncovered = |chunk: u64| LuceneError::Corrupt {
            file: file.clone(),
            offset: chunk,
            expected: format!("spans that cover each chunk once, up to {}", chunks.len()),
        };
        let mut spans: Vec<ChecksumSpan> = spans.to_vec();
        spans.retain(|span| span.first_chunk != span.end_chunk);
        spans.sort_unstable_by_key(|span| span.first_chunk);
        let first = chunks.pointer(0)?.unwrap_or(0);
        let mut hasher = codec::crc_of(file, data.as_ref(), 0, first)?;
        let mut next = 0;
        for span in &spans {
            let ends = chunks
                .pointer(span.first_chunk)?
                .zip(chunks.pointer(span.end_chunk)?);
            let length = ends.and_then(|(start, end)| end.checked_sub(start));
            let length = length
                .filter(|_| span.first_chunk == next)
                .ok_or_else(|| uncovered(span.first_chunk))?;
            hasher.combine(&crc32fast::Hasher::new_with_initial_len(span.crc, length));
            next = span.end_chunk;
        }
        if next != chunks.len() as u64 {
            return Err(uncovered(next));
        }
        if !self.stored.has_footer {
            return Ok(());
        }
        let covered = codec::covered(data.as_ref());
        let end = chunks.pointer(chunks.len() as u64)?.unwrap_or(0);
        hasher.combine(&codec::crc_of(file, data.as_ref(), end, covered)?);
        codec::Footer::read(file, data.as_ref())?.compare(file, hasher.finalize())
    }

    /// Bytes that the segment holds in memory, about.
    pub fn memory(&self) -> usize {
        let values = [&self.version, &self.seq_no, &self.primary_term];
        let values: usize = values.into_iter().flatten().map(Numeric::memory).sum();
        self.stored.chunks.memory()
            + self.live.as_ref().map_or(0, Bits::memory)
            + values
            + self.fields.memory()
    }

    /// Reads the `.fdt` file from end to end and compares its CRC: one more read of the file, and about 0.12 ms of one
    /// core a megabyte. Not needed where [`Self::check_spans`] is called after reading, which costs no read.
    pub fn verify_stored_fields_checksum(&self) -> Result<(), LuceneError> {
        if !self.stored.has_footer {
            return Ok(());
        }
        codec::verify_large(&self.stored.file, self.stored.data.as_ref())
    }

    /// Files whose checksum [`Self::open`] did not verify because of their size: the `.fdt` first, then `.dvd` files of
    /// more than 32 MiB.
    pub fn unverified_files(&self) -> &[String] {
        &self.unverified
    }

    /// Reads one file of the segment, also within its compound file, from end to end and compares its CRC. `file` is a
    /// full name, such as `_0.fdt`.
    pub fn verify_checksum(&self, file: &str) -> Result<(), LuceneError> {
        let rest = file.strip_prefix(self.name());
        let rest = rest.ok_or_else(|| LuceneError::Missing {
            file: file.to_owned(),
        })?;
        let (name, data) = self.directory.open("", rest)?;
        codec::verify_large(&name, data.as_ref())
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    #[inline]
    pub(super) fn is_live(&self, doc: u32) -> bool {
        self.live.as_ref().is_none_or(|live| live.contains(doc))
    }
}

/// Live documents without those that are soft-deleted, held to the count of the commit.
fn without_soft(
    file: &str,
    commit: &SegmentCommit,
    max_doc: u32,
    live: Option<Bits>,
    soft: Option<&Numeric>,
) -> Result<Bits, LuceneError> {
    let mut live = live.unwrap_or_else(|| Bits::new(max_doc).complement());
    let removed = match soft.map(Numeric::presence) {
        None | Some(Presence::None) => 0,
        Some(Presence::All) => {
            let removed = live.count();
            live = Bits::new(max_doc);
            removed
        }
        Some(Presence::Some(ranked)) => live.remove_all(ranked.bits()),
    };
    if removed != commit.soft_del_count {
        return Err(LuceneError::Corrupt {
            file: file.to_owned(),
            offset: 0,
            expected: format!(
                "{} soft-deleted documents in {}, as the commit says, not {removed}",
                commit.soft_del_count, commit.name
            ),
        });
    }
    Ok(live)
}

/// Live documents that have a primary term.
fn roots(term: &Presence, live: Option<&Bits>, max_doc: u32) -> u64 {
    u64::from(match (term, live) {
        (Presence::None, _) => 0,
        (Presence::All, None) => max_doc,
        (Presence::All, Some(live)) => live.count(),
        (Presence::Some(ranked), None) => ranked.bits().count(),
        (Presence::Some(ranked), Some(live)) => ranked.bits().count_both(live),
    })
}
