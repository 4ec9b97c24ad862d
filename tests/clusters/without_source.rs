//! Snapshots of a running 7.10.2 that hold documents without a source, a shard that could not be taken, and what the
//! server itself can make of it: what the plan says of them, and what arrives.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::place::Place;
use super::support::{Scope, Server, elasticsearch};

struct Case {
    scope: Scope<'static>,
    server: &'static Server,
    place: Place,
}

/// Documents of one index as they were sent, by id.
type Sent = BTreeMap<String, String>;

impl Case {
    fn new(what: &str) -> Self {
        let server = elasticsearch();
        let case = Self {
            scope: Scope::on(&[server], what),
            server,
            place: Place::empty(),
        };
        let location = case.scope.repository(server);
        let body = json!({"type": "fs", "settings": {"location": location}});
        server.put(&format!("/_snapshot/{}", case.scope.prefix()), &body);
        case
    }

    /// An index with this `_source` in its mapping, and ten documents.
    fn index(&self, name: &str, source: &Value, settings: &Value) -> Sent {
        let index = self.scope.name(name);
        let mut all = json!({"number_of_shards": 1, "number_of_replicas": 0});
        all.as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        let body = json!({"settings": all, "mappings": {"dynamic": false, "_source": source}});
        self.server.put(&format!("/{index}"), &body);
        let mut lines = String::new();
        let mut sent = Sent::new();
        for number in 0..10 {
            let text = format!("{{ \"n\": {number}.50, \"secret\": \"s{number}\" }}");
            lines.push_str(&format!("{{\"index\":{{\"_id\":\"{number}\"}}}}\n{text}\n"));
            sent.insert(number.to_string(), text);
        }
        self.server.bulk(&index, &lines);
        self.server
            .post(&format!("/{index}/_flush?wait_if_ongoing=true"), &json!({}));
        sent
    }

    fn take(&self, body: &Value) {
        let path = format!(
            "/_snapshot/{}/taken?wait_for_completion=true",
            self.scope.prefix()
        );
        self.server.put(&path, body);
    }

    /// Writes the plan: further fields of the existing snapshot and of the backfill.
    fn plan(&self, existing: &str, docs: &str) {
        let plan = format!(
            "mig: 1\nplan: t\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\nstores:\n  \
             snapshots: {{ directory: {} }}\nphases:\n  \
             base: {{ snapshot: {{ existing: {{ store: snapshots, name: taken{existing} }} }} }}\n  \
             meta: {{ metadata: {{ from: base, to: os, include: {{ templates: none, component-templates: none }} }} }}\n  \
             docs: {{ backfill: {{ from: base, to: os{docs} }} }}\n  \
             same: {{ verify: {{ source: base, target: os, content: full }} }}\n",
            self.scope.repository(self.server).display()
        );
        std::fs::write(self.place.path("plan.yaml"), plan).unwrap();
    }

    /// Removes what an earlier plan of this place made.
    fn anew(&self) {
        for name in ["out", "state"] {
            drop(std::fs::remove_dir_all(self.place.path(name)));
        }
    }

    /// The documents of an index that arrived.
    fn landed(&self, name: &str) -> Sent {
        let docs = format!("out/indices/{}/docs", self.scope.name(name));
        let mut landed = Sent::new();
        for entry in std::fs::read_dir(self.place.path(&docs))
            .into_iter()
            .flatten()
        {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let mut lines = text.split_terminator('\n');
            while let (Some(action), Some(source)) = (lines.next(), lines.next()) {
                let action: Value = serde_json::from_str(action).unwrap();
                let id = action["index"]["_id"].as_str().unwrap().to_owned();
                landed.insert(id, source.to_owned());
            }
        }
        landed
    }
}

#[test]
fn the_plan_asks_for_documents_without_a_source_and_does_what_it_is_told() {
    let case = Case::new("sourceless");
    let plain = case.index("plain", &json!({}), &json!({}));
    let off = json!({"enabled": false});
    let disabled = case.index("disabled", &off, &json!({}));
    let hard = json!({"soft_deletes.enabled": false});
    case.index("forgotten", &off, &hard);
    let reduced = case.index("reduced", &json!({"excludes": ["secret"]}), &json!({}));
    let all = format!("{}-*", case.scope.prefix());
    case.take(&json!({"indices": all, "include_global_state": false}));

    case.plan("", "");
    let asked = case.place.mig(&["plan"]).ends_with(4);
    assert_eq!(
        asked.err.matches("3 decisions are missing").count(),
        1,
        "{}",
        asked.err
    );
    let asked = asked
        .says("MIG095")
        .says("`_source.enabled: false` in its mapping");
    asked.says("without-source: as-stored");
    case.place.apply().ends_with(4);
    assert!(case.landed("plain").is_empty(), "nothing is done before");

    case.plan("", ", without-source: skip");
    let skipped = "10 of 40 documents of 4 indices written to os, 0 failed, 30 left out";
    case.place.apply().ends_with(0).says(skipped);
    assert_eq!(case.landed("plain"), plain);
    assert_eq!(case.landed("disabled"), Sent::new());
    case.place.is_finished();

    // What the server keeps for its copies is whole, to the byte; where soft deletes are off, it keeps nothing.
    case.anew();
    let forgotten = format!(", indices: [\"*\", \"!{}\"]", case.scope.name("forgotten"));
    case.plan("", &format!("{forgotten}, without-source: reconstruct"));
    let written = "30 of 30 documents of 3 indices written to os, 0 failed";
    case.place.apply().ends_with(0).says(written);
    assert_eq!(case.landed("plain"), plain);
    assert_eq!(case.landed("disabled"), disabled);
    assert_eq!(case.landed("reduced"), reduced);
    case.place.is_finished();

    // A source that lacks fields is what the server answers with.
    case.anew();
    let only = format!(", indices: [\"{}\"]", case.scope.name("reduced"));
    case.plan("", &format!("{only}, without-source: as-stored"));
    case.place.apply().ends_with(0);
    for (id, source) in case.landed("reduced") {
        let path = format!("/{}/_doc/{id}", case.scope.name("reduced"));
        let source: Value = serde_json::from_str(&source).unwrap();
        assert_eq!(source, case.server.get(&path)["_source"], "{id}");
        assert_eq!(source.get("secret"), None);
    }
    assert_eq!(case.landed("reduced").len(), 10);
}

#[test]
fn a_snapshot_that_lacks_a_shard_is_taken_for_the_others_when_asked() {
    let case = Case::new("partial");
    let there = case.index("there", &json!({}), &json!({}));
    let lost = case.scope.name("lost");
    let body = json!({"settings": {
        "number_of_shards": 1, "number_of_replicas": 0,
        "routing.allocation.require._name": "nobody",
    }});
    case.server.put(
        &format!("/{lost}?wait_for_active_shards=0&timeout=1s"),
        &body,
    );
    let all = format!("{}-*", case.scope.prefix());
    case.take(&json!({"indices": all, "partial": true, "include_global_state": false}));

    case.plan("", "");
    let refused = case.place.mig(&["plan"]).ends_with(4);
    refused
        .says("MIG080")
        .says("primary shard is not allocated");
    case.plan(", partial: take", "");
    let told = format!("shard 0 of {lost} is not in the snapshot");
    case.place.apply().ends_with(0).says(&told);
    assert_eq!(case.landed("there"), there);
    case.place.is_finished();
}
