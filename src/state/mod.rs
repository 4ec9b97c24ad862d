//! What `mig` remembers: an append-only journal written before each side effect is the truth, the state is derived.
//!
//! Relies on `base` and on the phase kinds' names of `plan`. Deliberately absent: what to write when (only the dispatcher
//! of `apply` decides that), and the progress of documents, which lives in the work store beside the documents.

mod artifacts;
pub mod error;
mod fold;
#[cfg(fuzzing)]
pub mod fuzzing;
mod journal;
mod local;
mod local_artifacts;
mod lock;
pub mod model;
mod open;
mod remote;
pub mod store;

pub use artifacts::Artifacts;
pub use error::StateError;
pub use journal::{JournalLine, Notice};
pub use open::{adopt_entries, new_state, open};
pub use store::{Holder, LoadedState, LockedState, StateStore};
