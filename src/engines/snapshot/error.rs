//! What can be wrong with a repository, said so that a person can act on it: every case names the blob, and the place
//! within it where there is one.
//!
//! Deliberately absent: retrying. Whether a store's error is worth a second try is the store's business.

use std::io;

use super::state::SnapshotState;

/// An error of reading a snapshot repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The store failed, or has no such blob.
    #[error("can't read `{blob}` in {location}: {source}")]
    Store {
        /// Where the store is.
        location: String,
        /// Key of the blob.
        blob: String,
        /// What the store said.
        source: io::Error,
    },
    /// There is no `index-N`, no `index.latest` and no `index`.
    #[error(
        "{location} holds no snapshot repository: no `index-N`, `index.latest` or `index` at its root{hint}"
    )]
    NoRepository {
        /// Where the store is.
        location: String,
        /// What stands there instead, as the end of a sentence; may be empty.
        hint: String,
    },
    /// No snapshot of this name.
    #[error("{location} holds no snapshot `{name}`{suggestion}")]
    NoSnapshot {
        /// Where the store is.
        location: String,
        /// What was asked for.
        name: String,
        /// A did-you-mean, or the names that exist; may be empty.
        suggestion: String,
    },
    /// No index of this name in the snapshot.
    #[error("snapshot `{snapshot}` holds no index `{index}`{suggestion}")]
    NoIndex {
        /// The snapshot.
        snapshot: String,
        /// What was asked for.
        index: String,
        /// A did-you-mean; may be empty.
        suggestion: String,
    },
    /// The index has fewer shards.
    #[error("index `{index}` has {shards} shards; there is no shard {shard}")]
    NoShard {
        /// The index.
        index: String,
        /// What was asked for.
        shard: u32,
        /// How many there are, counted from 0.
        shards: u32,
    },
    /// The snapshot says that it could not take this shard (state PARTIAL or FAILED).
    #[error(
        "snapshot `{snapshot}` holds no copy of shard {shard} of `{index}`: it failed with: {reason}"
    )]
    ShardFailed {
        /// The snapshot.
        snapshot: String,
        /// The index.
        index: String,
        /// The shard.
        shard: u32,
        /// As the snapshot recorded it.
        reason: String,
    },
    /// The file list of the shard is not in the repository though the snapshot does not call the shard failed.
    #[error(
        "shard {shard} of `{index}` has no file list in snapshot `{snapshot}` (state {state}): `{blob}` is missing"
    )]
    ShardMissing {
        /// The snapshot.
        snapshot: String,
        /// Its state.
        state: SnapshotState,
        /// The index.
        index: String,
        /// The shard.
        shard: u32,
        /// The blob that is missing.
        blob: String,
    },
    /// The shard's file list is empty: Lucene writes at least a commit, so this is a mounted searchable snapshot or damage.
    #[error(
        "shard {shard} of `{index}` has no files of its own by `{blob}`: an index that is mounted from another snapshot \
         has none, and a shard with no documents has a commit all the same"
    )]
    NoFiles {
        /// The blob with the list.
        blob: String,
        /// The index.
        index: String,
        /// The shard.
        shard: u32,
    },
    /// OpenSearch: the segments stand in a remote store and not in the repository.
    #[error(
        "snapshot `{snapshot}` holds shard {shard} of `{index}` as a shallow copy, whose segments stand in a remote store \
         and not in the repository; a repository with remote_store_index_shallow_copy: false holds full ones"
    )]
    Shallow {
        /// The snapshot.
        snapshot: String,
        /// The index.
        index: String,
        /// The shard.
        shard: u32,
    },
    /// The shard's file list does not have this file.
    #[error("`{blob}` lists no file `{file}`")]
    NoFile {
        /// The blob with the file list.
        blob: String,
        /// Lucene's name of the file.
        file: String,
    },
    /// Bytes that are not what the format says.
    #[error("`{blob}` is damaged or of an unknown format: {reason} (at byte {offset})")]
    Malformed {
        /// Key of the blob.
        blob: String,
        /// Byte offset in the blob, or in its inflated body where the reason says so.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The bytes are well formed but a field is missing or of the wrong kind.
    #[error("`{blob}`: field `{field}` {reason}")]
    Field {
        /// Key of the blob.
        blob: String,
        /// Path of the field, with dots.
        field: String,
        /// What is wrong, as the end of a sentence.
        reason: String,
    },
    /// The bytes are not the bytes that were written.
    #[error("`{blob}` is damaged: its checksum is {actual:08x}, and {expected:08x} was written")]
    Checksum {
        /// Key of the blob (for a file of many parts: of the first part).
        blob: String,
        /// As recorded.
        expected: u32,
        /// As computed.
        actual: u32,
    },
    /// A named limit was passed: nothing real is this large.
    #[error("`{blob}` passes a limit: {what} may be at most {limit}")]
    Limit {
        /// Key of the blob.
        blob: String,
        /// What is limited.
        what: &'static str,
        /// The limit, in the unit that `what` names.
        limit: u64,
    },
    /// A name in the repository's bytes that would lead out of its place.
    #[error("`{blob}` names `{name}`, which is no safe name of a blob")]
    UnsafeName {
        /// The blob that holds the name.
        blob: String,
        /// The name, escaped.
        name: String,
    },
    /// Known, but not read by this version.
    #[error("{what} can't be read: {advice}")]
    Unsupported {
        /// What was met, with its blob.
        what: String,
        /// What to do about it.
        advice: String,
    },
}

/// What the decoders of bytes return: an offset and a reason, to which the caller adds the blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// Byte offset in what was decoded.
    pub(crate) offset: u64,
    /// What is wrong.
    pub(crate) reason: String,
}

impl DecodeError {
    pub(crate) fn new(offset: usize, reason: impl Into<String>) -> Self {
        Self {
            offset: offset as u64,
            reason: reason.into(),
        }
    }

    /// Adds the blob, and how far into it the decoded bytes began.
    pub(crate) fn in_blob(self, blob: &str, base: u64) -> SnapshotError {
        SnapshotError::Malformed {
            blob: blob.to_owned(),
            offset: self.offset.saturating_add(base),
            reason: self.reason,
        }
    }
}

/// `: did you mean `x`?` when one of `names` is near `asked`; otherwise the names themselves when they are few.
pub(crate) fn suggestion<'a>(asked: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    const NEAR: f64 = 0.75;
    const FEW: usize = 5;
    let best = names
        .clone()
        .map(|name| (strsim::jaro_winkler(asked, name), name))
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    if let Some((_, name)) = best {
        return format!(": did you mean `{name}`?");
    }
    let all: Vec<&str> = names.take(FEW + 1).collect();
    if all.is_empty() || all.len() > FEW {
        return String::new();
    }
    format!("; it has {}", quoted_list(&all))
}

fn quoted_list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
