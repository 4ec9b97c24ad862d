//! The board: where operators and processes of a fleet leave word for each other.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::beat::Beat;
use super::control::Control;
use super::tally::Tally;
use crate::clients::target::TargetError;

/// What the coordinator gives out. Workers take items of these indices and of no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Brief {
    /// The coordinator's id.
    pub by: String,
    /// Grows with each turn, over all coordinators.
    pub serial: u64,
    /// Whether there is something to take.
    pub turn: Turn,
    /// The indices of this turn by the source's name, with the uuid that each has to have on the target.
    pub indices: BTreeMap<String, Option<String>>,
}

impl Brief {
    /// What is given out next.
    pub(super) fn after(
        last: Option<&Self>,
        by: &str,
        turn: Turn,
        indices: &BTreeMap<String, Option<String>>,
    ) -> Self {
        Self {
            by: by.to_owned(),
            serial: last.map_or(0, |last| last.serial) + 1,
            turn,
            indices: indices.clone(),
        }
    }
}

/// Whether there is something to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// The indices are being made ready, or put in order after a turn.
    Preparing,
    /// The items of the indices are to be loaded.
    Loading,
    /// All is loaded.
    Done,
}

/// Why a board can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// The file system.
    #[error("board {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// What is there can't be read.
    #[error("board {}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The target that it is kept on.
    #[error("board: {0}")]
    Target(#[from] TargetError),
    /// Others change the control all the time.
    #[error("board: it is changed by others all the time; it was tried {tries} times")]
    Contended {
        /// How often.
        tries: usize,
    },
}

impl BoardError {
    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Self::Target(error) => error.help(),
            Self::Io { .. } => "check the file system, then run the same command again".into(),
            Self::Corrupt { .. } => {
                "move that file away: it holds nothing but what operators asked for, and no progress".into()
            }
            Self::Contended { .. } => "run the same command again".into(),
        }
    }
}

/// A change of the control.
pub type Change<'c> = dyn FnMut(&mut Control) + 'c;

/// A change of the tally; says whether there is anything to write.
pub type ChangeTally<'c> = dyn FnMut(&mut Tally) -> Result<bool, BoardError> + 'c;

/// See the module.
pub trait Board: Send + Sync {
    /// What the clock at the board's place says: all times on a board are of it.
    fn now(&self) -> Timestamp;

    /// What an operator wants.
    fn control(&self) -> Result<Control, BoardError>;

    /// Changes what is wanted, on top of what others changed meanwhile; `by` says who does.
    fn change(&self, by: &str, change: &mut Change<'_>) -> Result<Control, BoardError>;

    /// What is given out; `None` before anything was.
    fn brief(&self) -> Result<Option<Brief>, BoardError>;

    /// Gives out. The serial is set here.
    fn give_out(
        &self,
        by: &str,
        turn: Turn,
        indices: &BTreeMap<String, Option<String>>,
    ) -> Result<(), BoardError>;

    /// What processes did that are gone.
    fn tally(&self) -> Result<Tally, BoardError>;

    /// Changes it, on top of what others changed meanwhile: the change is made again to what was read since.
    fn change_tally(&self, change: &mut ChangeTally<'_>) -> Result<Tally, BoardError>;

    /// Says something of a process; last words only where it said something before.
    fn say(&self, beat: &Beat) -> Result<(), BoardError>;

    /// Removes what a process said, unless it said something else since.
    fn forget(&self, beat: &Beat) -> Result<(), BoardError>;

    /// What all processes said last.
    fn beats(&self) -> Result<Vec<Beat>, BoardError>;

    /// Removes what is given out and what processes said and did; what an operator wants stays.
    fn clear(&self) -> Result<(), BoardError>;

    /// Removes all of it.
    fn remove(&self) -> Result<(), BoardError>;
}
