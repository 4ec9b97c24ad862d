//! The compiler: from a resolved plan to a graph of phases in one certain order, each edge with its reason.
//!
//! Pure: no IO, no clock. Relies on `plan` and petgraph. Deliberately absent: what is up to date (that is `diff`'s).

pub mod model;
