//! Counts what is asked of a store: requests and bytes, for reports and for tests that hold a bound on them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::ObjectStore;
use crate::base::ReadAt;

/// What was asked of a store so far. Shared by all that read through it.
#[derive(Debug, Default)]
pub struct StoreCounts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl StoreCounts {
    /// Lists, gets, opens and ranged reads, whether they succeeded or not.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of objects that the store gave.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn count<T>(&self, answer: io::Result<T>, bytes: impl Fn(&T) -> usize) -> io::Result<T> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Ok(answer) = &answer {
            self.bytes
                .fetch_add(bytes(answer) as u64, Ordering::Relaxed);
        }
        answer
    }
}

/// A store that counts.
pub struct CountingStore {
    inner: Arc<dyn ObjectStore>,
    counts: Arc<StoreCounts>,
}

impl CountingStore {
    /// Counts from 0.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            counts: Arc::default(),
        }
    }

    /// The counters, which go on counting.
    pub fn counts(&self) -> Arc<StoreCounts> {
        Arc::clone(&self.counts)
    }
}

impl ObjectStore for CountingStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.counts.count(self.inner.list(prefix), |_| 0)
    }

    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Bytes> {
        self.counts
            .count(self.inner.get(key, limit_bytes), Bytes::len)
    }

    fn open(&self, key: &str) -> io::Result<Arc<dyn ReadAt>> {
        let inner = self.counts.count(self.inner.open(key), |_| 0)?;
        Ok(Arc::new(CountingFile {
            inner,
            counts: Arc::clone(&self.counts),
        }))
    }

    fn outside(&self) -> Option<(Arc<dyn ObjectStore>, String)> {
        let (inner, base) = self.inner.outside()?;
        let counts = Arc::clone(&self.counts);
        Some((Arc::new(Self { inner, counts }), base))
    }
}

struct CountingFile {
    inner: Arc<dyn ReadAt>,
    counts: Arc<StoreCounts>,
}

impl ReadAt for CountingFile {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.counts
            .count(self.inner.read_at(offset, length), Bytes::len)
    }
}
