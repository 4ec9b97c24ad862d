//! Reads the identities of an index with several types when planning: which `_id` stands in several of them can't be known
//! otherwise, and afterwards it is too late.
//!
//! The stored fields are read and decompressed for it, up to named limits; beyond them nothing is read and that is what is
//! told. Deliberately absent: what follows from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::diff::observation::{IdsRead, SharedIds, TypesFacts};
use crate::engines::lucene::{Commit, LuceneError, ReadError, Scratch, Segment, SegmentFiles};
use crate::engines::snapshot::{Snapshot, parallel};

/// Compressed bytes of stored fields of an index up to which its identities are read: some seconds of one core.
pub(in super::super) const READ_BYTES_MAX: u64 = 256 << 20;
/// Documents of an index up to which its identities are read, since they are held: about 100 bytes each.
pub(in super::super) const READ_DOCS_MAX: u64 = 2_000_000;

/// The types of each `_id`: the first as a number, further ones beside it.
#[derive(Default)]
struct Ids {
    first: HashMap<Box<str>, u16>,
    more: BTreeMap<Box<str>, BTreeSet<u16>>,
    docs: Vec<u64>,
    /// Documents of a type that the mapping has not got.
    unknown: bool,
}

impl Ids {
    fn new(types: usize) -> Self {
        Self {
            docs: vec![0; types],
            ..Self::default()
        }
    }

    fn add(&mut self, id: &str, kind: u16) {
        match self.first.get(id) {
            None => {
                self.first.insert(id.into(), kind);
            }
            Some(first) if *first == kind => {}
            Some(first) => {
                let all = self.more.entry(id.into()).or_default();
                all.extend([*first, kind]);
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.unknown |= other.unknown;
        for (sum, docs) in self.docs.iter_mut().zip(other.docs) {
            *sum += docs;
        }
        for (id, kind) in other.first {
            self.add(&id, kind);
        }
        for (id, kinds) in other.more {
            for kind in kinds {
                self.add(&id, kind);
            }
        }
    }
}

/// Reads the identities of an index of `shards` shards into its facts. What is damaged is told elsewhere, and leaves them
/// unread; a store that fails is an error.
pub(in super::super) fn read_ids(
    snapshot: &Snapshot,
    index: &str,
    shards: u32,
    facts: &mut TypesFacts,
) -> Result<(), LuceneError> {
    facts.read = IdsRead::TooMany;
    let kinds: HashMap<&str, u16> = facts
        .types
        .iter()
        .zip(0_u16..)
        .map(|(it, number)| (it.name.as_str(), number))
        .collect();
    if kinds.len() != facts.types.len() {
        return Ok(()); // more than numbers
    }
    let shards: Vec<u32> = (0..shards).collect();
    let read = parallel::map(&shards, |shard| of_shard(snapshot, index, *shard, &kinds));
    let mut all = Ids::new(facts.types.len());
    for ids in read {
        match ids {
            Some(Ok(Some(ids))) => all.join(ids),
            Some(Err(error)) => return Err(error),
            Some(Ok(None)) | None => return Ok(()),
        }
    }
    if all.unknown {
        return Ok(());
    }
    let mut groups: BTreeMap<BTreeSet<u16>, (u64, Box<str>)> = BTreeMap::new();
    for (id, kinds) in all.more {
        groups.entry(kinds).or_insert((0, id)).0 += 1;
    }
    facts.shared_ids = groups
        .into_iter()
        .map(|(kinds, (ids, example))| SharedIds {
            types: kinds
                .into_iter()
                .filter_map(|kind| facts.types.get(usize::from(kind)))
                .map(|it| it.name.clone())
                .collect(),
            ids,
            example: example.into(),
        })
        .collect();
    for (kind, docs) in facts.types.iter_mut().zip(all.docs) {
        kind.docs = Some(docs);
    }
    facts.read = IdsRead::All;
    Ok(())
}

/// `None`: something of it can't be read.
fn of_shard(
    snapshot: &Snapshot,
    index: &str,
    shard: u32,
    kinds: &HashMap<&str, u16>,
) -> Result<Option<Ids>, LuceneError> {
    let Ok(found) = snapshot.shard(index, shard) else {
        return Ok(None);
    };
    let files: Arc<dyn SegmentFiles> = Arc::clone(found.files()) as Arc<dyn SegmentFiles>;
    let unread = |error| match error {
        error @ LuceneError::Io { .. } => Err(error),
        _ => Ok(None),
    };
    let commit = match Commit::read(&*files) {
        Ok(commit) => commit,
        Err(error) => return unread(error),
    };
    let mut ids = Ids::new(kinds.len());
    let mut scratch = Scratch::new();
    for segment in &commit.segments {
        let segment = match Segment::open(Arc::clone(&files), segment) {
            Ok(segment) => segment,
            Err(error) => return unread(error),
        };
        let read = segment.read_documents(0..usize::MAX, &mut scratch, |document| {
            let kind = document.legacy_type.and_then(|kind| kinds.get(kind));
            match kind {
                Some(kind) => {
                    ids.docs[usize::from(*kind)] += 1;
                    ids.add(document.id, *kind);
                }
                None => ids.unknown = true,
            }
            Ok::<(), std::convert::Infallible>(())
        });
        match read {
            Ok(_) => {}
            Err(ReadError::Lucene(error)) => return unread(error),
            Err(ReadError::Visitor(never)) => match never {},
        }
    }
    Ok(Some(ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_several_types_are_found_over_shards() {
        let mut all = Ids::new(3);
        let mut other = Ids::new(3);
        for (id, kind) in [("1", 0), ("1", 0), ("2", 0), ("2", 1)] {
            all.add(id, kind);
        }
        for (id, kind) in [("1", 2), ("3", 1), ("2", 2)] {
            other.add(id, kind);
        }
        all.join(other);
        let more: Vec<(&str, Vec<u16>)> = all
            .more
            .iter()
            .map(|(id, kinds)| (&**id, kinds.iter().copied().collect()))
            .collect();
        assert_eq!(more, [("1", vec![0, 2]), ("2", vec![0, 1, 2])]);
    }
}
