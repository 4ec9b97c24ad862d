//! The bulk engine: moves the documents of a [`DocumentSource`] into a target, exactly once as far as the target allows,
//! and resumable after a kill at any instant.
//!
//! The way in is [`run`]. Workers take items from a [`work_store::WorkStore`], read them in steps, pass each document
//! through a [`Transform`], gather batches by bytes, and write them as the item's part on the target. A checkpoint makes
//! the part durable first and notes the cursor afterwards; resuming cuts the part back to what was noted. What can't be
//! written goes to the stream of failed documents ([`failed`]), and the rest goes on.
//!
//! Relies on `clients::target` and `base`. Deliberately absent: plans, state, and the decision whether to write at all.

mod budget;
mod crew;
pub mod delta;
pub mod failed;
pub mod figures;
pub mod fleet;
mod heat;
mod item;
mod job;
pub mod joined;
pub mod meter;
mod open_segments;
mod pipeline;
mod rendering;
pub mod retry;
mod segments;
pub mod snapshot_source;
pub mod source;
mod steering;
#[cfg(test)]
mod steering_tests;
mod stop;
mod transform;
pub mod typed_source;
pub mod work_store;
mod worker;

pub use budget::{Budget, Rates};
pub use crew::{Alone, Crew};
pub use figures::{Figures, Gauges, Latency};
pub use job::{
    BulkError, BulkOutcome, BulkProgress, IndexOutcome, ItemSetAside, Job, Options, Part, limits,
};
pub use meter::{Measured, Meter};
pub use pipeline::{register, run, run_with};
pub use rendering::{Beside, SourceRule};
pub use source::{Change, DocumentSource};
pub use steering::limits as steering_limits;
pub use stop::{Stop, StopFn};
pub use transform::{DocumentView, Identity, Scratch, Transform, Transformed};
