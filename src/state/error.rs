//! Why the state can't be used. Each text says what, where and how to mend.

use std::path::PathBuf;

use super::store::Holder;

/// Why the state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process holds the lock.
    #[error("the state is locked by {holder}")]
    Locked {
        /// Who holds it.
        holder: Box<Holder>,
        /// The lock file.
        path: PathBuf,
    },
    /// A file of the state can't be read or written.
    #[error("can't {what} {}: {source}", path.display())]
    Io {
        /// `read`, `write to`, …
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The journal is damaged elsewhere than at its end.
    #[error("the journal is damaged: {}, line {line}: {problem}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The journal is gone, and what was derived from it is still there.
    #[error("the journal is gone: {} exists, {} does not", state.display(), journal.display())]
    JournalGone {
        /// The derived state.
        state: PathBuf,
        /// The journal.
        journal: PathBuf,
    },
    /// Written by a later version of `mig`.
    #[error(
        "{} has format {found}; this mig reads formats up to {known}",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The state is another plan's.
    #[error("the state in {location} belongs to the plan `{found}`, this plan is `{wanted}`")]
    OtherPlan {
        /// Where the state is.
        location: String,
        /// The plan that it belongs to.
        found: String,
        /// The plan at hand.
        wanted: String,
    },
    /// No place for a state.
    #[error("`{location}` is no place for a state: it {problem}")]
    BadLocation {
        /// As the plan has it, without what may be secret.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A bucket with the state can't be read or written.
    #[error("the state in {location}: {source}")]
    Remote {
        /// Where the state is.
        location: String,
        /// What, where, why and how to mend it.
        source: std::io::Error,
    },
    /// An object of a state in a bucket is not what a `mig` wrote.
    #[error("{object} is damaged, or is no part of a state: {problem}")]
    DamagedObject {
        /// `s3://bucket/key`
        object: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process holds the state by now: this one was stopped or cut off for longer than its lease ran.
    #[error(
        "this run lost the state in {location}: it gave no sign of life for longer than its lease, and it was taken over{}",
        holder.as_ref().map_or_else(String::new, |holder| format!(" by {holder}"))
    )]
    LeaseLost {
        /// Where the state is.
        location: String,
        /// Who has it, where that is known.
        holder: Option<Box<Holder>>,
    },
}

impl StateError {
    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Self::Locked { path, .. } if path.starts_with("s3:") => format!(
                "wait with `--lock-timeout 10m`, or end that process: its lease ({}) is free {} s after its last sign of life",
                path.display(),
                super::remote::LEASE_TERM.as_secs()
            ),
            Self::Locked { path, .. } => format!(
                "wait with `--lock-timeout 10m`, or end that process; the lock ({}) goes with it",
                path.display()
            ),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "make room on that disk, then run `mig apply` again: it goes on where it stopped".into()
                }
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    "give this user write access there, or choose another place with `state:` in the plan".into()
                }
                _ => "see that the path of `state:` in the plan is a directory this user can use".into(),
            },
            Self::Damaged { path, line, .. } => format!(
                "restore the file from a backup, or keep its first {kept} lines \
                 (`head -n {kept} {path} > {path}.mended`, then put it in place): what the lines after them \
                 said is found again by looking at the stores and targets",
                kept = line - 1,
                path = path.display()
            ),
            Self::JournalGone { journal, state } => format!(
                "restore {}, or move {} away as well: mig then adopts what it finds on the targets",
                journal.display(),
                state.display()
            ),
            Self::TooNew { .. } => "use the mig that wrote it, or a newer one".into(),
            Self::OtherPlan { .. } => {
                "give each plan its own `state:`; if the plan was renamed, give it its old name back".into()
            }
            Self::BadLocation { .. } => {
                "write a directory, or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`".into()
            }
            Self::Remote { .. } => {
                "when that is mended, run `mig apply` again: it goes on where it stopped".into()
            }
            Self::DamagedObject { .. } => {
                "restore that object from a version or a copy of the bucket; or move the whole prefix away: mig then \
                 adopts what it finds on the targets"
                    .into()
            }
            Self::LeaseLost { .. } => {
                "let the other run end (`mig status` tells how far it is); nothing that this run did is lost".into()
            }
        }
    }
}
