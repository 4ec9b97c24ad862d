//! Walks the fields of a mapping: properties, multi-fields and the mappings of dynamic templates.

use serde_json::{Map, Value};

/// Gives every field's definition with its path to `visit`, parents first.
pub(super) fn each_field(
    mappings: &mut Value,
    visit: &mut dyn FnMut(&str, &mut Map<String, Value>),
) {
    let Value::Object(root) = mappings else {
        return;
    };
    below("mappings", root, visit);
    if let Some(Value::Array(templates)) = root.get_mut("dynamic_templates") {
        for template in templates {
            let Value::Object(template) = template else {
                continue;
            };
            for (name, definition) in template {
                if let Some(Value::Object(mapping)) = definition.get_mut("mapping") {
                    let path = format!("mappings.dynamic_templates.{name}.mapping");
                    visit(&path, mapping);
                    below(&path, mapping, visit);
                }
            }
        }
    }
}

fn below(
    path: &str,
    definition: &mut Map<String, Value>,
    visit: &mut dyn FnMut(&str, &mut Map<String, Value>),
) {
    for section in ["properties", "fields"] {
        let Some(Value::Object(fields)) = definition.get_mut(section) else {
            continue;
        };
        for (name, field) in fields {
            let Value::Object(field) = field else {
                continue;
            };
            let path = format!("{path}.{section}.{name}");
            visit(&path, field);
            below(&path, field, visit);
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
