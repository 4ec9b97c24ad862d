//! What can be wrong with the files of a segment. Every case names the file; most name the byte.
//!
//! Deliberately absent: recovery. A reader that guesses loses documents in silence.

use std::io;

/// Why a commit, a segment or a document can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LuceneError {
    /// A file that the commit needs is not in the shard's file list.
    #[error("{file}: the commit needs this file and the snapshot does not list it")]
    Missing {
        /// Lucene file name.
        file: String,
    },
    /// The store failed to give bytes.
    #[error("{file} at byte {offset}: {source}")]
    Io {
        /// Lucene file name.
        file: String,
        /// Byte offset of the read.
        offset: u64,
        /// What the store said.
        #[source]
        source: io::Error,
    },
    /// Bytes that contradict the format or an invariant.
    #[error("{file} at byte {offset}: expected {expected}")]
    Corrupt {
        /// Lucene file name.
        file: String,
        /// Byte offset within the file.
        offset: u64,
        /// What should have stood there.
        expected: String,
    },
    /// The CRC-32 in the footer is not that of the bytes.
    #[error("{file}: the bytes have CRC-32 {computed:08x}, the footer says {stored:08x}")]
    Checksum {
        /// Lucene file name.
        file: String,
        /// Of the bytes as read.
        computed: u32,
        /// From the footer.
        stored: u64,
    },
    /// A format, or a version of one, that this reader does not know.
    #[error("{file}: format `{codec}` version {version} is not supported")]
    Unsupported {
        /// Lucene file name.
        file: String,
        /// Codec name from the file's header.
        codec: String,
        /// Version from the file's header.
        version: i64,
    },
    /// A length within the format but above what the reader will hold in memory.
    #[error("{file} at byte {offset}: {what} is {value}, the limit is {limit}")]
    Limit {
        /// Lucene file name.
        file: String,
        /// Byte offset within the file.
        offset: u64,
        /// What is too large.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// One live document can't be read. It is never skipped.
    #[error("segment {segment}, document {doc}: {reason}")]
    Document {
        /// Segment name.
        segment: String,
        /// Lucene document number within the segment.
        doc: u32,
        /// What is wrong with it.
        reason: String,
    },
}

/// An error of reading, or of the visitor that took the documents.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The reader's own.
    #[error(transparent)]
    Lucene(#[from] LuceneError),
    /// The visitor refused a document; reading stopped there.
    #[error("the reader's consumer failed")]
    Visitor(E),
}
