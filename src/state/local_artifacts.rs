//! Artifacts of a state in a directory: files of that directory.

use std::io;
use std::path::{Path, PathBuf};

use super::artifacts::{Artifacts, is_plain};
use super::error::StateError;
use crate::base::fs::write_atomic;

/// The folder for what a run takes up again.
const SCRATCH: &str = "scratch";

pub(super) struct LocalArtifacts {
    directory: PathBuf,
}

impl LocalArtifacts {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn path(&self, name: &str) -> Result<PathBuf, StateError> {
        let path = self.directory.join(name);
        if is_plain(name) {
            return Ok(path);
        }
        Err(io_error("use", &path)(io::ErrorKind::InvalidInput.into()))
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { what, path, source }
}

impl Artifacts for LocalArtifacts {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.path(name)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io_error("create the directory", folder))?;
        }
        write_atomic(&path, bytes).map_err(io_error("write", &path))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.path(name)?;
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.path(name)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn locate(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn scratch(&self) -> Result<PathBuf, StateError> {
        let path = self.directory.join(SCRATCH);
        std::fs::create_dir_all(&path).map_err(io_error("create the directory", &path))?;
        Ok(path)
    }
}
