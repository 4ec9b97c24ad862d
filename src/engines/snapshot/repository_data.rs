//! The list of everything in a repository: `index-N`, as Elasticsearch 5–9 and OpenSearch write it, and the bare `index`
//! of Elasticsearch 1.x and 2.x, which has the names of snapshots alone.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::codec::decode_embedded;
use super::content::Content;
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

/// The parsed `index-N` or `index`.
#[derive(Debug)]
pub(crate) struct RepositoryData {
    pub(crate) snapshots: Vec<SnapshotEntry>,
    /// Whether it says which indices are in a snapshot. Before 5.0 only the snapshot itself does, and the folder of an
    /// index has its name.
    pub(crate) lists_indices: bool,
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
    snapshots: Vec<RawReference>,
    #[serde(default)]
    shard_generations: Option<Vec<Option<String>>>,
    #[serde(default)]
    shard_path_type: i64,
}

/// A snapshot that an index is in: its uuid, and up to 5.4.0 its name too.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawReference {
    Uuid(String),
    Both { uuid: String },
}

impl RawReference {
    fn uuid(self) -> String {
        match self {
            Self::Uuid(uuid) | Self::Both { uuid } => uuid,
        }
    }
}

impl RepositoryData {
    /// The `index` of Elasticsearch 1.x and 2.x: names of snapshots, which are their uuids too. Plain or LZF.
    pub(crate) fn parse_bare(blob: &str, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let content = decode_embedded(blob, bytes)?;
        let names = content
            .get("snapshots")
            .and_then(Content::as_array)
            .ok_or_else(|| SnapshotError::Field {
                blob: blob.to_owned(),
                field: "snapshots".to_owned(),
                reason: "is missing or no list".to_owned(),
            })?;
        let mut snapshots = Vec::with_capacity(names.len());
        for name in names {
            let name = name.as_str().ok_or_else(|| SnapshotError::Field {
                blob: blob.to_owned(),
                field: "snapshots".to_owned(),
                reason: "has an item that is no name".to_owned(),
            })?;
            snapshots.push(named(keys::part(blob, name)?));
        }
        Ok(Self {
            snapshots,
            lists_indices: false,
            lookups: HashMap::new(),
            indices: BTreeMap::new(),
            metadata_identifiers: HashMap::new(),
        })
    }

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
                RawSnapshot::Name(name) => named(&name),
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
                snapshots: index
                    .snapshots
                    .into_iter()
                    .map(RawReference::uuid)
                    .collect(),
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
            lists_indices: true,
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

/// A snapshot of which only the name is listed.
fn named(name: &str) -> SnapshotEntry {
    SnapshotEntry {
        name: name.to_owned(),
        uuid: name.to_owned(),
        state: SnapshotState::Unknown,
        version: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_listed_snapshot_is_read() {
        let text = br#"{"snapshots": ["old", {"name": "five", "uuid": "u5"},
            {"name": "six", "uuid": "u6", "state": 3, "version": "7.1.0"}],
            "indices": {"logs": {"id": "logs", "snapshots": ["old", {"name": "five", "uuid": "u5"}]}}}"#;
        let data = RepositoryData::parse("index-3", text).unwrap();
        let uuids: Vec<&str> = data.snapshots.iter().map(|it| it.uuid.as_str()).collect();
        assert_eq!(uuids, ["old", "u5", "u6"]);
        assert_eq!(data.snapshots[0].state, SnapshotState::Unknown);
        assert_eq!(data.snapshots[2].state, SnapshotState::Partial);
        assert_eq!(data.indices["logs"].snapshots, ["old", "u5"]);
    }

    #[test]
    fn the_bare_index_is_read_plain_and_compressed() {
        for bytes in [
            &b"{\"snapshots\":[\"a\",\"b\"]}"[..],
            b"ZV\0\0\x17{\"snapshots\":[\"a\",\"b\"]}",
        ] {
            let data = RepositoryData::parse_bare("index", bytes).unwrap();
            assert!(!data.lists_indices);
            let names: Vec<&str> = data.snapshots.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, ["a", "b"]);
        }
        for bytes in [
            &b"{}"[..],
            b"{\"snapshots\":[1]}",
            b"{\"snapshots\":[\"../x\"]}",
            b"ZV\0\0\xff{",
        ] {
            assert!(RepositoryData::parse_bare("index", bytes).is_err());
        }
    }
}
