//! Writes the failed documents of one item, in one pass.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::FailedDocument;
use super::place::{Chunk, FailedPlace, error, put, stream_name};
use crate::base::failpoint;
use crate::base::fs::sync_directory;
use crate::clients::objects::ConditionalObjects;
use crate::engines::bulk::job::{BulkError, Options};
use crate::engines::bulk::work_store::ItemKey;

/// Lines for a bucket are held up to this size between two checkpoints; beyond it they are sent before.
const HELD_BYTES: usize = 8 << 20;

/// What failed, and why.
pub(in crate::engines::bulk) struct Failure<'a> {
    pub(in crate::engines::bulk) doc: u32,
    pub(in crate::engines::bulk) id: &'a str,
    pub(in crate::engines::bulk) routing: Option<&'a str>,
    pub(in crate::engines::bulk) class: &'a str,
    pub(in crate::engines::bulk) reason: &'a str,
    pub(in crate::engines::bulk) request: &'a [u8],
}

/// Appends the failed documents of one item.
pub(in crate::engines::bulk) struct FailedStream {
    path: PathBuf,
    to: To,
    bytes: u64,
    synced: u64,
}

enum To {
    /// Opened with the first line.
    File(Option<File>),
    Objects {
        objects: Arc<dyn ConditionalObjects>,
        folder: String,
        attempt: u64,
        /// Not sent yet.
        held: Vec<u8>,
    },
}

impl FailedStream {
    /// The stream of an item, cut back to `bytes`; `attempt` tells its holders apart.
    pub(in crate::engines::bulk) fn open(
        options: &Options,
        item: &ItemKey,
        bytes: u64,
        attempt: u64,
    ) -> Result<Self, BulkError> {
        let path = options.failed.path(item, options.pass);
        match &options.failed {
            FailedPlace::Folder(_) => Self::in_folder(path, bytes, options.failed_may_be_gone),
            FailedPlace::Objects { objects, prefix } => {
                let (index, name) = stream_name(item, options.pass);
                let folder = format!("{prefix}/{index}/{name}");
                let objects = Arc::clone(objects);
                let beyond = || {
                    let chunks = FailedPlace::chunks(&*objects, &folder)?;
                    for chunk in chunks.iter().filter(|chunk| chunk.start >= bytes) {
                        objects.remove(&format!("{folder}/{}", chunk.name()))?;
                    }
                    io::Result::Ok(())
                };
                beyond().map_err(error(&path))?;
                Ok(Self {
                    path,
                    to: To::Objects {
                        objects,
                        folder,
                        attempt,
                        held: Vec::new(),
                    },
                    bytes,
                    synced: bytes,
                })
            }
        }
    }

    fn in_folder(path: PathBuf, bytes: u64, may_be_gone: bool) -> Result<Self, BulkError> {
        let there = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        let bytes = if may_be_gone {
            bytes.min(there(&path))
        } else {
            bytes
        };
        let mut stream = Self {
            path,
            to: To::File(None),
            bytes,
            synced: bytes,
        };
        if bytes == 0 {
            match fs::remove_file(&stream.path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    return Err(error(&stream.path)(cause));
                }
                _ => {}
            }
        } else {
            stream.file()?;
        }
        Ok(stream)
    }

    /// The file, where it goes to one.
    fn file(&mut self) -> Result<Option<&mut File>, BulkError> {
        let To::File(file) = &mut self.to else {
            return Ok(None);
        };
        if file.is_none() {
            let fail = error(&self.path);
            if let Some(parent) = self.path.parent() {
                fs::create_dir_all(parent).map_err(&fail)?;
            }
            let mut opened = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&self.path)
                .map_err(&fail)?;
            let found = opened.metadata().map_err(&fail)?.len();
            if found < self.bytes {
                return Err(fail(io::Error::other(format!(
                    "{found} bytes, {} were durable at the last checkpoint",
                    self.bytes
                ))));
            }
            opened.set_len(self.bytes).map_err(&fail)?;
            opened.seek(SeekFrom::Start(self.bytes)).map_err(&fail)?;
            *file = Some(opened);
        }
        Ok(file.as_mut())
    }

    pub(in crate::engines::bulk) fn add(
        &mut self,
        item: &ItemKey,
        failure: &Failure<'_>,
    ) -> Result<(), BulkError> {
        let text = std::str::from_utf8(failure.request).ok();
        let line = FailedDocument {
            index: Cow::Borrowed(&item.index),
            shard: item.shard,
            segment: Cow::Borrowed(&item.segment),
            doc: failure.doc,
            id: Cow::Borrowed(failure.id),
            routing: failure.routing.map(Cow::Borrowed),
            class: Cow::Borrowed(failure.class),
            reason: Cow::Borrowed(failure.reason),
            request: text.map(Cow::Borrowed),
            request_base64: text.is_none().then(|| STANDARD.encode(failure.request)),
        };
        let mut bytes =
            serde_json::to_vec(&line).map_err(|cause| error(&self.path)(cause.into()))?;
        bytes.push(b'\n');
        let path = self.path.clone();
        if let Some(file) = self.file()? {
            file.write_all(&bytes).map_err(error(&path))?;
        }
        self.bytes += bytes.len() as u64;
        if let To::Objects { held, .. } = &mut self.to {
            held.extend_from_slice(&bytes);
            if held.len() >= HELD_BYTES {
                self.send()?;
            }
        }
        failpoint::hit("failed-after-write");
        Ok(())
    }

    /// Sends what is held.
    fn send(&mut self) -> Result<(), BulkError> {
        let To::Objects {
            objects,
            folder,
            attempt,
            held,
        } = &mut self.to
        else {
            return Ok(());
        };
        if held.is_empty() {
            return Ok(());
        }
        let start = self.bytes - held.len() as u64;
        let chunk = Chunk {
            start,
            attempt: *attempt,
        };
        let sent = put(&**objects, folder, chunk, std::mem::take(held));
        sent.map_err(error(&self.path))
    }

    /// Makes it durable; says how long it is.
    pub(in crate::engines::bulk) fn sync(&mut self) -> Result<u64, BulkError> {
        if self.synced == self.bytes {
            return Ok(self.bytes);
        }
        self.send()?;
        let path = self.path.clone();
        if let Some(file) = self.file()? {
            file.sync_data().map_err(error(&path))?;
            // The file, its folder and the folder's entry may all be new.
            for folder in path.ancestors().skip(1).take(2) {
                sync_directory(folder).map_err(error(&path))?;
            }
        }
        self.synced = self.bytes;
        failpoint::hit("failed-after-sync");
        Ok(self.bytes)
    }
}
