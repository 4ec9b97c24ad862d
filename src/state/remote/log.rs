//! The journal as objects: `journal/000000000001.jsonl` and on, each created where there is none, never changed and never
//! removed.
//!
//! An object begins with a line that says which it is, whose, and how many entries follow. That each number can be taken
//! once only is what fences: who takes the state over takes the next number with an object without entries, and whoever
//! had that number in mind is refused from then on. For readers the objects are joined now and then into one below
//! `rolled/`, which is derived and may be removed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::lease::locked;
use crate::clients::objects::ConditionalObjects;
use crate::state::error::StateError;
use crate::state::journal::{self, JournalLine};
use crate::state::model::State;

const JOURNAL: &str = "journal";
const ROLLED: &str = "rolled";
const ENDING: &str = ".jsonl";
/// Digits of a number in a name, so that names sort as numbers do.
const DIGITS: usize = 12;
/// Bytes of one object of the journal.
const OBJECT_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the journal as it is joined; a longer one is read object by object from there on.
const ROLLED_BYTES_MAX: u64 = 256 << 20;
/// Objects that are read at once.
const READERS_MAX: usize = 16;

/// The first line of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// From 1, without gaps.
    object: u64,
    /// The lease under which it was written.
    token: String,
    epoch: u64,
    /// Entries that follow, one a line.
    entries: usize,
}

/// A journal as it was read, which goes on growing.
#[derive(Default)]
pub(super) struct Log {
    /// The number of the last object.
    pub(super) last: u64,
    /// The objects up to this one are joined.
    pub(super) rolled: u64,
    /// The objects one behind the other, as long as they are to be joined.
    raw: Vec<u8>,
    /// The entries alone.
    lines: Vec<u8>,
    /// The objects that hold entries: the first entry of each, and its number.
    places: Vec<(u64, u64)>,
    entries: u64,
}

/// What a journal says.
pub(super) struct Said {
    pub(super) state: State,
    pub(super) lines: Vec<JournalLine>,
}

/// The key of an object of the journal.
pub(super) fn key(number: u64) -> String {
    format!("{JOURNAL}/{}", name(number))
}

fn name(number: u64) -> String {
    format!("{number:0DIGITS$}{ENDING}")
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING)?;
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// The bytes of an object.
pub(super) fn encode(
    number: u64,
    (token, epoch): (&str, u64),
    lines: &[Vec<u8>],
) -> Result<Bytes, serde_json::Error> {
    let head = Head {
        object: number,
        token: token.to_owned(),
        epoch,
        entries: lines.len(),
    };
    let mut bytes = journal::seal(&head)?;
    for line in lines {
        bytes.extend_from_slice(line);
    }
    Ok(bytes.into())
}

impl Log {
    /// Reads all there is.
    pub(super) fn read(objects: &dyn ConditionalObjects) -> Result<Self, StateError> {
        let mut log = match rolled(objects)? {
            Some((until, bytes)) => {
                let mut log = Self::default();
                match log.take(&bytes, Some(until)) {
                    Ok(()) => {
                        log.rolled = log.rolled.max(until);
                        log
                    }
                    Err(problem) => {
                        tracing::warn!(
                            until,
                            problem,
                            "a joined journal is damaged; its parts are read"
                        );
                        Self::default()
                    }
                }
            }
            None => Self::default(),
        };
        log.read_on(objects)?;
        Ok(log)
    }

    /// Reads what was added since.
    pub(super) fn read_on(&mut self, objects: &dyn ConditionalObjects) -> Result<(), StateError> {
        let remote = |source| StateError::Remote {
            location: objects.location(),
            source,
        };
        let behind = (self.last > 0).then(|| name(self.last));
        let names = objects.list(JOURNAL, behind.as_deref()).map_err(remote)?;
        for (found, wanted) in names.iter().zip(self.last + 1..) {
            let damaged = |problem| StateError::DamagedObject {
                object: format!("{}/{JOURNAL}/{found}", objects.location()),
                problem,
            };
            match number(found) {
                Some(number) if number == wanted => {}
                Some(_) => {
                    return Err(damaged(format!("`{}` is missing before it", name(wanted))));
                }
                None => return Err(damaged("its name is no number".to_owned())),
            }
        }
        let bodies = get_all(objects, &names).map_err(remote)?;
        for (name, body) in names.iter().zip(bodies) {
            let damaged = |problem| StateError::DamagedObject {
                object: format!("{}/{JOURNAL}/{name}", objects.location()),
                problem,
            };
            let body =
                body.ok_or_else(|| damaged("it was removed while it was read".to_owned()))?;
            let one = number(name);
            self.take(&body, one).map_err(damaged)?;
        }
        Ok(())
    }

    /// Takes objects in that stand one behind the other, up to and with number `until`.
    fn take(&mut self, bytes: &[u8], until: Option<u64>) -> Result<(), String> {
        let mut rest = bytes.split_inclusive(|byte| *byte == b'\n');
        while let Some(line) = rest.next() {
            let line = line.strip_suffix(b"\n").ok_or("it is cut off")?;
            let head: Head = journal::unseal(line)?;
            if head.object != self.last + 1 {
                return Err(format!(
                    "it says that it is number {}, and {} is expected",
                    head.object,
                    self.last + 1
                ));
            }
            self.last += 1;
            if head.entries > 0 {
                self.places.push((self.entries + 1, head.object));
            }
            for _ in 0..head.entries {
                let entry = rest.next().ok_or("entries are missing at its end")?;
                if !entry.ends_with(b"\n") {
                    return Err("it is cut off".to_owned());
                }
                self.lines.extend_from_slice(entry);
                self.entries += 1;
            }
        }
        if until.is_some_and(|until| until != self.last) {
            return Err(format!("it ends with number {}", self.last));
        }
        self.remember(bytes);
        Ok(())
    }

    /// An object that this process wrote.
    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        self.last += 1;
        self.remember(bytes);
    }

    fn remember(&mut self, bytes: &[u8]) {
        if (self.raw.len() + bytes.len()) as u64 > ROLLED_BYTES_MAX {
            // Joined no more.
            self.raw = Vec::new();
            self.rolled = u64::MAX;
        } else if self.rolled < u64::MAX {
            self.raw.extend_from_slice(bytes);
        }
    }

    /// What it says; the entries are given away.
    pub(super) fn said(&mut self, objects: &dyn ConditionalObjects) -> Result<Said, StateError> {
        let path = format!("{}/{JOURNAL}", objects.location());
        let read = journal::read(&self.lines, path.as_ref()).map_err(|error| match error {
            StateError::Damaged { line, problem, .. } => StateError::DamagedObject {
                object: format!("{}/{}", objects.location(), key(self.place_of(line))),
                problem: format!("entry {line}: {problem}"),
            },
            other => other,
        })?;
        self.lines = Vec::new();
        self.places = Vec::new();
        Ok(Said {
            state: read.state,
            lines: read.lines,
        })
    }

    /// The object that an entry stands in.
    fn place_of(&self, entry: u64) -> u64 {
        let behind = self.places.partition_point(|(first, _)| *first <= entry);
        let place = self.places.get(behind.saturating_sub(1));
        place.map_or(self.last, |(_, object)| *object)
    }

    /// Joins all objects so far, where it is worth it. Failing is no harm.
    pub(super) fn roll(&mut self, objects: &dyn ConditionalObjects, at: u64) {
        if self.last.saturating_sub(self.rolled) < at {
            return;
        }
        let made = objects.create(
            &format!("{ROLLED}/{}", name(self.last)),
            Bytes::from(self.raw.clone()),
        );
        match made {
            // What is there already was made of the same objects.
            Ok(_) => self.rolled = self.last,
            Err(error) => {
                tracing::warn!(%error, "the journal could not be joined");
                return;
            }
        }
        let names = objects.list(ROLLED, None).unwrap_or_default();
        // The last but one may be being read.
        for old in names.iter().rev().skip(2) {
            drop(objects.remove(&format!("{ROLLED}/{old}")));
        }
    }
}

/// The newest joined journal, and the number that it ends with.
fn rolled(objects: &dyn ConditionalObjects) -> Result<Option<(u64, Bytes)>, StateError> {
    let remote = |source| StateError::Remote {
        location: objects.location(),
        source,
    };
    let names = objects.list(ROLLED, None).map_err(remote)?;
    let Some(newest) = names.iter().filter_map(|name| number(name)).max() else {
        return Ok(None);
    };
    let key = format!("{ROLLED}/{}", name(newest));
    let found = objects.get(&key, 2 * ROLLED_BYTES_MAX).map_err(remote)?;
    Ok(found.map(|(bytes, _)| (newest, bytes)))
}

/// The objects of these names, some at once.
fn get_all(
    objects: &dyn ConditionalObjects,
    names: &[String],
) -> std::io::Result<Vec<Option<Bytes>>> {
    let next = AtomicUsize::new(0);
    let got = Mutex::new(vec![None; names.len()]);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..READERS_MAX.min(names.len()) {
            scope.spawn(|| {
                while let Some((at, name)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    names.get(at).map(|name| (at, name))
                } {
                    match objects.get(&format!("{JOURNAL}/{name}"), OBJECT_BYTES_MAX) {
                        Ok(found) => {
                            if let Some(place) = locked(&got).get_mut(at) {
                                *place = found.map(|(bytes, _)| bytes);
                            }
                        }
                        Err(error) => {
                            locked(&failed).get_or_insert(error);
                            return;
                        }
                    }
                }
            });
        }
    });
    match locked(&failed).take() {
        Some(error) => Err(error),
        None => Ok(std::mem::take(&mut *locked(&got))),
    }
}
