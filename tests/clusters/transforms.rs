//! Transforms on real servers: a snapshot of Elasticsearch 7.10 into OpenSearch 2.19, documents changed on their way, proved
//! through the same transforms, and a tampered one found; behind a data stream of OpenSearch 2.19, into 3.3; types of
//! Elasticsearch 5.6 that are split.

use std::fs;

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::place::Place;
use super::support::{Options, Scope, Server, elasticsearch, opensearch2, opensearch3};

const DOCS: u64 = 300;

const SCRIPT: &str =
    "if .level == \"debug\" then empty else .took = (.took | tonumber) | .big = .big end";

fn fill(server: &Server, index: &str) {
    server.put(
        &format!("/{index}"),
        &json!({
            "settings": {"number_of_shards": 2, "number_of_replicas": 0},
            "mappings": {"properties": {
                "msg": {"type": "text"}, "level": {"type": "keyword"}, "took": {"type": "integer"},
                "at": {"type": "date", "format": "yyyy/MM/dd HH:mm:ss"}, "secret": {"type": "keyword"},
                "ok": {"type": "boolean"}, "big": {"type": "double"},
            }},
        }),
    );
    let mut lines = String::new();
    for number in 0..DOCS {
        let level = if number % 10 == 0 { "debug" } else { "info" };
        lines.push_str(&format!("{{\"index\":{{\"_id\":\"{number}\"}}}}\n"));
        lines.push_str(&format!(
            "{{\"msg\":\"number {number}\", \"level\":\"{level}\",\"took\":\"{number}\",\"at\":\"2020/11/18 07:45:{:02}\",\"secret\":\"s\",\"ok\":\"true\",\"big\":1.{}}}\n",
            number % 60,
            "7".repeat(60)
        ));
    }
    server.bulk(index, &lines);
    server.post(&format!("/{index}/_refresh"), &json!({}));
}

/// The verification alone, whatever it found before.
const PROVE_AGAIN: [&str; 6] = [
    "apply",
    "--auto-approve",
    "--redo",
    "same",
    "--only",
    "same",
];

#[test]
fn documents_arrive_changed_are_proved_and_a_tampered_one_is_found() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "transforms");
    let index = scope.name("logs");
    fill(source, &index);
    let place = Place::empty();
    fs::write(place.path("tidy.jq"), SCRIPT).unwrap();
    let plan = format!(
        "mig: 1
plan: {plan}
state: state
clusters:
  es: {{ endpoint: {es} }}
  os: {{ endpoint: {os} }}
stores:
  snapshots: {{ directory: {directory} }}
transforms:
  tidy:
    steps:
      - rename: {{ msg: message }}
      - drop: [secret]
      - date: {{ fields: [at], from: [yyyy/MM/dd HH:mm:ss], to: date_time }}
      - coerce: {{ fields: [ok] }}
      - set: {{ field: tier, value: hot }}
      - jq: {{ file: tidy.jq }}
    mappings:
      add: {{ tier: {{ type: keyword }}, at: {{ type: date }} }}
phases:
  base: {{ snapshot: {{ of: es, to: snapshots, indices: [\"{index}\"] }} }}
  mappings: {{ metadata: {{ from: base, to: os, include: {{ templates: none, component-templates: none, aliases: none }}, transforms: [tidy] }} }}
  docs: {{ backfill: {{ from: base, to: os, transforms: [tidy] }} }}
  same: {{ verify: {{ source: base, target: os, content: full }} }}
  live: {{ verify: {{ source: es, target: os, indices: [\"{index}\"], content: full, settle: 5s }} }}
",
        plan = scope.prefix(),
        es = source.url(),
        os = target.url(),
        directory = scope.repository(source).display(),
    );
    fs::write(place.path("plan.yaml"), plan).unwrap();
    // There is no snapshot yet: samples are of the live source, and the plan is provisional.
    place
        .mig(&["plan", "--sample", "5"])
        .ends_with(0)
        .says("through tidy · 5 documents read")
        .says("+ message: \"number ");
    place
        .apply()
        .ends_with(0)
        .says("left out by transform tidy");
    let mapping = target.get(&format!("/{index}/_mapping"));
    let fields = &mapping[&index]["mappings"]["properties"];
    assert_eq!(fields["message"]["type"], "text", "{fields:#}");
    assert!(
        fields.get("msg").is_none() && fields.get("secret").is_none(),
        "{fields:#}"
    );
    let found = target.get(&format!("/{index}/_doc/7"));
    let text = found["_source"].to_string();
    assert_eq!(found["_source"]["message"], "number 7", "{text}");
    assert_eq!(found["_source"]["took"], 7, "{text}");
    assert_eq!(found["_source"]["ok"], true, "{text}");
    assert_eq!(found["_source"]["at"], "2020-11-18T07:45:07.000Z", "{text}");
    let count = target.get(&format!("/{index}/_count"));
    assert_eq!(count["count"], DOCS - DOCS / 10);
    place.is_finished();

    // One that the script left out is extra when somebody puts it there, and a changed one differs.
    let mut changed = found["_source"].clone();
    changed["took"] = json!(8);
    target.put(&format!("/{index}/_doc/7?refresh=true"), &changed);
    target.put(
        &format!("/{index}/_doc/10?refresh=true"),
        &json!({"message": "number 10", "level": "debug"}),
    );
    place
        .mig(&PROVE_AGAIN)
        .ends_with(8)
        .says("1 different")
        .says("1 extra");
}

/// The sources of an index or a stream on a server.
fn sources(server: &Server, name: &str) -> Vec<Value> {
    server.post(&format!("/{name}/_refresh"), &json!({}));
    let found = server.get(&format!("/{name}/_search?size=1000"));
    let hits = found["hits"]["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["_source"].clone()).collect()
}

/// The backing indices of a stream.
fn backing(server: &Server, stream: &str) -> Vec<String> {
    let found = server.get(&format!("/_data_stream/{stream}"));
    let indices = &found["data_streams"][0]["indices"];
    let names = indices.as_array().into_iter().flatten();
    names
        .map(|it| it["index_name"].as_str().unwrap().to_owned())
        .collect()
}

/// A transform that names the stream is for every generation, behind the stream and as indices, in the proof of the snapshot
/// and in that of the live source.
#[test]
fn a_transform_of_a_data_stream_is_for_all_of_its_generations() {
    let (source, target) = (opensearch2(), opensearch3());
    let scope = Scope::on(&[source, target], "transforms-ds");
    let stream = scope.name("logs");
    let remove = || {
        for server in [source, target] {
            let client = server.client();
            for path in [
                format!("/_data_stream/{stream}"),
                format!("/_index_template/{}", scope.name("t")),
                "/.migrations_working_state".to_owned(),
            ] {
                drop(client.send(Request::delete(path)));
            }
        }
    };
    remove();
    let template = json!({"index_patterns": [format!("{stream}*")], "priority": 500, "data_stream": {},
        "template": {"settings": {"number_of_replicas": 0}, "mappings": {"properties": {
            "msg": {"type": "text"}, "n": {"type": "long"}, "secret": {"type": "keyword"}}}}});
    source.put(&format!("/_index_template/{}", scope.name("t")), &template);
    for generation in 1..=2_u64 {
        if generation > 1 {
            source.post(&format!("/{stream}/_rollover"), &json!({}));
        }
        let mut lines = String::new();
        for n in 0..40 {
            let document = json!({"@timestamp": format!("2024-05-0{generation}T00:00:00Z"),
                "msg": format!("{generation}/{n}"), "n": n.to_string(), "secret": "s"});
            lines.push_str(&format!(
                "{}\n{document}\n",
                json!({"create": {"_id": format!("d{n}")}})
            ));
        }
        source.bulk(&stream, &lines);
    }
    source.post(&format!("/{stream}/_refresh"), &json!({}));
    for (number, choice) in [(1, ""), (2, "data-streams: indices, ")] {
        let prefix = scope.prefix();
        let place = Place::of_plan(&format!(
            "mig: 1
plan: {prefix}-{number}
state: state
clusters:
  es: {{ endpoint: {es}, access: read-only }}
  os: {{ endpoint: {os} }}
stores:
  snapshots: {{ directory: \"{store}\" }}
transforms:
  tidy:
    indices: [{stream}]
    steps:
      - coerce: {{ fields: [n] }}
      - rename: {{ msg: message, n: number }}
      - drop: [secret]
phases:
  base: {{ snapshot: {{ of: es, to: snapshots, indices: [\"{prefix}-*\"] }} }}
  mappings: {{ metadata: {{ from: base, to: os, {choice}include: {{ indices: [\"{prefix}-*\"], templates: [\"{prefix}-*\"], component-templates: none, aliases: none }}, transforms: [tidy] }} }}
  docs: {{ backfill: {{ from: base, to: os, {choice}indices: [\"{prefix}-*\"], transforms: [tidy] }} }}
  same: {{ verify: {{ source: base, target: os, indices: [\"{prefix}-*\"], content: full }} }}
  live: {{ verify: {{ source: es, target: os, indices: [\"{prefix}-*\"], content: full, settle: 5s }} }}
",
            es = source.url(),
            os = target.url(),
            store = scope.repository(source).join(number.to_string()).display(),
        ));
        let planned = place.mig(&["plan", "--sample", "2", "--detail", "full"]);
        let planned = planned
            .ends_with(0)
            .says("through tidy")
            .says("+ message: ");
        // The template makes streams of other names, too.
        planned.says("MIG311");
        place.apply().ends_with(0);
        place.is_finished();
        let indices = if choice.is_empty() {
            backing(target, &stream)
        } else {
            let found = target.get(&format!("/_alias/{stream}"));
            found.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(indices.len(), 2, "{indices:?}");
        for index in &indices {
            let all = sources(target, index);
            assert_eq!(all.len(), 40, "{index}");
            for document in all {
                let number = document["number"].as_u64();
                let message = document["message"].as_str().unwrap();
                assert_eq!(
                    message.split('/').nth(1).unwrap().parse().ok(),
                    number,
                    "{document}"
                );
                assert!(document.get("secret").is_none() && document.get("n").is_none());
            }
            let mapping = target.get(&format!("/{index}/_mapping"));
            let fields = &mapping[index]["mappings"]["properties"];
            assert_eq!(fields["number"]["type"], "long", "{fields:#}");
            assert!(fields.get("msg").is_none(), "{fields:#}");
        }
        // A document that is as it was at the source differs.
        let index = Request::part(&indices[0]);
        let found = target.get(&format!("/{index}/_doc/d3"));
        let path = format!(
            "/{index}/_doc/d3?refresh=true&if_seq_no={}&if_primary_term={}",
            found["_seq_no"], found["_primary_term"]
        );
        target.put(
            &path,
            &json!({"@timestamp": "2024-05-01T00:00:00Z", "msg": "1/3", "n": "3", "secret": "s"}),
        );
        place.mig(&PROVE_AGAIN).ends_with(8).says("1 different");
        place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    }
    remove();
}

/// What is coerced goes by the mapping of the index that a split gives a document to: `n` is a number in one type and a text in
/// the other.
#[test]
fn coerce_goes_by_the_mapping_of_each_part_of_a_split() {
    let source = Server::start("elasticsearch:5.6.16", &Options::default());
    let target = opensearch2();
    let scope = Scope::on(&[target], "transforms-split");
    let index = scope.name("shop");
    source.put(
        &format!("/{index}"),
        &json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0}, "mappings": {
            "offer": {"properties": {"price": {"type": "long"}, "ok": {"type": "boolean"}}},
            "page": {"properties": {"title": {"type": "keyword"}}},
        }}),
    );
    let mut lines = String::new();
    for n in 0..50 {
        let offer = json!({"price": n.to_string(), "ok": "true", "title": n});
        let page = json!({"title": n, "price": n.to_string()});
        for (kind, id, document) in [
            ("offer", format!("o{n}"), offer),
            ("page", format!("p{n}"), page),
        ] {
            let action = json!({"index": {"_type": kind, "_id": id}});
            lines.push_str(&format!("{action}\n{document}\n"));
        }
    }
    source.bulk(&index, &lines);
    let location = source.repositories().join("split");
    source.put(
        "/_snapshot/r",
        &json!({"type": "fs", "settings": {"location": location}}),
    );
    source.put("/_snapshot/r/taken?wait_for_completion=true", &json!({}));
    let place = Place::of_plan(&format!(
        "mig: 1
plan: {plan}
state: state
clusters:
  os: {{ endpoint: {os} }}
stores:
  snapshots: {{ directory: \"{location}\" }}
transforms:
  typed:
    indices: [{index}]
    steps: [{{ coerce: {{ fields: all }} }}]
phases:
  base: {{ snapshot: {{ existing: {{ store: snapshots, name: taken }} }} }}
  mappings: {{ metadata: {{ from: base, to: os, include: {{ indices: [{index}], templates: none, aliases: none }}, transforms: [typed], types: {{ {index}: {{ take: split }} }} }} }}
  docs: {{ backfill: {{ from: base, to: os, indices: [{index}], transforms: [typed] }} }}
  same: {{ verify: {{ source: base, target: os, indices: [{index}], content: full }} }}
",
        plan = scope.prefix(),
        os = target.url(),
        location = location.display(),
    ));
    place.apply().ends_with(0);
    place.is_finished();
    let (offers, pages) = (
        sources(target, &format!("{index}-offer")),
        sources(target, &format!("{index}-page")),
    );
    assert_eq!((offers.len(), pages.len()), (50, 50));
    for offer in offers {
        assert!(offer["price"].is_u64() && offer["ok"] == true, "{offer}");
    }
    for page in pages {
        assert!(page["title"].is_string(), "{page}");
    }
}
