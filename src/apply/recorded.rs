//! The observations of the last survey, kept beside the state for `--refresh=false`. Losing them loses nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::{Address, Fingerprint};
use crate::diff::observation::Observation;
use crate::state::{Artifacts, StateError};

const NAME: &str = "observations.json";

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

/// Keeps observations beside an existing state.
pub fn save(beside: &dyn Artifacts, recorded: &Recorded) -> Result<(), StateError> {
    match serde_json::to_vec(recorded) {
        Ok(bytes) => beside.put(NAME, &bytes),
        // What can't be written down can't be planned with either.
        Err(_) => beside.remove(NAME),
    }
}

/// Forgets them: an apply is about to make them untrue.
pub fn forget(beside: &dyn Artifacts) -> Result<(), StateError> {
    beside.remove(NAME)
}

/// The kept observations; `None` where there are none, or of another format.
pub fn load(beside: &dyn Artifacts) -> Option<Recorded> {
    serde_json::from_slice(&beside.get(NAME).ok()??).ok()
}
