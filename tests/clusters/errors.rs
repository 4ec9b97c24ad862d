//! Every way in which the world refuses, tried for real: what is said, which exit code it is, and that a mended world lets
//! a plain apply go on.

use std::time::{Duration, Instant};

use serde_json::json;

use super::corpus::{self, bulk};
use super::place::Place;
use super::support::{Options, Scope, Server, elasticsearch, opensearch2};
use super::whole::plan;

/// One index with documents of some size.
fn fill(server: &Server, index: &str, docs: u32, bytes: usize) {
    let body = json!({"settings": {"index.number_of_shards": 2, "index.number_of_replicas": 0},
        "mappings": {"properties": {"n": {"type": "long"}, "t": {"type": "keyword", "index": false, "doc_values": false}}}});
    server.put(&format!("/{index}"), &body);
    let text = "y".repeat(bytes);
    let numbers: Vec<u32> = (0..docs).collect();
    for chunk in numbers.chunks(2000) {
        let mut lines = String::new();
        for n in chunk {
            lines.push_str(&format!(
                "{{\"index\":{{\"_index\":\"{index}\",\"_id\":\"{n}\"}}}}\n{{\"n\":{n},\"t\":\"{text}\"}}\n"
            ));
        }
        bulk(&server.client(), lines);
    }
}

#[test]
fn a_source_that_is_down_is_named() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[target], "down");
    // A port that nothing listens on: that of a server that was stopped.
    let text =
        plan(&scope, source, (target, "2.19"), "").replace(source.url(), "http://127.0.0.1:9");
    let place = Place::of_plan(&text);
    place
        .apply()
        .ends_with(1)
        .says("cluster `es`: http://127.0.0.1:9: can't be reached");
}

#[test]
fn a_wrong_version_is_named_with_the_right_one() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "version");
    fill(source, &scope.name("a"), 3, 10);
    let place = Place::of_plan(&plan(&scope, source, (target, "3.3"), ""));
    place
        .apply()
        .ends_with(1)
        .says("is OpenSearch 2.19.1, the plan says OpenSearch 3.3");
}

#[test]
fn a_plan_that_was_saved_before_the_target_moved_is_stale() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "stale");
    let index = scope.name("a");
    fill(source, &index, 10, 10);
    let place = Place::of_plan(&plan(&scope, source, (target, "2.19"), ""));
    place.mig(&["plan", "--out", "plan.json"]).ends_with(0);
    // Somebody makes the index meanwhile, another one than the plan would.
    target.put(
        &format!("/{index}"),
        &json!({"mappings": {"properties": {"n": {"type": "keyword"}}}}),
    );
    place
        .mig(&["apply", "plan.json", "--auto-approve"])
        .ends_with(6)
        .says("mappings");
    target.delete(&format!("/{index}"));
    // A plan that is edited between plan and apply is another plan.
    let text = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    std::fs::write(
        place.path("plan.yaml"),
        text.replace("workers: 2", "max-failed: 7"),
    )
    .unwrap();
    place
        .mig(&["apply", "plan.json", "--auto-approve"])
        .ends_with(6);
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn the_second_of_two_applies_ends_with_7() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "two");
    fill(source, &scope.name("a"), 20_000, 300);
    let text = plan(&scope, source, (target, "2.19"), "")
        .replace("workers: 2", "limits: { docs: 5000/s }");
    let place = Place::of_plan(&text);
    let mut first = place.spawn(&["apply", "--auto-approve"]);
    let began = Instant::now();
    while !place.path("state/journal.jsonl").exists() {
        assert!(began.elapsed() < Duration::from_mins(1), "it never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    place
        .mig(&["apply", "--auto-approve", "--lock-timeout", "1s"])
        .ends_with(7);
    assert!(first.wait().unwrap().success());
    place.is_finished();
}

#[test]
fn a_damaged_blob_is_found_named_and_nothing_is_called_done() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "blob");
    let index = scope.name("a");
    fill(source, &index, 4000, 400);
    let place = Place::of_plan(&plan(&scope, source, (target, "2.19"), ""));
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    // The largest blob holds stored fields: a byte in its middle is turned over.
    let mut largest = (0, std::path::PathBuf::new());
    let mut open = vec![scope.repository(source).join("indices")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = path.metadata().unwrap().len();
                if bytes > largest.0 {
                    largest = (bytes, path);
                }
            }
        }
    }
    let (_, path) = largest;
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    std::fs::write(&path, &damaged).unwrap();
    let ran = place.apply();
    assert!(
        [1, 9].contains(&ran.code) && ran.err.contains(&index),
        "{} {}\n{}",
        ran.code,
        ran.out,
        ran.err
    );
    let after = place.mig(&["plan", "--detailed-exitcode"]);
    assert_ne!(after.code, 0, "a damaged snapshot is never all done");
    std::fs::write(&path, &whole).unwrap();
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn a_target_that_dies_in_the_middle_is_waited_for() {
    let source = elasticsearch();
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let scope = Scope::on(&[source], "dies");
    let index = scope.name("a");
    fill(source, &index, 30_000, 300);
    let text = plan(&scope, source, (&target, "2.19"), "")
        .replace("workers: 2", "limits: { docs: 4000/s }");
    let place = Place::of_plan(&text);
    let mut apply = place.spawn(&["apply", "--auto-approve"]);
    let began = Instant::now();
    let loading = || {
        std::fs::read_to_string(place.path("state/journal.jsonl"))
            .is_ok_and(|text| text.contains("write-documents"))
    };
    while !loading() {
        assert!(
            began.elapsed() < Duration::from_mins(2) && apply.try_wait().unwrap().is_none(),
            "it never began to write"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(1500));
    target.kill();
    target.restart();
    let status = apply.wait().unwrap();
    if !status.success() {
        // What can't be waited for is resumable, and says so.
        assert_eq!(status.code(), Some(9));
        place.apply().ends_with(0);
    }
    place.is_finished();
    assert_eq!(corpus::documents(&target.client(), &index).len(), 30_000);
}
