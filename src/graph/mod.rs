//! The compiler: from a resolved plan to a graph of phases in one certain order, each edge with its reason.
//!
//! Pure: no IO, no clock. Relies on `plan` and petgraph. Deliberately absent: what is up to date (that is `diff`'s), and
//! how a graph looks (that is `ui`'s).

mod chains;
pub mod compile;
mod cycles;
mod edges;
mod invariants;
pub mod model;
pub mod overlap;
pub mod rank;

pub use compile::compile;
pub use model::{Edge, EdgeReason, Graph};
