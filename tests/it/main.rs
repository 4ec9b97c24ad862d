//! Tests of the public surface that need no network.

mod plan;
mod reader;
mod snapshot;
