//! The structural difference of two JSON values: one edit a leaf, or a branch that only one side has.
//!
//! Edits come in the order of their paths. Deliberately absent: why something differs (rules are filled in by the caller)
//! and normal forms (the caller compares values that mean the same by the same bytes).

use serde_json::{Map, Value};

use super::change::Edit;

/// How `before` becomes `after`. Lists are compared as a whole when their lengths differ or an item is no object.
pub fn edits(before: &Value, after: &Value) -> Vec<Edit> {
    let mut found = Vec::new();
    walk(String::new(), Some(before), Some(after), &mut found);
    found
}

fn walk(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Edit>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            objects(&path, before, after, found);
        }
        (Some(Value::Array(before)), Some(Value::Array(after)))
            if before.len() == after.len() && before.iter().chain(after).all(Value::is_object) =>
        {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                walk(
                    join(&path, &index.to_string()),
                    Some(before),
                    Some(after),
                    found,
                );
            }
        }
        _ => found.push(Edit {
            path,
            before: before.cloned(),
            after: after.cloned(),
            rule: None,
            why: String::new(),
            lossy: false,
        }),
    }
}

fn objects(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Edit>,
) {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        walk(join(path, key), before.get(key), after.get(key), found);
    }
}

fn join(path: &str, key: &str) -> String {
    // A key with a dot of its own is quoted, so that a path can be read in one way only.
    let key = if key.contains('.') || key.is_empty() {
        format!("\"{key}\"")
    } else {
        key.to_owned()
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn edits_name_leaves_and_whole_branches() {
        let before =
            json!({"m": {"title": {"type": "string", "a.b": 1}}, "gone": {"x": 1}, "list": [1]});
        let after =
            json!({"m": {"title": {"type": "text", "a.b": 2}}, "list": [1, 2], "new": null});
        let found: Vec<_> = edits(&before, &after)
            .into_iter()
            .map(|edit| (edit.path, edit.before, edit.after))
            .collect();
        assert_eq!(
            found,
            [
                ("gone".to_owned(), Some(json!({"x": 1})), None),
                ("list".to_owned(), Some(json!([1])), Some(json!([1, 2]))),
                ("m.title.\"a.b\"".to_owned(), Some(json!(1)), Some(json!(2))),
                (
                    "m.title.type".to_owned(),
                    Some(json!("string")),
                    Some(json!("text"))
                ),
                ("new".to_owned(), None, Some(json!(null))),
            ]
        );
        assert!(edits(&after, &after).is_empty());
    }
}
