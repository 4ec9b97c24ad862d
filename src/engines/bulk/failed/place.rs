//! Where streams of failed documents are kept: files of a folder, or objects below a prefix of a bucket.
//!
//! A file is cut and added to. An object never changes, so a stream is there a chain of chunks, each named by the byte that
//! it begins at and the attempt that wrote it: where two attempts wrote one, the later is right, and what somebody who
//! lost the item writes afterwards is never read.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::LINE_BYTES;
use crate::clients::objects::ConditionalObjects;
use crate::engines::bulk::job::BulkError;
use crate::engines::bulk::work_store::ItemKey;

/// See the module.
#[derive(Clone)]
pub enum FailedPlace {
    /// Files below this folder.
    Folder(PathBuf),
    /// Objects below this prefix, which ends without `/`.
    Objects {
        /// The bucket.
        objects: Arc<dyn ConditionalObjects>,
        /// Where in it.
        prefix: String,
    },
}

impl fmt::Debug for FailedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailedPlace({})", self.location())
    }
}

impl<P: Into<PathBuf>> From<P> for FailedPlace {
    fn from(folder: P) -> Self {
        Self::Folder(folder.into())
    }
}

/// Names the stream of an item and a pass within a place.
pub(super) fn stream_name(item: &ItemKey, pass: u32) -> (String, String) {
    let part = file_name(&item.part());
    let name = match pass {
        0 => format!("{part}.ndjson"),
        pass => format!("{part}.retry-{pass}.ndjson"),
    };
    (file_name(&item.index), name)
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

pub(super) fn error(path: impl AsRef<Path>) -> impl Fn(io::Error) -> BulkError {
    let path = path.as_ref().to_owned();
    move |source| BulkError::Failed {
        path: path.clone(),
        source,
    }
}

/// A chunk of a stream in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chunk {
    /// The byte of the stream that it begins at.
    pub(super) start: u64,
    /// Of the holder that wrote it.
    pub(super) attempt: u64,
}

impl Chunk {
    pub(super) fn name(self) -> String {
        format!("{:020}-{:020}", self.start, self.attempt)
    }

    pub(super) fn read(name: &str) -> Option<Self> {
        let (start, attempt) = name.split_once('-')?;
        Some(Self {
            start: start.parse().ok()?,
            attempt: attempt.parse().ok()?,
        })
    }
}

/// The chunk that stands at a byte: of several the last attempt's.
pub(super) fn at(chunks: &[Chunk], start: u64) -> Option<Chunk> {
    let at = chunks.iter().filter(|chunk| chunk.start == start);
    at.max().copied()
}

impl FailedPlace {
    /// Where people find it.
    pub fn location(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Objects { objects, prefix } => format!("{}/{prefix}", objects.location()),
        }
    }

    /// Where the stream of an item is, for messages.
    pub(super) fn path(&self, item: &ItemKey, pass: u32) -> PathBuf {
        let (index, name) = stream_name(item, pass);
        PathBuf::from(self.location()).join(index).join(name)
    }

    /// Removes the streams of an index, of all its items and passes; of all indices where `None`.
    pub fn remove(&self, index: Option<&str>) -> Result<(), BulkError> {
        let index = index.map(file_name);
        match self {
            Self::Folder(folder) => {
                let folder = index.map_or_else(|| folder.clone(), |it| folder.join(it));
                match fs::remove_dir_all(&folder) {
                    Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                        Err(error(&folder)(cause))
                    }
                    _ => Ok(()),
                }
            }
            Self::Objects { objects, prefix } => {
                let folder = index.map_or_else(|| prefix.clone(), |it| format!("{prefix}/{it}"));
                let fail = error(self.location());
                for name in objects.list(&folder, None).map_err(&fail)? {
                    objects.remove(&format!("{folder}/{name}")).map_err(&fail)?;
                }
                Ok(())
            }
        }
    }

    /// Whether nothing is kept there.
    pub fn is_empty(&self) -> Result<bool, BulkError> {
        match self {
            Self::Folder(folder) => match fs::read_dir(folder) {
                Ok(mut entries) => Ok(entries.next().is_none()),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
                Err(cause) => Err(error(folder)(cause)),
            },
            Self::Objects { objects, prefix } => {
                let listed = objects.list(prefix, None);
                Ok(listed.map_err(error(self.location()))?.is_empty())
            }
        }
    }

    /// The chunks of a stream in a bucket.
    pub(super) fn chunks(objects: &dyn ConditionalObjects, folder: &str) -> io::Result<Vec<Chunk>> {
        let names = objects.list(folder, None)?;
        Ok(names.iter().filter_map(|name| Chunk::read(name)).collect())
    }

    /// Gives the lines of a stream up to a byte of it, without their ends. Where the stream is shorter, as many as there are.
    pub(super) fn lines(
        &self,
        item: &ItemKey,
        pass: u32,
        bytes: u64,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), BulkError>,
    ) -> Result<(), BulkError> {
        if bytes == 0 {
            return Ok(());
        }
        let path = self.path(item, pass);
        match self {
            Self::Folder(_) => match File::open(&path) {
                Ok(file) => each_line(BufReader::new(file.take(bytes)), &path, visit),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(cause) => Err(error(&path)(cause)),
            },
            Self::Objects { objects, prefix } => {
                let (index, name) = stream_name(item, pass);
                let folder = format!("{prefix}/{index}/{name}");
                let chunks = Self::chunks(&**objects, &folder).map_err(error(&path))?;
                let mut next = 0;
                while next < bytes {
                    let Some(chunk) = at(&chunks, next) else {
                        return Ok(());
                    };
                    let key = format!("{folder}/{}", chunk.name());
                    let found = objects.get(&key, LINE_BYTES).map_err(error(&path))?;
                    let Some((text, _)) = found.filter(|(text, _)| !text.is_empty()) else {
                        return Ok(());
                    };
                    next += text.len() as u64;
                    each_line(&text[..], &path, visit)?;
                }
                Ok(())
            }
        }
    }
}

/// A torn last line is left out.
fn each_line(
    mut text: impl BufRead,
    path: &Path,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), BulkError>,
) -> Result<(), BulkError> {
    let mut line = Vec::new();
    loop {
        line.clear();
        text.read_until(b'\n', &mut line).map_err(error(path))?;
        if line.pop() != Some(b'\n') {
            return Ok(());
        }
        visit(&line)?;
    }
}

/// Puts a chunk where it belongs.
pub(super) fn put(
    objects: &dyn ConditionalObjects,
    folder: &str,
    chunk: Chunk,
    bytes: Vec<u8>,
) -> io::Result<()> {
    objects.put(&format!("{folder}/{}", chunk.name()), Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_attempts_the_later_is_right() {
        let chunk = |start, attempt| Chunk { start, attempt };
        let chunks = [chunk(0, 1), chunk(9, 1), chunk(9, 12), chunk(9, 3)];
        assert_eq!(at(&chunks, 9), Some(chunk(9, 12)));
        assert_eq!(at(&chunks, 5), None);
        assert_eq!(Chunk::read(&chunk(9, 12).name()), Some(chunk(9, 12)));
        assert_eq!(Chunk::read("notes"), None);
    }

    #[test]
    fn names_stay_within_their_place() {
        for name in ["..", ".", "a/b", "a\\b", "ä"] {
            let file = file_name(name);
            assert!(!file.contains(['/', '\\']) && file.is_ascii(), "{file}");
            assert!(file != "." && file != "..", "{file}");
        }
    }
}
