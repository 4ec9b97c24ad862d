//! What whole migrations are tried with: one index for each thing that can go wrong, made on a real source, and what each
//! document has to be byte for byte on the target.

use std::collections::BTreeMap;

use mig::clients::cluster::{ClusterClient, Request};
use serde_json::{Value, json};

/// A document as it was sent: the bytes are what has to arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) routing: Option<String>,
    pub(crate) source: String,
}

/// Documents by index and id.
pub(crate) type Documents = BTreeMap<String, BTreeMap<String, Sent>>;

/// What was made, under names that begin with `prefix`.
pub(crate) struct Corpus {
    pub(crate) prefix: String,
    pub(crate) documents: Documents,
}

struct Maker<'a> {
    client: &'a ClusterClient,
    prefix: &'a str,
    documents: Documents,
}

/// Makes the corpus on a source.
pub(crate) fn make(client: &ClusterClient, prefix: &str) -> Corpus {
    let mut maker = Maker {
        client,
        prefix,
        documents: Documents::new(),
    };
    maker.plain();
    maker.routed();
    maker.nested();
    maker.changed();
    maker.wide();
    maker.dots();
    maker.closed();
    maker.aliased();
    maker.create(
        "empty",
        2,
        &json!({"properties": {"a": {"type": "keyword"}}}),
    );
    maker.documents.insert(maker.name("empty"), BTreeMap::new());
    maker.exact();
    maker.templates();
    Corpus {
        prefix: prefix.to_owned(),
        documents: maker.documents,
    }
}

impl Maker<'_> {
    fn name(&self, short: &str) -> String {
        format!("{}-{short}", self.prefix)
    }

    fn create(&self, short: &str, shards: u32, mappings: &Value) {
        let body = json!({
            "settings": {"index.number_of_shards": shards, "index.number_of_replicas": 0},
            "mappings": mappings,
        });
        let path = format!("/{}", self.name(short));
        self.client.send(Request::put(path).json(&body)).unwrap();
    }

    /// Sends documents in one `_bulk`, as raw bytes.
    fn send(&mut self, short: &str, documents: &[(String, Option<String>, String)]) {
        let index = self.name(short);
        let mut body = String::new();
        let known = self.documents.entry(index.clone()).or_default();
        for (id, routing, source) in documents {
            let mut action = json!({"_index": index, "_id": id});
            if let Some(routing) = routing {
                action["routing"] = json!(routing);
            }
            body.push_str(&json!({ "index": action }).to_string());
            body.push('\n');
            body.push_str(source);
            body.push('\n');
            known.insert(
                id.clone(),
                Sent {
                    routing: routing.clone(),
                    source: source.clone(),
                },
            );
        }
        bulk(self.client, body);
    }

    fn plain(&mut self) {
        self.create(
            "plain",
            3,
            &json!({"properties": {"n": {"type": "long"}, "text": {"type": "text"}, "at": {"type": "date"}}}),
        );
        let documents: Vec<_> = (0..2000)
            .map(|n| {
                let source = format!(
                    r#"{{"n":{n},"text":"document number {n}","at":"2020-11-18T10:{:02}:{:02}Z"}}"#,
                    n / 60 % 60,
                    n % 60
                );
                (format!("plain-{n}"), None, source)
            })
            .collect();
        self.send("plain", &documents);
    }

    fn routed(&mut self) {
        self.create("routed", 4, &json!({"_routing": {"required": true}}));
        let documents: Vec<_> = (0..500)
            .map(|n| {
                (
                    format!("{n}"),
                    Some(format!("tenant/{} é", n % 7)),
                    format!(r#"{{"tenant":{},"n":{n}}}"#, n % 7),
                )
            })
            .collect();
        self.send("routed", &documents);
    }

    fn nested(&mut self) {
        self.create(
            "nested",
            2,
            &json!({"properties": {"lines": {"type": "nested", "properties": {"sku": {"type": "keyword"}, "qty": {"type": "integer"}}}}}),
        );
        let documents: Vec<_> = (0..300)
            .map(|n| {
                let lines: Vec<Value> = (0..n % 5)
                    .map(|line| json!({"sku": format!("s{line}"), "qty": line + n}))
                    .collect();
                (
                    format!("order-{n}"),
                    None,
                    json!({ "lines": lines, "n": n }).to_string(),
                )
            })
            .collect();
        self.send("nested", &documents);
    }

    /// Updated, deleted, deleted and made again, over several segments.
    fn changed(&mut self) {
        self.create(
            "changed",
            2,
            &json!({"properties": {"n": {"type": "long"}}}),
        );
        let at = |round: u32| {
            move |n: u32| {
                (
                    format!("c{n}"),
                    None,
                    format!(r#"{{"n":{n},"round":{round}}}"#),
                )
            }
        };
        self.send("changed", &(0..600).map(at(1)).collect::<Vec<_>>());
        self.refresh("changed");
        self.send("changed", &(0..200).map(at(2)).collect::<Vec<_>>());
        let index = self.name("changed");
        let mut body = String::new();
        for n in 100..400 {
            let id = format!("c{n}");
            body.push_str(&json!({"delete": {"_index": index, "_id": id}}).to_string());
            body.push('\n');
            if let Some(known) = self.documents.get_mut(&index) {
                known.remove(&id);
            }
        }
        bulk(self.client, body);
        self.refresh("changed");
        self.send("changed", &(150..250).map(at(3)).collect::<Vec<_>>());
    }

    fn wide(&mut self) {
        let properties: serde_json::Map<String, Value> = (0..300)
            .map(|n| {
                let kind = ["keyword", "long", "date", "boolean", "text"][n % 5];
                (format!("field_{n:03}"), json!({ "type": kind }))
            })
            .collect();
        self.create(
            "wide",
            1,
            &json!({"dynamic": "strict", "properties": properties}),
        );
        let documents: Vec<_> = (0..50)
            .map(|n| {
                let fields: serde_json::Map<String, Value> = (0..300)
                    .filter(|field| (field + n) % 3 != 0)
                    .map(|field| {
                        let value = match field % 5 {
                            0 | 4 => json!(format!("v{n}-{field}")),
                            1 => json!(n * field),
                            2 => json!("2021-02-03"),
                            _ => json!(n % 2 == 0),
                        };
                        (format!("field_{field:03}"), value)
                    })
                    .collect();
                (format!("w{n}"), None, Value::Object(fields).to_string())
            })
            .collect();
        self.send("wide", &documents);
    }

    fn dots(&mut self) {
        self.create(
            "dots",
            1,
            &json!({"properties": {"host.name": {"type": "keyword"}, "a": {"properties": {"b.c": {"type": "long"}}}}}),
        );
        let documents: Vec<_> = (0..40)
            .map(|n| {
                let source =
                    format!(r#"{{"host.name":"h{n}","a":{{"b.c":{n}}},"x.y.z":{{"v.w":"{n}"}}}}"#);
                (format!("dot.{n}"), None, source)
            })
            .collect();
        self.send("dots", &documents);
    }

    fn closed(&mut self) {
        self.create("closed", 2, &json!({"properties": {"n": {"type": "long"}}}));
        let documents: Vec<_> = (0..100)
            .map(|n| (format!("old-{n}"), None, format!(r#"{{"n":{n}}}"#)))
            .collect();
        self.send("closed", &documents);
        let path = format!("/{}/_close", self.name("closed"));
        self.client.send(Request::post(path)).unwrap();
    }

    fn aliased(&mut self) {
        self.create(
            "aliased",
            2,
            &json!({"properties": {"region": {"type": "keyword"}}}),
        );
        let documents: Vec<_> = (0..200)
            .map(|n| {
                let region = ["eu", "us", "ap"][n % 3];
                (
                    format!("a{n}"),
                    None,
                    format!(r#"{{"region":"{region}","n":{n}}}"#),
                )
            })
            .collect();
        self.send("aliased", &documents);
        let (index, prefix) = (self.name("aliased"), self.prefix);
        let plain = self.name("plain");
        let actions = json!({"actions": [
            {"add": {"index": index, "alias": format!("{prefix}-europe"), "filter": {"term": {"region": "eu"}}}},
            {"add": {"index": index, "alias": format!("{prefix}-byroute"), "index_routing": "1", "search_routing": "1,2"}},
            {"add": {"index": index, "alias": format!("{prefix}-write"), "is_write_index": true}},
            {"add": {"index": plain, "alias": format!("{prefix}-write")}},
        ]});
        let request = Request::post("/_aliases").json(&actions);
        self.client.send(request).unwrap();
    }

    /// Numbers, texts and layouts that a careless tool changes.
    fn exact(&mut self) {
        self.create("exact", 1, &json!({"dynamic": false}));
        let mut documents: Vec<(String, Option<String>, String)> = vec![
            ("longs", r#"{"big":9007199254740993,"max":9223372036854775807,"min":-9223372036854775808,"more":18446744073709551615}"#),
            ("minus-zero", r#"{"v":-0.0,"w":0.0,"x":-0}"#),
            ("exponents", r#"{"v":1.5e300,"w":1.5E+300,"x":1e-7,"y":100.0,"z":1.10}"#),
            ("digits", r#"{"v":3.14159265358979323846264338327950288419716939937510}"#),
            ("order", r#"{"z":1,"a":2,"m":{"y":1,"b":2},"A":3}"#),
            ("spaces", "{  \"a\" :\t1 ,  \"b\":[ 1,2 ,\t3 ]  }"),
            ("escapes", r#"{"a":"\u00e9\u4e2d\/\b\f\n\r\t\"\\","\u0041":1,"e":"\ud83d\ude00"}"#),
            ("emoji", r#"{"smile":"😀 👩‍👩‍👧‍👦","中文":"数据","empty":""}"#),
            ("doubled", r#"{"list":[null,[],{},[[]],"",0,false]}"#),
            ("é/ü?#&=% +", r#"{"id":"with everything"}"#),
        ]
        .into_iter()
        .map(|(id, source)| (id.to_owned(), None, source.to_owned()))
        .collect();
        let large = format!(r#"{{"blob":"{}"}}"#, "x y\\n".repeat(1_000_000));
        documents.push(("five-megabytes".to_owned(), None, large));
        self.send("exact", &documents);
    }

    fn templates(&self) {
        let prefix = self.prefix;
        let put = |path: String, body: &Value| {
            self.client.send(Request::put(path).json(body)).unwrap();
        };
        put(
            format!("/_component_template/{prefix}-base"),
            &json!({"template": {"settings": {"index.number_of_shards": 2}, "mappings": {"properties": {"t": {"type": "date"}}}}}),
        );
        put(
            format!("/_index_template/{prefix}-new"),
            &json!({"index_patterns": [format!("{prefix}-new-*")], "composed_of": [format!("{prefix}-base")], "priority": 7,
                "template": {"aliases": {format!("{prefix}-all"): {}}}}),
        );
        put(
            format!("/_template/{prefix}-old"),
            &json!({"index_patterns": [format!("{prefix}-old-*")], "order": 3, "settings": {"number_of_shards": 1},
                "mappings": {"properties": {"m": {"type": "keyword"}}}}),
        );
    }

    fn refresh(&self, short: &str) {
        let path = format!("/{}/_refresh", self.name(short));
        self.client.send(Request::post(path)).unwrap();
    }
}

/// Sends a `_bulk` body; every item has to be taken.
pub(crate) fn bulk(client: &ClusterClient, body: String) {
    let request = Request::post("/_bulk").lines(body);
    let answer = client.json(request).unwrap();
    assert_eq!(answer["errors"], json!(false), "{answer}");
}

/// Every document of an index on a cluster, as raw bytes by id.
pub(crate) fn documents(client: &ClusterClient, index: &str) -> BTreeMap<String, Sent> {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(rename = "_scroll_id", default)]
        scroll: Option<String>,
        #[serde(borrow)]
        hits: Hits<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Hits<'a> {
        #[serde(borrow)]
        hits: Vec<Hit<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Hit<'a> {
        #[serde(rename = "_id")]
        id: String,
        #[serde(rename = "_routing", default)]
        routing: Option<String>,
        #[serde(rename = "_source", borrow)]
        source: &'a serde_json::value::RawValue,
    }
    client
        .send(Request::post(format!("/{index}/_refresh")))
        .unwrap();
    let mut found = BTreeMap::new();
    let first = Request::post(format!("/{index}/_search?scroll=1m"))
        .json(&json!({"size": 500, "sort": ["_doc"]}));
    let mut body = client.send(first).unwrap().body;
    loop {
        let answer: Answer<'_> = serde_json::from_slice(&body).unwrap();
        let scroll = answer.scroll.clone().unwrap();
        if answer.hits.hits.is_empty() {
            let end = Request::delete("/_search/scroll").json(&json!({ "scroll_id": scroll }));
            client.send(end).unwrap();
            return found;
        }
        for hit in answer.hits.hits {
            let sent = Sent {
                routing: hit.routing,
                source: hit.source.get().to_owned(),
            };
            assert!(found.insert(hit.id, sent).is_none(), "a document twice");
        }
        let next =
            Request::post("/_search/scroll").json(&json!({"scroll": "1m", "scroll_id": scroll}));
        body = client.send(next).unwrap().body;
    }
}
