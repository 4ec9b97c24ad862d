//! Objects below a prefix of a bucket that are written on conditions.
//!
//! A write whose answer was lost is sent again, and is then refused because of itself: so whatever is refused is read back,
//! and bytes that are ours mean that it was done.

use std::io;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::attempts::Attempts;
use super::bucket::{Bucket, answered};
use super::error::{Problem, S3Error};
use super::limits;
use super::store::{list, plain};
use crate::base::S3Uri;
use crate::clients::cluster::runtime;
use crate::clients::objects::{ConditionalObjects, Tag, Written};

/// What may be written below a prefix.
pub(super) struct S3Objects {
    bucket: Bucket,
    /// `""`, or with `/` at its end.
    prefix: String,
}

/// On what a write depends.
#[derive(Clone, Copy)]
enum Condition<'a> {
    Absent,
    Is(&'a Tag),
    None,
}

impl S3Objects {
    /// With the credentials of this process. No request is made for the bucket.
    pub(super) fn open(uri: &S3Uri) -> io::Result<Self> {
        let bucket = runtime::block_on(Box::pin(Bucket::connect(uri, None)))??;
        let prefix = if uri.prefix.is_empty() {
            String::new()
        } else {
            format!("{}/", uri.prefix)
        };
        Ok(Self { bucket, prefix })
    }

    fn key(&self, key: &str) -> io::Result<String> {
        plain(key)?;
        Ok(format!("{}{key}", self.prefix))
    }

    async fn read(&self, key: &str, limit_bytes: u64) -> Result<Option<(Bytes, Tag)>, S3Error> {
        let opened = match self.bucket.open(key).await {
            Ok(opened) => opened,
            Err(error) if error.problem == Problem::NoKey => return Ok(None),
            Err(error) => return Err(error),
        };
        if opened.length > limit_bytes {
            let problem = Problem::TooLarge {
                bytes: opened.length,
                limit: limit_bytes,
            };
            return Err(self.bucket.failed("read", key, problem, 1));
        }
        let tag = Tag(opened.etag);
        if opened.length <= limits::PAGE_BYTES {
            return Ok(Some((opened.head, tag)));
        }
        let length = usize::try_from(opened.length).unwrap_or(usize::MAX);
        let bytes = self.bucket.fetch(key, &tag.0, 0, length).await?;
        Ok(Some((bytes, tag)))
    }

    /// As [`Self::read`]; an object that is replaced meanwhile is read anew.
    async fn read_whole(
        &self,
        key: &str,
        limit_bytes: u64,
    ) -> Result<Option<(Bytes, Tag)>, S3Error> {
        for _ in 1..limits::ATTEMPTS_MAX {
            match self.read(key, limit_bytes).await {
                Err(error) if error.problem == Problem::Changed => {}
                other => return other,
            }
        }
        self.read(key, limit_bytes).await
    }

    async fn write(
        &self,
        key: &str,
        bytes: &Bytes,
        condition: Condition<'_>,
    ) -> Result<Written, S3Error> {
        let mut attempts = Attempts::new();
        loop {
            let request = self.bucket.client.put_object().bucket(&self.bucket.name);
            let request = request
                .key(key)
                .content_type("application/json")
                .body(ByteStream::from(bytes.clone()));
            let request = match condition {
                Condition::Absent => request.if_none_match("*"),
                Condition::Is(tag) => request.if_match(&tag.0),
                Condition::None => request,
            };
            let problem = match answered(request.send()).await {
                Ok(answer) => match answer.e_tag() {
                    Some(tag) if !tag.is_empty() => {
                        return Ok(Written::Done(Tag(tag.to_owned())));
                    }
                    _ => Problem::Odd("a write without an ETag".into()),
                },
                // Of a version that is there no more.
                Err(Problem::Refused | Problem::NoKey) => {
                    match self.read_whole(key, bytes.len() as u64).await {
                        Ok(Some((there, tag))) if there == *bytes => return Ok(Written::Done(tag)),
                        // It was removed again before it was read: whoever asks sees that for himself.
                        Ok(_) => return Ok(Written::Refused),
                        Err(error) if matches!(error.problem, Problem::TooLarge { .. }) => {
                            return Ok(Written::Refused);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(problem) => problem,
            };
            self.bucket
                .again("write", key, &mut attempts, problem)
                .await?;
        }
    }

    fn write_at(&self, key: &str, bytes: &Bytes, condition: Condition<'_>) -> io::Result<Written> {
        let key = self.key(key)?;
        let written = runtime::block_on(Box::pin(self.write(&key, bytes, condition)))??;
        tracing::debug!(bucket = %self.bucket.name, key, ?written, "write");
        Ok(written)
    }

    async fn delete(&self, key: &str) -> Result<(), S3Error> {
        let mut attempts = Attempts::new();
        loop {
            let request = self.bucket.client.delete_object().bucket(&self.bucket.name);
            match answered(request.key(key).send()).await {
                Ok(_) | Err(Problem::NoKey) => return Ok(()),
                Err(problem) => {
                    self.bucket
                        .again("remove", key, &mut attempts, problem)
                        .await?;
                }
            }
        }
    }
}

impl ConditionalObjects for S3Objects {
    fn location(&self) -> String {
        let whole = format!("s3://{}/{}", self.bucket.name, self.prefix);
        whole.trim_end_matches('/').to_owned()
    }

    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Option<(Bytes, Tag)>> {
        let key = self.key(key)?;
        Ok(runtime::block_on(Box::pin(
            self.read_whole(&key, limit_bytes),
        ))??)
    }

    fn create(&self, key: &str, bytes: Bytes) -> io::Result<Written> {
        self.write_at(key, &bytes, Condition::Absent)
    }

    fn replace(&self, key: &str, bytes: Bytes, before: &Tag) -> io::Result<Written> {
        self.write_at(key, &bytes, Condition::Is(before))
    }

    fn put(&self, key: &str, bytes: Bytes) -> io::Result<()> {
        self.write_at(key, &bytes, Condition::None).map(|_| ())
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        let key = self.key(key)?;
        Ok(runtime::block_on(Box::pin(self.delete(&key)))??)
    }

    fn list(&self, folder: &str, after: Option<&str>) -> io::Result<Vec<String>> {
        let folder = format!("{}/", self.key(folder)?);
        let listed = list(&self.bucket, &folder, after, None);
        let mut names = runtime::block_on(Box::pin(listed))??;
        names.sort_unstable();
        Ok(names)
    }
}
