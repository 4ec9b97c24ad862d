//! Stores of immutable objects (snapshot repositories) behind one trait, with decorators; and objects that are written on
//! conditions, which is what a state in a bucket is made of.
//!
//! Deliberately absent: writing into a snapshot store. It is only read, but for the one object of a check ([`BucketProbe`]).

mod bucket_probe;
mod conditional;
mod counting;
mod directory;
mod faulty;
mod memory;
#[cfg(feature = "aws")]
mod s3;
#[cfg(not(feature = "aws"))]
#[path = "without_s3.rs"]
mod s3;

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::ReadAt;

pub use bucket_probe::{BucketFault, BucketProbe, ClockSeen};
pub use conditional::{ConditionalObjects, MemoryObjects, Tag, Written};
pub use counting::{CountingStore, StoreCounts};
pub use directory::DirectoryStore;
pub use faulty::{Fault, FaultyStore};
pub use memory::MemoryStore;
pub use s3::{open_s3, open_s3_objects, open_s3_probe};

/// A store of objects by key. Keys are relative, with `/` between parts, and never leave the store.
pub trait ObjectStore: Send + Sync {
    /// Where the store is, for messages: never with credentials.
    fn location(&self) -> String;

    /// Names directly under `prefix` (`""` is the root), files and folders alike, sorted.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;

    /// A whole object, refused beyond `limit_bytes`.
    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Bytes>;

    /// Opens an object for ranged reads.
    fn open(&self, key: &str) -> io::Result<Arc<dyn ReadAt>>;

    /// What this store is a part of (the whole bucket), and where in it this store begins: `a/b`, without `/` at its ends,
    /// `""` where it is the whole. `None` where nothing outside belongs to it: a directory, memory. OpenSearch 3 can put
    /// shards of a repository in a bucket in front of its base path.
    fn outside(&self) -> Option<(Arc<dyn ObjectStore>, String)> {
        None
    }
}
