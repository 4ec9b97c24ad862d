//! Objects that are written on conditions: what a state needs of a bucket, and nothing more.
//!
//! The conditions are those of S3: that there is no object yet, or that it is the one that was read. An answer that was
//! lost is made up for by whoever implements this: what is told is whether the bytes at hand are the ones that are there.
//! So bytes of different writers must differ.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Which version of an object it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub String);

/// What became of a write on a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The bytes are there, as this version.
    Done(Tag),
    /// The condition did not hold; nothing of it was written.
    Refused,
}

/// Objects below a prefix of a bucket.
pub trait ConditionalObjects: Send + Sync {
    /// Where they are, for messages: never with credentials.
    fn location(&self) -> String;

    /// An object, refused beyond `limit_bytes`; `None` where there is none.
    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Option<(Bytes, Tag)>>;

    /// Writes an object where there is none.
    fn create(&self, key: &str, bytes: Bytes) -> io::Result<Written>;

    /// Writes an object in the place of the version that was read.
    fn replace(&self, key: &str, bytes: Bytes, before: &Tag) -> io::Result<Written>;

    /// Writes an object, whatever is there.
    fn put(&self, key: &str, bytes: Bytes) -> io::Result<()>;

    /// Removes an object; nothing where there is none.
    fn remove(&self, key: &str) -> io::Result<()>;

    /// Names below `folder`, sorted; with `after` only those behind it.
    fn list(&self, folder: &str, after: Option<&str>) -> io::Result<Vec<String>>;
}

type Objects = BTreeMap<String, (Bytes, u64)>;

/// Objects in memory, shared by all clones: for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryObjects(Arc<Mutex<(Objects, u64)>>);

impl MemoryObjects {
    fn write(&self, key: &str, bytes: Bytes, fits: impl Fn(Option<u64>) -> bool) -> Written {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (objects, last) = &mut *held;
        if !fits(objects.get(key).map(|(_, version)| *version)) {
            return Written::Refused;
        }
        *last += 1;
        objects.insert(key.to_owned(), (bytes, *last));
        Written::Done(Tag(last.to_string()))
    }
}

impl ConditionalObjects for MemoryObjects {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn get(&self, key: &str, _limit_bytes: u64) -> io::Result<Option<(Bytes, Tag)>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = held.0.get(key);
        Ok(found.map(|(bytes, version)| (bytes.clone(), Tag(version.to_string()))))
    }

    fn create(&self, key: &str, bytes: Bytes) -> io::Result<Written> {
        Ok(self.write(key, bytes, |version| version.is_none()))
    }

    fn replace(&self, key: &str, bytes: Bytes, before: &Tag) -> io::Result<Written> {
        let same = |version: Option<u64>| version.is_some_and(|it| it.to_string() == before.0);
        Ok(self.write(key, bytes, same))
    }

    fn put(&self, key: &str, bytes: Bytes) -> io::Result<()> {
        self.write(key, bytes, |_| true);
        Ok(())
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.0.remove(key);
        Ok(())
    }

    fn list(&self, folder: &str, after: Option<&str>) -> io::Result<Vec<String>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = format!("{folder}/");
        let names = held.0.keys().filter_map(|key| key.strip_prefix(&folder));
        let behind = names.filter(|name| after.is_none_or(|after| *name > after));
        Ok(behind.map(str::to_owned).collect())
    }
}
