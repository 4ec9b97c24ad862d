//! What transforms do to a translated mapping, so that renamed fields keep their definition. Scripts are not run on
//! mappings: what they add stands under `mappings` of the transform.
//!
//! Works on the body of an object as the translation gives it (`mappings`, or `template.mappings`). Aliases of fields and
//! `copy_to` follow a field that is renamed; what else names one that is not there any more is told by [`still_named`].
//! Deliberately absent: which transforms are for an object.

use serde_json::{Map, Value, json};

use super::field_types::FieldTypes;
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
        edits.extend(apply_to_part(body, transform));
        let mut editor = Editor {
            transform,
            edits: &mut edits,
        };
        editor.add(body);
    }
    edits
}

/// Takes and renames what a transform takes and renames, and adds nothing: for a body that holds some of the fields alone.
pub fn apply_to_part(body: &mut Value, transform: &Transform) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut editor = Editor {
        transform,
        edits: &mut edits,
    };
    for step in &transform.steps {
        editor.step(body, &step.kind);
    }
    editor.beside(body);
    edits
}

/// The types that each `coerce` of transforms finds in documents of an index with this translated body, in order: by the
/// names that fields have when it is their turn. What a transform says of its scripts under `mappings` counts before and after
/// them, since nobody knows at which step it comes to be.
pub fn types_for_coerce<'t>(
    body: &Value,
    transforms: impl IntoIterator<Item = &'t Transform>,
) -> Vec<FieldTypes> {
    let mut body = body.clone();
    let mut all = Vec::new();
    let types =
        |body: &Value| FieldTypes::of_mappings(body.get("mappings").unwrap_or(&Value::Null));
    for transform in transforms {
        let mut edits = Vec::new();
        let mut editor = Editor {
            transform,
            edits: &mut edits,
        };
        for step in &transform.steps {
            if matches!(step.kind, StepKind::Coerce { .. }) {
                let mut after = body.clone();
                editor.beside(&mut after);
                editor.add(&mut after);
                all.push(types(&body).or(types(&after)));
            }
            editor.step(&mut body, &step.kind);
        }
        editor.beside(&mut body);
        editor.add(&mut body);
    }
    all
}

struct Editor<'a> {
    transform: &'a Transform,
    edits: &'a mut Vec<Edit>,
}

impl Editor<'_> {
    fn step(&mut self, body: &mut Value, step: &StepKind) {
        match step {
            StepKind::Rename(renames) => {
                for (from, to) in renames {
                    self.rename(body, from, to);
                }
            }
            StepKind::Drop(fields) => {
                for field in fields {
                    self.drop(body, field);
                }
            }
            StepKind::Set { .. }
            | StepKind::Date { .. }
            | StepKind::Coerce { .. }
            | StepKind::Jq { .. } => {}
        }
    }

    /// What scripts rename and drop.
    fn beside(&mut self, body: &mut Value) {
        for (from, to) in &self.transform.mappings.rename {
            self.rename(body, from, to);
        }
        for field in &self.transform.mappings.drop {
            self.drop(body, field);
        }
    }

    /// What scripts and constants add.
    fn add(&mut self, body: &mut Value) {
        for (field, definition) in &self.transform.mappings.add {
            self.add_field(body, field, definition);
        }
    }

    fn note(
        &mut self,
        body: &Value,
        field: &str,
        change: (Option<Value>, Option<Value>),
        lossy: bool,
    ) {
        let section = section(body);
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
        let (below, new) = parent(to);
        let Some(definition) = fields(body, false).and_then(|fields| take(fields, from)) else {
            return;
        };
        let properties = fields(body, true).and_then(|fields| within(fields, below, true));
        let Some(properties) = properties else {
            // No object can be made there: the field stays where it was.
            let (above, old) = parent(from);
            let back = fields(body, true).and_then(|fields| within(fields, above, true));
            if let Some(properties) = back {
                properties.insert(old.to_owned(), definition);
            }
            return;
        };
        let before = properties.insert(new.to_owned(), definition.clone());
        self.note(body, from, (Some(definition.clone()), None), false);
        self.note(body, to, (before, Some(definition)), false);
        for (path, old, now) in follow(body, from, to) {
            self.edits.push(Edit {
                path: format!("{}.{path}", section(body)),
                before: Some(json!(old)),
                after: Some(json!(now)),
                rule: None,
                why: format!("transform {}", self.transform.name),
                lossy: false,
            });
        }
    }

    fn drop(&mut self, body: &mut Value, field: &str) {
        if let Some(definition) = fields(body, false).and_then(|fields| take(fields, field)) {
            // The documents lose it by the plan's own word; the mapping alone loses nothing more.
            self.note(body, field, (Some(definition), None), false);
        }
    }

    fn add_field(&mut self, body: &mut Value, field: &str, definition: &Value) {
        let (above, name) = parent(field);
        let Some(properties) = fields(body, true).and_then(|fields| within(fields, above, true))
        else {
            return;
        };
        let before = properties.insert(name.to_owned(), definition.clone());
        if before.as_ref() != Some(definition) {
            self.note(body, field, (before, Some(definition.clone())), false);
        }
    }
}

/// Where the mapping of a body stands.
fn section(body: &Value) -> &'static str {
    match body.get("template") {
        Some(Value::Object(_)) => "template.mappings",
        _ => "mappings",
    }
}

/// The mapping of a body, with `properties` at its top. It is made where there is none and `make` says so.
fn mapping(body: &mut Value, make: bool) -> Option<&mut Value> {
    let section = match body.get("template") {
        Some(Value::Object(_)) => body.get_mut("template")?,
        _ => body,
    };
    let section = section.as_object_mut()?;
    if make && !section.contains_key("mappings") {
        section.insert("mappings".into(), json!({}));
    }
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

fn fields(body: &mut Value, make: bool) -> Option<&mut Map<String, Value>> {
    fields_of(mapping(body, make)?, make)
}

fn fields_of(mapping: &mut Value, make: bool) -> Option<&mut Map<String, Value>> {
    let object = mapping.as_object_mut()?;
    if make && !object.contains_key("properties") {
        object.insert("properties".into(), json!({}));
    }
    object.get_mut("properties")?.as_object_mut()
}

/// What is left of a path behind a name; templates spell names with dots, too.
fn behind<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    path.strip_prefix(name)?.strip_prefix('.')
}

fn is_object(field: &Value) -> bool {
    field
        .get("type")
        .is_none_or(|it| it == "object" || it == "nested")
}

/// The fields of the object at a path among these (these, where the path is empty); made where they are not there and `make`
/// says so.
fn within<'f>(
    fields: &'f mut Map<String, Value>,
    path: &str,
    make: bool,
) -> Option<&'f mut Map<String, Value>> {
    if path.is_empty() {
        return Some(fields);
    }
    let known = fields
        .keys()
        .find(|name| *name == path || behind(path, name).is_some())
        .cloned();
    let (name, rest) = match &known {
        Some(name) => (name.as_str(), behind(path, name).unwrap_or_default()),
        None => path.split_once('.').unwrap_or((path, "")),
    };
    if known.is_none() {
        if !make {
            return None;
        }
        fields.insert(name.to_owned(), json!({ "properties": {} }));
    }
    let field = fields.get_mut(name).filter(|field| is_object(field))?;
    within(fields_of(field, make)?, rest, make)
}

/// Takes the field at a path out of these; one that is spelled by the names of its own fields alone (`a.b`, `a.c`) is put
/// together.
fn take(fields: &mut Map<String, Value>, path: &str) -> Option<Value> {
    if let Some(definition) = fields.remove(path) {
        return Some(definition);
    }
    let above: Vec<String> = fields
        .keys()
        .filter(|name| behind(path, name).is_some())
        .cloned()
        .collect();
    for name in above {
        let inner = fields.get_mut(&name).and_then(|it| fields_of(it, false));
        let rest = behind(path, &name).unwrap_or_default();
        if let Some(definition) = inner.and_then(|inner| take(inner, rest)) {
            return Some(definition);
        }
    }
    let below: Vec<String> = fields
        .keys()
        .filter(|name| behind(name, path).is_some())
        .cloned()
        .collect();
    let mut inner = Map::new();
    for name in below {
        if let (Some(rest), Some(definition)) = (behind(&name, path), fields.remove(&name)) {
            inner.insert(rest.to_owned(), definition);
        }
    }
    (!inner.is_empty()).then(|| json!({ "properties": inner }))
}

/// Fields that stand at a path or below it.
fn is_of(field: &str, path: &str) -> bool {
    field == path || behind(field, path).is_some()
}

/// Lets aliases and `copy_to` that name a renamed field follow it: the place within the mapping, what stood there, what
/// stands there now.
fn follow(body: &mut Value, from: &str, to: &str) -> Vec<(String, String, String)> {
    let mut followed = Vec::new();
    if let Some(mapping) = mapping(body, false) {
        references(mapping, "", &mut |place, text| {
            if is_of(text, from) {
                let now = format!("{to}{}", &text[from.len()..]);
                followed.push((place.to_owned(), text.clone(), now.clone()));
                *text = now;
            }
        });
    }
    followed
}

/// Shows each path that a field of a mapping names: of an alias, and in `copy_to`.
fn references(mapping: &mut Value, above: &str, show: &mut dyn FnMut(&str, &mut String)) {
    let Some(properties) = mapping.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, field) in properties {
        let place = match above {
            "" => format!("properties.{name}"),
            above => format!("{above}.properties.{name}"),
        };
        if field.get("type").is_some_and(|it| it == "alias")
            && let Some(Value::String(path)) = field.get_mut("path")
        {
            show(&format!("{place}.path"), path);
        }
        match field.get_mut("copy_to") {
            Some(Value::String(path)) => show(&format!("{place}.copy_to"), path),
            Some(Value::Array(paths)) => {
                for path in paths {
                    if let Value::String(path) = path {
                        show(&format!("{place}.copy_to"), path);
                    }
                }
            }
            _ => {}
        }
        references(field, &place, show);
    }
}

/// What still names a field that a transform took away: the place within the body and the field.
pub fn still_named(body: &Value, transform: &Transform) -> Vec<(String, String)> {
    let mut taken: Vec<&str> = Vec::new();
    for step in &transform.steps {
        match &step.kind {
            StepKind::Rename(renames) => {
                taken.extend(renames.iter().map(|(from, _)| from.as_str()));
            }
            StepKind::Drop(fields) => taken.extend(fields.iter().map(String::as_str)),
            _ => {}
        }
    }
    let edits = &transform.mappings;
    taken.extend(edits.rename.iter().map(|(from, _)| from.as_str()));
    taken.extend(edits.drop.iter().map(String::as_str));
    if taken.is_empty() {
        return Vec::new();
    }
    let mut body = body.clone();
    let at = section(&body);
    let mut found = Vec::new();
    // A field that came to be under the old name again is another one.
    if let Some(fields) = fields(&mut body, false) {
        taken.retain(|path| take(fields, path).is_none());
    }
    let gone = |text: &str| taken.iter().any(|path| is_of(text, path));
    let mut note = |place: String, text: &str| {
        if gone(text) {
            found.push((place, text.to_owned()));
        }
    };
    if let Some(mapping) = mapping(&mut body, false) {
        references(mapping, "", &mut |place, text| {
            note(format!("{at}.{place}"), text);
        });
        let templates = mapping.get("dynamic_templates").and_then(Value::as_array);
        for template in templates.into_iter().flatten() {
            for (name, rule) in template.as_object().into_iter().flatten() {
                for key in ["match", "path_match"] {
                    for text in texts(rule.get(key)) {
                        note(format!("{at}.dynamic_templates.{name}.{key}"), text);
                    }
                }
            }
        }
    }
    let settings = match body.get("template") {
        Some(Value::Object(template)) => template.get("settings"),
        _ => body.get("settings"),
    };
    for key in SETTINGS {
        for text in texts(settings.and_then(|it| it.get(*key))) {
            note(
                format!("{}.{key}", at.replace("mappings", "settings")),
                text,
            );
        }
    }
    found
}

/// Settings that name fields.
const SETTINGS: &[&str] = &["index.sort.field", "index.query.default_field"];

/// A text, or those of a list.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match value {
        Some(Value::String(text)) => (Some(text.as_str()), None),
        Some(Value::Array(texts)) => (None, Some(texts.iter().filter_map(Value::as_str))),
        _ => (None, None),
    };
    one.into_iter().chain(many.into_iter().flatten())
}
