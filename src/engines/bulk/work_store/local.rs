//! A work store as an append-only log in a directory.

use std::path::Path;

use super::{WorkError, WorkIdentity};
use crate::diff::observation::WorkFacts;

/// See the module.
pub struct LocalWorkStore {}

impl LocalWorkStore {
    /// Opens (or makes) the store of `identity` in `directory` and locks it for this process.
    pub fn open(directory: &Path, identity: &WorkIdentity) -> Result<Self, WorkError> {
        let _ = (directory, identity);
        Ok(Self {})
    }

    /// All stores in `directory`, whosever they are, with what they say: reads only, takes no lock.
    pub fn peek(directory: &Path) -> Result<Vec<(WorkIdentity, WorkFacts)>, WorkError> {
        let _ = directory;
        Ok(Vec::new())
    }

    /// What the store of (plan, work) says, whatever its lineage and snapshot: reads only, takes no lock.
    pub fn peek_work(
        directory: &Path,
        plan: &str,
        work: &str,
    ) -> Result<Option<(WorkIdentity, WorkFacts)>, WorkError> {
        let _ = (directory, plan, work);
        Ok(None)
    }

    /// Removes the store of (plan, work), whatever is in it; says whether there was one. Refused while another process
    /// has it.
    pub fn remove(directory: &Path, plan: &str, work: &str) -> Result<bool, WorkError> {
        let _ = (directory, plan, work);
        Ok(false)
    }
}
