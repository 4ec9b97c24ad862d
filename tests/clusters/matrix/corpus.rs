//! The corpus that every version is given: all that readers of snapshots get wrong, in sizes that take chunks, slices and
//! parts of files to their limits. `tests/fixtures/versions/corpus.py` makes a small one of the same kinds, from the same
//! `material.json`.

#![allow(
    clippy::needless_pass_by_value,
    reason = "documents are written where they are sent"
)]

mod of_versions;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use mig::clients::cluster::Request;
use serde_json::{Map, Value, json};

use super::answers::scroll;
use super::dialect::{Dialect, TYPE, put_encoded};
use super::documents::{Answer, Kept};
use crate::support::Server;

/// Children of the largest document; servers take 10,000.
const MOST_CHILDREN: usize = 9500;
/// Bytes of the longest document.
const LONGEST_BYTES: usize = 5 << 20;
/// Fields of the widest document.
const MOST_FIELDS: usize = 10_000;
/// Documents in the index of many segments.
const MANY: usize = 600;

/// One action of `_bulk`.
pub(super) struct Action {
    verb: &'static str,
    metadata: Map<String, Value>,
    source: Option<String>,
}

impl Action {
    fn new(verb: &'static str, id: &str, source: Option<String>) -> Self {
        let metadata = Map::from_iter([("_id".to_owned(), json!(id))]);
        Self {
            verb,
            metadata,
            source,
        }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }
}

fn put(id: impl AsRef<str>, source: impl ToString) -> Action {
    Action::new("index", id.as_ref(), Some(source.to_string()))
}

fn remove(id: impl AsRef<str>) -> Action {
    Action::new("delete", id.as_ref(), None)
}

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn story(&mut self, bytes: usize) -> Value {
        const WORDS: [&str; 6] = ["shelf", "basket", "lantern", "ribbon", "kettle", "saddle"];
        let words: Vec<&str> = (0..bytes / 7).map(|_| WORDS[self.next(6)]).collect();
        json!({ "story": words.join(" ") })
    }

    fn noise(&mut self, bytes: usize) -> Value {
        let noise: Vec<u8> = (0..bytes)
            .map(|_| self.next(256).to_le_bytes()[0])
            .collect();
        json!({ "noise": base64::engine::general_purpose::STANDARD.encode(noise) })
    }
}

pub(super) struct Corpus<'a> {
    server: &'a Server,
    dialect: Dialect,
    material: Value,
    chance: Chance,
    /// What is there, and what becomes of sources in it.
    pub(super) indices: BTreeMap<String, Kept>,
    /// What the server refused, and why.
    pub(super) left_out: BTreeMap<String, String>,
    formats: BTreeMap<String, String>,
    sent: BTreeMap<(String, String), String>,
    /// Answers of indices that can't be asked any more.
    closed: BTreeMap<String, Vec<Answer>>,
}

impl<'a> Corpus<'a> {
    pub(super) fn new(server: &'a Server, dialect: Dialect) -> Self {
        let material = include_str!("../../fixtures/versions/material.json");
        Self {
            server,
            dialect,
            material: serde_json::from_str(material).unwrap(),
            chance: Chance(20_171),
            indices: BTreeMap::new(),
            left_out: BTreeMap::new(),
            formats: BTreeMap::new(),
            sent: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    // Requests -----------------------------------------------------------------------------------------------------------

    fn try_create(
        &mut self,
        index: &str,
        kept: Kept,
        settings: Value,
        mapping: &Value,
    ) -> Result<(), String> {
        let mut body = json!({"settings": {
            "index.number_of_shards": 1,
            "index.number_of_replicas": 0,
            "index.refresh_interval": "-1",
        }});
        if let Value::Object(settings) = settings {
            body["settings"].as_object_mut().unwrap().extend(settings);
        }
        if mapping.is_object() {
            body["mappings"] = self.dialect.mappings(mapping);
        }
        let path = format!("/{}", Request::part(index));
        self.send(Request::put(path).json(&body))?;
        self.indices.insert(index.to_owned(), kept);
        Ok(())
    }

    fn create(&mut self, index: &str, settings: Value, mapping: Value) {
        self.try_create(index, Kept::Stored, settings, &mapping)
            .unwrap_or_else(|error| panic!("{index}: {error}"));
    }

    fn send(&self, request: Request) -> Result<(), String> {
        let sent = self.server.client().send(request);
        sent.map(|_| ()).map_err(|error| error.to_string())
    }

    /// True if the server has it; what it says where it has not is kept.
    fn attempt(&mut self, what: &str, done: Result<(), String>) -> bool {
        if let Err(error) = &done {
            self.left_out.insert(what.to_owned(), error.clone());
        }
        done.is_ok()
    }

    fn try_bulk(
        &mut self,
        index: &str,
        kind: Option<&str>,
        actions: Vec<Action>,
    ) -> Result<(), String> {
        let kind = kind.or_else(|| self.dialect.typed().then_some(TYPE));
        let remembered = self.indices.get(index).copied().unwrap_or(Kept::Stored) != Kept::Stored;
        let mut lines = String::new();
        for mut action in actions {
            if let Some(kind) = kind {
                action.metadata.insert("_type".to_owned(), json!(kind));
            }
            writeln!(lines, "{}", json!({ action.verb: action.metadata })).unwrap();
            let Some(source) = action.source else {
                continue;
            };
            writeln!(lines, "{source}").unwrap();
            if remembered {
                let id = action.metadata["_id"].as_str().unwrap().to_owned();
                self.sent.insert((index.to_owned(), id), source);
            }
        }
        let path = format!("/{}/_bulk", Request::part(index));
        let response = self.server.client().send(Request::post(path).lines(lines));
        let answer = response.and_then(|response| response.json());
        let answer = answer.map_err(|error| error.to_string())?;
        if answer["errors"] == false {
            return Ok(());
        }
        let items = answer["items"].as_array().into_iter().flatten();
        let mut errors = items.filter_map(|item| item.as_object()?.values().next()?.get("error"));
        Err(errors.next().map(Value::to_string).unwrap_or_default())
    }

    fn bulk(&mut self, index: &str, actions: Vec<Action>) {
        self.try_bulk(index, None, actions)
            .unwrap_or_else(|error| panic!("{index}: {error}"));
        self.flush(index);
    }

    fn flush(&self, index: &str) {
        let index = Request::part(index);
        let path = format!("/{index}/_flush?force=true&wait_if_ongoing=true");
        self.send(Request::post(path)).unwrap();
    }

    // The two states -----------------------------------------------------------------------------------------------------

    pub(super) fn load_first(&mut self) {
        self.merged();
        self.ids();
        self.sources();
        self.kinds();
        self.nested();
        self.segments();
        self.long();
        self.wide();
        self.sorted();
        self.deletes();
        self.types();
        self.join();
        self.modes();
        self.data_stream();
        self.create("empty", json!({}), Value::Null);
        self.create("sparse", json!({"index.number_of_shards": 3}), Value::Null);
        self.bulk("sparse", vec![put("alone", r#"{"n":1}"#)]);
        self.create(
            "reshaped",
            json!({"index.number_of_shards": 3}),
            Value::Null,
        );
        self.bulk(
            "reshaped",
            (0..9)
                .map(|n| put(n.to_string(), json!({"life": 1})))
                .collect(),
        );
        let actions = json!({"actions": [{"add": {"index": "segments", "alias": "all", "filter": {"term": {"n": 7}}}}]});
        self.send(Request::post("/_aliases").json(&actions))
            .unwrap();
        self.finish_merged();
        self.close();
    }

    pub(super) fn load_second(&mut self) {
        self.bulk(
            "ids",
            vec![
                put("007", r#"{"second":true}"#),
                put("8", r#"{"new":8}"#),
                remove("abcd"),
                remove("9".repeat(400)),
                put("routed-1", r#"{"second":true}"#).with("routing", "left"),
            ],
        );
        let again = (3..MANY).step_by(29);
        let again = again.map(|n| put(format!("m-{n:04}"), json!({"n": n, "round": "second"})));
        let gone = (5..MANY).step_by(31).map(|n| remove(format!("m-{n:04}")));
        self.bulk("segments", again.chain(gone).collect());
        self.bulk(
            "merged",
            vec![put("k-001", r#"{"n":1,"again":true}"#), put("k-999", "{}")],
        );
        // The same name for another index, of more shards and of fewer.
        for (index, shards) in [("empty", 2), ("reshaped", 1)] {
            self.send(Request::delete(format!("/{index}"))).unwrap();
            self.create(
                index,
                json!({"index.number_of_shards": shards}),
                Value::Null,
            );
        }
        self.bulk(
            "reshaped",
            (0..9)
                .map(|n| put(n.to_string(), json!({"life": 2})))
                .collect(),
        );
    }

    /// Every document of every index as the server answers now.
    pub(super) fn answers(&self) -> BTreeMap<String, Vec<Answer>> {
        let mut all = self.closed.clone();
        for index in self.indices.keys() {
            if !self.closed.contains_key(index) {
                all.insert(index.clone(), self.answer(index));
            }
        }
        all
    }

    fn answer(&self, index: &str) -> Vec<Answer> {
        let count = self.server.count(index);
        self.flush(index);
        let mut answers = scroll(self.server, self.dialect, index);
        assert_eq!(answers.len() as u64, count, "{index}: scroll and count");
        for answer in &mut answers {
            if index == "sources" {
                answer.format = self.formats.get(&answer.id).cloned();
            }
            let key = (index.to_owned(), answer.id.clone());
            answer.sent = self.sent.get(&key).cloned();
        }
        answers
    }

    // Its parts ----------------------------------------------------------------------------------------------------------

    /// One segment of DEFLATE, made of four, without the deleted documents.
    fn merged(&mut self) {
        self.create(
            "merged",
            json!({"index.codec": "best_compression"}),
            Value::Null,
        );
        for start in [0, 20, 40] {
            let each = (start..start + 20).map(|n| put(format!("k-{n:03}"), json!({"n": n})));
            self.bulk("merged", each.collect());
        }
        let gone = (0..60).step_by(7).map(|n| remove(format!("k-{n:03}")));
        self.bulk("merged", gone.collect());
    }

    /// A merge keeps what a retention lease asks for, and leases move on every thirty seconds only.
    fn finish_merged(&self) {
        for _ in 0..60 {
            let path = "/merged/_forcemerge?max_num_segments=1";
            self.send(Request::post(path)).unwrap();
            self.flush("merged");
            self.send(Request::post("/merged/_refresh")).unwrap();
            let stats = self.server.get("/merged/_stats/docs,segments");
            let left = &stats["_all"]["primaries"];
            if left["docs"]["deleted"] == 0 && left["segments"]["count"] == 1 {
                return;
            }
            std::thread::sleep(Duration::from_secs(2));
        }
        panic!("the merge left deleted documents");
    }

    fn ids(&mut self) {
        self.create(
            "ids",
            json!({"index.number_of_shards": 2}),
            json!({"properties": {"id": {"type": "keyword"}}}),
        );
        let ids: Vec<String> = serde_json::from_value(self.material["ids"].clone()).unwrap();
        for id in ids {
            // A term has a limit, an identifier another.
            let text = if id.len() < 256 { id.as_str() } else { "long" };
            let done = self.try_bulk("ids", None, vec![put(&id, json!({ "id": text }))]);
            self.attempt(&format!("id {id:.20?}"), done);
        }
        self.flush("ids");
        let long = "long ".repeat(60);
        let routed = [
            ("routed-1", "left"),
            ("routed-2", "right"),
            ("3", "0"),
            ("zażółć", "日本"),
            ("quoted", "a \"quoted\" \\ routing"),
            ("Zm9v", long.as_str()),
        ];
        let routed =
            routed.map(|(id, routing)| put(id, json!({ "id": id })).with("routing", routing));
        self.bulk("ids", routed.into());
        self.bulk(
            "ids",
            vec![
                put("versioned", "{}")
                    .with("version", 1_605_830_400_000_i64)
                    .with("version_type", "external"),
                remove("0x10"),
                put("42", r#"{"id":"42","again":true}"#),
                // Twice within a segment.
                put("twice", r#"{"n":1}"#),
                put("twice", r#"{"n":2}"#),
                put("gone", "{}"),
                remove("gone"),
            ],
        );
    }

    /// Sources as clients send them, also in other encodings.
    fn sources(&mut self) {
        self.create("sources", json!({}), json!({"enabled": false}));
        let material = self.material.clone();
        let plain = material["sources"].as_object().unwrap().iter();
        let plain =
            plain.map(|(id, text)| (id, "json", text.as_str().unwrap().as_bytes().to_vec()));
        let encoded = material["encoded"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(id, it)| {
                let bytes =
                    base64::engine::general_purpose::STANDARD.decode(it[1].as_str().unwrap());
                (id, it[0].as_str().unwrap(), bytes.unwrap())
            });
        for (id, format, body) in plain.chain(encoded) {
            let path = self.dialect.document("sources", id) + "?format=json";
            let content_type = format!("application/{format}");
            let done = put_encoded(self.server.url(), &path, &content_type, &body);
            if self.attempt(&format!("source {id}"), done) && format != "json" {
                self.formats.insert(id.clone(), format.to_owned());
            }
        }
        self.flush("sources");
        // The server rewrites the source of a partial update.
        let update = json!({"doc": {"title": "Updated", "n": 0.1}});
        let update = Action::new("update", "pretty", Some(update.to_string()));
        self.bulk("sources", vec![update]);
    }

    /// Every kind of field that the server has, with the source kept and in every way of not keeping it.
    fn kinds(&mut self) {
        self.create("kinds", json!({}), Value::Null);
        let mut fields: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
        for field in self.material["fields"].as_array().unwrap().clone() {
            let name = field["name"].as_str().unwrap();
            let mut path = "/kinds/_mapping".to_owned();
            if self.dialect.typed() {
                path.push_str(&format!("/{TYPE}"));
            }
            let mapping = json!({"properties": {name: self.dialect.fields(&field["mapping"])}});
            let done = self.send(Request::put(path).json(&mapping));
            if !self.attempt(&format!("field {name}"), done) {
                continue;
            }
            let mut values = Vec::new();
            for value in field["values"].as_array().unwrap() {
                let id = format!("{name}-{}", values.len());
                let done = self.try_bulk("kinds", None, vec![put(id, json!({ name: value }))]);
                if self.attempt(&format!("value {value} of {name}"), done) {
                    values.push(value.clone());
                }
            }
            fields.insert(name.to_owned(), (field["mapping"].clone(), values));
        }
        self.flush("kinds");
        let documents: Vec<Value> = (0..8)
            .map(|row| {
                let mut document = Map::new();
                for (name, (_, values)) in &fields {
                    if !values.is_empty() && (row + name.len()) % 7 != 0 {
                        document.insert(name.clone(), values[row % values.len()].clone());
                    }
                }
                Value::Object(document)
            })
            .collect();
        let mut properties = Map::new();
        for (name, (mapping, _)) in fields {
            properties.insert(name, mapping);
        }
        let ways = [
            (
                "no-source",
                Kept::Disabled,
                json!({"enabled": false}),
                json!({}),
            ),
            (
                "some-source",
                Kept::Includes,
                json!({"includes": ["long", "text", "object.*"]}),
                json!({}),
            ),
            (
                "less-source",
                Kept::Excludes,
                json!({"excludes": ["keyword", "object.inner"]}),
                json!({}),
            ),
            (
                "no-source-deflate",
                Kept::Disabled,
                json!({"enabled": false}),
                json!({"index.codec": "best_compression"}),
            ),
        ];
        for (index, kept, source, settings) in ways {
            let mapping = json!({"_source": source, "properties": properties});
            let done = self.try_create(index, kept, settings, &mapping);
            if self.attempt(&format!("index {index}"), done) {
                let each = documents.iter().enumerate();
                self.bulk(
                    index,
                    each.map(|(at, one)| put(format!("kind-{at}"), one))
                        .collect(),
                );
            }
        }
    }

    /// More children than a chunk of stored fields has room for, so that chunks are empty.
    fn nested(&mut self) {
        let mapping = json!({"properties": {
            "title": {"type": "keyword"},
            "parts": {"type": "nested", "properties": {"n": {"type": "short"}}},
        }});
        let album = |id: &str, children: usize| {
            let parts: Vec<Value> = (0..children).map(|n| json!({ "n": n % 1000 })).collect();
            put(id, json!({"title": id, "parts": parts}))
        };
        for (index, codec) in [
            ("nested", "default"),
            ("nested-deflate", "best_compression"),
        ] {
            self.create(index, json!({ "index.codec": codec }), mapping.clone());
            self.bulk(
                index,
                vec![
                    album("few", 3),
                    album("vast", MOST_CHILDREN),
                    album("none", 0),
                ],
            );
            self.bulk(
                index,
                vec![
                    album("many", 1100),
                    album("replaced", 700),
                    album("deleted", 1500),
                ],
            );
            self.bulk(
                index,
                vec![album("replaced", 4), remove("deleted"), album("late", 250)],
            );
        }
    }

    /// Many segments, some merged and not compound, with documents updated and deleted across them.
    fn segments(&mut self) {
        let settings = json!({
            "index.merge.policy.segments_per_tier": 100,
            "index.merge.policy.max_merge_at_once": 100,
            "index.compound_format": false,
        });
        self.create(
            "segments",
            settings,
            json!({"properties": {"n": {"type": "integer"}}}),
        );
        for start in (0..MANY).step_by(50) {
            let each = start..start + 50;
            let each: Vec<Action> = each
                .map(|n| {
                    let token = self.chance.next(1 << 30);
                    let source = json!({"n": n, "round": "first", "token": token});
                    put(format!("m-{n:04}"), source)
                })
                .collect();
            self.bulk("segments", each);
            if start == 150 {
                let path = "/segments/_forcemerge?max_num_segments=1";
                self.send(Request::post(path)).unwrap();
            }
        }
        let updated = (0..MANY).step_by(13);
        let updated =
            updated.map(|n| put(format!("m-{n:04}"), json!({"n": n, "round": "updated"})));
        self.bulk("segments", updated.collect());
        let gone = (1..MANY).step_by(17).map(|n| remove(format!("m-{n:04}")));
        self.bulk("segments", gone.collect());
    }

    /// Documents that are cut into slices, and noise that makes blobs of several parts.
    fn long(&mut self) {
        for (index, codec) in [("long", "default"), ("long-deflate", "best_compression")] {
            self.create(
                index,
                json!({ "index.codec": codec }),
                json!({"enabled": false}),
            );
            let mut documents = Vec::new();
            for (at, bytes) in [500, 60_000, 700, 300_000, LONGEST_BYTES, 300_000, 10]
                .iter()
                .enumerate()
            {
                documents.push(put(format!("l-{at}"), self.chance.story(*bytes)));
            }
            self.bulk(index, documents);
        }
        self.create(
            "noise",
            json!({"index.compound_format": false}),
            json!({"enabled": false}),
        );
        let mut documents = Vec::new();
        for at in 0..8 {
            documents.push(put(
                format!("n-{at}"),
                self.chance.noise(50_000 + at * 20_000),
            ));
        }
        self.bulk("noise", documents);
    }

    /// A document of very many fields.
    fn wide(&mut self) {
        let settings = if self.dialect.before((5, 0), (0, 0)) {
            json!({})
        } else {
            json!({"index.mapping.total_fields.limit": 2 * MOST_FIELDS})
        };
        self.create("wide", settings, Value::Null);
        let wide: Map<String, Value> = (0..MOST_FIELDS)
            .map(|n| (format!("field_{n:05}"), json!(n)))
            .collect();
        self.bulk(
            "wide",
            vec![
                put("wide", Value::Object(wide)),
                put("narrow", r#"{"field_00001":1}"#),
            ],
        );
    }

    fn sorted(&mut self) {
        if self.dialect.before((6, 0), (0, 0)) {
            return;
        }
        let settings = json!({"index.sort.field": ["rank"], "index.sort.order": ["desc"]});
        self.create(
            "sorted",
            settings,
            json!({"properties": {"rank": {"type": "integer"}}}),
        );
        let mut ranked = |range: std::ops::Range<usize>, step: usize| -> Vec<Action> {
            let each = range.step_by(step);
            each.map(|n| {
                put(
                    format!("s-{n:03}"),
                    json!({ "rank": self.chance.next(1000) }),
                )
            })
            .collect()
        };
        let (first, second, mut third) =
            (ranked(0..100, 1), ranked(100..200, 1), ranked(0..200, 7));
        third.extend((2..200).step_by(11).map(|n| remove(format!("s-{n:03}"))));
        for actions in [first, second, third] {
            self.bulk("sorted", actions);
        }
        // Reopening makes another primary term, as a restart of the node does.
        self.send(Request::post("/sorted/_close")).unwrap();
        self.send(Request::post("/sorted/_open")).unwrap();
        self.server
            .get("/_cluster/health/sorted?wait_for_status=green&timeout=30s");
        self.bulk("sorted", vec![put("s-900", r#"{"rank":900}"#)]);
    }

    /// Deleted documents stay for a while where deletes are soft, and go at once where they are hard.
    fn deletes(&mut self) {
        for (index, soft) in [("soft-deletes", true), ("hard-deletes", false)] {
            let settings = json!({ "index.soft_deletes.enabled": soft });
            let done = self.try_create(index, Kept::Stored, settings, &Value::Null);
            if !self.attempt(index, done) {
                continue;
            }
            self.bulk(
                index,
                (0..30)
                    .map(|n| put(format!("d-{n}"), json!({ "n": n })))
                    .collect(),
            );
            self.bulk(
                index,
                vec![
                    put("d-1", "{}"),
                    remove("d-2"),
                    put("d-99", "{}"),
                    remove("d-99"),
                ],
            );
        }
    }
}
