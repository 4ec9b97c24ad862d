//! Ranged reads: what the readers of files ask of a store, and nothing more.
//!
//! Blocking by design: decoding runs on threads of its own; a remote store implements this by waiting for its client.
//! Deliberately absent: seeking, streaming and whole-file helpers.

use std::io;
use std::ops::Range;

use bytes::Bytes;

/// One immutable file of known length that can be read by ranges from many threads.
pub trait ReadAt: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes `[offset, offset + length)`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range is not wholly within the file; otherwise what the store says.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes>;

    /// Says that these bytes will be read next, one range after the other, and none behind them: a store that answers late
    /// may fetch them ahead. Nothing has to be done.
    fn expect(&self, bytes: Range<u64>) {
        let _ = bytes;
    }
}

impl ReadAt for Bytes {
    fn len(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start
            .checked_add(length)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.as_ref().len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.slice(start..end))
    }
}
