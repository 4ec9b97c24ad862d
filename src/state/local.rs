//! A state in a directory: `journal.jsonl` is the truth, `state.json` is derived from it for people and tools.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::artifacts::Artifacts;
use super::error::StateError;
use super::journal::{self, JournalLine, Notice, ReadJournal};
use super::local_artifacts::LocalArtifacts;
use super::lock::{self, FileLock};
use super::model::{Entry, State};
use super::store::{Holder, LoadedState, LockedState, StateStore};
use crate::base::failpoint;
use crate::base::fs::{sync_directory, write_atomic};

/// A directory with the state of one plan.
pub(super) struct LocalStore {
    directory: PathBuf,
}

impl LocalStore {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn journal_path(&self) -> PathBuf {
        self.directory.join("journal.jsonl")
    }

    fn state_path(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    fn read(&self) -> Result<Option<ReadJournal>, StateError> {
        let path = self.journal_path();
        match std::fs::read(&path) {
            // An empty file is what a kill leaves between creating the journal and its first entry.
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => journal::read(&bytes, &path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let state = self.state_path();
                if state.exists() {
                    return Err(StateError::JournalGone {
                        state,
                        journal: path,
                    });
                }
                Ok(None)
            }
            Err(source) => Err(StateError::Io {
                what: "read",
                path,
                source,
            }),
        }
    }

    /// What is wrong with `state.json`, compared with what the journal says.
    fn derived_notice(&self, state: &State) -> Option<Notice> {
        let why = match std::fs::read(self.state_path()) {
            Err(_) => "missing",
            Ok(bytes) => match serde_json::from_slice::<State>(&bytes) {
                Err(_) => "damaged",
                Ok(derived) if derived.serial < state.serial => "older than the journal",
                Ok(derived) if derived != *state => "not what the journal says",
                Ok(_) => return None,
            },
        };
        Some(Notice::Rebuilt { why })
    }
}

impl StateStore for LocalStore {
    fn location(&self) -> String {
        self.directory.display().to_string()
    }

    fn load(&self) -> Result<Option<LoadedState>, StateError> {
        Ok(self.read()?.map(|journal| LoadedState {
            state: journal.state,
            lines: journal.lines,
            notices: journal.notice.into_iter().collect(),
        }))
    }

    fn lock(
        &self,
        holder: &Holder,
        wait: Duration,
        waiting: &mut dyn FnMut(&Holder),
    ) -> Result<Box<dyn LockedState>, StateError> {
        std::fs::create_dir_all(&self.directory).map_err(|source| StateError::Io {
            what: "create the directory",
            path: self.directory.clone(),
            source,
        })?;
        let lock = lock::acquire(&self.directory, holder, wait, waiting)?;
        let read = self.read()?;
        let (state, whole_bytes, torn) = match read {
            Some(journal) => (journal.state, journal.whole_bytes, journal.notice),
            None => (State::default(), 0, None),
        };
        let mut notices: Vec<Notice> = torn.into_iter().collect();
        let path = self.journal_path();
        let open = || -> io::Result<File> {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            if file.metadata()?.len() != whole_bytes {
                file.set_len(whole_bytes)?;
                file.sync_all()?;
            }
            sync_directory(&self.directory)?;
            Ok(file)
        };
        let journal = open().map_err(|source| StateError::Io {
            what: "open",
            path: path.clone(),
            source,
        })?;
        let mut locked = LocalState {
            _lock: lock,
            journal,
            journal_path: path,
            state_path: self.state_path(),
            whole_bytes,
            state,
            notices: Vec::new(),
            run: uuid::Uuid::new_v4().to_string(),
            derived_stale: false,
        };
        if locked.state.serial > 0
            && let Some(notice) = self.derived_notice(&locked.state)
        {
            locked.write_derived()?;
            // Older is what any kill between two writes leaves; only the rest is worth a word.
            if !matches!(notice, Notice::Rebuilt { why } if why.starts_with("older")) {
                notices.push(notice);
            }
        }
        locked.notices = notices;
        Ok(Box::new(locked))
    }

    fn artifacts(&self) -> Box<dyn Artifacts> {
        Box::new(LocalArtifacts::new(self.directory.clone()))
    }
}

struct LocalState {
    _lock: FileLock,
    journal: File,
    journal_path: PathBuf,
    state_path: PathBuf,
    whole_bytes: u64,
    state: State,
    notices: Vec<Notice>,
    run: String,
    derived_stale: bool,
}

impl LocalState {
    fn write_derived(&mut self) -> Result<(), StateError> {
        failpoint::hit("state.write.before");
        let io = |source| StateError::Io {
            what: "write",
            path: self.state_path.clone(),
            source,
        };
        let bytes = serde_json::to_vec_pretty(&self.state).map_err(|error| io(error.into()))?;
        write_atomic(&self.state_path, &bytes).map_err(io)?;
        self.derived_stale = false;
        failpoint::hit("state.write.after");
        Ok(())
    }

    fn write_line(&mut self, bytes: &[u8]) -> io::Result<()> {
        use std::io::Seek as _;
        self.journal.seek(io::SeekFrom::Start(self.whole_bytes))?;
        // In two parts where the points are live, so that a torn line is among what tests survive.
        let middle = if cfg!(feature = "failpoints") {
            bytes.len() / 2
        } else {
            bytes.len()
        };
        self.journal.write_all(&bytes[..middle])?;
        failpoint::hit("journal.append.torn");
        self.journal.write_all(&bytes[middle..])?;
        failpoint::hit("journal.append.written");
        self.journal.sync_data()
    }
}

impl LockedState for LocalState {
    fn state(&self) -> &State {
        &self.state
    }

    fn notices(&self) -> &[Notice] {
        &self.notices
    }

    fn append(&mut self, at: Timestamp, entry: &Entry) -> Result<(), StateError> {
        let io = |path: &Path, source| StateError::Io {
            what: "write to",
            path: path.to_owned(),
            source,
        };
        let seq = self.state.serial + 1;
        let damaged = |problem| StateError::Damaged {
            path: self.journal_path.clone(),
            line: seq,
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
        let bytes = journal::encode(&line).map_err(|error| io(&self.journal_path, error.into()))?;
        failpoint::hit("journal.append.before");
        if let Err(source) = self.write_line(&bytes) {
            // Half a line must not stay before a later whole one; if this fails too, the next lock cuts it off.
            drop(self.journal.set_len(self.whole_bytes));
            return Err(io(&self.journal_path, source));
        }
        failpoint::hit("journal.append.after");
        self.whole_bytes += bytes.len() as u64;
        tracing::debug!(seq, entry = ?line.entry, "journalled");
        match next {
            Some(next) => self.state = next,
            None => self
                .state
                .fold(at, entry)
                .map_err(|problem| StateError::Damaged {
                    path: self.journal_path.clone(),
                    line: seq,
                    problem,
                })?,
        }
        if matches!(entry, Entry::Effect { .. }) {
            // A snapshot of many indices announces each; the journal has them, the derived file may wait.
            self.derived_stale = true;
            return Ok(());
        }
        self.write_derived()
    }
}

impl Drop for LocalState {
    fn drop(&mut self) {
        if self.derived_stale {
            drop(self.write_derived());
        }
    }
}
