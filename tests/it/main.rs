//! Tests of the public surface that need no network. One binary: one link.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test they help"
)]

mod altered_shop;
mod apply;
mod architecture;
mod backfill_commands;
mod backfill_failed;
mod backfill_stop;
mod bulk;
mod bulk_fixtures;
mod bulk_retry;
mod bulk_support;
mod bulk_work_store;
mod check;
mod cli;
mod client;
mod composed;
mod crash;
mod delta;
mod diff;
mod dispatch;
mod documents;
mod exit_codes;
mod export;
mod exposition;
mod fake_server;
mod flips;
mod graph;
mod hops;
mod init;
mod metrics;
mod old_repositories;
mod phases;
mod plan;
mod planning_codes;
mod plans_of_versions;
mod reader;
mod reader_old;
mod readme;
mod rebuild;
mod render;
mod report;
mod sample;
mod segment_memory;
mod snapshot;
mod state;
mod streams;
mod support;
mod target_directory;
mod terminal;
mod transforms;
mod transforms_reach;
mod translation;
mod types;
mod verify;
mod versions;
mod wide;
mod without_source;

/// A file that nobody lists would never run.
#[test]
fn no_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_module = path.is_dir() && path.join("mod.rs").exists()
            || path.extension().is_some_and(|extension| extension == "rs");
        if is_module && name != "main" {
            assert!(
                listed.contains(&format!("mod {name};\n")),
                "main.rs does not list {name}"
            );
        }
    }
}
