//! Whether the documents of an index have a `_source` as it was sent: told by its mapping and its settings, before a single
//! document is read.
//!
//! Deliberately absent: rebuilding one.

use serde_json::{Map, Value};

use crate::diff::observation::{SourceGap, SourceGapKind};

/// What the mappings (one for each type) and the settings (by dotted key) of an index say. What lacks most comes first.
pub(super) fn source_gap<'a>(
    settings: &Map<String, Value>,
    mappings: impl Iterator<Item = &'a Value>,
) -> Option<SourceGap> {
    let gap = |kind, by: &str| {
        Some(SourceGap {
            kind,
            by: by.to_owned(),
            lost: Vec::new(),
        })
    };
    let setting = |key: &str| settings.get(key).map(text);
    let mut reduced = None;
    let mut synthetic = None;
    for mapping in mappings {
        let Some(source) = mapping.get("_source") else {
            continue;
        };
        let mode = source.get("mode").map(text);
        if source.get("enabled").map(text) == Some("false") {
            return gap(
                SourceGapKind::Disabled,
                "`_source.enabled: false` in its mapping",
            );
        }
        if mode == Some("disabled") {
            return gap(
                SourceGapKind::Disabled,
                "`_source.mode: disabled` in its mapping",
            );
        }
        if mode == Some("synthetic") {
            synthetic = Some("`_source.mode: synthetic` in its mapping");
        }
        for key in ["includes", "excludes", "include", "exclude"] {
            let there = match source.get(key) {
                Some(Value::Array(list)) => !list.is_empty(),
                Some(Value::String(text)) => !text.is_empty(),
                _ => false,
            };
            if there {
                reduced.get_or_insert_with(|| format!("`_source.{key}` in its mapping"));
            }
        }
    }
    let mode = setting("index.mapping.source.mode");
    match mode {
        Some("disabled") => {
            return gap(
                SourceGapKind::Disabled,
                "`index.mapping.source.mode: disabled`",
            );
        }
        Some("synthetic") => {
            return gap(
                SourceGapKind::Synthetic,
                "`index.mapping.source.mode: synthetic`",
            );
        }
        _ => {}
    }
    if let Some(by) = synthetic {
        return gap(SourceGapKind::Synthetic, by);
    }
    // These two kinds of index have no stored source unless they say so.
    if mode != Some("stored") {
        match setting("index.mode") {
            Some("logsdb") => return gap(SourceGapKind::Synthetic, "`index.mode: logsdb`"),
            Some("time_series") => {
                return gap(SourceGapKind::Synthetic, "`index.mode: time_series`");
            }
            _ => {}
        }
    }
    if setting("index.derived_source.enabled") == Some("true") {
        return gap(
            SourceGapKind::Derived,
            "`index.derived_source.enabled: true`",
        );
    }
    reduced.and_then(|by| gap(SourceGapKind::Reduced, &by))
}

/// Texts and truth values alike: both are written by servers.
fn text(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(settings: Value, mapping: Value) -> Option<SourceGapKind> {
        let Value::Object(settings) = settings else {
            return None;
        };
        source_gap(&settings, [mapping].iter()).map(|gap| gap.kind)
    }

    #[test]
    fn every_way_to_have_no_source_is_known() {
        use SourceGapKind::{Derived, Disabled, Reduced, Synthetic};
        for (settings, mapping, wanted) in [
            (json!({}), json!({"properties": {}}), None),
            (
                json!({}),
                json!({"_source": {"enabled": true, "excludes": []}}),
                None,
            ),
            (
                json!({}),
                json!({"_source": {"enabled": false}}),
                Some(Disabled),
            ),
            (
                json!({}),
                json!({"_source": {"enabled": "false"}}),
                Some(Disabled),
            ),
            (
                json!({}),
                json!({"_source": {"mode": "disabled"}}),
                Some(Disabled),
            ),
            (
                json!({}),
                json!({"_source": {"mode": "synthetic"}}),
                Some(Synthetic),
            ),
            (
                json!({}),
                json!({"_source": {"excludes": ["a"]}}),
                Some(Reduced),
            ),
            (
                json!({}),
                json!({"_source": {"includes": "a.*"}}),
                Some(Reduced),
            ),
            (
                json!({"index.mapping.source.mode": "synthetic"}),
                json!({}),
                Some(Synthetic),
            ),
            (json!({"index.mode": "logsdb"}), json!({}), Some(Synthetic)),
            (
                json!({"index.mode": "time_series"}),
                json!({}),
                Some(Synthetic),
            ),
            (
                json!({"index.mode": "logsdb", "index.mapping.source.mode": "stored"}),
                json!({}),
                None,
            ),
            (json!({"index.mode": "standard"}), json!({}), None),
            (
                json!({"index.derived_source.enabled": "true"}),
                json!({}),
                Some(Derived),
            ),
            (
                json!({"index.mode": "logsdb"}),
                json!({"_source": {"enabled": false}}),
                Some(Disabled),
            ),
        ] {
            assert_eq!(
                kind(settings.clone(), mapping.clone()),
                wanted,
                "{settings} {mapping}"
            );
        }
    }
}
