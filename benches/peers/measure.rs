//! What the parts of this bench share: what a process used, and how figures are told.

use std::process::Child;
use std::time::Duration;

pub(crate) use super::logs::{Any, mig};

/// A whole number from the environment.
pub(crate) fn told(name: &str, otherwise: u64) -> u64 {
    let told = std::env::var(name).ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

pub(crate) fn rounds() -> u64 {
    told("MIG_BENCH_ROUNDS", 3)
}

/// What one process used, as the system counts it while it runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) peak_bytes: u64,
    pub(crate) cpu_s: f64,
}

impl Used {
    pub(crate) fn look(&mut self, pid: u32) {
        let field = |text: &str, name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        if let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
            let peak = field(&status, "VmHWM:").unwrap_or(0) * 1024;
            self.peak_bytes = self.peak_bytes.max(peak);
        }
        if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            && let Some((_, rest)) = stat.rsplit_once(") ")
        {
            let ticks = rest.split(' ').skip(11).take(2);
            let ticks: u64 = ticks.filter_map(|it| it.parse::<u64>().ok()).sum();
            // A hundred ticks a second on every Linux that this runs on.
            self.cpu_s = self.cpu_s.max(ticks as f64 / 100.0);
        }
    }
}

/// Waits for a process and counts what it used.
pub(crate) fn watched(mut child: Child) -> Result<Used, Any> {
    let mut used = Used::default();
    loop {
        used.look(child.id());
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok(used)
            } else {
                Err(format!("it ended with {status}").into())
            };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The least, the middle and the most, with so many decimals.
pub(crate) fn spread(label: &str, decimals: usize, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (values.first(), values.last()) {
        println!(
            "  {label}: min {least:.decimals$}, median {:.decimals$}, max {most:.decimals$} of {}",
            values[values.len() / 2],
            values.len()
        );
    }
}

/// Of the last minute: what else runs.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}
