//! What can be wrong with a work store.

use std::io;
use std::path::PathBuf;

use super::WorkIdentity;

/// Why a work store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The file system.
    #[error("work store {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The target that it is kept on.
    #[error("work store: {0}")]
    Target(#[from] crate::clients::target::TargetError),
    /// Another process has it.
    #[error("work store {}: in use by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Bytes before the tail that are not what was written.
    #[error("work store {} at byte {offset}: {what}", path.display())]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What.
        what: String,
    },
    /// A store of another schema.
    #[error("work store {}: schema {found}, this mig reads {}", path.display(), super::SCHEMA_VERSION)]
    Schema {
        /// The log.
        path: PathBuf,
        /// As it stands there.
        found: u32,
    },
    /// A store of other work.
    #[error(
        "work store {}: belongs to `{}` of plan `{}` (lineage {}, snapshot {})",
        path.display(), found.work, found.plan, found.lineage, found.snapshot_uuid
    )]
    Other {
        /// The log.
        path: PathBuf,
        /// Whose it is.
        found: Box<WorkIdentity>,
    },
    /// The lease was taken by another in between.
    #[error("work item {item}: attempt {held} was overtaken by attempt {current}")]
    Fenced {
        /// The item.
        item: String,
        /// The number that the worker holds.
        held: u64,
        /// The number in force.
        current: u64,
    },
    /// An item that was never registered, or stands there with another range.
    #[error("work item {item}: {what}")]
    Item {
        /// The item.
        item: String,
        /// What.
        what: String,
    },
    /// An earlier append failed: what is on disk is no longer known, so nothing more is written.
    #[error("work store {}: an earlier write failed; open it again", path.display())]
    Broken {
        /// The log.
        path: PathBuf,
    },
    /// More items than a store takes.
    #[error("{items} work items, a work store takes {limit}: use larger items")]
    TooMany {
        /// Wanted.
        items: usize,
        /// The limit.
        limit: usize,
    },
}
