//! What a load is given, what it tells, and its named limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::Rates;
use super::crew::Crew;
use super::failed::FailedPlace;
use super::meter::Meter;
use super::source::{DocumentSource, SegmentKey, SourceError};
use super::stop::StopFn;
use super::transform::Transform;
use super::work_store::{ItemKey, WorkError, WorkStore};
use crate::clients::target::{Target, TargetError};

/// Limits with names. Memory of a load is about `workers × (2 × BATCH_BYTES + the reader's chunk)` and the bytes on their way
/// ([`super::steering_limits::BYTES_IN_FLIGHT`]), plus the largest single document where that is larger than a batch.
pub mod limits {
    use std::time::Duration;

    /// A batch is sent when it holds so many bytes. A document that is larger by itself makes a batch of its own.
    pub const BATCH_BYTES: usize = 5 << 20;
    /// A batch is sent when it holds so many documents.
    pub const BATCH_DOCS: usize = 10_000;
    /// The largest document that is written where a target does not say what it takes (the default of
    /// `http.max_content_length`); a larger one fails by name.
    pub const DOCUMENT_BYTES: usize = 100 << 20;
    /// Time between the checkpoints of an item.
    pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(3);
    /// How long a lease holds without a checkpoint.
    pub const LEASE: Duration = Duration::from_mins(2);
    /// Stack of a worker, and of a thread that proves what workers wrote: scripts of transforms ask for much of it.
    pub const STACK_BYTES: usize = 8 << 20;
    /// Items set aside that are told by name.
    pub const SET_ASIDE_TOLD: usize = 20;
    /// Items in a row that one process can't read before it stops: then it is hardly the items' fault.
    pub const UNREADABLE_IN_A_ROW: u32 = 100;
    /// Workers of one process.
    pub const WORKERS: u32 = 64;
    /// Time between the deletes of an index and its first write, where the target checks versions: it forgets what was deleted
    /// by a clock that moves five times a second.
    pub const REST_AFTER_DELETES: Duration = Duration::from_secs(1);
    /// Batches on their way over all workers at most, where nothing else is asked for.
    pub const IN_FLIGHT: u32 = 32;
    /// Time between two looks at the target's processors, where they have a limit.
    pub const CPU_EVERY: Duration = Duration::from_secs(3);
}

/// All that a load needs.
pub struct Job<'a> {
    /// Documents come from here.
    pub source: &'a dyn DocumentSource,
    /// Documents go there.
    pub target: &'a dyn Target,
    /// Progress is kept here; items are registered by [`super::run`].
    pub store: &'a dyn WorkStore,
    /// Stands between; [`super::Identity`] changes nothing.
    pub transform: &'a dyn Transform,
    /// The indices to load (of those that the source has), with the uuid that each has to have on the target.
    pub indices: BTreeMap<String, Option<String>>,
    /// How.
    pub options: Options,
    /// How many workers there are, and who else works on it.
    pub crew: &'a dyn Crew,
    /// What this process does of it.
    pub part: Part,
    /// Asked before each item is begun: whether the index on the target is still what the load was planned for.
    pub check: &'a (dyn Fn(&str) -> Result<(), BulkError> + Sync),
    /// Asked at every step.
    pub stop: StopFn<'a>,
    /// Told a few times a second at most, from any worker.
    pub progress: &'a (dyn Fn(BulkProgress) + Sync),
}

/// What a process does of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: it registers the items, and is through when every one of them is done, by whomever.
    Whole,
    /// It takes items that another process registered, and is through when there are none to take.
    Helping,
}

/// How a load runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who takes the leases: has to tell processes apart.
    pub holder: String,
    /// Whether `_version` is written as `external_gte`.
    pub keep_versions: bool,
    /// Where the failed documents go; made when there is one.
    pub failed: FailedPlace,
    /// Whether what is there may be gone by itself (it is on another machine than what it belongs to): it is then counted and
    /// no longer told.
    pub failed_may_be_gone: bool,
    /// Which pass over the items it is: 0 for the load, more for documents that are tried again.
    pub pass: u32,
    /// The load ends when more documents than this failed; `None`: never.
    pub max_failed: Option<u64>,
    /// Documents of a batch.
    pub batch_docs: usize,
    /// Time between checkpoints of an item.
    pub checkpoint_every: Duration,
    /// The indices of which only changes are written, each with how many loads its documents were written by before. Their parts
    /// bear that number, so that a target that keeps parts as files knows which of them go over which.
    pub layers: BTreeMap<String, u32>,
    /// What is allowed at the start; [`super::Budget`] changes it while it runs.
    pub rates: Rates,
    /// Where it tells what it measures.
    pub meter: Arc<Meter>,
}

impl Options {
    /// With the default limits.
    pub fn new(holder: impl Into<String>, failed: impl Into<FailedPlace>) -> Self {
        Self {
            holder: holder.into(),
            keep_versions: true,
            failed_may_be_gone: false,
            pass: 0,
            failed: failed.into(),
            max_failed: None,
            batch_docs: limits::BATCH_DOCS,
            checkpoint_every: limits::CHECKPOINT_EVERY,
            layers: BTreeMap::new(),
            rates: Rates::default(),
            meter: Arc::default(),
        }
    }
}

impl Options {
    /// The name of an item's part on the target, unique within the index; in the order of names parts go over each other.
    pub(super) fn part_of(&self, key: &ItemKey) -> String {
        let part = self.first_part_of(key);
        // What was written before stays as it is.
        if self.pass > 0 {
            format!("{part}-again")
        } else {
            part
        }
    }

    fn first_part_of(&self, key: &ItemKey) -> String {
        match self.layers.get(&key.index) {
            None => key.part(),
            Some(layer) => {
                let turn = if key.removes().is_some() { 1 } else { 2 };
                format!(
                    "{}{layer:04}-{turn}-{}",
                    crate::clients::target::LAYER,
                    key.part()
                )
            }
        }
    }
}

/// How far a load is. Counts what earlier runs did too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkProgress {
    /// Documents done (written, newer present, left out by a transform, left out without a source, or failed).
    pub docs_done: u64,
    /// Documents in all, by the second path where there is one.
    pub docs_total: u64,
    /// Bytes of the store read.
    pub bytes_read: u64,
    /// Bytes of the store in all.
    pub bytes_total: u64,
    /// Documents that failed.
    pub failed: u64,
    /// Workers at work.
    pub workers: u32,
}

/// How a load ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BulkOutcome {
    /// Whether every item is done. `false`: stopped as asked, or items were set aside; a later run goes on.
    pub finished: bool,
    /// Whether more documents failed than were tolerated, which ended it.
    pub too_many_failed: bool,
    /// Whether a limit of the target's processors was of no effect, because it does not say how busy they are.
    #[serde(default)]
    pub cpu_unknown: bool,
    /// By index, over this run and earlier ones.
    pub indices: BTreeMap<String, IndexOutcome>,
    /// Failed documents by class, over this run and earlier ones.
    pub failed_by_class: BTreeMap<String, u64>,
    /// Items that could not be done, [`limits::SET_ASIDE_TOLD`] at most; each index counts all of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<ItemSetAside>,
}

/// An item that could not be done, so that the rest went on without it. A later run tries it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ItemSetAside {
    /// Index, shard, segment, documents.
    pub item: String,
    /// Why.
    pub reason: String,
}

impl BulkOutcome {
    /// Takes in the outcome of another load of the same work: of other indices.
    pub fn add(&mut self, other: Self) {
        self.finished &= other.finished;
        self.too_many_failed |= other.too_many_failed;
        self.cpu_unknown |= other.cpu_unknown;
        self.indices.extend(other.indices);
        self.set_aside.extend(other.set_aside);
        self.set_aside.truncate(limits::SET_ASIDE_TOLD);
        for (class, count) in other.failed_by_class {
            *self.failed_by_class.entry(class).or_default() += count;
        }
    }

    /// Documents that failed in all indices.
    pub fn failed(&self) -> u64 {
        self.indices.values().map(|index| index.failed).sum()
    }

    /// Items of all indices that could not be done.
    pub fn items_set_aside(&self) -> u64 {
        let aside = |index: &IndexOutcome| index.items_set_aside;
        self.indices.values().map(aside).sum()
    }
}

/// Of one index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IndexOutcome {
    /// Live root documents by the second path; `None` where a segment has none that is exact.
    pub expected: Option<u64>,
    /// Documents that the reader delivered.
    pub delivered: u64,
    /// Written.
    pub written: u64,
    /// Not written or deleted: the target holds a newer version.
    pub newer_present: u64,
    /// Deleted, or gone already.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deleted: u64,
    /// Left out by a transform, or by the plan's word.
    pub dropped: u64,
    /// Of mapping types that go to another index; `delivered` counts them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub elsewhere: u64,
    /// Those that transforms left out, by the transform's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped_by: BTreeMap<String, u64>,
    /// Left out because their source was not stored and the plan says so.
    #[serde(default)]
    pub skipped: u64,
    /// Failed.
    pub failed: u64,
    /// Items in all.
    pub items: u64,
    /// Items that are done.
    pub items_done: u64,
    /// Items that could not be done.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub items_set_aside: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why a load could not go on. What was durable stays; a later run goes on there.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// Reading.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Writing.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The index on the target is no longer what the load was planned for.
    #[error("index `{index}` on the target changed while it was being loaded: {what}")]
    Moved {
        /// The index.
        index: String,
        /// What changed.
        what: String,
    },
    /// Noting progress.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The stream of failed documents.
    #[error("failed documents {}: {source}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The reader delivered another number of documents than the segment's bitmaps say.
    #[error(
        "{}/{}/{}: {delivered} documents were read, the segment's live documents count {expected}",
        segment.index, segment.shard, segment.segment
    )]
    Count {
        /// Where.
        segment: SegmentKey,
        /// Read.
        delivered: u64,
        /// By the second path.
        expected: u64,
    },
    /// Documents that were delivered and neither written nor failed: a fault of a writer.
    #[error("{item}: {delivered} documents were read and {accounted} are accounted for")]
    Lost {
        /// The item.
        item: String,
        /// Read.
        delivered: u64,
        /// Written, deleted, newer present, dropped, left out, elsewhere or failed.
        accounted: u64,
    },
    /// Items that could not be done; everything else is.
    #[error("{}", set_aside_text(*count, items))]
    SetAside {
        /// How many.
        count: u64,
        /// The first of them.
        items: Vec<ItemSetAside>,
    },
    /// A worker thread ended without a result.
    #[error("a worker ended unexpectedly: {0}")]
    Worker(String),
}

/// `2 work items could not be done: shop/0/_0/0-10: …; shop/1/_3/0-20: …`
fn set_aside_text(count: u64, items: &[ItemSetAside]) -> String {
    let told: Vec<String> = items
        .iter()
        .take(3)
        .map(|aside| format!("{}: {}", aside.item, aside.reason))
        .collect();
    let more = count.saturating_sub(told.len() as u64);
    let more = if more == 0 {
        String::new()
    } else {
        format!("; and {more} more")
    };
    format!(
        "{} could not be done: {}{more}",
        crate::base::units::plural(count, "work item"),
        told.join("; ")
    )
}

impl BulkError {
    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Self::Target(error) => return error.help(),
            Self::Moved { .. } => {
                "undo that change, or let the metadata phase decide on it, then run the same command again: it goes on where it was"
            }
            Self::Source(_) => {
                "check the snapshot (`mig snapshot status --deep-check`), then run the same command again"
            }
            Self::Work(error) => return error.help(),
            Self::SetAside { .. } => {
                "everything else is done and stays; check the snapshot (`mig snapshot status --deep-check`), then run the same command \
                 again: it tries these again"
            }
            Self::Failed { .. } => "check the file system, then run the same command again",
            Self::Count { .. } | Self::Lost { .. } | Self::Worker(_) => {
                "the load is not finished by that; please report it with the segment's name"
            }
        }
        .to_owned()
    }
}
