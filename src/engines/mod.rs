//! The engines that do the work: they read snapshots, translate metadata, change, move and prove documents.
//!
//! Engines know nothing of plans and of state.

pub mod bulk;
pub mod lucene;
pub mod mapping_types;
pub mod metadata;
pub mod reconstruct;
pub mod restore;
pub mod snapshot;
pub mod transform;
pub mod verify;
