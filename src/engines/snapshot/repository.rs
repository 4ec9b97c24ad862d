//! A repository: finding the list of its snapshots (the newest `index-N`, or the `index` of Elasticsearch 1.x and 2.x) and
//! opening them by name.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{SnapshotError, suggestion};
use super::info::SnapshotInfo;
use super::layout::Layout;
use super::limits::MAX_REPOSITORY_INDEX_BYTES;
use super::paths::Companions;
use super::repository_data::{RepositoryData, SnapshotEntry};
use super::snapshot::Snapshot;
use crate::clients::objects::ObjectStore;

/// A snapshot repository, as it was when it was opened.
#[derive(Clone)]
pub struct Repository {
    pub(crate) shared: Arc<Shared>,
}

/// What snapshots and shards of one repository share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) root: RootIndex,
    pub(crate) data: RepositoryData,
    pub(crate) companions: Companions,
}

/// Which list of snapshots stands at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootIndex {
    /// `index-N`: N grows with every change.
    Numbered(u64),
    /// `index`, which is written over: told apart by the checksum of its bytes.
    Bare { crc32: u32 },
}

/// The list of Elasticsearch 1.x and 2.x.
const BARE_INDEX: &str = "index";

impl Shared {
    /// Key of the index at the root.
    pub(crate) fn index_blob(&self) -> String {
        match self.root {
            RootIndex::Numbered(generation) => format!("index-{generation}"),
            RootIndex::Bare { .. } => BARE_INDEX.to_owned(),
        }
    }
}

pub(crate) fn store_error(store: &dyn ObjectStore, blob: &str, source: io::Error) -> SnapshotError {
    SnapshotError::Store {
        location: store.location(),
        blob: blob.to_owned(),
        source,
    }
}

impl Repository {
    /// Finds `index-N` with the largest number by listing, or by `index.latest` where listing is not allowed or finds
    /// nothing, and else the `index` of Elasticsearch 1.x and 2.x (which stays beside them in an upgraded repository);
    /// parses it.
    ///
    /// # Errors
    /// [`SnapshotError::NoRepository`] when there is none of them.
    pub fn open(store: Arc<dyn ObjectStore>) -> Result<Self, SnapshotError> {
        let listed = store.list("");
        let names = listed.as_deref().unwrap_or_default();
        let newest = names.iter().filter_map(|name| generation_of(name)).max();
        let generation = match newest {
            Some(generation) => Some(generation),
            None => latest(&*store)?,
        };
        let (root, data) = if let Some(generation) = generation {
            let blob = format!("index-{generation}");
            let bytes = store
                .get(&blob, MAX_REPOSITORY_INDEX_BYTES)
                .map_err(|source| store_error(&*store, &blob, source))?;
            let data = RepositoryData::parse(&blob, &bytes)?;
            (RootIndex::Numbered(generation), data)
        } else {
            let Some(bytes) = bare_index(&*store)? else {
                return Err(no_repository(&*store, listed));
            };
            let crc32 = crc32fast::hash(&bytes);
            let data = RepositoryData::parse_bare(BARE_INDEX, &bytes)?;
            (RootIndex::Bare { crc32 }, data)
        };
        Ok(Self {
            shared: Arc::new(Shared {
                store,
                root,
                data,
                companions: Companions::default(),
            }),
        })
    }

    /// The N of the `index-N` that was read. It grows with every snapshot taken or deleted. 0 for repositories of
    /// Elasticsearch 1.x and 2.x, which do not count.
    pub fn generation(&self) -> u64 {
        match self.shared.root {
            RootIndex::Numbered(generation) => generation,
            RootIndex::Bare { .. } => 0,
        }
    }

    /// Name of the blob that lists the snapshots: `index-7`, or `index`.
    pub fn index_blob(&self) -> String {
        self.shared.index_blob()
    }

    /// The repository as it is now, where it has moved since it was opened: snapshots were taken or deleted.
    pub fn moved(&self) -> Result<Option<Self>, SnapshotError> {
        let store = &self.shared.store;
        let names = store.list("").unwrap_or_default();
        let newest = names.iter().filter_map(|name| generation_of(name)).max();
        let now = match (newest, self.shared.root) {
            (None, RootIndex::Bare { .. }) => bare_index(&**store)?.map(|bytes| RootIndex::Bare {
                crc32: crc32fast::hash(&bytes),
            }),
            (newest, _) => newest.map(RootIndex::Numbered),
        };
        if now == Some(self.shared.root) {
            return Ok(None);
        }
        Self::open(Arc::clone(store)).map(Some)
    }

    /// Where the repository is, for messages.
    pub fn location(&self) -> String {
        self.shared.store.location()
    }

    /// All snapshots in the order of the repository's list, whatever their state.
    pub fn snapshots(&self) -> &[SnapshotEntry] {
        &self.shared.data.snapshots
    }

    /// What a snapshot says of itself. One request, or two for one of Elasticsearch 1.x.
    pub fn info(&self, entry: &SnapshotEntry) -> Result<SnapshotInfo, SnapshotError> {
        let (_, blob, content) = Layout::find(&self.shared, &entry.uuid)?;
        SnapshotInfo::from_content(&blob, &content)
    }

    /// Opens the snapshot of this name, whatever its state: see [`Snapshot::info`].
    ///
    /// # Errors
    /// [`SnapshotError::NoSnapshot`] with a did-you-mean.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot, SnapshotError> {
        let entry = self.snapshots().iter().find(|entry| entry.name == name);
        let Some(entry) = entry else {
            let names = self.snapshots().iter().map(|entry| entry.name.as_str());
            return Err(SnapshotError::NoSnapshot {
                location: self.location(),
                name: name.to_owned(),
                suggestion: suggestion(name, names),
            });
        };
        Snapshot::open(Arc::clone(&self.shared), entry.clone())
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("location", &self.location())
            .field("index", &self.index_blob())
            .finish_non_exhaustive()
    }
}

/// The N of `index-N`. Names such as `index-<uuid>` (of shards) and `index-01` are not generations.
fn generation_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("index-")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0');
    (plain && !padded).then(|| digits.parse().ok()).flatten()
}

/// `index.latest`: eight bytes, big-endian. It is a hint that read-only repositories may lack.
fn latest(store: &dyn ObjectStore) -> Result<Option<u64>, SnapshotError> {
    const BLOB: &str = "index.latest";
    match store.get(BLOB, 8) {
        Ok(bytes) => {
            let bytes: [u8; 8] =
                bytes
                    .as_ref()
                    .try_into()
                    .map_err(|_| SnapshotError::Malformed {
                        blob: BLOB.to_owned(),
                        offset: bytes.len() as u64,
                        reason: "it must have eight bytes".to_owned(),
                    })?;
            Ok(Some(u64::from_be_bytes(bytes)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(store_error(store, BLOB, error)),
    }
}

/// The list of Elasticsearch 1.x and 2.x, where there is one.
fn bare_index(store: &dyn ObjectStore) -> Result<Option<Bytes>, SnapshotError> {
    match store.get(BARE_INDEX, MAX_REPOSITORY_INDEX_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(store_error(store, BARE_INDEX, error)),
    }
}

fn no_repository(store: &dyn ObjectStore, listed: io::Result<Vec<String>>) -> SnapshotError {
    let names = match listed {
        Ok(names) => names,
        Err(error) => return store_error(store, "", error),
    };
    let hint = if names.is_empty() {
        "; it is empty"
    } else if names.iter().any(|name| name == "nodes") {
        "; it looks like a data directory of a node, and a repository is needed"
    } else {
        ""
    };
    SnapshotError::NoRepository {
        location: store.location(),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_compared_as_numbers() {
        assert_eq!(generation_of("index-9"), Some(9));
        assert_eq!(generation_of("index-10"), Some(10));
        assert_eq!(generation_of("index-0"), Some(0));
        for other in [
            "index-",
            "index-01",
            "index--1",
            "index-+1",
            "index-4x",
            "index.latest",
            "index",
            "index-99999999999999999999",
        ] {
            assert_eq!(generation_of(other), None, "{other}");
        }
    }
}
