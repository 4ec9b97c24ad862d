//! What the target is to have: the selected objects of the snapshot, translated. Pure.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::super::common;
use super::global::PERSISTENT;
use crate::base::version::{Product, ProductVersion, Version};
use crate::diff::change::{Edit, LeftOut};
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind};
use crate::engines::metadata::{
    Level, Rule, Versions, built_in, system_index, translate, unmovable,
};
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
    let mut wanted = Vec::new();
    let mut left_out = Vec::new();
    let indices: HashSet<&str> = observed
        .source_objects
        .iter()
        .filter(|(key, body)| {
            key.kind == ObjectKind::Index && reason_to_leave_out(spec, key, body).is_none()
        })
        .map(|(key, _)| key.name.as_str())
        .collect();
    for (key, body) in &observed.source_objects {
        if let Some(reason) = reason_to_leave_out(spec, key, body) {
            left_out.push(reason);
            continue;
        }
        if let Some(reason) = unmovable(key, body, versions) {
            left_out.push(LeftOut {
                object: key.kind.as_str().to_owned(),
                name: key.name.clone(),
                reason,
            });
            continue;
        }
        let mut body = body.clone();
        if key.kind == ObjectKind::ClusterSettings
            && !keep_selected_settings(spec, &mut body, &mut left_out)
        {
            continue;
        }
        if key.kind == ObjectKind::Alias && !keep_selected_indices(&indices, &mut body) {
            left_out.push(LeftOut {
                object: key.kind.as_str().to_owned(),
                name: key.name.clone(),
                reason: "none of its indices is selected".into(),
            });
            continue;
        }
        let closed = match body.as_object_mut() {
            Some(fields) => fields.remove("closed") == Some(json!(true)),
            None => false,
        };
        let translation = translate(key, &body, versions, &observed.unknown_settings);
        if key.kind == ObjectKind::ClusterSettings && all_taken_out(&translation.body) {
            left_out.extend(translation.edits.iter().map(|edit| LeftOut {
                object: "cluster setting".into(),
                name: edit.path.trim_start_matches("persistent.").to_owned(),
                reason: edit.why.clone(),
            }));
            continue;
        }
        let denied = translation
            .findings
            .iter()
            .map(|finding| finding.rule)
            .filter(|rule| level(spec, rule) == Level::Deny)
            .collect();
        wanted.push(Desired {
            key: key.clone(),
            body: translation.body,
            edits: translation.edits,
            denied,
            closed,
        });
    }
    left_out.extend(observed.not_moved.iter().cloned());
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
    let include = &spec.include;
    let selector = match key.kind {
        ObjectKind::Index => &include.indices,
        ObjectKind::IndexTemplate | ObjectKind::LegacyTemplate => &include.templates,
        ObjectKind::ComponentTemplate => &include.component_templates,
        ObjectKind::Alias => &include.aliases,
        ObjectKind::IngestPipeline | ObjectKind::SearchPipeline => &include.pipelines,
        ObjectKind::Script => &include.scripts,
        ObjectKind::LifecyclePolicy | ObjectKind::SnapshotPolicy => &include.policies,
        ObjectKind::Role | ObjectKind::RoleMapping => &include.security,
        // Chosen key by key.
        ObjectKind::ClusterSettings => return None,
    };
    let named = selector.patterns().any(|pattern| pattern == key.name);
    if let Some(reason) = built_in(key, body)
        && !named
    {
        return leave(&reason);
    }
    if key.kind == ObjectKind::Index
        && !selector.matches(&key.name)
        && let Some(reason) = system_index(&key.name)
    {
        return leave(reason);
    }
    if let Some(left_out) = common::left_out(selector, object, &key.name) {
        return match by_choice(key) {
            Some(reason) if selector.is_empty() => leave(&reason),
            _ => Some(left_out),
        };
    }
    if spec.closed == Closed::Skip && body.get("closed") == Some(&json!(true)) {
        return leave("closed, and the plan says `closed: skip`");
    }
    None
}

/// Whether the rules left no setting of the cluster.
fn all_taken_out(body: &Value) -> bool {
    let settings = body.get(PERSISTENT).and_then(Value::as_object);
    settings.is_none_or(Map::is_empty)
}

/// Kinds that are moved only where a plan names them, and why.
fn by_choice(key: &ObjectKey) -> Option<String> {
    let (section, why) = match key.kind {
        ObjectKind::LifecyclePolicy => ("policies", "it may delete indices"),
        ObjectKind::SnapshotPolicy => ("policies", "it takes and deletes snapshots"),
        ObjectKind::Role | ObjectKind::RoleMapping => ("security", "it says who may do what"),
        _ => return None,
    };
    Some(format!(
        "moved by choice alone, since {why}: `include: {{ {section}: [\"*\"] }}`"
    ))
}

/// Takes out the settings of the cluster that are not chosen; says whether any is left.
fn keep_selected_settings(
    spec: &MetadataSpec,
    body: &mut Value,
    left_out: &mut Vec<LeftOut>,
) -> bool {
    let selector = &spec.include.cluster_settings;
    let Some(Value::Object(settings)) = body.get_mut(PERSISTENT) else {
        return false;
    };
    settings.retain(|key, _| {
        let Some(mut reason) = common::left_out(selector, "cluster setting", key) else {
            return true;
        };
        if selector.is_empty() {
            reason.reason = "moved by choice alone, since it was made for another cluster: \
                             `include: { cluster-settings: [\"*\"] }`"
                .into();
        }
        left_out.push(reason);
        false
    });
    !settings.is_empty()
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
