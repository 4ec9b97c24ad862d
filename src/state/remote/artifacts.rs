//! Artifacts of a state in a bucket: objects below `artifacts/`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::Fingerprint;
use crate::clients::objects::ConditionalObjects;
use crate::state::artifacts::{Artifacts, is_plain};
use crate::state::error::StateError;

const FOLDER: &str = "artifacts";
/// Bytes of one artifact. Evidence names differences up to limits of its own, far below.
const BYTES_MAX: u64 = 1 << 30;

pub(super) struct RemoteArtifacts {
    pub(super) objects: Arc<dyn ConditionalObjects>,
}

impl RemoteArtifacts {
    fn key(&self, name: &str) -> Result<String, StateError> {
        if is_plain(name) {
            return Ok(format!("{FOLDER}/{name}"));
        }
        Err(self.remote(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{}` is no name of an artifact", name.escape_debug()),
        )))
    }

    fn remote(&self, source: io::Error) -> StateError {
        StateError::Remote {
            location: self.objects.location(),
            source,
        }
    }
}

impl Artifacts for RemoteArtifacts {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let key = self.key(name)?;
        let put = self.objects.put(&key, Bytes::copy_from_slice(bytes));
        put.map_err(|source| self.remote(source))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let key = self.key(name)?;
        let got = self.objects.get(&key, BYTES_MAX);
        let got = got.map_err(|source| self.remote(source))?;
        Ok(got.map(|(bytes, _)| bytes.to_vec()))
    }

    fn remove(&self, name: &str) -> Result<(), StateError> {
        let key = self.key(name)?;
        self.objects
            .remove(&key)
            .map_err(|source| self.remote(source))
    }

    fn locate(&self, name: &str) -> String {
        format!("{}/{FOLDER}/{name}", self.objects.location())
    }

    fn objects(&self) -> Option<(Arc<dyn ConditionalObjects>, String)> {
        Some((Arc::clone(&self.objects), FOLDER.to_owned()))
    }

    fn scratch(&self) -> Result<PathBuf, StateError> {
        let place = Fingerprint::of_bytes(self.objects.location().as_bytes());
        let path = cache()
            .join("scratch")
            .join(place.as_str().get(..16).unwrap_or_default());
        match std::fs::create_dir_all(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(StateError::Io {
                what: "create the directory",
                path,
                source,
            }),
        }
    }
}

/// Where this user's programs keep what can be made again.
fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let of_user = set("MIG_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| set("XDG_CACHE_HOME").map(|path| PathBuf::from(path).join("mig")))
        .or_else(|| set("HOME").map(|path| PathBuf::from(path).join(".cache/mig")));
    of_user.unwrap_or_else(|| {
        let user = rustix::process::geteuid().as_raw();
        std::env::temp_dir().join(format!("mig-{user}"))
    })
}
