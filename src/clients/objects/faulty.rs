//! A store that fails as told: errors, short reads, flipped bits. For tests of everything that reads from stores.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use super::ObjectStore;
use crate::base::ReadAt;

/// What goes wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every request fails with this kind of error.
    Error(io::ErrorKind),
    /// The object is this many bytes shorter than it was written.
    Truncated(u64),
    /// Ranged reads give this many bytes less than asked for, without an error.
    ShortReads(usize),
    /// One bit is not what was written.
    FlippedBit {
        /// Offset of the byte in the object.
        byte: u64,
        /// 0 to 7, 0 is the lowest.
        bit: u8,
    },
}

/// A store with faults for objects whose key contains a text.
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Vec<(String, Fault)>,
    met: Arc<AtomicU64>,
}

impl FaultyStore {
    /// Without faults so far.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            faults: Vec::new(),
            met: Arc::default(),
        }
    }

    /// Adds a fault for every object whose key contains `part`.
    #[must_use]
    pub fn with(mut self, part: &str, fault: Fault) -> Self {
        self.faults.push((part.to_owned(), fault));
        self
    }

    /// How many requests a fault touched.
    pub fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    fn faults(&self, key: &str) -> Vec<Fault> {
        let faults: Vec<Fault> = self
            .faults
            .iter()
            .filter(|(part, _)| key.contains(part))
            .map(|(_, fault)| *fault)
            .collect();
        if !faults.is_empty() {
            self.met.fetch_add(1, Ordering::Relaxed);
        }
        faults
    }
}

impl ObjectStore for FaultyStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        fail(&self.faults(prefix))?;
        self.inner.list(prefix)
    }

    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Bytes> {
        let faults = self.faults(key);
        fail(&faults)?;
        let bytes = self.inner.get(key, limit_bytes)?;
        let length = shortened(&faults, bytes.len() as u64);
        let bytes = bytes.slice(..usize::try_from(length).unwrap_or(0));
        Ok(flipped(&faults, 0, bytes))
    }

    fn open(&self, key: &str) -> io::Result<Arc<dyn ReadAt>> {
        let faults = self.faults(key);
        fail(&faults)?;
        let inner = self.inner.open(key)?;
        let length = shortened(&faults, inner.len());
        Ok(Arc::new(FaultyFile {
            inner,
            faults,
            length,
        }))
    }

    fn outside(&self) -> Option<(Arc<dyn ObjectStore>, String)> {
        let (inner, base) = self.inner.outside()?;
        let outside = Self {
            inner,
            faults: self.faults.clone(),
            met: Arc::clone(&self.met),
        };
        Some((Arc::new(outside), base))
    }
}

struct FaultyFile {
    inner: Arc<dyn ReadAt>,
    faults: Vec<Fault>,
    length: u64,
}

impl ReadAt for FaultyFile {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let fits = offset
            .checked_add(length as u64)
            .is_some_and(|end| end <= self.length);
        if !fits {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = flipped(&self.faults, offset, self.inner.read_at(offset, length)?);
        let missing = self.faults.iter().map(|fault| match fault {
            Fault::ShortReads(missing) => *missing,
            _ => 0,
        });
        let kept = bytes.len().saturating_sub(missing.sum());
        Ok(bytes.slice(..kept))
    }
}

fn fail(faults: &[Fault]) -> io::Result<()> {
    for fault in faults {
        if let Fault::Error(kind) = fault {
            return Err(io::Error::new(*kind, "injected"));
        }
    }
    Ok(())
}

fn shortened(faults: &[Fault], length: u64) -> u64 {
    faults.iter().fold(length, |length, fault| match fault {
        Fault::Truncated(missing) => length.saturating_sub(*missing),
        _ => length,
    })
}

/// `bytes` stand at `offset` of the object.
fn flipped(faults: &[Fault], offset: u64, bytes: Bytes) -> Bytes {
    let mut bytes = bytes;
    for fault in faults {
        let Fault::FlippedBit { byte, bit } = fault else {
            continue;
        };
        let within = byte
            .checked_sub(offset)
            .and_then(|within| usize::try_from(within).ok())
            .filter(|within| *within < bytes.len());
        if let Some(within) = within {
            let mut changed = BytesMut::from(&bytes[..]);
            changed[within] ^= 1 << (bit & 7);
            bytes = changed.freeze();
        }
    }
    bytes
}
