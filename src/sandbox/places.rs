//! Where things are kept: downloads and unpacked distributions in the cache, a sandbox where its user wants it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::SandboxError;
use super::user::RunAs;

/// Names the cache's directory.
pub const MIG_CACHE_DIR: &str = "MIG_CACHE_DIR";
/// Names the user who runs servers where `mig` runs as root.
pub const MIG_SANDBOX_USER: &str = "MIG_SANDBOX_USER";

/// A sandbox's directory where none is given, from the working directory.
pub const DIRECTORY: &str = ".mig/sandbox";

/// Where root keeps what servers of another user must read, if that user can't enter root's own cache.
const SYSTEM_CACHE: &str = "/var/cache/mig";

/// `MIG_CACHE_DIR`, or `~/.cache/mig`.
pub fn cache() -> PathBuf {
    let given = std::env::var_os(MIG_CACHE_DIR).filter(|value| !value.is_empty());
    given.map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
            PathBuf::from(home).join(".cache/mig")
        },
        |given| std::path::absolute(&given).unwrap_or_else(|_| given.into()),
    )
}

/// The archives as they were downloaded.
pub(super) fn archives() -> PathBuf {
    cache().join("servers")
}

/// Where distributions and Java runtimes stand unpacked: the cache, or the system's where the servers' user can't enter it.
pub(super) fn unpacked(user: Option<&RunAs>) -> PathBuf {
    let own = cache();
    match user {
        Some(user) if user.first_closed(&own).is_some() => PathBuf::from(SYSTEM_CACHE),
        _ => own,
    }
    .join("unpacked")
}

/// Makes a directory and its parents, those that are new open to be read by all.
pub(super) fn make(directory: &Path) -> Result<(), SandboxError> {
    let mut missing = Vec::new();
    let mut at = Some(directory);
    while let Some(path) = at.filter(|path| !path.exists()) {
        missing.push(path);
        at = path.parent();
    }
    for path in missing.into_iter().rev() {
        match fs::create_dir(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            result => result.map_err(SandboxError::io("make", path))?,
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .map_err(SandboxError::io("make", path))?;
    }
    Ok(())
}
