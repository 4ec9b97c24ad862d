//! The stream of failed documents: one NDJSON file an item, `<folder>/<index>/<part>.ndjson`, made with the first one.
//!
//! A line holds `index, shard, segment, doc, id, routing, class, reason` and the request as it was or would have been sent:
//! `request` (a text of two lines) or, where that is no UTF-8, `request-base64`. The length of the file is part of the
//! item's checkpoint, so that an item that is done again leaves no line twice. Deliberately absent: retrying.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::job::{BulkError, Options};
use super::work_store::ItemKey;
use crate::base::failpoint;
use crate::base::fs::sync_directory;

/// One failed document, as a line of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailedDocument<'a> {
    /// The index.
    pub index: Cow<'a, str>,
    /// The shard.
    pub shard: u32,
    /// The segment.
    pub segment: Cow<'a, str>,
    /// Lucene document number within the segment.
    pub doc: u32,
    /// `_id`.
    pub id: Cow<'a, str>,
    /// `_routing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Cow<'a, str>>,
    /// A class for counting.
    pub class: Cow<'a, str>,
    /// Why.
    pub reason: Cow<'a, str>,
    /// The request's lines, where they are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Cow<'a, str>>,
    /// The request's lines otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_base64: Option<String>,
}

/// What failed, and why.
pub(super) struct Failure<'a> {
    pub(super) doc: u32,
    pub(super) id: &'a str,
    pub(super) routing: Option<&'a str>,
    pub(super) class: &'a str,
    pub(super) reason: &'a str,
    pub(super) request: &'a [u8],
}

/// Appends the failed documents of one item.
pub(super) struct FailedStream {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    synced: u64,
}

fn error(path: &Path) -> impl Fn(io::Error) -> BulkError + '_ {
    |source| BulkError::Failed {
        path: path.to_owned(),
        source,
    }
}

/// A folder or file name for what a snapshot calls an index or a part.
fn file_name(name: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let mut text = String::new();
    for byte in name.bytes() {
        if plain(byte) && name != "." && name != ".." {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    text
}

impl FailedStream {
    /// The stream of an item, cut back to `bytes`.
    pub(super) fn open(options: &Options, item: &ItemKey, bytes: u64) -> Result<Self, BulkError> {
        let path = options
            .failed
            .join(file_name(&item.index))
            .join(format!("{}.ndjson", file_name(&item.part())));
        let there = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        let bytes = if options.failed_may_be_gone {
            bytes.min(there(&path))
        } else {
            bytes
        };
        let mut stream = Self {
            path,
            file: None,
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

    fn file(&mut self) -> Result<&mut File, BulkError> {
        if self.file.is_none() {
            let fail = error(&self.path);
            if let Some(parent) = self.path.parent() {
                fs::create_dir_all(parent).map_err(&fail)?;
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&self.path)
                .map_err(&fail)?;
            let found = file.metadata().map_err(&fail)?.len();
            if found < self.bytes {
                return Err(fail(io::Error::other(format!(
                    "{found} bytes, {} were durable at the last checkpoint",
                    self.bytes
                ))));
            }
            file.set_len(self.bytes).map_err(&fail)?;
            file.seek(SeekFrom::Start(self.bytes)).map_err(&fail)?;
            self.file = Some(file);
        }
        // Set just above.
        self.file
            .as_mut()
            .ok_or_else(|| error(&self.path)(io::ErrorKind::NotFound.into()))
    }

    pub(super) fn add(&mut self, item: &ItemKey, failure: &Failure<'_>) -> Result<(), BulkError> {
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
        self.file()?.write_all(&bytes).map_err(error(&path))?;
        failpoint::hit("failed-after-write");
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Makes it durable; says how long it is.
    pub(super) fn sync(&mut self) -> Result<u64, BulkError> {
        if self.synced != self.bytes {
            let path = self.path.clone();
            self.file()?.sync_data().map_err(error(&path))?;
            // The file, its folder and the folder's entry may all be new.
            for folder in path.ancestors().skip(1).take(2) {
                sync_directory(folder).map_err(error(&path))?;
            }
            self.synced = self.bytes;
            failpoint::hit("failed-after-sync");
        }
        Ok(self.bytes)
    }
}

/// Gives every failed document in the folder to `visit`, by index and part; a torn last line is left out.
pub fn read(folder: &Path, visit: &mut dyn FnMut(FailedDocument<'_>)) -> Result<(), BulkError> {
    let mut files = Vec::new();
    for index in entries(folder)? {
        files.extend(entries(&index)?);
    }
    for path in files {
        let mut reader = BufReader::new(File::open(&path).map_err(error(&path))?);
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(error(&path))?;
            if line.pop() != Some(b'\n') {
                break;
            }
            let document =
                serde_json::from_slice(&line).map_err(|cause| error(&path)(cause.into()))?;
            visit(document);
        }
    }
    Ok(())
}

/// Failed documents by class.
pub fn counts(folder: &Path) -> Result<BTreeMap<String, u64>, BulkError> {
    let mut counts = BTreeMap::new();
    read(folder, &mut |document| {
        *counts.entry(document.class.into_owned()).or_default() += 1;
    })?;
    Ok(counts)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, BulkError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(error(folder)(cause)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(error(folder))?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}
