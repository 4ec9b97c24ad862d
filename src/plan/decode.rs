//! Decoding a tree into typed values, going on after each error so that all are told at once.
//!
//! Relies on `syntax` for the tree and on `base` for units. Deliberately absent: which sections there are (`language`) and
//! what values mean together (`resolve`).

use std::path::{Path, PathBuf};

use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use super::codes::{Code, language as code};
use super::diagnostics::{Diagnostic, did_you_mean, one_of};
use super::location::{Location, Spanned};
use super::section::{Field, Need};
use super::syntax::{Entry, Node, Style, Value};

/// A part of the language.
pub(crate) trait Decode: Sized {
    /// The value, or `None` after telling why not.
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self>;

    /// The fields within, where it is a section or a choice.
    fn fields() -> Vec<Field> {
        Vec::new()
    }

    /// Its JSON schema.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// What decoding needs beside the tree: where findings go and what paths are relative to.
pub(crate) struct Context<'a> {
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
    /// The directory of each file.
    pub(crate) directories: &'a [PathBuf],
}

impl Context<'_> {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn error(&mut self, code: Code, message: impl Into<String>, at: Location) {
        self.push(Diagnostic::new(code, message).at(at));
    }

    /// The path that a text in a file means.
    pub(crate) fn path(&self, text: &str, location: Location) -> PathBuf {
        let directory = self
            .directories
            .get(location.file as usize)
            .map_or(Path::new(""), PathBuf::as_path);
        normal(&directory.join(text))
    }

    /// The entries of a map; tells of anything else.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        self.error(
            code::WRONG_TYPE,
            format!("expected {what}, found {}", node.kind()),
            node.location,
        );
        None
    }

    /// Tells of keys that are given twice; gives each once, the first.
    pub(crate) fn unique<'n>(&mut self, entries: &'n [Entry]) -> Vec<&'n Entry> {
        let mut unique: Vec<&Entry> = Vec::with_capacity(entries.len());
        let mut seen = std::collections::HashMap::new();
        for entry in entries {
            if let Some(first) = seen.insert(entry.key.as_str(), entry.key_location) {
                seen.insert(entry.key.as_str(), first);
                self.push(
                    Diagnostic::new(
                        code::DUPLICATE_KEY,
                        format!("`{}` is given twice", entry.key),
                    )
                    .at(entry.key_location)
                    .related(first, "given here first")
                    .help("remove one of the two"),
                );
            } else {
                unique.push(entry);
            }
        }
        unique
    }

    /// The entries of a section, after telling of unknown and duplicate keys.
    pub(crate) fn keys<'n>(
        &mut self,
        node: &'n Node,
        fields: &[Field],
        later: &[&str],
    ) -> Option<Vec<&'n Entry>> {
        let names = || fields.iter().map(|field| field.name.as_str());
        let entries = self.entries(node, &format!("a map with {}", short_list(names())))?;
        let mut known = Vec::new();
        for entry in self.unique(entries) {
            let key = entry.key.as_str();
            if names().any(|name| name == key) {
                known.push(entry);
            } else if later.contains(&key) {
                self.push(not_yet(key, entry.key_location));
            } else {
                let suggestion = did_you_mean(key, names());
                self.push(
                    Diagnostic::new(code::UNKNOWN_KEY, format!("unknown key `{key}`"))
                        .at(entry.key_location)
                        .help(match suggestion {
                            Some(name) => format!("did you mean `{name}`?"),
                            None => format!("the keys here are {}", one_of(names())),
                        }),
                );
            }
        }
        Some(known)
    }

    /// One field of a section.
    pub(crate) fn field<T: Decode>(
        &mut self,
        node: &Node,
        keys: &[&Entry],
        name: &str,
        need: Need,
    ) -> Option<T> {
        if let Some(entry) = keys.iter().find(|entry| entry.key == name) {
            return T::decode(&entry.value, self);
        }
        match need {
            Need::Optional => None,
            Need::Required => {
                // The one key whose absence means that the file may be no plan at all.
                let diagnostic = if name == "mig" {
                    Diagnostic::new(code::FORMAT_VERSION, "the file doesn't begin with `mig: 1`")
                        .help("write `mig: 1` as the first line")
                } else {
                    Diagnostic::new(code::MISSING_KEY, format!("`{name}` is missing"))
                        .help(format!("add `{name}: …`"))
                };
                self.push(diagnostic.at(start_of(node)));
                None
            }
            Need::Default(text) => {
                let json = super::section::json_text(text);
                T::decode(&Node::from_json(&json, node.location), self)
            }
        }
    }

    /// The one entry of a choice.
    pub(crate) fn single<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        names: &[&str],
        later: &[&str],
    ) -> Option<&'n Entry> {
        let expected = format!("{what} ({})", one_of(names.iter().copied()));
        let entries = self.entries(node, &expected)?;
        let entries = self.unique(entries);
        let mut chosen: Vec<&Entry> = Vec::new();
        let mut told = false;
        let kinds = entries
            .iter()
            .filter(|entry| names.contains(&entry.key.as_str()))
            .count();
        for entry in &entries {
            let key = entry.key.as_str();
            if names.contains(&key) {
                chosen.push(entry);
            } else if later.contains(&key) {
                told = true;
                self.push(not_yet(key, entry.key_location));
            } else {
                told = true;
                let common = ["after", "timeout"].contains(&key) && kinds == 1;
                let suggestion = did_you_mean(key, names.iter().copied());
                let help = match suggestion {
                    _ if common => {
                        let kind = entries
                            .iter()
                            .find(|entry| names.contains(&entry.key.as_str()))
                            .map_or("", |entry| entry.key.as_str());
                        format!("put `{key}` inside `{kind}`")
                    }
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("{what} is {}", one_of(names.iter().copied())),
                };
                self.push(
                    Diagnostic::new(code::UNKNOWN_KEY, format!("unknown key `{key}`"))
                        .at(entry.key_location)
                        .help(help),
                );
            }
        }
        match chosen.as_slice() {
            [only] => Some(only),
            [] => {
                if !told {
                    self.push(
                        Diagnostic::new(code::MISSING_KEY, format!("expected {expected}"))
                            .at(start_of(node)),
                    );
                }
                None
            }
            [first, second, ..] => {
                self.push(
                    Diagnostic::new(
                        code::ONE_OF_SEVERAL,
                        format!("`{}` and `{}` can't stand together", first.key, second.key),
                    )
                    .at(second.key_location)
                    .related(first.key_location, "the other one")
                    .help(format!(
                        "{what} is exactly one of {}",
                        one_of(names.iter().copied())
                    )),
                );
                None
            }
        }
    }

    /// The text of a scalar; tells of anything else.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<(&'n str, Style)> {
        match &node.value {
            Value::Scalar(scalar) if scalar.style == Style::Poisoned => None,
            Value::Scalar(scalar) => Some((&scalar.text, scalar.style)),
            _ => {
                self.error(
                    code::WRONG_TYPE,
                    format!("expected {expected}, found {}", node.kind()),
                    node.location,
                );
                None
            }
        }
    }
}

/// The place of a section, shortened so that a message doesn't mark a whole block.
pub(crate) fn start_of(node: &Node) -> Location {
    first_of(node.location)
}

/// The first character of a place.
pub(crate) fn first_of(location: Location) -> Location {
    Location {
        end: location.end.min(location.start.saturating_add(1)),
        ..location
    }
}

pub(crate) fn not_yet(word: &str, at: Location) -> Diagnostic {
    Diagnostic::new(
        code::NOT_YET,
        format!("`{word}` is not in this version of mig yet"),
    )
    .at(at)
    .help("remove it, or keep the plan for the version that has it")
}

fn short_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.len() > 4 {
        let first: Vec<String> = names
            .iter()
            .take(3)
            .map(|name| format!("`{name}`"))
            .collect();
        format!("{}, …", first.join(", "))
    } else {
        one_of(names)
    }
}

/// Takes `.` and `x/..` out of a path, by its text alone.
pub(crate) fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(normal.components().next_back(), Some(Component::Normal(_))) =>
            {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    if normal.as_os_str().is_empty() {
        normal.push(".");
    }
    normal
}

/// A schema from a JSON literal.
pub(crate) fn schema_of(json: serde_json::Value) -> Schema {
    json.try_into().unwrap_or_default()
}

/// A schema that also accepts a text with a substitution.
pub(crate) fn or_substitution(json: &serde_json::Value) -> Schema {
    schema_of(json!({ "anyOf": [json, { "type": "string", "pattern": "\\$\\{" }] }))
}

impl<T: Decode> Decode for Vec<T> {
    /// A list, or a single item without brackets.
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::List(items) => {
                let decoded: Vec<Option<T>> =
                    items.iter().map(|item| T::decode(item, cx)).collect();
                decoded.into_iter().collect()
            }
            _ => T::decode(node, cx).map(|item| vec![item]),
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let item = T::schema(generator).to_value();
        schema_of(json!({ "anyOf": [item, { "type": "array", "items": item }] }))
    }
}

/// A map from free names to values, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Named<T>(pub(crate) Vec<(Spanned<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        if matches!(node.value, Value::Null) {
            return Some(Self::default());
        }
        let entries = cx.entries(node, "a map of names")?;
        let mut named = Vec::new();
        for entry in cx.unique(entries) {
            if let Some(value) = T::decode(&entry.value, cx) {
                named.push((Spanned::new(entry.key.clone(), entry.key_location), value));
            }
        }
        Some(Self(named))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let item = T::schema(generator).to_value();
        schema_of(json!({ "type": "object", "additionalProperties": item }))
    }
}

/// A tree that `expand` decodes when more is known.
#[derive(Clone, Debug)]
pub(crate) struct Later;

impl Decode for Later {
    fn decode(_: &Node, _: &mut Context<'_>) -> Option<Self> {
        Some(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema_of(json!({ "type": "object" }))
    }
}
