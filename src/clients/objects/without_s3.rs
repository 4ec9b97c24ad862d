//! In the place of S3 where `mig` is built without the feature `aws`: says so.

use std::io;
use std::sync::Arc;

use super::{BucketFault, BucketProbe, ConditionalObjects, ObjectStore};
use crate::base::S3Uri;

fn unsupported<T>(uri: &S3Uri) -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "{} needs AWS, and this mig was built without its feature `aws`",
            uri.place()
        ),
    ))
}

/// Says that it can't.
pub fn open_s3(uri: &S3Uri, _role: Option<&str>) -> io::Result<Arc<dyn ObjectStore>> {
    unsupported(uri)
}

/// Says that it can't.
pub fn open_s3_objects(uri: &S3Uri) -> io::Result<Arc<dyn ConditionalObjects>> {
    unsupported(uri)
}

/// Says that it can't.
pub fn open_s3_probe(
    uri: &S3Uri,
    _role: Option<&str>,
) -> Result<Box<dyn BucketProbe>, BucketFault> {
    let error: io::Result<()> = unsupported(uri);
    Err(BucketFault {
        message: error.map_or_else(|error| error.to_string(), |()| String::new()),
        help: "build mig with the feature `aws`".to_owned(),
        denied: false,
    })
}
