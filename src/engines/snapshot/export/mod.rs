//! Gives the live documents of a snapshot as lines of JSON: to one writer in a stable order, or to a folder by all cores.
//!
//! No document is passed over in silence: one that can't be written is counted and named in the report. Once every
//! chunk of a segment was read, the checksum of its stored fields is compared, so a finished export is also a proof.
//!
//! Deliberately absent: choosing indices by pattern (callers give names) and sending anything anywhere.

mod directory;
mod line;
mod stream;

use std::io;
use std::path::PathBuf;

use serde::Serialize;

use super::error::SnapshotError;
use crate::engines::lucene::LuceneError;

pub use directory::to_directory;
pub use stream::to_writer;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ExportForm {
    /// One line a document: `{"_index":…,"_id":…,"_routing"?:…,"_type"?:…,"_source":…}`.
    #[default]
    Raw,
    /// Two lines a document, ready for `_bulk`: the action with the document's version, and the source.
    Bulk,
}

/// What is to be exported.
#[derive(Clone, Debug, Default)]
pub struct ExportRequest {
    /// Names of indices of the snapshot.
    pub indices: Vec<String>,
    /// How a document is written.
    pub form: ExportForm,
    /// Only documents with one of these `_id`s; all when empty.
    pub ids: Vec<String>,
    /// At most so many documents in all.
    pub limit: Option<u64>,
}

impl ExportRequest {
    fn wants(&self, id: &str) -> bool {
        self.ids.is_empty() || self.ids.iter().any(|wanted| wanted == id)
    }
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// Documents written.
    pub documents: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Documents whose `_source` was never stored. Written without it in the raw form, and not at all for `_bulk`.
    pub without_source: u64,
    /// Documents that could not be written.
    pub failed: u64,
    /// The first of them: see [`MAX_NAMED_FAILURES`].
    pub failures: Vec<FailedDocument>,
    /// The reader of the output went away before the end.
    pub broken_pipe: bool,
    /// Files written, in the order of indices; empty for a writer.
    pub files: Vec<PathBuf>,
}

/// How many failed documents a report names; all are counted.
pub const MAX_NAMED_FAILURES: usize = 100;

/// A document that could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedDocument {
    /// The index.
    pub index: String,
    /// `_id`.
    pub id: String,
    /// Why, as the end of a sentence.
    pub reason: String,
}

impl ExportReport {
    fn fail(&mut self, document: FailedDocument) {
        self.failed += 1;
        if self.failures.len() < MAX_NAMED_FAILURES {
            self.failures.push(document);
        }
    }

    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.without_source += other.without_source;
        for failure in other.failures {
            if self.failures.len() < MAX_NAMED_FAILURES {
                self.failures.push(failure);
            }
        }
        self.failed += other.failed;
    }
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The repository.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A segment.
    #[error("shard {shard} of `{index}`: {source}")]
    Lucene {
        /// The index.
        index: String,
        /// The shard.
        shard: u32,
        /// What is wrong.
        source: LuceneError,
    },
    /// The output.
    #[error("can't write {to}: {source}")]
    Output {
        /// Path of the file, or `the output`.
        to: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of an earlier export stands there.
    #[error("`{}` is there already: give an empty folder, or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}
