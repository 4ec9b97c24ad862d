//! The part of the corpus that some versions have and others refuse: mapping types, joins, modes of `_source`, data streams; and
//! an index that is closed at the end.

use serde_json::{Value, json};

use super::*;

impl Corpus<'_> {
    /// Several types, with parents, before 6; one with a name of its own until 7 and OpenSearch 1.
    pub(super) fn types(&mut self) {
        let shop = json!({"properties": {"name": self.dialect.fields(&json!({"type": "text"}))}});
        let create = |path: &str, shards: u32, mappings: Value| {
            let settings = json!({"index.number_of_shards": shards, "index.number_of_replicas": 0});
            let body = json!({"settings": settings, "mappings": mappings});
            self.send(Request::put(path).json(&body)).unwrap();
        };
        if !self.dialect.before((8, 0), (2, 0)) {
            return;
        }
        if !self.dialect.before((6, 0), (0, 0)) {
            let path = if self.dialect.typed() {
                "/types"
            } else {
                "/types?include_type_name=true"
            };
            create(path, 1, json!({ "item": shop }));
            self.indices.insert("types".to_owned(), Kept::Stored);
            self.try_bulk("types", Some("item"), vec![put("1", r#"{"name":"one"}"#)])
                .unwrap();
            return;
        }
        let offer = json!({"_parent": {"type": "shop"}});
        create(
            "/types",
            2,
            json!({"shop": shop, "offer": offer, "plain": {}}),
        );
        self.indices.insert("types".to_owned(), Kept::Stored);
        let each = |kind: &str| {
            (0..8)
                .map(|n| put(n.to_string(), json!({"name": format!("{kind} {n}")})))
                .collect::<Vec<_>>()
        };
        let (shops, mut plain) = (each("shop"), each("plain"));
        let mut offers: Vec<Action> = (0..12)
            .map(|n: usize| {
                put(n.to_string(), json!({"price": n})).with("parent", (n % 4).to_string())
            })
            .collect();
        let elsewhere = put("routed", "{}").with("parent", "1");
        offers.push(elsewhere.with("routing", "elsewhere"));
        plain.push(remove("2"));
        for (kind, actions) in [("shop", shops), ("offer", offers), ("plain", plain)] {
            self.try_bulk("types", Some(kind), actions).unwrap();
            self.flush("types");
        }
    }

    /// Parents and children in one index, from 6 on.
    pub(super) fn join(&mut self) {
        let settings = json!({"index.number_of_shards": 2});
        let relation = json!({"type": "join", "relations": {"question": "answer"}});
        let mapping = json!({"properties": {"relation": relation}});
        let done = self.try_create("join", Kept::Stored, settings, &mapping);
        if !self.attempt("join", done) {
            return;
        }
        let questions = (0..9).map(|n| put(format!("q{n}"), json!({"relation": "question"})));
        let answers = (0..30).map(|n| {
            let parent = format!("q{}", n % 9);
            let relation = json!({"name": "answer", "parent": parent});
            put(format!("a{n}"), json!({ "relation": relation })).with("routing", parent)
        });
        self.bulk("join", questions.chain(answers).collect());
        let gone = remove("a3").with("routing", "q3");
        self.bulk("join", vec![gone]);
    }

    /// Sources that the server makes up when asked.
    pub(super) fn modes(&mut self) {
        if !self.dialect.is_elasticsearch() || self.dialect.before((8, 0), (0, 0)) {
            return;
        }
        let fields = json!({"properties": {
            "@timestamp": {"type": "date"},
            "host.name": {"type": "keyword"},
            "n": {"type": "long"},
            "message": {"type": "text", "store": true},
        }});
        let documents = || -> Vec<Action> {
            let each = (1..9).map(|n| {
                let source = json!({"@timestamp": format!("2024-05-0{n}T10:00:00.000Z"), "host": {"name": format!("h{n}")},
                    "n": [n, -n, n], "message": format!("line {n}"), "more": {"unmapped": n}});
                put(format!("y-{n}"), source)
            });
            each.collect()
        };
        let modes = [
            (
                "synthetic",
                Kept::Synthetic,
                json!({"index.mapping.source.mode": "synthetic"}),
            ),
            ("logsdb", Kept::Logsdb, json!({"index.mode": "logsdb"})),
        ];
        for (index, kept, settings) in modes {
            let mut done = self.try_create(index, kept, settings, &fields);
            if done.is_err() && index == "synthetic" {
                // By the mapping before 8.17; 9 takes that and ignores it.
                let mut mapping = fields.clone();
                mapping["_source"] = json!({"mode": "synthetic"});
                done = self.try_create(index, kept, json!({}), &mapping);
            }
            if self.attempt(index, done) {
                self.bulk(index, documents());
            }
        }
        let series = json!({"properties": {
            "@timestamp": {"type": "date"},
            "host": {"type": "keyword", "time_series_dimension": true},
            "load": {"type": "double", "time_series_metric": "gauge"},
        }});
        let settings = json!({
            "index.mode": "time_series",
            "index.routing_path": ["host"],
            "index.time_series.start_time": "2024-05-01T00:00:00Z",
            "index.time_series.end_time": "2024-06-01T00:00:00Z",
        });
        let done = self.try_create("tsdb", Kept::TimeSeries, settings, &series);
        if self.attempt("tsdb", done) {
            let mut lines = String::new();
            for n in 1..9 {
                let source = json!({"@timestamp": format!("2024-05-0{n}T00:00:00.000Z"), "host": format!("h{}", n % 3), "load": n});
                writeln!(lines, "{}\n{source}", json!({"index": {}})).unwrap();
            }
            self.send(Request::post("/tsdb/_bulk").lines(lines))
                .unwrap();
            self.flush("tsdb");
        }
    }

    pub(super) fn data_stream(&mut self) {
        if self.dialect.before((7, 9), (1, 0)) {
            return;
        }
        let template = json!({"index_patterns": ["stream-*"], "data_stream": {}, "template": {"settings": {"index.number_of_replicas": 0}}});
        let done = self.send(Request::put("/_index_template/streams").json(&template));
        if !self.attempt("data stream", done) {
            return;
        }
        for generation in 1..3 {
            let documents = (1..4).map(|n| {
                let source = json!({"@timestamp": format!("2024-05-0{n}T00:00:00Z"), "n": n});
                Action::new(
                    "create",
                    &format!("g{generation}-{n}"),
                    Some(source.to_string()),
                )
            });
            // The first makes the stream: the interface that would is in a module.
            let done = self.try_bulk("stream-web", None, documents.collect());
            if !self.attempt("data stream", done) {
                return;
            }
            if generation == 1 {
                let done = self.send(Request::post("/stream-web/_rollover"));
                self.attempt("rollover", done);
            }
        }
        let found = self
            .server
            .get("/_cat/indices?format=json&h=index&expand_wildcards=all");
        for index in found.as_array().unwrap() {
            let name = index["index"].as_str().unwrap();
            if name.starts_with(".ds-stream-web-") {
                self.indices.insert(name.to_owned(), Kept::Stored);
            }
        }
    }

    /// Before 7.2 a closed index can't be in a snapshot.
    pub(super) fn close(&mut self) {
        if self.dialect.before((7, 2), (0, 0)) {
            return;
        }
        self.create("closed", json!({}), Value::Null);
        self.bulk(
            "closed",
            (0..7)
                .map(|n| put(n.to_string(), json!({ "n": n })))
                .collect(),
        );
        let answers = self.answer("closed");
        self.closed.insert("closed".to_owned(), answers);
        self.send(Request::post("/closed/_close")).unwrap();
    }
}
