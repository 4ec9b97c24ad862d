//! The comparison against a model of a shard: whatever was indexed, deleted, made anew, merged and failed over between two
//! commits, writes and removals make of the base's documents the later ones, by the rules of a target that checks versions.

#![allow(clippy::cast_possible_truncation, reason = "a model has few documents")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::compare::{Compared, Limits, Part, PartError, Seen, compare};
use crate::engines::lucene::DocSet;

#[derive(Clone, Debug)]
struct Row {
    id: String,
    routing: Option<String>,
    version: i64,
    number: i64,
    term: i64,
    source: Vec<u8>,
}

/// A segment: rows never change, what lives of them does.
#[derive(Clone, Debug)]
struct ModelSegment {
    name: u64,
    rows: Vec<Row>,
    live: Vec<bool>,
    numbered: bool,
}

impl Part for ModelSegment {
    fn max_doc(&self) -> u32 {
        self.rows.len() as u32
    }

    fn lives(&self, doc: u32) -> bool {
        self.live[doc as usize]
    }

    fn has_operations(&self) -> bool {
        self.numbered
    }

    fn operations(&self, visit: &mut dyn FnMut(u32, i64, i64)) -> Result<(), PartError> {
        for (doc, row) in self
            .rows
            .iter()
            .enumerate()
            .filter(|(doc, _)| self.live[*doc])
        {
            visit(doc as u32, row.number, row.term);
        }
        Ok(())
    }

    fn documents(
        &self,
        chosen: &DocSet,
        visit: &mut dyn FnMut(u32, Seen<'_>),
    ) -> Result<(), PartError> {
        for (doc, row) in self.rows.iter().enumerate() {
            if self.live[doc] && chosen.contains(doc as u32) {
                let seen = Seen {
                    id: &row.id,
                    routing: row.routing.as_deref(),
                    mapping_type: None,
                    version: Some(row.version),
                    source: &row.source,
                };
                visit(doc as u32, seen);
            }
        }
        Ok(())
    }
}

/// One thing that happens to a shard.
#[derive(Clone, Debug)]
enum Happens {
    Index {
        id: u8,
        routing: u8,
        source: u8,
    },
    Delete {
        id: u8,
    },
    /// The server forgets what was deleted, so that versions begin anew.
    Forget,
    Refresh,
    Merge {
        from: u8,
        count: u8,
    },
    ForceMerge,
    /// Another copy becomes the primary; it lacks the last operations, whose numbers it gives again.
    FailOver {
        lost: u8,
    },
    /// Operations that leave no document.
    Gap {
        numbers: u8,
    },
}

#[derive(Clone, Debug, Default)]
struct Shard {
    segments: Vec<ModelSegment>,
    buffer: Vec<Row>,
    /// Versions of what was deleted.
    tombstones: BTreeMap<String, i64>,
    next: i64,
    term: i64,
    names: u64,
    numbered: bool,
    /// The states before the last operations.
    past: Vec<Shard>,
}

impl Shard {
    fn remove(&mut self, id: &str) -> Option<i64> {
        if let Some(at) = self.buffer.iter().position(|row| row.id == id) {
            return Some(self.buffer.remove(at).version);
        }
        for segment in &mut self.segments {
            for (row, live) in segment.rows.iter().zip(&mut segment.live) {
                if *live && row.id == id {
                    *live = false;
                    return Some(row.version);
                }
            }
        }
        None
    }

    fn refresh(&mut self) {
        let rows = std::mem::take(&mut self.buffer);
        if !rows.is_empty() {
            self.add(rows);
        }
    }

    fn add(&mut self, rows: Vec<Row>) {
        self.names += 1;
        self.segments.push(ModelSegment {
            name: self.names,
            live: vec![true; rows.len()],
            rows,
            numbered: self.numbered,
        });
    }

    fn merge(&mut self, from: usize, count: usize) {
        let end = (from + count).min(self.segments.len());
        if from >= end {
            return;
        }
        let mut rows = Vec::new();
        for segment in self.segments.drain(from..end) {
            let live = segment.rows.into_iter().zip(segment.live);
            rows.extend(live.filter(|(_, live)| *live).map(|(row, _)| row));
        }
        self.add(rows);
    }

    fn happen(&mut self, what: &Happens) {
        let mut before = self.clone();
        before.past.clear();
        match what {
            Happens::Index {
                id,
                routing,
                source,
            } => {
                let id = format!("id{}", id % 12);
                let version = self.remove(&id).or_else(|| self.tombstones.remove(&id));
                self.next += 1;
                self.buffer.push(Row {
                    id,
                    routing: (routing % 4 > 0).then(|| format!("r{}", routing % 4)),
                    version: version.map_or(1, |version| version + 1),
                    number: self.next,
                    term: self.term,
                    source: vec![*source % 3],
                });
            }
            Happens::Delete { id } => {
                let id = format!("id{}", id % 12);
                self.next += 1;
                if let Some(version) = self.remove(&id) {
                    self.tombstones.insert(id, version + 1);
                }
            }
            Happens::Forget => self.tombstones.clear(),
            Happens::Refresh => self.refresh(),
            Happens::Merge { from, count } => {
                let from = usize::from(*from) % (self.segments.len() + 1);
                self.merge(from, usize::from(*count % 4) + 1);
            }
            Happens::ForceMerge => {
                self.refresh();
                self.merge(0, usize::MAX / 2);
            }
            Happens::FailOver { lost } => {
                let at = self.past.len().saturating_sub(usize::from(*lost % 4) + 1);
                let term = self.term + 1;
                let names = self.names;
                if let Some(past) = self.past.get(at) {
                    *self = past.clone();
                }
                self.term = term;
                // A name is given once.
                self.names = names;
                return;
            }
            Happens::Gap { numbers } => self.next += i64::from(*numbers),
        }
        self.past.push(before);
        if self.past.len() > 4 {
            self.past.remove(0);
        }
    }

    fn commit(&mut self) -> Vec<ModelSegment> {
        self.refresh();
        self.past.clear();
        self.segments.clone()
    }
}

type Documents = BTreeMap<(String, Option<String>), (i64, Vec<u8>)>;

fn documents(segments: &[ModelSegment]) -> Documents {
    let mut documents = Documents::new();
    for segment in segments {
        for (row, live) in segment.rows.iter().zip(&segment.live) {
            if *live {
                let key = (row.id.clone(), row.routing.clone());
                documents.insert(key, (row.version, row.source.clone()));
            }
        }
    }
    documents
}

fn rows<'a>(
    segments: &'a [ModelSegment],
    sets: &'a [Option<DocSet>],
) -> impl Iterator<Item = &'a Row> {
    segments.iter().zip(sets).flat_map(|(segment, set)| {
        let rows = segment.rows.iter().enumerate();
        rows.filter(move |(doc, _)| set.as_ref().is_some_and(|set| set.contains(*doc as u32)))
            .map(|(_, row)| row)
    })
}

/// As a target does it that checks versions and forgets what was deleted before the first write.
fn apply(
    mut on: Documents,
    (base, later): (&[ModelSegment], &[ModelSegment]),
    compared: &Compared,
) -> Documents {
    for row in rows(base, &compared.removals) {
        let key = (row.id.clone(), row.routing.clone());
        if on
            .get(&key)
            .is_some_and(|(version, _)| row.version >= *version)
        {
            on.remove(&key);
        }
    }
    for row in rows(later, &compared.writes) {
        let key = (row.id.clone(), row.routing.clone());
        if on
            .get(&key)
            .is_none_or(|(version, _)| row.version >= *version)
        {
            on.insert(key, (row.version, row.source.clone()));
        }
    }
    on
}

fn same(base: &[ModelSegment], later: &[ModelSegment]) -> Vec<Option<usize>> {
    later
        .iter()
        .map(|it| base.iter().position(|other| other.name == it.name))
        .collect()
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        10 => (any::<u8>(), any::<u8>(), any::<u8>())
            .prop_map(|(id, routing, source)| Happens::Index { id, routing, source }),
        4 => any::<u8>().prop_map(|id| Happens::Delete { id }),
        1 => Just(Happens::Forget),
        3 => Just(Happens::Refresh),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(from, count)| Happens::Merge { from, count }),
        1 => Just(Happens::ForceMerge),
        1 => any::<u8>().prop_map(|lost| Happens::FailOver { lost }),
        1 => any::<u8>().prop_map(|numbers| Happens::Gap { numbers }),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_usize..4, 1_u64..6).prop_map(|(containers, documents)| Limits {
        containers,
        documents,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn writes_and_removals_make_the_later_documents_of_the_base(
        before in prop::collection::vec(happens(), 0..60),
        after in prop::collection::vec(happens(), 0..60),
        limits in limits(),
        numbered in any::<bool>(),
        one_history in any::<bool>(),
    ) {
        let mut shard = Shard { term: 1, numbered, ..Shard::default() };
        for it in &before {
            shard.happen(it);
        }
        let base = shard.commit();
        for it in &after {
            shard.happen(it);
        }
        let later = shard.commit();
        let twins = same(&base, &later);
        let compared = compare(&base, &later, &twins, one_history, &limits).unwrap();
        let (from, to) = (documents(&base), documents(&later));
        let made = apply(from.clone(), (&base, &later), &compared);
        prop_assert_eq!(&made, &to);

        // Nothing is done twice, and nothing that is not needed.
        let inserts = to.keys().filter(|key| !from.contains_key(*key)).count() as u64;
        let deletes = from.keys().filter(|key| !to.contains_key(*key)).count() as u64;
        let updates = to.iter().filter(|(key, it)| from.get(*key).is_some_and(|was| was != *it));
        prop_assert_eq!(compared.inserts, inserts);
        prop_assert_eq!(compared.deletes, deletes);
        prop_assert_eq!(compared.updates, updates.count() as u64);
        let written: u64 = compared.writes.iter().flatten().map(DocSet::count).sum();
        let removed: u64 = compared.removals.iter().flatten().map(DocSet::count).sum();
        prop_assert_eq!(written, inserts + compared.updates);
        prop_assert_eq!(removed, deletes + compared.restarts);

        // Done again from its beginning, as after a kill, it comes to the same.
        prop_assert_eq!(&apply(made, (&base, &later), &compared), &to);

        // What users of the target wrote since has higher versions and stays.
        let mut users = from.clone();
        for (version, source) in users.values_mut() {
            *version += 1000;
            *source = b"theirs".to_vec();
        }
        let kept = apply(users.clone(), (&base, &later), &compared);
        for (key, theirs) in &users {
            prop_assert_eq!(kept.get(key), Some(theirs));
        }
    }
}

#[test]
fn two_documents_with_one_identity_are_no_shard() {
    let row = |number| Row {
        id: "1".into(),
        routing: None,
        version: 1,
        number,
        term: 1,
        source: Vec::new(),
    };
    let segment = |name, rows: Vec<Row>| ModelSegment {
        name,
        live: vec![true; rows.len()],
        rows,
        numbered: true,
    };
    let base = [segment(1, vec![row(1), row(2)])];
    let compared = compare(&base, &[], &[], true, &Limits::default());
    assert!(matches!(compared, Err(PartError::Damaged(_))));
    let base = [segment(1, vec![row(1)])];
    let later = [segment(2, vec![row(3), row(4)])];
    let compared = compare(&base, &later, &[None], true, &Limits::default());
    assert!(matches!(compared, Err(PartError::Damaged(_))));
}
