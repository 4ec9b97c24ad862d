//! What this machine is called, for people who look for a process. Deliberately absent: addresses.

use std::path::Path;

/// The machine's name, as far as it can be had; `localhost` where it can't.
pub fn name() -> String {
    let from = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    from("/proc/sys/kernel/hostname")
        .or_else(|| from("/etc/hostname"))
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into())
}
