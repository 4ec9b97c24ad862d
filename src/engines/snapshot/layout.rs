//! Where the blobs of a snapshot stand, and in which wrapper.
//!
//! There are two forms: `.dat` files with a codec header and a checksum (Elasticsearch 2–9, OpenSearch), and the bare or
//! LZF-compressed JSON of Elasticsearch 1.x. Which one a snapshot has is found by looking for its blob and not by the
//! version of anything: a repository that was upgraded holds both.

use std::io;
use std::sync::Arc;

use super::codec::{self, BlobKind};
use super::content::Content;
use super::error::SnapshotError;
use super::limits::MAX_METADATA_BLOB_BYTES;
use super::repository::{Shared, store_error};
use crate::clients::objects::ObjectStore;

/// How the blobs of one snapshot are named and wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `snap-<uuid>.dat`, `meta-<id>.dat`.
    Wrapped,
    /// `snapshot-<name>`, `metadata-<name>`: no header, no checksum.
    Bare,
}

impl Layout {
    /// Reads what a snapshot says of itself, and finds out how its blobs are named by that.
    pub(crate) fn find(
        shared: &Shared,
        uuid: &str,
    ) -> Result<(Self, String, Content), SnapshotError> {
        let wrapped = Self::Wrapped.snapshot(uuid);
        let first = Self::Wrapped.read(&shared.store, &wrapped, BlobKind::Snapshot);
        let missing = match first {
            Ok(content) => return Ok((Self::Wrapped, wrapped, content)),
            Err(error) if is_not_found(&error) => error,
            Err(error) => return Err(error),
        };
        let bare = Self::Bare.snapshot(uuid);
        match Self::Bare.read(&shared.store, &bare, BlobKind::Snapshot) {
            Ok(content) => Ok((Self::Bare, bare, content)),
            Err(error) if is_not_found(&error) => Err(missing),
            Err(error) => Err(error),
        }
    }

    /// What a snapshot says of itself; in a shard's folder, the list of its files.
    pub(crate) fn snapshot(self, uuid: &str) -> String {
        match self {
            Self::Wrapped => format!("snap-{uuid}.dat"),
            Self::Bare => format!("snapshot-{uuid}"),
        }
    }

    /// Templates and settings of the cluster.
    pub(crate) fn global_metadata(self, uuid: &str) -> String {
        match self {
            Self::Wrapped => format!("meta-{uuid}.dat"),
            Self::Bare => format!("metadata-{uuid}"),
        }
    }

    /// Settings and mappings of an index, by its id and that of its metadata.
    pub(crate) fn index_metadata(self, id: &str, metadata_id: &str) -> String {
        match self {
            Self::Wrapped => format!("indices/{id}/meta-{metadata_id}.dat"),
            Self::Bare => format!("indices/{id}/snapshot-{metadata_id}"),
        }
    }

    /// Fetches, checks the wrapper where there is one, decodes.
    pub(crate) fn read(
        self,
        store: &Arc<dyn ObjectStore>,
        blob: &str,
        kind: BlobKind,
    ) -> Result<Content, SnapshotError> {
        let bytes = store
            .get(blob, MAX_METADATA_BLOB_BYTES)
            .map_err(|source| store_error(&**store, blob, source))?;
        match self {
            Self::Wrapped => codec::decode(blob, kind, &bytes),
            Self::Bare => codec::decode_bare(blob, &bytes),
        }
    }
}

/// Whether the store has no such blob.
pub(crate) fn is_not_found(error: &SnapshotError) -> bool {
    matches!(error, SnapshotError::Store { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
