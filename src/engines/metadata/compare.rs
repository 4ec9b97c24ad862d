//! Compares what is wanted with what a target holds, in normal form.
//!
//! No differences: settings that servers add by themselves, fields that grew dynamically, empty sections, defaults that are
//! written out, whether held-back settings are in force yet, and what an alias holds besides the indices that are wanted.

use serde_json::{Map, Value, json};

use super::draft::is_nested;
use super::held_back::release;
use super::normal_fields::{normal_definition, scalar};
use super::normal_objects::normal_object;
use crate::base::Fingerprint;
use crate::base::settings::{GIVEN_BY_SERVERS, PRIVATE, meant, normal_settings};
use crate::diff::change::Edit;
use crate::diff::observation::ObjectKind;

/// What routing is computed with: a setting as a request has it, a number beside the settings as a server has it.
const ROUTING_SHARDS: &str = "index.number_of_routing_shards";

/// What Elasticsearch gives to every index from 7.14 on.
const TIER: (&str, &str) = (
    "index.routing.allocation.include._tier_preference",
    "data_content",
);

/// What would have to change on the target, by path; `before` is what the target has. Empty: they are equal.
pub fn differences(kind: ObjectKind, wanted: &Value, found: &Value) -> Vec<Edit> {
    if kind == ObjectKind::DataStream {
        return stream_differences(wanted, found);
    }
    let mut edits = Vec::new();
    // A server before Elasticsearch 7 does not tell the number, which `null` stands for.
    let untold = found.get("routing_num_shards").is_some_and(Value::is_null);
    let (mut wanted, mut found) = (normal(kind, wanted), normal(kind, found));
    if untold && let Some(Value::Object(settings)) = wanted.get_mut("settings") {
        settings.remove(ROUTING_SHARDS);
        wanted = without_empty(&wanted).unwrap_or_else(|| json!({}));
    }
    match kind {
        // What nobody asked for is the server's own.
        ObjectKind::Index => {
            let asked = |key: &str| {
                wanted
                    .get("settings")
                    .is_some_and(|it| it.get(key).is_some())
            };
            if let Some(Value::Object(settings)) = found.get_mut("settings") {
                if !asked(ROUTING_SHARDS) {
                    settings.remove(ROUTING_SHARDS);
                }
                if !asked(TIER.0) && settings.get(TIER.0).is_some_and(|it| it == TIER.1) {
                    settings.remove(TIER.0);
                }
                found = without_empty(&found).unwrap_or_else(|| json!({}));
            }
        }
        ObjectKind::Alias => {
            let wanted = wanted.get("indices").and_then(Value::as_object);
            if let Some(Value::Object(indices)) = found.get_mut("indices") {
                indices.retain(|name, _| wanted.is_some_and(|wanted| wanted.contains_key(name)));
            }
        }
        // Those of other hands are none of the plan's business.
        ObjectKind::ClusterSettings => {
            let wanted = wanted.get("persistent").and_then(Value::as_object);
            if let Some(Value::Object(settings)) = found.get_mut("persistent") {
                settings.retain(|key, _| wanted.is_some_and(|wanted| wanted.contains_key(key)));
            }
        }
        _ => {}
    }
    compare("", &wanted, &found, Growth::of(kind), &mut edits);
    edits.sort_by(|left, right| left.path.cmp(&right.path));
    edits
}

/// Of the generations that both have: the others come with the documents, or came later by themselves.
fn stream_differences(wanted: &Value, found: &Value) -> Vec<Edit> {
    let kind = ObjectKind::DataStream;
    let (wanted, found) = (release(kind, wanted), release(kind, found));
    let mut edits = Vec::new();
    let field = |body: &Value| body.get("timestamp_field").cloned();
    if field(&wanted) != field(&found) {
        edits.push(Edit {
            path: "timestamp_field".into(),
            before: field(&found),
            after: field(&wanted),
            rule: None,
            why: String::new(),
            lossy: false,
        });
    }
    let generations = |body: &Value| {
        let generations = body.get("generations").and_then(Value::as_array);
        generations.cloned().unwrap_or_default()
    };
    let pairs = generations(&wanted).into_iter().zip(generations(&found));
    for (at, (wanted, found)) in pairs.enumerate() {
        let (wanted, found) = (unmarked(wanted), unmarked(found));
        let of_index = differences(ObjectKind::Index, &wanted, &found);
        edits.extend(of_index.into_iter().map(|edit| Edit {
            path: format!("generations.{}.{}", at + 1, edit.path),
            ..edit
        }));
    }
    edits
}

/// A backing index without what the server gives to each.
fn unmarked(mut body: Value) -> Value {
    if let Some(Value::Object(mappings)) = body.get_mut("mappings") {
        mappings.remove("_data_stream_timestamp");
    }
    if let Some(settings) = body.get_mut("settings") {
        let mut flat = normal_settings(settings);
        flat.remove("index.hidden");
        *settings = Value::Object(flat);
    }
    body
}

/// Identity of a body, the same before and after held-back settings are put in force.
pub fn core_fingerprint(kind: ObjectKind, body: &Value) -> Fingerprint {
    Fingerprint::of(&normal(kind, body))
}

/// Only mappings of indices grow by themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    None,
    InMappings,
    Here,
}

impl Growth {
    fn of(kind: ObjectKind) -> Self {
        if kind == ObjectKind::Index {
            Self::InMappings
        } else {
            Self::None
        }
    }

    fn below(self, name: &str) -> Self {
        match self {
            Self::InMappings if name == "mappings" => Self::Here,
            other => other,
        }
    }
}

fn normal(kind: ObjectKind, body: &Value) -> Value {
    if !kind.has_index_settings() && kind != ObjectKind::Alias {
        return normal_object(kind, body);
    }
    let mut body = release(kind, body);
    if let Value::Object(fields) = &mut body {
        fields.remove("closed");
        if let Some(shards) = fields.remove("routing_num_shards")
            && !shards.is_null()
        {
            let settings = fields.entry("settings").or_insert_with(|| json!({}));
            if let Value::Object(settings) = settings {
                settings.insert(ROUTING_SHARDS.into(), shards);
            }
        }
    }
    if kind == ObjectKind::Alias {
        if let Some(Value::Object(indices)) = body.get_mut("indices") {
            indices.values_mut().for_each(normal_alias);
        }
    } else {
        let section = if is_nested(kind) {
            body.get_mut("template")
        } else {
            Some(&mut body)
        };
        if let Some(Value::Object(section)) = section {
            normal_section(section);
        }
        if kind == ObjectKind::IndexTemplate
            && let Some(Value::Object(stream)) = body.get_mut("data_stream")
        {
            // What servers write out of their defaults.
            for name in ["hidden", "allow_custom_routing"] {
                if stream.get(name) == Some(&Value::Bool(false)) {
                    stream.remove(name);
                }
            }
            if stream.get("timestamp_field") == Some(&json!({"name": "@timestamp"})) {
                stream.remove("timestamp_field");
            }
        }
        if kind == ObjectKind::LegacyTemplate
            && let Value::Object(fields) = &mut body
        {
            fields.entry("order").or_insert_with(|| json!(0));
        }
    }
    without_empty(&body).unwrap_or_else(|| json!({}))
}

/// Settings, mappings and aliases of an index or a template.
fn normal_section(section: &mut Map<String, Value>) {
    if let Some(settings) = section.get_mut("settings") {
        let mut flat = normal_settings(settings);
        flat.retain(|key, _| {
            !PRIVATE
                .iter()
                .chain(GIVEN_BY_SERVERS)
                .any(|pattern| meant(pattern, key))
        });
        // The number of copies follows the number of nodes then.
        if flat
            .get("index.auto_expand_replicas")
            .is_some_and(|range| range != "false")
        {
            flat.remove("index.number_of_replicas");
        }
        *settings = Value::Object(flat);
    }
    if let Some(Value::Object(mappings)) = section.get_mut("mappings") {
        for (name, default) in [
            ("dynamic", "true"),
            ("date_detection", "true"),
            ("numeric_detection", "false"),
        ] {
            let is_default = mappings
                .get(name)
                .is_some_and(|value| scalar(value).as_deref() == Some(default));
            if is_default {
                mappings.remove(name);
            }
        }
        normal_definition(mappings);
    }
    if let Some(Value::Object(aliases)) = section.get_mut("aliases") {
        aliases.values_mut().for_each(normal_alias);
    }
}

/// `routing` stands for both routings.
fn normal_alias(definition: &mut Value) {
    if let Value::Object(definition) = definition
        && let Some(routing) = definition.remove("routing")
    {
        for name in ["index_routing", "search_routing"] {
            definition.entry(name).or_insert_with(|| routing.clone());
        }
    }
}

/// `{}`, `[]` and `null` mean the same as nothing at the level of sections.
fn without_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, value)| {
                    let sections = [
                        "settings",
                        "mappings",
                        "aliases",
                        "properties",
                        "template",
                        "composed_of",
                    ];
                    let empty = match value {
                        Value::Object(fields) => fields.is_empty(),
                        Value::Array(items) => items.is_empty(),
                        Value::Null => true,
                        _ => false,
                    };
                    if empty && (value.is_null() || sections.contains(&name.as_str())) {
                        return None;
                    }
                    let value = without_empty(value)?;
                    let emptied = value.as_object().is_some_and(Map::is_empty)
                        && sections.contains(&name.as_str());
                    (!emptied).then(|| (name.clone(), value))
                })
                .collect();
            Some(Value::Object(fields))
        }
        other => Some(other.clone()),
    }
}

fn compare(path: &str, wanted: &Value, found: &Value, growth: Growth, edits: &mut Vec<Edit>) {
    let (Value::Object(wanted_fields), Value::Object(found_fields)) = (wanted, found) else {
        if wanted != found {
            edits.push(edit(path, Some(found), Some(wanted)));
        }
        return;
    };
    for (name, wanted) in wanted_fields {
        let path = join(path, name);
        match found_fields.get(name) {
            Some(found) => compare(&path, wanted, found, growth.below(name), edits),
            None => edits.push(edit(&path, None, Some(wanted))),
        }
    }
    let fixed = matches!(
        found_fields.get("dynamic").and_then(Value::as_str),
        Some("strict" | "false")
    ) || found_fields.get("dynamic") == Some(&Value::Bool(false));
    for (name, found) in found_fields {
        if wanted_fields.contains_key(name) {
            continue;
        }
        let in_properties = path.ends_with(".properties") || path.ends_with(".fields");
        let grown = match growth {
            Growth::Here => in_properties || (name == "properties" && !fixed),
            // An index that has no mapping in the snapshot gets one with its first document.
            Growth::InMappings => name == "mappings",
            Growth::None => false,
        };
        if !grown {
            edits.push(edit(&join(path, name), Some(found), None));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn edit(path: &str, before: Option<&Value>, after: Option<&Value>) -> Edit {
    Edit {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
        rule: None,
        why: String::new(),
        lossy: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_adds_is_no_difference() {
        let wanted = json!({"settings": {"index.number_of_shards": "1"},
            "mappings": {"properties": {"a": {"type": "keyword"}}}, "aliases": {}});
        let found = json!({"settings": {"index": {"number_of_shards": 1, "uuid": "x", "creation_date": "1",
            "provided_name": "i", "version": {"created": "1"}, "replication": {"type": "DOCUMENT"}}},
            "mappings": {"properties": {"a": {"type": "keyword"}, "grown": {"type": "long"}}}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        assert_eq!(differences(ObjectKind::Index, &found, &wanted).len(), 1);
    }

    #[test]
    fn a_join_field_is_the_same_with_its_default_and_in_any_order() {
        let join = |field: Value| json!({"mappings": {"properties": {"join": field}}});
        let wanted = join(json!({"type": "join", "relations": {"q": ["a", "c"], "a": "v"}}));
        let found = join(json!({"type": "join", "eager_global_ordinals": true,
            "relations": {"q": ["c", "a"], "a": "v"}}));
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        let other = join(json!({"type": "join", "relations": {"q": ["a"]}}));
        assert_ne!(differences(ObjectKind::Index, &wanted, &other), []);
    }

    #[test]
    fn vectors_are_the_same_however_a_server_writes_them() {
        let vector = |field: Value| json!({"mappings": {"properties": {"v": field}}});
        let same = |wanted: Value, found: Value| {
            differences(ObjectKind::Index, &vector(wanted), &vector(found)).is_empty()
        };
        let plain = json!({"type": "knn_vector", "dimension": 3});
        let written = json!({"type": "knn_vector", "dimension": 3, "doc_values": true});
        assert!(same(plain, written.clone()));
        let graph = |method: Value, kind: &str| json!({"type": "knn_vector", "dimension": 3, "data_type": kind, "method": method});
        let bare = json!({"name": "hnsw", "engine": "lucene"});
        let empty = json!({"name": "hnsw", "engine": "lucene", "parameters": {}});
        let tuned = json!({"name": "hnsw", "engine": "lucene", "parameters": {"m": 8}});
        assert!(same(graph(bare.clone(), "byte"), graph(empty, "BYTE")));
        assert!(!same(graph(bare.clone(), "byte"), graph(tuned, "BYTE")));
        assert!(!same(graph(bare.clone(), "byte"), graph(bare, "FLOAT")));
        assert!(!same(
            json!({"type": "knn_vector", "dimension": 2}),
            written
        ));
    }

    #[test]
    fn other_types_and_settings_are_differences() {
        let wanted = json!({"settings": {"index.codec": "best_compression"},
            "mappings": {"properties": {"a": {"type": "keyword"}}}});
        let found = json!({"settings": {"index.number_of_replicas": "1"},
            "mappings": {"properties": {"a": {"type": "text"}}}});
        let paths: Vec<_> = differences(ObjectKind::Index, &wanted, &found)
            .into_iter()
            .map(|edit| edit.path)
            .collect();
        assert_eq!(
            paths,
            [
                "mappings.properties.a.type",
                "settings.index.codec",
                "settings.index.number_of_replicas"
            ]
        );
    }

    #[test]
    fn defaults_and_capital_letters_of_servers_are_no_difference() {
        let wanted = json!({"mappings": {"properties": {"t": {"type": "text", "fielddata": false},
            "s": {"type": "completion", "contexts": [{"name": "c", "type": "category", "precision": 4}]}}}});
        let found = json!({"mappings": {"properties": {"t": {"type": "text"},
            "s": {"type": "completion", "contexts": [{"name": "c", "type": "CATEGORY", "precision": "4"}]}}}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        let other = json!({"mappings": {"properties": {"t": {"type": "text", "fielddata": true}}}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &other).len(), 2);
    }

    #[test]
    fn a_name_with_dots_is_the_path_that_a_server_makes_of_it() {
        let wanted = json!({"mappings": {"properties": {
            "load": {"properties": {"min": {"type": "long"}}}, "load.max": {"type": "long"}, "a.b.c": {"type": "date"}}}});
        let found = json!({"mappings": {"properties": {
            "load": {"properties": {"min": {"type": "long"}, "max": {"type": "long"}}},
            "a": {"properties": {"b": {"properties": {"c": {"type": "date"}}}}}}}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        let other = json!({"mappings": {"properties": {"load": {"properties": {"min": {"type": "long"}}}}}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &other).len(), 2);
    }

    #[test]
    fn what_servers_write_otherwise_is_no_difference() {
        let wanted = json!({"settings": {"index.number_of_routing_shards": "16", "index.number_of_replicas": "1"},
            "held_back": {"settings": {"index.auto_expand_replicas": "0-all"}},
            "mappings": {"dynamic": "true", "properties": {"o": {"type": "object", "properties": {"a": {"type": "float", "boost": 2}}},
                "k": {"type": "keyword", "ignore_above": "256"}}}});
        let found = json!({"settings": {"index.auto_expand_replicas": "0-all", "index.number_of_replicas": "0"},
            "routing_num_shards": 16, "closed": true,
            "mappings": {"properties": {"o": {"properties": {"a": {"type": "float", "boost": 2.0}}},
                "k": {"type": "keyword", "ignore_above": 256}}}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        let untold =
            json!({"settings": {"index.number_of_replicas": "1"}, "routing_num_shards": null});
        let small = json!({"settings": {"index.number_of_routing_shards": "16", "index.number_of_replicas": "1"}});
        assert!(differences(ObjectKind::Index, &small, &untold).is_empty());
        let tiered = |tier: &str| {
            let settings = json!({"index.routing.allocation.include._tier_preference": tier});
            differences(
                ObjectKind::Index,
                &json!({}),
                &json!({"settings": settings}),
            )
            .len()
        };
        assert_eq!((tiered("data_content"), tiered("data_hot")), (0, 1));
        let other = json!({"routing_num_shards": 32});
        let paths = differences(
            ObjectKind::Index,
            &json!({"settings": {"index.number_of_routing_shards": "16"}}),
            &other,
        );
        assert_eq!(paths[0].path, "settings.index.number_of_routing_shards");
        assert_eq!(differences(ObjectKind::Index, &json!({}), &other), []);
    }

    #[test]
    fn an_alias_is_compared_over_the_indices_that_are_wanted() {
        let wanted = json!({"indices": {"a": {"routing": "x"}}});
        let found =
            json!({"indices": {"a": {"index_routing": "x", "search_routing": "x"}, "b": {}}});
        assert_eq!(differences(ObjectKind::Alias, &wanted, &found), []);
        let more = json!({"indices": {"a": {"routing": "x"}, "c": {}}});
        assert_eq!(differences(ObjectKind::Alias, &more, &found).len(), 1);
    }

    #[test]
    fn held_back_settings_do_not_count_as_missing() {
        let wanted =
            json!({"settings": {}, "held_back": {"settings": {"index.blocks.write": "true"}}});
        let found = json!({"settings": {"index.blocks.write": "true"}});
        assert_eq!(differences(ObjectKind::Index, &wanted, &found), []);
        assert_eq!(
            core_fingerprint(ObjectKind::Index, &wanted),
            core_fingerprint(ObjectKind::Index, &found)
        );
    }
}
