//! What the target is to have: the selected objects of the snapshot, translated. Pure.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::super::common;
use super::streams;
use crate::base::version::{Product, ProductVersion, Version};
use crate::diff::change::{Edit, Item, LeftOut};
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind};
use crate::engines::metadata::{Level, Rule, Versions, built_in, translate};
use crate::plan::model::{Closed, MetadataSpec, RuleLevel};

/// One object that the target is to have.
pub(super) struct Desired {
    /// Which.
    pub(super) key: ObjectKey,
    /// Its body, with what is held back.
    pub(super) body: Value,
    /// What the rules changed.
    pub(super) edits: Vec<Edit>,
    /// Rules that found something and stand as `deny`.
    pub(super) denied: Vec<&'static Rule>,
    /// Whether it is closed at the end.
    pub(super) closed: bool,
    /// What has to be answered before it can be made.
    pub(super) open: Option<Box<Item>>,
}

/// What objects are translated by.
pub(super) struct Wanting<'a> {
    spec: &'a MetadataSpec,
    versions: Versions,
    unknown: &'a BTreeSet<String>,
}

impl Wanting<'_> {
    /// An object as the target is to have it.
    pub(super) fn translated(&self, key: &ObjectKey, mut body: Value) -> Desired {
        let closed = match body.as_object_mut() {
            Some(fields) => fields.remove("closed") == Some(json!(true)),
            None => false,
        };
        let translation = translate(key, &body, self.versions, self.unknown);
        let denied = translation
            .findings
            .iter()
            .map(|finding| finding.rule)
            .filter(|rule| level(self.spec, rule) == Level::Deny)
            .collect();
        Desired {
            key: key.clone(),
            body: translation.body,
            edits: translation.edits,
            denied,
            closed,
            open: None,
        }
    }
}

/// What stands behind a level in the plan, or the rule's own.
fn level(spec: &MetadataSpec, rule: &Rule) -> Level {
    match spec.rules.get(rule.code) {
        Some(RuleLevel::Allow) => Level::Allow,
        Some(RuleLevel::Warn) => Level::Warn,
        Some(RuleLevel::Deny) => Level::Deny,
        None => rule.level,
    }
}

/// The objects in the order of their creation, and those that are left out with the reason.
pub(super) fn desired(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
) -> (Vec<Desired>, Vec<LeftOut>) {
    let source = observed.source.unwrap_or(ProductVersion {
        product: Product::Elasticsearch,
        version: Version::new(7, 10, 2),
    });
    let versions = Versions {
        source,
        target: observed.target,
    };
    let wanting = Wanting {
        spec,
        versions,
        unknown: &observed.unknown_settings,
    };
    let mut wanted = Vec::new();
    let mut left_out = Vec::new();
    let indices: HashSet<&str> = observed
        .source_objects
        .iter()
        .filter(|(key, body)| {
            key.kind == ObjectKind::Index
                && streams::stream_of(key, body).is_none()
                && reason_to_leave_out(spec, key, body).is_none()
        })
        .map(|(key, _)| key.name.as_str())
        .collect();
    for (key, body) in &observed.source_objects {
        if streams::stream_of(key, body).is_some() {
            continue;
        }
        if let Some(reason) = reason_to_leave_out(spec, key, body) {
            left_out.push(reason);
            continue;
        }
        let mut body = body.clone();
        if key.kind == ObjectKind::Alias && !keep_selected_indices(&indices, &mut body) {
            left_out.push(LeftOut {
                object: key.kind.as_str().to_owned(),
                name: key.name.clone(),
                reason: "none of its indices is selected".into(),
            });
            continue;
        }
        wanted.push(wanting.translated(key, body));
    }
    streams::add(spec, observed, &wanting, &mut wanted, &mut left_out);
    wanted.sort_by(|left, right| left.key.cmp(&right.key));
    left_out.sort();
    (wanted, left_out)
}

fn reason_to_leave_out(spec: &MetadataSpec, key: &ObjectKey, body: &Value) -> Option<LeftOut> {
    let object = key.kind.as_str();
    let leave = |reason: &str| {
        Some(LeftOut {
            object: object.to_owned(),
            name: key.name.clone(),
            reason: reason.to_owned(),
        })
    };
    let selector = match key.kind {
        ObjectKind::Index | ObjectKind::DataStream => &spec.include.indices,
        ObjectKind::IndexTemplate | ObjectKind::LegacyTemplate => &spec.include.templates,
        ObjectKind::ComponentTemplate => &spec.include.component_templates,
        ObjectKind::Alias => &spec.include.aliases,
    };
    let named = selector.patterns().any(|pattern| pattern == key.name);
    if let Some(reason) = built_in(key, body)
        && !named
    {
        return leave(reason);
    }
    if let Some(left_out) = common::left_out(selector, object, &key.name) {
        return Some(left_out);
    }
    if spec.closed == Closed::Skip && body.get("closed") == Some(&json!(true)) {
        return leave("closed, and the plan says `closed: skip`");
    }
    None
}

/// An alias is made over those of its indices that are moved.
fn keep_selected_indices(selected: &HashSet<&str>, body: &mut Value) -> bool {
    let Some(Value::Object(indices)) = body.get_mut("indices") else {
        return false;
    };
    let kept: Map<String, Value> = indices
        .iter()
        .filter(|(name, _)| selected.contains(name.as_str()))
        .map(|(name, definition)| (name.clone(), definition.clone()))
        .collect();
    *indices = kept;
    !indices.is_empty()
}
