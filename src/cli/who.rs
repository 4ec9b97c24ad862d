//! Who runs this process, for the journal and the lock.

use std::path::Path;

use jiff::Timestamp;

use super::environment::MIG_USER;
use crate::state::Holder;

/// `user@host`, or what `MIG_USER` says.
pub(crate) fn who() -> String {
    let named = std::env::var(MIG_USER).ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| format!("{}@{}", user(), host()))
}

/// What the lock tells others.
pub(crate) fn holder(operation: &str) -> Holder {
    Holder {
        pid: std::process::id(),
        host: host(),
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

fn host() -> String {
    let from = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    from("/proc/sys/kernel/hostname")
        .or_else(|| from("/etc/hostname"))
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into())
}
