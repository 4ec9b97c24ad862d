//! The simulated server: documents with sequence numbers, a clock, and a target of documents. What it has done stays, over
//! restarts too.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::laws::{self, Known};
use super::world::Params;
use crate::clients::target::cluster::working_state::{Condition, Stored, Written};
use crate::engines::bulk::work_store::{ItemKey, ItemSpec, ItemState, ItemStatus};

/// Between the numbers of the first documents of two items.
const APART: u32 = 1000;
/// Items of one segment.
const OF_A_SEGMENT: usize = 4;

/// A request. What it writes is shared with those that repeat it.
#[derive(Clone)]
pub(super) enum Call {
    Get(String),
    GetMany(Arc<Vec<String>>),
    Put(Arc<str>, Arc<(String, Value, Condition)>),
    PutMany(Arc<str>, Arc<Vec<(String, Value, Condition)>>),
    /// Documents onto the target.
    Documents(std::ops::Range<u32>),
    Time,
}

/// Its answer.
pub(super) enum Answer {
    Got(Vec<Stored<Value>>),
    Written(Vec<Written>),
    Time(Timestamp),
    Nothing,
}

struct Document {
    body: Value,
    item: Option<ItemState>,
    seq_no: u64,
    term: u64,
    written: Timestamp,
}

/// See the module.
pub(super) struct Server {
    documents: HashMap<String, Document>,
    target: BTreeSet<u32>,
    seq_no: u64,
    term: u64,
    skew: u64,
    set_aside_ever: usize,
}

/// The items of a world.
pub(super) fn items(params: Params) -> Vec<ItemSpec> {
    (0..params.items)
        .map(|number| {
            let from = u32::try_from(number).unwrap() * APART;
            ItemSpec {
                key: ItemKey {
                    index: "shop".to_owned(),
                    shard: 0,
                    segment: format!("_{}", number / OF_A_SEGMENT),
                    from,
                    to: from + params.docs_of_an_item,
                },
                bytes: 1,
                expected: None,
            }
        })
        .collect()
}

/// Whether the source of an item can't be read.
pub(super) fn is_unreadable(params: Params, item: &ItemKey) -> bool {
    params.faults && params.seed.is_multiple_of(6) && item.from == 0
}

/// Whether an item ends every process that takes it.
pub(super) fn is_deadly(params: Params, item: &ItemKey) -> bool {
    params.faults && params.seed.is_multiple_of(8) && item.from == APART
}

impl Server {
    pub(super) fn new(_params: Params) -> Self {
        Self {
            documents: HashMap::new(),
            target: BTreeSet::new(),
            seq_no: 0,
            term: 1,
            skew: 0,
            set_aside_ever: 0,
        }
    }

    /// After a restart: another term, and a clock that is a little ahead of its true time.
    pub(super) fn restarted(&mut self, skew: u64) {
        self.term += 1;
        self.skew = skew;
    }

    fn time(&self, now: u64) -> Timestamp {
        let micros = i64::try_from(now + self.skew).unwrap();
        Timestamp::from_second(1_700_000_000).unwrap() + SignedDuration::from_micros(micros)
    }

    /// Does a request; with the law that it breaks.
    pub(super) fn take(&mut self, now: u64, _from: usize, call: &Call) -> (Answer, Option<String>) {
        let now = self.time(now);
        match call {
            Call::Get(id) => (Answer::Got(self.got(id).into_iter().collect()), None),
            Call::GetMany(ids) => {
                let found = ids.iter().filter_map(|id| self.got(id)).collect();
                (Answer::Got(found), None)
            }
            Call::Put(who, put) => {
                let (written, law) = self.put(now, who, put);
                (Answer::Written(vec![written]), law)
            }
            Call::PutMany(who, puts) => {
                let mut broken = None;
                let mut written = Vec::new();
                for put in puts.iter() {
                    let (done, law) = self.put(now, who, put);
                    written.push(done);
                    broken = broken.or(law);
                }
                (Answer::Written(written), broken)
            }
            Call::Documents(numbers) => {
                // Each carries its version: a late one changes nothing.
                self.target.extend(numbers.clone());
                (Answer::Nothing, None)
            }
            Call::Time => {
                let millis = Timestamp::from_millisecond(now.as_millisecond());
                (Answer::Time(millis.unwrap()), None)
            }
        }
    }

    fn got(&self, id: &str) -> Option<Stored<Value>> {
        let found = self.documents.get(id)?;
        Some(Stored {
            id: id.to_owned(),
            body: found.body.clone(),
            seq_no: found.seq_no,
            primary_term: found.term,
        })
    }

    fn put(
        &mut self,
        now: Timestamp,
        who: &str,
        (id, body, condition): &(String, Value, Condition),
    ) -> (Written, Option<String>) {
        let old = self.documents.get(id);
        let holds = match (condition, old) {
            (Condition::Always, _) | (Condition::Absent, None) => true,
            (
                Condition::Unchanged {
                    seq_no,
                    primary_term,
                },
                Some(old),
            ) => (*seq_no, *primary_term) == (old.seq_no, old.term),
            _ => false,
        };
        if !holds {
            return (Written::Conflict, None);
        }
        let item = id.contains(":item:").then(|| {
            let state: ItemState = serde_json::from_value(body.clone()).unwrap();
            state
        });
        let known = old.and_then(|old| {
            Some(Known {
                state: old.item.as_ref()?,
                written: old.written,
            })
        });
        let law = known.zip(item.as_ref()).and_then(|(old, new)| {
            let there = |doc| self.target.contains(&doc);
            laws::broken((who, now), &old, new, there)
        });
        if let Some(state) = &item
            && matches!(state.status, ItemStatus::SetAside { .. })
        {
            self.set_aside_ever += 1;
        }
        self.seq_no += 1;
        let document = Document {
            body: body.clone(),
            item,
            seq_no: self.seq_no,
            term: self.term,
            written: now,
        };
        let written = Written::Done {
            seq_no: document.seq_no,
            primary_term: document.term,
        };
        self.documents.insert(id.clone(), document);
        (written, law)
    }

    fn states(&self) -> impl Iterator<Item = &ItemState> {
        self.documents.values().filter_map(|it| it.item.as_ref())
    }

    pub(super) fn done(&self) -> usize {
        let done = |state: &&ItemState| state.status == ItemStatus::Done;
        self.states().filter(done).count()
    }

    pub(super) fn set_aside_ever(&self) -> usize {
        self.set_aside_ever
    }

    /// Whether all came to its end.
    pub(super) fn at_the_end(&self, params: Params) -> Result<(), String> {
        let mut count = 0;
        for state in self.states() {
            let key = &state.item.key;
            let can_be_done = !is_unreadable(params, key) && !is_deadly(params, key);
            if !laws::at_its_end(state, can_be_done) {
                return Err(format!("law: an item is not at its end: {state:?}"));
            }
            let docs = key.from..key.to;
            if can_be_done && docs.clone().any(|doc| !self.target.contains(&doc)) {
                return Err(format!("law: documents of {key} are lost"));
            }
            count += 1;
        }
        if count == params.items {
            Ok(())
        } else {
            Err(format!(
                "law: {count} of {} items are there, not at its end",
                params.items
            ))
        }
    }
}
