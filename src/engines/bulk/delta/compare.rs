//! Compares the segments of one shard in two snapshots. Pure, but for reading through [`Part`].

use xxhash_rust::xxh3::Xxh3Default;

use super::identities::{Entry, Identities, pass_of};
use super::operations::{Full, Operations};
use crate::engines::lucene::DocSet;

/// How much is held at once; beyond it the same documents are gone through in several passes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Containers of 8 KiB for the numbers of operations, 64 Ki numbers each.
    pub containers: usize,
    /// Documents of the base that are held to be found by their identity, 48 bytes each.
    pub documents: u64,
}

impl Default for Limits {
    /// 64 MiB for numbers, which are 537 million where they are dense; 48 MiB for documents.
    fn default() -> Self {
        Self {
            containers: 8 << 10,
            documents: 1 << 20,
        }
    }
}

/// A document as the comparison sees it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// `_id`.
    pub id: &'a str,
    /// `_routing`.
    pub routing: Option<&'a str>,
    /// The mapping type, which is part of the identity before Elasticsearch 6.
    pub mapping_type: Option<&'a str>,
    /// `_version`.
    pub version: Option<i64>,
    /// The source as it is stored.
    pub source: &'a [u8],
}

/// One segment.
pub trait Part {
    /// All its documents, dead ones too.
    fn max_doc(&self) -> u32;

    /// Whether a document lives.
    fn lives(&self, doc: u32) -> bool;

    /// Whether every live root has the number of its operation.
    fn has_operations(&self) -> bool;

    /// Each live root with number and term of its operation.
    fn operations(&self, visit: &mut dyn FnMut(u32, i64, i64)) -> Result<(), PartError>;

    /// The chosen documents, as far as they are live roots.
    fn documents(
        &self,
        chosen: &DocSet,
        visit: &mut dyn FnMut(u32, Seen<'_>),
    ) -> Result<(), PartError>;
}

/// Why a shard can't be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// A segment can't be read.
    #[error("{0}")]
    Read(String),
    /// Documents without a version can't be told apart for certain.
    #[error("document {0} has no _version")]
    NoVersion(String),
    /// Two live documents of one shard with one identity, or a sum that does not come out.
    #[error("{0}")]
    Damaged(String),
    /// Asked to stop.
    #[error("stopped")]
    Stopped,
}

/// What is to be done for one shard. Sets by segment, `None` for empty ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Documents of the later segments that are written.
    pub writes: Vec<Option<DocSet>>,
    /// Of these, the ones that take the place of a document that stands on the target until then.
    pub replaces: Vec<Option<DocSet>>,
    /// Documents of the base's segments that are deleted before anything is written.
    pub removals: Vec<Option<DocSet>>,
    /// Written, and not in the base.
    pub inserts: u64,
    /// Written, and in the base with another version or content.
    pub updates: u64,
    /// Of these, with a lower version than the base has: they are deleted first.
    pub restarts: u64,
    /// In the base alone.
    pub deletes: u64,
    /// Read on both sides, and equal.
    pub equal: u64,
    /// Segments of the base out of which documents were read.
    pub read_of_base: Vec<bool>,
    /// Likewise of the later snapshot.
    pub read_of_later: Vec<bool>,
}

/// Compares. `same` gives for each later segment the base's segment that it is; `one_history` says whether operations of both
/// name the same when number and term are equal.
pub fn compare<P: Part>(
    base: &[P],
    later: &[P],
    same: &[Option<usize>],
    one_history: bool,
    limits: &Limits,
) -> Result<Compared, PartError> {
    let (mut gone, mut come) = candidates(base, later, same);
    if one_history
        && with(&gone, base).all(|(_, part)| part.has_operations())
        && with(&come, later).all(|(_, part)| part.has_operations())
    {
        without_same_operations((base, &mut gone), (later, &mut come), limits)?;
    }
    match_up((base, gone), (later, come), limits)
}

type Sets = Vec<Option<DocSet>>;

fn with<'a, P>(sets: &'a Sets, parts: &'a [P]) -> impl Iterator<Item = (&'a DocSet, &'a P)> {
    sets.iter()
        .zip(parts)
        .filter_map(|(set, part)| Some((set.as_ref()?, part)))
}

fn drop_empty(sets: &mut Sets) {
    for set in sets {
        if set.as_ref().is_some_and(DocSet::is_empty) {
            *set = None;
        }
    }
}

/// Live documents that are not surely in the other snapshot.
fn candidates<P: Part>(base: &[P], later: &[P], same: &[Option<usize>]) -> (Sets, Sets) {
    let mut twin: Vec<Option<usize>> = vec![None; base.len()];
    for (at, of) in same.iter().enumerate() {
        if let Some(slot) = of.and_then(|of| twin.get_mut(of)) {
            *slot = Some(at);
        }
    }
    let live_only_here = |part: &P, other: Option<&P>| {
        let mut set = DocSet::new(part.max_doc());
        for doc in 0..part.max_doc() {
            if part.lives(doc) && !other.is_some_and(|other| other.lives(doc)) {
                set.insert(doc);
            }
        }
        Some(set).filter(|set| !set.is_empty())
    };
    let gone = base.iter().zip(&twin);
    let gone = gone.map(|(part, twin)| live_only_here(part, twin.and_then(|at| later.get(at))));
    let come = later.iter().zip(same);
    let come = come.map(|(part, twin)| live_only_here(part, twin.and_then(|at| base.get(at))));
    (gone.collect(), come.collect())
}

/// Takes out documents that one operation wrote in both. In passes over ranges of numbers that fit.
fn without_same_operations<P: Part>(
    (base, gone): (&[P], &mut Sets),
    (later, come): (&[P], &mut Sets),
    limits: &Limits,
) -> Result<(), PartError> {
    let mut last = -1;
    for (set, part) in with(gone, base) {
        part.operations(&mut |doc, number, _| {
            if set.contains(doc) {
                last = last.max(number);
            }
        })?;
    }
    let mut from = 0;
    let mut span = last.saturating_add(1).max(1);
    while from <= last {
        let to = from.saturating_add(span);
        let within = |number: i64| (from..to).contains(&number);
        let mut operations = Operations::new(limits.containers);
        let mut full = false;
        for (set, part) in with(gone, base) {
            part.operations(&mut |doc, number, term| {
                if within(number) && set.contains(doc) && !full {
                    full = operations.insert(number, term) == Err(Full);
                }
            })?;
        }
        if full && span > 1 {
            span = span / 2 + span % 2;
            continue;
        }
        if full {
            // One number in more terms than there are containers: its documents are read instead.
            from = to;
            continue;
        }
        for (set, part) in come.iter_mut().zip(later) {
            let Some(set) = set else { continue };
            part.operations(&mut |doc, number, term| {
                if within(number) && set.contains(doc) && operations.take(number, term) {
                    set.remove(doc);
                }
            })?;
        }
        // What is left in the set is not in the later snapshot.
        for (set, part) in gone.iter_mut().zip(base) {
            let Some(set) = set else { continue };
            part.operations(&mut |doc, number, term| {
                if within(number) && set.contains(doc) && !operations.contains(number, term) {
                    set.remove(doc);
                }
            })?;
        }
        from = to;
    }
    drop_empty(gone);
    drop_empty(come);
    Ok(())
}

fn identity_of(seen: &Seen<'_>) -> u128 {
    let mut hasher = Xxh3Default::new();
    let mut part = |text: Option<&str>| {
        // Lengths stand before texts, so that no two identities are one text.
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(text.unwrap_or_default().as_bytes());
    };
    part(seen.mapping_type);
    part(seen.routing);
    part(Some(seen.id));
    hasher.digest128()
}

/// Compares what is left by identity, version and content. In passes over ranges of hashes that fit.
fn match_up<P: Part>(
    (base, gone): (&[P], Sets),
    (later, come): (&[P], Sets),
    limits: &Limits,
) -> Result<Compared, PartError> {
    let empty = |parts: &[P]| -> Vec<DocSet> {
        parts
            .iter()
            .map(|part| DocSet::new(part.max_doc()))
            .collect()
    };
    let (mut writes, mut replaces) = (empty(later), empty(later));
    let (mut removals, mut restarts) = (empty(base), empty(base));
    let read = |sets: &Sets| -> Vec<bool> { sets.iter().map(Option::is_some).collect() };
    let mut compared = Compared {
        read_of_base: read(&gone),
        read_of_later: read(&come),
        ..Compared::default()
    };
    let count: u64 = gone.iter().flatten().map(DocSet::count).sum();
    let passes = count.div_ceil(limits.documents.max(1)).max(1);
    for pass in 0..passes {
        let (table, held) = table(base, &gone, (pass, passes), &mut removals)?;
        compared.deletes += held;
        for (number, (set, part)) in come.iter().zip(later).enumerate() {
            let Some(set) = set else { continue };
            let mut failed = None;
            part.documents(set, &mut |doc, seen| {
                let identity = identity_of(&seen);
                if pass_of(identity, passes) != pass {
                    return;
                }
                let Some(version) = seen.version else {
                    failed.get_or_insert_with(|| PartError::NoVersion(seen.id.to_owned()));
                    return;
                };
                let Some(entry) = table.find(identity) else {
                    compared.inserts += 1;
                    writes[number].insert(doc);
                    return;
                };
                let there = &mut removals[entry.segment as usize];
                if !there.contains(entry.doc) {
                    let text = format!("document {} stands twice in the later snapshot", seen.id);
                    failed.get_or_insert(PartError::Damaged(text));
                    return;
                }
                compared.deletes -= 1;
                there.remove(entry.doc);
                let content = xxhash_rust::xxh3::xxh3_128(seen.source);
                if (entry.version, entry.content) == (version, content) {
                    compared.equal += 1;
                    return;
                }
                compared.updates += 1;
                writes[number].insert(doc);
                if entry.version > version {
                    compared.restarts += 1;
                    restarts[entry.segment as usize].insert(entry.doc);
                } else {
                    replaces[number].insert(doc);
                }
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }
    for (removals, restarts) in removals.iter_mut().zip(&restarts) {
        removals.add_all(restarts);
    }
    let sets = |sets: Vec<DocSet>| -> Sets {
        sets.into_iter()
            .map(|set| Some(set).filter(|set| !set.is_empty()))
            .collect()
    };
    compared.writes = sets(writes);
    compared.replaces = sets(replaces);
    compared.removals = sets(removals);
    Ok(compared)
}

/// The documents of the base in one pass, each of which is to be deleted until it is found in the later snapshot; and how many
/// they are.
fn table<P: Part>(
    base: &[P],
    gone: &Sets,
    (pass, passes): (u64, u64),
    removals: &mut [DocSet],
) -> Result<(Identities, u64), PartError> {
    let mut entries = Vec::new();
    for (number, (set, part)) in gone.iter().zip(base).enumerate() {
        let Some(set) = set else { continue };
        let segment = u32::try_from(number)
            .map_err(|_| PartError::Damaged("more segments than a shard has".to_owned()))?;
        let mut failed = None;
        part.documents(set, &mut |doc, seen| {
            let identity = identity_of(&seen);
            if pass_of(identity, passes) != pass {
                return;
            }
            let Some(version) = seen.version else {
                failed.get_or_insert_with(|| PartError::NoVersion(seen.id.to_owned()));
                return;
            };
            removals[number].insert(doc);
            entries.push(Entry {
                identity,
                content: xxhash_rust::xxh3::xxh3_128(seen.source),
                version,
                segment,
                doc,
            });
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    let held = entries.len() as u64;
    let table = Identities::new(entries).ok_or_else(|| {
        PartError::Damaged("two live documents of the base have one identity".to_owned())
    })?;
    Ok((table, held))
}
