//! What the target is to have: the selected objects of the snapshot, translated. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::super::common;
use super::super::streams::choice;
use super::super::transforms::Names;
use super::findings::{self, Finding};
use super::global::PERSISTENT;
use super::streams;
use super::through::Reaching;
use crate::base::version::{Product, ProductVersion, Version};
use crate::diff::change::{Edit, Item, LeftOut};
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind};
use crate::engines::mapping_types::{Chosen, Problem, choose, rule_for};
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
    /// What has to be answered before it can be made.
    pub(super) open: Option<Box<Item>>,
    /// What stands against taking its mapping types as the plan says: it is not made before that is answered.
    pub(super) problems: Vec<Problem>,
    /// What of it the target could not take.
    pub(super) findings: Vec<Finding>,
}

/// What objects are translated by.
pub(super) struct Wanting<'a> {
    spec: &'a MetadataSpec,
    versions: Versions,
    unknown: &'a BTreeSet<String>,
    reaching: Reaching<'a>,
}

impl Wanting<'_> {
    /// An object as the target is to have it.
    pub(super) fn translated(&self, key: &ObjectKey, body: Value) -> Desired {
        let names = Names::new(None, &key.name, &key.name, None);
        self.translated_of(key, body, &names)
    }

    /// An index as the target is to have it, by the names that transforms mean it by.
    pub(super) fn translated_of(&self, key: &ObjectKey, mut body: Value, names: &Names) -> Desired {
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
        let mut body = translation.body;
        let mut edits = translation.edits;
        edits.extend(match key.kind {
            ObjectKind::Index => self.reaching.index(&mut body, names),
            _ => self.reaching.template(key, &mut body),
        });
        Desired {
            key: key.clone(),
            body,
            edits,
            denied,
            closed,
            open: None,
            problems: Vec::new(),
            findings: Vec::new(),
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

/// What the mapping types of an index come to.
fn chosen(spec: &MetadataSpec, observed: &MetadataObservation, name: &str, body: &Value) -> Chosen {
    let Some(facts) = observed.types.get(name) else {
        return Chosen::default();
    };
    let mappings: Vec<(&str, &Value)> = body
        .get("mappings")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, mapping)| (name.as_str(), mapping))
        .collect();
    choose(rule_for(&spec.types, name), name, facts, Some(&mappings))
}

/// The objects of the source, and those that the target is to have instead of indices with types and of those behind data
/// streams.
pub(super) fn keys(spec: &MetadataSpec, observed: &MetadataObservation) -> Vec<ObjectKey> {
    let mut keys: Vec<ObjectKey> = Vec::with_capacity(observed.source_objects.len());
    for (key, body) in &observed.source_objects {
        if streams::stream_of(key, body).is_some() {
            continue;
        }
        keys.push(key.clone());
        if key.kind != ObjectKind::Index || !observed.types.contains_key(&key.name) {
            continue;
        }
        for route in chosen(spec, observed, &key.name, body).routes {
            if route.to != key.name {
                keys.push(index(&route.to));
            }
        }
        if has_alias(spec, &key.name) {
            keys.push(alias(&key.name));
        }
    }
    keys.extend(streams::keys(spec, observed));
    keys.sort();
    keys.dedup();
    keys
}

fn index(name: &str) -> ObjectKey {
    ObjectKey {
        kind: ObjectKind::Index,
        name: name.to_owned(),
    }
}

fn alias(name: &str) -> ObjectKey {
    ObjectKey {
        kind: ObjectKind::Alias,
        name: name.to_owned(),
    }
}

/// Whether an alias of an index's name goes over those that its types are split into.
fn has_alias(spec: &MetadataSpec, index: &str) -> bool {
    rule_for(&spec.types, index).is_some_and(|(_, rule)| rule.alias)
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
        reaching: reaching(spec, observed),
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
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, body) in &observed.source_objects {
        if streams::stream_of(key, body).is_some() {
            continue;
        }
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
        if key.kind == ObjectKind::Alias {
            over_parts(&parts, &mut body);
        }
        let chosen = match key.kind {
            ObjectKind::Index => chosen(spec, observed, &key.name, &body),
            _ => Chosen::default(),
        };
        if chosen.routes.is_empty() {
            let object = Desired {
                problems: chosen.problems,
                ..wanting.translated(key, body)
            };
            if key.kind == ObjectKind::ClusterSettings && all_taken_out(&object.body) {
                left_out.extend(object.edits.into_iter().map(|edit| LeftOut {
                    object: "cluster setting".into(),
                    name: edit.path.trim_start_matches("persistent.").to_owned(),
                    reason: edit.why,
                }));
            } else {
                wanted.push(object);
            }
            continue;
        }
        let split = chosen.routes.iter().any(|route| route.to != key.name);
        for route in &chosen.routes {
            let mut body = body.clone();
            body["types"] = json!(route);
            let names = Names::new(None, &route.to, &key.name, None);
            wanted.push(wanting.translated_of(&index(&route.to), body, &names));
        }
        if split && has_alias(spec, &key.name) {
            let over: Map<String, Value> = chosen
                .routes
                .iter()
                .map(|route| (route.to.clone(), json!({})))
                .collect();
            let body = json!({ "indices": over });
            wanted.push(wanting.translated(&alias(&key.name), body));
        }
        if split {
            let names = chosen.routes.into_iter().map(|route| route.to).collect();
            parts.insert(&key.name, names);
        }
    }
    streams::add(spec, observed, &wanting, &mut wanted, &mut left_out);
    // In the order of kinds, aliases of splits and streams among the others.
    wanted.sort_by(|left, right| left.key.cmp(&right.key));
    findings::find(spec, observed, &mut wanted);
    if !keeps_templates_out(observed.target) {
        // Otherwise those of the plan would add to its own indices.
        wanted.sort_by_key(|object| object.key.kind == ObjectKind::LegacyTemplate);
    }
    left_out.extend(observed.not_moved.iter().cloned());
    left_out.sort();
    (wanted, left_out)
}

/// Whether an index is made there without what templates would add to it: by a composable template above all others, which
/// Elasticsearch has from 7.8 on.
fn keeps_templates_out(target: ProductVersion) -> bool {
    target.product == Product::OpenSearch || target.version.floor() >= (7, 8, 0)
}

/// Which transforms are for which of the objects that are moved.
pub(super) fn reaching<'a>(
    spec: &'a MetadataSpec,
    observed: &'a MetadataObservation,
) -> Reaching<'a> {
    let choice = choice(spec.data_streams, observed.target);
    let moved = observed.source_objects.iter().filter_map(|(key, body)| {
        let stream = streams::stream_of(key, body);
        let moved = match stream {
            Some(stream) => streams::takes(spec, choice, &key.name, stream),
            None => reason_to_leave_out(spec, key, body).is_none(),
        };
        moved.then_some((key, body, stream))
    });
    Reaching::new(&spec.transforms, choice, moved)
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
        ObjectKind::Index | ObjectKind::DataStream => &include.indices,
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

/// An alias over an index that is split is over all of its parts.
fn over_parts(parts: &BTreeMap<&str, Vec<String>>, body: &mut Value) {
    let Some(Value::Object(indices)) = body.get_mut("indices") else {
        return;
    };
    for (name, parts) in parts {
        if let Some(definition) = indices.remove(*name) {
            for part in parts {
                indices.insert(part.clone(), definition.clone());
            }
        }
    }
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
