//! Tests of the public surface that need no network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test they help"
)]

mod bulk;
mod bulk_fixtures;
mod bulk_support;
mod bulk_work_store;
mod diff;
mod export;
mod graph;
mod plan;
mod reader;
mod render;
mod sample;
mod snapshot;
mod target_directory;
mod verify;
