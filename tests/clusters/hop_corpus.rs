//! What paths over clusters are tried with: a source of Elasticsearch 5.6 that has what that time had (types, parents,
//! templates with types, settings that have gone since), what somebody adds at a cluster in the middle, and what has to stand
//! on every cluster behind.

use serde_json::{Value, json};

use super::corpus::{self, Documents, Sent, bulk};
use super::support::Server;

/// What a plan over this source answers in its first hop.
pub(crate) const TYPES: &str = "{ shop-kinds: { take: split, name: \"{index}-{type}\", alias: true }, shop-family: { take: union } }";

/// Parents of the family; each has three children.
const PARENTS: usize = 12;

/// What the first source holds, as it has to stand on the clusters behind it: the parts of an index with types by their own names.
pub(crate) struct Corpus {
    pub(crate) documents: Documents,
    /// Sent with a type of their own and a parent: the sources get a field in front.
    family: std::collections::BTreeMap<String, (Value, Sent)>,
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

/// Makes it: texts, keywords, dates, nested documents, deletes, shards, routing, aliases and an empty index, in indices of one
/// type each as Elasticsearch 5.6 has them, and what else is told by the functions below.
pub(crate) fn make(server: &Server, docs: usize) -> Corpus {
    let mut corpus = Corpus {
        documents: Documents::new(),
        family: std::collections::BTreeMap::new(),
    };
    for (index, shards, docs, routed) in [
        ("shop-items", 2, docs, false),
        ("shop-routed", 3, docs / 4, true),
        ("shop-shut", 1, docs / 8, false),
        ("shop-empty", 1, 0, false),
    ] {
        let settings = json!({"index.number_of_shards": shards, "index.refresh_interval": "7s"});
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
    tuned(server, &mut corpus);
    kinds(server, &mut corpus);
    family(server, &mut corpus);
    let actions = json!({"actions": [
        {"add": {"index": "shop-items", "alias": "fizz", "filter": {"term": {"tag": "fizz"}}}},
        {"add": {"index": "shop-routed", "alias": "shop-r1", "index_routing": "r1", "search_routing": "r1,r2"}},
        {"add": {"index": "shop-kinds", "alias": "shop-market"}},
    ]});
    server.post("/_aliases", &actions);
    server.put("/shop-shut/_settings", &json!({"index.blocks.write": true}));
    // A template as that time wrote them: one pattern, one type, aliases, fields that are mapped by their names.
    server.put(
        "/_template/shop-old",
        &json!({"template": "shop-t-*", "order": 3, "version": 17,
            "settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "11s"},
            "mappings": {"item": {
                "dynamic_templates": [
                    {"names": {"match": "*_name", "match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 99}}},
                    {"numbers": {"path_match": "sizes.*", "match_mapping_type": "long", "mapping": {"type": "integer"}}}],
                "properties": {"n": {"type": "long"}}}},
            "aliases": {"shop-every": {}, "shop-ones": {"filter": {"term": {"n": 1}}}}}),
    );
    // The minimal servers behind have no processors; the pipeline's way is what is tried.
    server.put(
        "/_ingest/pipeline/shop-in",
        &json!({"description": "nothing yet", "version": 3, "processors": []}),
    );
    corpus
}

fn send(server: &Server, documents: &[(Value, String)]) {
    let lines: Vec<String> = documents
        .iter()
        .map(|(action, source)| format!("{}\n{source}\n", json!({ "index": action })))
        .collect();
    bulk(&server.client(), lines.concat());
}

/// Settings that were taken away or renamed since, and fields that are called with dots.
fn tuned(server: &Server, corpus: &mut Corpus) {
    let settings = json!({
        "index.number_of_shards": 1, "index.mapper.dynamic": true, "index.max_result_window": 20000,
        "index.search.slowlog.threshold.query.warn": "3s", "index.search.slowlog.level": "info",
        "index.translog.durability": "async", "index.shard.check_on_startup": "false",
        "index.mapping.total_fields.limit": 500});
    let mapping = json!({"properties": {"host.name": {"type": "keyword"}, "a": {"properties": {"b.c": {"type": "long"}}}}});
    server.put(
        "/shop-tuned",
        &json!({"settings": settings, "mappings": {"item": mapping}}),
    );
    let known = corpus.documents.entry("shop-tuned".into()).or_default();
    let mut documents = Vec::new();
    for n in 0..30 {
        let source = format!(r#"{{"host.name":"h{n}","a":{{"b.c":{n}}},"x.y.z":{{"v.w":"{n}"}}}}"#);
        let id = format!("d.{n}");
        documents.push((
            json!({"_index": "shop-tuned", "_type": "item", "_id": id}),
            source.clone(),
        ));
        let routing = None;
        known.insert(id, Sent { routing, source });
    }
    send(server, &documents);
}

/// Two types whose documents share their ids.
fn kinds(server: &Server, corpus: &mut Corpus) {
    let number = json!({"properties": {"n": {"type": "long"}}});
    let body = json!({"settings": {"index.number_of_shards": 2}, "mappings": {"item": number, "page": number}});
    server.put("/shop-kinds", &body);
    let mut documents = Vec::new();
    for kind in ["item", "page"] {
        let known = corpus
            .documents
            .entry(format!("shop-kinds-{kind}"))
            .or_default();
        for n in 0..25 {
            let source = json!({"n": n, "of": kind}).to_string();
            let action = json!({"_index": "shop-kinds", "_type": kind, "_id": n.to_string()});
            documents.push((action, source.clone()));
            let routing = None;
            known.insert(n.to_string(), Sent { routing, source });
        }
    }
    send(server, &documents);
}

/// Parents and children.
fn family(server: &Server, corpus: &mut Corpus) {
    let number = json!({"n": {"type": "long"}});
    server.put(
        "/shop-family",
        &json!({"settings": {"index.number_of_shards": 3}, "mappings": {
            "parent": {"properties": number},
            "child": {"_parent": {"type": "parent"}, "properties": number}}}),
    );
    let mut documents = Vec::new();
    for n in 0..PARENTS * 4 {
        let (kind, parent) = match n.checked_sub(PARENTS) {
            None => ("parent", None),
            Some(child) => ("child", Some(format!("m{}", child % PARENTS))),
        };
        let id = format!("m{n}");
        let mut action = json!({"_index": "shop-family", "_type": kind, "_id": id});
        let mut join = json!(kind);
        if let Some(parent) = &parent {
            action["parent"] = json!(parent);
            join = json!({"name": kind, "parent": parent});
        }
        let source = json!({ "n": n }).to_string();
        documents.push((action, source.clone()));
        // Whoever has children is found by its own id.
        let routing = parent;
        corpus.family.insert(id, (join, Sent { routing, source }));
    }
    send(server, &documents);
}

/// What 5.6 could not have or could not take a snapshot of, made by hand on a cluster in the middle: an alias that takes writes,
/// and a closed index.
pub(crate) fn add_in_the_middle(server: &Server, corpus: &mut Corpus) {
    let actions = json!({"actions": [
        {"add": {"index": "shop-items", "alias": "shop-write", "is_write_index": true}},
        {"add": {"index": "shop-tuned", "alias": "shop-write", "is_write_index": false}},
    ]});
    server.post("/_aliases", &actions);
    let settings = json!({"index.number_of_shards": 2, "index.number_of_replicas": 0});
    let mapping = json!({"properties": {"n": {"type": "long"}}});
    server.put(
        "/shop-closed",
        &json!({"settings": settings, "mappings": mapping}),
    );
    let known = corpus.documents.entry("shop-closed".into()).or_default();
    let mut lines = String::new();
    for n in 0..40 {
        let source = json!({ "n": n }).to_string();
        lines.push_str(&format!(
            "{}\n{source}\n",
            json!({"index": {"_id": n.to_string()}})
        ));
        let routing = None;
        known.insert(n.to_string(), Sent { routing, source });
    }
    server.bulk("shop-closed", &lines);
    server.post("/shop-closed/_close", &json!({}));
}

/// Every document stands there as it was sent, queries answer as at the first source, and what is no document is there too.
#[track_caller]
pub(crate) fn all_there(server: &Server, corpus: &Corpus) {
    for (index, sent) in &corpus.documents {
        let closed = index == "shop-closed";
        if closed {
            let indices = server.get("/_cat/indices/shop-closed?format=json&expand_wildcards=all");
            assert_eq!(indices[0]["status"], "close", "{indices}");
            server.post("/shop-closed/_open?wait_for_active_shards=1", &json!({}));
        }
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
        if closed {
            server.post("/shop-closed/_close", &json!({}));
        }
    }
    assert_eq!(server.count("fizz"), fizz(corpus), "the filtered alias");
    let nested = json!({"query": {"nested": {"path": "lines", "query": {"bool": {"filter": [
        {"term": {"lines.sku": "a7"}}, {"term": {"lines.count": 7}}]}}}}});
    let answer = server.post("/shop-items/_search", &nested);
    assert_eq!(answer["hits"]["hits"][0]["_id"], "7", "{answer}");
    settings_there(server);
    aliases_there(server, corpus);
    family_there(server, corpus);
    template_works(server);
    let pipeline = server.get("/_ingest/pipeline/shop-in");
    assert_eq!(pipeline["shop-in"]["description"], "nothing yet");
}

fn fizz(corpus: &Corpus) -> u64 {
    let items = &corpus.documents["shop-items"];
    let fizz = items.values().filter(|it| it.source.contains("\"fizz\""));
    u64::try_from(fizz.count()).unwrap()
}

#[track_caller]
fn settings_there(server: &Server) {
    let settings = server.get("/shop-items,shop-shut,shop-tuned/_settings?flat_settings=true");
    let of = |name: &str, setting: &str| settings[name]["settings"][setting].clone();
    assert_eq!(of("shop-items", "index.refresh_interval"), "7s");
    assert_eq!(of("shop-items", "index.number_of_shards"), "2");
    assert_eq!(of("shop-shut", "index.blocks.write"), "true");
    for (setting, value) in [
        ("index.max_result_window", "20000"),
        ("index.search.slowlog.threshold.query.warn", "3s"),
        ("index.mapping.total_fields.limit", "500"),
    ] {
        assert_eq!(of("shop-tuned", setting), value, "{setting}");
    }
    // What a server does not know any more is left behind on the way to it.
    let version = server.get("/")["version"]["number"].clone();
    let still_known = version.as_str().unwrap().starts_with("6.");
    let dynamic = of("shop-tuned", "index.mapper.dynamic");
    assert_eq!(dynamic.is_null(), !still_known, "{dynamic}");
    // A field with dots is the object that it names.
    let wanted = json!({"query": {"bool": {"filter": [
        {"term": {"host.name": "h3"}}, {"term": {"a.b.c": 3}}, {"match": {"x.y.z.v.w": "3"}}]}}});
    let answer = server.post("/shop-tuned/_search", &wanted);
    assert_eq!(answer["hits"]["hits"][0]["_id"], "d.3", "{answer}");
}

#[track_caller]
fn aliases_there(server: &Server, corpus: &Corpus) {
    let aliases = server.get("/_alias");
    let text = aliases.to_string().to_lowercase();
    assert!(!text.contains("mig-writes"), "{aliases}");
    let routed = &aliases["shop-routed"]["aliases"]["shop-r1"];
    assert_eq!(routed["index_routing"], "r1");
    assert_eq!(routed["search_routing"], "r1,r2");
    // The name of the index that was split, and an alias of it, stand for its parts.
    for kind in ["item", "page"] {
        let of = &aliases[format!("shop-kinds-{kind}")]["aliases"];
        assert!(
            of["shop-kinds"].is_object() && of["shop-market"].is_object(),
            "{aliases}"
        );
    }
    if corpus.documents.contains_key("shop-closed") {
        let writes =
            |index: &str| aliases[index]["aliases"]["shop-write"]["is_write_index"].clone();
        assert_eq!(writes("shop-items"), true, "{aliases}");
        assert_eq!(writes("shop-tuned"), false, "{aliases}");
    }
}

#[track_caller]
fn family_there(server: &Server, corpus: &Corpus) {
    let found = corpus::documents(&server.client(), "shop-family");
    assert_eq!(found.len(), corpus.family.len());
    for (id, found) in found {
        let (join, sent) = &corpus.family[&id];
        let mut source: Value = serde_json::from_str(&found.source).unwrap();
        let fields = source.as_object_mut().unwrap();
        assert_eq!(fields.remove("join").as_ref(), Some(join), "{id}");
        let sent_source: Value = serde_json::from_str(&sent.source).unwrap();
        assert_eq!(source, sent_source, "{id}");
        assert_eq!(found.routing, sent.routing, "{id}");
    }
    // Children of a range have the parents that they had.
    let range = json!({"range": {"n": {"gte": PARENTS + 2, "lt": PARENTS + 5}}});
    let query = json!({"query": {"has_child": {"type": "child", "query": range}}});
    let answer = server.post("/shop-family/_search", &query);
    let hits = answer["hits"]["hits"].as_array().unwrap();
    let mut parents: Vec<&str> = hits
        .iter()
        .map(|hit| hit["_id"].as_str().unwrap())
        .collect();
    parents.sort_unstable();
    assert_eq!(parents, ["m2", "m3", "m4"], "{answer}");
}

/// An index that the legacy template matches is what it was on the first source.
#[track_caller]
fn template_works(server: &Server) {
    let made = server.put(
        "/shop-t-1/_doc/1?refresh=true",
        &json!({"n": 1, "first_name": "ann", "sizes": {"shoe": 43}}),
    );
    assert_eq!(made["result"], "created");
    let index = server.get("/shop-t-1?flat_settings=true")["shop-t-1"].clone();
    assert_eq!(
        index["settings"]["index.refresh_interval"], "11s",
        "{index}"
    );
    assert_eq!(
        index["aliases"]["shop-ones"]["filter"],
        json!({"term": {"n": 1}})
    );
    assert!(index["aliases"]["shop-every"].is_object(), "{index}");
    let mappings = index["mappings"].to_string();
    for field in [
        r#""first_name":{"type":"keyword","ignore_above":99}"#,
        r#""shoe":{"type":"integer"}"#,
    ] {
        // Servers order the keys of a field as they like.
        let turned = r#""first_name":{"ignore_above":99,"type":"keyword"}"#;
        assert!(
            mappings.contains(field) || mappings.contains(turned),
            "{field}: {mappings}"
        );
    }
    server.delete("/shop-t-1");
}
