//! Named places where a test kills the process with a real SIGKILL, to prove that every instant is survivable.
//!
//! `MIG_FAILPOINT=name` kills at the first hit, `MIG_FAILPOINT=name:3` at the third, `MIG_FAILPOINT=*:17` at the
//! seventeenth hit of any name; `MIG_FAILPOINT_LOG=file` appends each name that is passed. Only with the cargo feature
//! `failpoints`; without it `hit` is empty and compiles to nothing.

/// Passes the point `name`; may not return.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
#[allow(clippy::inline_always)] // an empty function: it must vanish from hot loops
pub fn hit(_name: &str) {}

/// Passes the point `name`; may not return.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static HITS: AtomicU64 = AtomicU64::new(0);

    if let Ok(path) = std::env::var("MIG_FAILPOINT_LOG")
        && let Ok(mut file) = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
    {
        // In one write: threads pass points at once, and their lines must not run into each other.
        drop(file.write_all(format!("{name}\n").as_bytes()));
    }
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("MIG_FAILPOINT").ok()?;
        let (wanted_name, nth) = text.rsplit_once(':').unwrap_or((&text, "1"));
        Some((wanted_name.to_owned(), nth.parse().unwrap_or(1)))
    });
    let Some((wanted_name, nth)) = wanted else {
        return;
    };
    if wanted_name != "*" && wanted_name != name {
        return;
    }
    if HITS.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
        let own = rustix::process::getpid();
        if rustix::process::kill_process(own, rustix::process::Signal::KILL).is_err() {
            std::process::abort();
        }
        loop {
            std::thread::park();
        }
    }
}

/// `normal`, or the seconds of `MIG_SHORTENED_<name>_S`: for a time that is too long for a test.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn shortened(_name: &str, normal: std::time::Duration) -> std::time::Duration {
    normal
}

/// `normal`, or the seconds of `MIG_SHORTENED_<name>_S`: for a time that is too long for a test.
#[cfg(feature = "failpoints")]
pub fn shortened(name: &str, normal: std::time::Duration) -> std::time::Duration {
    std::env::var(format!("MIG_SHORTENED_{name}_S"))
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or(normal, std::time::Duration::from_secs)
}
