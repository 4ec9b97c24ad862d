//! Data streams on real servers: three generations with the same ids, updates and deletes behind the stream's back, each
//! generation with settings and fields of its own. Each has to arrive as it is, in the generation of the same place, and no
//! kill may make a duplicate.

use std::collections::BTreeMap;

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus::{Sent, documents};
use super::place::Place;
use super::support::{Options, Scope, Server, opensearch2, opensearch3};

/// Documents of a generation, before updates and deletes.
const DOCS: usize = 120;

/// The backing indices of a stream, the oldest first; none where there is no such stream.
fn backing(server: &Server, stream: &str) -> Vec<String> {
    let state = server.get("/_cluster/state/metadata?filter_path=metadata.data_stream");
    let indices = &state["metadata"]["data_stream"]["data_stream"][stream]["indices"];
    let names = indices.as_array().cloned().unwrap_or_default();
    let name = |index: &Value| index["index_name"].as_str().unwrap().to_owned();
    names.iter().map(name).collect()
}

/// A source with a stream `PREFIX-logs` of three generations.
struct Streams<'a> {
    scope: Scope<'a>,
    source: &'a Server,
    version: &'a str,
    stream: String,
    /// By generation.
    documents: Vec<BTreeMap<String, Sent>>,
}

impl<'a> Streams<'a> {
    fn make(source: &'a Server, version: &'a str, targets: &[&'a Server], what: &str) -> Self {
        let mut servers = vec![source];
        servers.extend(targets);
        let scope = Scope::on(&servers, what);
        let stream = scope.name("logs");
        // As in life, the template changes between the generations; it ends with a field of another type.
        for (generation, level) in [(1, "keyword"), (2, "text"), (3, "long")] {
            let mapping = json!({"properties": {"n": {"type": "long"}, "level": {"type": level}}});
            let settings = json!({"number_of_replicas": 0, "number_of_shards": generation});
            let template = json!({"index_patterns": [format!("{stream}*")], "priority": 500, "data_stream": {},
                "template": {"settings": settings, "mappings": mapping}});
            source.put(&format!("/_index_template/{}", scope.name("t")), &template);
            if generation > 1 {
                source.post(&format!("/{stream}/_rollover"), &json!({}));
            }
            let mut lines = String::new();
            for n in 0..DOCS {
                let id = if n == 7 {
                    "ü/7".to_owned()
                } else {
                    format!("d{n}")
                };
                let source = json!({"@timestamp": format!("2024-05-{generation:02}T00:00:{:02}Z", n % 60),
                    "n": n, "level": n, "only_here": {(format!("g{generation}")): n}});
                lines.push_str(&format!("{}\n{source}\n", json!({"create": {"_id": id}})));
            }
            source.bulk(&stream, &lines);
            let index = backing(source, &stream).pop().unwrap();
            let index = Request::part(&index);
            for n in 0..9 {
                source.delete(&format!("/{index}/_doc/d{}?refresh=true", 20 + n));
            }
            let found = source.get(&format!("/{index}/_doc/d1"));
            let path = format!(
                "/{index}/_doc/d1?refresh=true&if_seq_no={}&if_primary_term={}",
                found["_seq_no"], found["_primary_term"]
            );
            let text = json!({"@timestamp": "2024-06-01T00:00:00Z", "n": -1, "level": 1});
            source.put(&path, &text);
        }
        let client = source.client();
        let indices = backing(source, &stream);
        let documents: Vec<_> = indices.iter().map(|it| documents(&client, it)).collect();
        assert!(documents.iter().all(|it| it.len() == DOCS - 9));
        Self {
            scope,
            source,
            version,
            stream,
            documents,
        }
    }

    /// A plan into `target`; `choice` stands in metadata and backfill, `templates` is what is moved of them.
    fn place(
        &self,
        (target, version): (&Server, &str),
        choice: &str,
        templates: &str,
        n: usize,
    ) -> Place {
        let prefix = self.scope.prefix();
        let store = self.scope.repository(self.source).join(n.to_string());
        Place::of_plan(&format!(
            "mig: 1
plan: {prefix}-{n}
state: state
clusters:
  es: {{ endpoint: \"{es}\", version: \"{of}\", access: read-only }}
  os: {{ endpoint: \"{os}\", version: \"{version}\" }}
stores:
  snapshots: {{ directory: \"{store}\" }}
phases:
  base: {{ snapshot: {{ of: es, to: snapshots, indices: [\"{prefix}-*\"] }} }}
  mappings: {{ metadata: {{ from: base, to: os, {choice} include: {{ indices: [\"{prefix}-*\"], templates: [{templates}], component-templates: none }} }} }}
  docs: {{ backfill: {{ from: base, to: os, {choice} workers: 2, limits: {{ batch: 2KiB }} }} }}
  same: {{ verify: {{ source: base, target: os, content: full }} }}
",
            es = self.source.url(),
            of = self.version,
            os = target.url(),
            store = store.display(),
        ))
    }

    fn templates(&self) -> String {
        format!("\"{}-*\"", self.scope.prefix())
    }

    /// Every document is in the generation of the same place, and nowhere else; each has its settings and fields.
    #[track_caller]
    fn arrived(&self, target: &Server, what: &str) {
        let (from, to) = (
            backing(self.source, &self.stream),
            backing(target, &self.stream),
        );
        assert_eq!(from.len(), to.len(), "generations after {what}");
        for ((from, to), wanted) in from.iter().zip(&to).zip(&self.documents) {
            assert_eq!(
                &documents(&target.client(), to),
                wanted,
                "{to} after {what}"
            );
            let shape = |server: &Server, index: &str| {
                let found = server.get(&format!("/{index}?flat_settings=true"));
                let found = &found[index];
                let shards = found["settings"]["index.number_of_shards"].clone();
                (
                    shards,
                    found["mappings"]["properties"].clone(),
                    found["settings"]["index.hidden"].clone(),
                )
            };
            assert_eq!(
                shape(self.source, from),
                shape(target, to),
                "{to} after {what}"
            );
        }
        let left = target
            .try_get("/_index_template/mig-*")
            .unwrap_or(Value::Null);
        let left = left["index_templates"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert!(left.is_empty(), "after {what}: {left:?}");
    }

    fn remove(&self, target: &Server) {
        let client = target.client();
        let remove = |path: String| drop(client.send(Request::delete(path)));
        remove(format!("/_data_stream/{}", self.stream));
        remove(format!("/_index_template/{}", self.scope.name("t")));
        remove("/.migrations_working_state".to_owned());
    }
}

fn moved_as_streams(source: &Server, of: &str, (target, version): (&Server, &str), what: &str) {
    let streams = Streams::make(source, of, &[target], what);
    let place = streams.place((target, version), "", &streams.templates(), 0);
    let planned = place.mig(&["plan"]).ends_with(0);
    let said = planned.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("the first of 3 generations"),
        "{}",
        planned.out
    );
    place.apply().ends_with(0);
    streams.arrived(target, "an apply");
    place.is_finished();
    // Each generation has documents of the same ids.
    let total: usize = streams.documents.iter().map(BTreeMap::len).sum();
    assert_eq!(target.count(&streams.stream), total as u64);
    // A document that nobody sent is named, whichever generation it came to.
    target.post(&format!("/{}/_rollover", streams.stream), &json!({}));
    let path = format!("/{}/_create/stranger?refresh=true", streams.stream);
    target.put(&path, &json!({"@timestamp": "2024-07-01T00:00:00Z"}));
    place
        .mig(&[
            "apply",
            "--auto-approve",
            "--redo",
            "same",
            "--only",
            "same",
        ])
        .ends_with(8)
        .says("stranger");
    // Again from the beginning, and then all of it away.
    place
        .mig(&["apply", "--auto-approve", "--redo", "docs"])
        .ends_with(0);
    streams.arrived(target, "a redo");
    place.mig(&["rollback", "--auto-approve", "docs"]);
}

#[test]
fn streams_of_elasticsearch_8_arrive_generation_by_generation_on_opensearch_3() {
    let source = Server::start("elasticsearch:8.11.0", &Options::default());
    moved_as_streams(&source, "8.11", (opensearch3(), "3.3"), "ds83");
}

#[test]
fn streams_of_opensearch_2_arrive_generation_by_generation_on_opensearch_3() {
    moved_as_streams(
        opensearch2(),
        "opensearch:2.19",
        (opensearch3(), "3.3"),
        "ds23",
    );
}
