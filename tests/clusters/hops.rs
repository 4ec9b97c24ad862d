//! One plan over several clusters, by real servers: Elasticsearch 5.6 → 7.10 → OpenSearch 2.19 → 3.3, applied whole, killed and
//! resumed in each hop, and appended to; and the other Elasticsearch versions that stand in the middle.
//!
//! At most two servers run at the same time: what a plan is through with is stopped, which is a test of its own. Every
//! document is compared with what was sent to the first source, by a reader that is not `mig`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus::{self, Documents, Sent, bulk};
use super::place::{Place, phase_at_the_kill, print};
use super::support::{Options, Server, sandbox_repositories};

/// Documents of the largest index of the corpus.
const DOCS: usize = 400;

/// A server of a path, and what it is called in the plan.
struct Stop {
    name: &'static str,
    what: &'static str,
    version: &'static str,
}

const fn stop(name: &'static str, what: &'static str, version: &'static str) -> Stop {
    Stop {
        name,
        what,
        version,
    }
}

const ES56: Stop = stop("es56", "elasticsearch:5.6.16", "5.6");
const ES68: Stop = stop("es68", "elasticsearch:6.8.23", "6.8");
const ES710: Stop = stop("es710", "elasticsearch:7.10.2", "7.10");
const ES717: Stop = stop("es717", "elasticsearch:7.17.9", "7.17");
const OS219: Stop = stop("os2", "opensearch:2.19.1", "opensearch:2.19");
const OS33: Stop = stop("os3", "opensearch:3.3.0", "opensearch:3.3");

impl Stop {
    fn start(&self) -> Server {
        Server::start(self.what, &Options::default())
    }
}

/// A plan over some clusters, each of them with a store of its own.
fn plan(name: &str, path: &[(&Stop, String)], stores: &Path) -> String {
    let mut text = format!("mig: 1\nplan: {name}\nstate: state\nallow: [MIG060]\nclusters:\n");
    for (at, (stop, url)) in path.iter().enumerate() {
        let access = if at == 0 { ", access: read-only" } else { "" };
        text.push_str(&format!(
            "  {}: {{ endpoint: \"{url}\", version: \"{}\"{access} }}\n",
            stop.name, stop.version
        ));
    }
    text.push_str("stores:\n");
    for (stop, _) in &path[..path.len() - 1] {
        text.push_str(&format!(
            "  snapshots-{}: {{ directory: \"{}\" }}\n",
            stop.name,
            stores.join(stop.name).display()
        ));
    }
    let names: Vec<&str> = path.iter().map(|(stop, _)| stop.name).collect();
    text.push_str(&format!(
        "hops: [{}]\neach-hop:\n  use: {}\n  with: {{ from: \"${{hop.from}}\", to: \"${{hop.to}}\", store: \"snapshots-${{hop.from}}\" }}\n",
        names.join(", "),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/backfill-hop.yaml").display(),
    ));
    text
}

/// What the first source holds.
struct Corpus {
    documents: Documents,
}

fn document(index: &str, n: usize) -> String {
    let day = n % 28 + 1;
    json!({
        "title": format!("{index} number {n}"),
        "tag": (if n.is_multiple_of(3) { "fizz" } else { "buzz" }),
        "n": n,
        "price": 1.5 * f64::from(u32::try_from(n).unwrap()),
        "at": format!("2017-03-{day:02}T10:00:00Z"),
        "live": n.is_multiple_of(2),
        "lines": [{"sku": format!("a{n}"), "count": n}, {"sku": "b", "count": 1}],
        "ip": format!("10.0.{}.{}", n / 250, n % 250),
        "place": {"lat": 48.1, "lon": 11.5},
    })
    .to_string()
}

fn properties() -> Value {
    json!({
        "title": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 256}}},
        "tag": {"type": "keyword"},
        "n": {"type": "long"},
        "price": {"type": "double"},
        "at": {"type": "date"},
        "live": {"type": "boolean"},
        "lines": {"type": "nested", "properties": {"sku": {"type": "keyword"}, "count": {"type": "integer"}}},
        "ip": {"type": "ip"},
        "place": {"type": "geo_point"},
    })
}

/// Texts, keywords, dates, nested documents, deletes, two shards, routing, a template, aliases and an empty index, in indices of
/// one type each, as Elasticsearch 5.6 has them.
fn make(server: &Server, docs: usize) -> Corpus {
    server.put(
        "/_template/shop",
        &json!({"template": "shop-*", "order": 3, "settings": {"index.number_of_replicas": "0"},
            "mappings": {"item": {"properties": {"tag": {"type": "keyword"}}}},
            "aliases": {"everything": {}}}),
    );
    let mut corpus = Corpus {
        documents: Documents::new(),
    };
    for (index, shards, docs, routed) in [
        ("shop-items", 2, docs, false),
        ("shop-routed", 3, docs / 4, true),
        ("shop-shut", 1, docs / 8, false),
        ("shop-empty", 1, 0, false),
    ] {
        let settings =
            json!({"index.number_of_shards": shards, "index.refresh_interval": "7s"});
        let mut mapping = json!({"dynamic": "strict", "properties": properties()});
        if routed {
            mapping["_routing"] = json!({"required": true});
        }
        server.put(
            &format!("/{index}"),
            &json!({"settings": settings, "mappings": {"item": mapping}, "aliases": {format!("{index}-now"): {}}}),
        );
        let known = corpus.documents.entry(index.to_owned()).or_default();
        let mut lines = String::new();
        for n in 0..docs {
            let routing = routed.then(|| format!("r{}", n % 7));
            let mut action = json!({"_index": index, "_type": "item", "_id": n.to_string()});
            if let Some(routing) = &routing {
                action["routing"] = json!(routing);
            }
            let source = document(index, n);
            lines.push_str(&format!("{}\n{source}\n", json!({ "index": action })));
            known.insert(n.to_string(), Sent { routing, source });
        }
        // Some of them are deleted again.
        for n in (0..docs).filter(|n| n % 11 == 5 && !routed) {
            let action = json!({"_index": index, "_type": "item", "_id": n.to_string()});
            lines.push_str(&format!("{}\n", json!({ "delete": action })));
            known.remove(&n.to_string());
        }
        if !lines.is_empty() {
            bulk(&server.client(), lines);
        }
    }
    let filtered = json!({"actions": [{"add": {"index": "shop-items", "alias": "fizz", "filter": {"term": {"tag": "fizz"}}}}]});
    server.post("/_aliases", &filtered);
    server.put("/shop-shut/_settings", &json!({"index.blocks.write": true}));
    corpus
}

/// Every document stands there as it was sent, and queries answer as at the first source.
#[track_caller]
fn all_there(server: &Server, corpus: &Corpus) {
    for (index, sent) in &corpus.documents {
        let found = corpus::documents(&server.client(), index);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            sent.keys().collect::<Vec<_>>(),
            "identities of {index} on {}",
            server.url()
        );
        for (id, found) in found {
            let sent = &sent[&id];
            assert!(
                *sent == found,
                "{index}/{id}: sent {sent:.300?}, found {found:.300?}"
            );
        }
    }
    assert_eq!(server.count("fizz"), fizz(corpus), "the filtered alias");
    let nested = json!({"query": {"nested": {"path": "lines", "query": {"bool": {"filter": [
        {"term": {"lines.sku": "a7"}}, {"term": {"lines.count": 7}}]}}}}});
    let answer = server.post("/shop-items/_search", &nested);
    assert_eq!(answer["hits"]["hits"][0]["_id"], "7", "{answer}");
    let settings = server.get("/shop-items,shop-shut/_settings");
    let of = |name: &str| settings[name]["settings"]["index"].clone();
    assert_eq!(of("shop-items")["refresh_interval"], "7s");
    assert_eq!(of("shop-items")["number_of_shards"], "2");
    assert_eq!(of("shop-shut")["blocks"]["write"], "true");
    let template = server.get("/_template/shop");
    assert_eq!(
        template["shop"]["index_patterns"],
        json!(["shop-*"]),
        "{template}"
    );
}

fn fizz(corpus: &Corpus) -> u64 {
    let items = &corpus.documents["shop-items"];
    let fizz = items.values().filter(|it| it.source.contains("\"fizz\""));
    u64::try_from(fizz.count()).unwrap()
}

/// A directory for the stores of a test, that every server may write to.
struct Stores(PathBuf);

impl Stores {
    fn new(what: &str) -> Self {
        let path = sandbox_repositories().join(format!("hops-{}-{what}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn wipe(server: &Server) {
    let client = server.client();
    for path in ["/shop-*", "/.migrations_working_state", "/_template/shop"] {
        drop(client.send(Request::delete(path)));
    }
}

/// The whole path with at most two servers at once, hop by hop, each of them proved before the next begins.
#[test]
fn es_5_6_over_7_10_and_opensearch_2_to_3() {
    let stores = Stores::new("whole");
    let first = ES56.start();
    let corpus = make(&first, DOCS);
    let second = ES710.start();
    let path = [
        (&ES56, first.url().to_owned()),
        (&ES710, second.url().to_owned()),
    ];
    let place = Place::of_plan(&plan("shop", &path, &stores.0));
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(2);
    place.apply().ends_with(0);
    place.is_finished();
    all_there(&second, &corpus);
}
