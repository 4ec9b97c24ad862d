//! A bucket, or what is below a prefix of it, as a store of objects: what Elasticsearch's `s3` repositories are.
//!
//! An object that is open is one version of it: every range is asked for by the `ETag` that it was opened with, so bytes of
//! two versions never mix.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use super::attempts::Attempts;
use super::bucket::{Bucket, answered};
use super::error::{Problem, S3Error};
use super::limits;
use super::pages::Pages;
use super::read_ahead::{Fetch, Fetched, ReadAhead};
use crate::base::{ReadAt, S3Uri};
use crate::clients::cluster::runtime;
use crate::clients::objects::ObjectStore;

/// A snapshot store in S3.
#[derive(Clone)]
pub(super) struct S3Store {
    shared: Arc<Shared>,
    /// `""`, or with `/` at its end.
    prefix: String,
}

struct Shared {
    bucket: Bucket,
    ahead: ReadAhead,
    pages: Pages,
    opened: AtomicU64,
}

impl S3Store {
    /// With the credentials of this process, or those of a role that it may assume. No request is made for the bucket.
    pub(super) fn open(uri: &S3Uri, role: Option<&str>) -> io::Result<Self> {
        let bucket = runtime::block_on(Box::pin(Bucket::connect(uri, role)))??;
        let prefix = if uri.prefix.is_empty() {
            String::new()
        } else {
            format!("{}/", uri.prefix)
        };
        Ok(Self {
            shared: Arc::new(Shared {
                bucket,
                ahead: ReadAhead::new(),
                pages: Pages::default(),
                opened: AtomicU64::new(0),
            }),
            prefix,
        })
    }

    fn key(&self, key: &str) -> io::Result<String> {
        plain(key)?;
        Ok(format!("{}{key}", self.prefix))
    }

    fn object(&self, key: &str, limit_bytes: u64) -> io::Result<S3Object> {
        let key = self.key(key)?;
        let bucket = &self.shared.bucket;
        let opened = runtime::block_on(Box::pin(bucket.open(&key)))??;
        tracing::debug!(bucket = %bucket.name, key, length = opened.length, "open");
        if opened.length > limit_bytes {
            let problem = Problem::TooLarge {
                bytes: opened.length,
                limit: limit_bytes,
            };
            return Err(bucket.failed("read", &key, problem, 1).into());
        }
        let id = self.shared.opened.fetch_add(1, Ordering::Relaxed);
        self.shared.pages.keep(id, 0, opened.head);
        Ok(S3Object {
            shared: Arc::clone(&self.shared),
            key: key.into(),
            etag: opened.etag.into(),
            length: opened.length,
            id,
        })
    }
}

/// Refuses keys that no writer of a repository makes and that a server in between may take for something else.
pub(super) fn plain(key: &str) -> io::Result<()> {
    let bad = |part: &str| part.is_empty() || part == "." || part == "..";
    if key.split('/').any(bad) || key.contains(['\\', '\0']) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{}` is no key within the store", key.escape_debug()),
        ));
    }
    Ok(())
}

impl ObjectStore for S3Store {
    fn location(&self) -> String {
        let whole = format!("s3://{}/{}", self.shared.bucket.name, self.prefix);
        whole.trim_end_matches('/').to_owned()
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let folder = if prefix.is_empty() {
            self.prefix.clone()
        } else {
            format!("{}/", self.key(prefix)?)
        };
        let listed = list(&self.shared.bucket, &folder, None, Some("/"));
        let mut names = runtime::block_on(Box::pin(listed))??;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Bytes> {
        let object = self.object(key, limit_bytes)?;
        let length = usize::try_from(object.length).map_err(io::Error::other)?;
        if object.length <= limits::PAGE_BYTES {
            return object.page(0);
        }
        object.read_at(0, length)
    }

    fn open(&self, key: &str) -> io::Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(self.object(key, u64::MAX)?))
    }

    fn outside(&self) -> Option<(Arc<dyn ObjectStore>, String)> {
        let whole = Self {
            shared: Arc::clone(&self.shared),
            prefix: String::new(),
        };
        Some((
            Arc::new(whole),
            self.prefix.trim_end_matches('/').to_owned(),
        ))
    }
}

/// The names below a folder (`""`, or with `/` at its end), page by page; with a delimiter only the next part of each.
pub(super) async fn list(
    bucket: &Bucket,
    folder: &str,
    after: Option<&str>,
    delimiter: Option<&str>,
) -> Result<Vec<String>, S3Error> {
    let mut names = Vec::new();
    let mut token: Option<String> = None;
    let mut attempts = Attempts::new();
    loop {
        let request = bucket.client.list_objects_v2().bucket(&bucket.name);
        let request = request
            .prefix(folder)
            .set_delimiter(delimiter.map(str::to_owned))
            .set_start_after(after.map(|after| format!("{folder}{after}")))
            .set_continuation_token(token.clone());
        let page = match answered(request.send()).await {
            Ok(page) => page,
            Err(problem) => {
                bucket.again("list", folder, &mut attempts, problem).await?;
                continue;
            }
        };
        attempts = Attempts::new();
        let keys = page.contents().iter().filter_map(|object| object.key());
        let folders = page.common_prefixes().iter();
        let folders = folders.filter_map(|folder| folder.prefix());
        for name in keys.chain(folders) {
            let name = name.strip_prefix(folder).unwrap_or(name);
            let name = delimiter.map_or(name, |delimiter| name.trim_end_matches(delimiter));
            // The folder itself, as some tools mark it.
            if !name.is_empty() {
                names.push(name.to_owned());
            }
        }
        if names.len() > limits::NAMES_MAX {
            let problem = Problem::Odd(format!("more than {} names", limits::NAMES_MAX));
            return Err(bucket.failed("list", folder, problem, 1));
        }
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok(names);
        }
    }
}

/// An object that is open.
struct S3Object {
    shared: Arc<Shared>,
    key: Arc<str>,
    etag: Arc<str>,
    length: u64,
    id: u64,
}

impl S3Object {
    /// An aligned page, the last of them shorter.
    fn page(&self, number: u64) -> io::Result<Bytes> {
        if let Some(page) = self.shared.pages.get(self.id, number) {
            return Ok(page);
        }
        let start = number * limits::PAGE_BYTES;
        let length = limits::PAGE_BYTES.min(self.length.saturating_sub(start));
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let page = runtime::block_on(self.fetch(start, length))??;
        self.shared.pages.keep(self.id, number, page.clone());
        Ok(page)
    }

    fn by_pages(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset + length as u64;
        let mut joined = BytesMut::new();
        let mut at = offset;
        while at < end {
            let number = at / limits::PAGE_BYTES;
            let page = self.page(number)?;
            let start = usize::try_from(at % limits::PAGE_BYTES).unwrap_or(usize::MAX);
            let rest = usize::try_from(end - at).unwrap_or(usize::MAX);
            let stop = page.len().min(start.saturating_add(rest));
            let piece = page.get(start..stop).unwrap_or_default();
            if piece.len() == length {
                return Ok(page.slice(start..stop));
            }
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            joined.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        Ok(joined.freeze())
    }
}

impl Fetch for S3Object {
    fn id(&self) -> u64 {
        self.id
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn part_bytes(&self) -> u64 {
        self.shared.bucket.meter.part_bytes()
    }

    fn fetch(&self, offset: u64, length: usize) -> Fetched {
        let shared = Arc::clone(&self.shared);
        let (key, etag) = (Arc::clone(&self.key), Arc::clone(&self.etag));
        Box::pin(async move { Ok(shared.bucket.fetch(&key, &etag, offset, length).await?) })
    }
}

impl ReadAt for S3Object {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let ahead = &self.shared.ahead;
        if (length as u64) < limits::PAGE_BYTES && !ahead.holds(self.id, offset, length) {
            return self.by_pages(offset, length);
        }
        ahead.read(self, offset, length)
    }

    fn expect(&self, bytes: Range<u64>) {
        let end = bytes.end.min(self.length);
        self.shared.ahead.expect(self.id, bytes.start..end);
    }
}

impl Drop for S3Object {
    fn drop(&mut self) {
        self.shared.ahead.forget(self.id);
        self.shared.pages.forget(self.id);
    }
}
