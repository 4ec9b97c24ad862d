//! What phases look at as the source: the snapshot, or the live cluster as long as there is none.
//!
//! A live cluster is asked a handful of questions whatever its size: a list of its indices, their settings, mappings and
//! aliases, the templates, and one count an index where documents are to be told. Deliberately absent: documents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::existing::SnapshotView;
use super::metadata::global::{PERSISTENT, global_objects};
use super::metadata::source::template;
use super::metadata::streams::{MARK, mark};
use super::source_gap::source_gap;
use super::streams::{by_name, number_generations};
use crate::base::version::{Product, ProductVersion};
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::diff::change::LeftOut;
use crate::diff::observation::{
    LiveIndexFacts, ObjectKey, ObjectKind, SnapshotIndexFacts, SourceGap, TypesFacts,
};
use crate::engines::mapping_types::facts;
use crate::engines::metadata::not_moved;
use crate::engines::reconstruct::lost_fields;
use crate::engines::snapshot::GlobalMetadata;

/// Indices that are counted with one request.
const COUNTED_AT_ONCE: usize = 500;

static NO_INDICES: BTreeMap<String, SnapshotIndexFacts> = BTreeMap::new();

/// The source of metadata and documents.
pub enum SourceView {
    /// Snapshots that can be used.
    Snapshot(Arc<SnapshotView>),
    /// The cluster that the snapshot will be taken of: everything decided on it is provisional.
    Live(Arc<LiveView>),
    /// Snapshots that can be used, and the indices that a wider selector adds to them, as they are on the live cluster.
    Wider(Box<Wider>),
    /// Neither; the snapshot's own phase says why.
    Nothing,
}

/// See [`SourceView::Wider`].
pub struct Wider {
    /// What was taken.
    pub taken: Arc<SnapshotView>,
    /// What will be taken.
    pub live: Arc<LiveView>,
    indices: BTreeMap<String, SnapshotIndexFacts>,
}

impl Wider {
    /// Of both.
    pub fn new(taken: Arc<SnapshotView>, live: Arc<LiveView>) -> Self {
        let mut indices = live.indices.clone();
        for facts in indices.values_mut() {
            facts.snapshot = Some(SnapshotIndexFacts::AWAITED.to_owned());
        }
        let held = taken.facts.as_ref().map(|facts| &facts.indices);
        for (name, facts) in held.into_iter().flatten() {
            indices.insert(name.clone(), facts.clone());
        }
        Self {
            taken,
            live,
            indices: numbered(indices),
        }
    }
}

impl SourceView {
    /// The uuid of the (first) snapshot; `None` while there is none.
    pub fn snapshot_uuid(&self) -> Option<String> {
        match self {
            Self::Snapshot(view) => view.facts.as_ref().map(|facts| facts.uuid.clone()),
            Self::Wider(wider) => {
                let facts = wider.taken.facts.as_ref();
                facts.map(|facts| facts.uuid.clone())
            }
            Self::Live(_) | Self::Nothing => None,
        }
    }

    /// The server behind it.
    pub fn made_by(&self) -> Option<ProductVersion> {
        match self {
            Self::Snapshot(view) => view.facts.as_ref().and_then(|facts| facts.made_by),
            Self::Wider(wider) => Some(wider.live.version),
            Self::Live(live) => Some(live.version),
            Self::Nothing => None,
        }
    }

    /// Its indices by name.
    pub fn indices(&self) -> &BTreeMap<String, SnapshotIndexFacts> {
        match self {
            Self::Snapshot(view) => view
                .facts
                .as_ref()
                .map_or(&NO_INDICES, |facts| &facts.indices),
            Self::Live(live) => &live.indices,
            Self::Wider(wider) => &wider.indices,
            Self::Nothing => &NO_INDICES,
        }
    }
}

/// A live source, as far as its snapshot would hold it.
pub struct LiveView {
    /// The server.
    pub version: ProductVersion,
    /// The indices that the snapshot will hold.
    pub indices: BTreeMap<String, SnapshotIndexFacts>,
    /// Their metadata and the templates, in the form that snapshots are read in.
    pub objects: Vec<(ObjectKey, Value)>,
    /// What it has beside them and no plan moves.
    pub not_moved: Vec<LeftOut>,
}

/// How long shards that are just starting are waited for.
const STARTING: Duration = Duration::from_secs(5);
/// Indices that are waited for by name at most.
const STARTING_MAX: usize = 50;

impl LiveView {
    /// Looks at the indices of a cluster that are `wanted`. `global`: whether the snapshot will hold templates.
    pub fn open(
        client: &ClusterClient,
        wanted: impl Fn(&str) -> bool,
        global: bool,
    ) -> Result<Self, ClusterError> {
        let version = client.about()?.version;
        let mut listed = indices(client)?;
        listed.retain(|name, _| wanted(name));
        count(client, &mut listed)?;
        let (mut objects, not_moved) = objects(client, version, &listed, global)?;
        let indices = listed
            .into_iter()
            .map(|(name, found)| {
                let facts = SnapshotIndexFacts {
                    id: String::new(),
                    uuid: found.uuid,
                    shards: found.shards,
                    closed: found.closed,
                    docs: found.docs,
                    bytes: found.bytes.unwrap_or(0),
                    source_gap: gap(&objects, &name),
                    data_stream: by_name(&name),
                    types: types(version, &objects, &name),
                    ..SnapshotIndexFacts::default()
                };
                (name, facts)
            })
            .collect();
        let indices = numbered(indices);
        for (key, body) in &mut objects {
            let facts = indices.get(&key.name);
            let mark = facts.and_then(|facts| mark(facts, None, &[]));
            if let (ObjectKind::Index, Some(mark)) = (key.kind, mark) {
                body[MARK] = mark;
            }
        }
        Ok(Self {
            version,
            indices,
            objects,
            not_moved,
        })
    }
}

fn numbered(
    mut indices: BTreeMap<String, SnapshotIndexFacts>,
) -> BTreeMap<String, SnapshotIndexFacts> {
    number_generations(&mut indices, &BTreeMap::new());
    indices
}

/// The mapping types of an index by its body among the objects. Of their documents nothing is known yet.
fn types(
    version: ProductVersion,
    objects: &[(ObjectKey, Value)],
    name: &str,
) -> Option<TypesFacts> {
    // A mapping that stands by itself is of `_doc`.
    const ROOT: [&str; 3] = ["properties", "dynamic", "dynamic_templates"];
    if version.product != Product::Elasticsearch || version.version.floor() >= (7, 0, 0) {
        return None;
    }
    let is_it = |(key, _): &&(ObjectKey, Value)| key.kind == ObjectKind::Index && key.name == name;
    let (_, body) = objects.iter().find(is_it)?;
    let mappings = body.get("mappings")?.as_object()?;
    if ROOT.iter().any(|word| mappings.contains_key(*word)) {
        return None;
    }
    facts(
        mappings
            .iter()
            .map(|(name, mapping)| (name.as_str(), mapping)),
    )
}

/// Why documents of an index will have no source, by its body among the objects.
fn gap(objects: &[(ObjectKey, Value)], name: &str) -> Option<SourceGap> {
    let is_it = |(key, _): &&(ObjectKey, Value)| key.kind == ObjectKind::Index && key.name == name;
    let (_, body) = objects.iter().find(is_it)?;
    let settings = body.get("settings")?.as_object()?;
    let mapping = body.get("mappings");
    // Before 7.0 the mapping stands below the name of its type.
    let by_type = mapping.and_then(Value::as_object).into_iter().flatten();
    let by_type = by_type.map(|(name, mapping)| (name.as_str(), mapping));
    let types = mapping.map(|mapping| ("_doc", mapping)).into_iter();
    let types = types.chain(by_type);
    let gap = source_gap(settings, types.clone().map(|(_, mapping)| mapping))?;
    let with_fields = types.filter(|(_, mapping)| mapping.get("properties").is_some());
    Some(SourceGap {
        lost: lost_fields(settings, with_fields, &BTreeMap::new()),
        ..gap
    })
}

/// All indices of a cluster, closed and hidden ones too; documents are not counted.
pub(super) fn indices(
    client: &ClusterClient,
) -> Result<BTreeMap<String, LiveIndexFacts>, ClusterError> {
    let version = client.about()?.version;
    let mut path =
        "/_cat/indices?format=json&bytes=b&h=index,uuid,status,health,pri,pri.store.size"
            .to_owned();
    if version.product == Product::OpenSearch || version.version.floor() >= (7, 7, 0) {
        path.push_str("&expand_wildcards=all");
    }
    let answer = client.json(Request::get(path))?;
    let mut found = BTreeMap::new();
    for row in answer.as_array().into_iter().flatten() {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let facts = LiveIndexFacts {
            uuid: text("uuid").to_owned(),
            shards: text("pri").parse().unwrap_or(0),
            closed: text("status") == "close",
            docs: None,
            bytes: text("pri.store.size").parse().ok(),
            red: text("health") == "red",
            chosen: false,
        };
        found.insert(text("index").to_owned(), facts);
    }
    Ok(found)
}

/// As [`indices`], after those of the `wanted` ones whose shards are just starting (made, opened or closed a moment ago)
/// had a few seconds for it.
pub(super) fn settled_indices(
    client: &ClusterClient,
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, LiveIndexFacts>, ClusterError> {
    let found = indices(client)?;
    let red: Vec<String> = found
        .iter()
        .filter(|(name, facts)| facts.red && wanted(name))
        .map(|(name, _)| Request::part(name))
        .take(STARTING_MAX)
        .collect();
    if red.is_empty() {
        return Ok(found);
    }
    let path = format!(
        "/_cluster/health/{}?wait_for_status=yellow&timeout={}s&expand_wildcards=all",
        red.join(","),
        STARTING.as_secs()
    );
    match client.send(Request::get(path)) {
        // 408: they did not start; who is red still is told by name.
        Ok(_) => indices(client),
        Err(error) if error.status() == Some(408) => indices(client),
        Err(error) => Err(error),
    }
}

/// Counts the root documents of open indices.
pub(super) fn count(
    client: &ClusterClient,
    indices: &mut BTreeMap<String, LiveIndexFacts>,
) -> Result<(), ClusterError> {
    let version = client.about()?.version;
    let exact = version.product == Product::OpenSearch || version.version.floor() >= (7, 0, 0);
    let body = if exact {
        json!({"size": 0, "track_total_hits": true})
    } else {
        json!({"size": 0})
    };
    let mut open: Vec<(&String, &mut LiveIndexFacts)> = indices
        .iter_mut()
        .filter(|(_, facts)| !facts.closed)
        .collect();
    for some in open.chunks_mut(COUNTED_AT_ONCE) {
        let mut lines = String::new();
        for (name, _) in some.iter() {
            lines.push_str(&json!({ "index": name }).to_string());
            lines.push_str(&format!("\n{body}\n"));
        }
        // By GET, which a read-only cluster takes.
        let request = Request::get("/_msearch").lines(Bytes::from(lines));
        let answer = client.json(request)?;
        let responses = answer.get("responses").and_then(Value::as_array);
        for ((_, facts), response) in some.iter_mut().zip(responses.into_iter().flatten()) {
            let whole = response.pointer("/_shards/failed").and_then(Value::as_u64) == Some(0);
            let total = response
                .pointer("/hits/total/value")
                .or_else(|| response.pointer("/hits/total"));
            facts.docs = total.and_then(Value::as_u64).filter(|_| whole);
        }
    }
    Ok(())
}

/// Sections of a cluster's state that are not asked for: indices are, by another call, and the others hold no objects.
const NOT_ASKED: &str =
    "-metadata.indices,-metadata.cluster_coordination,-metadata.index-graveyard";

/// What a cluster has beside indices, as its snapshot will hold it.
fn global_state(client: &ClusterClient) -> Result<GlobalMetadata, ClusterError> {
    let path = format!("/_cluster/state/metadata?filter_path=metadata,{NOT_ASKED}");
    let mut state = client.metadata(Request::get(path))?;
    let mut sections = match state.get_mut("metadata").map(Value::take) {
        Some(Value::Object(sections)) => sections,
        _ => Map::new(),
    };
    // The state does not tell these; their own call does.
    let mut settings = client.json(Request::get("/_cluster/settings?flat_settings=true"))?;
    if let Some(persistent) = settings.get_mut(PERSISTENT) {
        sections.insert("settings".into(), persistent.take());
    }
    Ok(GlobalMetadata::from_state(&sections))
}

/// Bodies with their names, in the order of these.
type Objects = Vec<(ObjectKey, Value)>;

/// Templates and what else the cluster has, and the chosen indices with their aliases; beside them what is never moved.
fn objects(
    client: &ClusterClient,
    version: ProductVersion,
    chosen: &BTreeMap<String, LiveIndexFacts>,
    global: bool,
) -> Result<(Objects, Vec<LeftOut>), ClusterError> {
    let state = client.json(Request::get(
        "/_cluster/state/metadata?filter_path=metadata.indices.*.routing_num_shards",
    ))?;
    let mut objects = Vec::new();
    let mut beside = Vec::new();
    if global {
        let found = global_state(client)?;
        beside = not_moved(&found.other);
        objects.extend(global_objects(&found));
        let sections = [
            (
                ObjectKind::ComponentTemplate,
                &found.component_templates,
                true,
            ),
            (ObjectKind::IndexTemplate, &found.index_templates, true),
            (ObjectKind::LegacyTemplate, &found.templates, false),
        ];
        for (kind, section, nested) in sections {
            for (name, body) in section {
                let name = name.clone();
                objects.push((ObjectKey { kind, name }, template(body, nested)));
            }
        }
    }
    let typed = version.product == Product::Elasticsearch && version.version.floor() < (7, 0, 0);
    let answer = client.metadata(Request::get(
        "/_all?expand_wildcards=all&flat_settings=true",
    ))?;
    let mut aliases: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (name, facts) in chosen {
        let Some(found) = answer.get(name) else {
            continue; // it was removed in between
        };
        let section = |key: &str| found.get(key).cloned().unwrap_or_else(|| json!({}));
        let mut mappings = section("mappings");
        if typed && let Some(inner) = mappings.get_mut("_doc") {
            mappings = inner.take();
        }
        let mut body = Map::new();
        body.insert("settings".into(), section("settings"));
        body.insert("mappings".into(), mappings);
        let routing = state
            .get("metadata")
            .and_then(|it| it.get("indices"))
            .and_then(|it| it.get(name))
            .and_then(|it| it.get("routing_num_shards"));
        if let Some(shards) = routing {
            body.insert("routing_num_shards".into(), shards.clone());
        }
        if facts.closed {
            body.insert("closed".into(), json!(true));
        }
        let key = ObjectKey {
            kind: ObjectKind::Index,
            name: name.clone(),
        };
        objects.push((key, Value::Object(body)));
        let of_index = found.get("aliases").and_then(Value::as_object);
        for (alias, definition) in of_index.into_iter().flatten() {
            let over = aliases.entry(alias.clone()).or_default();
            over.insert(name.clone(), definition.clone());
        }
    }
    for (name, indices) in aliases {
        let kind = ObjectKind::Alias;
        objects.push((ObjectKey { kind, name }, json!({ "indices": indices })));
    }
    objects.sort_by(|left, right| left.0.cmp(&right.0));
    Ok((objects, beside))
}
