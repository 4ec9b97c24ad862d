//! Whole runs on real servers, which `mig::sandbox` starts: see `support`. One binary, so that each server starts once.
//!
//! `MIG_TEST_SERVERS="elasticsearch:7.10.2=http://127.0.0.1:9200,opensearch:2.19.1=…"` uses servers that run already, with
//! `MIG_TEST_REPOSITORIES` as the directory that all of them have in `path.repo`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test they help"
)]

mod backfill;
mod backfill_faults;
mod check;
mod commands;
mod corpus;
mod delta;
mod errors;
/// Figures of a run: the same as for the tests without network.
#[path = "../it/exposition.rs"]
mod exposition;
mod failed;
mod fleet;
mod hop_corpus;
mod hops;
mod kills;
mod leases;
mod limits;
mod load;
mod matrix;
mod metadata;
mod metrics;
mod objects;
mod other_objects;
mod pairs;
/// A place to run the binary in: the same as for the tests without network.
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with another test binary")]
mod place;
mod probe;
/// Faults between `mig` and a server: the same as for stores.
#[path = "../s3/proxy.rs"]
#[allow(dead_code, reason = "shared with another test binary")]
mod proxy;
mod reset;
mod restore;
mod s3;
mod sandbox;
mod secured;
mod sight;
mod smoke;
mod snapshot;
mod steering;
mod storm;
mod streams;
#[allow(dead_code, unused_imports, reason = "helpers for tests to come")]
mod support;
mod transforms;
mod types;
mod verify;
mod whole;
mod without_source;

/// A file that nobody lists would never run.
#[test]
fn no_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clusters");
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // What outputs have to be stands beside the tests.
        if !["main", "snapshots"].contains(&name.as_str()) {
            assert!(
                listed.contains(&format!("mod {name};\n")),
                "main.rs does not list {name}"
            );
        }
    }
}
