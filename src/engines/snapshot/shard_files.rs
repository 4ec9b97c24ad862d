//! The files of a shard, to be read by ranges wherever they stand: in the file list, in one blob or in many.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::checksum::verify_file;
use super::error::SnapshotError;
use super::parts::{Parts, SinglePart};
use super::repository::store_error;
use super::shard::ShardFile;
use crate::base::ReadAt;
use crate::clients::objects::ObjectStore;
use crate::engines::lucene::{LuceneError, SegmentFiles};

/// The files of one shard in one snapshot. What `lucene` reads segments from.
pub struct ShardFiles {
    store: Arc<dyn ObjectStore>,
    directory: String,
    list_blob: String,
    files: BTreeMap<String, ShardFile>,
}

impl ShardFiles {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        directory: String,
        list_blob: String,
        files: BTreeMap<String, ShardFile>,
    ) -> Self {
        Self {
            store,
            directory,
            list_blob,
            files,
        }
    }

    /// The files in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &ShardFile> {
        self.files.values()
    }

    /// The file of this name.
    pub fn get(&self, name: &str) -> Option<&ShardFile> {
        self.files.get(name)
    }

    /// Key of the blob that holds the list.
    pub fn list_blob(&self) -> &str {
        &self.list_blob
    }

    /// Opens a file for ranged reads. No request for a file whose content stands in the list; otherwise blobs are
    /// opened at their first read, and then their lengths are checked.
    ///
    /// # Errors
    /// [`SnapshotError::NoFile`]; reads fail with the key of the blob in the message.
    pub fn open_file(&self, name: &str) -> Result<Arc<dyn ReadAt>, SnapshotError> {
        let file = self.files.get(name).ok_or_else(|| SnapshotError::NoFile {
            blob: self.list_blob.clone(),
            file: name.to_owned(),
        })?;
        if let Some(content) = &file.content {
            return Ok(Arc::new(content.clone()));
        }
        let store = Arc::clone(&self.store);
        let key = self.key_of(file);
        match file.part_bytes {
            Some(part_bytes) if file.length > part_bytes => {
                Ok(Arc::new(Parts::new(store, key, file.length, part_bytes)))
            }
            _ => Ok(Arc::new(SinglePart::new(store, key, file.length))),
        }
    }

    /// Reads a whole file in pieces and compares its CRC-32 with its footer and with the list.
    ///
    /// # Errors
    /// [`SnapshotError::Checksum`] with the key of the (first) blob.
    pub fn verify(&self, name: &str) -> Result<(), SnapshotError> {
        let reader = self.open_file(name)?;
        let file = self.files.get(name).ok_or_else(|| SnapshotError::NoFile {
            blob: self.list_blob.clone(),
            file: name.to_owned(),
        })?;
        let key = self.key_of(file);
        verify_file(&key, file.checksum, &*reader, |source| {
            store_error(&*self.store, &key, source)
        })
    }

    /// Key of the blob with a file's bytes: of the list for bytes that stand in it, without `.partN`.
    pub fn key_of(&self, file: &ShardFile) -> String {
        if file.is_virtual() {
            self.list_blob.clone()
        } else {
            format!("{}/{}", self.directory, file.blob)
        }
    }
}

impl SegmentFiles for ShardFiles {
    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, LuceneError> {
        self.open_file(name).map_err(|error| match error {
            SnapshotError::NoFile { file, .. } => LuceneError::Missing { file },
            other => LuceneError::Io {
                file: name.to_owned(),
                offset: 0,
                source: io::Error::other(other),
            },
        })
    }
}

impl fmt::Debug for ShardFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardFiles")
            .field("directory", &self.directory)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}
