//! S3, and servers that speak as it does: a store to read snapshots from, and objects that are written on conditions.
//!
//! Relies on `clients::aws` for credentials. Requests run on the clients' runtime; callers block on their own threads.
//! Deliberately absent: writing into a snapshot store, and multipart uploads (nothing that is written here is large).

mod attempts;
mod bucket;
mod error;
mod limits;
mod meter;
mod pages;
mod probe;
mod read_ahead;
mod store;
mod writable;

use std::io;
use std::sync::Arc;

use super::{BucketFault, BucketProbe, ConditionalObjects, ObjectStore};
use crate::base::S3Uri;

/// A snapshot store in a bucket, with the credentials of this process, or those of a role that these may assume. Nothing is
/// asked of the bucket yet.
pub fn open_s3(uri: &S3Uri, role: Option<&str>) -> io::Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(store::S3Store::open(uri, role)?))
}

/// Objects of a bucket that are written on conditions, with the credentials of this process. Nothing is asked of the bucket
/// yet.
pub fn open_s3_objects(uri: &S3Uri) -> io::Result<Arc<dyn ConditionalObjects>> {
    Ok(Arc::new(writable::S3Objects::open(uri)?))
}

/// A place in a bucket as `mig check` looks at it, with the credentials of a store. Nothing is asked of the bucket yet.
pub fn open_s3_probe(uri: &S3Uri, role: Option<&str>) -> Result<Box<dyn BucketProbe>, BucketFault> {
    Ok(Box::new(probe::S3Probe::open(uri, role)?))
}
