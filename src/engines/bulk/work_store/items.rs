//! Work items: what they cover and how far they are.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PartMark;

/// Names an item: a run of documents of a segment, `<index>/<shard>/<segment>/<from>-<to>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ItemKey {
    /// The index in the snapshot.
    pub index: String,
    /// The shard.
    pub shard: u32,
    /// The segment's name.
    pub segment: String,
    /// First Lucene document.
    pub from: u32,
    /// Behind the last Lucene document.
    pub to: u32,
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}-{}",
            self.index, self.shard, self.segment, self.from, self.to
        )
    }
}

impl ItemKey {
    /// The name of the item's part on the target: unique within the index.
    pub fn part(&self) -> String {
        format!("{}-{}-{}", self.shard, self.segment, self.from)
    }
}

/// A work item as its source lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ItemSpec {
    /// Its name.
    #[serde(flatten)]
    pub key: ItemKey,
    /// Bytes that reading it takes.
    pub bytes: u64,
    /// Live root documents in it by the second path, where that is known for a part of a segment.
    pub expected: Option<u64>,
}

/// How far an item is. Everything in here is durable on the target before it is noted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ItemProgress {
    /// The next Lucene document to read; zero: nothing was done yet.
    pub cursor: u32,
    /// Live root documents that the reader delivered.
    pub delivered: u64,
    /// Documents written.
    pub written: u64,
    /// Documents that the target holds newer.
    pub newer_present: u64,
    /// Documents that a transform or the plan's word left out.
    pub dropped: u64,
    /// Documents of mapping types that go to another index.
    #[serde(skip_serializing_if = "is_zero")]
    pub elsewhere: u64,
    /// Documents without a source that the plan leaves out.
    pub skipped: u64,
    /// Documents that failed.
    pub failed: u64,
    /// Bytes read from the store.
    pub bytes_read: u64,
    /// Bytes of the stream of failed documents.
    pub failed_bytes: u64,
    /// Up to where the part is durable.
    pub mark: Option<PartMark>,
    /// What the source needs to prove, over restarts, that it read every byte; its own shape.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Whether an item is free, held or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemStatus {
    /// Nobody has it.
    Free,
    /// Somebody has it.
    Held {
        /// Who.
        holder: String,
        /// Until when.
        expires: Timestamp,
    },
    /// Done.
    Done,
}

/// An item with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ItemState {
    /// What it covers.
    pub item: ItemSpec,
    /// Times it was taken.
    pub attempt: u64,
    /// Whether it is free.
    pub status: ItemStatus,
    /// How far it is.
    pub progress: ItemProgress,
}
