//! A store that is a directory: what Elasticsearch's `fs` repositories are.
//!
//! Symbolic links are followed, because operators use them to spread repositories over disks; keys that lead out of
//! the directory by themselves are refused.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::ObjectStore;
use crate::base::ReadAt;

/// A directory whose files are the objects.
#[derive(Clone, Debug)]
pub struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    /// The directory is looked at when something is read, not now.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, key: &str) -> io::Result<PathBuf> {
        let plain = Path::new(key)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain || key.contains(['\\', '\0']) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{}` is no key within the store", key.escape_debug()),
            ));
        }
        Ok(self.root.join(key))
    }

    fn open_file(&self, key: &str) -> io::Result<(File, u64)> {
        let file = File::open(self.path(key)?)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "it is no regular file",
            ));
        }
        Ok((file, metadata.len()))
    }
}

impl ObjectStore for DirectoryStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        tracing::debug!(store = %self.root.display(), prefix, "list");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.path(prefix)?)? {
            // A name that is not UTF-8 is none that a repository's writer made.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Bytes> {
        let (file, length) = self.open_file(key)?;
        tracing::debug!(store = %self.root.display(), key, length, "get");
        let mut bytes = Vec::with_capacity(usize::try_from(length.min(limit_bytes)).unwrap_or(0));
        // One more than allowed, since the file may grow while it is read.
        file.take(limit_bytes.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit_bytes {
            return Err(too_large(limit_bytes));
        }
        Ok(bytes.into())
    }

    fn open(&self, key: &str) -> io::Result<Arc<dyn ReadAt>> {
        let (file, length) = self.open_file(key)?;
        tracing::debug!(store = %self.root.display(), key, length, "open");
        Ok(Arc::new(OpenFile { file, length }))
    }
}

/// The error of an object beyond the limit of [`ObjectStore::get`].
pub(crate) fn too_large(limit_bytes: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it has more than {limit_bytes} bytes"),
    )
}

struct OpenFile {
    file: File,
    length: u64,
}

impl ReadAt for OpenFile {
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
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges_and_refuses_keys_that_lead_out() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("a")).unwrap();
        std::fs::write(directory.path().join("a/b"), b"0123456789").unwrap();
        let store = DirectoryStore::new(directory.path());
        assert_eq!(store.list("").unwrap(), ["a"]);
        assert_eq!(store.list("a").unwrap(), ["b"]);
        assert_eq!(&store.get("a/b", 10).unwrap()[..], b"0123456789");
        let error = store.get("a/b", 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let file = store.open("a/b").unwrap();
        assert_eq!(file.len(), 10);
        assert_eq!(&file.read_at(3, 4).unwrap()[..], b"3456");
        assert!(file.read_at(8, 3).is_err());
        assert!(file.read_at(u64::MAX, 2).is_err());
        for key in ["../a/b", "/etc/passwd", "a/../../x", "a\\b", "a\0b"] {
            assert!(store.get(key, 10).is_err(), "{key:?}");
        }
        assert_eq!(
            store.open("a").err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            store.get("x", 1).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
