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

/// Whether a long test is for today: of `of` such tests a run takes one, another one each day. `MIG_TEST_PART=n` chooses
/// it, `MIG_TEST_ALL=1` takes all.
pub(crate) fn is_its_day(number: u64, of: u64) -> bool {
    if std::env::var_os("MIG_TEST_ALL").is_some() {
        return true;
    }
    let part = std::env::var("MIG_TEST_PART").ok();
    let today = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 86_400);
    part.and_then(|part| part.parse().ok()).unwrap_or(today) % of == number
}
