//! The work store: which work items there are, who holds them, and how far each is. Progress of documents lives here and
//! nowhere else.
//!
//! A store belongs to one piece of work, named by [`WorkIdentity`]; one that another plan, state or tool left is
//! recognised by its header and never touched. A worker takes an item by [`WorkStore::acquire`] and gets a [`Lease`] with
//! a fencing number; every later call with an older number is refused with [`WorkError::Fenced`], so that a worker that
//! wakes late can't say anything any more. [`local`] keeps it in an append-only log beside a directory target, [`index`]
//! in an index on a target cluster.
//!
//! Leases end by the store's own clock ([`WorkStore::now`]): a server's, where several processes work from one store. An
//! item that can't be done, or that nobody comes further with, is set aside, so that the rest goes on; it is tried again
//! when a coordinator opens the store anew. Deliberately absent: what an item means.

mod error;
pub mod index;
mod items;
pub mod local;
mod log;
#[cfg(test)]
mod simulation;
mod table;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::Fingerprint;
use crate::clients::target::PartMark;
use crate::diff::observation::WorkFacts;

pub use error::WorkError;
pub use index::IndexWorkStore;
pub use items::{ItemKey, ItemProgress, ItemSpec, ItemState, ItemStatus, Retried};
pub use local::LocalWorkStore;
pub(super) use local::stem;

/// The schema of what a store keeps. One of [`SCHEMA_BEFORE`] is taken over when a coordinator opens it; others are refused.
pub const SCHEMA_VERSION: u32 = 2;
/// The schema before: it had neither tries nor items set aside, and each process had leases by its own clock.
pub const SCHEMA_BEFORE: u32 = 1;
/// What a coordinator's holders begin with: there is one at a time, so these leases end with its successor.
pub const COORDINATOR: &str = "apply-";
/// What the holders of other processes begin with: they end by time alone.
pub const WORKER: &str = "worker-";
/// Takings of an item without its cursor moving after which nobody takes it any more.
pub const TRIES_WITHOUT_PROGRESS: u32 = 5;

/// Whose work it is. All of it stands in the store's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkIdentity {
    /// The plan's name.
    pub plan: String,
    /// The lineage of the plan's state.
    pub lineage: String,
    /// The phase's address, or any other name that is unique within the plan.
    pub work: String,
    /// The snapshot that is read.
    pub snapshot_uuid: String,
    /// Of everything else that makes it another work when it changes (indices, transforms, versions kept or dropped).
    pub digest: Fingerprint,
}

/// A short name for a pair of names: of the documents and files of a plan's work.
fn short(plan: &str, work: &str) -> String {
    let hash = Fingerprint::of(&(plan, work));
    hash.as_str().get(..16).unwrap_or_default().to_owned()
}

/// What the ids of a work's documents begin with.
pub(super) fn documents_of(plan: &str, work: &str) -> String {
    format!("work:{}", short(plan, work))
}

/// An item that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// The item.
    pub item: ItemSpec,
    /// Grows with every taking of the item: the fence.
    pub attempt: u64,
    /// How far earlier holders came.
    pub progress: ItemProgress,
}

/// What a worker that asks for an item gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Acquired {
    /// An item.
    Lease(Box<Lease>),
    /// All that is left is held by others; the first of these leases ends then.
    Wait(Timestamp),
    /// Nothing is left to do: all items are done or set aside.
    Finished,
}

/// As what a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It has the lock of the plan's state: it begins the store, registers items, frees what coordinators before it held, and
    /// lets what was set aside be tried again.
    Coordinator,
    /// One of any number beside the coordinator: it works on what is there.
    Worker,
}

/// Leases over work items.
pub trait WorkStore: Send + Sync {
    /// Whose work it is.
    fn identity(&self) -> &WorkIdentity;

    /// Now, by the clock that leases end by. Cheap: asks nobody most of the time.
    fn now(&self) -> Timestamp;

    /// Puts in the items that are not there yet; items that are there stay as they are. Returns how many were new.
    fn register(&self, items: &[ItemSpec]) -> Result<u64, WorkError>;

    /// From now on [`Self::acquire`] gives items of these indices alone.
    fn limit_to(&self, indices: BTreeSet<String>) -> Result<(), WorkError>;

    /// Takes a free item for `holder` until `expires`; both times by one reading of [`Self::now`]. Where that may be a
    /// server's clock that becomes known only later, the time between them counts, here and at checkpoints.
    fn acquire(
        &self,
        holder: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Acquired, WorkError>;

    /// Notes progress of a held item, durably, and lengthens the lease.
    fn checkpoint(
        &self,
        lease: &Lease,
        progress: &ItemProgress,
        expires: Timestamp,
    ) -> Result<(), WorkError>;

    /// Notes that an item is done, durably.
    fn complete(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError>;

    /// Gives an item back with its progress, so that another can take it.
    fn release(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError>;

    /// Notes that an item can't be done, durably: nobody takes it until a coordinator opens the store anew. Its last
    /// checkpoint stands.
    fn set_aside(&self, lease: &Lease, reason: &str) -> Result<(), WorkError>;

    /// The other items of an item's segment, where all of them are done; `None` while some are open. What others hold is read
    /// again for it where none of them is this process's: of two processes that do the last two items at once, neither may
    /// see all.
    fn rest_of_segment(&self, item: &ItemKey) -> Result<Option<Vec<ItemState>>, WorkError>;

    /// Notes, durably, what became of documents of an item that failed before. Refused where somebody holds the item, or its
    /// progress is not `before` any more.
    fn amend(
        &self,
        item: &ItemKey,
        before: &ItemProgress,
        progress: &ItemProgress,
    ) -> Result<(), WorkError>;

    /// Makes items of an index as if they had never been begun (all indices where `None`).
    fn reset(&self, index: Option<&str>) -> Result<u64, WorkError>;

    /// Whether nothing is left to take or held, as far as one look tells.
    fn finished(&self) -> Result<bool, WorkError>;

    /// All items, in the order in which they were registered.
    fn items(&self) -> Result<Vec<ItemState>, WorkError>;

    /// In sum.
    fn facts(&self) -> Result<WorkFacts, WorkError>;
}
