//! A snapshot that exists in a store, with the facts that plans are made of.
//!
//! Documents are counted by the segments' own bitmaps, not by reading documents. Relies on the `snapshot` and `lucene`
//! engines. Deliberately absent: taking snapshots.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::kind::PhaseError;
use crate::base::Address;
use crate::diff::observation::{SnapshotFacts, SnapshotIndexFacts};
use crate::engines::lucene::{Commit, Segment, SegmentFiles};
use crate::engines::snapshot::{
    IndexMetadata, IndexState, IndexVersion, Repository, Snapshot, SnapshotError, SnapshotState,
};

/// Shards that are looked at at once.
const THREADS_MAX: usize = 8;
/// Failed shards that are named one by one.
const NAMED_FAILURES_MAX: usize = 5;

/// An opened snapshot.
pub struct SnapshotView {
    /// The snapshot; absent where there is none of that name.
    pub snapshot: Option<Snapshot>,
    /// What it holds; absent where it can't be used.
    pub facts: Option<SnapshotFacts>,
    /// Metadata of its indices.
    pub metadata: BTreeMap<String, IndexMetadata>,
    /// Why it can't be used.
    pub problem: Option<String>,
}

impl SnapshotView {
    /// Looks for a snapshot; that there is none, or one that can't be used, is a problem and no error.
    pub fn open(store: &Address, repository: &Repository, name: &str) -> Result<Self, PhaseError> {
        let problem = |snapshot: Option<Snapshot>, text: String| Self {
            snapshot,
            facts: None,
            metadata: BTreeMap::new(),
            problem: Some(text),
        };
        let snapshot = match repository.snapshot(name) {
            Ok(snapshot) => snapshot,
            Err(error @ SnapshotError::NoSnapshot { .. }) => {
                return Ok(problem(None, error.to_string()));
            }
            Err(error) => return Err(failed(store, &error)),
        };
        if let Some(text) = unusable(&snapshot) {
            return Ok(problem(Some(snapshot), text));
        }
        let mut metadata = BTreeMap::new();
        for index in snapshot.indices() {
            let found = snapshot
                .index_metadata(&index.name)
                .map_err(|error| failed(store, &error))?;
            metadata.insert(index.name.clone(), found);
        }
        let counted = count(&snapshot).map_err(|error| PhaseError::Failed {
            message: format!("store `{store}`: {error}"),
            help: Some(
                "the snapshot can't be read in full: take another one, or leave the index out"
                    .into(),
            ),
        })?;
        let indices = snapshot
            .indices()
            .iter()
            .map(|index| {
                let metadata = metadata.get(&index.name);
                let counted = counted.get(&index.name).copied().unwrap_or_default();
                let facts = SnapshotIndexFacts {
                    id: index.id.clone(),
                    uuid: metadata
                        .and_then(|metadata| metadata.uuid.clone())
                        .unwrap_or_else(|| index.id.clone()),
                    shards: index.shards,
                    closed: metadata.is_some_and(|it| it.state == IndexState::Close),
                    docs: counted.docs,
                    bytes: counted.bytes,
                };
                (index.name.clone(), facts)
            })
            .collect();
        let info = snapshot.info();
        let facts = SnapshotFacts {
            store: store.clone(),
            name: snapshot.name().to_owned(),
            uuid: snapshot.uuid().to_owned(),
            state: info.state.to_string(),
            made_by: match info.version {
                Some(IndexVersion::Release(version)) => Some(version),
                _ => None,
            },
            repository_generation: snapshot.repository_generation(),
            indices,
            failures: Vec::new(),
        };
        Ok(Self {
            snapshot: Some(snapshot),
            facts: Some(facts),
            metadata,
            problem: None,
        })
    }
}

fn failed(store: &Address, error: &SnapshotError) -> PhaseError {
    PhaseError::Failed {
        message: format!("store `{store}`: {error}"),
        help: Some(format!("check the directory of `stores.{store}`")),
    }
}

/// Why documents of a snapshot that exists can't be trusted to be all there.
fn unusable(snapshot: &Snapshot) -> Option<String> {
    let info = snapshot.info();
    let name = snapshot.name();
    match info.state {
        SnapshotState::Success if info.failures.is_empty() => None,
        SnapshotState::InProgress => Some(format!(
            "snapshot `{name}` is still being taken (IN_PROGRESS)"
        )),
        state => {
            let mut shards: Vec<String> = info
                .failures
                .iter()
                .take(NAMED_FAILURES_MAX)
                .map(|failure| format!("{}/{}: {}", failure.index, failure.shard, failure.reason))
                .collect();
            let more = info.failures.len().saturating_sub(NAMED_FAILURES_MAX);
            if more > 0 {
                shards.push(format!("and {more} more"));
            }
            let shards = if shards.is_empty() {
                String::new()
            } else {
                format!(": missing shards {}", shards.join("; "))
            };
            let reason = info.reason.as_deref().unwrap_or_default();
            let reason = if reason.is_empty() {
                String::new()
            } else {
                format!(" ({reason})")
            };
            Some(format!(
                "snapshot `{name}` is not complete ({state}){reason}{shards}"
            ))
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Counted {
    docs: Option<u64>,
    bytes: u64,
}

/// Documents and bytes of every index, by the metadata of its segments.
fn count(snapshot: &Snapshot) -> Result<BTreeMap<String, Counted>, String> {
    let shards: Vec<(&str, u32)> = snapshot
        .indices()
        .iter()
        .flat_map(|index| (0..index.shards).map(|shard| (index.name.as_str(), shard)))
        .collect();
    let results = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS_MAX.min(shards.len()) {
            scope.spawn(|| {
                while let Some((index, shard)) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counted = count_shard(snapshot, index, *shard);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.insert((*index, *shard), counted);
                }
            });
        }
    });
    let mut indices: BTreeMap<String, Counted> = BTreeMap::new();
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    for ((index, _), counted) in results {
        let counted = counted?;
        indices
            .entry(index.to_owned())
            .and_modify(|sum| {
                sum.docs = sum.docs.zip(counted.docs).map(|(a, b)| a + b);
                sum.bytes += counted.bytes;
            })
            .or_insert(counted);
    }
    Ok(indices)
}

fn count_shard(snapshot: &Snapshot, index: &str, shard: u32) -> Result<Counted, String> {
    let place = |error: &dyn std::fmt::Display| format!("{index}/{shard}: {error}");
    let found = snapshot
        .shard(index, shard)
        .map_err(|error| place(&error))?;
    let files: Arc<dyn SegmentFiles> = Arc::clone(found.files()) as Arc<dyn SegmentFiles>;
    let commit = Commit::read(&*files).map_err(|error| place(&error))?;
    let mut sum = Counted {
        docs: Some(0),
        bytes: 0,
    };
    for segment in &commit.segments {
        let segment = Segment::open(Arc::clone(&files), segment).map_err(|error| place(&error))?;
        sum.docs = sum
            .docs
            .zip(segment.counts().roots_live)
            .map(|(a, b)| a + b);
        sum.bytes += segment
            .chunks()
            .iter()
            .map(|chunk| u64::from(chunk.length))
            .sum::<u64>();
    }
    Ok(sum)
}
