//! Reads snapshot repositories as Elasticsearch and OpenSearch write them, straight from an object store: no server,
//! no restore, nothing unpacked to disk.
//!
//! The way in is [`Repository::open`]; then [`Repository::snapshot`], and from a [`Snapshot`] the metadata
//! ([`GlobalMetadata`], [`IndexMetadata`]) and the files of each shard ([`ShardSnapshot`]), which the `lucene` engine
//! reads. Repositories of Elasticsearch 1.x to 9.x and OpenSearch 1.x to 3.x are read by the same code; what differs is
//! found in the blobs themselves and never by a version: `layout` names them, `paths` finds the shards.
//!
//! Relies on `clients::objects` for the bytes. All bytes are taken as hostile: lengths are checked before anything is
//! allocated, [`limits`] holds the ceilings, names that come from the repository can't lead out of it.
//!
//! Deliberately absent: writing, locking (a repository may grow while it is read; a snapshot does not change) and
//! any notion of plans.

mod budget;
mod bytes;
pub mod cbor;
mod checksum;
mod codec;
pub mod content;
mod error;
pub mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
mod global_metadata;
mod index_metadata;
mod info;
pub mod inspect;
mod json;
mod keys;
mod layout;
pub mod limits;
mod lzf;
mod numbers;
pub mod parallel;
mod parts;
mod paths;
mod repository;
mod repository_data;
mod shard;
mod shard_files;
pub mod smile;
#[allow(clippy::module_inception, reason = "the thing itself")]
mod snapshot;
pub mod source_format;
mod state;
mod version_id;
pub mod yaml;

pub use error::SnapshotError;
pub use global_metadata::{DataStream, GlobalMetadata};
pub use index_metadata::{IndexMetadata, IndexState, TypeMapping};
pub use info::{ShardFailure, SnapshotInfo};
pub use repository::Repository;
pub use repository_data::SnapshotEntry;
pub use shard::{ShardFile, ShardSnapshot};
pub use shard_files::ShardFiles;
pub use snapshot::{Snapshot, SnapshotIndex};
pub use state::SnapshotState;
pub use version_id::{IndexVersion, decode_version_id};
