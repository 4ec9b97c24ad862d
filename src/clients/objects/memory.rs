//! A store in memory: for tests, fuzzing and examples that make a repository of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::ObjectStore;
use super::directory::too_large;
use crate::base::ReadAt;

/// Objects by key.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    objects: BTreeMap<String, Bytes>,
}

impl MemoryStore {
    /// Adds or replaces an object.
    #[must_use]
    pub fn with(mut self, key: &str, bytes: impl Into<Bytes>) -> Self {
        self.objects.insert(key.to_owned(), bytes.into());
        self
    }

    fn object(&self, key: &str) -> io::Result<&Bytes> {
        self.objects
            .get(key)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl ObjectStore for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let names: BTreeSet<String> = self
            .objects
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        Ok(names.into_iter().collect())
    }

    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Bytes> {
        let bytes = self.object(key)?;
        if bytes.len() as u64 > limit_bytes {
            return Err(too_large(limit_bytes));
        }
        Ok(bytes.clone())
    }

    fn open(&self, key: &str) -> io::Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(self.object(key)?.clone()))
    }
}
