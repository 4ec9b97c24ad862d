//! The states of a snapshot, as the repository's index writes them (numbers) and as the snapshot writes them (words).

use std::fmt;

use serde::Serialize;

/// How a snapshot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SnapshotState {
    /// Still being written.
    InProgress,
    /// Every shard is in it.
    Success,
    /// Not usable.
    Failed,
    /// Some shards are missing; the snapshot lists them.
    Partial,
    /// Written by a version too old for the one that listed it.
    Incompatible,
    /// Not stated, or a state this version does not know.
    Unknown,
}

impl SnapshotState {
    /// From the number in `index-N` (Elasticsearch 5–9, OpenSearch 1–3).
    pub(crate) fn from_code(code: i64) -> Self {
        match code {
            0 => Self::InProgress,
            1 => Self::Success,
            2 => Self::Failed,
            3 => Self::Partial,
            4 => Self::Incompatible,
            _ => Self::Unknown,
        }
    }

    /// From the word in `snap-<uuid>.dat`.
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "IN_PROGRESS" => Self::InProgress,
            "SUCCESS" => Self::Success,
            "FAILED" => Self::Failed,
            "PARTIAL" => Self::Partial,
            "INCOMPATIBLE" => Self::Incompatible,
            _ => Self::Unknown,
        }
    }

    /// Whether every shard is said to be in the snapshot.
    pub fn is_complete(self) -> bool {
        self == Self::Success
    }
}

impl fmt::Display for SnapshotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Partial => "PARTIAL",
            Self::Incompatible => "INCOMPATIBLE",
            Self::Unknown => "UNKNOWN",
        })
    }
}
