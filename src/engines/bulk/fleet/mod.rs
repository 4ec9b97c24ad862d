//! The fleet of a load: all processes that work from one work store, what an operator asks of them, and what they say of
//! themselves.
//!
//! A [`Board`] stands beside the work store and is read and written without its lock: [`Control`] is what an operator
//! wants (how many workers, a pause, a stop, other limits), [`Brief`] is what the coordinator of the load gives out now,
//! and a [`Beat`] is what each process says of itself every few seconds. [`muster()`] sums up the beats; [`share`] says how
//! many workers each process runs; the [`Tally`] keeps what processes measured that are gone. Who holds an item is decided by the leases of the work store alone: a board that is late
//! or lost costs time and never a document.
//!
//! Deliberately absent: leases, documents, plans.

mod beat;
mod board;
mod control;
mod index;
mod local;
mod member;
mod muster;
mod tally;

pub use super::work_store::Role;
pub use beat::{Beat, Counts, Doing};
pub use board::{Board, BoardError, Brief, Change, ChangeTally, Turn};
pub use control::{Control, Limits};
pub use index::IndexBoard;
pub use local::LocalBoard;
pub use member::{Heard, Joining, Member};
pub use muster::{Muster, muster, part, share};
pub use tally::{Gone, Tally, bury};

/// Limits with names.
pub mod limits {
    use std::time::Duration;

    /// Time between two beats of a process.
    pub const BEAT_EVERY: Duration = Duration::from_secs(3);
    /// Time between two looks at the board.
    pub const LOOK_EVERY: Duration = Duration::from_secs(2);
    /// A process counts for so long among those that share a rate, after it came or worked, or something else was asked of all:
    /// longer than what it does takes to be heard.
    pub const BEGINS_FOR: Duration = Duration::from_secs(10);
    /// A process that was silent for so long is taken for lost: its leases end by themselves.
    pub const LOST_AFTER: Duration = Duration::from_secs(15);
    /// How long a process that ends waits until its last words stand on the board.
    pub const LEAVE_WITHIN: Duration = Duration::from_secs(5);
    /// How long one who leads waits at the end of a load until the others told what they measured.
    pub const LAST_WORDS_WITHIN: Duration = Duration::from_secs(10);
    /// Processes that are gone whose figures are kept by name; those of more are summed up.
    pub const GONE_BY_NAME: usize = 200;
    /// Beats of lost processes are kept for so long, so that an operator sees them.
    pub const FORGET_AFTER: Duration = Duration::from_mins(15);
    /// Time between two questions for the clock of the board's place.
    pub const CLOCK_FOR: Duration = Duration::from_mins(5);
    /// Times that a refused change of the control, or of the tally, is tried again with what was read since.
    pub const CHANGE_TRIES: usize = 20;
}
