//! Where the folder of a shard is: `indices/<id>/<shard>` for everyone, and elsewhere for OpenSearch 2.17 and later, which
//! can spread shards over hashed prefixes of a bucket.
//!
//! What the writer did stands in a companion file under `snapshot_shard_paths/`, which is preferred; where there is none
//! the path is computed as the writer computes it. Hash in front of the base path (`HASHED_PREFIX`) means outside of the
//! repository: the store has to reach there.
//!
//! Deliberately absent: the paths of remote stores, whose segments are no snapshot's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Deserialize;

use super::error::SnapshotError;
use super::json::offset_of;
use super::keys;
use super::limits::{MAX_COMPANION_BYTES, MAX_SHARDS};
use crate::clients::objects::ObjectStore;

/// Where companion files are.
const COMPANIONS: &str = "snapshot_shard_paths";
/// What their names begin with; the id of the index follows, and then a delimiter.
const COMPANION_PREFIX: &str = "snapshot_path_";

/// Everyone's layout.
const FIXED: i64 = 0;
/// A hash in front of the base path.
const HASHED_PREFIX: i64 = 1;
/// A hash behind the base path.
const HASHED_INFIX: i64 = 2;

/// Where an index's shards are, as the repository's index says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexPaths<'a> {
    /// Name of the index, for messages.
    pub(crate) name: &'a str,
    /// Its id.
    pub(crate) id: &'a str,
    /// `shard_path_type`.
    pub(crate) path_type: i64,
}

/// The folder of one shard, and the store that reaches it.
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) directory: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.directory, self.store.location())
    }
}

/// What is known of the companion files of a repository: their names are listed once, each is read once.
#[derive(Debug, Default)]
pub(crate) struct Companions {
    names: OnceLock<Vec<String>>,
    read: Mutex<HashMap<String, Option<Arc<[String]>>>>,
}

#[derive(Deserialize)]
struct RawCompanion {
    #[serde(rename = "indexId")]
    index_id: String,
    shard_path_type: i64,
    paths: Vec<String>,
}

impl Companions {
    /// The folder of a shard. At most one list, and one request for each index, the first time.
    pub(crate) fn place(
        &self,
        store: &Arc<dyn ObjectStore>,
        index: IndexPaths<'_>,
        shard: u32,
    ) -> Result<Place, SnapshotError> {
        let fixed = format!("indices/{}/{shard}", index.id);
        let here = |directory: String| Place {
            store: Arc::clone(store),
            directory,
        };
        if index.path_type == FIXED {
            return Ok(here(fixed));
        }
        if !matches!(index.path_type, HASHED_PREFIX | HASHED_INFIX) {
            return Err(SnapshotError::Unsupported {
                what: format!(
                    "the shards of index `{}`, whose paths are of the unknown type {},",
                    index.name, index.path_type
                ),
                advice: "take a snapshot into a repository with shard_path_type: FIXED".to_owned(),
            });
        }
        let hash = composite_hash(index.id, shard);
        // Without what stands outside, and the base path as far as the store knows it.
        let outside = store.outside();
        let base = outside.as_ref().map_or("", |(_, base)| base.as_str());
        let Some(head) = self.head(&**store, index, shard)? else {
            // No companion: as the writer computes it, without a prefix of the operator's.
            return Ok(match (index.path_type, outside) {
                (HASHED_PREFIX, Some((whole, base))) if !base.is_empty() => Place {
                    store: whole,
                    directory: format!("{hash}/{base}/{fixed}"),
                },
                _ => here(format!("{hash}/{fixed}")),
            });
        };
        let path = format!("{}/{fixed}", head.join("/"));
        if index.path_type == HASHED_INFIX {
            // All in front of the hash is the base path, which the store stands in.
            let from = head.iter().position(|part| part.ends_with(&hash));
            let from = from.unwrap_or_default();
            return Ok(here(format!("{}/{fixed}", head[from..].join("/"))));
        }
        if head.len() == 1 && base.is_empty() {
            return Ok(here(path));
        }
        match outside {
            Some((whole, _)) => Ok(Place {
                store: whole,
                directory: path,
            }),
            None => Err(SnapshotError::Unsupported {
                what: format!(
                    "shard {shard} of index `{}` stands at `{path}` above the repository's own base path, outside of {}, \
                     and from here",
                    index.name,
                    store.location()
                ),
                advice: "give the store as the bucket with its prefix, or take a snapshot into a repository with \
                         shard_path_type: FIXED"
                    .to_owned(),
            }),
        }
    }

    /// What stands in front of `indices/<id>/<shard>` by the companion file; `None` where there is no such file.
    fn head(
        &self,
        store: &dyn ObjectStore,
        index: IndexPaths<'_>,
        shard: u32,
    ) -> Result<Option<Vec<String>>, SnapshotError> {
        let Some(paths) = self.paths(store, index)? else {
            return Ok(None);
        };
        let blob = || format!("{COMPANIONS}/{COMPANION_PREFIX}{}…", index.id);
        let path = paths
            .get(shard as usize)
            .ok_or_else(|| SnapshotError::Field {
                blob: blob(),
                field: "paths".to_owned(),
                reason: format!("has no path of shard {shard}"),
            })?;
        let mut parts = Vec::new();
        for part in path.trim_end_matches('/').split('/') {
            parts.push(keys::part(&blob(), part)?.to_owned());
        }
        let tail = ["indices".to_owned(), index.id.to_owned(), shard.to_string()];
        if !parts.ends_with(&tail) || parts.len() <= tail.len() {
            return Err(SnapshotError::Field {
                blob: blob(),
                field: "paths".to_owned(),
                reason: format!(
                    "has `{}` for shard {shard}, which does not end in `{}`",
                    path.escape_debug(),
                    tail.join("/")
                ),
            });
        }
        parts.truncate(parts.len() - tail.len());
        Ok(Some(parts))
    }

    fn paths(
        &self,
        store: &dyn ObjectStore,
        index: IndexPaths<'_>,
    ) -> Result<Option<Arc<[String]>>, SnapshotError> {
        let lock = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(index.id) {
            return Ok(known.clone());
        }
        // Where nothing can be listed, paths are computed.
        let names = self
            .names
            .get_or_init(|| store.list(COMPANIONS).unwrap_or_default());
        let of_index = |name: &&String| {
            name.strip_prefix(COMPANION_PREFIX)
                .and_then(|rest| rest.strip_prefix(index.id))
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        };
        let found = match names.iter().find(of_index) {
            None => None,
            Some(name) => {
                let blob = format!("{COMPANIONS}/{name}");
                let bytes = store.get(&blob, MAX_COMPANION_BYTES).map_err(|source| {
                    SnapshotError::Store {
                        location: store.location(),
                        blob: blob.clone(),
                        source,
                    }
                })?;
                Some(parse(&blob, &bytes, index)?)
            }
        };
        lock().insert(index.id.to_owned(), found.clone());
        Ok(found)
    }
}

/// The paths in a companion file, by shard.
pub(crate) fn parse(
    blob: &str,
    bytes: &[u8],
    index: IndexPaths<'_>,
) -> Result<Arc<[String]>, SnapshotError> {
    let raw: RawCompanion =
        serde_json::from_slice(bytes).map_err(|error| SnapshotError::Malformed {
            blob: blob.to_owned(),
            offset: offset_of(bytes, &error) as u64,
            reason: error.to_string(),
        })?;
    let field = |field: &str, reason: String| SnapshotError::Field {
        blob: blob.to_owned(),
        field: field.to_owned(),
        reason,
    };
    if raw.index_id != index.id {
        let reason = format!("is not `{}`, by which it is named", index.id);
        return Err(field("indexId", reason));
    }
    if raw.shard_path_type != index.path_type {
        return Err(field(
            "shard_path_type",
            format!(
                "is {}, and the repository's index says {}",
                raw.shard_path_type, index.path_type
            ),
        ));
    }
    if raw.paths.len() > MAX_SHARDS as usize {
        return Err(SnapshotError::Limit {
            blob: blob.to_owned(),
            what: "the number of paths",
            limit: u64::from(MAX_SHARDS),
        });
    }
    Ok(raw.paths.into())
}

/// `FNV_1A_COMPOSITE_1` of OpenSearch over the number of the shard and the id of the index: six bits as one character,
/// fourteen as digits.
fn composite_hash(index_id: &str, shard: u32) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in shard.to_string().bytes().chain(index_id.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let first = ALPHABET[(hash >> 58) as usize];
    let digits = hash >> 44 & 0x3fff;
    format!("{}{digits:014b}", char::from(first))
}

#[cfg(test)]
mod tests {
    use std::io;

    use bytes::Bytes;

    use super::*;
    use crate::base::ReadAt;
    use crate::clients::objects::MemoryStore;

    const ID: &str = "KU1SBbVORgujIacML7view";
    const HASH: &str = "200110110101110";

    /// A bucket in which a repository begins at a prefix.
    struct Within(MemoryStore, &'static str);

    impl ObjectStore for Within {
        fn location(&self) -> String {
            format!("bucket/{}", self.1)
        }

        fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
            self.0.list(&format!("{}/{prefix}", self.1))
        }

        fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Bytes> {
            self.0.get(&format!("{}/{key}", self.1), limit_bytes)
        }

        fn open(&self, key: &str) -> io::Result<Arc<dyn ReadAt>> {
            self.0.open(&format!("{}/{key}", self.1))
        }

        fn outside(&self) -> Option<(Arc<dyn ObjectStore>, String)> {
            Some((Arc::new(self.0.clone()), self.1.to_owned()))
        }
    }

    fn index(path_type: i64) -> IndexPaths<'static> {
        IndexPaths {
            name: "i",
            id: ID,
            path_type,
        }
    }

    fn companion(path_type: i64, path: &str) -> (String, String) {
        (
            format!("{COMPANIONS}/{COMPANION_PREFIX}{ID}.i.1.{path_type}.1"),
            format!(
                r#"{{"indexId":"{ID}","indexName":"i","number_of_shards":1,"shard_path_type":{path_type},
                "shard_path_hash_algorithm":1,"paths":["{path}"]}}"#
            ),
        )
    }

    fn placed(
        store: impl ObjectStore + 'static,
        path_type: i64,
    ) -> Result<(String, String), String> {
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        Companions::default()
            .place(&store, index(path_type), 0)
            .map(|place| (place.store.location(), place.directory))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_hash_is_what_a_server_wrote() {
        assert_eq!(composite_hash(ID, 0), HASH);
    }

    #[test]
    fn a_companion_file_comes_before_the_computed_path() {
        let memory = |store: MemoryStore, path_type| {
            placed(store, path_type).map(|(_, directory)| directory)
        };
        let fixed = format!("indices/{ID}/0");
        assert_eq!(memory(MemoryStore::default(), 0).unwrap(), fixed);
        for path_type in [HASHED_PREFIX, HASHED_INFIX] {
            let computed = format!("{HASH}/{fixed}");
            let found = memory(MemoryStore::default(), path_type).unwrap();
            assert_eq!(found, computed);
            let (key, text) = companion(path_type, &format!("op-{HASH}/{fixed}/"));
            let found = memory(MemoryStore::default().with(&key, text), path_type).unwrap();
            assert_eq!(found, format!("op-{computed}"));
        }
        let (key, text) = companion(HASHED_INFIX, &format!("a/b/{HASH}/{fixed}/"));
        let found = memory(MemoryStore::default().with(&key, text), HASHED_INFIX).unwrap();
        assert_eq!(found, format!("{HASH}/{fixed}"));
        let error = memory(MemoryStore::default(), 7).unwrap_err();
        assert!(error.contains("unknown type 7"), "{error}");
    }

    #[test]
    fn a_hash_in_front_of_the_base_path_is_reached_from_outside() {
        let fixed = format!("indices/{ID}/0");
        let (key, text) = companion(HASHED_PREFIX, &format!("op-{HASH}/a/b/{fixed}/"));
        let bucket = MemoryStore::default().with(&format!("a/b/{key}"), text.clone());
        let found = placed(Within(bucket, "a/b"), HASHED_PREFIX).unwrap();
        assert_eq!(found, ("memory".into(), format!("op-{HASH}/a/b/{fixed}")));
        let none = Within(MemoryStore::default(), "a/b");
        let found = placed(none, HASHED_PREFIX).unwrap();
        assert_eq!(found, ("memory".into(), format!("{HASH}/a/b/{fixed}")));
        let error = placed(MemoryStore::default().with(&key, text), HASHED_PREFIX).unwrap_err();
        assert!(
            error.contains("above the repository's own base path"),
            "{error}"
        );
    }

    #[test]
    fn hostile_companions_end_in_errors() {
        let fixed = format!("indices/{ID}/0");
        for path in [
            format!("../{fixed}"),
            format!("{HASH}/../../{fixed}"),
            format!("/{HASH}/{fixed}"),
            fixed.clone(),
            format!("{HASH}/indices/another/0"),
            String::new(),
        ] {
            let (key, text) = companion(HASHED_PREFIX, &path);
            let store = MemoryStore::default().with(&key, text);
            assert!(placed(store, HASHED_PREFIX).is_err(), "{path}");
        }
        let (key, text) = companion(HASHED_INFIX, &format!("{HASH}/{fixed}/"));
        let store = MemoryStore::default().with(&key, text);
        assert!(placed(store, HASHED_PREFIX).is_err(), "another type");
    }
}
