//! A state in a bucket. The journal's objects are the truth (`log`), `lease.json` says who may write (`lease`), and
//! `state.json` is derived for people and tools.
//!
//! Relies on `clients::objects` for conditional writes, which make up for lost answers. Deliberately absent: clocks of other
//! machines. The times in entries inform; nothing is decided by them.

mod artifacts;
mod lease;
mod log;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;

use self::artifacts::RemoteArtifacts;
use self::lease::Held;
use self::log::Log;
use super::artifacts::Artifacts;
use super::error::StateError;
use super::journal::{self, JournalLine, Notice};
use super::model::{Entry, State};
use super::store::{Holder, LoadedState, LockedState, StateStore};
use crate::base::failpoint;
use crate::clients::objects::{ConditionalObjects, Tag, Written};

/// A lease that did not change for so long may be taken over.
pub(super) const LEASE_TERM: Duration = Duration::from_secs(20);

const STATE: &str = "state.json";
/// Bytes of the derived state.
const STATE_BYTES_MAX: u64 = 256 << 20;
/// While a run goes on, the derived state is written no more often than this.
const DERIVED_EVERY: Duration = Duration::from_secs(2);
/// So many objects that are not joined are joined by whoever takes the state.
const ROLL_AT_START: u64 = 64;
/// So many are joined while a run goes on: with this, no reader needs more requests than about as many and a few.
const ROLL_WITHIN: u64 = 512;
/// A fence meets at most so many late objects of the holder before.
const FENCES_MAX: u32 = 1000;

/// A bucket, or a prefix of one, with the state of one plan.
pub(super) struct RemoteStore {
    objects: Arc<dyn ConditionalObjects>,
    term: Duration,
}

impl RemoteStore {
    pub(super) fn new(objects: Arc<dyn ConditionalObjects>) -> Self {
        Self {
            objects,
            term: failpoint::shortened("LEASE_TERM", LEASE_TERM),
        }
    }

    fn remote(&self, source: std::io::Error) -> StateError {
        StateError::Remote {
            location: self.objects.location(),
            source,
        }
    }

    fn derived(&self) -> Result<Option<(Bytes, Tag)>, StateError> {
        let found = self.objects.get(STATE, STATE_BYTES_MAX);
        found.map_err(|source| self.remote(source))
    }

    /// The journal is gone where something was derived from it.
    fn gone(&self) -> StateError {
        StateError::JournalGone {
            state: format!("{}/{STATE}", self.objects.location()).into(),
            journal: format!("{}/journal", self.objects.location()).into(),
        }
    }

    /// Takes the next number, so that whoever had it in mind is refused. Late objects of theirs are read.
    fn fence(&self, log: &mut Log, held: &Held) -> Result<(), StateError> {
        for _ in 0..FENCES_MAX {
            let next = log.last + 1;
            let bytes = log::encode(next, (&held.token, held.epoch), &[])
                .map_err(|error| self.remote(error.into()))?;
            failpoint::hit("lease.fence.before");
            let written = self.objects.create(&log::key(next), bytes.clone());
            match written.map_err(|source| self.remote(source))? {
                Written::Done(_) => {
                    log.wrote(&bytes);
                    failpoint::hit("lease.fence.after");
                    return Ok(());
                }
                Written::Refused => log.read_on(&*self.objects)?,
            }
        }
        Err(StateError::LeaseLost {
            location: self.objects.location(),
            holder: lease::holder(&*self.objects),
        })
    }
}

/// What is wrong with `state.json`, compared with what the journal says; older than the journal is what any kill leaves.
fn derived_notice(derived: Option<&[u8]>, state: &State) -> Option<(Notice, bool)> {
    let why = match derived {
        None => "missing",
        Some(bytes) => match serde_json::from_slice::<State>(bytes) {
            Err(_) => "damaged",
            Ok(derived) if derived.serial < state.serial => "older than the journal",
            Ok(derived) if derived != *state => "not what the journal says",
            Ok(_) => return None,
        },
    };
    Some((Notice::Rebuilt { why }, !why.starts_with("older")))
}

impl StateStore for RemoteStore {
    fn location(&self) -> String {
        self.objects.location()
    }

    fn load(&self) -> Result<Option<LoadedState>, StateError> {
        let mut log = Log::read(&*self.objects)?;
        if log.last == 0 && self.derived()?.is_some() {
            return Err(self.gone());
        }
        let said = log.said(&*self.objects)?;
        // Who opened it and was killed before the first entry leaves a fence alone.
        Ok((!said.lines.is_empty()).then_some(LoadedState {
            state: said.state,
            lines: said.lines,
            notices: Vec::new(),
        }))
    }

    fn lock(
        &self,
        holder: &Holder,
        wait: Duration,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Box<dyn LockedState>, StateError> {
        let held = lease::acquire(&self.objects, self.term, holder, wait, waiting)?;
        let mut log = Log::read(&*self.objects)?;
        let derived = self.derived()?;
        if log.last == 0 && derived.is_some() {
            return Err(self.gone());
        }
        self.fence(&mut log, &held)?;
        let said = log.said(&*self.objects)?;
        let mut notices = Vec::new();
        let mut stale = false;
        if said.state.serial > 0 {
            let bytes = derived.as_ref().map(|(bytes, _)| &bytes[..]);
            if let Some((notice, telling)) = derived_notice(bytes, &said.state) {
                stale = true;
                notices.extend(telling.then_some(notice));
            }
        }
        log.roll(&*self.objects, ROLL_AT_START);
        let mut locked = RemoteState {
            objects: Arc::clone(&self.objects),
            log,
            state: said.state,
            notices,
            run: uuid::Uuid::new_v4().to_string(),
            derived: derived.map(|(_, tag)| tag),
            derived_at: None,
            derived_stale: stale,
            broken: None,
            held,
        };
        if stale {
            locked.write_derived()?;
        }
        Ok(Box::new(locked))
    }

    fn artifacts(&self) -> Box<dyn Artifacts> {
        Box::new(RemoteArtifacts {
            objects: Arc::clone(&self.objects),
        })
    }
}

struct RemoteState {
    objects: Arc<dyn ConditionalObjects>,
    log: Log,
    state: State,
    notices: Vec<Notice>,
    run: String,
    derived: Option<Tag>,
    derived_at: Option<Instant>,
    derived_stale: bool,
    /// Why the journal can't be added to any more: what became of the last entry is not known.
    broken: Option<String>,
    /// Given back last.
    held: Held,
}

impl RemoteState {
    fn remote(&self, source: std::io::Error) -> StateError {
        StateError::Remote {
            location: self.objects.location(),
            source,
        }
    }

    fn lost(&self) -> StateError {
        StateError::LeaseLost {
            location: self.objects.location(),
            holder: lease::holder(&*self.objects),
        }
    }

    fn write_derived(&mut self) -> Result<(), StateError> {
        failpoint::hit("state.write.before");
        let bytes =
            serde_json::to_vec_pretty(&self.state).map_err(|error| self.remote(error.into()))?;
        let bytes = Bytes::from(bytes);
        // Once more where it is not the one that was read: somebody may have removed it.
        for _ in 0..2 {
            let written = match &self.derived {
                Some(tag) => self.objects.replace(STATE, bytes.clone(), tag),
                None => self.objects.create(STATE, bytes.clone()),
            };
            match written.map_err(|source| self.remote(source))? {
                Written::Done(tag) => {
                    self.derived = Some(tag);
                    self.derived_stale = false;
                    self.derived_at = Some(Instant::now());
                    failpoint::hit("state.write.after");
                    return Ok(());
                }
                Written::Refused => {}
            }
            let found = self.objects.get(STATE, STATE_BYTES_MAX);
            let found = found.map_err(|source| self.remote(source))?;
            let newer = found.as_ref().is_some_and(|(bytes, _)| {
                serde_json::from_slice::<State>(bytes)
                    .is_ok_and(|there| there.serial > self.state.serial)
            });
            if newer {
                return Err(self.lost());
            }
            self.derived = found.map(|(_, tag)| tag);
        }
        // Derived only: the next who takes the state writes it.
        Ok(())
    }
}

impl LockedState for RemoteState {
    fn state(&self) -> &State {
        &self.state
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }

    fn append(&mut self, at: Timestamp, entry: &Entry) -> Result<(), StateError> {
        if let Some(words) = &self.broken {
            return Err(self.remote(std::io::Error::other(words.clone())));
        }
        if self.held.is_lost() {
            return Err(self.lost());
        }
        let seq = self.state.serial + 1;
        let number = self.log.last + 1;
        let damaged = |problem| StateError::DamagedObject {
            object: format!("{}/{}", self.objects.location(), log::key(number)),
            problem,
        };
        // An entry that can't be folded must not be written, so it is tried on a copy. An effect of a known phase always
        // can, and a phase over ten thousand indices announces as many: these go without the copy.
        let next = match entry {
            Entry::Effect { address, .. } if self.state.phases.contains_key(address) => None,
            _ => {
                let mut next = self.state.clone();
                next.fold(at, entry).map_err(damaged)?;
                Some(next)
            }
        };
        let line = JournalLine {
            seq,
            at,
            run: self.run.clone(),
            entry: entry.clone(),
        };
        let encoded = journal::encode(&line)
            .and_then(|line| log::encode(number, (&self.held.token, self.held.epoch), &[line]));
        let bytes = encoded.map_err(|error| self.remote(error.into()))?;
        failpoint::hit("journal.append.before");
        match self.objects.create(&log::key(number), bytes.clone()) {
            Ok(Written::Done(_)) => {}
            Ok(Written::Refused) => return Err(self.lost()),
            Err(source) => {
                self.broken = Some(source.to_string());
                return Err(self.remote(source));
            }
        }
        failpoint::hit("journal.append.written");
        self.log.wrote(&bytes);
        failpoint::hit("journal.append.after");
        tracing::debug!(seq, number, entry = ?line.entry, "journalled");
        match next {
            Some(next) => self.state = next,
            None => self.state.fold(at, entry).map_err(damaged)?,
        }
        self.log.roll(&*self.objects, ROLL_WITHIN);
        self.derived_stale = true;
        let recent = self
            .derived_at
            .is_some_and(|at| at.elapsed() < DERIVED_EVERY);
        // A snapshot of many indices announces each; the journal has them, the derived object may wait.
        if recent || matches!(entry, Entry::Effect { .. }) {
            return Ok(());
        }
        self.write_derived()
    }
}

impl Drop for RemoteState {
    fn drop(&mut self) {
        if self.derived_stale && self.broken.is_none() && !self.held.is_lost() {
            drop(self.write_derived());
        }
    }
}

#[cfg(test)]
mod tests;
