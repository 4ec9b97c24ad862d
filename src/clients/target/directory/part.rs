//! Writes one part. Exact: what stands behind the mark is cut off before anything is added.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::layout::{self, Layout};
use super::manifest::{self, Entry, Stamp, Sum};
use super::read;
use crate::base::failpoint;
use crate::base::fs::sync_directory;
use crate::clients::target::{
    Batch, InFlight, PartKey, PartMark, PartWriter, Sent, Settled, TargetError,
};

/// Memory that an empty batch keeps.
const KEEP_BYTES: usize = 16 << 20;

/// An open part. Its file lock keeps other writers out until it is dropped.
pub(super) struct DirectoryPart {
    file: File,
    path: PathBuf,
    entry: PathBuf,
    sum: Sum,
    synced: Option<Sum>,
    written: u64,
    deleted: u64,
    linked: bool,
}

impl DirectoryPart {
    pub(super) fn open(
        layout: &Layout,
        part: &PartKey,
        resume: Option<&PartMark>,
    ) -> Result<Self, TargetError> {
        let name = layout.encoded(&part.part)?;
        let docs = layout.docs(&part.index)?;
        let manifests = layout.manifests(&part.index)?;
        layout::make_directory(&docs)?;
        layout::make_directory(&manifests)?;
        let path = docs.join(format!("{name}.ndjson"));
        let entry = manifests.join(format!("{name}.json"));
        let io = |error| TargetError::io(&path, error);
        // The entry stands before the file: a file without one is somebody else's.
        if !entry.exists() {
            if path.exists() {
                return Err(TargetError::Foreign {
                    path: docs,
                    found: format!("{name}.ndjson"),
                });
            }
            manifest::begin(&entry)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TargetError::Busy { path }),
            Err(TryLockError::Error(error)) => return Err(TargetError::io(&path, error)),
        }
        failpoint::hit("target-after-part-lock");
        manifest::begin(&entry)?;
        let sum = durable(&path, &file, resume)?;
        file.set_len(sum.bytes).map_err(io)?;
        failpoint::hit("target-after-part-truncate");
        file.seek(SeekFrom::Start(sum.bytes)).map_err(io)?;
        Ok(Self {
            file,
            path,
            entry,
            sum,
            synced: None,
            written: 0,
            deleted: 0,
            linked: false,
        })
    }

    fn sync(&mut self) -> Result<PartMark, TargetError> {
        if self.synced != Some(self.sum) {
            failpoint::hit("target-before-part-sync");
            self.file
                .sync_data()
                .map_err(|error| TargetError::io(&self.path, error))?;
            self.synced = Some(self.sum);
        }
        if !self.linked
            && let Some(docs) = self.path.parent()
        {
            sync_directory(docs).map_err(|error| TargetError::io(docs, error))?;
            self.linked = true;
        }
        failpoint::hit("target-after-part-sync");
        Ok(PartMark {
            bytes: self.sum.bytes,
            docs: self.sum.docs,
            digest: format!("{:032x}", self.sum.digest),
            replaced: self.sum.replaced,
        })
    }

    fn settled(&mut self) -> Settled {
        Settled {
            written: std::mem::take(&mut self.written),
            deleted: std::mem::take(&mut self.deleted),
            ..Settled::default()
        }
    }
}

/// What was durable, checked against the file: nobody may have changed it in between.
fn durable(path: &Path, file: &File, resume: Option<&PartMark>) -> Result<Sum, TargetError> {
    let Some(mark) = resume else {
        return Ok(Sum::default());
    };
    let found = file
        .metadata()
        .map_err(|error| TargetError::io(path, error))?
        .len();
    if found < mark.bytes {
        return Err(TargetError::Shortened {
            path: path.to_owned(),
            found,
            marked: mark.bytes,
        });
    }
    let sum = manifest::sum_file(path, mark.bytes)?;
    let sum = Sum {
        replaced: mark.replaced,
        ..sum
    };
    let same = sum.bytes == mark.bytes
        && sum.docs == mark.docs
        && format!("{:032x}", sum.digest) == mark.digest;
    if !same {
        return Err(TargetError::Corrupt {
            path: path.to_owned(),
            line: None,
            expected: "the documents of the last checkpoint; the file was changed since".to_owned(),
        });
    }
    Ok(sum)
}

impl PartWriter for DirectoryPart {
    fn submit(&mut self, mut batch: Batch, in_flight: InFlight) -> Result<Batch, TargetError> {
        in_flight.sent(Sent {
            docs: batch.documents().len() as u64,
            bytes: batch.bytes() as u64,
            wire_bytes: batch.bytes() as u64,
            again: false,
        });
        failpoint::hit("target-before-part-write");
        self.file
            .write_all(batch.body())
            .map_err(|error| TargetError::io(&self.path, error))?;
        failpoint::hit("target-after-part-write");
        for (document, lines) in batch.lines() {
            self.sum.add(lines);
            self.sum.replaced += u64::from(document.replaces);
            if read::deletes(lines) {
                self.deleted += 1;
            } else {
                self.written += 1;
            }
        }
        batch.clear(KEEP_BYTES);
        Ok(batch)
    }

    fn checkpoint(&mut self) -> Result<(PartMark, Settled), TargetError> {
        let mark = self.sync()?;
        Ok((mark, self.settled()))
    }

    fn finish(mut self: Box<Self>) -> Result<(PartMark, Settled), TargetError> {
        let mark = self.sync()?;
        let metadata = self
            .file
            .metadata()
            .map_err(|error| TargetError::io(&self.path, error))?;
        let entry = Entry {
            complete: true,
            content: self.sum,
            file: Some(Stamp::of(&metadata)),
        };
        layout::write_json(&self.entry, &entry)?;
        let settled = self.settled();
        Ok((mark, settled))
    }
}
