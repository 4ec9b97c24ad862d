//! The exit code of `mig plan`.

use super::planned::PlannedChanges;
use crate::base::ExitCode;

/// 4 when a decision is missing or a finding is an error; with `--detailed-exitcode` 3 or 2 when something is to do.
pub fn exit_code(planned: &PlannedChanges, detailed: bool) -> ExitCode {
    let invalid = planned.summary.decisions_missing > 0
        || planned
            .diagnostics
            .iter()
            .any(|finding| finding.severity == "error");
    if invalid {
        ExitCode::PlanInvalid
    } else if !detailed || planned.is_empty() {
        ExitCode::Success
    } else if planned.is_destructive() {
        ExitCode::DestructiveChanges
    } else {
        ExitCode::Changes
    }
}
