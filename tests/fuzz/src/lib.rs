//! The parts of the package that read what others wrote, by themselves: without the clients, the phases and the command
//! line, the targets build in a fraction of the time.
#![allow(dead_code, unreachable_pub, reason = "parts of a whole")]

#[path = "../../../src/base/mod.rs"]
pub mod base;
#[path = "../../../src/diff/mod.rs"]
pub mod diff;
#[path = "../../../src/graph/mod.rs"]
pub mod graph;
#[path = "../../../src/plan/mod.rs"]
pub mod plan;
#[path = "../../../src/state/mod.rs"]
pub mod state;

#[path = "../../../src/clients"]
pub mod clients {
    //! What the readers of snapshots read from.

    pub mod objects;
}

#[path = "../../../src/engines"]
pub mod engines {
    //! The readers.

    pub mod lucene;
    pub mod snapshot;
}
