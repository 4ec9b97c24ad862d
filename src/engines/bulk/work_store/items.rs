//! Work items: what they cover and how far they are.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PartMark, TRIES_WITHOUT_PROGRESS};

/// Bytes of the reason that an item was set aside for.
const REASON_BYTES: usize = 2000;

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
    /// What stands before the name of a segment whose documents are deleted; names of Lucene begin with `_`.
    const REMOVAL: &'static str = "removed";

    /// The item for documents of the same segment that are deleted: done before any item of its index that is none.
    #[must_use]
    pub fn removal(mut self) -> Self {
        self.segment = Self::removal_of(&self.segment);
        self
    }

    /// The name of a segment in such an item.
    pub fn removal_of(segment: &str) -> String {
        format!("{}{segment}", Self::REMOVAL)
    }

    /// The segment that a name in such an item stands for.
    pub fn removed_segment(name: &str) -> Option<&str> {
        name.strip_prefix(Self::REMOVAL)
    }

    /// The segment whose documents are deleted, where the item is such a one.
    pub fn removes(&self) -> Option<&str> {
        Self::removed_segment(&self.segment)
    }

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
    /// Documents deleted, or gone already.
    #[serde(skip_serializing_if = "is_zero")]
    pub deleted: u64,
    /// Documents that a transform or the plan's word left out.
    pub dropped: u64,
    /// Documents of mapping types that go to another index.
    #[serde(skip_serializing_if = "is_zero")]
    pub elsewhere: u64,
    /// Those that transforms left out, by the transform's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped_by: BTreeMap<String, u64>,
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
    /// The last trying again of those that failed; the counts above are as it left them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried: Option<Retried>,
    /// What the source needs to prove, over restarts, that it read every byte; its own shape.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Value>,
}

/// How far the failed documents of an item were tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Retried {
    /// The number of the pass, from 1.
    pub pass: u32,
    /// The pass whose failures it tries: 0 is the load.
    pub of: u32,
    /// Bytes of that pass's stream of failed documents.
    pub of_bytes: u64,
    /// Documents before this one were tried.
    pub cursor: u32,
    /// Bytes of this pass's own stream: what failed again.
    pub failed_bytes: u64,
    /// Up to where the part is durable that they are written to, over all passes.
    pub mark: Option<PartMark>,
}

impl Retried {
    /// Whether the pass came to its end.
    pub fn is_through(&self, item: &ItemKey) -> bool {
        self.cursor >= item.to
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_none(tries: &u32) -> bool {
    *tries == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Whether an item is free, held, done or set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemStatus {
    /// Nobody has it.
    Free,
    /// Somebody has it.
    Held {
        /// Who.
        holder: String,
        /// Until when by the store's clock; `None`: the holder could not read that clock, so the lease ends when the item was
        /// not written for a whole lease.
        expires: Option<Timestamp>,
    },
    /// Done.
    Done,
    /// It can't be done now: nobody takes it until a coordinator opens the store anew.
    SetAside {
        /// Why.
        reason: String,
    },
}

impl ItemStatus {
    /// Whether nobody will take the item in this run any more.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::SetAside { .. })
    }
}

/// An item with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ItemState {
    /// What it covers.
    pub item: ItemSpec,
    /// Times it was taken: the fence.
    pub attempt: u64,
    /// Takings since its cursor last moved. One that was given back in good order is none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub tries: u32,
    /// Whether it is free.
    pub status: ItemStatus,
    /// How far it is.
    pub progress: ItemProgress,
}

/// What becomes of an item. Pure: each is the state to write, and the caller knows that the lease holds.
impl ItemState {
    /// An item that nobody has begun.
    pub(super) fn fresh(item: ItemSpec) -> Self {
        Self {
            item,
            attempt: 0,
            tries: 0,
            status: ItemStatus::Free,
            progress: ItemProgress::default(),
        }
    }

    /// Taken by `holder`.
    pub(super) fn taken(&self, holder: &str, expires: Option<Timestamp>) -> Self {
        Self {
            attempt: self.attempt + 1,
            tries: self.tries.saturating_add(1),
            status: ItemStatus::Held {
                holder: holder.to_owned(),
                expires,
            },
            ..self.clone()
        }
    }

    /// Its holder came so far and keeps it.
    pub(super) fn moved(&self, progress: &ItemProgress, expires: Option<Timestamp>) -> Self {
        let status = match &self.status {
            ItemStatus::Held { holder, .. } => ItemStatus::Held {
                holder: holder.clone(),
                expires,
            },
            other => other.clone(),
        };
        Self {
            tries: self.tries_with(progress),
            status,
            progress: self.further(progress),
            ..self.clone()
        }
    }

    /// Its holder did all of it.
    pub(super) fn done(&self, progress: &ItemProgress) -> Self {
        Self {
            tries: 0,
            status: ItemStatus::Done,
            progress: progress.clone(),
            ..self.clone()
        }
    }

    /// Some of its failed documents were tried again; nobody holds it.
    pub(super) fn amended(&self, progress: &ItemProgress) -> Self {
        Self {
            progress: progress.clone(),
            ..self.clone()
        }
    }

    /// Its holder gives it back.
    pub(super) fn given_back(&self, progress: &ItemProgress) -> Self {
        Self {
            tries: self.tries_with(progress).saturating_sub(1),
            status: ItemStatus::Free,
            progress: self.further(progress),
            ..self.clone()
        }
    }

    /// Its holder can't do it; what was noted stands.
    pub(super) fn set_aside(&self, reason: &str) -> Self {
        Self {
            status: ItemStatus::SetAside {
                reason: cut(reason),
            },
            ..self.clone()
        }
    }

    /// Nobody takes it any more, since nobody comes further with it. The fence grows: whoever held it last can't say
    /// anything more.
    pub(super) fn given_up(&self) -> Self {
        let last = match &self.status {
            ItemStatus::Held { holder, .. } => format!(", the last time by {holder}"),
            _ => String::new(),
        };
        Self {
            attempt: self.attempt + 1,
            status: ItemStatus::SetAside {
                reason: format!(
                    "taken {} times{last}, and nobody came further than document {}",
                    self.tries, self.progress.cursor
                ),
            },
            ..self.clone()
        }
    }

    /// Free again, with its progress: what a coordinator makes of a lease whose process is gone, and of what was set aside.
    pub(super) fn freed(&self) -> Self {
        let aside = matches!(self.status, ItemStatus::SetAside { .. });
        Self {
            tries: if aside { 0 } else { self.tries },
            status: ItemStatus::Free,
            ..self.clone()
        }
    }

    /// As if it had never been begun; the fence grows, so that a worker of before can't say anything more.
    pub(super) fn anew(&self) -> Self {
        Self {
            attempt: self.attempt + 1,
            ..Self::fresh(self.item.clone())
        }
    }

    /// Whether nobody comes further with it.
    pub(super) fn is_hopeless(&self) -> bool {
        self.tries >= TRIES_WITHOUT_PROGRESS
    }

    /// A checkpoint whose answer got lost may be further than what its holder knows: it stood for durable documents, so it
    /// counts.
    fn further(&self, progress: &ItemProgress) -> ItemProgress {
        if self.progress.cursor > progress.cursor {
            self.progress.clone()
        } else {
            progress.clone()
        }
    }

    fn tries_with(&self, progress: &ItemProgress) -> u32 {
        if progress.cursor > self.progress.cursor {
            0
        } else {
            self.tries
        }
    }
}

/// As much of a reason as an item keeps.
fn cut(reason: &str) -> String {
    if reason.len() <= REASON_BYTES {
        return reason.to_owned();
    }
    let end = reason.floor_char_boundary(REASON_BYTES);
    format!("{}…", reason.get(..end).unwrap_or_default())
}
