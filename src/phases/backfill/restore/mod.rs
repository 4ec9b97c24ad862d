//! Indices of a backfill that the target restores from the snapshot by itself, where the plan's `strategy` asks for that.
//!
//! ```text
//! look        what is observed: by whom indices were made, where the target's differ, whether it reaches the store
//! choose      which way each index takes, with the reasons; pure
//! tell        how that is shown
//! repository  the store as a repository of the target, read-only and for the time of the phase
//! perform     asks for restores, waits for them and counts what came
//! ```
//!
//! The metadata phase makes every index as ever, and a restore goes over the empty index, so that everything else (aliases, settings that are
//! held back, proofs, rollbacks) is as with documents that were written. Deliberately absent: the calls (`clients::target::cluster::restore`), and
//! what versions can do (`engines::restore`).

mod choose;
mod look;
mod perform;
mod repository;
mod tell;

pub(super) use choose::{Way, Ways, at_perform, ways};
pub(super) use look::marks;
pub(super) use look::{Course, Whose, courses, ground, is_at_work};
pub(super) use perform::{Restored, Restores, stopped};
pub(super) use repository::{try_out, undo};
pub(super) use tell::{Told, note, questions};
