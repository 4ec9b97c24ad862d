//! A work store as documents of the target's working state, for targets that are clusters.
//!
//! A header says whose work it is and how many items there are; each item is a document of its own. Every change of an
//! item is written on the condition that nobody else wrote it since it was read (`if_seq_no`), and every taking of it
//! raises its attempt number: so several processes may work from one store, and one that wakes late is told so. What a
//! process knows of the items is kept in memory; a refused write or a lack of free items has it read again.
//!
//! A coordinator has the lock of the plan's state: what coordinators before it held is held by processes that are gone (or
//! sleep, and will be fenced), and is free at once. What workers hold is theirs until it expires. A worker changes nothing
//! when it joins; it is told when the store is not the one that it was started for. Deliberately absent: waiting for other
//! processes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::{Next, Record, Table};
use super::{
    Acquired, COORDINATOR, ItemProgress, ItemSpec, ItemState, ItemStatus, Lease, Role,
    SCHEMA_BEFORE, SCHEMA_VERSION, WorkError, WorkIdentity, WorkStore,
};
use crate::base::Fingerprint;
use crate::base::failpoint;
use crate::clients::target::TargetError;
use crate::clients::target::cluster::WorkingState;
use crate::clients::target::cluster::patience::patiently;
use crate::clients::target::cluster::working_state::{Condition, Stored, Tag, Written};
use crate::diff::observation::WorkFacts;
use crate::engines::bulk::stop::{Stop, StopFn};

/// What a header is, among the documents of the working state.
const HEADER: &str = "work";
/// What an item is.
const ITEM: &str = "work-item";
/// This version of mig, as it stands in the header.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Time between two readings of what others hold.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Items that one look reads.
const LOOK_ITEMS: usize = 500;
/// Times that a refused write is tried again with what was read since.
const TRIES: usize = 5;

/// The document that says whose work it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Header {
    schema: u32,
    /// The coordinator's version.
    #[serde(default)]
    mig: String,
    work: WorkIdentity,
    /// Tells the items of this store from those of one that was there before.
    epoch: String,
    items: usize,
}

/// The numbers of a document's last write.
#[derive(Clone, Copy, Debug)]
struct LastWrite {
    seq_no: u64,
    primary_term: u64,
}

impl LastWrite {
    fn of<T>(stored: &Stored<T>) -> Self {
        Self {
            seq_no: stored.seq_no,
            primary_term: stored.primary_term,
        }
    }

    fn unchanged(self) -> Condition {
        Condition::Unchanged {
            seq_no: self.seq_no,
            primary_term: self.primary_term,
        }
    }
}

/// See the module.
pub struct IndexWorkStore<'a> {
    state: WorkingState,
    identity: WorkIdentity,
    stop: StopFn<'a>,
    began: (Timestamp, Instant),
    inner: Mutex<Inner>,
}

struct Inner {
    header: Header,
    header_write: LastWrite,
    table: Table,
    writes: Vec<LastWrite>,
    looked: Option<Instant>,
}

/// One header for each pair of names.
fn header_id(plan: &str, work: &str) -> String {
    let hash = Fingerprint::of(&(plan, work));
    format!(
        "work:{}:header",
        hash.as_str().get(..16).unwrap_or_default()
    )
}

fn item_id(header: &Header, number: usize) -> String {
    let hash = Fingerprint::of(&(&header.work.plan, &header.work.work));
    let hash = hash.as_str().get(..16).unwrap_or_default();
    format!("work:{hash}:{}:item:{number}", header.epoch)
}

fn place(state: &WorkingState) -> PathBuf {
    PathBuf::from(state.location())
}

fn corrupt(state: &WorkingState, what: String) -> WorkError {
    WorkError::Corrupt {
        path: place(state),
        offset: 0,
        what,
    }
}

/// The header, where there is one that this version reads.
fn read_header(
    state: &WorkingState,
    plan: &str,
    work: &str,
) -> Result<Option<Stored<Header>>, WorkError> {
    let id = header_id(plan, work);
    // The schema first: another one may have other fields.
    let Some(found) = state.get::<serde_json::Value>(&id)? else {
        return Ok(None);
    };
    let schema = found.body.get("schema").and_then(serde_json::Value::as_u64);
    let read = [SCHEMA_VERSION, SCHEMA_BEFORE].map(|it| Some(u64::from(it)));
    if !read.contains(&schema) {
        return Err(WorkError::Schema {
            path: place(state),
            found: schema.and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
        });
    }
    let body = serde_json::from_value(found.body)
        .map_err(|error| corrupt(state, format!("header {id}: {error}")))?;
    Ok(Some(Stored {
        id: found.id,
        body,
        seq_no: found.seq_no,
        primary_term: found.primary_term,
    }))
}

/// Items by their numbers; every one of them has to be there.
fn read_items(
    state: &WorkingState,
    header: &Header,
    numbers: impl Iterator<Item = usize>,
) -> Result<Vec<Stored<ItemState>>, WorkError> {
    let ids: Vec<String> = numbers.map(|number| item_id(header, number)).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = state.get_many::<ItemState>(&ids)?;
    if found.len() != ids.len() {
        return Err(corrupt(
            state,
            format!(
                "{} of {} work items are gone",
                ids.len() - found.len(),
                ids.len()
            ),
        ));
    }
    Ok(found)
}

fn table(
    state: &WorkingState,
    found: Vec<Stored<ItemState>>,
) -> Result<(Table, Vec<LastWrite>), WorkError> {
    let mut table = Table::default();
    let mut writes = Vec::with_capacity(found.len());
    for stored in found {
        writes.push(LastWrite::of(&stored));
        let record = Record::Item {
            state: Box::new(stored.body),
        };
        table.apply(record).map_err(|what| corrupt(state, what))?;
    }
    Ok((table, writes))
}

/// What a worker is refused for.
fn fits(state: &WorkingState, header: &Header, identity: &WorkIdentity) -> Result<(), WorkError> {
    // First: another version may compute the rest otherwise.
    if header.mig != VERSION || header.schema != SCHEMA_VERSION {
        return Err(WorkError::Version {
            path: place(state),
            found: header.mig.clone(),
        });
    }
    let work = &header.work;
    let digests = (work.digest.as_str(), identity.digest.as_str());
    for (what, there, here) in [
        ("lineage", work.lineage.as_str(), identity.lineage.as_str()),
        ("snapshot", &work.snapshot_uuid, &identity.snapshot_uuid),
        ("a plan of digest", digests.0, digests.1),
    ] {
        if there != here {
            return Err(WorkError::Differs {
                path: place(state),
                what,
                there: there.to_owned(),
                here: here.to_owned(),
            });
        }
    }
    Ok(())
}

impl<'a> IndexWorkStore<'a> {
    /// Opens the store of `identity`; a coordinator makes it where there is none, and takes it over from other versions of
    /// mig. A store of the same plan and work with another lineage, snapshot or digest is refused and stays as it is. `stop`
    /// ends the waiting for a target that is down.
    pub fn open(
        state: &WorkingState,
        identity: &WorkIdentity,
        role: Role,
        stop: StopFn<'a>,
    ) -> Result<Self, WorkError> {
        let found = match role {
            Role::Coordinator => Self::begin(state, identity)?,
            Role::Worker => Self::join(state, identity)?,
        };
        let items = read_items(state, &found.body, 0..found.body.items)?;
        let (table, writes) = table(state, items)?;
        let store = Self {
            state: state.clone(),
            identity: identity.clone(),
            stop,
            began: (Timestamp::now(), Instant::now()),
            inner: Mutex::new(Inner {
                header_write: LastWrite::of(&found),
                header: found.body,
                table,
                writes,
                looked: None,
            }),
        };
        if role == Role::Coordinator {
            store.free()?;
        }
        failpoint::hit("work-after-open");
        Ok(store)
    }

    /// The header for a worker.
    fn join(state: &WorkingState, identity: &WorkIdentity) -> Result<Stored<Header>, WorkError> {
        let found = read_header(state, &identity.plan, &identity.work)?;
        let found = found.ok_or_else(|| WorkError::NotBegun {
            path: place(state),
            plan: identity.plan.clone(),
            work: identity.work.clone(),
        })?;
        fits(state, &found.body, identity)?;
        Ok(found)
    }

    /// The header for a coordinator.
    fn begin(state: &WorkingState, identity: &WorkIdentity) -> Result<Stored<Header>, WorkError> {
        state.ensure()?;
        let id = header_id(&identity.plan, &identity.work);
        for _ in 0..TRIES {
            let Some(found) = read_header(state, &identity.plan, &identity.work)? else {
                let header = Header {
                    schema: SCHEMA_VERSION,
                    mig: VERSION.to_owned(),
                    work: identity.clone(),
                    epoch: uuid::Uuid::new_v4().simple().to_string(),
                    items: 0,
                };
                failpoint::hit("work-before-header");
                // Whether this one or another's was first, it is read then.
                state.put(&id, tag(identity, HEADER), &header, Condition::Absent, true)?;
                failpoint::hit("work-after-header");
                continue;
            };
            if found.body.work != *identity {
                return Err(WorkError::Other {
                    path: place(state),
                    found: Box::new(found.body.work),
                });
            }
            if found.body.mig == VERSION && found.body.schema == SCHEMA_VERSION {
                return Ok(found);
            }
            let header = Header {
                schema: SCHEMA_VERSION,
                mig: VERSION.to_owned(),
                ..found.body.clone()
            };
            let condition = LastWrite::of(&found).unchanged();
            state.put(&id, tag(identity, HEADER), &header, condition, true)?;
        }
        Err(corrupt(
            state,
            format!("header {id} is written by somebody else all the time"),
        ))
    }

    /// Frees what coordinators of before held, and what was set aside.
    fn free(&self) -> Result<(), WorkError> {
        let mut inner = self.inner();
        let to_free = |state: &ItemState| match &state.status {
            ItemStatus::Held { holder, .. } => holder.starts_with(COORDINATOR),
            ItemStatus::SetAside { .. } => true,
            ItemStatus::Free | ItemStatus::Done => false,
        };
        for _ in 0..TRIES {
            let numbers: Vec<usize> = inner
                .table
                .items()
                .iter()
                .enumerate()
                .filter(|(_, state)| to_free(state))
                .map(|(number, _)| number)
                .collect();
            if numbers.is_empty() {
                return Ok(());
            }
            let freed: Vec<(String, ItemState, Condition)> = numbers
                .iter()
                .map(|number| {
                    let state = inner.table.items()[*number].freed();
                    let condition = inner.writes[*number].unchanged();
                    (item_id(&inner.header, *number), state, condition)
                })
                .collect();
            let item_tag = tag(&self.identity, ITEM);
            self.patiently(|| self.state.put_many(item_tag, &freed))?;
            self.learn(&mut inner, &numbers)?;
        }
        // A coordinator that did not notice yet that it was replaced: its leases end by time.
        Ok(())
    }

    /// What the store of (plan, work) says, whatever its lineage and snapshot: reads only.
    pub fn peek_work(
        state: &WorkingState,
        plan: &str,
        work: &str,
    ) -> Result<Option<(WorkIdentity, WorkFacts)>, WorkError> {
        let Some(header) = read_header(state, plan, work)? else {
            return Ok(None);
        };
        let items = read_items(state, &header.body, 0..header.body.items)?;
        let (table, _) = table(state, items)?;
        let facts = table.facts(&header.body.work);
        Ok(Some((header.body.work, facts)))
    }

    /// Removes the store of (plan, work), whatever is in it; says whether there was one.
    pub fn remove(state: &WorkingState, plan: &str, work: &str) -> Result<bool, WorkError> {
        let Some(header) = read_header(state, plan, work)? else {
            return Ok(false);
        };
        let items: Vec<String> = (0..header.body.items)
            .map(|number| item_id(&header.body, number))
            .collect();
        // The header first: items without one are nobody's, and another store's items never have their names.
        let removed = state.delete(&header.id)?;
        failpoint::hit("work-after-remove");
        state.delete_many(&items)?;
        Ok(removed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing is changed in memory before it stands on the target.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patiently<T>(&self, call: impl FnMut() -> Result<T, TargetError>) -> Result<T, WorkError> {
        let stop = || (self.stop)() == Stop::Now;
        Ok(patiently(&stop, call)?)
    }

    /// Writes an item if nobody else did; otherwise learns what is there, and says `false`.
    fn write(
        &self,
        inner: &mut Inner,
        number: usize,
        state: &ItemState,
    ) -> Result<bool, WorkError> {
        let id = item_id(&inner.header, number);
        let last = inner.writes[number];
        failpoint::hit("work-before-append");
        let written = self.patiently(|| {
            let tag = tag(&self.identity, ITEM);
            self.state.put(&id, tag, state, last.unchanged(), false)
        })?;
        failpoint::hit("work-after-append");
        if let Written::Done {
            seq_no,
            primary_term,
        } = written
        {
            inner.writes[number] = LastWrite {
                seq_no,
                primary_term,
            };
            inner.table.set(number, state.clone());
            return Ok(true);
        }
        self.learn(inner, &[number])?;
        // A write of our own whose answer was lost is found to be there.
        Ok(inner.table.items()[number] == *state)
    }

    /// Reads items again.
    fn learn(&self, inner: &mut Inner, numbers: &[usize]) -> Result<(), WorkError> {
        let ids: Vec<String> = numbers
            .iter()
            .map(|it| item_id(&inner.header, *it))
            .collect();
        let found = self.patiently(|| self.state.get_many::<ItemState>(&ids))?;
        if found.len() != numbers.len() {
            return Err(corrupt(
                &self.state,
                "work items are gone: the store was removed meanwhile".to_owned(),
            ));
        }
        for (number, stored) in numbers.iter().zip(found) {
            inner.writes[*number] = LastWrite::of(&stored);
            inner.table.set(*number, stored.body);
        }
        Ok(())
    }

    /// Writes what a holder says of its item, if the lease still holds.
    fn say(&self, lease: &Lease, said: impl Fn(&ItemState) -> ItemState) -> Result<(), WorkError> {
        let mut inner = self.inner();
        for _ in 0..TRIES {
            let number = inner.table.check(lease)?;
            let state = said(&inner.table.items()[number]);
            if self.write(&mut inner, number, &state)? {
                return Ok(());
            }
        }
        Err(self.contended(&lease.item))
    }

    fn contended(&self, item: &ItemSpec) -> WorkError {
        corrupt(
            &self.state,
            format!(
                "work item {} is written by somebody else all the time",
                item.key
            ),
        )
    }

    /// Reads again what others hold, but not all the time.
    fn look(&self, inner: &mut Inner) -> Result<(), WorkError> {
        if inner
            .looked
            .is_some_and(|looked| looked.elapsed() < LOOK_EVERY)
        {
            return Ok(());
        }
        inner.looked = Some(Instant::now());
        let held: Vec<usize> = inner
            .table
            .items()
            .iter()
            .enumerate()
            .filter(|(_, state)| matches!(state.status, ItemStatus::Held { .. }))
            .map(|(number, _)| number)
            .collect();
        self.learn(inner, &held)
    }

    /// Adds items behind those that are there.
    fn append(&self, inner: &mut Inner, new: &[ItemSpec]) -> Result<(), WorkError> {
        let first = inner.header.items;
        let fresh: Vec<(String, ItemState, Condition)> = new
            .iter()
            .enumerate()
            .map(|(at, item)| {
                let state = ItemState::fresh(item.clone());
                (item_id(&inner.header, first + at), state, Condition::Absent)
            })
            .collect();
        let item_tag = tag(&self.identity, ITEM);
        self.patiently(|| self.state.put_many(item_tag, &fresh))?;
        failpoint::hit("work-after-register");
        // Those that a process left that died here may be of another list.
        let ids: Vec<String> = fresh.iter().map(|(id, ..)| id.clone()).collect();
        let found = self.patiently(|| self.state.get_many::<ItemState>(&ids))?;
        let stale: Vec<(String, ItemState, Condition)> = fresh
            .iter()
            .zip(&found)
            .filter(|((_, wanted, _), found)| found.body.item != wanted.item)
            .map(|((id, wanted, _), found)| {
                let condition = LastWrite::of(found).unchanged();
                (id.clone(), wanted.clone(), condition)
            })
            .collect();
        if !stale.is_empty() {
            self.patiently(|| self.state.put_many(item_tag, &stale))?;
        }
        let header = Header {
            items: first + new.len(),
            ..inner.header.clone()
        };
        let id = header_id(&self.identity.plan, &self.identity.work);
        let condition = inner.header_write.unchanged();
        // Whether this write or another's went through is read by the caller.
        self.patiently(|| {
            let tag = tag(&self.identity, HEADER);
            self.state.put(&id, tag, &header, condition, true)
        })?;
        failpoint::hit("work-after-registered");
        Ok(())
    }

    /// Reads the header and the items that are new in it.
    fn learn_header(&self, inner: &mut Inner) -> Result<(), WorkError> {
        let found = read_header(&self.state, &self.identity.plan, &self.identity.work)?
            .filter(|found| found.body.epoch == inner.header.epoch)
            .ok_or_else(|| corrupt(&self.state, "the store was removed meanwhile".to_owned()))?;
        let known = inner.table.items().len();
        let items = read_items(&self.state, &found.body, known..found.body.items)?;
        inner.header_write = LastWrite::of(&found);
        inner.header = found.body;
        for stored in items {
            inner.writes.push(LastWrite::of(&stored));
            let record = Record::Item {
                state: Box::new(stored.body),
            };
            inner
                .table
                .apply(record)
                .map_err(|what| corrupt(&self.state, what))?;
        }
        Ok(())
    }
}

fn tag<'i>(identity: &'i WorkIdentity, kind: &'i str) -> Tag<'i> {
    Tag {
        kind,
        plan: &identity.plan,
        lineage: &identity.lineage,
    }
}

impl WorkStore for IndexWorkStore<'_> {
    fn identity(&self) -> &WorkIdentity {
        &self.identity
    }

    fn now(&self) -> Timestamp {
        self.began.0 + self.began.1.elapsed()
    }

    fn register(&self, items: &[ItemSpec]) -> Result<u64, WorkError> {
        let mut inner = self.inner();
        let mut added = 0;
        for _ in 0..TRIES {
            let new = inner.table.new_items(items)?;
            if new.is_empty() {
                return Ok(added);
            }
            self.append(&mut inner, &new)?;
            self.learn_header(&mut inner)?;
            added = new.len() as u64;
        }
        match inner.table.new_items(items)?.first() {
            None => Ok(added),
            Some(item) => Err(self.contended(item)),
        }
    }

    fn limit_to(&self, indices: BTreeSet<String>) -> Result<(), WorkError> {
        self.inner().table.limit_to(indices);
        Ok(())
    }

    fn acquire(
        &self,
        holder: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Acquired, WorkError> {
        let mut inner = self.inner();
        loop {
            let (number, taken) = match inner.table.next(now) {
                Next::Item(number) => {
                    let found = &inner.table.items()[number];
                    (number, found.taken(holder, Some(expires)))
                }
                Next::GiveUp(number) => {
                    let given_up = inner.table.items()[number].given_up();
                    self.write(&mut inner, number, &given_up)?;
                    continue;
                }
                Next::Finished => return Ok(Acquired::Finished),
                Next::Wait(until) => {
                    self.look(&mut inner)?;
                    return match inner.table.next(now) {
                        Next::Finished => Ok(Acquired::Finished),
                        _ => Ok(Acquired::Wait(until)),
                    };
                }
            };
            if self.write(&mut inner, number, &taken)? {
                failpoint::hit("work-after-acquire");
                return Ok(inner.table.lease(number));
            }
        }
    }

    fn checkpoint(
        &self,
        lease: &Lease,
        progress: &ItemProgress,
        expires: Timestamp,
    ) -> Result<(), WorkError> {
        self.say(lease, |found| found.moved(progress, Some(expires)))
    }

    fn complete(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError> {
        self.say(lease, |found| found.done(progress))
    }

    fn release(&self, lease: &Lease, progress: &ItemProgress) -> Result<(), WorkError> {
        self.say(lease, |found| found.given_back(progress))
    }

    fn set_aside(&self, lease: &Lease, reason: &str) -> Result<(), WorkError> {
        self.say(lease, |found| found.set_aside(reason))
    }

    fn reset(&self, index: Option<&str>) -> Result<u64, WorkError> {
        let mut inner = self.inner();
        let mut open: Vec<usize> = inner
            .table
            .items()
            .iter()
            .enumerate()
            .filter(|(_, state)| index.is_none_or(|index| index == state.item.key.index))
            .map(|(number, _)| number)
            .collect();
        let affected = open.len() as u64;
        for _ in 0..TRIES {
            if open.is_empty() {
                return Ok(affected);
            }
            let anew: Vec<(String, ItemState, Condition)> = open
                .iter()
                .map(|number| {
                    let found = &inner.table.items()[*number];
                    let state = found.anew();
                    let condition = inner.writes[*number].unchanged();
                    (item_id(&inner.header, *number), state, condition)
                })
                .collect();
            let item_tag = tag(&self.identity, ITEM);
            self.patiently(|| self.state.put_many(item_tag, &anew))?;
            failpoint::hit("work-after-reset");
            self.learn(&mut inner, &open)?;
            open.retain(|number| {
                let found = &inner.table.items()[*number];
                found.status != ItemStatus::Free || found.progress != ItemProgress::default()
            });
        }
        match open.first() {
            None => Ok(affected),
            Some(number) => Err(self.contended(&inner.table.items()[*number].item)),
        }
    }

    fn finished(&self) -> Result<bool, WorkError> {
        let mut inner = self.inner();
        loop {
            let open = inner.table.open(LOOK_ITEMS);
            if open.is_empty() {
                return Ok(true);
            }
            self.learn(&mut inner, &open)?;
            if inner.table.open(1).first() == open.first() {
                return Ok(false);
            }
        }
    }

    fn items(&self) -> Result<Vec<ItemState>, WorkError> {
        Ok(self.inner().table.items().to_vec())
    }

    fn facts(&self) -> Result<WorkFacts, WorkError> {
        Ok(self.inner().table.facts(&self.identity))
    }
}
