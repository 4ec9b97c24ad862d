//! The metadata of a snapshot as objects in one form.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::existing::SnapshotView;
use super::super::kind::PhaseError;
use super::global::global_objects;
use super::streams::{MARK, mark};
use super::system_index::kept;
use crate::diff::change::LeftOut;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::mapping_types::DEFAULT;
use crate::engines::metadata::{built_in, composable, normal_settings, not_moved};
use crate::engines::snapshot::{GlobalMetadata, IndexMetadata, IndexState};
use crate::plan::model::MetadataSpec;

/// What a snapshot holds.
pub(super) struct Held {
    /// All objects, in the order in which they are created.
    pub(super) objects: Vec<(ObjectKey, Value)>,
    /// What is never moved.
    pub(super) not_moved: Vec<LeftOut>,
}

/// All that the snapshots of a view hold. Indices of roles and policies are read where the plan chooses such.
pub(super) fn held(spec: &MetadataSpec, view: &SnapshotView) -> Result<Held, PhaseError> {
    let Some(global) = view.global_metadata()? else {
        return Ok(Held {
            objects: Vec::new(),
            not_moved: Vec::new(),
        });
    };
    let kept = kept(&spec.include, view)?;
    let mut objects = objects(view, &global);
    objects.extend(kept.objects);
    objects.sort_by(|left, right| left.0.cmp(&right.0));
    let mut not_moved = not_moved(&global.other);
    not_moved.extend(kept.not_moved);
    Ok(Held { objects, not_moved })
}

fn objects(view: &SnapshotView, global: &GlobalMetadata) -> Vec<(ObjectKey, Value)> {
    let mut objects = global_objects(global);
    let mut add = |kind: ObjectKind, name: &str, body: Value| {
        let name = name.to_owned();
        objects.push((ObjectKey { kind, name }, body));
    };
    for (name, body) in &global.component_templates {
        add(ObjectKind::ComponentTemplate, name, template(body, true));
    }
    for (name, body) in &global.index_templates {
        add(ObjectKind::IndexTemplate, name, template(body, true));
    }
    for (name, body) in &global.templates {
        add(ObjectKind::LegacyTemplate, name, template(body, false));
    }
    let mut aliases: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let streams = global.data_streams();
    let over = global.data_stream_aliases();
    for (name, index) in &view.metadata {
        let mut body = Map::new();
        let facts = view.facts.as_ref().and_then(|it| it.indices.get(name));
        if let Some(facts) = facts
            && let Some(of) = &facts.data_stream
        {
            let stream = streams.iter().find(|stream| stream.name == *of);
            let field = stream.and_then(|stream| stream.timestamp_field.as_deref());
            let aliases = over.get(of).map_or(&[][..], Vec::as_slice);
            body.extend(mark(facts, field, aliases).map(|mark| (MARK.to_owned(), mark)));
        }
        if let Value::Object(fields) = index_body(index) {
            body.extend(fields);
        }
        if index.state == IndexState::Close {
            body.insert("closed".into(), json!(true));
        }
        add(ObjectKind::Index, name, Value::Object(body));
        for (alias, definition) in &index.aliases {
            aliases
                .entry(alias)
                .or_default()
                .insert(name.clone(), definition.clone());
        }
    }
    for (name, indices) in aliases {
        add(ObjectKind::Alias, name, json!({ "indices": indices }));
    }
    objects.sort_by(|left, right| left.0.cmp(&right.0));
    objects
}

/// What is translated of an index.
pub(in super::super) fn index_body(index: &IndexMetadata) -> Value {
    let mut body = Map::new();
    body.insert("settings".into(), Value::Object(index.settings.clone()));
    body.insert("mappings".into(), mapping(index));
    if let Some(shards) = index.routing_num_shards {
        body.insert("routing_num_shards".into(), json!(shards));
    }
    Value::Object(body)
}

/// The mapping below the name of each type, where that is not `_doc`. The defaults of 1.x to 5.x are a mapping of no
/// documents, and the types have taken them over.
fn mapping(index: &IndexMetadata) -> Value {
    let types: Map<String, Value> = index
        .types
        .iter()
        .filter(|it| it.type_name != DEFAULT || index.types.len() == 1)
        .map(|it| (it.type_name.clone(), it.mapping.clone()))
        .collect();
    match types.get("_doc") {
        Some(mapping) if types.len() == 1 => mapping.clone(),
        _ => Value::Object(types),
    }
}

/// The objects of snapshots with the indices that a wider selector adds: aliases over both are over all of them, and of
/// a template that both have the snapshot's form stays.
pub(super) fn with_more(
    taken: Vec<(ObjectKey, Value)>,
    more: &[(ObjectKey, Value)],
) -> Vec<(ObjectKey, Value)> {
    let mut all: BTreeMap<ObjectKey, Value> = taken.into_iter().collect();
    for (key, body) in more {
        let known = all.entry(key.clone()).or_insert_with(|| body.clone());
        if let (ObjectKind::Alias, Some(Value::Object(over)), Some(Value::Object(indices))) =
            (key.kind, known.get_mut("indices"), body.get("indices"))
        {
            for (name, definition) in indices {
                over.insert(name.clone(), definition.clone());
            }
        }
    }
    all.into_iter().collect()
}

/// The objects with composable templates in the place of the legacy ones that a plan chooses.
pub(super) fn with_composable(
    spec: &MetadataSpec,
    objects: Vec<(ObjectKey, Value)>,
) -> Vec<(ObjectKey, Value)> {
    let is_legacy = |key: &ObjectKey, body: &Value| {
        key.kind == ObjectKind::LegacyTemplate
            && built_in(key, body).is_none()
            && spec.include.templates.matches(&key.name)
    };
    let (legacy, mut rest): (Vec<_>, Vec<_>) = objects
        .into_iter()
        .partition(|(key, body)| is_legacy(key, body));
    let legacy: Vec<(&str, &Value)> = legacy
        .iter()
        .map(|(key, body)| (key.name.as_str(), body))
        .collect();
    let others: Vec<(&str, &Value)> = rest
        .iter()
        .filter(|(key, body)| {
            key.kind == ObjectKind::IndexTemplate && built_in(key, body).is_none()
        })
        .map(|(key, body)| (key.name.as_str(), body))
        .collect();
    let made = composable(&legacy, &others);
    let kind = ObjectKind::IndexTemplate;
    rest.extend(
        made.into_iter()
            .map(|(name, body)| (ObjectKey { kind, name }, body)),
    );
    rest.sort_by(|left, right| left.0.cmp(&right.0));
    rest
}

/// A template as `PUT` takes it: mappings as one object (the cluster keeps a list of them) and settings in normal form.
pub(in super::super) fn template(body: &Value, nested: bool) -> Value {
    let mut body = body.clone();
    let section = if nested {
        body.get_mut("template")
    } else {
        Some(&mut body)
    };
    if let Some(Value::Object(section)) = section {
        if let Some(settings) = section.get_mut("settings") {
            *settings = Value::Object(normal_settings(settings));
        }
        if let Some(mappings) = section.get_mut("mappings")
            && let Value::Array(list) = mappings
        {
            // One a type, before 6.
            let types = list.iter().filter_map(Value::as_object).flatten();
            let types = types.map(|(name, mapping)| (name.clone(), mapping.clone()));
            *mappings = Value::Object(types.collect());
        }
        if let Some(aliases) = section.get_mut("aliases")
            && let Value::Array(list) = aliases
        {
            let merged: Map<String, Value> = list
                .iter()
                .filter_map(Value::as_object)
                .flatten()
                .map(|(name, body)| (name.clone(), body.clone()))
                .collect();
            *aliases = Value::Object(merged);
        }
    }
    body
}
