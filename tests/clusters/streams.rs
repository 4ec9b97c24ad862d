//! Data streams on real servers: three generations with the same ids, updates and deletes behind the stream's back, each
//! generation with settings and fields of its own. Each has to arrive as it is, in the generation of the same place, and no
//! kill may make a duplicate.

use std::collections::BTreeMap;

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus::{Sent, documents};
use super::place::{Place, phase_at_the_kill};
use super::support::{Options, Scope, Server, is_its_day, opensearch2, opensearch3};

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
    /// Whether the snapshot is taken by its user, which knows the stream and its template: a minimal Elasticsearch 8 does not
    /// say who it is, so that no plan can name it.
    existing: bool,
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
        let existing = version.starts_with('8');
        if existing {
            let (prefix, store) = (scope.prefix(), scope.repository(source));
            let repository = format!("/_snapshot/{prefix}");
            source.put(
                &repository,
                &json!({"type": "fs", "settings": {"location": store}}),
            );
            let body = json!({"indices": format!("{prefix}-*"), "include_global_state": true});
            let path = format!("{repository}/first?wait_for_completion=true");
            source.put(&path, &body);
        }
        Self {
            scope,
            source,
            version,
            existing,
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
        let store = self.scope.repository(self.source);
        let (store, es, base) = if self.existing {
            let base = "existing: { store: snapshots, name: first }".to_owned();
            (store, String::new(), base)
        } else {
            let es = format!(
                "  es: {{ endpoint: \"{}\", version: \"{}\", access: read-only }}\n",
                self.source.url(),
                self.version
            );
            let base = format!("of: es, to: snapshots, indices: [\"{prefix}-*\"]");
            (store.join(n.to_string()), es, base)
        };
        Place::of_plan(&format!(
            "mig: 1
plan: {prefix}-{n}
state: state
clusters:
{es}  os: {{ endpoint: \"{os}\", version: \"{version}\" }}
stores:
  snapshots: {{ directory: \"{store}\" }}
phases:
  base: {{ snapshot: {{ {base} }} }}
  mappings:
    metadata:
      {{ from: base, to: os, {choice} include: {{ indices: [\"{prefix}-*\"], templates: [{templates}], component-templates: none }} }}
  docs:
    backfill:
      {{ from: base, to: os, {choice} indices: [\"{prefix}-*\"], workers: 2, limits: {{ batch: 2KiB }} }}
  same: {{ verify: {{ source: base, target: os, indices: [\"{prefix}-*\"], content: full }} }}
",
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
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    assert_eq!(backing(target, &streams.stream), [""; 0]);
}

#[test]
fn streams_of_elasticsearch_8_arrive_generation_by_generation_on_opensearch_3() {
    let source = Server::start("elasticsearch:8.11.0", &Options::default());
    moved_as_streams(&source, "8.11", (opensearch3(), "3.3"), "ds83");
}

#[test]
fn streams_of_opensearch_2_arrive_generation_by_generation_on_opensearch_3() {
    if !is_its_day(1, 2) {
        return;
    }
    moved_as_streams(
        opensearch2(),
        "opensearch:2.19",
        (opensearch3(), "3.3"),
        "ds23",
    );
}

/// As ordinary indices: under names without the dot, with the stream's name as an alias whose newest index takes writes.
fn moved_as_indices(source: &Server, of: &str, (target, version): (&Server, &str), what: &str) {
    let streams = Streams::make(source, of, &[target], what);
    let choice = "data-streams: indices,";
    let place = streams.place((target, version), choice, &streams.templates(), 0);
    place
        .mig(&["plan", "--detail", "full"])
        .ends_with(0)
        .says("MIG270");
    place.apply().ends_with(0);
    place.is_finished();
    let indices = backing(source, &streams.stream);
    let names: Vec<&str> = indices
        .iter()
        .map(|it| it.trim_start_matches('.'))
        .collect();
    let client = target.client();
    for (name, wanted) in names.iter().zip(&streams.documents) {
        assert_eq!(&documents(&client, name), wanted, "{name}");
    }
    let alias = target.get(&format!("/_alias/{}", streams.stream));
    let over: Vec<&String> = alias.as_object().unwrap().keys().collect();
    assert_eq!(over, names);
    for (at, name) in names.iter().enumerate() {
        let definition = &alias[*name]["aliases"][&streams.stream];
        assert_eq!(
            definition["is_write_index"],
            at == names.len() - 1,
            "{alias}"
        );
    }
    // Versions are kept where an index takes them: an update made the second one.
    let found = target.get(&format!("/{}/_doc/d1", names[0]));
    assert_eq!(found["_version"], 2, "{found}");
    let path = format!("/{}/_doc/new?refresh=true", streams.stream);
    let written = target.put(&path, &json!({"@timestamp": "2024-07-01T00:00:00Z"}));
    assert_eq!(written["_index"], *names.last().unwrap());
}

#[test]
fn streams_become_indices_where_the_plan_says_so() {
    moved_as_indices(
        opensearch2(),
        "opensearch:2.19",
        (opensearch3(), "3.3"),
        "dsi",
    );
}

#[test]
fn a_stream_that_can_t_be_made_or_is_there_already_is_asked_about() {
    let (source, target) = (opensearch2(), opensearch3());
    let streams = Streams::make(source, "opensearch:2.19", &[target], "dsask");
    let at = (target, "3.3");
    // No template, neither moved nor there.
    streams
        .place(at, "", "\"none-*\"", 1)
        .mig(&["plan"])
        .ends_with(4)
        .says("MIG099");
    // A template of the target's own makes it; the generations are the source's all the same.
    let template = json!({"index_patterns": [format!("{}*", streams.stream)], "priority": 7, "data_stream": {},
        "template": {"settings": {"number_of_replicas": 0}}});
    target.put(
        &format!("/_index_template/{}", streams.scope.name("own")),
        &template,
    );
    let stream = format!("/_data_stream/{}", streams.stream);
    // One that is there, with a generation more than was made for the first one of the source.
    target.put(&stream, &json!({}));
    target.post(&format!("/{}/_rollover", streams.stream), &json!({}));
    let asked = streams.place(at, "", "\"none-*\"", 2);
    asked.apply().ends_with(4);
    let planned = asked.mig(&["plan"]).ends_with(4);
    let said = planned.out + &planned.err;
    assert!(said.contains("MIG330") || said.contains("MIG081"), "{said}");
    // One with somebody's document.
    target.delete(&stream);
    target.put(&stream, &json!({}));
    let path = format!("/{}/_create/mine?refresh=true", streams.stream);
    target.put(&path, &json!({"@timestamp": "2024-07-01T00:00:00Z"}));
    let foreign = streams.place(at, "", "\"none-*\"", 3);
    foreign.mig(&["apply", "--auto-approve", "--only", "base"]);
    let planned = foreign.mig(&["plan"]).ends_with(4);
    let said = planned.out + &planned.err;
    assert!(said.contains("MIG084"), "{said}");
    target.delete(&stream);
    let place = streams.place(at, "", "\"none-*\"", 4);
    place.apply().ends_with(0);
    streams.arrived(target, "an apply by the target's own template");
    place.is_finished();
}

/// Where a run is killed: whatever has to do with streams at each of its hits, and the rest of a load in its middle; with
/// `MIG_TEST_ALL=1` at its end, too.
#[cfg(feature = "failpoints")]
fn kill_points(place: &Place) -> Vec<String> {
    let log = std::fs::read_to_string(place.path("points")).unwrap();
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    for name in log.lines() {
        *hits.entry(name).or_default() += 1;
    }
    let mut points = Vec::new();
    for (name, hits) in hits {
        let of_streams = name.contains("stream") || name.contains("roll-over");
        let of_loads = ["bulk", "work-", "tune-", "backfill."];
        if of_streams {
            points.extend((1..=hits).map(|hit| format!("{name}:{hit}")));
        } else if of_loads.iter().any(|of| name.contains(of)) {
            points.push(format!("{name}:{}", hits.div_ceil(2)));
            if std::env::var_os("MIG_TEST_ALL").is_some() {
                points.push(format!("{name}:{hits}"));
            }
        }
    }
    points.dedup();
    points
}

#[test]
#[cfg(feature = "failpoints")]
#[allow(clippy::print_stdout, reason = "what was killed where")]
fn no_kill_makes_a_duplicate_in_a_stream_or_leaves_it_short() {
    if !is_its_day(0, 2) {
        return;
    }
    let source = Server::start("elasticsearch:8.11.0", &Options::default());
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let streams = Streams::make(&source, "8.11", &[&target], "dskill");
    let place = |n: usize| streams.place((&target, "2.19"), "", &streams.templates(), n);
    let first = place(0);
    let ran = first
        .command(&["apply", "--auto-approve"])
        .env("MIG_FAILPOINT_LOG", first.path("points"))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    streams.arrived(&target, "no kill");
    first.is_finished();
    streams.remove(&target);
    let points = kill_points(&first);
    let mut kills = 0;
    for (at, point) in points.iter().enumerate() {
        let place = place(at + 1);
        let ran = place
            .command(&["apply", "--auto-approve"])
            .env("MIG_FAILPOINT", point)
            .output()
            .unwrap();
        kills += usize::from(ran.status.code().is_none());
        let what = format!("a kill at {point}");
        let ran = place.apply();
        assert_eq!(ran.code, 0, "after {what}\n{}\n{}", ran.out, ran.err);
        streams.arrived(&target, &what);
        let left = place.mig(&["plan", "--detailed-exitcode"]);
        assert_eq!(left.code, 0, "after {what}\n{}\n{}", left.out, left.err);
        streams.remove(&target);
    }
    println!("{kills} of {} killed: {}", points.len(), points.join(", "));
    assert!(kills > 20, "{kills} kills");
}

/// Over a cluster in the middle, which is written to and then read: each generation, and all of them together, are held on both
/// clusters. Killed in the second hop between two generations, and while it reads the proof.
#[cfg(feature = "failpoints")]
fn over_the_middle(source: &'static str, version: &str) {
    let start = |what: &'static str| Server::start(what, &Options::default());
    let (source, middle, last) = std::thread::scope(|scope| {
        let middle = scope.spawn(move || start("opensearch:2.19.1"));
        let last = scope.spawn(move || start("opensearch:3.3.0"));
        let source = start(source);
        (source, middle.join().unwrap(), last.join().unwrap())
    });
    let streams = Streams::make(&source, version, &[&middle, &last], "dshop");
    let place = Place::of_plan(&streams.path(&middle, &last));
    // What the second hop will find is told by the names of before.
    let planned = place.mig(&["plan", "--format", "json"]).ends_with(0).out;
    for index in backing(&source, &streams.stream) {
        assert!(planned.matches(&index).count() > 6, "{index}: {planned}");
    }
    let total: usize = streams.documents.iter().map(BTreeMap::len).sum();
    let first = if streams.existing { "same" } else { "os1->os2" };
    place
        .mig(&["apply", "--auto-approve", "--until", first])
        .ends_with(0);
    streams.arrived(&middle, "the first hop");
    assert_eq!(middle.count(&streams.stream), total as u64);
    for (point, phase) in [
        ("backfill.roll-over.after:1", "docs"),
        ("target.stream.rolled-over:1", "docs"),
        ("target.read.partition:2", "same"),
    ] {
        let ran = place
            .command(&["apply", "--auto-approve"])
            .env("MIG_FAILPOINT", point)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), None, "{point}: {err}");
        assert_eq!(phase_at_the_kill(&place), format!("os2->os3/{phase}"));
    }
    place.apply().ends_with(0);
    place.is_finished();
    for server in [&middle, &last] {
        streams.arrived(server, "both hops");
        assert_eq!(server.count(&streams.stream), total as u64);
    }
    // A lost state finds what stands there.
    std::fs::remove_dir_all(place.path("state")).unwrap();
    place.apply().ends_with(0);
    place.is_finished();
    streams.arrived(&last, "a lost state");
    if !streams.existing {
        named_in_a_written_plan(&source, &middle, &streams.stream);
    }
    // The scope removes its own directory, and not the one beside it.
    let store = streams.scope.repository(&source);
    drop(std::fs::remove_dir_all(format!("{}-os2", store.display())));
}

impl Streams<'_> {
    /// A plan over `os2` to `os3`: from the source itself, or from the snapshot that its user took.
    #[cfg(feature = "failpoints")]
    fn path(&self, middle: &Server, last: &Server) -> String {
        let prefix = self.scope.prefix();
        let store = self.scope.repository(self.source);
        let store = store.display();
        let (source, phases, hops, first_store) = if self.existing {
            let phases = "phases:
  base: { snapshot: { existing: { store: s-os1, name: first } } }
  mappings: { metadata: { from: base, to: os2 } }
  docs: { backfill: { from: base, to: os2, limits: { batch: 2KiB } } }
  same: { verify: { source: base, target: os2, content: full } }
";
            (String::new(), phases, "os2, os3", store.to_string())
        } else {
            let source = format!(
                "  os1: {{ endpoint: \"{}\", version: \"{}\", access: read-only }}\n",
                self.source.url(),
                self.version
            );
            (source, "", "os1, os2, os3", format!("{store}/os1"))
        };
        format!(
            "mig: 1
plan: {prefix}
state: state
allow: [MIG060]
clusters:
{source}  os2: {{ endpoint: \"{}\", version: \"opensearch:2.19\" }}
  os3: {{ endpoint: \"{}\", version: \"opensearch:3.3\" }}
stores:
  s-os1: {{ directory: \"{first_store}\" }}
  s-os2: {{ directory: \"{store}-os2\" }}
{phases}hops: [{hops}]
each-hop:
  use: {fragment}
  with: {{ from: \"${{hop.from}}\", to: \"${{hop.to}}\", store: \"s-${{hop.from}}\", indices: \"{prefix}-*\" }}
",
            middle.url(),
            last.url(),
            fragment = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/backfill-hop.yaml"),
        )
    }
}

/// A plan that is written from the live source names the stream: its indices begin with a dot.
#[cfg(feature = "failpoints")]
fn named_in_a_written_plan(source: &Server, target: &Server, stream: &str) {
    let written = Place::empty();
    written
        .mig(&["init", "--from", source.url(), "--to", target.url()])
        .ends_with(0);
    let text = std::fs::read_to_string(written.path("plan.yaml")).unwrap();
    let named = format!("- \"{stream}\"   # a data stream of 3 generations");
    assert!(text.contains(&named), "{text}");
    written.mig(&["validate", "--deny-warnings"]).ends_with(0);
}

#[test]
#[cfg(feature = "failpoints")]
fn streams_of_opensearch_1_go_over_a_cluster_in_the_middle() {
    if is_its_day(2, 6) {
        over_the_middle("opensearch:1.3.20", "opensearch:1.3");
    }
}

#[test]
#[cfg(feature = "failpoints")]
fn streams_of_elasticsearch_8_go_over_a_cluster_in_the_middle() {
    if is_its_day(5, 6) {
        over_the_middle("elasticsearch:8.11.0", "8.11");
    }
}

/// Documents that a generation refused: a stream takes them as long as it is at that generation, and later no more.
#[test]
#[cfg(feature = "failpoints")]
fn documents_that_fail_are_sent_again_into_the_newest_generation_alone() {
    if !is_its_day(1, 3) {
        return;
    }
    let (source, target) = (opensearch2(), opensearch3());
    let mut streams = Streams::make(source, "opensearch:2.19", &[target], "dsfail");
    let client = source.client();
    let from = backing(source, &streams.stream);
    for at in [0, 2] {
        let index = Request::part(&from[at]);
        source.put(&format!("/{index}/_mapping"), &json!({"dynamic": false}));
        let found = source.get(&format!("/{index}/_doc/d2"));
        let path = format!(
            "/{index}/_doc/d2?refresh=true&if_seq_no={}&if_primary_term={}",
            found["_seq_no"], found["_primary_term"]
        );
        let body = json!({"@timestamp": "2024-06-01T00:00:00Z", "n": 2, "odd": "x"});
        source.put(&path, &body);
        streams.documents[at] = documents(&client, &from[at]);
    }
    let place = streams.place((target, "3.3"), "", &streams.templates(), 0);
    let text = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let text = text.replace("workers: 2,", "workers: 2, max-failed: 5,");
    std::fs::write(place.path("plan.yaml"), text).unwrap();
    let takes = |at: usize, dynamic: Value| {
        let index = backing(target, &streams.stream)[at].clone();
        let path = format!("/{}/_mapping", Request::part(&index));
        target.put(&path, &json!({ "dynamic": dynamic }));
    };
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    takes(0, json!("strict"));
    let only = ["apply", "--auto-approve", "--only", "docs"];
    let mut command = place.command(&only);
    let killed = command.env("MIG_FAILPOINT", "target.stream.rolled-over:2");
    assert_eq!(killed.output().unwrap().status.code(), None);
    takes(2, json!("strict"));
    place.mig(&only).ends_with(0);
    let count = || {
        let ran = place.mig(&["backfill", "failed", "count", "--json"]);
        let count: Value = serde_json::from_str(&ran.ends_with(0).out).unwrap();
        count["failed"].as_u64().unwrap()
    };
    assert_eq!(count(), 2);
    takes(0, json!(false));
    takes(2, json!(false));
    let retry = ["backfill", "retry-failed", "--auto-approve", "--json"];
    let tried = place.mig(&retry).ends_with(9);
    let tried: Value = serde_json::from_str(&tried.out).unwrap();
    assert_eq!(tried["outcome"]["written"], 1, "{tried:#}");
    assert_eq!(tried["outcome"]["failed"], 1, "{tried:#}");
    let problems = tried["problems"].as_object().unwrap();
    let told: Vec<(&String, &str)> = problems
        .iter()
        .map(|(index, why)| (index, why.as_str().unwrap()))
        .collect();
    assert_eq!(told.len(), 1, "{tried:#}");
    assert!(
        *told[0].0 == from[0]
            && told[0]
                .1
                .contains("takes documents into its generation 3 alone")
            && told[0]
                .1
                .contains("`mig apply --redo docs` loads the stream anew"),
        "{tried:#}"
    );
    // What could not be sent to its generation went to no other one.
    let newest = &backing(target, &streams.stream)[2];
    assert_eq!(documents(&target.client(), newest), streams.documents[2]);
    assert_eq!(count(), 1);
    place.mig(&retry).ends_with(9);
    place
        .mig(&["apply", "--auto-approve", "--redo", "docs"])
        .ends_with(0);
    assert_eq!(count(), 0);
    streams.arrived(target, "a redo");
    place.is_finished();
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
}
