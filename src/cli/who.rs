//! Who runs this process, for the journal and the lock.

use jiff::Timestamp;

use super::environment::MIG_USER;
use crate::base::host;
use crate::state::Holder;

/// `user@host`, or what `MIG_USER` says.
pub(crate) fn who() -> String {
    let named = std::env::var(MIG_USER).ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| format!("{}@{}", user(), host::name()))
}

/// What the lock tells others.
pub(crate) fn holder(operation: &str) -> Holder {
    Holder {
        pid: std::process::id(),
        host: host::name(),
        who: who(),
        operation: operation.to_owned(),
        since: Timestamp::now(),
    }
}

fn user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|user| !user.is_empty());
    variable("USER")
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
}
