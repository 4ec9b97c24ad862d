//! `mig`: a declarative plan executor for search-cluster migrations. This page is the code map; `ARCHITECTURE.md`
//! gives the invariants.
//!
//! Top down: `cli` parses arguments and calls `apply`, which drives `phases` in the order that `graph` compiled from a
//! `plan` and that `diff` compared with what was observed; `state` remembers; `engines` do the work on `clients`;
//! `ui` renders typed values; `base` holds leaf types. `sandbox` runs real servers to try a plan on; `serve` listens.

pub mod apply;
pub mod base;
pub mod cli;
pub mod clients;
pub mod diff;
pub mod engines;
pub mod graph;
pub mod phases;
pub mod plan;
pub mod sandbox;
pub mod serve;
pub mod state;
pub mod ui;
