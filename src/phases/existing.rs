//! The snapshots of a phase that exist in a store, with the facts that plans are made of: one, or several where the
//! phase was widened, each index in exactly one of them.
//!
//! Documents are counted by the segments' own bitmaps, not by reading documents: `scan`. Relies on the `snapshot`
//! and `lucene` engines. Deliberately absent: taking snapshots.

use std::collections::BTreeMap;

use super::kind::PhaseError;
use super::scan::{ScanError, scan};
use super::snapshot::name_mark;
use super::snapshot::series::Mark;
use super::source_gap::source_gap;
use super::streams::{by_name, number_generations};
use crate::base::Address;
use crate::diff::observation::{FurtherSnapshot, SnapshotFacts, SnapshotIndexFacts, SourceGap};
use crate::engines::bulk::snapshot_source::{ITEM_BYTES, SnapshotSource, Wanted};
use crate::engines::bulk::{Beside, SourceRule};
use crate::engines::reconstruct::lost_fields;
use crate::engines::snapshot::{
    GlobalMetadata, IndexMetadata, IndexState, IndexVersion, Repository, Snapshot, SnapshotError,
    SnapshotState,
};
use crate::plan::model::{Partial, WithoutSource};

/// Failed shards that are named one by one.
const NAMED_FAILURES_MAX: usize = 5;

/// What is done with shards that a snapshot says it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The snapshot can't be used.
    Refused,
    /// They are told, and the others are used.
    Told,
}

/// The opened snapshots of a phase.
pub struct SnapshotView {
    /// What they hold; absent where they can't be used.
    pub facts: Option<SnapshotFacts>,
    /// Metadata of their indices.
    pub metadata: BTreeMap<String, IndexMetadata>,
    /// Why they can't be used.
    pub problem: Option<String>,
    store: Address,
    snapshots: Vec<Snapshot>,
    /// Which of the snapshots an index is read from.
    owners: BTreeMap<String, usize>,
}

impl SnapshotView {
    /// Looks for a snapshot; that there is none, or one that can't be used, is a problem and no error.
    pub fn open(
        store: &Address,
        repository: &Repository,
        name: &str,
        partial: Partial,
    ) -> Result<Self, PhaseError> {
        let missing = match partial {
            Partial::Refuse => Missing::Refused,
            Partial::Take => Missing::Told,
        };
        match repository.snapshot(name) {
            Ok(snapshot) => Self::with(store, vec![snapshot], missing),
            Err(error @ SnapshotError::NoSnapshot { .. }) => {
                Ok(Self::unusable(store, Vec::new(), error.to_string()))
            }
            Err(error) => Err(failed(store, &error)),
        }
    }

    /// With these snapshots, in the order in which they were taken. An index that several hold is read from the first.
    pub fn of(store: &Address, snapshots: Vec<Snapshot>) -> Result<Self, PhaseError> {
        Self::with(store, snapshots, Missing::Refused)
    }

    fn with(
        store: &Address,
        snapshots: Vec<Snapshot>,
        missing: Missing,
    ) -> Result<Self, PhaseError> {
        let problem = |snapshot: &Snapshot| unusable(snapshot, missing);
        if let Some(text) = snapshots.iter().find_map(problem) {
            return Ok(Self::unusable(store, snapshots, text));
        }
        let mut view = Self {
            facts: None,
            metadata: BTreeMap::new(),
            problem: None,
            store: store.clone(),
            snapshots,
            owners: BTreeMap::new(),
        };
        match view.look(missing) {
            Ok(()) => Ok(view),
            Err(error) => Err(view.or_vanished(error)),
        }
    }

    fn unusable(store: &Address, snapshots: Vec<Snapshot>, problem: String) -> Self {
        Self {
            facts: None,
            metadata: BTreeMap::new(),
            problem: Some(problem),
            store: store.clone(),
            snapshots,
            owners: BTreeMap::new(),
        }
    }

    fn look(&mut self, missing: Missing) -> Result<(), PhaseError> {
        let Some(first) = self.snapshots.first() else {
            self.problem = Some("there is no snapshot".to_owned());
            return Ok(());
        };
        let info = first.info();
        let mut facts = SnapshotFacts {
            store: self.store.clone(),
            name: first.name().to_owned(),
            uuid: first.uuid().to_owned(),
            state: info.state.to_string(),
            made_by: info.version.map(IndexVersion::line),
            repository_generation: first.repository_generation(),
            indices: BTreeMap::new(),
            failures: Vec::new(),
            further: Vec::new(),
        };
        let mut places = BTreeMap::new();
        for (number, snapshot) in self.snapshots.iter().enumerate() {
            let mut scanned =
                scan(snapshot, missing).map_err(|error| scan_failed(&self.store, &error))?;
            let backing = backing(snapshot).map_err(|error| failed(&self.store, &error))?;
            if number > 0 {
                facts.further.push(FurtherSnapshot {
                    name: snapshot.name().to_owned(),
                    uuid: snapshot.uuid().to_owned(),
                });
            }
            for index in snapshot.indices() {
                if self.owners.contains_key(&index.name) {
                    continue;
                }
                let Some(scanned) = scanned.remove(&index.name) else {
                    continue;
                };
                let metadata = scanned.metadata;
                // The defaults of 1.x to 5.x are a mapping of no documents.
                let types = metadata.types.iter();
                let types = types.filter(|it| it.type_name != "_default_");
                let mappings = types.clone().map(|it| &it.mapping);
                let gap = source_gap(&metadata.settings, mappings).map(|gap| SourceGap {
                    lost: lost_fields(
                        &metadata.settings,
                        types.map(|it| (it.type_name.as_str(), &it.mapping)),
                        &scanned.unread_values,
                    ),
                    ..gap
                });
                let found = SnapshotIndexFacts {
                    id: index.id.clone(),
                    uuid: metadata.uuid.clone().unwrap_or_else(|| index.id.clone()),
                    shards: index.shards,
                    closed: metadata.state == IndexState::Close,
                    docs: scanned.docs,
                    bytes: scanned.bytes,
                    snapshot: (number > 0).then(|| snapshot.uuid().to_owned()),
                    data_stream: match backing.get(&index.name) {
                        Some((stream, _)) => Some(stream.clone()),
                        None => by_name(&index.name),
                    },
                    generation: None,
                    source_gap: gap,
                    unreadable: scanned.unreadable,
                    missing_shards: scanned.missing,
                    types: scanned.types,
                    of: None,
                };
                if let Some((_, place)) = backing.get(&index.name) {
                    places.insert(index.name.clone(), *place);
                }
                for missing in &found.missing_shards {
                    let place = format!("{}/{}: {}", index.name, missing.shard, missing.reason);
                    facts.failures.push(place);
                }
                facts.indices.insert(index.name.clone(), found);
                self.owners.insert(index.name.clone(), number);
                self.metadata.insert(index.name.clone(), metadata);
            }
        }
        number_generations(&mut facts.indices, &places);
        self.facts = Some(facts);
        Ok(())
    }

    /// The snapshots, in the order in which they were taken.
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
    }

    /// The snapshot that an index is read from.
    pub fn owner(&self, index: &str) -> Option<&Snapshot> {
        self.snapshots.get(*self.owners.get(index)?)
    }

    /// The documents of these indices, each from the snapshot that it stands in. `choice` says by index what becomes of
    /// documents whose source was not stored as it was sent; `beside` by index what is told besides the source.
    pub fn source(
        &self,
        indices: &[String],
        choice: &dyn Fn(&str) -> WithoutSource,
        beside: &BTreeMap<String, Beside>,
    ) -> Result<SnapshotSource, PhaseError> {
        let mut each = Vec::with_capacity(indices.len());
        for index in indices {
            let snapshot = self.owner(index).ok_or_else(|| {
                PhaseError::Stale(format!("index {index} is in no snapshot of {}", self.store))
            })?;
            let facts = self.facts.as_ref().and_then(|it| it.indices.get(index));
            let gap = facts.and_then(|facts| facts.source_gap.as_ref());
            each.push(Wanted {
                snapshot,
                index,
                rule: SourceRule::of(gap, choice(index)),
                without_shards: facts.map_or(&[], |facts| &facts.missing_shards),
                beside: beside.get(index).unwrap_or(Beside::NOTHING),
            });
        }
        SnapshotSource::open_each(each, ITEM_BYTES).map_err(|error| {
            self.or_vanished(PhaseError::Failed {
                message: error.to_string(),
                help: Some("check the snapshot".into()),
            })
        })
    }

    /// Name and uuid of each, for evidence: `snapshot nightly-1 (uuid)`.
    pub fn label(&self) -> String {
        let each: Vec<String> = self
            .snapshots
            .iter()
            .map(|snapshot| format!("{} ({})", snapshot.name(), snapshot.uuid()))
            .collect();
        let noun = if each.len() == 1 {
            "snapshot"
        } else {
            "snapshots"
        };
        format!("{noun} {}", each.join(", "))
    }

    /// Templates, pipelines and settings: of an object that several snapshots hold, the form in the first.
    pub fn global_metadata(&self) -> Result<Option<GlobalMetadata>, PhaseError> {
        let mut all: Option<GlobalMetadata> = None;
        for snapshot in &self.snapshots {
            let found = snapshot
                .global_metadata()
                .map_err(|error| self.or_vanished(failed(&self.store, &error)))?;
            match &mut all {
                Some(all) => all.add_missing(found),
                None => all = Some(found),
            }
        }
        Ok(all)
    }

    /// Identity of the selector that the newest was taken for, where mig took it.
    pub fn taken_for(&self) -> Option<String> {
        let newest = self.snapshots.last()?;
        let mark = Mark::of(newest.info().metadata.as_ref());
        mark.map(|mark| mark.indices)
            .or_else(|| name_mark::indices(newest.name()).map(str::to_owned))
    }

    /// The uuid of the cluster that the first was taken of, where it says so.
    pub fn cluster_uuid(&self) -> Result<Option<String>, PhaseError> {
        match self.snapshots.first() {
            Some(first) => first
                .global_metadata()
                .map(|global| global.cluster_uuid)
                .map_err(|error| self.or_vanished(failed(&self.store, &error))),
            None => Ok(None),
        }
    }

    /// What reading a snapshot that somebody deleted looks like is told as what it is; any other error stays.
    pub fn or_vanished(&self, error: PhaseError) -> PhaseError {
        self.vanished().unwrap_or(error)
    }

    /// Whether one of the snapshots is in the repository no more.
    pub fn vanished(&self) -> Option<PhaseError> {
        let first = self.snapshots.first()?;
        let now = match first.repository().moved() {
            Ok(Some(now)) => now,
            Err(SnapshotError::NoRepository { .. }) => return Some(self.gone(first, None)),
            Ok(None) | Err(_) => return None,
        };
        let gone = self.snapshots.iter().find(|snapshot| {
            let there = |uuid: &str| uuid == snapshot.uuid();
            !now.snapshots().iter().any(|entry| there(&entry.uuid))
        })?;
        Some(self.gone(gone, Some(now.generation())))
    }

    fn gone(&self, snapshot: &Snapshot, now: Option<u64>) -> PhaseError {
        let then = snapshot.repository_generation();
        let now = now.map_or_else(
            || "and there is no repository there any more".to_owned(),
            |now| format!("at {now} it holds it no more"),
        );
        PhaseError::Failed {
            message: format!(
                "store `{}`: snapshot `{}` ({}) was deleted while it was in use: the repository was at generation \
                 {then} when it was opened, {now}",
                self.store,
                snapshot.name(),
                snapshot.uuid()
            ),
            help: Some(
                "find out who deletes snapshots there and stop it (retention, snapshot lifecycle); then take the \
                 snapshot again: `--redo` of its phase"
                    .into(),
            ),
        }
    }
}

pub(super) fn failed(store: &Address, error: &SnapshotError) -> PhaseError {
    PhaseError::Failed {
        message: format!("store `{store}`: {error}"),
        help: Some(where_to_look(store, error)),
    }
}

/// Where a person begins to look at a store that can't be read.
pub(super) fn where_to_look(store: &Address, error: &SnapshotError) -> String {
    match error {
        SnapshotError::Store { location, .. } if location.starts_with("s3://") => {
            format!("check `stores.{store}`: its uri, region, endpoint and role")
        }
        _ => format!("check what is in `stores.{store}`"),
    }
}

fn scan_failed(store: &Address, error: &ScanError) -> PhaseError {
    match error {
        ScanError::Snapshot(error) => failed(store, error),
        error => PhaseError::Failed {
            message: format!("store `{store}`: {error}"),
            help: Some(
                "check that the store can be read in full, then run the same command again".into(),
            ),
        },
    }
}

/// The data stream of each backing index, with its place there.
fn backing(snapshot: &Snapshot) -> Result<BTreeMap<String, (String, usize)>, SnapshotError> {
    if snapshot.info().data_streams.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut backing = BTreeMap::new();
    for stream in snapshot.global_metadata()?.data_streams() {
        for (place, index) in stream.indices.into_iter().enumerate() {
            backing.insert(index, (stream.name.clone(), place));
        }
    }
    Ok(backing)
}

/// Why documents of a snapshot that exists can't be trusted to be all there.
fn unusable(snapshot: &Snapshot, missing: Missing) -> Option<String> {
    let info = snapshot.info();
    let name = snapshot.name();
    match info.state {
        SnapshotState::Success if info.failures.is_empty() => None,
        SnapshotState::Success | SnapshotState::Partial if missing == Missing::Told => None,
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
