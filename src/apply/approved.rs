//! Whether what is decided just before a phase runs is within what was approved. Pure.

use crate::diff::beyond_approved;
use crate::diff::change::{Action, PhaseChange};

/// What goes beyond the approved change, one statement a line; empty when nothing does.
pub(super) fn beyond(approved: &PhaseChange, fresh: &PhaseChange) -> Vec<String> {
    if fresh.action.is_noop() {
        return Vec::new();
    }
    // An approved gate opens to what stands behind it.
    let opened = (approved.action == Action::Wait).then(|| PhaseChange {
        action: fresh.action,
        ..approved.clone()
    });
    // Where the input did not exist yet, names may be new; what is done may not.
    let mut beyond = beyond_approved(
        opened.as_ref().unwrap_or(approved),
        fresh,
        approved.provisional,
    );
    if fresh.is_destructive() && !approved.is_destructive() {
        beyond.push("it would now destroy something or could not be undone".into());
    }
    beyond
}
