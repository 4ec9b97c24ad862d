//! A pure reader of Lucene segments: enough of them to give every live document with its identity, and the counts to
//! prove that none is missing.
//!
//! Relies on `base` alone; files arrive through [`SegmentFiles`]. Each file is decoded by the codec name and version in
//! its own header, never by the version of the cluster: an upgraded index holds segments of several. A format version
//! is one small file here.
//!
//! Deliberately absent: postings, points, norms, vectors, term vectors (never opened, so unknown codecs in them do not
//! matter), writing, searching, and rebuilding of documents whose `_source` was not stored: `values` gives what that needs.

// Casts here follow checks, or are Lucene's own arithmetic; offsets within memory are `usize`, and files of more than
// that are read by ranges.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod bits;
mod chosen;
mod codec;
mod compound;
mod directory;
mod doc_set;
mod doc_values;
mod documents;
mod error;
mod field_infos;
#[cfg(fuzzing)]
pub mod fuzzing;
mod input;
mod limits;
mod live_docs;
mod packed;
mod parents;
mod segment;
mod segment_info;
mod segments_n;
mod stored_fields;
mod uid;
mod values;
mod window;

use std::sync::Arc;

use crate::base::ReadAt;

pub use doc_set::DocSet;
pub use documents::{Document, ReadStats, Scratch};
pub use error::{LuceneError, ReadError};
pub use field_infos::{DocValuesKind, FieldInfo, VectorEncoding, VectorInfo};
pub use parents::ParentIds;
pub use segment::{ChecksumSpan, ChunkRef, Segment, SegmentCounts};
pub use segments_n::{Commit, LuceneVersion, SegmentCommit};
pub use stored_fields::chunks::{ChunkTable, Chunks};
pub use stored_fields::fields::{StoredDocument, StoredFieldsOf, StoredValue};
pub use values::{DocValue, FieldFound, FieldValues, unread_format};

/// The files of one commit of one shard, by Lucene file name.
pub trait SegmentFiles: Send + Sync {
    /// All file names of the commit; exactly one is `segments_N`.
    fn names(&self) -> Vec<String>;

    /// Opens one file for ranged reads.
    ///
    /// # Errors
    /// [`LuceneError::Missing`] when the commit has no such file, [`LuceneError::Io`] when the store fails.
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, LuceneError>;
}
