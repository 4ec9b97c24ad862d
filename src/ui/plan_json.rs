//! `mig plan --format json` and the saved plan: one format, the values as they are.

use crate::diff::planned::PlannedChanges;

/// Pretty JSON with a line end.
pub fn plan_json(planned: &PlannedChanges) -> String {
    planned.to_json()
}
