//! Who may write the state: one object, written on conditions, that its holder writes anew every few seconds.
//!
//! No clock of another machine is trusted, nor compared with one's own. Whoever wants the lease watches it: as long as it
//! changes, its holder lives; when it stayed the same for its whole term by the watcher's own monotonic clock, it is taken
//! over. A holder that sleeps past that finds its next write refused; what keeps it from writing the journal before it
//! notices are the journal's own conditions (see `log`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::failpoint;
use crate::clients::objects::{ConditionalObjects, Tag, Written};
use crate::state::error::StateError;
use crate::state::store::Holder;

/// The object.
const KEY: &str = "lease.json";
/// No real lease is larger.
const BYTES_MAX: u64 = 64 << 10;
/// A term that another process states may be no longer.
const TERM_MAX: Duration = Duration::from_mins(10);
/// The longest wait between two looks at a lease that somebody holds.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// The holder writes so often within a term.
const BEATS_PER_TERM: u32 = 4;
const FORMAT: u32 = 1;

/// What the object says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lease {
    format: u32,
    /// Whose it is, never used twice.
    token: String,
    /// One more than that of the holder before.
    epoch: u64,
    /// Grows as long as the holder lives.
    beat: u64,
    /// After so long without a change it may be taken over.
    term_ms: u64,
    released: bool,
    holder: Holder,
}

impl Lease {
    fn bytes(&self) -> Bytes {
        // Strings and numbers: no such value fails.
        serde_json::to_vec_pretty(self).unwrap_or_default().into()
    }

    fn term(&self) -> Duration {
        Duration::from_millis(self.term_ms).min(TERM_MAX)
    }
}

/// Where the lease is, for messages.
pub(super) fn place(objects: &dyn ConditionalObjects) -> String {
    format!("{}/{KEY}", objects.location())
}

fn remote(objects: &dyn ConditionalObjects, source: std::io::Error) -> StateError {
    StateError::Remote {
        location: objects.location(),
        source,
    }
}

fn look(objects: &dyn ConditionalObjects) -> Result<Option<(Lease, Tag)>, StateError> {
    let found = objects
        .get(KEY, BYTES_MAX)
        .map_err(|source| remote(objects, source))?;
    let Some((bytes, tag)) = found else {
        return Ok(None);
    };
    let damaged = |problem: String| StateError::DamagedObject {
        object: place(objects),
        problem,
    };
    let lease: Lease = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(format!("it is no lease ({error})")))?;
    if lease.format > FORMAT {
        return Err(damaged(format!(
            "it has format {}, and this mig knows up to {FORMAT}",
            lease.format
        )));
    }
    Ok(Some((lease, tag)))
}

/// A lease that this process holds, and writes anew until it is dropped.
pub(super) struct Held {
    pub(super) token: String,
    pub(super) epoch: u64,
    lost: Arc<AtomicBool>,
    /// Its end stops the thread, which then gives the lease back.
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Held {
    /// Whether a write of the lease was refused: somebody else has it.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
    }
}

/// Who holds the lease now.
pub(super) fn holder(objects: &dyn ConditionalObjects) -> Option<Box<Holder>> {
    let (lease, _) = look(objects).ok()??;
    Some(Box::new(lease.holder))
}

/// Takes the lease. One that is held is waited for: as long as it lives for at most `wait`, and in any case so long that
/// its death is known.
pub(super) fn acquire(
    objects: &Arc<dyn ConditionalObjects>,
    term: Duration,
    holder: &Holder,
    wait: Duration,
    waiting: &mut dyn FnMut(&Holder),
) -> Result<Held, StateError> {
    let began = Instant::now();
    let mut lease = Lease {
        format: FORMAT,
        token: uuid::Uuid::new_v4().to_string(),
        epoch: 1,
        beat: 0,
        term_ms: u64::try_from(term.as_millis()).unwrap_or(u64::MAX),
        released: false,
        holder: holder.clone(),
    };
    // The version that was seen last, and when it was there at the latest.
    let mut watched: Option<(Tag, Instant)> = None;
    let mut lives = false;
    let mut told = false;
    loop {
        let asked = Instant::now();
        let found = look(&**objects)?;
        let written = match &found {
            None => objects.create(KEY, lease.bytes()),
            Some((other, tag)) => {
                let since = match &watched {
                    Some((before, since)) if before == tag => *since,
                    before => {
                        lives = lives || before.is_some();
                        let seen = Instant::now();
                        watched = Some((tag.clone(), seen));
                        seen
                    }
                };
                // Both ends lie within the time in which it did not change.
                let unchanged = asked.saturating_duration_since(since);
                if !other.released && unchanged < other.term() {
                    if lives && began.elapsed() >= wait {
                        return Err(StateError::Locked {
                            holder: Box::new(other.holder.clone()),
                            path: place(&**objects).into(),
                        });
                    }
                    if !told {
                        waiting(&other.holder);
                        told = true;
                    }
                    std::thread::sleep(POLL_EVERY.min(other.term() / 8));
                    continue;
                }
                lease.epoch = other.epoch.saturating_add(1);
                failpoint::hit("lease.take.before");
                objects.replace(KEY, lease.bytes(), tag)
            }
        };
        match written.map_err(|source| remote(&**objects, source))? {
            Written::Done(tag) => {
                failpoint::hit("lease.taken");
                return Ok(keep(objects, lease, tag));
            }
            // Somebody was faster, and lives.
            Written::Refused => lives = true,
        }
    }
}

/// Writes the lease anew until it is given back or lost.
fn keep(objects: &Arc<dyn ConditionalObjects>, lease: Lease, tag: Tag) -> Held {
    let lost = Arc::new(AtomicBool::new(false));
    let (stop, stopped) = mpsc::channel::<()>();
    let (token, epoch) = (lease.token.clone(), lease.epoch);
    let mut keeper = Keeper {
        objects: Arc::clone(objects),
        every: lease.term() / BEATS_PER_TERM,
        lease,
        tag,
        lost: Arc::clone(&lost),
    };
    // Without a thread the lease runs out, and the journal's conditions still hold.
    let thread = std::thread::Builder::new().name("lease".to_owned());
    let keeper = thread.spawn(move || keeper.run(&stopped)).ok();
    Held {
        token,
        epoch,
        lost,
        stop: Some(stop),
        keeper,
    }
}

struct Keeper {
    objects: Arc<dyn ConditionalObjects>,
    every: Duration,
    lease: Lease,
    tag: Tag,
    lost: Arc<AtomicBool>,
}

impl Keeper {
    fn run(&mut self, stopped: &mpsc::Receiver<()>) {
        let mut write = true;
        loop {
            let over = !matches!(
                stopped.recv_timeout(self.every),
                Err(RecvTimeoutError::Timeout)
            );
            // After a failure the same bytes are written again: they may be there, and are then known as ours.
            if write || over {
                self.lease.beat += 1;
            }
            self.lease.released = over;
            match self.objects.replace(KEY, self.lease.bytes(), &self.tag) {
                Ok(Written::Done(tag)) => {
                    self.tag = tag;
                    write = true;
                }
                Ok(Written::Refused) => {
                    self.lost.store(true, Ordering::SeqCst);
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the lease of the state can't be written");
                    write = false;
                }
            }
            if over {
                return;
            }
        }
    }
}

/// For tests: what the object says, as JSON.
#[cfg(test)]
pub(super) fn shown(objects: &dyn ConditionalObjects) -> serde_json::Value {
    let (bytes, _) = objects.get(KEY, BYTES_MAX).unwrap().unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// For what several threads must see.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
