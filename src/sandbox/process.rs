//! Processes that are ours: known by number and start time, never by name.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::limits;

/// A process that can't be taken for another one: numbers are used again, numbers with start times of one boot are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, in the system's ticks since it booted.
    pub started: u64,
    /// Which boot.
    pub boot: String,
}

impl ProcessId {
    /// The process of this number as it runs now; `None` where none does (one that waits to be reaped does not run).
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self {
            pid,
            started: started(&stat)?,
            boot: boot(),
        })
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends it a signal, if it still runs; whether it does.
    pub fn signal(&self, signal: Signal) -> bool {
        self.is_alive()
            && pid(self.pid).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
    }

    /// As [`Self::signal`], to the whole group that it leads, and so to helpers of a start script; to itself where it leads none.
    fn signal_group(&self, signal: Signal) {
        let led = self.is_alive()
            && pid(self.pid)
                .is_some_and(|pid| rustix::process::kill_process_group(pid, signal).is_ok());
        if !led {
            self.signal(signal);
        }
    }

    /// Asks it to end, kills it when it has not ended in `grace`; whether it is gone.
    pub fn end(&self, grace: Duration) -> bool {
        self.signal_group(Signal::TERM);
        // A stopped process does not hear before it is woken.
        self.signal_group(Signal::CONT);
        if self.wait(grace) {
            return true;
        }
        self.signal_group(Signal::KILL);
        self.wait(limits::KILL)
    }

    /// Waits until it is gone; whether it is.
    pub fn wait(&self, longest: Duration) -> bool {
        let deadline = Instant::now() + longest;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(limits::POLL / 4);
        }
        true
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// The start time in the text of `/proc/<pid>/stat`. The second field is a name in brackets that may hold anything.
fn started(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    // The first thread waits to be reaped while others still hold files and ports.
    let ended = ["Z", "X"].contains(&state) && threads <= 1;
    (!ended).then_some(started)
}

fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.unwrap_or_default().trim().to_owned()
}

/// Whether processes can be told apart here.
pub(super) fn is_supported() -> bool {
    ProcessId::own().is_some()
}

/// Processes whose environment holds `variable=path`: what a node left whose record was not written to the end.
pub(super) fn with_environment(variable: &str, path: &Path) -> Vec<ProcessId> {
    let wanted = format!("{variable}={}", path.display());
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid: &u32| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|pair| pair == wanted.as_bytes())
            })
        })
        .filter_map(ProcessId::of)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = ProcessId::own().unwrap();
        assert!(own.is_alive());
        let other = ProcessId {
            started: own.started + 1,
            ..own.clone()
        };
        assert!(!other.is_alive());
        assert!(!other.signal(Signal::KILL), "never sent to another process");
        let earlier = ProcessId {
            boot: "another".to_owned(),
            ..own
        };
        assert!(!earlier.is_alive());
    }

    #[test]
    fn names_with_brackets_and_blanks_do_not_mislead() {
        let stat = "77 (a) R (b) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(started(stat), Some(4242));
        let ended = stat.replace(") S ", ") Z ");
        assert_eq!(started(&ended), None);
        let other_threads = ended.replace(" 20 0 1 0 ", " 20 0 3 0 ");
        assert_eq!(started(&other_threads), Some(4242));
    }

    #[test]
    fn a_deaf_process_is_killed_and_found_by_its_environment() {
        let place = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; while :; do sleep 0.05; done"])
            .env("MIG_TEST_OF", place.path())
            .spawn()
            .unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        // The environment is the parent's until it has become `sh`.
        while !with_environment("MIG_TEST_OF", place.path()).contains(&id) {
            assert!(Instant::now() < deadline);
        }
        // Nobody reaps it before it is waited for: it counts as gone all the same.
        assert!(id.end(Duration::from_millis(300)));
        assert!(!id.is_alive());
        child.wait().unwrap();
    }
}
