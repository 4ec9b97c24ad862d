//! The state of a work store as a fold over its records. Pure: no files, no clock.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Acquired, ItemKey, ItemProgress, ItemSpec, ItemState, ItemStatus, Lease, WorkError,
    WorkIdentity,
};
use crate::diff::observation::WorkFacts;
use crate::engines::bulk::source::SegmentKey;

/// Items of one store at most: about 400 bytes each in memory.
pub(super) const ITEMS: usize = 1 << 20;

/// One thing that happened. Items are named by their number in the order of registering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Record {
    /// The first record of every log.
    Header { schema: u32, work: WorkIdentity },
    /// New items.
    Register { items: Vec<ItemSpec> },
    /// An item as it is: what compaction leaves.
    Item { state: Box<ItemState> },
    /// A lease.
    Taken {
        item: usize,
        attempt: u64,
        holder: String,
        expires: Timestamp,
    },
    /// Progress of a held item.
    Progress {
        item: usize,
        expires: Timestamp,
        progress: Box<ItemProgress>,
    },
    /// An item is done.
    Done {
        item: usize,
        progress: Box<ItemProgress>,
    },
    /// Failed documents of an item were tried again.
    Amended {
        item: usize,
        progress: Box<ItemProgress>,
    },
    /// An item was given back.
    Released {
        item: usize,
        progress: Box<ItemProgress>,
    },
    /// An item was set aside by its holder.
    SetAside { item: usize, reason: String },
    /// Nobody takes an item any more.
    GivenUp { item: usize },
    /// Items of an index (of all) begin anew.
    Reset { index: Option<String> },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    items: Vec<ItemState>,
    numbers: HashMap<ItemKey, usize>,
    segments: HashMap<SegmentKey, Vec<usize>>,
    /// The items that delete.
    removals: Vec<usize>,
    /// All items before this one are done or set aside.
    first_open: usize,
    /// The indices whose items are given out; all where `None`.
    only: Option<BTreeSet<String>>,
}

impl Table {
    pub(super) fn items(&self) -> &[ItemState] {
        &self.items
    }

    pub(super) fn limit_to(&mut self, indices: BTreeSet<String>) {
        self.only = Some(indices);
    }

    /// Applies a record that was accepted earlier. Says what is wrong with one that does not fit.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Header { .. } => return Err("a second header".to_owned()),
            Record::Register { items } => {
                for item in items {
                    self.add(ItemState::fresh(item))?;
                }
            }
            Record::Item { state } => self.add(*state)?,
            Record::Taken {
                item,
                attempt,
                holder,
                expires,
            } => {
                let state = self.item_mut(item)?;
                *state = state.taken(&holder, Some(expires));
                state.attempt = attempt;
            }
            Record::Progress {
                item,
                expires,
                progress,
            } => {
                let state = self.item_mut(item)?;
                *state = state.moved(&progress, Some(expires));
            }
            Record::Done { item, progress } => {
                let state = self.item_mut(item)?;
                *state = state.done(&progress);
            }
            Record::Amended { item, progress } => {
                let state = self.item_mut(item)?;
                *state = state.amended(&progress);
            }
            Record::Released { item, progress } => {
                let state = self.item_mut(item)?;
                *state = state.given_back(&progress);
            }
            Record::SetAside { item, reason } => {
                let state = self.item_mut(item)?;
                *state = state.set_aside(&reason);
            }
            Record::GivenUp { item } => {
                let state = self.item_mut(item)?;
                *state = state.given_up();
            }
            Record::Reset { index } => {
                self.first_open = 0;
                for state in &mut self.items {
                    if index
                        .as_ref()
                        .is_none_or(|index| *index == state.item.key.index)
                    {
                        *state = state.anew();
                    }
                }
            }
        }
        Ok(())
    }

    /// An item as it was found elsewhere.
    pub(super) fn set(&mut self, number: usize, state: ItemState) {
        if !state.status.is_settled() {
            self.first_open = self.first_open.min(number);
        }
        if let Some(item) = self.items.get_mut(number) {
            *item = state;
        }
    }

    fn add(&mut self, state: ItemState) -> Result<(), String> {
        if self.items.len() >= ITEMS {
            return Err(format!("more than {ITEMS} items"));
        }
        let number = self.items.len();
        if self
            .numbers
            .insert(state.item.key.clone(), number)
            .is_some()
        {
            return Err(format!("item {} twice", state.item.key));
        }
        let segment = SegmentKey::of(&state.item.key);
        self.segments.entry(segment).or_default().push(number);
        if state.item.key.removes().is_some() {
            self.removals.push(number);
        }
        self.items.push(state);
        Ok(())
    }

    fn item_mut(&mut self, number: usize) -> Result<&mut ItemState, String> {
        self.items
            .get_mut(number)
            .ok_or_else(|| format!("an item number {number} that was never registered"))
    }

    /// Leases of a process that is gone, and what was set aside.
    pub(super) fn free_all(&mut self) {
        for state in &mut self.items {
            if state.status != ItemStatus::Done {
                *state = state.freed();
            }
        }
    }

    /// The items that are not there yet; an error where one is there with another range.
    pub(super) fn new_items(&self, items: &[ItemSpec]) -> Result<Vec<ItemSpec>, WorkError> {
        let mut new = Vec::new();
        for item in items {
            match self.numbers.get(&item.key) {
                None => new.push(item.clone()),
                Some(number) if self.items[*number].item == *item => {}
                Some(_) => {
                    return Err(WorkError::Item {
                        item: item.key.to_string(),
                        what: "registered before with another size or count: the source is another"
                            .to_owned(),
                    });
                }
            }
        }
        if self.items.len() + new.len() > ITEMS {
            return Err(WorkError::TooMany {
                items: self.items.len() + new.len(),
                limit: ITEMS,
            });
        }
        Ok(new)
    }

    /// The first items that are free, `most` of them. Where there are none, those whose lease is over: `ends` says when the
    /// lease of a held item ends, by its number and the end that is noted; `None`: it is over.
    pub(super) fn next(
        &mut self,
        most: usize,
        ends: impl Fn(usize, Option<Timestamp>) -> Option<Timestamp>,
    ) -> Next {
        while self
            .items
            .get(self.first_open)
            .is_some_and(|state| state.status.is_settled())
        {
            self.first_open += 1;
        }
        let mut free = Vec::new();
        let mut over = Vec::new();
        let mut wait: Option<Timestamp> = None;
        // What is written must not be deleted afterwards.
        let deleting: BTreeSet<&str> = self
            .removals
            .iter()
            .filter_map(|number| self.items.get(*number))
            .filter(|state| state.status != ItemStatus::Done)
            .map(|state| state.item.key.index.as_str())
            .collect();
        let has_to_wait =
            |key: &ItemKey| key.removes().is_none() && deleting.contains(key.index.as_str());
        for (number, state) in self.items.iter().enumerate().skip(self.first_open) {
            let only = self.only.as_ref();
            if only.is_some_and(|only| !only.contains(&state.item.key.index)) {
                continue;
            }
            if has_to_wait(&state.item.key) {
                continue;
            }
            match &state.status {
                ItemStatus::Free => free.push(number),
                ItemStatus::Held { expires, .. } => match ends(number, *expires) {
                    None => over.push(number),
                    Some(end) => wait = Some(wait.map_or(end, |wait| wait.min(end))),
                },
                ItemStatus::Done | ItemStatus::SetAside { .. } => {}
            }
            if free.len() == most {
                break;
            }
        }
        over.truncate(most);
        match (free.is_empty(), over.is_empty(), wait) {
            (false, ..) => Next::Free(free),
            (true, false, _) => Next::Over(over),
            (true, true, Some(wait)) => Next::Wait(wait),
            (true, true, None) => Next::Finished,
        }
    }

    /// Items that are neither done nor set aside, `most` of them.
    pub(super) fn open(&self, most: usize) -> Vec<usize> {
        let items = self.items.iter().enumerate().skip(self.first_open);
        items
            .filter(|(_, state)| !state.status.is_settled())
            .filter(|(_, state)| {
                let only = self.only.as_ref();
                only.is_none_or(|only| only.contains(&state.item.key.index))
            })
            .map(|(number, _)| number)
            .take(most)
            .collect()
    }

    /// The numbers of the other items of an item's segment.
    pub(super) fn beside(&self, item: &ItemKey) -> Vec<usize> {
        let all = self.segments.get(&SegmentKey::of(item));
        let all = all.into_iter().flatten().copied();
        all.filter(|number| {
            self.items
                .get(*number)
                .is_some_and(|it| it.item.key != *item)
        })
        .collect()
    }

    /// These items, where all of them are done.
    pub(super) fn all_done(&self, numbers: &[usize]) -> Option<Vec<ItemState>> {
        let state = |number: &usize| {
            let state = self.items.get(*number)?;
            (state.status == ItemStatus::Done).then(|| state.clone())
        };
        numbers.iter().map(state).collect()
    }

    pub(super) fn lease(&self, number: usize) -> Acquired {
        let state = &self.items[number];
        Acquired::Lease(Box::new(Lease {
            item: state.item.clone(),
            attempt: state.attempt,
            progress: state.progress.clone(),
        }))
    }

    /// The item's number, if the lease still holds.
    pub(super) fn check(&self, lease: &Lease) -> Result<usize, WorkError> {
        let name = || lease.item.key.to_string();
        let number = self
            .numbers
            .get(&lease.item.key)
            .copied()
            .ok_or_else(|| WorkError::Item {
                item: name(),
                what: "never registered".to_owned(),
            })?;
        let state = &self.items[number];
        let held = matches!(state.status, ItemStatus::Held { .. });
        if state.attempt != lease.attempt || !held {
            return Err(WorkError::Fenced {
                item: name(),
                held: lease.attempt,
                current: state.attempt,
            });
        }
        Ok(number)
    }

    /// The number of an item that nobody holds and whose progress is `before`.
    pub(super) fn unheld(&self, item: &ItemKey, before: &ItemProgress) -> Result<usize, WorkError> {
        let wrong = |what: &str| WorkError::Item {
            item: item.to_string(),
            what: what.to_owned(),
        };
        let number = self.numbers.get(item).copied();
        let number = number.ok_or_else(|| wrong("never registered"))?;
        let state = &self.items[number];
        if matches!(state.status, ItemStatus::Held { .. }) {
            return Err(wrong("somebody works on it"));
        }
        if state.progress != *before {
            return Err(wrong("somebody else wrote it meanwhile"));
        }
        Ok(number)
    }

    pub(super) fn facts(&self, identity: &WorkIdentity) -> WorkFacts {
        let mut facts = WorkFacts {
            plan: identity.plan.clone(),
            lineage: identity.lineage.clone(),
            items: self.items.len() as u64,
            ..WorkFacts::default()
        };
        for state in &self.items {
            let done = state.status == ItemStatus::Done;
            facts.items_done += u64::from(done);
            let aside = matches!(state.status, ItemStatus::SetAside { .. });
            facts.items_set_aside += u64::from(aside);
            facts.docs_done += state.progress.written;
            facts.docs_failed += state.progress.failed;
            let index = state.item.key.index.clone();
            *facts.complete.entry(index).or_insert(true) &= done;
        }
        facts
    }
}

/// What there is to take.
pub(super) enum Next {
    /// Nobody has these.
    Free(Vec<usize>),
    /// The leases of these are over, and nothing is free.
    Over(Vec<usize>),
    Wait(Timestamp),
    Finished,
}
