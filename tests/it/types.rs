//! Indices with mapping types of real servers before Elasticsearch 6, moved to a directory: what arrives is held against what
//! the servers answered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::Place;
use super::versions::expected;

fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder)
        .join("repository")
}

/// A plan for one index with this `types`.
fn place(folder: &str, snapshot: &str, index: &str, types: &str) -> Place {
    let place = Place::empty();
    write(&place, folder, snapshot, index, types);
    place
}

fn write(place: &Place, folder: &str, snapshot: &str, index: &str, types: &str) {
    let plan = format!(
        "mig: 1\nplan: t\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\nstores:\n  \
         snapshots: {{ directory: {} }}\nphases:\n  \
         base: {{ snapshot: {{ existing: {{ store: snapshots, name: {snapshot} }} }} }}\n  \
         meta: {{ metadata: {{ from: base, to: os, rules: {{ MIG129: allow }}, include: {{ indices: [{index}], templates: none }}, \
         types: {{ {index}: {types} }} }} }}\n  \
         docs: {{ backfill: {{ from: base, to: os, indices: [{index}] }} }}\n  \
         same: {{ verify: {{ source: base, target: os, indices: [{index}] }} }}\n",
        repository(folder).display()
    );
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
}

/// A document as a server told it.
#[derive(Clone, Debug)]
struct Told {
    kind: String,
    id: String,
    routing: Option<String>,
    parent: Option<String>,
    source: Value,
}

/// The documents of the one index of 1.7.6 that has types.
fn blog() -> Vec<Told> {
    let path = repository("es-1.7.6").with_file_name("expected.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let told = all["blog"].as_array().unwrap().iter().map(|it| Told {
        kind: text(&it["_type"]).unwrap(),
        id: text(&it["_id"]).unwrap(),
        // A search told the routing only where it is no parent's id.
        routing: text(&it["_routing"]).or_else(|| text(&it["_parent"])),
        parent: text(&it["_parent"]),
        source: it["_source"].clone(),
    });
    told.collect()
}

/// Those of 2.4.6 or 5.6.16.
fn types_of(server: &str) -> Vec<Told> {
    let taken = expected(server).snapshots;
    let taken = taken.iter().find(|it| it.snapshot == "first").unwrap();
    let told = taken.indices["types"].documents.iter().map(|it| Told {
        kind: it.mapping_type.clone().unwrap(),
        id: it.id.clone(),
        routing: it.routing.clone(),
        parent: it.parent.clone(),
        source: serde_json::from_str(it.source.as_deref().unwrap()).unwrap(),
    });
    told.collect()
}

type Landed = BTreeMap<(String, Option<String>), Value>;

/// What arrived in an index.
fn landed(place: &Place, index: &str) -> Landed {
    let mut landed = Landed::new();
    let docs = place.path(&format!("out/indices/{index}/docs"));
    for entry in std::fs::read_dir(docs).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut lines = text.split_terminator('\n');
        while let (Some(action), Some(source)) = (lines.next(), lines.next()) {
            let action: Value = serde_json::from_str(action).unwrap();
            let text = |key: &str| action["index"][key].as_str().map(str::to_owned);
            let routing = text("routing").or_else(|| text("_routing"));
            let key = (text("_id").unwrap(), routing);
            let before = landed.insert(key, serde_json::from_str(source).unwrap());
            assert!(before.is_none(), "{action} twice");
        }
    }
    landed
}

/// With a field in front.
fn with(source: &Value, field: &str, value: Value) -> Value {
    let mut source = source.clone();
    source[field] = value;
    source
}

fn mapping(place: &Place, index: &str) -> Value {
    let path = place.path(&format!("out/indices/{index}/index.json"));
    let body: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    body["mappings"].clone()
}

#[test]
fn posts_and_comments_of_1_7_come_together_with_a_join_field() {
    let place = place(
        "es-1.7.6",
        "snap-2014",
        "blog",
        "{ take: union, type-field: kind }",
    );
    let planned = place.mig(&["plan", "--detail", "full"]).ends_with(0);
    let planned = planned.says("MIG206").says("parents in the field join");
    let planned = planned.says("types in the field kind");
    planned.says("none stands in two types");
    let documents = blog();
    let count = documents.len();
    let said = format!("{count} of {count} documents of 1 index written to os, 0 failed");
    place.apply().ends_with(0).says(&said);
    let wanted: Landed = documents
        .into_iter()
        .map(|it| {
            let join = match &it.parent {
                Some(parent) => json!({"name": it.kind, "parent": parent}),
                None => json!(it.kind),
            };
            let source = with(&it.source, "join", join);
            let source = with(&source, "kind", json!(it.kind));
            ((it.id, it.routing), source)
        })
        .collect();
    assert_eq!(landed(&place, "blog"), wanted);
    let mapping = mapping(&place, "blog");
    assert_eq!(
        mapping["properties"]["join"],
        json!({"type": "join", "relations": {"post": "comment"}})
    );
    assert_eq!(mapping["properties"]["kind"], json!({"type": "keyword"}));
    assert!(
        mapping["properties"]["text"].is_object() && mapping["properties"]["title"].is_object()
    );
    assert_eq!(mapping.get("_parent"), None);
    place.is_finished();
}

#[test]
fn ids_that_stand_in_several_types_are_refused_without_a_key() {
    for server in ["elasticsearch-2.4.6", "elasticsearch-5.6.16"] {
        let folder = format!("versions/{server}");
        let place = place(&folder, "first", "types", "{ take: union }");
        let asked = place.apply().ends_with(4).says("MIG320");
        asked.says("1 decision is missing");
        assert!(!place.path("out/indices/types").exists(), "nothing is made");
        write(
            &place,
            &folder,
            "first",
            "types",
            "{ take: union, ids: type-prefix }",
        );
        place.apply().ends_with(0);
        let documents = types_of(server);
        let family = |kind: &str| kind != "plain";
        let wanted: Landed = documents
            .into_iter()
            .map(|it| {
                let id = format!("{}#{}", it.kind, it.id);
                let source = match &it.parent {
                    Some(parent) => {
                        let parent = format!("shop#{parent}");
                        with(
                            &it.source,
                            "join",
                            json!({"name": it.kind, "parent": parent}),
                        )
                    }
                    None if family(&it.kind) => with(&it.source, "join", json!(it.kind)),
                    None => it.source.clone(),
                };
                let stays = family(&it.kind).then(|| it.id.clone());
                ((id, it.routing.or(stays)), source)
            })
            .collect();
        assert_eq!(landed(&place, "types"), wanted, "{server}");
        place.is_finished();
    }
}

#[test]
fn a_split_gives_each_family_an_index_and_drops_what_is_named() {
    for server in ["elasticsearch-2.4.6", "elasticsearch-5.6.16"] {
        let folder = format!("versions/{server}");
        // Shops and their offers share ids.
        let split = "{ take: split, ids: type-prefix, alias: true }";
        let place = place(&folder, "first", "types", split);
        place.mig(&["plan"]).ends_with(0).says("types-plain");
        let documents = types_of(server);
        let count = documents.len();
        let said = format!("{count} of {count} documents of 2 indices written to os, 0 failed");
        place.apply().ends_with(0).says(&said);
        let ids = |index: &str| -> Vec<String> {
            landed(&place, index)
                .into_keys()
                .map(|(id, _)| id)
                .collect()
        };
        let wanted = |kinds: &[&str]| {
            let mut ids: Vec<String> = documents
                .iter()
                .filter(|it| kinds.contains(&it.kind.as_str()))
                .map(|it| format!("{}#{}", it.kind, it.id))
                .collect();
            ids.sort();
            ids
        };
        assert_eq!(ids("types-plain"), wanted(&["plain"]), "{server}");
        assert_eq!(ids("types-shop"), wanted(&["offer", "shop"]), "{server}");
        assert_eq!(
            mapping(&place, "types-plain")["properties"].get("join"),
            None
        );
        place.is_finished();

        // Told otherwise, what was written is written again.
        let only = "{ take: split, drop: [shop, offer] }";
        write(&place, &folder, "first", "types", only);
        let planned = place.mig(&["plan"]);
        planned.says("its mapping types are taken otherwise now");
        let plain = documents.iter().filter(|it| it.kind == "plain").count();
        let said = format!(
            "{plain} of {count} documents of 1 index written to os, 0 failed, {} left out as the plan says",
            count - plain
        );
        place.apply().ends_with(0).says(&said);
        let first: Vec<String> = ids("types-plain");
        assert!(first.iter().all(|id| !id.contains('#')), "{first:?}");
    }
}
