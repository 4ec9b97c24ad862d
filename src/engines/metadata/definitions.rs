//! What rules do to fields: parameters dropped, definitions changed, each with an edit that shows what was there.
//!
//! Relies on `draft` for the edits and on `fields` for the walk. Deliberately absent: which fields and why.

use serde_json::{Map, Value};

use super::draft::{Change, Draft};
use super::fields::{At, each_field, each_field_at};
use super::rule::Rule;

/// What a definition is without the fields below it.
fn own(field: &Map<String, Value>) -> Map<String, Value> {
    field
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "properties" | "fields"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl Draft {
    /// Changes the definitions that are `meant`; one edit for each that is another one afterwards.
    pub(super) fn change_fields(
        &mut self,
        rule: &'static Rule,
        meant: &dyn Fn(At<'_>, &Map<String, Value>) -> bool,
        change: &dyn Fn(At<'_>, &mut Map<String, Value>),
    ) {
        let mut changed = Vec::new();
        each_field_at(&mut self.mappings, &mut |at, field| {
            if !meant(at, field) {
                return;
            }
            let before = own(field);
            change(at, field);
            let after = own(field);
            if before != after {
                changed.push((at.path.to_owned(), before, after));
            }
        });
        for (path, before, after) in changed {
            let change = Change {
                path: &path,
                before: Some(Value::Object(before)),
                after: Some(Value::Object(after)),
            };
            self.note(rule, change);
        }
    }

    /// Drops parameters from the definitions that are `meant`, each with an edit.
    pub(super) fn drop_parameters(
        &mut self,
        rule: &'static Rule,
        names: &[&str],
        meant: &dyn Fn(&str, &Map<String, Value>) -> bool,
    ) {
        let mut dropped = Vec::new();
        each_field(&mut self.mappings, &mut |path, field| {
            for name in names {
                if field.contains_key(*name)
                    && meant(name, field)
                    && let Some(value) = field.remove(*name)
                {
                    dropped.push((format!("{path}.{name}"), value));
                }
            }
        });
        self.note_dropped(rule, dropped);
    }

    /// Drops what stands at the root of the mapping and is `meant`, each with an edit.
    pub(super) fn drop_at_root(
        &mut self,
        rule: &'static Rule,
        meant: &dyn Fn(&str, &Value) -> bool,
    ) {
        let Value::Object(root) = &mut self.mappings else {
            return;
        };
        let names: Vec<String> = root
            .iter()
            .filter(|(name, value)| meant(name, value))
            .map(|(name, _)| name.clone())
            .collect();
        let dropped = names
            .into_iter()
            .filter_map(|name| {
                let value = root.remove(&name)?;
                Some((format!("mappings.{name}"), value))
            })
            .collect();
        self.note_dropped(rule, dropped);
    }

    /// Leaves edits for what was taken out.
    pub(super) fn note_dropped(&mut self, rule: &'static Rule, dropped: Vec<(String, Value)>) {
        for (path, value) in dropped {
            let change = Change {
                path: &path,
                before: Some(value),
                after: None,
            };
            self.note(rule, change);
        }
    }

    /// Sets a setting, with an edit where it was another one.
    pub(super) fn set_setting(&mut self, rule: &'static Rule, key: &str, value: Value) {
        let before = self.settings.insert(key.to_owned(), value.clone());
        if before.as_ref() == Some(&value) {
            return;
        }
        let path = format!("settings.{key}");
        let change = Change {
            path: &path,
            before,
            after: Some(value),
        };
        self.note(rule, change);
    }

    /// Replaces or removes something at a path of the mapping's root, with an edit.
    pub(super) fn note_at(
        &mut self,
        rule: &'static Rule,
        path: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) {
        self.note(
            rule,
            Change {
                path,
                before,
                after,
            },
        );
    }

    /// The text of a setting.
    pub(super) fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).and_then(Value::as_str)
    }
}
