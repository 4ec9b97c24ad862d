//! The fields of a phase that differ from what was applied, each with what the change does.
//!
//! Relies on `structural`. Deliberately absent: the table of classes, which the plan language's schema holds.

use serde_json::Value;

use super::change::{ChangeClass, FieldChange};
use super::structural;
use crate::plan::model::PhaseKindName;

/// Compares the recorded form of a phase (`PhaseRecord::spec`) with its form now. Both are the spec alone, externally
/// tagged (`{"backfill": {…}}`) or not; paths don't hold the tag.
pub fn spec_changes(
    kind: PhaseKindName,
    recorded: &Value,
    now: &Value,
    class: fn(PhaseKindName, &str) -> ChangeClass,
) -> Vec<FieldChange> {
    let inner = |value: &Value| value.get(kind.as_str()).unwrap_or(value).clone();
    structural::edits(&inner(recorded), &inner(now))
        .into_iter()
        .map(|edit| FieldChange {
            class: class(kind, &edit.path),
            before: edit.before.unwrap_or(Value::Null),
            after: edit.after.unwrap_or(Value::Null),
            path: edit.path,
        })
        .collect()
}

/// The strongest class among changes: what happens to the phase.
pub fn strongest(changes: &[FieldChange]) -> Option<ChangeClass> {
    changes.iter().map(|change| change.class).max()
}
