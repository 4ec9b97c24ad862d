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
    /// The board beside it.
    #[error(transparent)]
    Board(#[from] crate::engines::bulk::fleet::BoardError),
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
    #[error("work store {}: it has schema {found}, this mig reads {}", path.display(), super::SCHEMA_VERSION)]
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
    /// A worker came before the coordinator.
    #[error("work store {}: `{work}` of plan `{plan}` was not begun", path.display())]
    NotBegun {
        /// Where it would be.
        path: PathBuf,
        /// The plan.
        plan: String,
        /// The phase.
        work: String,
    },
    /// The store was removed, or made anew, while it was being worked from.
    #[error("work store {}: it was removed meanwhile", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// A worker has other work in mind than the coordinator.
    #[error("work store {}: the coordinator works with {what} {there}, this worker has {here}", path.display())]
    Differs {
        /// The store.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As it stands in the store.
        there: String,
        /// As this process has it.
        here: String,
    },
    /// The store is worked on by another version of mig.
    #[error(
        "work store {}: its coordinator is mig {found}, this is mig {}",
        path.display(), env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// The store.
        path: PathBuf,
        /// The coordinator's.
        found: String,
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

impl WorkError {
    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Self::Target(error) => return error.help(),
            Self::Board(error) => return error.help(),
            Self::Schema { .. } => {
                "go on with the mig that wrote it, or give its progress up: `mig rollback` with that mig takes back what was loaded, then \
                 this one begins anew"
            }
            Self::Other { .. } => {
                "give the plan another name, or take back the other plan's work (`mig rollback` with its state)"
            }
            Self::NotBegun { .. } => {
                "start `mig apply` first; a worker helps once documents are being loaded"
            }
            Self::Differs { .. } => {
                "give the worker the plan that `mig apply` runs, with the same variables, scripts and snapshot"
            }
            Self::Version { .. } => {
                "run one version of mig everywhere: stop this process and start it with the coordinator's"
            }
            Self::Gone { .. } => {
                "another run reset the backfill; run the same command again to work on what is there now"
            }
            Self::Locked { .. } => "wait for the other process, or stop it",
            Self::TooMany { .. } => "make the work items larger, or load the indices in several plans",
            _ => "run the same command again; if it comes back, reset the backfill",
        }
        .to_owned()
    }
}
