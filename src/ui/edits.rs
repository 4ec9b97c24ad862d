//! Edits that are alike, shown once: a mapping of ten thousand fields is read by the few ways in which they change.
//!
//! Alike are edits of one rule that touch the same parts of what they change. Deliberately absent: dropping anything; a group
//! knows all its paths.

use std::collections::HashMap;

use serde_json::Value;

use super::layout::put;
use crate::diff::change::Edit;

/// Parts of a definition that are shown one by one; one that changes in more is shown whole.
const PARTS_MAX: usize = 6;
/// Levels of a definition that are taken apart.
const LEVELS_MAX: usize = 8;

/// Edits that are alike.
#[derive(Clone, Debug)]
pub(super) struct Alike<'a> {
    /// The first one: it shows what all are like.
    pub(super) first: &'a Edit,
    /// All paths, in the order of the edits.
    pub(super) paths: Vec<&'a str>,
    /// Whether all have its values.
    pub(super) same: bool,
}

/// Each edit by itself.
pub(super) fn one_by_one(edits: &[Edit]) -> Vec<Alike<'_>> {
    edits.iter().map(alone).collect()
}

fn alone(edit: &Edit) -> Alike<'_> {
    Alike {
        first: edit,
        paths: vec![&edit.path],
        same: true,
    }
}

/// Groups in the order of their first edits; those of the rule that somebody has to decide on, and then what loses something,
/// go before the others. What has no rule stands alone.
pub(super) fn alike<'a>(edits: &'a [Edit], asked: Option<&str>) -> Vec<Alike<'a>> {
    let mut places = HashMap::<(&str, &str, String), usize>::new();
    let mut groups: Vec<Alike<'a>> = Vec::new();
    for edit in edits {
        let Some(rule) = edit.rule.as_deref() else {
            groups.push(alone(edit));
            continue;
        };
        let key = (rule, edit.why.as_str(), touched(edit));
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => {
                group.paths.push(&edit.path);
                group.same = group.same && same_values(group.first, edit);
            }
            None => groups.push(alone(edit)),
        }
    }
    groups.sort_by_key(|group| {
        let of_question = asked.is_some() && group.first.rule.as_deref() == asked;
        (!of_question, !group.first.lossy)
    });
    groups
}

/// Which parts an edit touches, and how.
fn touched(edit: &Edit) -> String {
    let mut key = String::new();
    if let Some(parts) = parts(edit) {
        for part in parts {
            put!(key, "{}{}\n", part.sign(), part.path);
        }
    } else {
        let kind = |value: &Option<Value>| match value {
            None => "absent".to_owned(),
            Some(Value::Object(fields)) => {
                let kind = fields.get("type").and_then(Value::as_str);
                format!("object {}", kind.unwrap_or_default())
            }
            Some(_) => "value".to_owned(),
        };
        put!(key, "{} {}", kind(&edit.before), kind(&edit.after));
    }
    key
}

fn same_values(left: &Edit, right: &Edit) -> bool {
    match (parts(left), parts(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left.before == right.before && left.after == right.after,
    }
}

/// One part of a definition that changes.
#[derive(Debug, PartialEq)]
struct Part<'a> {
    path: String,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

impl Part<'_> {
    fn sign(&self) -> char {
        match (self.before, self.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }
}

/// The parts in which two definitions differ; nothing where the edit is no change of a definition or changes most of it.
fn parts(edit: &Edit) -> Option<Vec<Part<'_>>> {
    let (Some(before @ Value::Object(_)), Some(after @ Value::Object(_))) =
        (&edit.before, &edit.after)
    else {
        return None;
    };
    let mut parts = Vec::new();
    differ("", before, after, LEVELS_MAX, &mut parts);
    (!parts.is_empty() && parts.len() <= PARTS_MAX).then_some(parts)
}

fn differ<'a>(
    path: &str,
    before: &'a Value,
    after: &'a Value,
    levels: usize,
    parts: &mut Vec<Part<'a>>,
) {
    if before == after || parts.len() > PARTS_MAX {
        return;
    }
    let (Value::Object(left), Value::Object(right), true) = (before, after, levels > 0) else {
        parts.push(Part {
            path: path.to_owned(),
            before: Some(before),
            after: Some(after),
        });
        return;
    };
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    for (name, value) in left {
        match right.get(name) {
            Some(other) => differ(&below(name), value, other, levels - 1, parts),
            None => parts.push(Part {
                path: below(name),
                before: Some(value),
                after: None,
            }),
        }
    }
    for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
        parts.push(Part {
            path: below(name),
            before: None,
            after: Some(value),
        });
    }
}

/// What changes within a definition: `type "string" -> "keyword", - boost 2.0`; nothing where it has to be shown whole.
pub(super) fn within(edit: &Edit, shown: &dyn Fn(&Value) -> String) -> Option<String> {
    let parts = parts(edit)?;
    let words = parts.iter().map(|part| match (part.before, part.after) {
        (Some(before), Some(after)) => {
            format!("{} {} -> {}", part.path, shown(before), shown(after))
        }
        (Some(value), None) => format!("- {} {}", part.path, shown(value)),
        (None, Some(value)) => format!("+ {} {}", part.path, shown(value)),
        (None, None) => part.path.clone(),
    });
    Some(words.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edit(path: &str, rule: &str, before: Value, after: Value) -> Edit {
        let some = |value: Value| (!value.is_null()).then_some(value);
        Edit {
            path: path.into(),
            before: some(before),
            after: some(after),
            rule: Some(rule.into()),
            why: "so it is".into(),
            lossy: rule == "MIG212",
        }
    }

    #[test]
    fn what_changes_alike_stands_once_and_what_is_asked_about_first() {
        let edits = [
            edit("settings.a", "MIG101", json!(1), json!(null)),
            edit(
                "p.a",
                "MIG212",
                json!({"type": "long", "boost": 2}),
                json!({"type": "long"}),
            ),
            edit(
                "p.b",
                "MIG212",
                json!({"type": "byte", "boost": 3}),
                json!({"type": "byte"}),
            ),
            edit(
                "p.c",
                "MIG171",
                json!({"type": "flattened"}),
                json!({"type": "flat_object"}),
            ),
            edit(
                "p.d",
                "MIG212",
                json!({"type": "byte", "boost": 3, "x": 1}),
                json!({"type": "byte"}),
            ),
        ];
        let groups = alike(&edits, Some("MIG171"));
        let shown: Vec<_> = groups
            .iter()
            .map(|it| (it.paths.clone(), it.same))
            .collect();
        assert_eq!(
            shown,
            [
                (vec!["p.c"], true),
                (vec!["p.a", "p.b"], false),
                (vec!["p.d"], true),
                (vec!["settings.a"], true),
            ]
        );
        assert_eq!(one_by_one(&edits).len(), 5);
    }

    #[test]
    fn a_definition_shows_what_changes_within_it() {
        let words = |before, after| within(&edit("p", "MIG1", before, after), &|it| it.to_string());
        assert_eq!(
            words(
                json!({"type": "string", "boost": 2.0, "fields": {"k": {"type": "string"}}}),
                json!({"type": "text", "norms": false, "fields": {"k": {"type": "keyword"}}})
            )
            .as_deref(),
            Some(
                "- boost 2.0, fields.k.type \"string\" -> \"keyword\", type \"string\" -> \"text\", + norms false"
            )
        );
        let many: serde_json::Map<String, Value> =
            (0..9).map(|it| (it.to_string(), json!(it))).collect();
        assert_eq!(words(Value::Object(many), json!({})), None);
        assert_eq!(words(json!(1), json!(2)), None);
    }
}
