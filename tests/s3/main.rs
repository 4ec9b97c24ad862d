//! Snapshots and states in S3, on a real S3 server (`versitygw`) with a proxy of our own in front that breaks things.
//!
//! `./test` installs the server; `MIG_VERSITYGW` names another one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test they help"
)]

/// Documents in memory and loads of them: the same as for the tests without network.
#[path = "../it/bulk_support.rs"]
#[allow(dead_code, reason = "shared with another test binary")]
mod bulk_support;
mod check;
mod credentials;
mod failed;
mod faults;
mod gateway;
/// A place to run the binary in: the same as for the tests without network.
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with another test binary")]
mod place;
#[allow(dead_code, reason = "shared with another test binary")]
mod proxy;
mod reading;
mod state;

/// A file that nobody lists would never run.
#[test]
fn no_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3");
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name != "main" {
            assert!(
                listed.contains(&format!("mod {name};\n")),
                "main.rs does not list {name}"
            );
        }
    }
}
