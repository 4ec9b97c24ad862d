//! A store in a bucket and a real cluster: what a cluster without the plugin answers, and a snapshot that it took into a
//! directory and that was copied into a bucket.

use serde_json::json;

/// The S3 server of `tests/s3`.
#[path = "../s3/gateway.rs"]
#[allow(dead_code, reason = "shared with another test binary")]
mod gateway;

use self::gateway::{environment, gateway};
use super::place::{Place, Ran};
use super::support::{Scope, elasticsearch};

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
