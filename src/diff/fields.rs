//! The fields of a phase that differ from what was applied, each with what the change does.
//!
//! Relies on `structural`. Deliberately absent: the table of classes, which the plan language's schema holds.

use serde_json::Value;

use super::change::{ChangeClass, Edit, FieldChange};
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
        .map(|edit| field_change(kind, edit, class))
        .collect()
}

/// An edit of a spec as a change of a field, its path as people write it.
pub(super) fn field_change(
    kind: PhaseKindName,
    edit: Edit,
    class: fn(PhaseKindName, &str) -> ChangeClass,
) -> FieldChange {
    // The two shapes of `snapshot:` are told apart by a tag that the language doesn't have.
    let path = edit
        .path
        .strip_prefix("take.")
        .unwrap_or(&edit.path)
        .to_owned();
    FieldChange {
        class: class(kind, &path),
        before: edit.before.unwrap_or(Value::Null),
        after: edit.after.unwrap_or(Value::Null),
        path,
    }
}

/// The strongest class among changes: what happens to the phase.
pub fn strongest(changes: &[FieldChange]) -> Option<ChangeClass> {
    changes.iter().map(|change| change.class).max()
}

/// What changing a field does to an applied phase, as the plan language's schema has it.
pub fn class_of(kind: PhaseKindName, path: &str) -> ChangeClass {
    crate::plan::change_class(kind, path).into()
}
