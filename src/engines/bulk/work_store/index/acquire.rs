//! How a process comes to an item, beside others that want one too.
//!
//! A process that is alone takes items in their order. Where others are at work, it chooses among the first free ones that
//! it knows of, by a hash of its name and of how often it chose: the more holders it has seen, the more it chooses among. A
//! race that is lost says that what it knows is old: then a window of the open items is read at once, and after a few
//! races in a row it waits a little, each process for another time. So an item costs a handful of requests, however many
//! processes there are. Leases that are over are looked for when nothing is free.

use std::hash::Hasher as _;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::clock::Now;
use super::clock::limits::SLACK;
use super::{IndexWorkStore, Inner};
use crate::base::failpoint;
use crate::engines::bulk::work_store::table::Next;
use crate::engines::bulk::work_store::{Acquired, ItemState, ItemStatus, Role, WorkError};

/// Limits with names.
pub(in super::super) mod limits {
    use std::time::Duration;

    /// Free items that a process chooses among, for each other holder that it knows of.
    pub(in super::super::super) const CHOICE: usize = 4;
    /// Free items that a process chooses among at least, where it is not alone.
    pub(in super::super::super) const CHOICE_MIN: usize = 32;
    /// Free items that a process chooses among at most.
    pub(in super::super::super) const CHOICE_MAX: usize = 1000;
    /// Open items that are read at once after a lost race, for each that is chosen among.
    pub(in super::super::super) const WINDOW: usize = 2;
    /// Time between two readings of what others hold.
    pub(in super::super::super) const LOOK_EVERY: Duration = Duration::from_secs(2);
    /// Time between two readings of the header while there are free items.
    pub(in super::super::super) const HEADER_EVERY: Duration = Duration::from_secs(30);
    /// Races lost in a row before a process waits.
    pub(in super::super::super) const LOST_RACES: u32 = 3;
    /// The first wait after lost races; doubled each time.
    pub(in super::super::super) const BACKOFF: Duration = Duration::from_millis(50);
    /// The longest wait after lost races.
    pub(in super::super::super) const BACKOFF_MAX: Duration = Duration::from_secs(2);
}

/// How a process chooses.
pub(super) struct Choice {
    /// What its holders begin with, once it had one.
    own: Option<String>,
    /// Holders of other processes among the items that it looked at last.
    others: usize,
    /// Whether it lost a race, or joined others.
    crowded: bool,
    chosen: u64,
}

/// `apply-1-uuid` of `apply-1-uuid/3`.
fn process(holder: &str) -> &str {
    holder
        .split_once('/')
        .map_or(holder, |(process, _)| process)
}

impl Choice {
    pub(super) fn new(role: Role) -> Self {
        Self {
            own: None,
            others: 0,
            crowded: role == Role::Worker,
            chosen: 0,
        }
    }

    pub(super) fn is_own(&self, holder: &str) -> bool {
        self.own.as_deref() == Some(process(holder))
    }

    /// How many free items to choose among.
    fn among(&self) -> usize {
        if self.crowded || self.others > 0 {
            (self.others * limits::CHOICE).clamp(limits::CHOICE_MIN, limits::CHOICE_MAX)
        } else {
            1
        }
    }

    fn number(&mut self, holder: &str) -> u64 {
        self.chosen += 1;
        let mut hasher = crc32fast::Hasher::new();
        hasher.write(holder.as_bytes());
        hasher.write(&self.chosen.to_le_bytes());
        hasher.finish()
    }

    fn of(&mut self, items: &[usize], holder: &str) -> Option<usize> {
        let number = self.number(holder);
        let count = u64::try_from(items.len()).ok().filter(|it| *it > 0)?;
        items.get(usize::try_from(number % count).ok()?).copied()
    }

    /// The wait after so many races that were lost in a row: between half and the whole of a time that grows.
    fn wait(&mut self, lost: u32, holder: &str) -> Option<Duration> {
        let more = lost.checked_sub(limits::LOST_RACES)?;
        let longest = limits::BACKOFF
            .saturating_mul(1 << more.min(10))
            .min(limits::BACKOFF_MAX);
        let share = u32::try_from(self.number(holder) % 512).unwrap_or(0);
        Some(longest * (512 + share) / 1024)
    }
}

/// How one call went on.
enum Step {
    Ended(Acquired),
    Lost,
    /// Something else was found out; it goes on with that.
    Again,
}

impl IndexWorkStore<'_> {
    pub(super) fn acquire_one(
        &self,
        holder: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Acquired, WorkError> {
        let term = expires.duration_since(now);
        self.inner().term = term;
        let mut lost = 0;
        loop {
            let now = self.clock.now(&self.server, &*self.time);
            match self.step(holder, now, term)? {
                Step::Ended(acquired) => return Ok(acquired),
                Step::Again => {}
                Step::Lost => {
                    lost += 1;
                    let wait = self.inner().choice.wait(lost, holder);
                    if let Some(wait) = wait {
                        self.time.sleep(wait);
                    }
                }
            }
        }
    }

    fn step(&self, holder: &str, now: Now, term: SignedDuration) -> Result<Step, WorkError> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        if inner.choice.own.is_none() {
            inner.choice.own = Some(process(holder).to_owned());
        }
        if self.time.monotonic().saturating_sub(inner.header_looked) >= limits::HEADER_EVERY {
            self.learn_header(inner)?;
        }
        let next = self.next(inner, now, term);
        let items = match next {
            Next::Free(items) => items,
            // What is known of others may be old: a lease that seems over may have been lengthened.
            next => match (self.look(inner)?, next) {
                (true, _) => return Ok(Step::Again),
                (false, Next::Free(items) | Next::Over(items)) => items,
                (false, Next::Wait(until)) => return Ok(Step::Ended(Acquired::Wait(until))),
                (false, Next::Finished) => return Ok(Step::Ended(Acquired::Finished)),
            },
        };
        let Some(number) = inner.choice.of(&items, holder) else {
            return Ok(Step::Ended(Acquired::Finished));
        };
        let found = &inner.table.items()[number];
        if found.is_hopeless() {
            let given_up = found.given_up();
            self.write(inner, number, &given_up)?;
            return Ok(Step::Again);
        }
        let taken = found.taken(holder, now.end(term));
        if self.write(inner, number, &taken)? {
            failpoint::hit("work-after-acquire");
            return Ok(Step::Ended(inner.table.lease(number)));
        }
        inner.choice.crowded = true;
        let window = inner.choice.among() * limits::WINDOW;
        self.read(inner, window)?;
        Ok(Step::Lost)
    }

    fn next(&self, inner: &mut Inner, now: Now, term: SignedDuration) -> Next {
        let at = self.time.monotonic();
        let writes = &inner.writes;
        let ends = |number: usize, expires: Option<Timestamp>| {
            let unchanged = at.saturating_sub(writes[number].seen);
            let unchanged = SignedDuration::try_from(unchanged).unwrap_or(SignedDuration::MAX);
            // Right by any clock: its holder had a whole lease to write it again.
            if unchanged >= term {
                return None;
            }
            let by_clock = expires.filter(|_| now.is_servers);
            let end = match by_clock {
                Some(expires) => expires.checked_add(SLACK),
                None => now.time.checked_add(term - unchanged),
            };
            Some(end.unwrap_or(Timestamp::MAX)).filter(|end| *end > now.time)
        };
        inner.table.next(inner.choice.among(), ends)
    }

    /// Reads again what others hold, and the header; not all the time. Says whether it did.
    fn look(&self, inner: &mut Inner) -> Result<bool, WorkError> {
        let now = self.time.monotonic();
        let recently = |looked: Duration| now.saturating_sub(looked) < limits::LOOK_EVERY;
        if inner.looked.is_some_and(recently) {
            return Ok(false);
        }
        self.learn_header(inner)?;
        self.read(inner, usize::MAX)?;
        inner.looked = Some(self.time.monotonic());
        Ok(true)
    }

    /// Reads open items again, the first so many.
    fn read(&self, inner: &mut Inner, most: usize) -> Result<(), WorkError> {
        let open = inner.table.open(most);
        self.learn(inner, &open)?;
        let foreign = |state: &ItemState| match &state.status {
            ItemStatus::Held { holder, .. } => !inner.choice.is_own(holder),
            _ => false,
        };
        let found = open.iter().map(|number| &inner.table.items()[*number]);
        inner.choice.others = found.filter(|state| foreign(state)).count();
        Ok(())
    }
}
