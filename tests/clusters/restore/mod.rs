//! Backfills whose target restores indices from the snapshot, on real servers: everything arrives, is proved like any other and is
//! left alone afterwards; what can't be restored is told or written; kills and resets leave nothing to repair.

mod kills;
mod middle;
mod orders;
pub(crate) mod versions;

use std::time::{Duration, Instant};

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus;
use super::load::{Load, ends, kill};
use super::place::Place;
use super::support::{Options, Scope, Server, elasticsearch, is_its_day, opensearch2, opensearch3};
use super::whole::{all_arrived, plan};

/// How long anything is waited for.
const LONGEST: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(50);

/// The version that made an index on a server.
fn created(server: &Server, index: &str) -> String {
    let settings = server.get(&format!("/{index}/_settings?flat_settings=true"));
    let made = &settings[index]["settings"]["index.version.created"];
    made.as_str().unwrap().to_owned()
}

/// The repositories that a plan has on a server.
fn repositories(server: &Server, plan: &str) -> Vec<String> {
    let all = server.get("/_snapshot");
    let names = all.as_object().unwrap().keys();
    let ours = names.filter(|name| name.contains(plan));
    ours.cloned().collect()
}

/// What the phase `docs` recorded.
fn outputs(place: &Place) -> Value {
    let text = std::fs::read(place.path("state/state.json")).unwrap();
    let state: Value = serde_json::from_slice(&text).unwrap();
    state["phases"]["docs"]["outputs"].clone()
}

/// What of a plan stands noted on the target as restored, or as being restored.
fn notes(target: &Server, plan: &str) -> Vec<Value> {
    drop(
        target
            .client()
            .send(Request::post("/.migrations_working_state/_refresh")),
    );
    let path = "/.migrations_working_state/_search?size=1000&ignore_unavailable=true";
    let found = target.get(path);
    let hits = found["hits"]["hits"].as_array().cloned();
    let mut hits = hits.unwrap_or_default();
    hits.retain(|hit| {
        let kind = hit["_source"]["kind"].as_str().unwrap_or_default();
        hit["_source"]["plan"] == plan && ["restored", "restoring"].contains(&kind)
    });
    hits
}

/// The whole corpus with `strategy: auto`: what can be restored is, the rest is written, and all of it is proved.
fn auto(target: &Server, version: &str, what: &str) {
    let source = elasticsearch();
    let scope = Scope::on(&[source, target], what);
    let corpus = corpus::make(&source.client(), scope.prefix());
    let text = plan(&scope, source, (target, version), "");
    let text = text.replace("workers: 2", "workers: 2, strategy: auto");
    let place = Place::of_plan(&text);
    place
        .mig(&["plan"])
        .ends_with(0)
        .says("restored as it is: ")
        .says("stays created by Elasticsearch 7.10.2: OpenSearch 3 will not open it")
        .says("are neither read by mig nor sent");
    place.apply().ends_with(0);
    place.is_finished();
    all_arrived(target, &corpus);
    let outputs = outputs(&place);
    let indices = outputs["indices"].as_object().unwrap();
    let restored = indices.iter().filter(|(_, it)| it["restored"].is_object());
    let restored: Vec<&String> = restored.map(|(name, _)| name).collect();
    assert!(restored.len() > 3, "{restored:?} of {:?}", indices.keys());
    for name in &restored {
        assert!(created(target, name).starts_with("7100"), "{name}");
    }
    assert!(
        restored.iter().any(|name| name.ends_with("-closed")),
        "a closed index is restored, and closed again: {restored:?}"
    );
    assert_eq!(repositories(target, scope.prefix()), Vec::<String>::new());
    let aliases = |server: &Server| server.get(&format!("/{}/_alias", scope.name("aliased")));
    assert_eq!(aliases(source), aliases(target));
    place.apply().ends_with(0).says("No changes");

    // Another state of the plan takes it for what it is.
    std::fs::remove_dir_all(place.path("state")).unwrap();
    place.apply().ends_with(0);
    place.is_finished();
    let status = place.mig(&["backfill", "status", "--deep-check"]);
    status.ends_with(0).says("BackfillStatus.COMPLETED");
    for name in &restored {
        assert!(
            created(target, name).starts_with("7100"),
            "{name} was written again"
        );
    }
    all_arrived(target, &corpus);

    // Taken back, and done again by writing.
    place
        .mig(&["rollback", "--auto-approve", "--only", "docs"])
        .ends_with(0);
    for name in &restored {
        if !name.ends_with("-closed") {
            assert_eq!(target.count(name), 0, "{name}");
        }
    }
    assert_eq!(notes(target, scope.prefix()), Vec::<Value>::new());
    std::fs::write(
        place.path("plan.yaml"),
        text.replace(", strategy: auto", ""),
    )
    .unwrap();
    place.apply().ends_with(0);
    place.is_finished();
    all_arrived(target, &corpus);
    for name in &restored {
        assert!(!created(target, name).starts_with("7100"), "{name}");
    }
}

#[test]
fn everything_of_7_10_is_restored_or_written_on_opensearch_2() {
    if !is_its_day(1, 3) {
        return;
    }
    auto(opensearch2(), "2.19", "auto2");
}

#[test]
fn everything_of_7_10_is_restored_or_written_on_opensearch_1() {
    if !is_its_day(0, 3) {
        return;
    }
    let target = Server::start("opensearch:1.3.20", &Options::default());
    auto(&target, "1.3", "auto1");
}

/// Held back settings, a block, copies that the target makes only afterwards, and a template that fits.
#[test]
fn an_index_is_restored_as_the_plan_wants_it() {
    let target = opensearch2();
    let settings = [
        ("index.number_of_shards", json!(3)),
        ("index.number_of_replicas", json!(1)),
        ("index.refresh_interval", json!("7s")),
        ("index.auto_expand_replicas", json!("0-2")),
    ];
    let fields = "workers: 2, strategy: restore";
    let load = Load::new(target, "wanted", 1500, &settings, fields);
    load.source.put(
        &format!("/{}/_settings", load.index),
        &json!({"index.blocks.write": true}),
    );
    let body = json!({"index_patterns": [load.index], "settings": {"index.priority": "7"}, "aliases": {"not-wanted": {}}});
    let template = format!("/_template/{}", load.scope.name("t"));
    target.put(&template, &body);
    let checked = load.place.mig(&["check"]).ends_with(0);
    checked.says("as a read-only repository");
    assert_eq!(
        repositories(target, load.scope.prefix()),
        Vec::<String>::new()
    );
    load.place.apply().ends_with(0);
    load.place.is_finished();
    for (name, value) in [
        ("index.refresh_interval", json!("7s")),
        ("index.blocks.write", json!("true")),
        ("index.auto_expand_replicas", json!("0-2")),
        ("index.priority", Value::Null),
        ("index.number_of_shards", json!("3")),
    ] {
        assert_eq!(load.setting(name), value, "{name}");
    }
    let aliases = target.get(&format!("/{}/_alias", load.index));
    assert_eq!(aliases[&load.index]["aliases"], json!({}));
    let recorded = load.recorded();
    assert_eq!(recorded["written"], 1500);
    assert_eq!(recorded["expected"], 1500);
    target.put(
        &format!("/{}/_settings", load.index),
        &json!({"index.blocks.write": null}),
    );
    load.stands();
    // A worker would have nothing to do.
    let worker = load.place.mig(&["worker", "--idle-timeout", "5s"]);
    worker.ends_with(0).says("nothing to do for a worker");
}

#[test]
fn what_can_not_be_restored_is_told_or_written() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "either");
    let (plain, tidied) = (scope.name("plain"), scope.name("tidied"));
    for index in [&plain, &tidied] {
        source.put(
            &format!("/{index}"),
            &json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0},
                "mappings": {"properties": {"a": {"type": "keyword"}, "b": {"type": "keyword"}}}}),
        );
        source.bulk(
            index,
            "{\"index\":{\"_id\":\"1\"}}\n{\"a\":\"x\",\"b\":\"y\"}\n{\"index\":{\"_id\":\"2\"}}\n{\"a\":\"z\"}\n",
        );
    }
    let text = plan(&scope, source, (target, "2.19"), "");
    let transforms = format!(
        "transforms: {{ tidy: {{ indices: [{tidied}], steps: [{{ drop: [b] }}] }} }}\nphases:"
    );
    let text = text.replace("phases:", &transforms);
    let with = |strategy: &str| {
        text.replace(
            "workers: 2",
            &format!("workers: 2, strategy: {strategy}, transforms: [tidy]"),
        )
        .replace("      decide: {  }", "      transforms: [tidy]")
    };
    let place = Place::of_plan(&with("restore"));
    place
        .apply()
        .ends_with(4)
        .says("MIG381")
        .says("its documents go through tidy")
        .says("strategy: auto");
    assert!(std::fs::read_dir(scope.repository(source)).is_err());
    std::fs::write(place.path("plan.yaml"), with("auto")).unwrap();
    place
        .mig(&["plan"])
        .ends_with(0)
        .says("written, not restored: its documents go through tidy")
        .says("restored as it is: 1 shard");
    place.apply().ends_with(0);
    place.is_finished();
    let indices = outputs(&place)["indices"].clone();
    assert!(indices[&plain]["restored"].is_object(), "{indices:#}");
    assert!(indices[&tidied]["restored"].is_null(), "{indices:#}");
    let of = |index: &str| target.get(&format!("/{index}/_doc/1"))["_source"].clone();
    assert_eq!(of(&plain), json!({"a": "x", "b": "y"}));
    assert_eq!(of(&tidied), json!({"a": "x"}));

    // Documents of somebody else are never restored over.
    let other = Place::of_plan(&with("auto").replace(
        &format!("plan: {}", scope.prefix()),
        &format!("plan: {}-b", scope.prefix()),
    ));
    other.apply().ends_with(4).says("MIG084");
    assert_eq!(of(&tidied), json!({"a": "x"}));
}

/// OpenSearch 3 opens nothing that Elasticsearch 7 made: neither as the target, nor as a hop after it.
#[test]
fn opensearch_3_and_a_hop_to_it_are_told() {
    let (source, third) = (elasticsearch(), opensearch3());
    let load = Load::new(third, "third", 10, &[], "workers: 2, strategy: restore");
    let planned = load.place.mig(&["plan"]);
    planned
        .says("MIG380")
        .says("it was made by Elasticsearch 7.10.2, and OpenSearch 3.3.0 opens those of OpenSearch 2 and later");
    load.place.apply().ends_with(4);
    load.replace("strategy: restore", "strategy: auto");
    load.place.apply().ends_with(0);
    load.is_whole();

    let second = opensearch2();
    let scope = Scope::on(&[source, second, third], "onward");
    let index = scope.name("x");
    source.put(
        &format!("/{index}"),
        &json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}}),
    );
    source.bulk(&index, "{\"index\":{\"_id\":\"1\"}}\n{\"a\":\"x\"}\n");
    let text = plan(&scope, source, (second, "2.19"), "");
    let text = text
        .replace("stores:\n", &format!("  os3: {{ endpoint: \"{}\", version: \"opensearch:3.3\" }}\nstores:\n  more: {{ directory: \"{}\" }}\n",
            third.url(), scope.repository(source).join("more").display()))
        .replace("workers: 2", "workers: 2, strategy: auto")
        + &format!("  base3: {{ snapshot: {{ of: os, to: more, indices: [\"{0}-*\"], after: [same] }} }}\n  \
            mappings3: {{ metadata: {{ from: base3, to: os3, include: {{ indices: [\"{0}-*\"], templates: none, component-templates: none }} }} }}\n  \
            docs3: {{ backfill: {{ from: base3, to: os3, strategy: auto }} }}\n  \
            same3: {{ verify: {{ source: base3, target: os3, content: full }} }}\n", scope.prefix());
    let place = Place::of_plan(&text);
    place.mig(&["plan"]).ends_with(0).says(
        "written, not restored: `docs3` goes on to OpenSearch 3.3, which opens no index made by Elasticsearch 7.10.2",
    );
    place.apply().ends_with(0);
    place.is_finished();
    let made = created(second, &index);
    assert!(made.starts_with("136"), "{made}");
    // What OpenSearch 2 made, OpenSearch 3 restores.
    assert_eq!(created(third, &index), made);
    assert_eq!(third.count(&index), 1);
}

/// Bytes and documents a second of both ways, printed for people.
#[test]
#[allow(clippy::print_stdout, reason = "the figures are what it is for")]
fn both_ways_beside_each_other() {
    if !is_its_day(3, 6) {
        return;
    }
    let target = opensearch2();
    for strategy in ["reindex", "restore"] {
        let fields = format!("workers: 2, strategy: {strategy}");
        let settings = [("index.number_of_shards", json!(2))];
        let load = Load::new(target, strategy, 50_000, &settings, &fields);
        load.place
            .mig(&["apply", "--auto-approve", "--until", "mappings"])
            .ends_with(0);
        let began = Instant::now();
        load.place
            .mig(&["apply", "--auto-approve", "--only", "docs"])
            .ends_with(0);
        let took = began.elapsed();
        let size = target.get(&format!("/{}/_stats/store", load.index));
        let bytes = size["_all"]["primaries"]["store"]["size_in_bytes"]
            .as_u64()
            .unwrap();
        println!(
            "{strategy}: 50 000 documents in {:.1} s, {:.0} documents/s, {:.1} MiB on disk, {}",
            took.as_secs_f64(),
            50_000.0 / took.as_secs_f64(),
            bytes as f64 / 1_048_576.0,
            load.outputs()["restored"],
        );
        load.place.apply().ends_with(0);
        load.is_whole();
    }
}
