//! Tests of the public surface that need no network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test they help"
)]

mod export;
mod plan;
mod reader;
mod snapshot;
