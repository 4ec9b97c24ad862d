//! The observations of the last survey, kept beside the state for `--refresh=false`. Losing them loses nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::fs::write_atomic;
use crate::base::{Address, Fingerprint};
use crate::diff::observation::Observation;

const FILE: &str = "observations.json";

/// What was observed, and when.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// When.
    pub at: Timestamp,
    /// The digest of the plan that it was observed for.
    pub plan_digest: Fingerprint,
    /// By phase.
    pub observations: BTreeMap<Address, Observation>,
}

/// Keeps observations in an existing state directory.
pub fn save(directory: &Path, recorded: &Recorded) -> io::Result<()> {
    write_atomic(&directory.join(FILE), &serde_json::to_vec(recorded)?)
}

/// Forgets them: an apply is about to make them untrue.
pub fn forget(directory: &Path) -> io::Result<()> {
    match std::fs::remove_file(directory.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The kept observations; `None` where there are none, or of another format.
pub fn load(directory: &Path) -> Option<Recorded> {
    serde_json::from_slice(&std::fs::read(directory.join(FILE)).ok()?).ok()
}
