//! What transforms do to a translated mapping, so that renamed fields keep their definition. Scripts are not run on
//! mappings: what they add stands under `mappings` of the transform.
//!
//! Works on the body of an object as the translation gives it (`mappings`, or `template.mappings`). Deliberately absent: dynamic
//! templates, aliases of fields and `copy_to` that name a field which is renamed; the plan shows their definitions as they stay.

use serde_json::{Map, Value, json};

use super::rename::parent;
use crate::diff::change::Edit;
use crate::plan::model::{StepKind, Transform};

/// Applies the transforms that are for an index to the body of the index, or of a template; an edit for each change.
pub fn apply<'t>(
    body: &mut Value,
    transforms: impl IntoIterator<Item = &'t Transform>,
) -> Vec<Edit> {
    let mut edits = Vec::new();
    for transform in transforms {
        let mut editor = Editor {
            transform,
            edits: &mut edits,
        };
        for step in &transform.steps {
            match &step.kind {
                StepKind::Rename(renames) => {
                    for (from, to) in renames {
                        editor.rename(body, from, to);
                    }
                }
                StepKind::Drop(fields) => {
                    for field in fields {
                        editor.drop(body, field);
                    }
                }
                _ => {}
            }
        }
        for (from, to) in &transform.mappings.rename {
            editor.rename(body, from, to);
        }
        for field in &transform.mappings.drop {
            editor.drop(body, field);
        }
        for (field, definition) in &transform.mappings.add {
            editor.add(body, field, definition);
        }
    }
    edits
}

struct Editor<'a> {
    transform: &'a Transform,
    edits: &'a mut Vec<Edit>,
}

impl Editor<'_> {
    fn note(
        &mut self,
        body: &Value,
        field: &str,
        change: (Option<Value>, Option<Value>),
        lossy: bool,
    ) {
        let section = if body.get("template").is_some() {
            "template.mappings"
        } else {
            "mappings"
        };
        let below = field.replace('.', ".properties.");
        let (before, after) = change;
        self.edits.push(Edit {
            path: format!("{section}.properties.{below}"),
            before,
            after,
            rule: None,
            why: format!("transform {}", self.transform.name),
            lossy,
        });
    }

    fn rename(&mut self, body: &mut Value, from: &str, to: &str) {
        let ((above, old), (below, new)) = (parent(from), parent(to));
        let Some(definition) = take(body, above, old) else {
            return;
        };
        let Some(properties) = properties(body, below, true) else {
            // No object can be made there: the field stays where it was.
            if let Some(properties) = self::properties(body, above, true) {
                properties.insert(old.to_owned(), definition);
            }
            return;
        };
        properties.insert(new.to_owned(), definition.clone());
        self.note(body, from, (Some(definition.clone()), None), false);
        self.note(body, to, (None, Some(definition)), false);
    }

    fn drop(&mut self, body: &mut Value, field: &str) {
        let (above, name) = parent(field);
        if let Some(definition) = take(body, above, name) {
            // The documents lose it by the plan's own word; the mapping alone loses nothing more.
            self.note(body, field, (Some(definition), None), false);
        }
    }

    fn add(&mut self, body: &mut Value, field: &str, definition: &Value) {
        let (above, name) = parent(field);
        let Some(properties) = properties(body, above, true) else {
            return;
        };
        let before = properties.insert(name.to_owned(), definition.clone());
        if before.as_ref() != Some(definition) {
            self.note(body, field, (before, Some(definition.clone())), false);
        }
    }
}

/// The mapping of a body, with `properties` at its top.
fn mapping(body: &mut Value) -> Option<&mut Value> {
    let section = if body.get("template").is_some() {
        body.get_mut("template")?
    } else {
        body
    };
    let mappings = section.get_mut("mappings")?;
    // A target that still knows types has one in between.
    let typed = mappings.as_object().and_then(|object| {
        let (name, inner) = object.iter().next()?;
        let is_type =
            object.len() == 1 && name != "properties" && inner.get("properties").is_some();
        is_type.then(|| name.clone())
    });
    match typed {
        Some(name) => mappings.get_mut(&name),
        None => Some(mappings),
    }
}

/// The fields within an object field (the root where the path is empty); made where they are not there and `make` says so.
fn properties<'b>(
    body: &'b mut Value,
    path: &str,
    make: bool,
) -> Option<&'b mut Map<String, Value>> {
    let mut at = mapping(body)?;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let fields = fields_of(at, make)?;
        if make && !fields.contains_key(name) {
            fields.insert(name.to_owned(), json!({ "properties": {} }));
        }
        at = fields.get_mut(name)?;
        let is_object = at
            .get("type")
            .is_none_or(|it| it == "object" || it == "nested");
        if !is_object {
            return None;
        }
    }
    fields_of(at, make)
}

fn fields_of(mapping: &mut Value, make: bool) -> Option<&mut Map<String, Value>> {
    let object = mapping.as_object_mut()?;
    if make && !object.contains_key("properties") {
        object.insert("properties".into(), json!({}));
    }
    object.get_mut("properties")?.as_object_mut()
}

fn take(body: &mut Value, above: &str, name: &str) -> Option<Value> {
    properties(body, above, false)?.remove(name)
}
