//! Walks the fields of a mapping: properties, multi-fields and the mappings of dynamic templates.
//!
//! The walk keeps its own stack: how deep a mapping is nested costs memory on the heap, never frames. Deliberately absent:
//! mappings that still have their type's level, which another rule takes away first.

use serde_json::{Map, Value};

/// Where a field's definition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Under `properties`: documents have it.
    Property,
    /// Under `fields`: another way to index the field above it.
    SubField,
    /// In a dynamic template, for fields that documents bring; whether for texts alone.
    Template { texts: bool },
}

/// A field on the walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    /// Its path below the object: `mappings.properties.a.fields.b`.
    pub(super) path: &'a str,
    /// What it is there.
    pub(super) place: Place,
}

/// A definition that waits for its turn, with the length of its parent's path.
struct Waiting<'a> {
    parent: usize,
    section: &'static str,
    name: &'a str,
    suffix: &'static str,
    place: Place,
    definition: &'a mut Map<String, Value>,
}

/// Gives every field's definition with its path to `visit`, parents first.
pub(super) fn each_field(
    mappings: &mut Value,
    visit: &mut dyn FnMut(&str, &mut Map<String, Value>),
) {
    each_field_at(mappings, &mut |at, field| visit(at.path, field));
}

/// As [`each_field`], and says where the field stands.
pub(super) fn each_field_at(
    mappings: &mut Value,
    visit: &mut dyn FnMut(At<'_>, &mut Map<String, Value>),
) {
    let Value::Object(root) = mappings else {
        return;
    };
    let mut path = "mappings".to_owned();
    let mut waiting = Vec::new();
    for (name, value) in root {
        match (name.as_str(), value) {
            ("dynamic_templates", Value::Array(templates)) => {
                push_templates(templates, path.len(), &mut waiting);
            }
            (name, value) => push_below(name, value, path.len(), &mut waiting),
        }
    }
    waiting.reverse();
    while let Some(next) = waiting.pop() {
        path.truncate(next.parent);
        for part in [".", next.section, ".", next.name, next.suffix] {
            path.push_str(part);
        }
        let at = At {
            path: &path,
            place: next.place,
        };
        visit(at, next.definition);
        let first = waiting.len();
        for (name, value) in next.definition {
            push_below(name, value, path.len(), &mut waiting);
        }
        if let Some(children) = waiting.get_mut(first..) {
            children.reverse();
        }
    }
}

fn push_templates<'a>(templates: &'a mut [Value], parent: usize, waiting: &mut Vec<Waiting<'a>>) {
    for template in templates.iter_mut().filter_map(Value::as_object_mut) {
        for (name, definition) in template {
            let texts =
                definition.get("match_mapping_type").and_then(Value::as_str) == Some("string");
            if let Some(Value::Object(definition)) = definition.get_mut("mapping") {
                waiting.push(Waiting {
                    parent,
                    section: "dynamic_templates",
                    name,
                    suffix: ".mapping",
                    place: Place::Template { texts },
                    definition,
                });
            }
        }
    }
}

fn push_below<'a>(
    section: &str,
    value: &'a mut Value,
    parent: usize,
    waiting: &mut Vec<Waiting<'a>>,
) {
    let (section, place) = match section {
        "properties" => ("properties", Place::Property),
        "fields" => ("fields", Place::SubField),
        _ => return,
    };
    let Value::Object(fields) = value else {
        return;
    };
    for (name, field) in fields {
        if let Value::Object(definition) = field {
            waiting.push(Waiting {
                parent,
                section,
                name,
                suffix: "",
                place,
                definition,
            });
        }
    }
}

/// The type of a field; one without is an object.
pub(super) fn type_of(field: &Map<String, Value>) -> &str {
    field
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("object")
}

/// Whether it is an object or nested: it has fields below it and no values of its own.
pub(super) fn is_object(field: &Map<String, Value>) -> bool {
    matches!(type_of(field), "object" | "nested" | "passthrough")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_is_seen_once_with_its_path_parents_first() {
        let mut mappings = json!({
            "properties": {"a": {"properties": {"b": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}},
                           "c": {"type": "long"}, "odd": "text"},
            "dynamic_templates": [{"t": {"match_mapping_type": "string",
                "mapping": {"type": "text", "fields": {"k": {"type": "keyword"}}}}}, "odd"]});
        let mut seen = Vec::new();
        each_field_at(&mut mappings, &mut |at, field| {
            seen.push(format!("{} {:?} {}", at.path, at.place, type_of(field)));
        });
        assert_eq!(
            seen,
            [
                "mappings.dynamic_templates.t.mapping Template { texts: true } text",
                "mappings.dynamic_templates.t.mapping.fields.k SubField keyword",
                "mappings.properties.a Property object",
                "mappings.properties.a.properties.b Property text",
                "mappings.properties.a.properties.b.fields.raw SubField keyword",
                "mappings.properties.c Property long",
            ]
        );
    }
}
