//! A work store as documents of the target's working state, for targets that are clusters.
//!
//! A header says whose work it is and how many items there are; each item is a document of its own. Every change of an
//! item is written on the condition that nobody else wrote it since it was read (`if_seq_no`), and every taking of it
//! raises its attempt number: so any number of processes may work from one store, and one that wakes late is told so. What a
//! process knows of the items is kept in memory; a refused write or a lack of free items has it read again (`acquire`).
//!
//! A coordinator has the lock of the plan's state: what coordinators before it held is held by processes that are gone (or
//! sleep, and will be fenced), and is free at once. What workers hold is theirs until it expires. A worker changes nothing
//! when it joins; it is told when the store is not the one that it was started for, then and at every look at the header. Time
//! is the server's (`clock`). Deliberately absent: waiting for other processes. `simulation` holds all of it against a server
//! and processes that fail in every way.

mod acquire;
mod clock;
pub(super) mod documents;
mod header;
mod register;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::clock::Clock;
use self::documents::{Documents, OnCluster, Server, SystemTime, Time};
use self::header::{Header, ItemIds, item_tag};
use super::table::{Record, Table};
use super::{
    Acquired, COORDINATOR, ItemKey, ItemProgress, ItemSpec, ItemState, ItemStatus, Lease, Role,
    WorkError, WorkIdentity, WorkStore,
};
use crate::base::failpoint;
use crate::clients::target::cluster::WorkingState;
use crate::clients::target::cluster::working_state::{Condition, Stored, Written};
use crate::diff::observation::WorkFacts;
use crate::engines::bulk::stop::StopFn;

/// Items that one look for the end reads at once.
const LOOK_ITEMS: usize = 500;
/// Times that a refused write is tried again with what was read since.
const TRIES: usize = 5;

/// A document's last write, as this process knows it.
#[derive(Clone, Copy, Debug)]
struct LastWrite {
    seq_no: u64,
    primary_term: u64,
    /// When it was first seen, by the monotonic clock.
    seen: Duration,
}

impl LastWrite {
    fn of<T>(stored: &Stored<T>) -> Self {
        Self {
            seq_no: stored.seq_no,
            primary_term: stored.primary_term,
            seen: Duration::ZERO,
        }
    }

    fn seen_at(self, seen: Duration) -> Self {
        Self { seen, ..self }
    }

    fn is(self, other: Self) -> bool {
        (self.seq_no, self.primary_term) == (other.seq_no, other.primary_term)
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
    server: Server<'a>,
    time: Box<dyn Time + 'a>,
    clock: Clock,
    identity: WorkIdentity,
    inner: Mutex<Inner>,
}

/// What this process knows.
struct Inner {
    header: Header,
    ids: ItemIds,
    header_write: LastWrite,
    /// When the header was read.
    header_looked: Duration,
    table: Table,
    writes: Vec<LastWrite>,
    /// When what others hold was read.
    looked: Option<Duration>,
    /// How long a lease is.
    term: SignedDuration,
    /// How an item is chosen among the free ones.
    choice: acquire::Choice,
}

fn read_items(
    server: &Server<'_>,
    ids: &ItemIds,
    numbers: impl Iterator<Item = usize>,
) -> Result<Vec<Stored<ItemState>>, WorkError> {
    let ids: Vec<String> = numbers.map(|number| ids.id(number)).collect();
    let found = server.get_many::<ItemState>(&ids)?;
    if found.len() != ids.len() {
        return Err(server.corrupt(format!(
            "{} of {} work items are gone",
            ids.len() - found.len(),
            ids.len()
        )));
    }
    Ok(found)
}

fn table(
    server: &Server<'_>,
    found: Vec<Stored<ItemState>>,
    now: Duration,
) -> Result<(Table, Vec<LastWrite>), WorkError> {
    let mut table = Table::default();
    let mut writes = Vec::with_capacity(found.len());
    for stored in found {
        writes.push(LastWrite::of(&stored).seen_at(now));
        let record = Record::Item {
            state: Box::new(stored.body),
        };
        table.apply(record).map_err(|what| server.corrupt(what))?;
    }
    Ok((table, writes))
}

fn on_cluster<'a>(state: &WorkingState, stop: Option<StopFn<'a>>) -> Server<'a> {
    Server::new(Box::new(OnCluster::new(state, stop)))
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
        Self::open_at(state, identity, role, stop, Timestamp::now())
    }

    /// As [`Self::open`], where the machine's clock says `wall`: it plays no part where the server tells its own.
    pub fn open_at(
        state: &WorkingState,
        identity: &WorkIdentity,
        role: Role,
        stop: StopFn<'a>,
        wall: Timestamp,
    ) -> Result<Self, WorkError> {
        // Whoever starts wants to be told at once when the target is down.
        let opening = on_cluster(state, None);
        let found = Self::found(&opening, identity, role)?;
        let server = OnCluster::new(state, Some(stop));
        let time = SystemTime::from(wall);
        Self::with(Box::new(server), Box::new(time), found, role)
    }

    /// As [`Self::open`], on any documents and in any time.
    #[cfg(test)]
    pub(super) fn open_on(
        documents: impl Fn() -> Box<dyn Documents + 'a>,
        time: Box<dyn Time + 'a>,
        identity: &WorkIdentity,
        role: Role,
    ) -> Result<Self, WorkError> {
        let found = Self::found(&Server::new(documents()), identity, role)?;
        Self::with(documents(), time, found, role)
    }

    /// Writes an item past all rules.
    #[cfg(test)]
    pub(super) fn write_for_a_test(
        &self,
        number: usize,
        state: &ItemState,
    ) -> Result<bool, WorkError> {
        self.write(&mut self.inner(), number, state)
    }

    fn found(
        server: &Server<'_>,
        identity: &WorkIdentity,
        role: Role,
    ) -> Result<Stored<Header>, WorkError> {
        match role {
            Role::Coordinator => header::begin(server, identity),
            Role::Worker => header::join(server, identity),
        }
    }

    fn with(
        documents: Box<dyn Documents + 'a>,
        time: Box<dyn Time + 'a>,
        found: Stored<Header>,
        role: Role,
    ) -> Result<Self, WorkError> {
        let server = Server::new(documents);
        let ids = ItemIds::of(&found.body);
        let items = read_items(&server, &ids, 0..found.body.items)?;
        // After the reading, which may have lasted: a write is not to seem older than it is.
        let now = time.monotonic();
        let (table, writes) = table(&server, items, now)?;
        let store = Self {
            clock: Clock::new(&*time),
            identity: found.body.work.clone(),
            inner: Mutex::new(Inner {
                ids,
                header_write: LastWrite::of(&found),
                header: found.body,
                header_looked: now,
                table,
                writes,
                looked: None,
                term: SignedDuration::ZERO,
                choice: acquire::Choice::new(role),
            }),
            server,
            time,
        };
        if role == Role::Coordinator {
            store.free()?;
        }
        failpoint::hit("work-after-open");
        Ok(store)
    }

    /// Frees what coordinators of before held, and what was set aside. What somebody else writes meanwhile is left to its
    /// writer.
    fn free(&self) -> Result<(), WorkError> {
        let mut inner = self.inner();
        let to_free = |state: &ItemState| match &state.status {
            ItemStatus::Held { holder, .. } => holder.starts_with(COORDINATOR),
            ItemStatus::SetAside { .. } => true,
            ItemStatus::Free | ItemStatus::Done => false,
        };
        let items = inner.table.items().iter().enumerate();
        let numbers: Vec<usize> = items
            .filter(|(_, state)| to_free(state))
            .map(|(number, _)| number)
            .collect();
        self.write_many(&mut inner, &numbers, ItemState::freed)
    }

    /// What the store of (plan, work) says, whatever its lineage and snapshot: reads only.
    pub fn peek_work(
        state: &WorkingState,
        plan: &str,
        work: &str,
    ) -> Result<Option<(WorkIdentity, WorkFacts)>, WorkError> {
        let server = on_cluster(state, None);
        let Some(header) = header::read(&server, plan, work)? else {
            return Ok(None);
        };
        let header = header.body;
        let items = read_items(&server, &ItemIds::of(&header), 0..header.items)?;
        let (table, _) = table(&server, items, Duration::ZERO)?;
        let facts = table.facts(&header.work);
        Ok(Some((header.work, facts)))
    }

    /// The items of the store of (plan, work), as [`Self::peek_work`].
    pub fn peek_items(
        state: &WorkingState,
        plan: &str,
        work: &str,
    ) -> Result<Option<(WorkIdentity, Vec<ItemState>)>, WorkError> {
        let server = on_cluster(state, None);
        let Some(header) = header::read(&server, plan, work)? else {
            return Ok(None);
        };
        let header = header.body;
        let items = read_items(&server, &ItemIds::of(&header), 0..header.items)?;
        let items = items.into_iter().map(|stored| stored.body).collect();
        Ok(Some((header.work, items)))
    }

    /// Removes the store of (plan, work), whatever is in it; says whether there was one.
    pub fn remove(state: &WorkingState, plan: &str, work: &str) -> Result<bool, WorkError> {
        let server = on_cluster(state, None);
        let Some(header) = header::read(&server, plan, work)? else {
            return Ok(false);
        };
        let ids = ItemIds::of(&header.body);
        let items: Vec<String> = (0..header.body.items).map(|it| ids.id(it)).collect();
        // The header first: items without one are nobody's, and another store's items never have their names.
        let removed = server.delete(&header.id)?;
        failpoint::hit("work-after-remove");
        server.delete_many(&items)?;
        Ok(removed)
    }

    /// Requests that this store sent so far; one that had to be sent again counts once.
    pub fn requests(&self) -> u64 {
        self.server.requests()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing is changed in memory before it stands on the target.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an item if nobody else did; otherwise learns what is there, and says `false`.
    fn write(
        &self,
        inner: &mut Inner,
        number: usize,
        state: &ItemState,
    ) -> Result<bool, WorkError> {
        let id = inner.ids.id(number);
        let condition = inner.writes[number].unchanged();
        failpoint::hit("work-before-append");
        let tag = item_tag(&self.identity);
        let written = self.server.put(&id, tag, state, condition, false)?;
        failpoint::hit("work-after-append");
        if let Written::Done {
            seq_no,
            primary_term,
        } = written
        {
            inner.writes[number] = LastWrite {
                seq_no,
                primary_term,
                seen: self.time.monotonic(),
            };
            inner.table.set(number, state.clone());
            return Ok(true);
        }
        self.learn(inner, &[number])?;
        // A write of our own whose answer was lost is found to be there.
        Ok(inner.table.items()[number] == *state)
    }

    /// Writes what becomes of each of these items, where nobody else wrote it, and learns what is there then.
    fn write_many(
        &self,
        inner: &mut Inner,
        numbers: &[usize],
        becomes: impl Fn(&ItemState) -> ItemState,
    ) -> Result<(), WorkError> {
        let documents: Vec<(String, ItemState, Condition)> = numbers
            .iter()
            .map(|number| {
                let state = becomes(&inner.table.items()[*number]);
                let condition = inner.writes[*number].unchanged();
                (inner.ids.id(*number), state, condition)
            })
            .collect();
        let tag = item_tag(&self.identity);
        self.server.put_many(tag, &documents)?;
        failpoint::hit("work-after-reset");
        self.learn(inner, numbers)
    }

    /// Reads items again.
    fn learn(&self, inner: &mut Inner, numbers: &[usize]) -> Result<(), WorkError> {
        let ids: Vec<String> = numbers.iter().map(|it| inner.ids.id(*it)).collect();
        let found = self.server.get_many::<ItemState>(&ids)?;
        if found.len() != numbers.len() {
            return Err(self.gone());
        }
        let now = self.time.monotonic();
        for (number, stored) in numbers.iter().zip(found) {
            let write = LastWrite::of(&stored).seen_at(now);
            // The same write was seen before: it has not changed since then.
            if !inner.writes[*number].is(write) {
                inner.writes[*number] = write;
                inner.table.set(*number, stored.body);
            }
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
        self.server.corrupt(format!(
            "work item {} is written by somebody else all the time",
            item.key
        ))
    }

    fn gone(&self) -> WorkError {
        WorkError::Gone {
            path: self.server.place().to_owned(),
        }
    }
}

impl WorkStore for IndexWorkStore<'_> {
    fn identity(&self) -> &WorkIdentity {
        &self.identity
    }

    fn now(&self) -> Timestamp {
        self.clock.now(&self.server, &*self.time).time
    }

    fn register(&self, items: &[ItemSpec]) -> Result<u64, WorkError> {
        self.register_items(items)
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
        self.acquire_one(holder, now, expires)
    }

    fn checkpoint(
        &self,
        lease: &Lease,
        progress: &ItemProgress,
        _expires: Timestamp,
    ) -> Result<(), WorkError> {
        // The clock may have become the server's since the caller read it.
        let now = self.clock.now(&self.server, &*self.time);
        let expires = now.end(self.inner().term);
        self.say(lease, |found| found.moved(progress, expires))
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

    fn rest_of_segment(&self, item: &ItemKey) -> Result<Option<Vec<ItemState>>, WorkError> {
        let mut inner = self.inner();
        let beside = inner.table.beside(item);
        let state = |number: &usize| &inner.table.items()[*number].status;
        let mut unknown = Vec::new();
        for number in &beside {
            match state(number) {
                ItemStatus::Done => {}
                ItemStatus::Held { holder, .. } if !inner.choice.is_own(holder) => {
                    unknown.push(*number);
                }
                // Still open for all that is known.
                _ => return Ok(None),
            }
        }
        if !unknown.is_empty() {
            self.learn(&mut inner, &unknown)?;
        }
        Ok(inner.table.all_done(&beside))
    }

    fn amend(
        &self,
        item: &ItemKey,
        before: &ItemProgress,
        progress: &ItemProgress,
    ) -> Result<(), WorkError> {
        let mut inner = self.inner();
        for _ in 0..TRIES {
            let number = inner.table.unheld(item, before)?;
            let state = inner.table.items()[number].amended(progress);
            if self.write(&mut inner, number, &state)? {
                return Ok(());
            }
        }
        Err(self.server.corrupt(format!(
            "work item {item} is written by somebody else all the time"
        )))
    }

    fn reset(&self, index: Option<&str>) -> Result<u64, WorkError> {
        self.reset_items(index)
    }

    fn finished(&self) -> Result<bool, WorkError> {
        let mut inner = self.inner();
        loop {
            let open = inner.table.open(LOOK_ITEMS);
            let Some(first) = open.first() else {
                return Ok(true);
            };
            self.learn(&mut inner, &open)?;
            if inner.table.open(1).first() == Some(first) {
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
