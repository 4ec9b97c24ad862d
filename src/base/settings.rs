//! Settings in normal form: one flat map of dotted keys that begin with `index.`, values as texts or lists of texts.

use serde_json::{Map, Value};

/// Settings that only a server sets.
pub const PRIVATE: &[&str] = &[
    "index.uuid",
    "index.creation_date",
    "index.creation_date_string",
    "index.version.*",
    "index.provided_name",
    "index.history.uuid",
    "index.resize.*",
    "index.shrink.*",
    "index.split.*",
    "index.routing.allocation.initial_recovery.*",
    "index.verified_before_close",
    "index.recovery.type",
    "archived.*",
];

/// Settings that a server gives to an index by itself, and takes in a request too.
pub const GIVEN_BY_SERVERS: &[&str] = &["index.replication.type", "index.remote_store.*"];

/// A whole number, which servers write as a text more often than not.
pub fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The normal form, whether they were nested or flat, with or without the prefix.
pub fn normal_settings(settings: &Value) -> Map<String, Value> {
    let mut flat = Map::new();
    flatten("", settings, &mut flat);
    flat.into_iter()
        .map(|(key, value)| {
            let prefixed = key.starts_with("index.") || key.starts_with("archived.");
            let key = if prefixed {
                key
            } else {
                format!("index.{key}")
            };
            (key, value)
        })
        .collect()
}

fn flatten(prefix: &str, value: &Value, flat: &mut Map<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                flatten(&key, value, flat);
            }
        }
        Value::Null => {}
        leaf => {
            flat.insert(prefix.to_owned(), text_of(leaf));
        }
    }
}

fn text_of(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => Value::String(flag.to_string()),
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(items) => Value::Array(items.iter().map(text_of).collect()),
        other => other.clone(),
    }
}

/// Whether `key` is meant by `pattern`: the key itself, or with `*` at the end all keys that begin so.
pub fn meant(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => key == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_and_flat_are_one_form() {
        let nested =
            json!({"index": {"number_of_shards": 1, "hidden": true, "x": null, "l": [1, "b"]}});
        let flat = json!({"number_of_shards": "1", "index.hidden": "true", "l": ["1", "b"]});
        assert_eq!(normal_settings(&nested), normal_settings(&flat));
    }
}
