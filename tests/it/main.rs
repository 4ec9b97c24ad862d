//! Tests of the public surface that need no network.

mod snapshot;
