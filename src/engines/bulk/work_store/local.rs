//! A work store as an append-only log in a directory, for targets on this machine.
//!
//! One process has it at a time (an OS lock that dies with the process), so the leases of a process that is gone are free
//! at once. Within the process the fencing number decides. What a worker notes is on disk before the call returns; taking
//! an item is not forced to disk, since a kill frees it anyway. The log is rewritten when it has grown to several times
//! what it says.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::log;
use super::table::{Next, Record, Table};
use super::{
    Acquired, ItemKey, ItemProgress, ItemSpec, ItemState, Lease, SCHEMA_BEFORE, SCHEMA_VERSION,
    WorkError, WorkIdentity, WorkStore, short,
};
use crate::base::failpoint;
use crate::base::fs::{sync_directory, write_atomic};
use crate::diff::observation::WorkFacts;

/// A log below this is never rewritten.
const COMPACT_BYTES: u64 = 4 << 20;
/// A log is rewritten when it has grown to so many times its size after the last rewriting.
const COMPACT_GROWTH: u64 = 4;
/// The largest log that is read.
const LOG_BYTES: u64 = 2 << 30;
/// How long a lock is waited for that somebody else has.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// Items in one record of registering.
const REGISTER_CHUNK: usize = 1000;

/// See the module.
pub struct LocalWorkStore {
    path: PathBuf,
    identity: WorkIdentity,
    inner: Mutex<Inner>,
    /// Time goes on from here by the monotonic clock: setting the machine's clock ends no lease.
    began: (Timestamp, Instant),
    /// Held for the lock.
    _lock: File,
}

struct Inner {
    table: Table,
    file: File,
    bytes: u64,
    durable: u64,
    compact_at: u64,
    broken: bool,
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> WorkError {
    let path = path.to_owned();
    move |source| WorkError::Io {
        path: path.clone(),
        source,
    }
}

/// `<plan>-<work>-<hash>`: readable, and one file for each pair of names.
pub(in crate::engines::bulk) fn stem(plan: &str, work: &str) -> String {
    let readable: String = format!("{plan}-{work}")
        .chars()
        .map(|it| {
            if it.is_ascii_alphanumeric() {
                it.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(80)
        .collect();
    format!("{readable}-{}", short(plan, work))
}

fn read_log(path: &Path) -> Result<Option<Vec<u8>>, WorkError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(LOG_BYTES)
        .read_to_end(&mut bytes)
        .map_err(io_error(path))?;
    if bytes.len() as u64 == LOG_BYTES {
        return Err(WorkError::Corrupt {
            path: path.to_owned(),
            offset: LOG_BYTES,
            what: "the log is larger than any that is written".to_owned(),
        });
    }
    Ok(Some(bytes))
}

struct Loaded {
    identity: WorkIdentity,
    table: Table,
    bytes: u64,
    /// Whether it is as the version before wrote it.
    before: bool,
}

/// `None`: no header came to disk, so nothing was ever noted.
fn load(path: &Path, bytes: &[u8]) -> Result<Option<Loaded>, WorkError> {
    let (records, good) = log::read(path, bytes)?;
    let corrupt = |what: String| WorkError::Corrupt {
        path: path.to_owned(),
        offset: good,
        what,
    };
    let mut records = records.into_iter();
    let (identity, before) = match records.next() {
        None => return Ok(None),
        Some(Record::Header { schema, work })
            if matches!(schema, SCHEMA_VERSION | SCHEMA_BEFORE) =>
        {
            (work, schema == SCHEMA_BEFORE)
        }
        Some(Record::Header { schema, .. }) => {
            return Err(WorkError::Schema {
                path: path.to_owned(),
                found: schema,
            });
        }
        Some(_) => return Err(corrupt("the first record is no header".to_owned())),
    };
    let mut table = Table::default();
    for record in records {
        table.apply(record).map_err(corrupt)?;
    }
    Ok(Some(Loaded {
        identity,
        table,
        bytes: good,
        before,
    }))
}

fn lock(directory: &Path, stem: &str) -> Result<File, WorkError> {
    let path = directory.join(format!("{stem}.lock"));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error(&path))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that is just being started has what its parent had open, until it becomes another program.
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => {
                thread::sleep(LOCK_WAIT / 10);
            }
            Err(TryLockError::WouldBlock) => return Err(WorkError::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(io_error(&path)(error)),
        }
    }
}

impl LocalWorkStore {
    /// Opens (or makes) the store of `identity` in `directory` and locks it for this process. A store of the same plan and
    /// work with another lineage, snapshot or digest is refused and stays as it is.
    pub fn open(directory: &Path, identity: &WorkIdentity) -> Result<Self, WorkError> {
        fs::create_dir_all(directory).map_err(io_error(directory))?;
        let stem = stem(&identity.plan, &identity.work);
        let held = lock(directory, &stem)?;
        let path = directory.join(format!("{stem}.log"));
        let loaded = match read_log(&path)? {
            Some(bytes) => load(&path, &bytes)?,
            None => None,
        };
        let loaded = if let Some(loaded) = loaded {
            if loaded.identity != *identity {
                return Err(WorkError::Other {
                    path,
                    found: Box::new(loaded.identity),
                });
            }
            loaded
        } else {
            let bytes = header(identity).map_err(|what| corrupt(&path, what))?;
            failpoint::hit("work-before-header");
            write_atomic(&path, &bytes).map_err(io_error(&path))?;
            failpoint::hit("work-after-header");
            Loaded {
                identity: identity.clone(),
                table: Table::default(),
                bytes: bytes.len() as u64,
                before: false,
            }
        };
        let mut table = loaded.table;
        table.free_all();
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(io_error(&path))?;
        file.set_len(loaded.bytes).map_err(io_error(&path))?;
        file.sync_all().map_err(io_error(&path))?;
        failpoint::hit("work-after-open");
        let store = Self {
            inner: Mutex::new(Inner {
                table,
                file,
                bytes: loaded.bytes,
                durable: loaded.bytes,
                compact_at: COMPACT_BYTES.max(loaded.bytes * COMPACT_GROWTH),
                broken: false,
            }),
            path,
            identity: loaded.identity,
            began: (Timestamp::now(), Instant::now()),
            _lock: held,
        };
        if loaded.before {
            // The version before would take what is written from here on for damage: it is to see another schema instead.
            store.compact(&mut *store.inner()?)?;
        }
        Ok(store)
    }

    /// All stores in `directory`, whosever they are, with what they say: reads only, takes no lock.
    pub fn peek(directory: &Path) -> Result<Vec<(WorkIdentity, WorkFacts)>, WorkError> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error(directory)(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_error(directory))?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                paths.push(path);
            }
        }
        paths.sort_unstable();
        let mut found = Vec::new();
        for path in paths {
            found.extend(peek_file(&path)?);
        }
        Ok(found)
    }

    /// What the store of (plan, work) says, whatever its lineage and snapshot: reads only, takes no lock.
    pub fn peek_work(
        directory: &Path,
        plan: &str,
        work: &str,
    ) -> Result<Option<(WorkIdentity, WorkFacts)>, WorkError> {
        peek_file(&directory.join(format!("{}.log", stem(plan, work))))
    }

    /// The items of the store of (plan, work), as [`Self::peek_work`].
    pub fn peek_items(
        directory: &Path,
        plan: &str,
        work: &str,
    ) -> Result<Option<(WorkIdentity, Vec<ItemState>)>, WorkError> {
        let path = directory.join(format!("{}.log", stem(plan, work)));
        let Some(bytes) = read_log(&path)? else {
            return Ok(None);
        };
        let loaded = load(&path, &bytes)?;
        Ok(loaded.map(|loaded| (loaded.identity, loaded.table.items().to_vec())))
    }

    /// Removes the store of (plan, work), whatever is in it; says whether there was one. Refused while another process
    /// has it.
    pub fn remove(directory: &Path, plan: &str, work: &str) -> Result<bool, WorkError> {
        let stem = stem(plan, work);
        let path = directory.join(format!("{stem}.log"));
        if !path.exists() {
            return Ok(false);
        }
        let held = lock(directory, &stem)?;
        fs::remove_file(&path).map_err(io_error(&path))?;
        failpoint::hit("work-after-remove");
        sync_directory(directory).map_err(io_error(directory))?;
        drop(held);
        Ok(true)
    }

    fn inner(&self) -> Result<MutexGuard<'_, Inner>, WorkError> {
        // A panic while the lock was held may have left a record half applied: as after a failed write.
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| {
            let mut inner = PoisonError::into_inner(poisoned);
            inner.broken = true;
            inner
        });
        if inner.broken {
            return Err(WorkError::Broken {
                path: self.path.clone(),
            });
        }
        if inner.bytes > inner.compact_at {
            self.compact(&mut inner)?;
        }
        Ok(inner)
    }

    fn append(&self, inner: &mut Inner, records: Vec<Record>, sync: bool) -> Result<(), WorkError> {
        let mut bytes = Vec::new();
        for record in &records {
            log::encode(record, inner.durable, &mut bytes)
                .map_err(|what| corrupt(&self.path, what))?;
        }
        failpoint::hit("work-before-append");
        let written = inner.file.write_all(&bytes).and_then(|()| {
            failpoint::hit("work-after-append");
            if sync { inner.file.sync_data() } else { Ok(()) }
        });
        if let Err(error) = written {
            inner.broken = true;
            return Err(io_error(&self.path)(error));
        }
        inner.bytes += bytes.len() as u64;
        if sync {
            inner.durable = inner.bytes;
            failpoint::hit("work-after-sync");
        }
        for record in records {
            if let Err(what) = inner.table.apply(record) {
                inner.broken = true;
                return Err(corrupt(&self.path, what));
            }
        }
        Ok(())
    }

    fn compact(&self, inner: &mut Inner) -> Result<(), WorkError> {
        let fail = |what| corrupt(&self.path, what);
        let mut bytes = header(&self.identity).map_err(fail)?;
        for state in inner.table.items() {
            let record = Record::Item {
                state: Box::new(state.clone()),
            };
            log::encode(&record, 0, &mut bytes).map_err(fail)?;
        }
        failpoint::hit("work-before-compact");
        inner.broken = true;
        write_atomic(&self.path, &bytes).map_err(io_error(&self.path))?;
        failpoint::hit("work-after-compact");
        inner.file = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(io_error(&self.path))?;
        inner.broken = false;
        inner.bytes = bytes.len() as u64;
        inner.durable = inner.bytes;
        inner.compact_at = COMPACT_BYTES.max(inner.bytes * COMPACT_GROWTH);
        Ok(())
    }
}

fn corrupt(path: &Path, what: String) -> WorkError {
    WorkError::Corrupt {
        path: path.to_owned(),
        offset: 0,
        what,
    }
}

fn header(identity: &WorkIdentity) -> Result<Vec<u8>, String> {
    let record = Record::Header {
        schema: SCHEMA_VERSION,
        work: identity.clone(),
    };
    let mut bytes = Vec::new();
    log::encode(&record, 0, &mut bytes)?;
    Ok(bytes)
}

fn peek_file(path: &Path) -> Result<Option<(WorkIdentity, WorkFacts)>, WorkError> {
    let Some(bytes) = read_log(path)? else {
        return Ok(None);
    };
    let loaded = load(path, &bytes)?;
    Ok(loaded.map(|loaded| {
        let facts = loaded.table.facts(&loaded.identity);
        (loaded.identity, facts)
    }))
}

impl WorkStore for LocalWorkStore {
    fn identity(&self) -> &WorkIdentity {
        &self.identity
    }

    fn now(&self) -> Timestamp {
        self.began.0 + self.began.1.elapsed()
    }

    fn register(&self, items: &[ItemSpec]) -> Result<u64, WorkError> {
        let mut inner = self.inner()?;
        let new = inner.table.new_items(items)?;
        let records = new
            .chunks(REGISTER_CHUNK)
            .map(|chunk| Record::Register {
                items: chunk.to_vec(),
            })
            .collect::<Vec<_>>();
        if !records.is_empty() {
            self.append(&mut inner, records, true)?;
        }
        Ok(new.len() as u64)
    }

    fn limit_to(&self, indices: BTreeSet<String>) -> Result<(), WorkError> {
        self.inner()?.table.limit_to(indices);
        Ok(())
    }

    fn acquire(
        &self,
        holder: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Acquired, WorkError> {
        let mut inner = self.inner()?;
        let item = loop {
            let ends = |_, expires: Option<Timestamp>| expires.filter(|expires| *expires > now);
            let item = match inner.table.next(1, ends) {
                Next::Free(items) | Next::Over(items) => items.first().copied(),
                Next::Wait(until) => return Ok(Acquired::Wait(until)),
                Next::Finished => None,
            };
            let Some(item) = item else {
                return Ok(Acquired::Finished);
            };
            if !inner.table.items()[item].is_hopeless() {
                break item;
            }
            self.append(&mut inner, vec![Record::GivenUp { item }], true)?;
        };
        let record = Record::Taken {
            item,
            attempt: inner.table.items()[item].attempt + 1,
            holder: holder.to_owned(),
            expires,
        };
        self.append(&mut inner, vec![record], false)?;
        Ok(inner.table.lease(item))
    }

    fn checkpoint(
        &self,
        lease: &Lease,
        progress: &ItemProgress,
        expires: Timestamp,
    ) -> Result<(), WorkError> {
        let mut inner = self.inner()?;
        let item = inner.table.check(lease)?;
        let progress = Box::new(progress.clone());
        let record = Record::Progress {
            item,
            expires,
            progress,
        };
        self.append(&mut inner, vec![record], true)
    }

    fn complete(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError> {
        let mut inner = self.inner()?;
        let item = inner.table.check(lease)?;
        let progress = Box::new(progress.clone());
        self.append(&mut inner, vec![Record::Done { item, progress }], true)
    }

    fn release(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError> {
        let mut inner = self.inner()?;
        let item = inner.table.check(lease)?;
        let progress = Box::new(progress.clone());
        self.append(&mut inner, vec![Record::Released { item, progress }], true)
    }

    fn set_aside(&self, lease: &Lease, reason: &str) -> Result<(), WorkError> {
        let mut inner = self.inner()?;
        let item = inner.table.check(lease)?;
        let record = Record::SetAside {
            item,
            reason: reason.to_owned(),
        };
        self.append(&mut inner, vec![record], true)
    }

    fn rest_of_segment(&self, item: &ItemKey) -> Result<Option<Vec<ItemState>>, WorkError> {
        let inner = self.inner()?;
        Ok(inner.table.all_done(&inner.table.beside(item)))
    }

    fn amend(
        &self,
        item: &ItemKey,
        before: &ItemProgress,
        progress: &ItemProgress,
    ) -> Result<(), WorkError> {
        let mut inner = self.inner()?;
        let item = inner.table.unheld(item, before)?;
        let progress = Box::new(progress.clone());
        self.append(&mut inner, vec![Record::Amended { item, progress }], true)
    }

    fn reset(&self, index: Option<&str>) -> Result<u64, WorkError> {
        let mut inner = self.inner()?;
        let index = index.map(str::to_owned);
        let affected = inner
            .table
            .items()
            .iter()
            .filter(|state| {
                index
                    .as_ref()
                    .is_none_or(|index| *index == state.item.key.index)
            })
            .count();
        self.append(&mut inner, vec![Record::Reset { index }], true)?;
        Ok(affected as u64)
    }

    fn finished(&self) -> Result<bool, WorkError> {
        Ok(self.inner()?.table.open(1).is_empty())
    }

    fn items(&self) -> Result<Vec<ItemState>, WorkError> {
        Ok(self.inner()?.table.items().to_vec())
    }

    fn facts(&self) -> Result<WorkFacts, WorkError> {
        Ok(self.inner()?.table.facts(&self.identity))
    }
}
