//! The lock of a local state: an OS file lock, which the system frees when its process ends, however it ends.
//!
//! The lock file stays; who holds it stands in a file beside it, which only informs.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::StateError;
use super::store::Holder;
use crate::base::fs::write_atomic;

const POLL_EVERY: Duration = Duration::from_millis(100);

/// A held lock.
pub(super) struct FileLock {
    _file: File,
    holder_path: PathBuf,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Only information: whoever finds it stale sees that the lock itself is free.
        drop(std::fs::remove_file(&self.holder_path));
    }
}

pub(super) fn acquire(
    directory: &Path,
    holder: &Holder,
    wait: Duration,
    waiting: &mut dyn FnMut(&Holder),
) -> Result<FileLock, StateError> {
    let path = directory.join("lock");
    let holder_path = directory.join("lock-holder.json");
    let io = |what, source| StateError::Io {
        what,
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| io("open", source))?;
    let deadline = Instant::now() + wait;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(source)) => return Err(io("lock", source)),
            Err(TryLockError::WouldBlock) => {}
        }
        let other = read_holder(&holder_path).unwrap_or_else(|| unknown(holder));
        if Instant::now() >= deadline {
            return Err(StateError::Locked {
                holder: Box::new(other),
                path,
            });
        }
        if !told {
            waiting(&other);
            told = true;
        }
        std::thread::sleep(POLL_EVERY.min(deadline.saturating_duration_since(Instant::now())));
    }
    let text = serde_json::to_vec_pretty(holder).unwrap_or_default();
    write_atomic(&holder_path, &text).map_err(|source| StateError::Io {
        what: "write",
        path: holder_path.clone(),
        source,
    })?;
    Ok(FileLock {
        _file: file,
        holder_path,
    })
}

fn read_holder(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// For the instant between taking the lock and writing who took it.
fn unknown(template: &Holder) -> Holder {
    Holder {
        pid: 0,
        host: "an unknown host".into(),
        who: "an unknown user".into(),
        operation: "?".into(),
        since: template.since,
    }
}
