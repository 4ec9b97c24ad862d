//! Whole plans from a live Elasticsearch 7.10.2 to OpenSearch 2 and 3: snapshot, metadata, documents, proof. Every document
//! is then compared byte for byte with what was sent to the source, by a reader that is not `mig`'s.

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus::{self, Corpus, Sent};
use super::place::Place;
use super::support::{Scope, Server, elasticsearch, opensearch2, opensearch3};

/// A plan that moves all that begins with the scope's prefix; `decide` are answers of the metadata phase.
pub(crate) fn plan(
    scope: &Scope<'_>,
    source: &Server,
    (target, version): (&Server, &str),
    decide: &str,
) -> String {
    let prefix = scope.prefix();
    let number = source.get("/")["version"]["number"].clone();
    let (was, _) = number.as_str().unwrap().rsplit_once('.').unwrap();
    format!(
        "mig: 1
plan: {prefix}
state: state
clusters:
  es: {{ endpoint: \"{es}\", version: \"{was}\", access: read-only }}
  os: {{ endpoint: \"{os}\", version: \"{version}\" }}
stores:
  snapshots: {{ directory: \"{store}\" }}
phases:
  base: {{ snapshot: {{ of: es, to: snapshots, indices: [\"{prefix}-*\"] }} }}
  mappings:
    metadata:
      from: base
      to: os
      include:
        indices: [\"{prefix}-*\"]
        templates: [\"{prefix}-*\"]
        component-templates: [\"{prefix}-*\"]
        aliases: [\"{prefix}-*\"]
      decide: {{ {decide} }}
  docs: {{ backfill: {{ from: base, to: os, workers: 2 }} }}
  same: {{ verify: {{ source: base, target: os, content: full }} }}
",
        es = source.url(),
        os = target.url(),
        store = scope.repository(source).display(),
    )
}

/// Every document of the corpus stands on the target as it was sent.
#[track_caller]
pub(crate) fn all_arrived(target: &Server, corpus: &Corpus) {
    let closed = format!("{}-closed", corpus.prefix);
    for (index, sent) in &corpus.documents {
        if *index == closed {
            // It was closed at the end, as at the source: opened here only to look.
            let state = target.get(&format!("/_cluster/state/metadata/{index}"));
            assert_eq!(state["metadata"]["indices"][index]["state"], "close");
            target.post(&format!("/{index}/_open"), &json!({}));
        }
        let found = corpus::documents(&target.client(), index);
        if *index == closed {
            target.post(&format!("/{index}/_close"), &json!({}));
        }
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            sent.keys().collect::<Vec<_>>(),
            "identities of {index}"
        );
        for (id, found) in found {
            let expected: &Sent = &sent[&id];
            let same = *expected == found;
            assert!(
                same,
                "{index}/{id}: sent {expected:.300?}, found {found:.300?}"
            );
        }
    }
}

/// Documents by shard of a routed index: the same numbers mean the same places.
fn by_shard(server: &Server, index: &str) -> Vec<u64> {
    let stats = server.get(&format!("/{index}/_stats/docs?level=shards"));
    let shards = stats["indices"][index]["shards"].as_object().unwrap();
    (0..shards.len())
        .map(|shard| {
            shards[&shard.to_string()][0]["docs"]["count"]
                .as_u64()
                .unwrap()
        })
        .collect()
}

fn move_all(target: &Server, version: &str, what: &str) {
    let source = elasticsearch();
    let scope = Scope::on(&[source, target], what);
    let prefix = scope.prefix();
    let mut corpus = corpus::make(&source.client(), prefix);
    let mapping = json!({"properties": {"n": {"type": "long"}}});
    for (name, there) in [
        ("equal", mapping.clone()),
        (
            "different",
            json!({"properties": {"n": {"type": "keyword"}}}),
        ),
    ] {
        let index = scope.name(name);
        let settings = json!({"index.number_of_shards": 1, "index.number_of_replicas": 0});
        let body = |mappings: &Value| json!({"settings": settings, "mappings": mappings});
        source.put(&format!("/{index}"), &body(&mapping));
        // As a careful person makes it: with the routing that the source has, which the target would choose otherwise.
        let mut on_target = body(&there);
        on_target["settings"]["index.number_of_routing_shards"] = json!(1024);
        target.put(&format!("/{index}"), &on_target);
        source.bulk(
            &index,
            "{\"index\":{\"_id\":\"1\"}}\n{\"n\":1}\n{\"index\":{\"_id\":\"2\"}}\n{\"n\":2}\n",
        );
        let sent = |n: u32| Sent {
            routing: None,
            source: format!("{{\"n\":{n}}}"),
        };
        corpus.documents.insert(
            index,
            [("1".to_owned(), sent(1)), ("2".to_owned(), sent(2))].into(),
        );
    }
    let different = scope.name("different");

    // The open question comes before anything is written anywhere.
    let place = Place::of_plan(&plan(&scope, source, (target, version), ""));
    place
        .mig(&["apply", "--auto-approve"])
        .ends_with(4)
        .says("MIG081")
        .says(&different);
    assert!(
        std::fs::read_dir(scope.repository(source)).is_err(),
        "no snapshot is taken while a question is open"
    );

    let decide = format!("\"index {different}\": keep-target");
    let text = plan(&scope, source, (target, version), &decide);
    std::fs::write(place.path("plan.yaml"), text).unwrap();
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(2);
    place.apply().ends_with(0);
    place.is_finished();
    all_arrived(target, &corpus);

    let routed = scope.name("routed");
    assert_eq!(by_shard(source, &routed), by_shard(target, &routed));
    let aliases = |server: &Server| {
        let found = server.get(&format!("/{}/_alias", scope.name("aliased")));
        found[scope.name("aliased")].clone()
    };
    assert_eq!(aliases(source), aliases(target));
    for path in [
        format!("/_template/{prefix}-old"),
        format!("/_index_template/{prefix}-new"),
        format!("/_component_template/{prefix}-base"),
    ] {
        target.get(&path);
    }
    // What loading had tuned is as the source has it.
    let settings = target.get(&format!("/{}/_settings", scope.name("plain")));
    let index = &settings[scope.name("plain")]["settings"]["index"];
    assert_eq!(index["refresh_interval"], Value::Null, "{index}");
    assert_eq!(index["number_of_replicas"], "0");

    // A second apply has nothing to do, and the source was left as it was but for the repository.
    place.apply().ends_with(0).says("No changes");
    let repositories = source.get("/_snapshot");
    let ours: Vec<&String> = repositories
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.contains(prefix))
        .collect();
    assert_eq!(ours.len(), 1, "{repositories}");
    for name in ours {
        assert!(name.starts_with("mig-"), "{name}");
    }
}

#[test]
fn everything_of_7_10_arrives_on_opensearch_2() {
    move_all(opensearch2(), "2.19", "whole2");
}

#[test]
fn everything_of_7_10_arrives_on_opensearch_3() {
    move_all(opensearch3(), "3.3", "whole3");
}

/// An alias that is asked for through the target answers as at the source.
#[test]
fn a_filtered_alias_answers_as_at_the_source() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "alias");
    corpus::make(&source.client(), scope.prefix());
    let place = Place::of_plan(&plan(&scope, source, (target, "2.19"), ""));
    place.apply().ends_with(0);
    for alias in ["europe", "byroute"] {
        let count = |server: &Server| {
            let path = format!("/{}/_count", scope.name(alias));
            server.client().json(Request::get(path)).unwrap()["count"].clone()
        };
        assert_eq!(count(source), count(target), "{alias}");
        assert_ne!(count(target), json!(0));
    }
}
