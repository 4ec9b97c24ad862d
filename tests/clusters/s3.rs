//! A store in a bucket and a real cluster: what a cluster without the plugin answers, and a snapshot that it took into a
//! directory and that was copied into a bucket.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

/// The S3 server of `tests/s3`.
#[path = "../s3/gateway.rs"]
#[allow(dead_code, reason = "shared with another test binary")]
mod gateway;

use self::gateway::{environment, gateway};
use super::load::Load;
use super::place::{Place, Ran};
use super::support::{Scope, elasticsearch, is_its_day, opensearch2};

fn mig(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    Ran::of(&command.envs(environment()).output().unwrap())
}

#[test]
fn a_cluster_without_the_plugin_is_told_how_to_get_it() {
    let server = elasticsearch();
    let scope = Scope::on(&[server], "s3plugin");
    let index = scope.name("x");
    server.put(
        &format!("/{index}"),
        &json!({"settings": {"number_of_replicas": 0}}),
    );
    let bucket = gateway().bucket("taken");
    let place = Place::of_plan(&format!(
        "mig: 1\nplan: {}\nstate: state\nclusters:\n  es: {{ endpoint: \"{}\", version: \"7.10\" }}\n\
         stores:\n  snapshots: {{ s3: {{ uri: s3://{bucket}/base, endpoint: \"http://127.0.0.1:{}\" }} }}\n\
         phases:\n  base: {{ snapshot: {{ of: es, to: snapshots, indices: [{index}] }} }}\n",
        scope.prefix(),
        server.url(),
        gateway().port,
    ));
    mig(&place, &["plan"]).ends_with(0).says(&index);
    let checked = mig(&place, &["check"]).ends_with(8);
    checked
        .says("mig can list")
        .says("mig can write, read and remove an object")
        .says("no plugin `repository-s3` on node")
        .says("elasticsearch-plugin install repository-s3")
        .says("the clock of this machine");
    assert!(gateway().keys(&bucket).is_empty());
    let ran = mig(&place, &["apply", "--auto-approve"]);
    assert!(ran.code == 9 || ran.code == 1, "{ran:?}");
    ran.says(&format!(
        "can't write to s3://{bucket}/base: it has no plugin `repository-s3`"
    ))
    .says("elasticsearch-plugin install repository-s3");
    let registered = server.get("/_snapshot");
    let name = format!("mig-{}-snapshots", scope.prefix());
    assert!(registered.get(&name).is_none(), "{registered:#}");
    assert!(gateway().keys(&bucket).is_empty());
}

#[test]
fn a_snapshot_that_was_copied_into_a_bucket_is_moved_and_proved() {
    let server = elasticsearch();
    let scope = Scope::on(&[server], "s3copy");
    let index = scope.name("x");
    let body = json!({
        "settings": {"number_of_shards": 3, "number_of_replicas": 0},
        "mappings": {"dynamic": false},
    });
    server.put(&format!("/{index}"), &body);
    let mut lines = String::new();
    for number in 0..2000 {
        lines.push_str(&format!(
            "{{\"index\":{{\"_id\":\"{number}\"}}}}\n{{\"n\":{number},\"text\":\"{}\"}}\n",
            "words of it ".repeat(number % 50)
        ));
    }
    server.bulk(&index, &lines);
    let directory = scope.repository(server);
    let repository = scope.name("repository");
    let body = json!({"type": "fs", "settings": {"location": directory}});
    server.put(&format!("/_snapshot/{repository}"), &body);
    let path = format!("/_snapshot/{repository}/one?wait_for_completion=true");
    server.put(&path, &json!({"indices": index}));
    let bucket = gateway().bucket("copied");
    gateway().upload(&bucket, "deep/base", &directory);
    let place = Place::of_plan(&format!(
        "mig: 1\nplan: {}\nstate: \"s3://{bucket}/state?endpoint=http://127.0.0.1:{port}\"\nclusters:\n  \
         os: {{ directory: out, as: \"2.19\" }}\nstores:\n  \
         snapshots: {{ s3: {{ uri: s3://{bucket}/deep/base, endpoint: \"http://127.0.0.1:{port}\" }} }}\n\
         phases:\n  base: {{ snapshot: {{ existing: {{ store: snapshots, name: one }} }} }}\n  \
         mappings: {{ metadata: {{ from: base, to: os }} }}\n  \
         docs: {{ backfill: {{ from: base, to: os }} }}\n  \
         same: {{ verify: {{ source: base, target: os, content: full }} }}\n",
        scope.prefix(),
        port = gateway().port,
    ));
    mig(&place, &["apply", "--auto-approve"])
        .ends_with(0)
        .says("2 000 of 2 000 documents");
    mig(&place, &["plan", "--detailed-exitcode"]).ends_with(0);
    // Gone from the bucket while the plan rests on it.
    for key in gateway().keys(&bucket) {
        if key.starts_with("deep/") {
            gateway().remove(&bucket, &key);
        }
    }
    let ran = mig(&place, &["apply", "--auto-approve", "--redo", "docs"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    ran.says("holds no snapshot repository");
}

/// A run on a machine of its own: what is kept beside the state on a machine is nobody else's.
fn on(load: &Load<'_>, machine: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = load.place.command(arguments);
    command
        .envs(environment())
        .env("MIG_CACHE_DIR", load.place.path(machine));
    command
}

#[test]
fn failed_documents_of_all_workers_are_in_the_bucket_of_the_state_and_are_sent_again_from_there() {
    if !is_its_day(1, 3) {
        return;
    }
    let fields = "workers: 1, max-failed: 100000, limits: { docs: 400/s, batch: 4KiB }";
    let target = opensearch2();
    let load = Load::new(target, "s3failed", 3000, &[], fields);
    let index = &load.index;
    let bucket = gateway().bucket("failed");
    load.replace(
        "state: state",
        &format!(
            "state: \"s3://{bucket}/state?endpoint=http://127.0.0.1:{}\"",
            gateway().port
        ),
    );
    // Each of three segments of its own holds documents that the target refuses.
    load.source.put(
        &format!("/{index}/_mapping"),
        &json!({"properties": {"more": {"type": "keyword"}}}),
    );
    for part in 0..3 {
        let mut lines = String::new();
        for number in 0..100 {
            lines.push_str(&format!(
                "{{\"index\":{{\"_id\":\"bad-{part}-{number}\"}}}}\n{{\"more\":\"{number}\"}}\n"
            ));
        }
        load.source.bulk(index, &lines);
    }
    target.put(
        &format!("/{index}"),
        &json!({
            "settings": {"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.number_of_routing_shards": 1024},
            "mappings": {"dynamic": "strict", "properties": {"n": {"type": "long"}, "t": {"type": "keyword"}}},
        }),
    );
    load.replace(
        "decide: {  }",
        &format!("decide: {{ \"index {index}\": keep-target }}"),
    );
    let run = |machine: &str, arguments: &[&str]| {
        Ran::of(&on(&load, machine, arguments).output().unwrap())
    };
    let spawn = |machine: &str, arguments: &[&str]| -> Child {
        let mut command = on(&load, machine, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let helpers = [spawn("two", &["worker"]), spawn("three", &["worker"])];
    let applied = run("one", &["apply", "--auto-approve", "--until", "docs"]);
    applied.ends_with(0);
    for helper in helpers {
        Ran::of(&helper.wait_with_output().unwrap()).ends_with(0);
    }
    let keys = gateway().keys(&bucket);
    let of_failed = |key: &&String| key.starts_with("state/artifacts/failed/docs/");
    assert!(keys.iter().any(|key| of_failed(&key)), "{keys:#?}");
    let location = run("four", &["backfill", "failed", "location"]).ends_with(0);
    assert_eq!(
        location.out.trim(),
        format!("s3://{bucket}/state/artifacts/failed/docs")
    );
    // Whoever met them, all are told anywhere.
    let counted = run("four", &["backfill", "failed", "count", "--json"]).ends_with(0);
    let counted: Value = serde_json::from_str(&counted.out).unwrap();
    assert_eq!(
        (&counted["failed"], &counted["untold"]),
        (&300.into(), &0.into())
    );
    let more = json!({"properties": {"more": {"type": "keyword"}}});
    target.put(&format!("/{index}/_mapping"), &more);
    run("four", &["backfill", "retry-failed", "--auto-approve"])
        .ends_with(0)
        .says("300 written");
    run("one", &["apply", "--auto-approve"]).ends_with(0);
    run("one", &["plan", "--detailed-exitcode"]).ends_with(0);
    assert_eq!(load.visible(), 3300);
    load.nothing_is_left();
    // What is kept beside the state goes with a reset.
    run("one", &["backfill", "reset", "--auto-approve", "--json"])
        .ends_with(0)
        .says("removes the failed documents of docs in s3://");
    assert!(!gateway().keys(&bucket).iter().any(|key| of_failed(&key)));
}
