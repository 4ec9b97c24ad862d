//! Files as ranges over blobs: one blob, or `.part0 … .partN` of equal size but the last.
//!
//! A blob's length is compared with the file list's before the first byte is asked for, so that a list that lies
//! can't make a reader allocate more than the store really holds.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::base::ReadAt;
use crate::clients::objects::ObjectStore;

/// A file that is one blob, opened at its first read.
pub(crate) struct SinglePart {
    store: Arc<dyn ObjectStore>,
    key: String,
    length: u64,
    blob: OnceLock<Arc<dyn ReadAt>>,
}

impl SinglePart {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, key: String, length: u64) -> Self {
        Self {
            store,
            key,
            length,
            blob: OnceLock::new(),
        }
    }

    fn blob(&self) -> io::Result<&Arc<dyn ReadAt>> {
        if let Some(blob) = self.blob.get() {
            return Ok(blob);
        }
        // Two threads may both open it; one of the two is kept.
        let opened = open_part(&*self.store, &self.key, self.length)?;
        Ok(self.blob.get_or_init(|| opened))
    }
}

impl ReadAt for SinglePart {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        check_range(&self.key, self.length, offset, length)?;
        read_part(&**self.blob()?, &self.key, offset, length)
    }

    fn expect(&self, bytes: Range<u64>) {
        // Whether it can be opened is told by the first read.
        if let Ok(blob) = self.blob() {
            blob.expect(bytes);
        }
    }
}

/// A file of many blobs.
pub(crate) struct Parts {
    store: Arc<dyn ObjectStore>,
    key: String,
    length: u64,
    part_bytes: u64,
    opened: Mutex<BTreeMap<u64, Arc<dyn ReadAt>>>,
}

impl Parts {
    /// `part_bytes` is not 0.
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        key: String,
        length: u64,
        part_bytes: u64,
    ) -> Self {
        Self {
            store,
            key,
            length,
            part_bytes: part_bytes.max(1),
            opened: Mutex::new(BTreeMap::new()),
        }
    }

    fn part_key(&self, part: u64) -> String {
        format!("{}.part{part}", self.key)
    }

    /// Part `part` and where in the file it starts.
    fn part(&self, part: u64) -> io::Result<Arc<dyn ReadAt>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blob) = opened.get(&part) {
            return Ok(Arc::clone(blob));
        }
        drop(opened);
        let start = part.saturating_mul(self.part_bytes);
        let length = self.length.saturating_sub(start).min(self.part_bytes);
        let blob = open_part(&*self.store, &self.part_key(part), length)?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(opened.entry(part).or_insert(blob)))
    }
}

impl ReadAt for Parts {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        check_range(&self.key, self.length, offset, length)?;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let end = offset + length as u64;
        let first = offset / self.part_bytes;
        let last = (end - 1) / self.part_bytes;
        if first == last {
            let blob = self.part(first)?;
            let within = offset - first * self.part_bytes;
            return read_part(&*blob, &self.part_key(first), within, length);
        }
        // All parts are opened, and with that their lengths are known to be real, before anything is allocated.
        for part in first..=last {
            self.part(part)?;
        }
        let mut joined = BytesMut::with_capacity(length);
        let mut at = offset;
        for part in first..=last {
            let start = part * self.part_bytes;
            let stop = (start + self.part_bytes).min(end);
            let wanted = usize::try_from(stop - at).map_err(io::Error::other)?;
            let blob = self.part(part)?;
            let piece = read_part(&*blob, &self.part_key(part), at - start, wanted)?;
            joined.extend_from_slice(&piece);
            at = stop;
        }
        Ok(joined.freeze())
    }
}

fn check_range(key: &str, file_length: u64, offset: u64, length: usize) -> io::Result<()> {
    let fits = offset
        .checked_add(length as u64)
        .is_some_and(|end| end <= file_length);
    if fits {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("`{key}`: {length} bytes at {offset} wanted of {file_length}"),
    ))
}

fn open_part(store: &dyn ObjectStore, key: &str, length: u64) -> io::Result<Arc<dyn ReadAt>> {
    let blob = store
        .open(key)
        .map_err(|error| io::Error::new(error.kind(), format!("`{key}`: {error}")))?;
    if blob.len() != length {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "`{key}` has {} bytes, and the shard's file list says {length}",
                blob.len()
            ),
        ));
    }
    Ok(blob)
}

/// A store may not return less than it was asked for: what comes after would be shifted.
fn read_part(blob: &dyn ReadAt, key: &str, offset: u64, length: usize) -> io::Result<Bytes> {
    let bytes = blob
        .read_at(offset, length)
        .map_err(|error| io::Error::new(error.kind(), format!("`{key}`: {error}")))?;
    if bytes.len() != length {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!(
                "`{key}`: the store gave {} bytes of {length} at {offset}",
                bytes.len()
            ),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
