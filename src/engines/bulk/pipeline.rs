//! The course of a load.

use super::job::{BulkError, BulkOutcome, Job};

/// Loads what is not loaded yet. Returns when all is done, when too much failed, or when asked to stop.
pub fn run(job: &Job<'_>) -> Result<BulkOutcome, BulkError> {
    let _ = job;
    Err(BulkError::Worker("being written".to_owned()))
}
