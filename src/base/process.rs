//! What the system says of this process: memory, time of processors, when it began. Linux tells it; elsewhere nothing is known.

use std::time::{SystemTime, UNIX_EPOCH};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Memory that is resident.
    pub resident_bytes: u64,
    /// Time of processors, in seconds.
    pub cpu_seconds: f64,
    /// When it began, in seconds since 1970.
    pub start_seconds: f64,
}

/// As it is now.
pub fn usage() -> Option<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let page_bytes = rustix::param::page_size() as u64;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    usage_of(&stat, &uptime, now.as_secs_f64(), page_bytes, ticks)
}

/// Fields of `/proc/self/stat` behind the name, which stands in brackets and may hold anything: `proc_pid_stat(5)`.
fn usage_of(stat: &str, uptime: &str, now: f64, page_bytes: u64, ticks: f64) -> Option<Usage> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The first behind the name is the third of all.
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let pages: u64 = fields.get(24 - 3)?.parse().ok()?;
    let up: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Usage {
        resident_bytes: pages * page_bytes,
        cpu_seconds: (field(14)? + field(15)?) / ticks,
        start_seconds: now - up + field(22)? / ticks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_stands_behind_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 5 0 1000 99 300 18446744073709551615";
        let usage = usage_of(stat, "110.50 200.00", 1000.5, 4096, 100.0).unwrap();
        assert_eq!(usage.resident_bytes, 300 * 4096);
        assert!((usage.cpu_seconds - 3.0).abs() < 1e-9);
        assert!((usage.start_seconds - 900.0).abs() < 1e-9);
        assert_eq!(usage_of("7 (a) S 1", "1 1", 0.0, 1, 1.0), None);
    }
}
