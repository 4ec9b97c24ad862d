//! `meta-<uuid>.dat` at the root: templates, pipelines, persistent settings.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::content::Content;
use super::error::SnapshotError;

/// The cluster-wide metadata of a snapshot. Sections are JSON values by name; an absent one is an empty object.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalMetadata {
    /// Legacy index templates (`_template`) by name, in the form of a server's answer: `mappings` is one object,
    /// within an object of its type's name where that is not `_doc`.
    pub templates: Map<String, Value>,
    /// Component templates (7.8 and later) by name.
    pub component_templates: Map<String, Value>,
    /// Composable index templates (7.8 and later) by name.
    pub index_templates: Map<String, Value>,
    /// Ingest pipelines by id.
    pub pipelines: Map<String, Value>,
    /// Search pipelines (OpenSearch 2.7 and later) by id.
    pub search_pipelines: Map<String, Value>,
    /// Stored scripts by id.
    pub stored_scripts: Map<String, Value>,
    /// Persistent cluster settings, flat.
    pub persistent_settings: Map<String, Value>,
    /// Uuid of the cluster that took the snapshot.
    pub cluster_uuid: Option<String>,
    /// Every other section as it stands (`index_lifecycle`, `repositories`, `data_stream`, …) by name.
    pub other: Map<String, Value>,
}

/// Sections that say nothing about what users configured.
const BOOKKEEPING: [&str; 6] = [
    "version",
    "uuid",
    "cluster_uuid",
    "cluster_uuid_committed",
    "cluster_coordination",
    "index-graveyard",
];

/// A data stream: a name over backing indices, of which the last takes the writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataStream {
    /// Its name.
    pub name: String,
    /// Its backing indices, the oldest generation first.
    pub indices: Vec<String>,
    /// The number of its newest generation.
    pub generation: Option<u64>,
    /// The field of time, where one is named.
    pub timestamp_field: Option<String>,
}

impl GlobalMetadata {
    /// The data streams of the snapshot, sorted by name (7.9 and later).
    pub fn data_streams(&self) -> Vec<DataStream> {
        let Some(section) = self.other.get("data_stream") else {
            return Vec::new();
        };
        // Customs wrap their map once more under their own name.
        let Some(streams) = section.get("data_stream").and_then(Value::as_object) else {
            return Vec::new();
        };
        let backing = |stream: &Value| {
            let items = stream.get("indices").and_then(Value::as_array);
            items
                .into_iter()
                .flatten()
                .filter_map(|item| item.get("index_name")?.as_str())
                .map(str::to_owned)
                .collect()
        };
        streams
            .iter()
            .map(|(name, stream)| DataStream {
                name: name.clone(),
                indices: backing(stream),
                generation: stream.get("generation").and_then(Value::as_u64),
                timestamp_field: stream
                    .pointer("/timestamp_field/name")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            })
            .collect()
    }

    /// The aliases over data streams (7.14 and later) by stream.
    pub fn data_stream_aliases(&self) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let section = self.other.get("data_stream");
        let aliases = section.and_then(|it| it.get("data_stream_aliases")?.as_object());
        for (alias, definition) in aliases.into_iter().flatten() {
            let streams = definition.get("data_streams").and_then(Value::as_array);
            for stream in streams.into_iter().flatten().filter_map(Value::as_str) {
                found
                    .entry(stream.to_owned())
                    .or_default()
                    .push(alias.clone());
            }
        }
        found
    }

    /// Takes in what another one has and this one lacks.
    pub fn add_missing(&mut self, other: Self) {
        let pairs = [
            (&mut self.templates, other.templates),
            (&mut self.component_templates, other.component_templates),
            (&mut self.index_templates, other.index_templates),
            (&mut self.pipelines, other.pipelines),
            (&mut self.search_pipelines, other.search_pipelines),
            (&mut self.stored_scripts, other.stored_scripts),
            (&mut self.persistent_settings, other.persistent_settings),
            (&mut self.other, other.other),
        ];
        for (ours, theirs) in pairs {
            for (name, value) in theirs {
                ours.entry(name).or_insert(value);
            }
        }
    }

    /// From the decoded blob; the sections stand under `meta-data` (`metadata` in some versions).
    pub(crate) fn from_content(blob: &str, root: &Content) -> Result<Self, SnapshotError> {
        let sections = root
            .get("meta-data")
            .or_else(|| root.get("metadata"))
            .unwrap_or(root);
        let Some(fields) = sections.as_object() else {
            return Err(SnapshotError::Field {
                blob: blob.to_owned(),
                field: "meta-data".to_owned(),
                reason: "is missing or no object".to_owned(),
            });
        };
        let sections = fields
            .iter()
            .map(|(name, section)| (name.clone(), section.to_json()));
        Ok(Self::from_sections(sections))
    }

    /// From the sections of a cluster's state as its API tells them, which have the form of those of a snapshot.
    pub fn from_state(sections: &Map<String, Value>) -> Self {
        let sections = sections.iter();
        Self::from_sections(sections.map(|(name, section)| (name.clone(), section.clone())))
    }

    fn from_sections(sections: impl Iterator<Item = (String, Value)>) -> Self {
        let mut metadata = Self {
            templates: Map::new(),
            component_templates: Map::new(),
            index_templates: Map::new(),
            pipelines: Map::new(),
            search_pipelines: Map::new(),
            stored_scripts: Map::new(),
            persistent_settings: Map::new(),
            cluster_uuid: None,
            other: Map::new(),
        };
        for (name, json) in sections {
            match name.as_str() {
                "templates" => metadata.templates = templates(json),
                // Customs wrap their map once more under their own name.
                "component_template" => {
                    metadata.component_templates = by_name(unwrapped(json, &name));
                }
                "index_template" => metadata.index_templates = by_name(unwrapped(json, &name)),
                "ingest" => metadata.pipelines = pipelines(json),
                "search_pipeline" => metadata.search_pipelines = pipelines(json),
                "stored_scripts" => metadata.stored_scripts = by_name(json),
                "settings" => metadata.persistent_settings = flatten(json),
                // A snapshot without the global state holds a placeholder.
                "cluster_uuid" => {
                    let uuid = json.as_str().filter(|uuid| *uuid != "_na_");
                    metadata.cluster_uuid = uuid.map(str::to_owned);
                }
                other if BOOKKEEPING.contains(&other) => {}
                _ => {
                    metadata.other.insert(name, json);
                }
            }
        }
        metadata
    }
}

/// `{"name": {"name": …}}` without the second level.
fn unwrapped(json: Value, name: &str) -> Value {
    match json {
        Value::Object(mut fields) if fields.len() == 1 && fields.contains_key(name) => {
            fields.remove(name).unwrap_or_default()
        }
        other => other,
    }
}

fn by_name(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(fields) => fields,
        // A list of objects with one key each, as some versions write.
        Value::Array(items) => items
            .into_iter()
            .filter_map(|item| match item {
                Value::Object(fields) => Some(fields),
                _ => None,
            })
            .flatten()
            .collect(),
        _ => Map::new(),
    }
}

/// Snapshots keep `mappings` as a list with one object a type, `[{"_doc": {…}}]`; it is empty when none was given.
fn templates(json: Value) -> Map<String, Value> {
    let mut templates = by_name(json);
    for template in templates.values_mut() {
        let Some(mappings) = template.get_mut("mappings") else {
            continue;
        };
        let mut types = by_name(mappings.take());
        *mappings = if types.len() == 1 {
            types.remove("_doc").unwrap_or(Value::Object(types))
        } else {
            Value::Object(types)
        };
    }
    templates
}

/// `{"pipeline": [{"id": …, "config": {…}}]}`.
fn pipelines(json: Value) -> Map<String, Value> {
    let items = match json {
        Value::Object(mut fields) => fields.remove("pipeline"),
        _ => None,
    };
    let Some(Value::Array(items)) = items else {
        return Map::new();
    };
    let entry = |item: Value| {
        let Value::Object(mut item) = item else {
            return None;
        };
        let id = item.get("id")?.as_str()?.to_owned();
        Some((id, item.remove("config")?))
    };
    items.into_iter().filter_map(entry).collect()
}

/// Settings as a flat map of dotted keys, whether they were nested or flat.
pub(crate) fn flatten(json: Value) -> Map<String, Value> {
    let mut flat = Map::new();
    flatten_into("", json, &mut flat);
    flat
}

/// The depth is that of the decoded tree, which is bounded.
fn flatten_into(prefix: &str, json: Value, flat: &mut Map<String, Value>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() {
                    name
                } else {
                    format!("{prefix}.{name}")
                };
                flatten_into(&key, value, flat);
            }
        }
        leaf => {
            flat.insert(prefix.to_owned(), leaf);
        }
    }
}
