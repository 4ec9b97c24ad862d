//! The changes of some indices as a source of documents: those of the later snapshot that are written, and those of the base
//! that are deleted. Items of the second kind bear the base's segments with a word before their names ([`ItemKey::removal`]).
//!
//! What is found by comparing is held as sets of documents; it is found again, the same, by whoever goes on after a kill.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use super::compare::{Compared, Limits, PartError};
use super::segments::{Opened, Pair, Shard};
use crate::engines::bulk::snapshot_source::{ITEM_BYTES, SnapshotSource};
use crate::engines::bulk::source::{
    Change, DocumentSource, ItemReader, SegmentKey, SourceDocument, SourceError, Step, StepError,
    Visit,
};
use crate::engines::bulk::stop::StopFn;
use crate::engines::bulk::work_store::{ItemKey, ItemSpec};
use crate::engines::lucene::DocSet;

/// Bytes of all sets together; some eight billion documents of replaced segments.
const SETS_BYTES: usize = 1 << 30;

/// What changed of one index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexDelta {
    /// Documents to write that the base does not have.
    pub inserts: u64,
    /// Documents to write that the base has otherwise.
    pub updates: u64,
    /// Of these, those whose versions began anew: they are deleted first.
    pub restarts: u64,
    /// Documents to delete that the later snapshot does not have.
    pub deletes: u64,
}

/// Why the changes can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// A snapshot can't be read, or holds what can't be.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Asked to stop while comparing.
    #[error("stopped while comparing the snapshots")]
    Stopped,
}

/// See the module.
pub struct DeltaSource {
    base: SnapshotSource,
    later: SnapshotSource,
    /// Of the later segments: documents that take the place of one that stands there.
    replaces: BTreeMap<SegmentKey, DocSet>,
    indices: BTreeMap<String, IndexDelta>,
}

/// What the threads of a comparison add to.
#[derive(Default)]
struct Found {
    base: BTreeMap<SegmentKey, DocSet>,
    later: BTreeMap<SegmentKey, DocSet>,
    replaces: BTreeMap<SegmentKey, DocSet>,
    indices: BTreeMap<String, IndexDelta>,
    bytes: usize,
    error: Option<DeltaError>,
}

impl DeltaSource {
    /// Of no index.
    pub fn none() -> Result<Self, SourceError> {
        Ok(Self {
            base: SnapshotSource::open_each([], ITEM_BYTES)?,
            later: SnapshotSource::open_each([], ITEM_BYTES)?,
            replaces: BTreeMap::new(),
            indices: BTreeMap::new(),
        })
    }

    /// Compares the snapshots of the indices, shard by shard in several threads. Reads what [`super`] says.
    pub fn open(
        pairs: &[Pair<'_>],
        item_bytes: u64,
        threads: u32,
        limits: &Limits,
        stop: StopFn<'_>,
    ) -> Result<Self, DeltaError> {
        let base = pairs.iter().map(|pair| pair.base);
        let mut base = SnapshotSource::open_each(base, item_bytes)?;
        let later = pairs.iter().map(|pair| pair.later);
        let mut later = SnapshotSource::open_each(later, item_bytes)?;
        let mut tasks = Vec::new();
        for pair in pairs {
            let listed = pair.later.snapshot.index(pair.later.index);
            let listed = listed.map_err(|error| failed(pair.later.index, &error))?;
            tasks.extend((0..listed.shards).map(|shard| (pair, shard)));
        }
        let names = pairs.iter().map(|pair| pair.later.index.to_owned());
        let found = Mutex::new(Found {
            indices: names.map(|name| (name, IndexDelta::default())).collect(),
            ..Found::default()
        });
        let tasks = Mutex::new(tasks.into_iter());
        let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    loop {
                        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((pair, shard)) = next else { break };
                        if lock().error.is_some() {
                            break;
                        }
                        let compared = compare_one(pair, shard, limits, stop);
                        let mut found = lock();
                        if let Err(error) = compared.and_then(|it| found.add(pair, shard, it)) {
                            found.error.get_or_insert(error);
                        }
                    }
                });
            }
        });
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = found.error {
            return Err(error);
        }
        base.restrict(found.base);
        later.restrict(found.later);
        Ok(Self {
            base,
            later,
            replaces: found.replaces,
            indices: found.indices,
        })
    }

    /// What changed, by index.
    pub fn indices(&self) -> &BTreeMap<String, IndexDelta> {
        &self.indices
    }
}

fn failed(place: &str, reason: &dyn ToString) -> SourceError {
    SourceError {
        place: place.to_owned(),
        reason: reason.to_string(),
    }
}

/// What was compared, with the names of the segments on both sides.
struct ComparedShard {
    base: Vec<String>,
    later: Vec<String>,
    compared: Compared,
}

fn compare_one(
    pair: &Pair<'_>,
    shard: u32,
    limits: &Limits,
    stop: StopFn<'_>,
) -> Result<ComparedShard, DeltaError> {
    let opened = Shard::open(pair, shard, stop)?;
    let compared = opened.compare(limits).map_err(|error| match error {
        PartError::Stopped => DeltaError::Stopped,
        error => failed(&format!("{}/{shard}", pair.later.index), &error).into(),
    })?;
    let names = |side: &[Opened<'_>]| -> Vec<String> {
        side.iter()
            .map(|opened| opened.segment.name().to_owned())
            .collect()
    };
    Ok(ComparedShard {
        base: names(&opened.base),
        later: names(&opened.later),
        compared,
    })
}

impl Found {
    fn add(&mut self, pair: &Pair<'_>, shard: u32, of: ComparedShard) -> Result<(), DeltaError> {
        let index = pair.later.index;
        let ComparedShard {
            base,
            later,
            compared,
        } = of;
        let delta = self.indices.entry(index.to_owned()).or_default();
        delta.inserts += compared.inserts;
        delta.updates += compared.updates;
        delta.restarts += compared.restarts;
        delta.deletes += compared.deletes;
        let mut bytes = 0;
        let mut put = |into: &mut BTreeMap<SegmentKey, DocSet>, names: &[String], sets| {
            let sets: Vec<Option<DocSet>> = sets;
            for (name, set) in names.iter().zip(sets) {
                let Some(set) = set else { continue };
                bytes += set.memory();
                let key = SegmentKey {
                    index: index.to_owned(),
                    shard,
                    segment: name.clone(),
                };
                into.insert(key, set);
            }
        };
        put(&mut self.base, &base, compared.removals);
        put(&mut self.later, &later, compared.writes);
        put(&mut self.replaces, &later, compared.replaces);
        self.bytes += bytes;
        if self.bytes > SETS_BYTES {
            let reason = format!(
                "what changed up to here takes {} bytes to hold, more than {SETS_BYTES}: give the indices to several phases",
                self.bytes
            );
            return Err(failed(index, &reason).into());
        }
        Ok(())
    }
}

/// An item of a removal as the base has it.
fn of_base(item: &ItemKey) -> Option<ItemKey> {
    Some(ItemKey {
        segment: item.removes()?.to_owned(),
        ..item.clone()
    })
}

impl DocumentSource for DeltaSource {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        let removals = self.base.items()?.into_iter().map(|item| ItemSpec {
            key: item.key.removal(),
            ..item
        });
        let mut items: Vec<ItemSpec> = removals.collect();
        items.extend(self.later.items()?);
        Ok(items)
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        let mut expected = self.later.expected()?;
        for (key, count) in self.base.expected()? {
            let segment = ItemKey::removal_of(&key.segment);
            expected.insert(SegmentKey { segment, ..key }, count);
        }
        Ok(expected)
    }

    fn leaves_out(&self, index: &str) -> bool {
        self.later.leaves_out(index)
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        let (reader, changes) = match of_base(item) {
            Some(of_base) => (self.base.open(&of_base, from)?, Changes::Removals),
            None => (
                self.later.open(item, from)?,
                Changes::Writes(self.replaces.get(&SegmentKey::of(item))),
            ),
        };
        Ok(Box::new(ChangeReader { reader, changes }))
    }

    fn fold(&self, item: &ItemKey, proofs: &mut Vec<Value>, proof: Value) {
        match of_base(item) {
            Some(of_base) => self.base.fold(&of_base, proofs, proof),
            None => self.later.fold(item, proofs, proof),
        }
    }

    fn check_segment(&self, segment: &SegmentKey, proofs: &[Value]) -> Result<(), SourceError> {
        match ItemKey::removed_segment(&segment.segment) {
            Some(name) => {
                let key = SegmentKey {
                    segment: name.to_owned(),
                    ..segment.clone()
                };
                self.base.check_segment(&key, proofs)
            }
            None => self.later.check_segment(segment, proofs),
        }
    }
}

/// What the documents of an item are.
enum Changes<'s> {
    Removals,
    /// Those in the set stand on the target otherwise.
    Writes(Option<&'s DocSet>),
}

struct ChangeReader<'s> {
    reader: Box<dyn ItemReader + 's>,
    changes: Changes<'s>,
}

impl ItemReader for ChangeReader<'_> {
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        let changes = &self.changes;
        self.reader.step(docs, &mut |document: SourceDocument<'_>| {
            let change = match changes {
                Changes::Removals => Change::Removed,
                Changes::Writes(Some(there)) if there.contains(document.doc) => Change::Replaces,
                Changes::Writes(_) => Change::Written,
            };
            visit(SourceDocument { change, ..document })
        })
    }
}
