//! Who runs the servers: they refuse to run as root.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::SandboxError;
use super::places::MIG_SANDBOX_USER;

/// The user of servers where it is not the one of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunAs {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The user where nothing else is said.
const NOBODY: &str = "nobody";

impl RunAs {
    /// `None` where servers run as this process does.
    pub(super) fn needed() -> Result<Option<Self>, SandboxError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let name = std::env::var(MIG_SANDBOX_USER).unwrap_or_else(|_| NOBODY.to_owned());
        let path = Path::new("/etc/passwd");
        let table = fs::read_to_string(path).map_err(SandboxError::io("read", path))?;
        let user = find(&table, &name).filter(|user| user.uid != 0);
        user.map(Some).ok_or(SandboxError::NoUser { user: name })
    }

    /// The outermost directory on the way to `path` (itself included) that this user can't enter.
    pub(super) fn first_closed(&self, path: &Path) -> Option<PathBuf> {
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        way.into_iter()
            .find(|directory| {
                let Ok(metadata) = directory.metadata() else {
                    return false; // not there yet: it will be made open
                };
                let bit = if metadata.uid() == self.uid {
                    0o100
                } else if metadata.gid() == self.gid {
                    0o010
                } else {
                    0o001
                };
                metadata.mode() & bit == 0
            })
            .map(Path::to_owned)
    }

    /// Gives this user all of a directory.
    pub(super) fn give(&self, path: &Path) -> Result<(), SandboxError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| SandboxError::Io {
                what: "give away",
                path,
                source,
            }
        };
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid)).map_err(error(path))?;
        let metadata = path.symlink_metadata().map_err(error(path))?;
        if metadata.is_dir() {
            for entry in fs::read_dir(path).map_err(error(path))? {
                self.give(&entry.map_err(error(path))?.path())?;
            }
        }
        Ok(())
    }
}

/// `name:x:uid:gid:…`
fn find(table: &str, name: &str) -> Option<RunAs> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        Some(RunAs {
            name: name.to_owned(),
            uid: fields.nth(1)?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn users_are_read_from_the_table() {
        let table = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        let nobody = find(table, "nobody").unwrap();
        assert_eq!((nobody.uid, nobody.gid), (65534, 65533));
        assert_eq!(find(table, "nobod"), None);
    }

    #[test]
    fn a_closed_directory_is_named() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let closed = place.path().join("closed");
        fs::create_dir_all(closed.join("inner")).unwrap();
        let user = RunAs {
            name: "somebody".to_owned(),
            uid: 12_345,
            gid: 12_345,
        };
        assert_eq!(user.first_closed(&closed.join("inner/new")), None);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(user.first_closed(&closed.join("inner/new")), Some(closed));
    }
}
