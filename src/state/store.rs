//! What a place for the state can do. A directory is one, a bucket another.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::artifacts::Artifacts;
use super::error::StateError;
use super::journal::{JournalLine, Notice};
use super::model::{Entry, State};

/// A place for the state of one plan.
pub trait StateStore: Send + Sync {
    /// For messages.
    fn location(&self) -> String;

    /// Reads without a lock and writes nothing. `None`: there is no state yet.
    fn load(&self) -> Result<Option<LoadedState>, StateError>;

    /// Takes the lock, for at most `wait`, and reads. `waiting` is called once when somebody else holds it.
    fn lock(
        &self,
        holder: &Holder,
        wait: Duration,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Box<dyn LockedState>, StateError>;

    /// What is kept beside the journal.
    fn artifacts(&self) -> Box<dyn Artifacts>;
}

/// A state that this process may change; dropping it frees the lock.
pub trait LockedState: Send {
    /// What was read and appended so far; the default value while there is no state.
    fn state(&self) -> &State;

    /// What was noticed while reading.
    fn notices(&self) -> &[Notice];

    /// Writes an entry durably; when this returns, it survives a crash.
    fn append(&mut self, at: Timestamp, entry: &Entry) -> Result<(), StateError>;
}

/// A state as it was read.
#[derive(Clone, Debug, Default)]
pub struct LoadedState {
    /// The derived state.
    pub state: State,
    /// The journal that it is derived from.
    pub lines: Vec<JournalLine>,
    /// What was noticed.
    pub notices: Vec<Notice>,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its host.
    pub host: String,
    /// Its user.
    pub who: String,
    /// What it does: `apply`, `approve`, …
    pub operation: String,
    /// Since when.
    pub since: Timestamp,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`mig {}` of {}, process {} on {}, since {}",
            self.operation, self.who, self.pid, self.host, self.since
        )
    }
}
