//! Real servers for tests.
//!
//! [`elasticsearch`], [`opensearch2`] and [`opensearch3`] are started when first asked for and shared by all tests of the
//! binary: a test takes a [`Scope`], gives everything names of it, and it removes them at the end. A test that kills or
//! stops a server takes one of its own: [`Server::start`].
//!
//! Servers are stopped however the tests end. A guard waits for the end of this process at a pipe and then runs
//! `mig sandbox down`; what a killed guard left is swept up by the next run.

mod scope;
mod secured;
mod server;

pub(crate) use scope::{Scope, place};
pub(crate) use secured::{Secured, secured};
pub(crate) use server::{Options, Server, elasticsearch, opensearch2, opensearch3};
