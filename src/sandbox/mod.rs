//! Real servers on this machine without containers: official distributions as child processes on loopback.
//!
//! `mig sandbox` gives users clusters to try a plan on; the tests on real clusters start theirs by the same code. A sandbox is
//! a directory with a folder a node ([`Node`]) and one for snapshot repositories. Each node's record is written before
//! its process starts, so that whoever comes later, after a crash too, can find and end what runs. Distributions and
//! Java runtimes stand unpacked in a cache ([`places`]) and are never written to by a server.
//!
//! Relies on `clients` for talking to servers. Deliberately absent: plans, and anything that a production cluster needs.

mod archive;
pub mod catalogue;
mod configuration;
mod error;
mod java;
mod module;
mod node;
pub mod places;
mod ports;
pub mod process;
mod record;
pub mod sample;
#[allow(clippy::module_inception)] // the thing that the module is named for
mod sandbox;
mod user;

pub use catalogue::Server;
pub use error::SandboxError;
pub use node::{Node, NodeSpec, Plugin, Presence, Started};
pub use sandbox::Sandbox;

/// Limits with names.
pub mod limits {
    use std::time::Duration;

    /// The longest that a server may take until it answers.
    pub const START: Duration = Duration::from_mins(4);
    /// Between two looks at a server that starts or stops.
    pub const POLL: Duration = Duration::from_millis(200);
    /// The longest that a look at a running server may take.
    pub const ANSWER: Duration = Duration::from_secs(5);
    /// The longest that a server may take to end by itself.
    pub const STOP: Duration = Duration::from_secs(30);
    /// The longest that the system may take to end a killed process.
    pub const KILL: Duration = Duration::from_secs(15);
    /// How much of a log is shown when a server does not start.
    pub const LOG_TAIL_BYTES: u64 = 4000;
    /// The largest file that is unpacked from a distribution.
    pub const UNPACKED_FILE_BYTES: u64 = 1 << 30;
    /// The most files that a distribution may have.
    pub const UNPACKED_FILES: usize = 100_000;
}
