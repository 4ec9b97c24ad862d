//! Truth values as old servers took them: many words for two things.

use serde_json::Value;

/// A value as a text: `false` and `"false"` are one.
pub(super) fn spelt(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether an old server took it for true: everything but a few words.
pub(super) fn is_true(value: &Value) -> bool {
    !matches!(
        spelt(value).as_str(),
        "false" | "no" | "off" | "0" | "" | "null"
    )
}

/// Whether it is one of the two that every server knows, as a truth value or as its text.
pub(super) fn is_modern(value: &Value) -> bool {
    matches!(value, Value::Bool(_)) || matches!(value.as_str(), Some("true" | "false"))
}
