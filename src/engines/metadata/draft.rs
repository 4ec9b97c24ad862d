//! An object on its way through the rules: its settings and mappings taken apart, and the edits that the rules leave.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::rule::Rule;
use crate::base::settings::{meant, normal_settings};
use crate::diff::change::Edit;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::mapping_types::Route;

/// Settings and mappings of one object, and all that it has besides.
pub(super) struct Draft {
    pub(super) kind: ObjectKind,
    pub(super) settings: Map<String, Value>,
    pub(super) mappings: Value,
    /// Number of shards that routing is computed with, where the source has that beside its settings.
    pub(super) routing_num_shards: Option<u64>,
    /// How its mapping types are taken, where they are more than a name: stands beside its settings.
    pub(super) route: Option<Route>,
    pub(super) held_back: Map<String, Value>,
    /// Settings that the target said it does not know.
    pub(super) unknown: BTreeSet<String>,
    pub(super) edits: Vec<Edit>,
    /// What the body has besides settings and mappings; of a nested template, the rest of `template` stands here too. Of an
    /// object that has neither, its whole body.
    pub(super) beside: Map<String, Value>,
    had_settings: bool,
    had_mappings: bool,
}

/// What a rule leaves behind.
pub(super) struct Change<'a> {
    pub(super) path: &'a str,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Draft {
    pub(super) fn new(key: &ObjectKey, body: &Value, unknown: &BTreeSet<String>) -> Self {
        let mut beside = body.as_object().cloned().unwrap_or_default();
        if !key.kind.has_index_settings() {
            return Self {
                kind: key.kind,
                settings: Map::new(),
                mappings: Value::Null,
                routing_num_shards: None,
                route: None,
                held_back: Map::new(),
                unknown: BTreeSet::new(),
                edits: Vec::new(),
                beside,
                had_settings: false,
                had_mappings: false,
            };
        }
        let nested = is_nested(key.kind);
        let mut template = match nested.then(|| beside.remove("template")).flatten() {
            Some(Value::Object(template)) => Some(template),
            _ => None,
        };
        let from = template.as_mut().unwrap_or(&mut beside);
        let settings = from.remove("settings");
        let mappings = from.remove("mappings");
        if let Some(template) = template {
            beside.insert("template".into(), Value::Object(template));
        }
        let routing_num_shards = beside
            .remove("routing_num_shards")
            .and_then(|shards| shards.as_u64());
        let route = beside.remove("types");
        Self {
            kind: key.kind,
            route: route.and_then(|route| serde_json::from_value(route).ok()),
            had_settings: settings.is_some(),
            had_mappings: mappings.is_some(),
            settings: settings.as_ref().map(normal_settings).unwrap_or_default(),
            mappings: mappings.unwrap_or_else(|| Value::Object(Map::new())),
            routing_num_shards,
            held_back: Map::new(),
            unknown: unknown.clone(),
            edits: Vec::new(),
            beside,
        }
    }

    /// The body as the target is to have it.
    pub(super) fn into_body(self) -> (Value, Vec<Edit>) {
        let mut body = self.beside;
        let is_index = self.kind == ObjectKind::Index;
        let settings = (is_index || self.had_settings || !self.settings.is_empty())
            .then_some(Value::Object(self.settings));
        let mappings = (is_index || self.had_mappings).then_some(self.mappings);
        let mut into = |name: &str, value: Option<Value>| {
            let Some(value) = value else { return };
            if is_nested(self.kind) {
                let template = body
                    .entry("template")
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(template) = template {
                    template.insert(name.to_owned(), value);
                }
            } else {
                body.insert(name.to_owned(), value);
            }
        };
        into("settings", settings);
        into("mappings", mappings);
        if !self.held_back.is_empty() {
            let mut section = Map::new();
            section.insert("settings".into(), Value::Object(self.held_back));
            body.insert("held_back".into(), Value::Object(section));
        }
        (Value::Object(body), self.edits)
    }

    /// The path of something in settings or mappings, as people see it.
    pub(super) fn path(&self, below: &str) -> String {
        if is_nested(self.kind) {
            format!("template.{below}")
        } else {
            below.to_owned()
        }
    }

    /// Notes what a rule did.
    pub(super) fn note(&mut self, rule: &'static Rule, change: Change<'_>) {
        let path = self.path(change.path);
        let path = path.as_str();
        self.note_whole(rule, Change { path, ..change });
    }

    /// Notes what a rule did outside of settings and mappings: the path is that of the whole body.
    pub(super) fn note_whole(&mut self, rule: &'static Rule, change: Change<'_>) {
        self.edits.push(Edit {
            path: change.path.to_owned(),
            before: change.before,
            after: change.after,
            rule: Some(rule.code.to_owned()),
            why: rule.why.to_owned(),
            lossy: rule.lossy,
        });
    }

    /// Notes that something besides settings and mappings was taken out, by its whole path.
    pub(super) fn note_beside(&mut self, rule: &'static Rule, path: String, before: Value) {
        self.edits.push(Edit {
            path,
            before: Some(before),
            after: None,
            rule: Some(rule.code.to_owned()),
            why: rule.why.to_owned(),
            lossy: rule.lossy,
        });
    }

    /// Takes out the settings that any of the patterns means, in the order of their keys.
    pub(super) fn take_settings(&mut self, patterns: &[&str]) -> Vec<(String, Value)> {
        let keys: Vec<String> = self
            .settings
            .keys()
            .filter(|key| patterns.iter().any(|pattern| meant(pattern, key)))
            .cloned()
            .collect();
        keys.into_iter()
            .filter_map(|key| self.settings.remove(&key).map(|value| (key, value)))
            .collect()
    }

    /// Drops settings, each with an edit.
    pub(super) fn drop_settings(&mut self, rule: &'static Rule, patterns: &[&str]) {
        for (key, value) in self.take_settings(patterns) {
            let path = format!("settings.{key}");
            self.note(
                rule,
                Change {
                    path: &path,
                    before: Some(value),
                    after: None,
                },
            );
        }
    }

    /// Holds settings back until the documents are proved, each with an edit.
    pub(super) fn hold_back(&mut self, rule: &'static Rule, patterns: &[&str]) {
        for (key, value) in self.take_settings(patterns) {
            let path = format!("settings.{key}");
            self.held_back.insert(key, value.clone());
            self.note(
                rule,
                Change {
                    path: &path,
                    before: Some(value),
                    after: None,
                },
            );
        }
    }
}

/// Whether settings and mappings stand under `template`.
pub(super) fn is_nested(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::ComponentTemplate | ObjectKind::IndexTemplate
    )
}
