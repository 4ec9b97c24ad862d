//! Loading documents into a real cluster that its users, its administrators and its own limits get in the way of: nobody's
//! newer document is written over, nothing is made by itself, what can go by is waited for, and what was tuned is put back.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::load::{Load, ends, kill, signal};
use super::support::{Options, Server, opensearch2, opensearch3};

/// Slow enough to be caught in the middle: so many documents take several seconds.
const SLOW: &str = "limits: { docs: 500/s, batch: 4KiB }";
const MANY: u32 = 3000;

/// A worker that stops for a while writes no document over that a client made newer meanwhile.
fn a_newer_document_stands(target: &Server, what: &str) {
    let load = Load::new(target, what, MANY, &[], SLOW);
    let child = load.begin(200);
    signal(&child, Signal::STOP);
    // What the server had of it already is settled.
    thread::sleep(Duration::from_secs(1));
    let there = load.visible();
    assert!(there < u64::from(MANY) / 2, "{there}");
    let (unwritten, written) = (MANY - 1, 0);
    assert_eq!(load.document(unwritten), None);
    assert_eq!(load.document(written).unwrap().0, 1);
    let path = |id: u32| format!("/{}/_doc/{id}", load.index);
    // Twice, so that it is newer than the source's by its version.
    target.put(&path(unwritten), &json!({"n": 1, "t": "a client's first"}));
    target.put(&path(unwritten), &json!({"n": 2, "t": "a client's"}));
    target.put(&path(written), &json!({"n": 3, "t": "an update"}));
    signal(&child, Signal::CONT);
    let ran = ends(child)
        .ends_with(8)
        .says("2 different")
        .says(&format!("`{unwritten}`"))
        .says(&format!("`{written}`"));
    assert!(ran.out.contains(&load.index), "{}\n{}", ran.out, ran.err);
    let (version, source) = load.document(unwritten).unwrap();
    assert_eq!(
        (version, source),
        (2, json!({"n": 2, "t": "a client's"})),
        "the client's document was written over"
    );
    assert_eq!(
        load.document(written).unwrap(),
        (2, json!({"n": 3, "t": "an update"}))
    );
    let recorded = load.recorded();
    assert_eq!(recorded["newer-present"], 1, "{recorded}");
    assert_eq!(recorded["written"], MANY - 1, "{recorded}");
    assert_eq!(load.visible(), u64::from(MANY));
    load.nothing_is_left();
}

#[test]
fn a_newer_document_stands_on_opensearch_2() {
    a_newer_document_stands(opensearch2(), "newer2");
}

#[test]
fn a_newer_document_stands_on_opensearch_3() {
    a_newer_document_stands(opensearch3(), "newer3");
}

#[test]
fn documents_that_the_mapping_rejects_are_kept_by_class_and_tolerated_when_asked_for() {
    let target = opensearch2();
    let load = Load::new(target, "rejected", 100, &[], "workers: 2");
    let index = &load.index;
    load.source.put(
        &format!("/{index}/_mapping"),
        &json!({"properties": {"when": {"type": "keyword"}, "more": {"type": "keyword"}}}),
    );
    for (id, body) in [
        ("bad-1", json!({"when": "no date"})),
        ("bad-2", json!({"when": "nor this"})),
        ("extra", json!({"more": "than the target knows"})),
    ] {
        load.source.put(&format!("/{index}/_doc/{id}"), &body);
    }
    target.put(
        &format!("/{index}"),
        &json!({
            "settings": {"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.number_of_routing_shards": 1024},
            "mappings": {"dynamic": "strict", "properties": {
                "n": {"type": "long"}, "t": {"type": "keyword"}, "when": {"type": "date"}}},
        }),
    );
    load.replace(
        "decide: {  }",
        &format!("decide: {{ \"index {index}\": keep-target }}"),
    );
    load.place
        .apply()
        .ends_with(9)
        .says("mapper_parsing_exception")
        .says("strict_dynamic_mapping_exception");
    load.nothing_is_left();
    let outputs = load.outputs();
    let failed = &outputs["failed-documents"];
    let folder = std::path::PathBuf::from(failed["at"].as_str().unwrap());
    let mut lines = BTreeMap::new();
    let folder = if folder.is_absolute() {
        folder
    } else {
        load.place.path(folder.to_str().unwrap())
    };
    for entry in std::fs::read_dir(folder.join(index)).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            lines.insert(line["id"].as_str().unwrap().to_owned(), line);
        }
    }
    let ids: Vec<&str> = lines.keys().map(String::as_str).collect();
    assert!(!ids.is_empty(), "{outputs}");
    for (id, line) in &lines {
        let request = line["request"].as_str().unwrap();
        let both: Vec<&str> = request.lines().collect();
        assert_eq!(both.len(), 2, "{request}");
        let action: Value = serde_json::from_str(both[0]).unwrap();
        assert_eq!(action["index"]["_index"], index.as_str());
        assert_eq!(action["index"]["_id"], id.as_str());
        assert!(line["reason"].as_str().unwrap().len() > 10, "{line}");
    }
    // Three are tolerated: the load ends well, and the proof names what is not there.
    load.replace("workers: 2", "max-failed: 3");
    load.place
        .mig(&["apply", "--auto-approve", "--until", "docs"])
        .ends_with(0);
    let outputs = load.outputs();
    assert_eq!(
        outputs["failed-documents"]["by-class"],
        json!({"mapper_parsing_exception": 2, "strict_dynamic_mapping_exception": 1}),
        "{outputs}"
    );
    assert_eq!(load.recorded()["written"], 100);
    assert_eq!(load.visible(), 100);
    load.place.apply().ends_with(8).says("bad-1").says("extra");
}

#[test]
fn a_block_that_is_lifted_is_waited_for() {
    let load = Load::new(opensearch2(), "lifted", MANY, &[], SLOW);
    let child = load.begin(100);
    for block in [
        "index.blocks.write",
        "index.blocks.read_only_allow_delete",
        "index.blocks.write",
    ] {
        load.set(&json!({block: true}));
        thread::sleep(Duration::from_millis(200));
        let there = load.visible();
        thread::sleep(Duration::from_secs(1));
        assert_eq!(load.visible(), there, "{block} blocks nothing");
        load.set(&json!({block: null}));
        thread::sleep(Duration::from_millis(500));
    }
    ends(child).ends_with(0);
    load.is_whole();
}

/// In a build without failpoints a block is waited for too long for a test.
#[test]
#[cfg(feature = "failpoints")]
fn a_block_that_stays_is_named_and_the_load_goes_on_later() {
    for block in ["index.blocks.write", "index.blocks.read_only"] {
        let load = Load::new(opensearch2(), "stays", MANY, &[], SLOW);
        let mut command = load.place.command(&["apply", "--auto-approve"]);
        command
            .env("MIG_SHORTENED_BLOCKED_S", "2")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let child = load.begun(command.spawn().unwrap(), 100);
        load.set(&json!({block: true}));
        ends(child).ends_with(9).says("block").says(&load.index);
        load.set(&json!({block: null}));
        let there = load.visible();
        assert!(there < u64::from(MANY), "{there}");
        load.place.apply().ends_with(0);
        load.is_whole();
    }
}

#[test]
fn a_queue_that_is_full_loses_nothing() {
    let settings = vec![
        ("thread_pool.write.queue_size", json!(1)),
        ("thread_pool.write.size", json!(1)),
    ];
    let options = Options {
        settings,
        ..Options::default()
    };
    let target = Server::start("opensearch:2.19.1", &options);
    let load = Load::new(
        &target,
        "queue",
        20_000,
        &[("index.number_of_shards", json!(8))],
        "workers: 8, limits: { batch: 2KiB, in-flight: 64 }",
    );
    load.place.apply().ends_with(0);
    load.is_whole();
    let stats = target.get("/_nodes/stats/thread_pool");
    let nodes = stats["nodes"].as_object().unwrap();
    let rejected: u64 = nodes
        .values()
        .map(|node| node["thread_pool"]["write"]["rejected"].as_u64().unwrap())
        .sum();
    assert!(rejected > 0, "nothing was rejected: {stats}");
}

#[test]
fn an_index_that_somebody_makes_anew_gets_no_document() {
    let load = Load::new(opensearch2(), "anew", MANY, &[], SLOW);
    let child = load.begin(200);
    // The next batch of a process that sleeps meanwhile is for an index that is there, and is another one.
    signal(&child, Signal::STOP);
    load.target.delete(&format!("/{}", load.index));
    load.target.put(
        &format!("/{}", load.index),
        &json!({"settings": {"index.number_of_replicas": 0}}),
    );
    signal(&child, Signal::CONT);
    ends(child).ends_with(9).says(&load.index);
    assert_eq!(load.visible(), 0, "the other index was written to");
    assert_eq!(load.writes(), -1);
}

#[test]
fn an_index_that_somebody_removes_is_not_made_by_itself() {
    let load = Load::new(opensearch2(), "gone", MANY, &[], SLOW);
    let child = load.begin(200);
    signal(&child, Signal::STOP);
    load.target.delete(&format!("/{}", load.index));
    signal(&child, Signal::CONT);
    ends(child).ends_with(9).says(&load.index);
    let path = format!("/{}", load.index);
    assert!(load.target.try_get(&path).is_err(), "it was made by itself");
    let aliases = load.target.get("/_cat/aliases?format=json");
    assert!(!aliases.to_string().contains(&load.index), "{aliases}");
    // The plan makes it again, and all of it is written.
    load.place.apply().ends_with(0);
    load.is_whole();
}

#[test]
fn documents_of_somebody_else_are_a_question_and_nothing_changes() {
    let load = Load::new(opensearch2(), "foreign", 50, &[], "workers: 2");
    let (index, target) = (&load.index, load.target);
    let mappings = load.source.get(&format!("/{index}/_mapping"))[index]["mappings"].clone();
    target.put(
        &format!("/{index}"),
        &json!({"settings": {"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.number_of_routing_shards": 1024},
            "mappings": mappings}),
    );
    target.put(
        &format!("/{index}/_doc/theirs"),
        &json!({"n": 1, "t": "theirs"}),
    );
    target.post(&format!("/{index}/_refresh"), &json!({}));
    let before = (load.writes(), target.get(&format!("/{index}")));
    load.place.apply().ends_with(4).says("MIG084").says(index);
    assert_eq!(before, (load.writes(), target.get(&format!("/{index}"))));
    assert_eq!(load.visible(), 1);
    let repositories = load.source.get("/_snapshot").to_string();
    let ours = repositories.contains(load.scope.prefix());
    assert!(!ours, "a snapshot was begun: {repositories}");
}

/// What loading tunes, as (refresh, replicas).
fn tuned(load: &Load<'_>) -> (Value, Value) {
    (
        load.setting("index.refresh_interval"),
        load.setting("index.number_of_replicas"),
    )
}

fn during() -> (Value, Value) {
    (json!("-1"), json!("0"))
}

fn before() -> (Value, Value) {
    (json!("7s"), json!("1"))
}

fn with_settings<'a>(target: &'a Server, what: &str) -> Load<'a> {
    let settings = [
        ("index.refresh_interval", json!("7s")),
        ("index.number_of_replicas", json!(1)),
    ];
    Load::new(target, what, MANY, &settings, SLOW)
}

#[test]
fn what_loading_tunes_is_put_back_after_an_interruption_and_after_success() {
    let load = with_settings(opensearch3(), "tuned");
    let child = load.begin(100);
    assert_eq!(tuned(&load), during());
    signal(&child, Signal::INT);
    ends(child).ends_with(130);
    assert_eq!(tuned(&load), before());
    load.nothing_is_left();
    let child = load.begin(100);
    ends(child).ends_with(0);
    assert_eq!(tuned(&load), before());
    load.is_whole();
}

#[test]
fn what_a_killed_load_tuned_is_no_drift_and_is_put_back_by_hand() {
    let load = with_settings(opensearch2(), "left");
    for lost in [false, true] {
        let least = load.visible() + 100;
        kill(load.begin(least));
        assert_eq!(tuned(&load), during());
        let planned = load.place.mig(&["plan", "--format", "json"]);
        let planned: Value = serde_json::from_str(&planned.out).unwrap();
        let mappings = planned["phase_changes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|phase| phase["address"] == "mappings")
            .unwrap();
        assert_eq!(
            mappings["change"]["actions"],
            json!(["no-op"]),
            "{mappings:#}"
        );
        if lost {
            std::fs::remove_dir_all(load.place.path("state")).unwrap();
        }
        load.place
            .mig(&["restore-settings", "--auto-approve"])
            .ends_with(0)
            .says(&load.index)
            .says("as before");
        assert_eq!(tuned(&load), before());
        load.nothing_is_left();
        load.place
            .mig(&["restore-settings", "--auto-approve"])
            .ends_with(0)
            .says("Nothing to put back");
    }
}
