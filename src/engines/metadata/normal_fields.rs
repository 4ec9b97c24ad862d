//! Fields of mappings in the form in which they are compared: what servers write otherwise than it was asked for.
//!
//! Relies on nothing but JSON. Settings, aliases and other kinds of objects are not here.

use serde_json::{Map, Value, json};

/// The most documents that a word may be in where nothing is said.
const NO_LIMIT: &str = "2147483647";

/// A mapping or the definition of a field: numbers and truth values as texts, `object` as the type of what has none.
pub(super) fn normal_definition(definition: &mut Map<String, Value>) {
    if definition.get("type") == Some(&json!("object")) {
        definition.remove("type");
    }
    // Elasticsearch 2 wrote the default out, later servers leave it away.
    let default_format = Some(&json!("strict_date_optional_time||epoch_millis"));
    if definition.get("type") == Some(&json!("date")) && definition.get("format") == default_format
    {
        definition.remove("format");
    }
    if definition.get("type") == Some(&json!("join")) {
        normal_join(definition);
    }
    // The default, which servers leave away.
    if definition.get("type") == Some(&json!("text"))
        && definition.get("fielddata").and_then(scalar).as_deref() == Some("false")
    {
        definition.remove("fielddata");
    }
    if definition.get("type") == Some(&json!("knn_vector")) {
        normal_vector(definition);
    }
    if let Some(Value::Object(filter)) = definition.get_mut("fielddata_frequency_filter") {
        // Servers write out that there is none.
        let most = filter.get("max").and_then(scalar);
        if most.as_deref() == Some(NO_LIMIT) {
            filter.remove("max");
        }
    }
    if definition.get("type") == Some(&json!("completion")) {
        normal_contexts(definition);
    }
    for (name, value) in definition {
        match (name.as_str(), value) {
            ("_meta" | "meta" | "null_value", _) => {}
            ("properties" | "fields", Value::Object(fields)) => {
                if name == "properties" {
                    expand_dots(fields);
                }
                for field in fields.values_mut() {
                    if let Value::Object(field) = field {
                        normal_definition(field);
                    }
                }
            }
            (_, Value::Object(inner)) => normal_definition(inner),
            (_, value) => {
                if let Some(text) = scalar(value) {
                    *value = Value::String(text);
                }
            }
        }
    }
}

/// Servers write the type of a context in capital letters.
fn normal_contexts(definition: &mut Map<String, Value>) {
    let contexts = definition.get_mut("contexts").and_then(Value::as_array_mut);
    for context in contexts.into_iter().flatten() {
        if let Value::Object(context) = context {
            let kind = context.get("type").and_then(Value::as_str);
            if let Some(kind) = kind.map(str::to_lowercase) {
                context.insert("type".into(), kind.into());
            }
            normal_definition(context);
        }
    }
}

/// A name with dots is a path through objects, and servers write it so.
fn expand_dots(fields: &mut Map<String, Value>) {
    let dotted: Vec<String> = fields
        .keys()
        .filter(|name| name.split('.').count() > 1 && name.split('.').all(|part| !part.is_empty()))
        .cloned()
        .collect();
    for name in dotted {
        let Some(field) = fields.remove(&name) else {
            continue;
        };
        let mut parts: Vec<&str> = name.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut place = &mut *fields;
        for part in parts {
            let parent = place.entry(part).or_insert_with(|| json!({}));
            // One that is no object holds nothing: what is there then differs from any server.
            if !parent.is_object() {
                *parent = json!({});
            }
            let Value::Object(parent) = parent else {
                return;
            };
            let below = parent.entry("properties").or_insert_with(|| json!({}));
            if !below.is_object() {
                *below = json!({});
            }
            let Value::Object(below) = below else { return };
            place = below;
        }
        place.entry(last).or_insert(field);
    }
}

/// Servers write the default of a join field out, and keep the children of a parent in no order.
fn normal_join(definition: &mut Map<String, Value>) {
    const EAGER: &str = "eager_global_ordinals";
    if definition.get(EAGER).and_then(scalar).as_deref() == Some("true") {
        definition.remove(EAGER);
    }
    let relations = definition
        .get_mut("relations")
        .and_then(Value::as_object_mut);
    for children in relations.into_iter().flat_map(Map::values_mut) {
        if let Value::Array(children) = children {
            children.sort_by(|left, right| left.as_str().cmp(&right.as_str()));
        }
    }
}

pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        }),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// OpenSearch 3 writes the default of a vector without a graph out, the kind of elements in capital letters, and that a graph
/// has no parameters.
fn normal_vector(definition: &mut Map<String, Value>) {
    let has_doc_values = definition.get("doc_values").and_then(scalar);
    if !definition.contains_key("method") && has_doc_values.as_deref() == Some("true") {
        definition.remove("doc_values");
    }
    if let Some(Value::String(kind)) = definition.get_mut("data_type") {
        *kind = kind.to_lowercase();
    }
    if let Some(Value::Object(method)) = definition.get_mut("method")
        && method.get("parameters") == Some(&json!({}))
    {
        method.remove("parameters");
    }
}
