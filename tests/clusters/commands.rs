//! The operator's commands on real servers: a snapshot that is taken, watched and loaded in the words of the migration console.

use serde_json::{Value, json};

use super::place::Place;
use super::support::{Scope, Server, elasticsearch, opensearch2};

struct Case {
    scope: Scope<'static>,
    source: &'static Server,
    target: &'static Server,
    place: Place,
    index: String,
}

/// Documents of the index, each with two nested ones that Lucene counts too.
const DOCS: u64 = 300;

impl Case {
    fn new(what: &str) -> Self {
        let (source, target) = (elasticsearch(), opensearch2());
        let scope = Scope::on(&[source, target], what);
        let index = scope.name("orders");
        let store = scope.repository(source);
        let plan = format!(
            "mig: 1\nplan: {}\nstate: state\nclusters:\n  es: {{ endpoint: \"{}\", version: \"7.10\" }}\n  \
             os: {{ endpoint: \"{}\", version: \"2.19\" }}\nstores:\n  snapshots: {{ directory: {} }}\nphases:\n  \
             base: {{ snapshot: {{ of: es, to: snapshots, indices: {} }} }}\n  \
             mappings: {{ metadata: {{ from: base, to: os, include: {{ templates: none, component-templates: none }} }} }}\n  \
             docs: {{ backfill: {{ from: base, to: os }} }}\n  \
             same: {{ verify: {{ source: base, target: os, content: full }} }}\n",
            scope.prefix(),
            source.url(),
            target.url(),
            store.display(),
            json!([index]),
        );
        let place = Place::of_plan(&plan);
        let case = Self {
            scope,
            source,
            target,
            place,
            index,
        };
        case.fill();
        case
    }

    fn fill(&self) {
        let body = json!({
            "settings": {"number_of_shards": 2, "number_of_replicas": 0},
            "mappings": {"properties": {"lines": {"type": "nested"}}},
        });
        self.source.put(&format!("/{}", self.index), &body);
        let mut lines = String::new();
        for number in 0..DOCS {
            let action = json!({"index": {"_id": number.to_string()}});
            let body = json!({"n": number, "lines": [{"sku": "a"}, {"sku": "b"}]});
            lines.push_str(&format!("{action}\n{body}\n"));
        }
        self.source.bulk(&self.index, &lines);
        self.source
            .post(&format!("/{}/_refresh", self.index), &json!({}));
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.place.mig(arguments).ends_with(0);
        serde_json::from_str(&ran.out).unwrap()
    }
}

/// Text that hardly gets smaller: so many hexadecimal digits.
pub(crate) fn noise(seed: u64, digits: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::with_capacity(digits + 16);
    while text.len() < digits {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    text
}

#[test]
fn a_snapshot_that_runs_tells_how_far_it_is() {
    let case = Case::new("running");
    for part in 0..3 {
        let mut lines = String::new();
        for number in 0..500 {
            let text = noise(part * 500 + number + 1, 2400);
            lines.push_str(&format!("{{\"index\":{{}}}}\n{{\"t\":\"{text}\"}}\n"));
        }
        case.source.bulk(&case.index, &lines);
    }
    let place = &case.place;
    let rate = ["--max-snapshot-rate-mb-per-node", "1"];
    let create = [&["snapshot", "create", "--auto-approve"][..], &rate].concat();
    place.mig(&create).ends_with(0);
    let deep = ["snapshot", "status", "--deep-check", "--json"];
    let began = std::time::Instant::now();
    let mut seen: Vec<f64> = Vec::new();
    loop {
        let status = case.json(&deep)["phases"][0].clone();
        if status["state"] == "SUCCESS" {
            break;
        }
        assert!(began.elapsed().as_secs() < 120, "{status:#}");
        if status["state"] == "IN_PROGRESS" {
            let deep = &status["deep"];
            assert_eq!(deep["shards_total"], 2, "{status:#}");
            let (done, total) = (&deep["bytes_done"], &deep["bytes_total"]);
            assert!(done.as_u64() <= total.as_u64(), "{status:#}");
            let percent = deep["percentage_completed"].as_f64().unwrap();
            assert!(percent < 100.0, "{status:#}");
            seen.push(percent);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let some = seen.iter().filter(|percent| **percent > 0.0).count();
    assert!(some > 1, "{seen:?}");
    assert!(seen.is_sorted(), "it goes on: {seen:?}");
    place
        .mig(&["snapshot", "status", "--deep-check"])
        .ends_with(0)
        .says("Percent completed: 100.00%");
}

#[test]
fn a_plan_is_done_by_the_operators_commands() {
    let case = Case::new("operator");
    let place = &case.place;
    place
        .mig(&["snapshot", "status"])
        .ends_with(0)
        .says("NOT_STARTED")
        .says("`mig snapshot create` takes it");
    place
        .mig(&["snapshot", "create"])
        .ends_with(1)
        .says("there is no terminal to ask on");
    let rate = ["--max-snapshot-rate-mb-per-node", "17"];
    let create = [&["snapshot", "create", "--auto-approve"][..], &rate].concat();
    place
        .mig(&create)
        .ends_with(0)
        .says("Started as process")
        .says(&format!("Snapshot mig-{}-base-", case.scope.prefix()));
    // What waits for it in the background comes to its end.
    place
        .mig(&[
            "apply",
            "--auto-approve",
            "--only",
            "base",
            "--lock-timeout",
            "60s",
        ])
        .ends_with(0);
    let registered = case
        .source
        .get(&format!("/_snapshot/mig-{}-snapshots", case.scope.prefix()));
    let settings = registered.as_object().unwrap().values().next().unwrap();
    assert!(settings["settings"].is_object(), "{registered}");
    let status = place
        .mig(&["snapshot", "status", "--deep-check"])
        .ends_with(0);
    let lines: Vec<&str> = status.out.lines().collect();
    assert_eq!(
        &lines[..3],
        [
            "SUCCESS",
            "Snapshot is SUCCESS.",
            "Percent completed: 100.00%"
        ]
    );
    for (at, begins) in [
        (3, "Data GiB done: 0.000/0.000"),
        (4, "Total shards: 2"),
        (5, "Successful shards: 2"),
        (6, "Failed shards: 0"),
        (7, "Start time: 20"),
        (8, "Duration: 0h 0m "),
        (9, "Anticipated duration remaining: 0h 0m 0s"),
        (10, "Throughput: "),
    ] {
        assert!(lines[at].starts_with(begins), "{}", status.out);
    }
    assert_eq!(
        place.mig(&["snapshot", "status"]).ends_with(0).out,
        "SUCCESS\n"
    );

    place
        .mig(&["apply", "--auto-approve", "--only", "mappings"])
        .ends_with(0);
    place
        .mig(&["backfill", "status"])
        .ends_with(0)
        .says("BackfillStatus.NOT_STARTED")
        .says("Shards total: 2");
    let started = place
        .mig(&["backfill", "start", "--auto-approve"])
        .ends_with(0);
    assert!(started.out.starts_with("BackfillStatus."), "{started:?}");
    place
        .mig(&["backfill", "status", "--watch"])
        .ends_with(0)
        .says("BackfillStatus.COMPLETED");
    place
        .mig(&["apply", "--auto-approve", "--lock-timeout", "60s"])
        .ends_with(0);
    let deep = case.json(&["backfill", "status", "--deep-check", "--json"]);
    let phase = &deep["phases"][0];
    assert_eq!(phase["status"], "COMPLETED");
    assert_eq!(phase["shard_complete"], 2);
    assert_eq!(phase["docs_total"], DOCS);
    assert_eq!(phase["indices"][0]["docs_on_target"], DOCS, "{phase:#}");
    place
        .mig(&["backfill", "scale", "3"])
        .ends_with(0)
        .says("set to 3 desired count. Currently 0 running and 3 pending.");
    place
        .mig(&["backfill", "pause"])
        .ends_with(0)
        .says("is paused and nobody runs it");
    let deep = case.json(&["backfill", "status", "--deep-check", "--json"]);
    assert_eq!(deep["phases"][0]["control"]["desired"], 3);

    // Lucene counts nested documents; users do not.
    let ran = place
        .mig(&["clusters", "cat-indices", "--refresh"])
        .ends_with(0);
    let listed = case.json(&["clusters", "cat-indices", "--json"]);
    for (side, name) in [
        ("source_cluster", "SOURCE CLUSTER\n"),
        ("target_cluster", "TARGET CLUSTER\n"),
    ] {
        assert!(ran.out.contains(name), "{}", ran.out);
        let rows = listed[side].as_array().unwrap();
        let row = rows.iter().find(|row| row["index"] == case.index.as_str());
        let row = row.unwrap();
        assert_eq!(row["documents"], DOCS, "{row}");
        assert_ne!(row["docs.count"], DOCS.to_string(), "{row}");
    }
    let of_target = listed["target_cluster"].as_array().unwrap();
    let row = of_target
        .iter()
        .find(|row| row["index"] == case.index.as_str());
    assert_eq!(row.unwrap()["match"], "yes");
    // What was deleted behind everybody's back shows.
    case.target
        .delete(&format!("/{}/_doc/7?refresh=true", case.index));
    place
        .mig(&["clusters", "cat-indices", "--cluster", "os"])
        .ends_with(0)
        .says("counts may be stale");
    let listed = case.json(&["clusters", "cat-indices", "--json"]);
    let of_target = listed["target_cluster"].as_array().unwrap();
    let row = of_target
        .iter()
        .find(|row| row["index"] == case.index.as_str());
    assert_eq!(row.unwrap()["match"], "no, source has 300");
}

#[test]
fn clusters_are_asked_as_the_plan_allows() {
    let case = Case::new("asked");
    let place = &case.place;
    place
        .mig(&["clusters", "connection-check"])
        .ends_with(0)
        .says("es: ok, Elasticsearch 7.10.2")
        .says("access read-only")
        .says("os: ok, OpenSearch 2.19.1");
    let answers = case.json(&["clusters", "connection-check", "--json", "--cluster", "os"]);
    let about = case.target.get("/");
    assert_eq!(answers["clusters"][0]["uuid"], about["cluster_uuid"]);
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let wrong = plan.replace("version: \"7.10\"", "version: \"7.17\"");
    std::fs::write(place.path("wrong.yaml"), wrong).unwrap();
    place
        .mig(&["clusters", "connection-check", "-f", "wrong.yaml"])
        .ends_with(8)
        .says("es: FAILED")
        .says("is Elasticsearch 7.10.2, the plan says Elasticsearch 7.17")
        .says("os: ok");

    let curl = |arguments: &[&str]| {
        let mut all = vec!["clusters", "curl"];
        all.extend_from_slice(arguments);
        place.mig(&all)
    };
    let count = format!("/{}/_count", case.index);
    let answer: Value = serde_json::from_str(&curl(&["es", &count]).ends_with(0).out).unwrap();
    assert_eq!(answer["count"], DOCS);
    let query = "{\"query\":{\"ids\":{\"values\":[\"1\",\"2\"]}}}";
    let answer = curl(&["es", &count, "-d", query]).ends_with(0).out;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["count"], 2);
    // A read-only cluster is never written to, however it is asked.
    curl(&["es", &format!("/{}/_doc/1", case.index), "-X", "delete"])
        .ends_with(1)
        .says("access: read-only");
    assert_eq!(case.source.count(&case.index), DOCS);
    let missing = curl(&["os", "no-such-index/_search"])
        .ends_with(1)
        .says("Error: 404");
    assert!(
        missing.out.contains("index_not_found_exception"),
        "{missing:?}"
    );
    curl(&["os", "/", "-H", "Authorization: Basic eA=="])
        .ends_with(1)
        .says("`Authorization` is not sent");
    let made = case.scope.name("made");
    curl(&["os", &made, "-X", "PUT", "--json"])
        .ends_with(0)
        .says("\"acknowledged\": true");
    let yaml = curl(&[
        "os",
        &format!("{made}/_settings"),
        "-H",
        "Accept: application/yaml",
    ]);
    assert!(yaml.ends_with(0).out.starts_with("---\n"));
    curl(&["nobody", "/"]).ends_with(1).says("it has es, os");
}
