//! What changed between two snapshots of a live source, on its way to a target that holds the first: updates, deletes, new
//! documents, documents that were made anew and those that moved to another routing, with the segments merged in between and
//! without; killed on the way; and with users of the target who wrote something newer.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus::bulk;
use super::place::Place;
use super::support::{Scope, Server, elasticsearch, is_its_day, opensearch2, opensearch3};
use super::whole::plan;

/// Documents at first.
const DOCS: u32 = 2000;
/// Longer than a server takes to forget what was deleted, when told to forget it at once: its clock moves five times a second.
const FORGOTTEN: Duration = Duration::from_millis(1200);

struct Shop<'a> {
    index: String,
    place: Place,
    source: &'a Server,
    target: &'a Server,
    _scope: Scope<'a>,
}

fn routing(n: u32) -> Option<String> {
    n.is_multiple_of(7).then(|| format!("r{}", n % 3))
}

impl<'a> Shop<'a> {
    fn new(source: &'a Server, target: &'a Server, what: &str) -> Self {
        let scope = Scope::on(&[source, target], what);
        let index = scope.name("a");
        let body = json!({
            "settings": {"index.number_of_shards": 2, "index.number_of_replicas": 0, "index.gc_deletes": "0s"},
            "mappings": {"properties": {"n": {"type": "long"}, "t": {"type": "keyword"}}},
        });
        source.put(&format!("/{index}"), &body);
        let version = target.get("/")["version"]["number"].clone();
        let version = version.as_str().unwrap().rsplit_once('.').unwrap().0;
        let text = plan(&scope, source, (target, version), "");
        Self {
            index,
            place: Place::of_plan(&text),
            source,
            target,
            _scope: scope,
        }
    }

    fn write(&self, numbers: impl Iterator<Item = u32>, text: &str) {
        let lines = numbers.map(|n| {
            let mut action = json!({"_index": self.index, "_id": n.to_string()});
            if let Some(routing) = routing(n) {
                action["routing"] = routing.into();
            }
            let (action, source) = (json!({"index": action}), json!({"n": n, "t": text}));
            format!("{action}\n{source}\n")
        });
        bulk(&self.source.client(), lines.collect());
    }

    fn delete(&self, numbers: impl Iterator<Item = u32>) {
        let lines = numbers.map(|n| {
            let mut action = json!({"_index": self.index, "_id": n.to_string()});
            if let Some(routing) = routing(n) {
                action["routing"] = routing.into();
            }
            format!("{}\n", json!({"delete": action}))
        });
        bulk(&self.source.client(), lines.collect());
    }

    fn flush(&self) {
        self.source
            .post(&format!("/{}/_refresh", self.index), &json!({}));
        self.source
            .post(&format!("/{}/_flush", self.index), &json!({}));
    }

    /// What the base holds: documents with versions of one and two.
    fn fill(&self) {
        for from in (0..DOCS).step_by(500) {
            self.write(from..from + 500, "first");
            self.flush();
        }
        self.write(0..600, "second");
        let path = format!("/{}/_doc/moved?routing=a", self.index);
        self.source.put(&path, &json!({"t": "in its first place"}));
        self.source.put(&path, &json!({"t": "in its first place"}));
        self.flush();
    }

    /// About a tenth of it changes.
    fn change(&self) {
        self.write(0..100, "third");
        self.delete(100..150);
        self.delete(150..200);
        let path = format!("/{}/_doc/moved?routing=a", self.index);
        self.source.delete(&path);
        self.flush();
        thread::sleep(FORGOTTEN);
        self.write(150..200, "made anew");
        self.write(DOCS..DOCS + 100, "new");
        self.write([700].into_iter(), "for a moment");
        self.delete([700].into_iter());
        let path = format!("/{}/_doc/moved?routing=b", self.index);
        self.source.put(&path, &json!({"t": "in its second place"}));
        self.flush();
        let anew = self.source.get(&format!("/{}/_doc/151", self.index));
        assert_eq!(anew["_version"], 1, "versions began anew");
    }

    fn merge(&self) {
        let path = format!("/{}/_forcemerge?max_num_segments=1", self.index);
        self.source.post(&path, &json!({}));
        self.flush();
    }

    /// A further snapshot, the load of what changed since another one, and its proof.
    fn add(&self, snapshot: &str, since: &str) {
        let path = self.place.path("plan.yaml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        let indices = &self.index;
        text.push_str(&format!(
            "  {snapshot}: {{ snapshot: {{ of: es, to: snapshots, indices: [\"{indices}\"] }} }}\n  \
             {snapshot}-docs: {{ backfill: {{ from: {snapshot}, since: {since}, to: os, indices: [\"{indices}\"], limits: {{ batch: 4KiB }} }} }}\n  \
             {snapshot}-same: {{ verify: {{ source: {snapshot}, target: os, indices: [\"{indices}\"], content: full }} }}\n",
        ));
        std::fs::write(path, text).unwrap();
    }

    #[track_caller]
    fn is_killed_at(&self, point: &str) {
        let mut command = self.place.command(&["apply", "--auto-approve"]);
        let output = command.env("MIG_FAILPOINT", point).output().unwrap();
        assert_eq!(output.status.code(), None, "not killed at {point}");
    }

    fn outputs(&self, phase: &str) -> Value {
        let text = std::fs::read(self.place.path("state/state.json")).unwrap();
        let state: Value = serde_json::from_slice(&text).unwrap();
        state["phases"][phase]["outputs"]["indices"][&self.index].clone()
    }

    fn documents(&self, server: &Server) -> BTreeMap<(String, String), (i64, Value)> {
        server.post(&format!("/{}/_refresh", self.index), &json!({}));
        let path = format!("/{}/_search?size=10000&version=true", self.index);
        let found = server.client().json(Request::get(path)).unwrap();
        let hits = found["hits"]["hits"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        hits.into_iter()
            .map(|hit| {
                let version = hit["_version"].as_i64().unwrap();
                let key = (text(&hit["_id"]), text(&hit["_routing"]));
                (key, (version, hit["_source"].clone()))
            })
            .collect()
    }

    #[track_caller]
    fn stands(&self) {
        let (source, target) = (self.documents(self.source), self.documents(self.target));
        assert_eq!(source.len(), target.len());
        for (key, document) in &source {
            assert_eq!(target.get(key), Some(document), "{key:?}");
        }
        let settings = self
            .target
            .get(&format!("/{}/_settings?flat_settings=true", self.index));
        let settings = &settings[&self.index]["settings"];
        let kept = self
            .source
            .get(&format!("/{}/_settings?flat_settings=true", self.index));
        let kept = &kept[&self.index]["settings"]["index.gc_deletes"];
        assert_eq!(
            &settings["index.gc_deletes"], kept,
            "what was tuned is put back"
        );
        let aliases = self.target.get(&format!("/{}/_alias", self.index));
        assert_eq!(aliases[&self.index]["aliases"], json!({}));
    }
}

/// With all segments merged in between, killed at several instants, and a third snapshot upon the second.
fn merged_and_killed(source: &Server, target: &Server, what: &str) {
    let shop = Shop::new(source, target, what);
    shop.fill();
    shop.place.apply().ends_with(0);
    shop.place.is_finished();
    shop.stands();
    shop.change();
    shop.merge();
    shop.add("later", "base");
    let planned = shop.place.mig(&["plan"]).ends_with(0);
    let planned = planned.says("what changed is known once both");
    drop(planned);
    for point in [
        "cluster-after-bulk:2",
        "bulk-before-complete:1",
        "cluster-before-bulk:3",
        "bulk-after-complete:1",
        "backfill.loaded:1",
    ] {
        shop.is_killed_at(point);
        let planned = shop.place.mig(&["plan", "--format", "json"]);
        let planned: Value = serde_json::from_str(&planned.out).unwrap();
        for phase in planned["phase_changes"].as_array().unwrap() {
            let below = ["base", "mappings", "docs", "same"];
            if below.contains(&phase["address"].as_str().unwrap()) {
                let actions = &phase["change"]["actions"];
                assert_eq!(actions, &json!(["no-op"]), "after {point}: {phase:#}");
            }
        }
    }
    shop.place.apply().ends_with(0).says("are equal");
    shop.place.is_finished();
    shop.stands();
    let found = shop.outputs("later-docs");
    // 100 updates, 50 anew, 100 new, one moved; 50 and one deleted, and those that are made anew.
    assert_eq!(found["written"], 251, "{found}");
    assert_eq!(found["deleted"], 102, "{found}");
    assert_eq!(found["newer-present"], 0, "{found}");

    shop.write(DOCS - 5..DOCS, "fourth");
    shop.delete([1000].into_iter());
    shop.flush();
    shop.add("last", "later");
    shop.place.apply().ends_with(0).says("are equal");
    shop.place.is_finished();
    shop.stands();
    let found = shop.outputs("last-docs");
    assert_eq!(
        (&found["written"], &found["deleted"]),
        (&json!(5), &json!(1))
    );
    // It can't be taken back, and that is said.
    let refused = shop
        .place
        .mig(&["rollback", "--only", "last-docs", "--auto-approve"]);
    assert_ne!(refused.code, 0, "{}\n{}", refused.out, refused.err);
    refused.says("can't be brought back");
}

#[test]
fn what_changed_arrives_after_a_forced_merge_and_kills_on_opensearch_2() {
    merged_and_killed(elasticsearch(), opensearch2(), "delta2");
}

#[test]
fn what_changed_arrives_after_a_forced_merge_and_kills_from_opensearch_2_to_3() {
    if is_its_day(11, 4) {
        merged_and_killed(opensearch2(), opensearch3(), "delta3");
    }
}

#[test]
fn what_users_of_the_target_wrote_since_stands() {
    let shop = Shop::new(elasticsearch(), opensearch2(), "deltanew");
    shop.fill();
    shop.place.apply().ends_with(0);
    shop.change();
    shop.add("later", "base");
    // From its first write on, the load below is no longer asked whether it stands.
    shop.is_killed_at("cluster-before-bulk:1");
    // One that was updated at the source, twice so that it is newer there; and one that was deleted.
    let path = |n: u32| format!("/{}/_doc/{n}", shop.index);
    for n in [50, 50, 120] {
        shop.target.put(&path(n), &json!({"n": n, "t": "theirs"}));
    }
    let ran = shop.place.apply().ends_with(8);
    ran.says("1 different")
        .says("1 extra")
        .says("`50`")
        .says("`120`");
    for n in [50, 120] {
        let found = shop.target.get(&path(n));
        assert_eq!(found["_source"]["t"], "theirs", "{found}");
    }
    let found = shop.outputs("later-docs");
    assert_eq!(found["newer-present"], 2, "{found}");
    assert_eq!(
        (&found["written"], &found["deleted"]),
        (&json!(250), &json!(101))
    );
}

/// Documents of a delta that the target refuses: none is sent by itself, what is told instead brings them.
#[test]
fn documents_of_a_delta_that_fail_arrive_by_the_redo_that_is_told() {
    let shop = Shop::new(elasticsearch(), opensearch2(), "deltafail");
    shop.fill();
    shop.place.apply().ends_with(0);
    shop.change();
    let odd = |n: u32| format!("/{}/_doc/{n}", shop.index);
    for n in [1, 2] {
        let body = json!({"n": n, "t": "odd", "odd": "x"});
        shop.source.put(&odd(n), &body);
    }
    shop.flush();
    shop.add("later", "base");
    let apply = |more: &[&str]| {
        let mut all = vec!["apply", "--auto-approve"];
        all.extend_from_slice(more);
        shop.place.mig(&all)
    };
    apply(&["--until", "later"]).ends_with(0);
    let mapping = format!("/{}/_mapping", shop.index);
    shop.target.put(&mapping, &json!({"dynamic": "strict"}));
    apply(&["--only", "later-docs"]).ends_with(9);
    let ask = |arguments: &[&str], phase: &str| {
        let mut all = vec!["backfill"];
        all.extend_from_slice(arguments);
        all.extend_from_slice(&["--phase", phase]);
        shop.place.mig(&all)
    };
    let status = ask(&["status"], "later-docs").ends_with(0);
    let words: Vec<&str> = status.out.split_whitespace().collect();
    let words = words.join(" ");
    assert!(
        words.contains("2 of strict_dynamic_mapping_exception")
            && words.contains(
                "once the cause is mended, `mig apply --redo later-docs` writes its indices whole"
            ),
        "{}",
        status.out
    );
    for as_kept in [&[][..], &["--as-kept"]] {
        let retry = [&["retry-failed", "--auto-approve"][..], as_kept].concat();
        ask(&retry, "later-docs")
            .ends_with(1)
            .says("documents of it are not sent one by one");
        ask(&retry, "docs")
            .ends_with(1)
            .says("`later-docs` went over what `docs` loaded");
    }
    let mended = json!({"dynamic": "true", "properties": {"odd": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}}});
    shop.target.put(&mapping, &mended);
    apply(&[
        "--redo",
        "later-docs",
        "--only",
        "later-docs",
        "--only",
        "later-same",
    ])
    .ends_with(0)
    .says("are equal");
    shop.stands();
}
