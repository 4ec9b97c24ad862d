//! One snapshot: its own words about itself, its indices and their metadata.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::codec::BlobKind;
use super::error::{SnapshotError, suggestion};
use super::global_metadata::GlobalMetadata;
use super::index_metadata::IndexMetadata;
use super::info::SnapshotInfo;
use super::keys;
use super::layout::{Layout, is_not_found};
use super::parallel;
use super::paths::{IndexPaths, Place};
use super::repository::{Repository, Shared};
use super::repository_data::SnapshotEntry;
use super::shard::ShardSnapshot;

/// One snapshot of a repository. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    entry: SnapshotEntry,
    layout: Layout,
    info: Arc<SnapshotInfo>,
    indices: Arc<[SnapshotIndex]>,
}

/// One index of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotIndex {
    /// Name of the index.
    pub name: String,
    /// Its id in the repository's keys.
    pub id: String,
    /// Number of primary shards. From the repository's index where it is there (7.6 and later) and agrees with the
    /// snapshot's sum, else from the metadata of the index; [`Snapshot::index_metadata`] checks that the two agree.
    pub shards: u32,
}

impl Snapshot {
    pub(crate) fn open(shared: Arc<Shared>, entry: SnapshotEntry) -> Result<Self, SnapshotError> {
        let (layout, blob, content) = Layout::find(&shared, &entry.uuid)?;
        let info = SnapshotInfo::from_content(&blob, &content)?;
        if info.uuid != entry.uuid || info.name != entry.name {
            return Err(SnapshotError::Field {
                blob,
                field: "snapshot.uuid".to_owned(),
                reason: format!(
                    "is `{}` of `{}`, and the repository lists `{}` of `{}`",
                    info.uuid, info.name, entry.uuid, entry.name
                ),
            });
        }
        let mut snapshot = Self {
            shared,
            entry,
            layout,
            info: Arc::new(info),
            indices: Arc::new([]),
        };
        snapshot.indices = snapshot.find_indices()?.into();
        Ok(snapshot)
    }

    /// The indices that the repository lists for this snapshot: the same as the snapshot itself lists, or the
    /// repository is not to be trusted with anyone's documents.
    fn find_indices(&self) -> Result<Vec<SnapshotIndex>, SnapshotError> {
        let data = &self.shared.data;
        if !data.lists_indices {
            return self.indices_by_name();
        }
        let mut missing: Vec<&str> = Vec::new();
        for name in &self.info.indices {
            let listed = data
                .indices
                .get(name)
                .is_some_and(|index| index.snapshots.contains(&self.entry.uuid));
            if !listed {
                missing.push(name);
            }
        }
        if let Some(first) = missing.first() {
            return Err(SnapshotError::Field {
                blob: self.shared.index_blob(),
                field: "indices".to_owned(),
                reason: format!(
                    "does not give `{first}` to snapshot `{}`, which holds it ({} such)",
                    self.entry.name,
                    missing.len()
                ),
            });
        }
        let mut found = Vec::with_capacity(self.info.indices.len());
        for (name, index) in &data.indices {
            if !index.snapshots.contains(&self.entry.uuid) {
                continue;
            }
            if !self.info.indices.contains(name) {
                return Err(SnapshotError::Field {
                    blob: self.layout.snapshot(&self.entry.uuid),
                    field: "snapshot.indices".to_owned(),
                    reason: format!("lacks `{name}`, which the repository gives to it"),
                });
            }
            found.push((name.as_str(), index.id.as_str(), index.shards));
        }
        self.with_shards(&found)
    }

    /// The numbers of shards. The repository's index has them by id (7.6 and later), of the newest index of that name: one
    /// that was made anew with another number had another one in earlier snapshots. It is believed where all of them are
    /// as many as the snapshot counts; else the metadata of each index is read.
    fn with_shards(
        &self,
        found: &[(&str, &str, Option<u32>)],
    ) -> Result<Vec<SnapshotIndex>, SnapshotError> {
        let listed: Option<u64> = found
            .iter()
            .map(|(_, _, shards)| shards.map(u64::from))
            .sum();
        let believed = listed.is_some() && listed == self.info.total_shards;
        let shards: Vec<Option<Result<u32, SnapshotError>>> = if believed {
            found.iter().map(|(_, _, shards)| shards.map(Ok)).collect()
        } else {
            parallel::map(found, |(name, id, _)| {
                self.read_index_metadata(name, id)
                    .map(|metadata| metadata.number_of_shards)
            })
        };
        found
            .iter()
            .zip(shards)
            .map(|((name, id, _), shards)| {
                let shards = match shards {
                    Some(shards) => shards?,
                    None => self.read_index_metadata(name, id)?.number_of_shards,
                };
                Ok(SnapshotIndex {
                    name: (*name).to_owned(),
                    id: (*id).to_owned(),
                    shards,
                })
            })
            .collect()
    }

    /// Before 5.0 the snapshot alone says which indices are in it, and their folders have their names.
    fn indices_by_name(&self) -> Result<Vec<SnapshotIndex>, SnapshotError> {
        let blob = self.layout.snapshot(&self.entry.uuid);
        let mut names: Vec<&str> = Vec::with_capacity(self.info.indices.len());
        for name in &self.info.indices {
            names.push(keys::part(&blob, name)?);
        }
        names.sort_unstable();
        names.dedup();
        let found: Vec<_> = names.into_iter().map(|name| (name, name, None)).collect();
        self.with_shards(&found)
    }

    /// What the snapshot says of itself.
    pub fn info(&self) -> &SnapshotInfo {
        &self.info
    }

    /// Name of the snapshot.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Uuid of the snapshot.
    pub fn uuid(&self) -> &str {
        &self.entry.uuid
    }

    /// The repository as it was when the snapshot was opened.
    pub fn repository(&self) -> Repository {
        Repository {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The generation of the repository in which it was opened.
    pub fn repository_generation(&self) -> u64 {
        self.repository().generation()
    }

    /// Its indices, sorted by name.
    pub fn indices(&self) -> &[SnapshotIndex] {
        &self.indices
    }

    /// The index of this name.
    ///
    /// # Errors
    /// [`SnapshotError::NoIndex`] with a did-you-mean.
    pub fn index(&self, name: &str) -> Result<&SnapshotIndex, SnapshotError> {
        self.indices
            .binary_search_by(|index| index.name.as_str().cmp(name))
            .map(|at| &self.indices[at])
            .map_err(|_| SnapshotError::NoIndex {
                snapshot: self.entry.name.clone(),
                index: name.to_owned(),
                suggestion: suggestion(name, self.indices.iter().map(|index| index.name.as_str())),
            })
    }

    /// Templates, pipelines, persistent settings. One request.
    ///
    /// The blob is there even when the snapshot was taken without global state; then it holds next to nothing.
    pub fn global_metadata(&self) -> Result<GlobalMetadata, SnapshotError> {
        let blob = self.layout.global_metadata(&self.entry.uuid);
        let content = self
            .layout
            .read(&self.shared.store, &blob, BlobKind::GlobalMetadata)?;
        GlobalMetadata::from_content(&blob, &content)
    }

    /// Settings, mappings and aliases of one index. One request.
    pub fn index_metadata(&self, name: &str) -> Result<IndexMetadata, SnapshotError> {
        let index = self.index(name)?;
        let metadata = self.read_index_metadata(name, &index.id)?;
        if metadata.number_of_shards != index.shards {
            return Err(SnapshotError::Field {
                blob: self.shared.index_blob(),
                field: format!("indices.{name}.shard_generations"),
                reason: format!(
                    "counts {} shards, and the metadata of the index {}",
                    index.shards, metadata.number_of_shards
                ),
            });
        }
        Ok(metadata)
    }

    fn read_index_metadata(&self, name: &str, id: &str) -> Result<IndexMetadata, SnapshotError> {
        let index_blob = self.shared.index_blob();
        let metadata_id = self
            .shared
            .data
            .index_metadata_id(&index_blob, &self.entry.uuid, id)?;
        let blob = self.layout.index_metadata(id, metadata_id);
        let content = self
            .layout
            .read(&self.shared.store, &blob, BlobKind::IndexMetadata)?;
        IndexMetadata::from_content(&blob, name, &content)
    }

    /// The files of one shard. One request.
    ///
    /// # Errors
    /// [`SnapshotError::ShardFailed`] where the snapshot says that it has no copy,
    /// [`SnapshotError::ShardMissing`] where it has none without saying so.
    pub fn shard(&self, index: &str, shard: u32) -> Result<ShardSnapshot, SnapshotError> {
        let listed = self.index(index)?;
        if shard >= listed.shards {
            return Err(SnapshotError::NoShard {
                index: index.to_owned(),
                shard,
                shards: listed.shards,
            });
        }
        if let Some(failure) = self.info.failure(index, shard) {
            return Err(SnapshotError::ShardFailed {
                snapshot: self.entry.name.clone(),
                index: index.to_owned(),
                shard,
                reason: failure.reason.clone(),
            });
        }
        let paths = IndexPaths {
            name: index,
            id: &listed.id,
            path_type: self
                .shared
                .data
                .indices
                .get(index)
                .map_or(0, |index| index.shard_path_type),
        };
        let place = self
            .shared
            .companions
            .place(&self.shared.store, paths, shard)?;
        let file = self.layout.snapshot(&self.entry.uuid);
        let blob = format!("{}/{file}", place.directory);
        let content = match self.layout.read(&place.store, &blob, BlobKind::Snapshot) {
            Err(error) if is_not_found(&error) => {
                return Err(self.without_list(index, shard, blob, &place));
            }
            other => other?,
        };
        ShardSnapshot::new(place.store, index, shard, place.directory, blob, &content)
    }

    /// Why a shard has no list of files.
    fn without_list(&self, index: &str, shard: u32, blob: String, place: &Place) -> SnapshotError {
        let shallow = format!("{}/shallow-snap-{}.dat", place.directory, self.entry.uuid);
        // Beside shallow copies a snapshot can hold full ones, of indices that no remote store has.
        if self.info.remote_store_shallow_copy || place.store.open(&shallow).is_ok() {
            return SnapshotError::Shallow {
                snapshot: self.entry.name.clone(),
                index: index.to_owned(),
                shard,
            };
        }
        SnapshotError::ShardMissing {
            snapshot: self.entry.name.clone(),
            state: self.info.state,
            index: index.to_owned(),
            shard,
            blob,
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("name", &self.entry.name)
            .field("uuid", &self.entry.uuid)
            .finish_non_exhaustive()
    }
}
