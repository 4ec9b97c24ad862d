//! What can be wrong with a target. Every text says what and where; [`TargetError::help`] says how to mend it.
//!
//! Deliberately absent: recovery. Nothing is removed or overwritten to get past an error.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clients::cluster::ClusterError;

/// Why a target can't be used or does not take what it is given.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The directory holds what `mig` did not put there.
    #[error("{}: the directory holds `{found}`, which is no part of a mig target", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The first foreign name.
        found: String,
    },
    /// Nothing has been made there yet.
    #[error("{}: no mig target there yet", path.display())]
    NotPrepared {
        /// The directory.
        path: PathBuf,
    },
    /// The target was made for another version.
    #[error("{}: made for {found}, the plan says {wanted}", path.display())]
    OtherVersion {
        /// The directory.
        path: PathBuf,
        /// Of the marker.
        found: String,
        /// Of the plan.
        wanted: String,
    },
    /// No permission, or a read-only file system.
    #[error("{}: can't be written: {source}", path.display())]
    NotWritable {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file system or the quota is full. What was durable before stays.
    #[error("{}: no space left: {source}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Any other failure of input or output.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file of the target does not hold what it should.
    #[error("{}{}: expected {expected}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where there are lines.
        line: Option<u64>,
        /// What should stand there.
        expected: String,
    },
    /// Documents for an index that does not exist: a target never makes one by itself.
    #[error("{location}: no index `{index}`")]
    NoIndex {
        /// The target.
        location: String,
        /// The index.
        index: String,
    },
    /// The data stream gives its documents to another generation.
    #[error(
        "{location}: data stream `{stream}` has {found} generations, and documents of generation {wanted} are to be written"
    )]
    OtherGeneration {
        /// The target.
        location: String,
        /// The stream.
        stream: String,
        /// The generation that is loaded.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// The index was made anew in between.
    #[error(
        "{location}: index `{index}` has uuid {found}, not {wanted}: it was made anew in between"
    )]
    OtherIndex {
        /// The target.
        location: String,
        /// The index.
        index: String,
        /// As it is.
        found: String,
        /// As it was planned with.
        wanted: String,
    },
    /// The index that was being written to was removed or made anew meanwhile.
    #[error("{location}: index `{index}` was removed or made anew while it was being written to")]
    Replaced {
        /// The target.
        location: String,
        /// The index.
        index: String,
    },
    /// A closed index takes no documents.
    #[error("{location}: index `{index}` is closed")]
    ClosedIndex {
        /// The target.
        location: String,
        /// The index.
        index: String,
    },
    /// The index takes no writes.
    #[error(
        "{location}: index `{index}` takes no writes, for {} s now: {reason}",
        after.as_secs()
    )]
    Blocked {
        /// The target.
        location: String,
        /// The index.
        index: String,
        /// How long it was waited for.
        after: Duration,
        /// The server's words.
        reason: String,
    },
    /// The target can't take anything, for long.
    #[error("{location}: took nothing for {} s: {reason}", after.as_secs())]
    Unavailable {
        /// The target.
        location: String,
        /// How long it was waited for.
        after: Duration,
        /// The last words about it.
        reason: String,
    },
    /// Another writer has the part.
    #[error("{}: another worker is writing here", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A part is shorter than its mark, or holds something else up to it.
    #[error("{}: {found} bytes, {marked} were durable at the last checkpoint", path.display())]
    Shortened {
        /// The file.
        path: PathBuf,
        /// Bytes now.
        found: u64,
        /// Bytes at the checkpoint.
        marked: u64,
    },
    /// A cluster, or a call of it.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A partition has to be read again from its beginning: what was given of it does not count.
    #[error("{location}: {what}")]
    ReadAgain {
        /// The target.
        location: String,
        /// Where, and why.
        what: String,
    },
    /// A name or a body that the target can't hold.
    #[error("{location}: {what}")]
    Refused {
        /// The target.
        location: String,
        /// What, and why.
        what: String,
    },
}

impl TargetError {
    /// Sorts a failure of input or output by what the user can do about it.
    pub fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path, source }
            }
            _ => Self::Io { path, source },
        }
    }

    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Self::Cluster(error) => return error.help(),
            Self::Foreign { .. } => "give an empty or a new directory; nothing there was touched",
            Self::NotPrepared { .. } => "run the metadata phase first: it makes the target",
            Self::OtherVersion { .. } => {
                "set the cluster's `as:` back, or give another directory for the other version"
            }
            Self::NotWritable { .. } => {
                "give write permission to the user that runs mig, or mount the file system writable"
            }
            Self::Full { .. } => {
                "free space (or raise the quota) and run the same command again: it goes on at the last checkpoint"
            }
            Self::Io { .. } => "check the file system, then run the same command again",
            Self::Corrupt { .. } => {
                "the file was changed from outside; restore it, or redo the phase that writes it"
            }
            Self::NoIndex { .. } => "run the metadata phase first: it makes the index",
            Self::Replaced { .. } => {
                "plan again: what was planned rests on the index of before; nothing was written to another one"
            }
            Self::ClosedIndex { .. } => "open it, then run the same command again: it goes on where it was",
            Self::Blocked { .. } => {
                "lift the block (a full disk sets `index.blocks.read_only_allow_delete`), then run the same command again: it goes on where it was"
            }
            Self::Unavailable { .. } => {
                "look after the target, or lower `workers` and `limits`, then run the same command again: it goes on where it was"
            }
            Self::OtherGeneration { .. } => {
                "find out what rolls the stream over (a policy, a user) and stop it; then load the stream anew by `--redo` of the backfill"
            }
            Self::OtherIndex { .. } => "plan again: what was planned rests on the index of before",
            Self::Busy { .. } => "wait for the other worker, or stop it",
            Self::Shortened { .. } => {
                "the file was changed from outside; redo the backfill of this index"
            }
            Self::ReadAgain { .. } => "look at the server's log, then run the same command again",
            Self::Refused { .. } => "change the plan so that the target can hold it",
        }
        .to_owned()
    }
}
