//! Transforms on real servers: a snapshot of Elasticsearch 7.10 into OpenSearch 2.19, documents changed on their way, proved
//! through the same transforms, and a tampered one found.

use std::fs;

use serde_json::json;

use super::place::Place;
use super::support::{Scope, Server, elasticsearch, opensearch2};

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
    let redo = [
        "apply",
        "--auto-approve",
        "--redo",
        "same",
        "--only",
        "same",
    ];
    let mut changed = found["_source"].clone();
    changed["took"] = json!(8);
    target.put(&format!("/{index}/_doc/7?refresh=true"), &changed);
    target.put(
        &format!("/{index}/_doc/10?refresh=true"),
        &json!({"message": "number 10", "level": "debug"}),
    );
    place
        .mig(&redo)
        .ends_with(8)
        .says("1 different")
        .says("1 extra");
}
