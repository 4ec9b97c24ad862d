//! One segment: its counts, its chunks and its documents.

use std::ops::Range;
use std::sync::Arc;

use super::{LuceneError, LuceneVersion, ReadError, SegmentCommit, SegmentFiles};

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

/// Buffers that reading reuses; one per thread.
#[derive(Default)]
pub struct Scratch {}

/// One opened segment: metadata in memory, documents read by chunks. Shared by threads.
pub struct Segment {
    name: String,
    lucene_version: LuceneVersion,
    stored_format: String,
    counts: SegmentCounts,
    chunks: Vec<ChunkRef>,
}

impl Segment {
    /// Reads the segment's metadata and checks it: ids, checksums of the small files, counts of deletions, and that
    /// chunks are contiguous and hold `max_doc` documents.
    pub fn open(files: Arc<dyn SegmentFiles>, commit: &SegmentCommit) -> Result<Self, LuceneError> {
        let _ = files;
        Err(LuceneError::Missing {
            file: commit.name.clone(),
        })
    }

    /// `_0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of Lucene that wrote the segment.
    pub fn lucene_version(&self) -> LuceneVersion {
        self.lucene_version
    }

    /// Codec name and version of the stored fields: `Lucene87StoredFieldsFastData 3`.
    pub fn stored_format(&self) -> &str {
        &self.stored_format
    }

    /// Counts by metadata.
    pub fn counts(&self) -> SegmentCounts {
        self.counts
    }

    /// The chunks in order of documents.
    pub fn chunks(&self) -> &[ChunkRef] {
        &self.chunks
    }

    /// Decodes the chunks of `range` and gives each live root document to `visit`.
    pub fn read_documents<E>(
        &self,
        range: Range<usize>,
        scratch: &mut Scratch,
        mut visit: impl FnMut(Document<'_>) -> Result<(), E>,
    ) -> Result<ReadStats, ReadError<E>> {
        let _ = (range, scratch, &mut visit);
        Ok(ReadStats::default())
    }

    /// Compares the combined CRC of spans that cover all chunks with the footer of the `.fdt` file.
    pub fn check_spans(&self, spans: &[ChecksumSpan]) -> Result<(), LuceneError> {
        let _ = spans;
        Ok(())
    }

    /// Reads the `.fdt` file from end to end and compares its CRC: costs one read of the file and about 0.12 ms of one
    /// core a megabyte. Not needed where [`Self::check_spans`] is called after reading.
    pub fn verify_stored_fields_checksum(&self) -> Result<(), LuceneError> {
        Ok(())
    }

    /// Files whose checksum [`Self::open`] did not verify because of their size: `.fdt`, large `.dvd`.
    pub fn unverified_files(&self) -> &[String] {
        &[]
    }

    /// Reads one file of the segment from end to end and compares its CRC.
    pub fn verify_checksum(&self, file: &str) -> Result<(), LuceneError> {
        let _ = file;
        Ok(())
    }
}
