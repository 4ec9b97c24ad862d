//! `index-N`, the list of everything in a repository, as Elasticsearch 5–9 and OpenSearch write it: plain JSON.
//!
//! Absent: the bare `index` of Elasticsearch 1.x and 2.x, which belongs in a file beside this one; hashed shard paths
//! of OpenSearch 2.17 and later, which are recognised and refused when a shard is opened.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::error::SnapshotError;
use super::json::offset_of;
use super::keys;
use super::limits::MAX_SHARDS;
use super::state::SnapshotState;

/// One snapshot as the repository lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotEntry {
    /// Its name.
    pub name: String,
    /// Its uuid: part of the keys of its blobs.
    pub uuid: String,
    /// How it ended.
    pub state: SnapshotState,
    /// The version that wrote it, as it is written there (`7.10.2`; not given before 7.0 of Elasticsearch).
    pub version: Option<String>,
}

/// The parsed `index-N`.
#[derive(Debug)]
pub(crate) struct RepositoryData {
    pub(crate) snapshots: Vec<SnapshotEntry>,
    lookups: HashMap<String, HashMap<String, String>>,
    pub(crate) indices: BTreeMap<String, IndexEntry>,
    metadata_identifiers: HashMap<String, String>,
}

/// One index in `index-N`.
#[derive(Debug)]
pub(crate) struct IndexEntry {
    pub(crate) id: String,
    pub(crate) snapshots: Vec<String>,
    /// Length of `shard_generations` (7.6 and later): the number of shards.
    pub(crate) shards: Option<u32>,
    /// 0 is the layout of everyone; others are OpenSearch's hashed ones.
    pub(crate) shard_path_type: i64,
}

#[derive(Deserialize)]
struct RawData {
    #[serde(default)]
    snapshots: Vec<RawSnapshot>,
    #[serde(default)]
    indices: BTreeMap<String, RawIndex>,
    #[serde(default)]
    index_metadata_identifiers: Option<HashMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawSnapshot {
    Entry {
        name: String,
        uuid: String,
        state: Option<i64>,
        version: Option<String>,
        index_metadata_lookup: Option<HashMap<String, String>>,
    },
    /// Repositories that 2.x began hold bare names, which are the uuids too.
    Name(String),
}

#[derive(Deserialize)]
struct RawIndex {
    id: String,
    #[serde(default)]
    snapshots: Vec<String>,
    #[serde(default)]
    shard_generations: Option<Vec<Option<String>>>,
    #[serde(default)]
    shard_path_type: i64,
}

impl RepositoryData {
    /// Parses, and checks that every id can be a part of a key.
    pub(crate) fn parse(blob: &str, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let raw: RawData =
            serde_json::from_slice(bytes).map_err(|error| SnapshotError::Malformed {
                blob: blob.to_owned(),
                offset: offset_of(bytes, &error) as u64,
                reason: error.to_string(),
            })?;
        let mut snapshots = Vec::with_capacity(raw.snapshots.len());
        let mut lookups = HashMap::new();
        for snapshot in raw.snapshots {
            let entry = match snapshot {
                RawSnapshot::Name(name) => SnapshotEntry {
                    uuid: name.clone(),
                    name,
                    state: SnapshotState::Unknown,
                    version: None,
                },
                RawSnapshot::Entry {
                    name,
                    uuid,
                    state,
                    version,
                    index_metadata_lookup,
                } => {
                    if let Some(lookup) = index_metadata_lookup {
                        lookups.insert(uuid.clone(), lookup);
                    }
                    SnapshotEntry {
                        name,
                        uuid,
                        state: state.map_or(SnapshotState::Unknown, SnapshotState::from_code),
                        version,
                    }
                }
            };
            keys::part(blob, &entry.uuid)?;
            snapshots.push(entry);
        }
        let mut indices = BTreeMap::new();
        for (name, index) in raw.indices {
            keys::part(blob, &index.id)?;
            let shards = index.shard_generations.map(|generations| generations.len());
            if shards.is_some_and(|shards| shards > MAX_SHARDS as usize) {
                return Err(SnapshotError::Limit {
                    blob: blob.to_owned(),
                    what: "the number of shards of an index",
                    limit: u64::from(MAX_SHARDS),
                });
            }
            let entry = IndexEntry {
                id: index.id,
                snapshots: index.snapshots,
                shards: shards.and_then(|shards| u32::try_from(shards).ok()),
                shard_path_type: index.shard_path_type,
            };
            indices.insert(name, entry);
        }
        let metadata_identifiers = raw.index_metadata_identifiers.unwrap_or_default();
        for id in metadata_identifiers.values() {
            keys::part(blob, id)?;
        }
        Ok(Self {
            snapshots,
            lookups,
            indices,
            metadata_identifiers,
        })
    }

    /// The id in the key of an index's metadata blob: by the lookup of 7.9 and later, and else the snapshot's uuid
    /// (also for old snapshots in a repository that a newer version goes on with).
    pub(crate) fn index_metadata_id<'a>(
        &'a self,
        blob: &str,
        snapshot_uuid: &'a str,
        index_id: &str,
    ) -> Result<&'a str, SnapshotError> {
        let key = self
            .lookups
            .get(snapshot_uuid)
            .and_then(|lookup| lookup.get(index_id));
        let Some(key) = key else {
            return Ok(snapshot_uuid);
        };
        self.metadata_identifiers
            .get(key)
            .map(String::as_str)
            .ok_or_else(|| SnapshotError::Field {
                blob: blob.to_owned(),
                field: "index_metadata_identifiers".to_owned(),
                reason: format!("has no entry for index id `{index_id}`"),
            })
    }
}
