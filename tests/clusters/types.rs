//! Mapping types, parents and children of running 2.4.6 and 5.6.16, moved to a running OpenSearch: what the plan asks, that
//! nothing is written before it is answered, a kill in between, the proof, and that queries over parents and children find
//! on the target what they find at the source.

use std::collections::BTreeSet;

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::place::Place;
use super::support::{Options, Server, is_its_day};

const QUESTIONS: usize = 30;
const ANSWERS: usize = 90;
const VOTES: usize = 150;
const ARTICLES: usize = 40;

struct Case<'a> {
    source: Server,
    target: &'a Server,
    place: Place,
    /// Before the names of indices, and the plan's.
    name: &'static str,
    /// Whether it is before 5.0.
    old: bool,
}

/// Lines for `_bulk` of one type.
fn bulk(server: &Server, index: &str, kind: &str, documents: &[(Value, Value)]) {
    let mut lines = String::new();
    for (action, source) in documents {
        lines.push_str(&format!("{}\n{source}\n", json!({ "index": action })));
    }
    let request = Request::post(format!("/{index}/{kind}/_bulk?refresh=true")).lines(lines);
    let answer = server.client().json(request).unwrap();
    assert_eq!(answer["errors"], false, "{answer:#}");
}

fn create(server: &Server, index: &str, mappings: &Value) {
    let settings = json!({"number_of_shards": 3, "number_of_replicas": 0});
    let body = json!({"settings": settings, "mappings": mappings});
    server.put(&format!("/{index}"), &body);
}

/// The ids that a query finds.
fn found(server: &Server, path: &str, query: &Value) -> BTreeSet<String> {
    let body = json!({"size": 1000, "query": query});
    let answer = server.post(&format!("/{path}/_search"), &body);
    assert_eq!(answer["_shards"]["failed"], 0, "{answer:#}");
    let hits = answer["hits"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| hit["_id"].as_str().unwrap().to_owned())
        .collect()
}

impl<'a> Case<'a> {
    fn new((version, name, old): (&str, &'static str, bool), target: &'a Server) -> Self {
        let source = Server::start(version, &Options::default());
        let case = Self {
            source,
            target,
            place: Place::empty(),
            name,
            old,
        };
        case.fill();
        let location = case.repository();
        let body = json!({"type": "fs", "settings": {"location": location}});
        case.source.put("/_snapshot/r", &body);
        let path = "/_snapshot/r/taken?wait_for_completion=true";
        let taken = case
            .source
            .put(path, &json!({"include_global_state": true}));
        assert_eq!(taken["snapshot"]["state"], "SUCCESS", "{taken:#}");
        case
    }

    fn repository(&self) -> std::path::PathBuf {
        self.source
            .repositories()
            .join(format!("types-{}", self.name))
    }

    fn index(&self, index: &str) -> String {
        format!("{}-{index}", self.name)
    }

    /// Three generations with ids of their own, types that share ids, parents and children that do.
    fn fill(&self) {
        let source = &self.source;
        let number = json!({"type": "long"});
        let forum = self.index("forum");
        create(
            source,
            &forum,
            &json!({
                "question": {"properties": {"n": number, "at": {"type": "date"}}},
                "answer": {"_parent": {"type": "question"}, "properties": {"n": number, "good": {"type": "boolean"}}},
                "vote": {"_parent": {"type": "answer"}, "properties": {"n": number}},
            }),
        );
        let questions: Vec<_> = (0..QUESTIONS)
            .map(|n| {
                let at = format!("2016-03-{:02}", n % 28 + 1);
                (json!({"_id": format!("q{n}")}), json!({"n": n, "at": at}))
            })
            .collect();
        bulk(source, &forum, "question", &questions);
        let answers: Vec<_> = (0..ANSWERS)
            .map(|n| {
                let action =
                    json!({"_id": format!("a{n}"), "parent": format!("q{}", n % QUESTIONS)});
                (action, json!({"n": n, "good": n % 4 == 0}))
            })
            .collect();
        bulk(source, &forum, "answer", &answers);
        let votes: Vec<_> = (0..VOTES)
            .map(|n| {
                let answer = n % ANSWERS;
                let question = format!("q{}", answer % QUESTIONS);
                let action =
                    json!({"_id": format!("v{n}"), "parent": format!("a{answer}"), "routing": question});
                (action, json!({"n": n}))
            })
            .collect();
        bulk(source, &forum, "vote", &votes);
        // Some are written again and some are deleted.
        bulk(source, &forum, "question", &questions[..7]);
        for n in [3, 33] {
            source.delete(&format!("/{forum}/answer/a{n}?routing=q{}", n % QUESTIONS));
        }

        let shop = self.index("shop");
        create(
            source,
            &shop,
            &json!({
                "Item": {"properties": {"n": number}},
                "page": {"properties": {"n": number, "m": number}},
                "scratch": {"properties": {"z": number}},
            }),
        );
        for kind in ["Item", "page", "scratch"] {
            let documents: Vec<_> = (0..50)
                .map(|n| (json!({"_id": n.to_string()}), json!({"n": n})))
                .collect();
            bulk(source, &shop, kind, &documents);
        }

        let wiki = self.index("wiki");
        create(
            source,
            &wiki,
            &json!({
                "article": {"properties": {"n": number}},
                "note": {"_parent": {"type": "article"}, "properties": {"n": number}},
            }),
        );
        let articles: Vec<_> = (0..ARTICLES)
            .map(|n| (json!({"_id": n.to_string()}), json!({"n": n})))
            .collect();
        bulk(source, &wiki, "article", &articles);
        let notes: Vec<_> = (0..ARTICLES)
            .map(|n| {
                let parent = (n * 7 % ARTICLES).to_string();
                (
                    json!({"_id": n.to_string(), "parent": parent}),
                    json!({"n": n}),
                )
            })
            .collect();
        bulk(source, &wiki, "note", &notes);
        if self.old {
            self.fill_times();
        }
        let alias = json!({"actions": [{"add": {"index": shop, "alias": self.index("market")}}]});
        source.post("/_aliases", &alias);
        source.post("/_flush", &json!({}));
    }

    /// Documents with times beside their sources, which ended with 5.0.
    fn fill_times(&self) {
        let times = json!({
            "_timestamp": {"enabled": true}, "_ttl": {"enabled": true},
            "properties": {"n": {"type": "long"}},
        });
        create(
            &self.source,
            &self.index("times"),
            &json!({ "event": times }),
        );
        let events: Vec<_> = (0..20_u64)
            .map(|n| {
                let at = 1_400_000_000_000 + n * 1001;
                let mut action = json!({"_id": n.to_string(), "_timestamp": at.to_string()});
                if n % 2 == 0 {
                    action["_ttl"] = json!("36500d");
                }
                (action, json!({ "n": n }))
            })
            .collect();
        bulk(&self.source, &self.index("times"), "event", &events);
    }

    /// `but`: a further pattern of indices.
    fn plan(&self, types: &str, but: &str) {
        let indices = format!("\"{}-*\"{but}", self.name);
        let text = format!(
            "mig: 1\nplan: types-{name}\nstate: state\nclusters:\n  os: {{ endpoint: \"{url}\" }}\nstores:\n  \
             snapshots: {{ directory: {repository} }}\nphases:\n  \
             base: {{ snapshot: {{ existing: {{ store: snapshots, name: taken }} }} }}\n  \
             meta: {{ metadata: {{ from: base, to: os, include: {{ indices: [{indices}], templates: none }}, types: {{ {types} }} }} }}\n  \
             docs: {{ backfill: {{ from: base, to: os, indices: [{indices}] }} }}\n  \
             same: {{ verify: {{ source: base, target: os, indices: [{indices}], content: full }} }}\n",
            name = self.name,
            url = self.target.url(),
            repository = self.repository().display(),
        );
        std::fs::write(self.place.path("plan.yaml"), text).unwrap();
    }

    fn answered(&self) -> String {
        let times = format!(
            ", \"{}-t*\": {{ take: union, timestamp-field: at, expiry-field: until }}",
            self.name
        );
        format!(
            "\"{0}-forum\": {{ take: union }}, \
             \"{0}-shop\": {{ take: split, name: \"{{index}}.{{type}}\", alias: true, drop: [scratch] }}, \
             \"{0}-wiki\": {{ take: union, ids: type-prefix, type-field: kind }}{1}",
            self.name,
            if self.old { &times } else { "" }
        )
    }

    fn on_target(&self) -> Vec<String> {
        let path = format!("/_cat/indices/{}-*?format=json&h=index", self.name);
        let mut names: Vec<String> = self
            .target
            .get(&path)
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["index"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    fn asks(&self) {
        let but = format!(", \"!{}-times\"", self.name);
        self.plan("", &but);
        let planned = self.place.mig(&["plan"]).ends_with(4);
        let planned = planned.says("MIG097").says("3 decisions are missing");
        planned
            .says(&format!("\"{}\": {{ take: union }}", self.index("forum")))
            .says("no _id stands in two of them");
        self.plan(&format!("\"{}-*\": {{ take: union }}", self.name), &but);
        let refused = self.place.apply().ends_with(4);
        refused.says("MIG320").says("2 decisions are missing");
        assert_eq!(self.on_target(), Vec::<String>::new(), "nothing is made");
    }

    /// Killed while it makes indices, and while it loads; a plain apply goes on.
    fn moves(&self) {
        self.plan(&self.answered(), "");
        let planned = self.place.mig(&["plan", "--detail", "full"]).ends_with(0);
        planned
            .says("MIG206")
            .says("MIG207")
            .says("MIG208")
            .says("each _id becomes type#id");
        for point in [
            "metadata.put.after:2",
            "bulk-before-complete:3",
            "bulk-after-complete:5",
        ] {
            let mut killed = self.place.command(&["apply", "--auto-approve"]);
            let output = killed.env("MIG_FAILPOINT", point).output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), None, "{point} was not passed: {told}");
        }
        self.place.apply().ends_with(0);
        let (forum, wiki) = (self.index("forum"), self.index("wiki"));
        let shops = ["Item", "page"].map(|it| self.index(&format!("shop.{}", it.to_lowercase())));
        let mut wanted = vec![
            forum.clone(),
            shops[0].clone(),
            shops[1].clone(),
            wiki.clone(),
        ];
        if self.old {
            wanted.push(self.index("times"));
        }
        wanted.sort();
        assert_eq!(self.on_target(), wanted);
        let all = QUESTIONS + ANSWERS + VOTES - 2;
        assert_eq!(self.target.count(&forum), all as u64);
        assert_eq!(self.target.count(&wiki), 2 * ARTICLES as u64);
        for shop in &shops {
            assert_eq!(self.target.count(shop), 50);
        }
        // Clients that know the old name, and an alias that was there, find what is left of it.
        for alias in ["shop", "market"] {
            assert_eq!(self.target.count(&self.index(alias)), 100, "{alias}");
        }
        self.place.is_finished();
    }

    /// What stood beside the sources stands in them.
    fn keeps_times(&self) {
        let times = self.index("times");
        let body = json!({"size": 100, "fields": ["_timestamp", "_ttl"]});
        let told = self.source.post(&format!("/{times}/_search"), &body);
        let hits = told["hits"]["hits"].as_array().unwrap();
        assert_eq!(hits.len(), 20);
        for hit in hits {
            let id = hit["_id"].as_str().unwrap();
            let document = self.target.get(&format!("/{times}/_doc/{id}"));
            let source = &document["_source"];
            let value = |name: &str| hit["fields"].get(name).unwrap_or(&hit[name]).clone();
            assert_eq!(source["at"], value("_timestamp"), "{hit}");
            // A server tells how much is left.
            let now = jiff::Timestamp::now().as_millisecond();
            match value("_ttl").as_i64() {
                Some(left) => {
                    let until = source["until"].as_i64().unwrap();
                    assert!((until - now - left).abs() < 60_000, "{hit} {source}");
                }
                None => assert_eq!(source.get("until"), None, "{hit}"),
            }
        }
        let range = json!({"range": {"at": {"gte": "2014-05-13T16:53:30Z"}}});
        let after = found(self.target, &times, &range);
        assert!(after.len() > 5 && after.len() < 20, "{after:?}");
    }

    fn answers_as_the_source(&self, old: bool) {
        let range = json!({"range": {"n": {"gte": 20, "lt": 60}}});
        let forum = self.index("forum");
        let child =
            |kind: &str, query: &Value| json!({"has_child": {"type": kind, "query": query}});
        let parent = |kind: &str, query: &Value| json!({"has_parent": {"parent_type": kind, "query": query}});
        let same = |kind: &str, query: &Value| {
            let wanted = found(&self.source, &format!("{forum}/{kind}"), query);
            assert!(!wanted.is_empty(), "{query} finds nothing at the source");
            assert_eq!(found(self.target, &forum, query), wanted, "{query}");
        };
        same("question", &child("answer", &range));
        same("question", &child("answer", &child("vote", &range)));
        same("answer", &child("vote", &json!({"term": {"n": 77}})));
        same(
            "answer",
            &parent("question", &json!({"range": {"at": {"gte": "2016-03-20"}}})),
        );
        same("vote", &parent("answer", &json!({"term": {"good": true}})));
        for (kind, of, id) in [("answer", "question", "q4"), ("vote", "answer", "a11")] {
            let new = json!({"parent_id": {"type": kind, "id": id}});
            let before = if old {
                json!({"term": {"_parent": format!("{of}#{id}")}})
            } else {
                new.clone()
            };
            let wanted = found(&self.source, &format!("{forum}/{kind}"), &before);
            assert!(!wanted.is_empty());
            assert_eq!(found(self.target, &forum, &new), wanted, "{new}");
        }
        let wiki = self.index("wiki");
        let prefixed = |kind: &str, ids: BTreeSet<String>| -> BTreeSet<String> {
            ids.into_iter().map(|id| format!("{kind}#{id}")).collect()
        };
        for (kind, query) in [
            ("article", child("note", &range)),
            ("note", parent("article", &range)),
        ] {
            let wanted = found(&self.source, &format!("{wiki}/{kind}"), &query);
            let wanted = prefixed(kind, wanted);
            assert!(wanted.len() > 10);
            assert_eq!(found(self.target, &wiki, &query), wanted, "{query}");
        }
        let notes = json!({"bool": {"filter": [{"term": {"kind": "note"}}, range]}});
        let wanted = found(&self.source, &format!("{wiki}/note"), &range);
        assert_eq!(found(self.target, &wiki, &notes), prefixed("note", wanted));
    }

    /// A document that is missing, one that is changed and one too many are named.
    fn proves(&self) {
        let wiki = self.index("wiki");
        let target = self.target;
        target.delete(&format!("/{wiki}/_doc/article%237?routing=7&refresh=true"));
        let changed = json!({"kind": "article", "join": "article", "n": 999});
        target.put(
            &format!("/{wiki}/_doc/article%238?routing=8&refresh=true"),
            &changed,
        );
        target.put(
            &format!("/{wiki}/_doc/article%23extra?refresh=true"),
            &changed,
        );
        let checked = self
            .place
            .mig(&["apply", "--auto-approve", "--redo", "same"]);
        let checked = checked.ends_with(8).says("article#7").says("article#8");
        checked.says("article#extra");
        drop(std::fs::remove_dir_all(self.repository()));
    }
}

#[test]
fn types_and_parents_of_2_4_and_5_6_are_taken_as_the_plan_says() {
    if !is_its_day(0, 2) {
        return;
    }
    let options = Options {
        with_modules: true,
        ..Options::default()
    };
    let target = Server::start("opensearch:2.19.1", &options);
    for (version, name, old) in [
        ("elasticsearch:2.4.6", "two", true),
        ("elasticsearch:5.6.16", "five", false),
    ] {
        let case = Case::new((version, name, old), &target);
        case.asks();
        case.moves();
        case.answers_as_the_source(old);
        if old {
            case.keeps_times();
        }
        case.proves();
    }
}
