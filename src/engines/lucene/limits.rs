//! Every bound on what hostile bytes can make the reader hold, in one place.
//!
//! Beyond these, no list is allocated by a count that a file states: lists grow as their bytes arrive, and buffers of
//! decompressed bytes are bounded by the most that the compressed bytes can give.

/// The most documents that Lucene puts in one index: `IndexWriter.MAX_DOCS`.
pub(super) const MAX_DOCS: u32 = i32::MAX as u32 - 128;

/// The largest file that is read whole: a `.liv` of [`MAX_DOCS`] documents has as much.
pub(super) const SMALL_FILE_BYTES: u64 = 257 << 20;

/// The most documents in one chunk of stored fields, over all formats.
pub(super) const CHUNK_DOCS: u32 = 4096;

/// The most bytes in one decompressed chunk: Lucene buffers it in one Java array.
pub(super) const CHUNK_BYTES: u64 = i32::MAX as u64;

/// Bytes asked of the store in one read of stored fields. A chunk that is larger by itself is read by itself.
pub(super) const WINDOW_BYTES: u64 = 8 << 20;

/// Bytes of one field's doc values kept by a scratch.
pub(super) const VALUES_WINDOW_BYTES: u64 = 512 << 10;

/// Bytes in one step of a checksum over a large file.
pub(super) const CHECKSUM_STEP_BYTES: u64 = 1 << 20;

/// A `.dvd` file up to this size has its checksum verified when the segment is opened.
pub(super) const EAGER_CHECKSUM_BYTES: u64 = 32 << 20;

/// A buffer that one large document made larger than this is given back after the window.
pub(super) const SCRATCH_KEEP_BYTES: usize = 32 << 20;

/// LZ4 gives at most 255 bytes for one; a little over for the last literals.
pub(super) const LZ4_RATIO: u64 = 256;

/// DEFLATE gives at most 258 bytes for two bits.
pub(super) const DEFLATE_RATIO: u64 = 1040;

/// zstd gives at most 128 KiB for the four bytes of a block that repeats one.
pub(super) const ZSTD_RATIO: u64 = 32 << 10;

/// Chunks of a segment up to which its whole table is held, at four bytes a chunk; of more, pages are read again.
pub(super) const RESIDENT_CHUNKS: usize = 1 << 20;

/// Pages of 1024 chunks that a table keeps decoded, of 24 KiB each.
pub(super) const CACHED_PAGES: usize = 8;

/// An index file up to this size is held while it is read; a larger one is read by windows.
pub(super) const HELD_FILE_BYTES: u64 = 4 << 20;

/// Bytes of one read of an index file that is read from end to end.
pub(super) const INDEX_WINDOW_BYTES: u64 = 512 << 10;

/// Bytes of one read of an index file for a page of chunks: some pages more than was asked for.
pub(super) const PAGE_WINDOW_BYTES: u64 = 32 << 10;
