//! Data streams among what is wanted: as objects of their own with what each generation is to be like, or as ordinary
//! indices under an alias. Pure.
//!
//! The snapshot knows a stream by its backing indices, each marked by [`MARK`]. A generation is translated as the index that it
//! is, by the same rules; what it holds back is kept with the stream, by the number of the generation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::common;
use super::super::streams::{choice, has_streams, left_out, ordinary_name};
use super::super::transforms::Names;
use super::desired::{Desired, Wanting};
use crate::base::glob;
use crate::base::version::Product;
use crate::clients::target::stream::TIMESTAMP;
use crate::diff::change::{Edit, Item, LeftOut};
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind, SnapshotIndexFacts};
use crate::engines::metadata::{held_back, patterns, stream_setting};
use crate::plan::codes::documents::STREAM_ROUTING;
use crate::plan::codes::planning::DATA_STREAM;
use crate::plan::model::{Closed, DataStreams, MetadataSpec};

/// What a backing index says of its stream: `{name, generation, timestamp_field, aliases}`.
pub(in super::super) const MARK: &str = "data_stream";

/// The path of an edit that says how a backing index is called now.
const NAME: &str = "name";

/// Whether an edit says that a backing index gets another name.
pub(super) fn renames(edit: &Edit) -> bool {
    edit.path == NAME
}

/// The mark of a backing index.
pub(in super::super) fn mark(
    facts: &SnapshotIndexFacts,
    timestamp_field: Option<&str>,
    aliases: &[String],
) -> Option<Value> {
    let stream = facts.data_stream.as_ref()?;
    Some(json!({
        "name": stream,
        "generation": facts.generation,
        "timestamp_field": timestamp_field,
        "aliases": aliases,
    }))
}

/// The stream of a backing index, by its mark.
pub(super) fn stream_of<'a>(key: &ObjectKey, body: &'a Value) -> Option<&'a str> {
    if key.kind != ObjectKind::Index {
        return None;
    }
    body.get(MARK)?.get("name")?.as_str()
}

/// Whether a backing index comes along.
pub(super) fn takes(
    spec: &MetadataSpec,
    choice: Option<DataStreams>,
    index: &str,
    stream: &str,
) -> bool {
    let facts = SnapshotIndexFacts {
        data_stream: Some(stream.to_owned()),
        ..SnapshotIndexFacts::default()
    };
    left_out(&spec.include.indices, choice, (index, &facts)).is_none()
}

/// One stream of the source: its backing indices, the oldest first.
struct Source<'a> {
    name: String,
    indices: Vec<(&'a ObjectKey, &'a Value)>,
    timestamp_field: Option<&'a str>,
    aliases: BTreeSet<&'a str>,
}

fn sources(observed: &MetadataObservation) -> Vec<Source<'_>> {
    let mut found: BTreeMap<String, Vec<(u64, &ObjectKey, &Value)>> = BTreeMap::new();
    for (key, body) in &observed.source_objects {
        if let Some(stream) = stream_of(key, body) {
            let number = body.pointer("/data_stream/generation");
            let number = number.and_then(Value::as_u64).unwrap_or(u64::MAX);
            let indices = found.entry(stream.to_owned()).or_default();
            indices.push((number, key, body));
        }
    }
    let each = found.into_iter().map(|(name, mut indices)| {
        indices.sort_by_key(|(number, ..)| *number);
        let marks = || indices.iter().filter_map(|(.., body)| body.get(MARK));
        let field = marks().find_map(|mark| mark.get("timestamp_field")?.as_str());
        let aliases = marks().filter_map(|mark| mark.get("aliases")?.as_array());
        Source {
            name,
            timestamp_field: field,
            aliases: aliases.flatten().filter_map(Value::as_str).collect(),
            indices: indices
                .into_iter()
                .map(|(_, key, body)| (key, body))
                .collect(),
        }
    });
    each.collect()
}

/// The objects that the target is to have of streams.
pub(super) fn keys(spec: &MetadataSpec, observed: &MetadataObservation) -> Vec<ObjectKey> {
    let choice = choice(spec.data_streams, observed.target);
    let mut keys = Vec::new();
    for source in sources(observed) {
        let chosen = chosen(spec, choice, &source, &mut Vec::new());
        if chosen.is_empty() {
            continue;
        }
        if choice == Some(DataStreams::Indices) {
            let names = chosen.iter().map(|(key, _)| ordinary_name(&key.name));
            keys.extend(names.map(|name| object(ObjectKind::Index, &name)));
            let over = source.aliases.iter().copied();
            let over = over.chain(std::iter::once(source.name.as_str()));
            keys.extend(over.map(|name| object(ObjectKind::Alias, name)));
        } else {
            keys.push(object(ObjectKind::DataStream, &source.name));
        }
    }
    keys
}

fn object(kind: ObjectKind, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        name: name.to_owned(),
    }
}

/// The backing indices of a stream that the plan means; the others go to what is left out.
fn chosen<'a>(
    spec: &MetadataSpec,
    choice: Option<DataStreams>,
    source: &Source<'a>,
    out: &mut Vec<LeftOut>,
) -> Vec<(&'a ObjectKey, &'a Value)> {
    let facts = SnapshotIndexFacts {
        data_stream: Some(source.name.clone()),
        ..SnapshotIndexFacts::default()
    };
    let mut chosen = Vec::new();
    for (key, body) in &source.indices {
        let closed = body.get("closed") == Some(&json!(true));
        if let Some(reason) = left_out(&spec.include.indices, choice, (&key.name, &facts)) {
            out.push(reason);
        } else if closed && spec.closed == Closed::Skip && choice == Some(DataStreams::Indices) {
            out.push(leave(
                "index",
                &key.name,
                "closed, and the plan says `closed: skip`",
            ));
        } else {
            chosen.push((*key, *body));
        }
    }
    chosen
}

/// Adds the streams to what is wanted, or to what is left out.
pub(super) fn add(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    wanting: &Wanting<'_>,
    wanted: &mut Vec<Desired>,
    out: &mut Vec<LeftOut>,
) {
    let choice = choice(spec.data_streams, observed.target);
    for source in sources(observed) {
        let chosen = chosen(spec, choice, &source, out);
        if chosen.is_empty() {
            continue;
        }
        if choice == Some(DataStreams::Indices) {
            as_indices(&source, &chosen, wanting, wanted);
            continue;
        }
        for alias in &source.aliases {
            let reason = format!(
                "over data stream {}: mig moves no aliases of streams; where the target has such, \
                 `POST /_aliases` makes it",
                source.name
            );
            out.push(leave("alias", alias, &reason));
        }
        let stream = as_stream(spec, observed, &source, wanting, wanted);
        wanted.push(stream);
    }
}

fn leave(object: &str, name: &str, reason: &str) -> LeftOut {
    LeftOut {
        object: object.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

/// An ordinary index for each backing index, and the stream's name as an alias whose newest index takes writes.
fn as_indices(
    source: &Source<'_>,
    chosen: &[(&ObjectKey, &Value)],
    wanting: &Wanting<'_>,
    wanted: &mut Vec<Desired>,
) {
    let newest = source.indices.last().map(|(key, _)| &key.name);
    let mut over = Map::new();
    let mut others = Map::new();
    for (key, body) in chosen {
        let name = ordinary_name(&key.name);
        let mut body = (*body).clone();
        body[MARK] = json!(source.name);
        let renamed = object(ObjectKind::Index, &name);
        let names = Names::new(
            Some(DataStreams::Indices),
            &name,
            &key.name,
            Some(&source.name),
        );
        let mut index = wanting.translated_of(&renamed, body, &names);
        if let Some(edit) = index.edits.iter_mut().find(|edit| edit.path == MARK) {
            NAME.clone_into(&mut edit.path);
            edit.before = Some(json!(key.name));
            edit.after = Some(json!(name));
        }
        let definition = match newest {
            Some(newest) if *newest == key.name => json!({"is_write_index": true}),
            _ => json!({"is_write_index": false}),
        };
        over.insert(name.clone(), definition);
        others.insert(name, json!({}));
        wanted.push(index);
    }
    let mut alias = |name: &str, indices: &Map<String, Value>| {
        let key = object(ObjectKind::Alias, name);
        // One alias may be over several streams.
        let known = wanted.iter_mut().find(|other| other.key == key);
        let known = known.and_then(|other| other.body.get_mut("indices")?.as_object_mut());
        match known {
            Some(known) => known.extend(indices.clone()),
            None => wanted.push(wanting.translated(&key, json!({ "indices": indices }))),
        }
    };
    alias(&source.name, &over);
    for name in &source.aliases {
        alias(name, &others);
    }
}

fn as_stream(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    source: &Source<'_>,
    wanting: &Wanting<'_>,
    wanted: &[Desired],
) -> Desired {
    let choice = choice(spec.data_streams, observed.target);
    let template = template(observed, wanted, &source.name);
    let field = source
        .timestamp_field
        .or_else(|| {
            template?
                .pointer("/data_stream/timestamp_field/name")?
                .as_str()
        })
        .unwrap_or(TIMESTAMP);
    let mut stream = Desired {
        key: object(ObjectKind::DataStream, &source.name),
        body: Value::Null,
        edits: Vec::new(),
        denied: Vec::new(),
        closed: false,
        open: None,
        problems: Vec::new(),
        findings: Vec::new(),
    };
    let mut generations = Vec::new();
    let mut waiting = Map::new();
    for (at, (key, body)) in source.indices.iter().enumerate() {
        let number = at + 1;
        let mut body = (*body).clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove(MARK);
        }
        let names = Names::new(choice, &key.name, &key.name, Some(&source.name));
        let index = wanting.translated_of(key, body, &names);
        for (setting, value) in held_back(&index.body) {
            waiting.insert(stream_setting(number, &setting), value);
        }
        let mut body = index.body;
        if let Some(fields) = body.as_object_mut() {
            fields.remove("held_back");
        }
        generations.push(body);
        stream
            .edits
            .extend(index.edits.into_iter().map(|edit| Edit {
                path: format!("generations.{number}.{}", edit.path),
                ..edit
            }));
        for rule in index.denied {
            if !stream.denied.iter().any(|known| known.code == rule.code) {
                stream.denied.push(rule);
            }
        }
    }
    let routed = routed(source, observed, &generations);
    let mut body = json!({"timestamp_field": field, "generations": generations});
    if !waiting.is_empty() {
        body["held_back"] = json!({ "settings": waiting });
    }
    stream.body = body;
    stream.open = question(spec, observed, source, template, (field, routed)).map(Box::new);
    stream
}

/// The composable template that makes indices or streams of a name: the one of the highest priority that fits, of those that
/// are moved and those that the target has.
fn template<'a>(
    observed: &'a MetadataObservation,
    wanted: &'a [Desired],
    name: &str,
) -> Option<&'a Value> {
    let moved = wanted
        .iter()
        .filter(|object| object.key.kind == ObjectKind::IndexTemplate);
    let names: BTreeSet<&str> = moved.clone().map(|it| it.key.name.as_str()).collect();
    let there = observed.target_templates.iter();
    let there = there.filter(|(name, _)| !names.contains(name.as_str()));
    let all = moved.map(|it| &it.body).chain(there.map(|(_, body)| body));
    all.filter(|body| {
        let mut patterns = patterns(body).into_iter();
        patterns.any(|pattern| glob::fits(pattern, name))
    })
    .max_by_key(|body| body.get("priority").and_then(Value::as_u64).unwrap_or(0))
}

/// Whether documents of the stream may have a routing of their own.
fn routed(source: &Source<'_>, observed: &MetadataObservation, generations: &[Value]) -> bool {
    let required = |body: &Value| {
        let routing = body.pointer("/mappings/_routing/required");
        routing.is_some_and(|it| it.as_bool() == Some(true) || it.as_str() == Some("true"))
    };
    let templates = observed.source_objects.iter();
    let mut templates = templates.filter(|(key, body)| {
        let mut patterns = patterns(body).into_iter();
        key.kind == ObjectKind::IndexTemplate
            && patterns.any(|pattern| glob::fits(pattern, &source.name))
    });
    generations.iter().any(required)
        || templates.any(|(_, body)| {
            body.pointer("/data_stream/allow_custom_routing") == Some(&json!(true))
        })
}

/// What has to be answered before the stream can be made; nothing where it can.
fn question(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    source: &Source<'_>,
    template: Option<&Value>,
    (field, routed): (&str, bool),
) -> Option<Item> {
    let (name, to, target) = (&source.name, &spec.to.value, observed.target);
    let elasticsearch = target.product == Product::Elasticsearch;
    let (code, why, more) = match template {
        _ if !has_streams(target) => (DATA_STREAM, format!("{target} has no data streams"), None),
        _ if elasticsearch && field != TIMESTAMP => (
            DATA_STREAM,
            format!("its field of time is {field}, and {target} takes {TIMESTAMP} alone"),
            None,
        ),
        _ if routed && !(elasticsearch && target.version.floor() >= (8, 1, 0)) => (
            STREAM_ROUTING,
            "its documents may have a routing of their own, which no data stream of the target takes".to_owned(),
            None,
        ),
        Some(body) if body.get(MARK).is_some_and(Value::is_object) => return None,
        Some(_) => (
            DATA_STREAM,
            format!("the template that fits its name on {to} makes indices: it says no `data_stream`"),
            None,
        ),
        None => (
            DATA_STREAM,
            format!("no template on {to}, and none that is moved, fits its name"),
            Some(format!(
                "# on {to}: PUT /_index_template/{name} {{\"index_patterns\": [\"{name}\"], \"data_stream\": {{}}, \"priority\": 200}}"
            )),
        ),
    };
    let mut answers = vec![
        "data-streams: indices   # of the backfill, too".to_owned(),
        format!("include: {{ indices: [\"*\", \"!{name}\"] }}"),
    ];
    answers.extend(more);
    Some(common::question(
        "data stream",
        name,
        &code.to_string(),
        format!("data stream {name} can't be made as one: {why}. How is it to be taken?"),
        answers,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::desired::desired;
    use super::*;
    use crate::base::Address;
    use crate::base::version::{ProductVersion, Version};
    use crate::plan::location::{Location, Spanned};
    use crate::plan::model::{LegacyTemplates, MetadataInclude};
    use crate::plan::selector::Selector;

    fn spec() -> MetadataSpec {
        let name = |text: &str| Spanned::new(Address::new(text), Location::default());
        MetadataSpec {
            from: name("base"),
            to: name("os"),
            include: MetadataInclude {
                indices: Selector::all(),
                templates: Selector::all(),
                component_templates: Selector::all(),
                aliases: Selector::all(),
                pipelines: Selector::all(),
                scripts: Selector::all(),
                policies: Selector::none(),
                cluster_settings: Selector::none(),
                security: Selector::none(),
            },
            legacy_templates: LegacyTemplates::Keep,
            transforms: Vec::new(),
            closed: Closed::Migrate,
            data_streams: None,
            types: BTreeMap::new(),
            rules: BTreeMap::new(),
            decide: BTreeMap::new(),
        }
    }

    /// A stream `logs` of one generation under a template, to a server.
    fn observed(template: Value, field: &str, target: (Product, u16, u16)) -> MetadataObservation {
        let server = |(product, major, minor): (Product, u16, u16)| ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        };
        let key = |kind, name: &str| ObjectKey {
            kind,
            name: name.to_owned(),
        };
        let index = json!({"settings": {"index.number_of_shards": "3", "index.hidden": "true", "index.blocks.write": "true"},
            "mappings": {"_data_stream_timestamp": {"enabled": true}, "properties": {"x": {"type": "keyword"}}},
            "data_stream": {"name": "logs", "generation": 1, "timestamp_field": field, "aliases": ["all-logs"]}});
        MetadataObservation {
            snapshot_uuid: Some("u".into()),
            source: Some(server((Product::Elasticsearch, 8, 11))),
            target: server(target),
            source_objects: vec![
                (key(ObjectKind::IndexTemplate, "t"), template),
                (key(ObjectKind::Index, ".ds-logs-000004"), index),
            ],
            target_objects: Vec::new(),
            unknown_settings: BTreeSet::new(),
            refused: Vec::new(),
            target_templates: Vec::new(),
            not_moved: Vec::new(),
            target_has: Vec::new(),
            target_names: Vec::new(),
            shard_room: None,
            probed: None,
            types: BTreeMap::new(),
        }
    }

    /// The code of the question about the stream, and the stream.
    fn asked(
        template: Value,
        field: &str,
        target: (Product, u16, u16),
    ) -> (Option<String>, Desired) {
        let (wanted, _) = desired(&spec(), &observed(template, field, target));
        let is_it = |object: &Desired| object.key.kind == ObjectKind::DataStream;
        let stream = wanted.into_iter().find(is_it).expect("a stream");
        let open = stream.open.as_ref();
        let code = open.and_then(|item| Some(item.decision.as_ref()?.code.clone()));
        (code, stream)
    }

    const OPENSEARCH: (Product, u16, u16) = (Product::OpenSearch, 2, 19);

    #[test]
    fn what_keeps_a_stream_from_being_one_is_asked_about() {
        let plain = json!({"index_patterns": ["lo*"], "data_stream": {}});
        let code = |template: &Value, field, target| asked(template.clone(), field, target).0;
        assert_eq!(code(&plain, TIMESTAMP, OPENSEARCH), None);
        let elasticsearch = |major, minor| (Product::Elasticsearch, major, minor);
        assert_eq!(code(&plain, TIMESTAMP, elasticsearch(7, 17)), None);
        // OpenSearch alone takes another field of time.
        assert_eq!(code(&plain, "when", OPENSEARCH), None);
        for (template, field, target, wanted) in [
            (plain.clone(), "when", elasticsearch(7, 17), "MIG099"),
            (plain.clone(), TIMESTAMP, elasticsearch(7, 8), "MIG099"),
            (
                json!({"index_patterns": ["web*"], "data_stream": {}}),
                TIMESTAMP,
                OPENSEARCH,
                "MIG099",
            ),
            (
                json!({"index_patterns": ["logs"]}),
                TIMESTAMP,
                OPENSEARCH,
                "MIG099",
            ),
            (
                json!({"index_patterns": ["logs"], "data_stream": {"allow_custom_routing": true}}),
                TIMESTAMP,
                OPENSEARCH,
                "MIG331",
            ),
        ] {
            assert_eq!(
                code(&template, field, target).as_deref(),
                Some(wanted),
                "{template} {target:?}"
            );
        }
    }

    #[test]
    fn a_generation_is_what_its_index_is_and_waits_with_the_stream() {
        let template = json!({"index_patterns": ["lo*"], "data_stream": {}});
        let (_, stream) = asked(template, "when", OPENSEARCH);
        assert_eq!(
            stream.body,
            json!({"timestamp_field": "when", "generations": [{
                "settings": {"index.number_of_shards": "3"}, "mappings": {"properties": {"x": {"type": "keyword"}}}}],
                "held_back": {"settings": {"1/index.blocks.write": "true"}}})
        );
        assert!(
            stream
                .edits
                .iter()
                .all(|edit| edit.path.starts_with("generations.1."))
        );
        let all = observed(
            json!({"index_patterns": ["lo*"], "data_stream": {}}),
            "when",
            OPENSEARCH,
        );
        let (_, left_out) = desired(&spec(), &all);
        assert!(
            left_out
                .iter()
                .any(|it| it.object == "alias" && it.name == "all-logs")
        );
    }

    #[test]
    fn one_alias_over_several_streams_stays_one_and_names_that_are_taken_are_asked_about() {
        let template = json!({"index_patterns": ["lo*"], "data_stream": {}});
        let mut observed = observed(template, "@timestamp", OPENSEARCH);
        let mut add = |name: &str, mark: Option<Value>| {
            let mut body = json!({"settings": {}, "mappings": {}});
            if let Some(mark) = mark {
                body[MARK] = mark;
            }
            let key = object(ObjectKind::Index, name);
            observed.source_objects.push((key, body));
        };
        let web = json!({"name": "web", "generation": 1, "aliases": ["all-logs"]});
        add(".ds-web-000001", Some(web));
        add("ds-web-000001", None);
        let mut spec = spec();
        spec.data_streams = Some(DataStreams::Indices);
        let (wanted, _) = desired(&spec, &observed);
        let find = |kind, name: &str| -> Vec<&Desired> {
            let key = object(kind, name);
            wanted.iter().filter(|it| it.key == key).collect()
        };
        let over = find(ObjectKind::Alias, "all-logs");
        assert_eq!(over.len(), 1);
        let indices = json!({"ds-logs-000004": {}, "ds-web-000001": {}});
        assert_eq!(over[0].body["indices"], indices);
        let taken = find(ObjectKind::Index, "ds-web-000001");
        assert_eq!(taken.len(), 2);
        let answers = |object: &&&Desired| object.problems[0].answers[0].contains("data-streams");
        assert_eq!(taken.iter().filter(answers).count(), 1);
        let keys = keys(&spec, &observed);
        for object in &wanted {
            let of_source = observed
                .source_objects
                .iter()
                .any(|(key, _)| *key == object.key);
            assert!(
                of_source || keys.contains(&object.key),
                "{}",
                object.key.name
            );
        }
    }
}
