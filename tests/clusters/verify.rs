//! Verifying on real servers: what is equal passes, and every kind of difference is named; a live source that settles, a
//! source that was written to, and what a kill leaves.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mig::clients::cluster::{Body, Request};
use serde_json::{Value, json};

use super::place::{Place, Ran};
use super::support::{Scope, Server, elasticsearch, opensearch2, opensearch3};

/// A document of a test.
#[derive(Clone)]
struct Doc {
    id: &'static str,
    routing: Option<&'static str>,
    version: u32,
    source: String,
}

fn doc(id: &'static str, source: &str) -> Doc {
    Doc {
        id,
        routing: None,
        version: 1,
        source: source.to_owned(),
    }
}

/// What is hard to keep byte for byte.
fn docs() -> Vec<Doc> {
    let large = format!("{{\"text\":\"{}\"}}", "x\\n0123456789 ".repeat(400_000));
    assert!(large.len() > 5_000_000);
    let mut docs = vec![
        doc(
            "long",
            "{\"n\":9007199254740993,\"m\":-9223372036854775808}",
        ),
        doc("float", "{\"zero\":-0.0,\"big\":1.5e300,\"one\":1.0}"),
        doc("order", "{\"z\":1,\"a\":2,\"m\":{\"y\":[],\"b\":{}}}"),
        doc("space", " {\n\t\"a\" : [ 1 ,\r\n 2 ]\n}\n"),
        doc(
            "escapes",
            "{\"s\":\"\\u00e9\\/\\\"}\\\\ \\ud83d\\ude00 \\ud800\"}",
        ),
        doc("emoji", "{\"s\":\"😀 é ← \u{2028}\"}"),
        doc("comment", "{\"a\":1 /* } */, \"b\":2 // end\n}"),
        doc("nested", "{\"nested\":[{\"x\":1},{\"x\":2},{\"x\":3}]}"),
        doc("empty", "{}"),
        doc("\"q\\/ ü", "{\"id\":\"hard\"}"),
        doc("large", &large),
        Doc {
            version: 7,
            ..doc("updated", "{\"times\":7}")
        },
    ];
    for (id, routing) in [("routed", "a"), ("routed-too", "b")] {
        docs.push(Doc {
            routing: Some(routing),
            ..doc(id, "{\"routed\":true}")
        });
    }
    docs
}

fn send(server: &Server, path: String, source: &str) {
    let mut request = Request::put(path);
    request.body = Some(Body::Json(source.to_owned().into()));
    server.client().send(request).unwrap();
}

fn write(server: &Server, index: &str, doc: &Doc) {
    let mut path = format!(
        "/{index}/_doc/{}?version={}&version_type=external_gte",
        Request::part(doc.id),
        doc.version
    );
    if let Some(routing) = doc.routing {
        path.push_str("&routing=");
        path.push_str(routing);
    }
    send(server, path, &doc.source);
}

/// As at the version that it has, so that it can be written again with that one.
fn remove(server: &Server, index: &str, doc: &Doc) {
    let routing = doc
        .routing
        .map(|routing| format!("&routing={routing}"))
        .unwrap_or_default();
    server.delete(&format!(
        "/{index}/_doc/{}?version={}&version_type=external_gte&refresh=true{routing}",
        Request::part(doc.id),
        doc.version
    ));
}

fn make(server: &Server, index: &str) {
    server.put(
        &format!("/{index}"),
        &json!({
            "settings": {"number_of_shards": 3, "number_of_replicas": 0},
            "mappings": {"dynamic": false, "properties": {"nested": {"type": "nested"}}},
        }),
    );
}

fn refresh(server: &Server, index: &str) {
    server.post(&format!("/{index}/_refresh"), &json!({}));
}

/// An index on both servers with the same documents, one of which was deleted on both.
fn fill(servers: [&Server; 2], index: &str) {
    for server in servers {
        make(server, index);
        for doc in docs() {
            write(server, index, &doc);
        }
        write(server, index, &doc("deleted", "{\"gone\":true}"));
        server.delete(&format!("/{index}/_doc/deleted"));
        refresh(server, index);
    }
}

fn snapshot(scope: &Scope<'_>, server: &Server, index: &str) -> PathBuf {
    let (repository, name) = (scope.repository(server), scope.name("shots"));
    let body = json!({"type": "fs", "settings": {"location": repository}});
    server.put(&format!("/_snapshot/{name}"), &body);
    let made = server.put(
        &format!("/_snapshot/{name}/s1?wait_for_completion=true"),
        &json!({"indices": index, "include_global_state": false}),
    );
    assert_eq!(made["snapshot"]["state"], "SUCCESS", "{made:#}");
    repository
}

/// A place with a plan that verifies `index` on `os`: against the snapshot, or against the live cluster.
fn place(
    scope: &Scope<'_>,
    servers: [&Server; 2],
    repository: Option<PathBuf>,
    phases: &str,
) -> Place {
    let [source, target] = servers;
    let place = Place::empty();
    let stores = repository.map_or(String::new(), |path| {
        format!(
            "stores: {{ snapshots: {{ directory: {} }} }}\n",
            path.display()
        )
    });
    let text = format!(
        "mig: 1\nplan: {}\nstate: state\nclusters:\n  es: {{ endpoint: \"{}\" }}\n  os: {{ endpoint: \"{}\", \
         access: read-write }}\n{stores}phases:\n{phases}",
        scope.prefix(),
        source.url(),
        target.url(),
    );
    std::fs::write(place.path("plan.yaml"), text).unwrap();
    place
}

fn against_snapshot(
    scope: &Scope<'_>,
    servers: [&Server; 2],
    repository: PathBuf,
    more: &str,
) -> Place {
    let phases = format!(
        "  base: {{ snapshot: {{ existing: {{ store: snapshots, name: s1, of: es }} }} }}\n  \
         same: {{ verify: {{ source: base, target: os, indices: [\"{}*\"]{more} }} }}\n",
        scope.prefix()
    );
    place(scope, servers, Some(repository), &phases)
}

fn against_live(scope: &Scope<'_>, servers: [&Server; 2], more: &str) -> Place {
    let phases = format!(
        "  same: {{ verify: {{ source: es, target: os, indices: [\"{}*\"]{more} }} }}\n",
        scope.prefix()
    );
    place(scope, servers, None, &phases)
}

fn again(place: &Place) -> Ran {
    place.mig(&["apply", "--auto-approve", "--redo", "same"])
}

fn evidence(place: &Place) -> Value {
    let bytes = std::fs::read(place.path("state/evidence/same.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn equal_and_every_difference(servers: [&Server; 2], what: &str) {
    let [source, target] = servers;
    let scope = Scope::on(&servers, what);
    let index = scope.name("docs");
    fill(servers, &index);
    let repository = snapshot(&scope, source, &index);
    let count = docs().len();
    for place in [
        against_snapshot(&scope, servers, repository, ""),
        against_live(&scope, servers, ""),
    ] {
        let ran = place.apply().ends_with(0);
        ran.says(&format!("{count} of {count} documents"));
        place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
        let refused = |name: &str| {
            let ran = again(&place).ends_with(8);
            ran.says(name)
        };

        remove(target, &index, &docs()[2]);
        refused("missing `order`").says("1 missing, 0 different, 0 extra");
        write(target, &index, &docs()[2]);

        write(target, &index, &doc("another", "{}"));
        refused("extra `another`").says("0 missing, 0 different, 1 extra");
        remove(target, &index, &doc("another", "{}"));

        write(
            target,
            &index,
            &doc(
                "long",
                "{\"n\":9007199254740992,\"m\":-9223372036854775808}",
            ),
        );
        refused("different `long`").says("0 missing, 1 different, 0 extra");
        write(target, &index, &docs()[0]);

        // Under another routing it is another document, which a client would look for in vain.
        let elsewhere = Doc {
            routing: Some("c"),
            ..docs()[12].clone()
        };
        remove(target, &index, &docs()[12]);
        write(target, &index, &elsewhere);
        refused("missing `routed`").says("1 missing, 0 different, 1 extra");
        remove(target, &index, &elsewhere);
        write(target, &index, &docs()[12]);

        write(
            target,
            &index,
            &Doc {
                version: 8,
                ..doc("updated", "{\"times\":7}")
            },
        );
        refused("different `updated`");
        let named = &evidence(&place)["report"]["indices"][&index]["named"];
        assert_eq!(
            named[0]["detail"],
            "version 7 on the source, 8 on the target"
        );
        target.delete(&format!("/{index}"));
        make(target, &index);
        for doc in docs() {
            write(target, &index, &doc);
        }
        again(&place).ends_with(0);

        // The same in another spelling.
        write(
            target,
            &index,
            &doc("order", "{\"m\":{\"b\":{},\"y\":[]},\"a\":2.0,\"z\":1e0}"),
        );
        again(&place).ends_with(0);
        let report = evidence(&place)["report"]["indices"][&index].clone();
        assert_eq!(
            (&report["respelled"], &report["verdict"]),
            (&json!(1), &json!("pass"))
        );
        write(target, &index, &docs()[2]);

        target.delete(&format!("/{index}"));
        refused(&format!("index {index} is not on os"));
        make(target, &index);
        for doc in docs() {
            write(target, &index, &doc);
        }
        refresh(target, &index);
    }
}

#[test]
fn what_is_equal_passes_and_every_difference_is_named_on_opensearch_2() {
    equal_and_every_difference([elasticsearch(), opensearch2()], "verify");
}

#[test]
fn what_is_equal_passes_and_every_difference_is_named_on_opensearch_3() {
    equal_and_every_difference([elasticsearch(), opensearch3()], "verify");
}

/// Writes to the source at once and to the target some time later, until told to stop.
fn writer<'scope>(
    threads: &'scope thread::Scope<'scope, '_>,
    [source, target]: [&'scope Server; 2],
    index: &'scope str,
    stop: &'scope AtomicBool,
) {
    threads.spawn(move || {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let path = |id: u32| format!("/{index}/_doc/moving-{}", id % 5);
            send(source, path(number), &format!("{{\"number\":{number}}}"));
            thread::sleep(Duration::from_millis(300));
            if number > 0 {
                send(
                    target,
                    path(number - 1),
                    &format!("{{\"number\":{}}}", number - 1),
                );
            }
            number += 1;
        }
        let path = format!("/{index}/_doc/moving-{}", (number - 1) % 5);
        send(target, path, &format!("{{\"number\":{}}}", number - 1));
    });
}

/// A failed assertion must not leave the writer writing, which the end of the scope waits for.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_live_source_that_settles_passes_and_one_that_never_does_fails() {
    let servers = [elasticsearch(), opensearch2()];
    let scope = Scope::on(&servers, "verify");
    let index = scope.name("live");
    fill(servers, &index);
    // What never gets to the target never settles; the source refreshes it by itself, a moment after it was written.
    send(servers[0], format!("/{index}/_doc/alone"), "{\"number\":1}");
    let place = against_live(&scope, servers, ", settle: 4s");
    let started = Instant::now();
    place.apply().ends_with(8).says("alone");
    assert!(started.elapsed() >= Duration::from_secs(4));
    assert!(evidence(&place)["report"]["indices"][&index]["named"][0]["id"].is_string());
    send(servers[1], format!("/{index}/_doc/alone"), "{\"number\":1}");

    let stop = AtomicBool::new(false);
    thread::scope(|threads| {
        let _stop = StopAtEnd(&stop);
        writer(threads, servers, &index, &stop);
        thread::sleep(Duration::from_secs(1));
        let place = against_live(&scope, servers, ", settle: 60s");
        threads.spawn(|| {
            thread::sleep(Duration::from_secs(5));
            stop.store(true, Ordering::Relaxed);
        });
        let started = Instant::now();
        place.apply().ends_with(0).says("once read again");
        assert!(started.elapsed() < Duration::from_secs(40));
        let report = evidence(&place)["report"]["indices"][&index].clone();
        assert_eq!(
            (&report["missing"], &report["verdict"]),
            (&json!(0), &json!("pass"))
        );
    });
}

/// What a source has not refreshed can't be seen, and a verification that does not see it must not pass.
#[test]
fn documents_that_the_source_never_refreshes_are_no_proof() {
    let servers = [elasticsearch(), opensearch2()];
    let scope = Scope::on(&servers, "verify");
    let index = scope.name("hidden");
    fill(servers, &index);
    servers[0].put(
        &format!("/{index}/_settings"),
        &json!({"index.refresh_interval": "-1"}),
    );
    // One that was due before is done by then.
    thread::sleep(Duration::from_secs(2));
    send(servers[0], format!("/{index}/_doc/hidden"), "{}");
    let place = against_live(&scope, servers, "");
    place
        .apply()
        .ends_with(8)
        .says("has not refreshed")
        .says(&index);
    servers[0].post(&format!("/{index}/_refresh"), &json!({}));
    place.apply().ends_with(8).says("missing `hidden`");
    send(servers[1], format!("/{index}/_doc/hidden"), "{}");
    place.apply().ends_with(0);
}

#[test]
fn a_source_that_was_written_to_after_the_snapshot_is_told() {
    let servers = [elasticsearch(), opensearch2()];
    let scope = Scope::on(&servers, "verify");
    let index = scope.name("docs");
    fill(servers, &index);
    let repository = snapshot(&scope, servers[0], &index);
    let place = against_snapshot(&scope, servers, repository.clone(), "");
    place
        .apply()
        .ends_with(0)
        .says("was not written to after the snapshot");

    // Refreshes, merges and flushes are no writes.
    for call in ["_refresh", "_forcemerge?max_num_segments=1", "_flush"] {
        servers[0].post(&format!("/{index}/{call}"), &json!({}));
    }
    again(&place).ends_with(0);

    write(servers[0], &index, &doc("later", "{}"));
    again(&place)
        .ends_with(8)
        .says("written to on es after the snapshot")
        .says("sequence number");
    let evidence = evidence(&place);
    assert!(evidence["source-writes"]["found"]["moved"][&index].is_string());
    let allowed = against_snapshot(
        &scope,
        servers,
        repository.clone(),
        ", source-writes: allow",
    );
    allowed
        .apply()
        .ends_with(0)
        .says("written to on es after the snapshot");

    servers[0].delete(&format!("/{index}"));
    again(&place).ends_with(8).says("not there any more");
    allowed
        .mig(&["apply", "--auto-approve", "--redo", "same"])
        .ends_with(0);
}

#[test]
fn a_source_that_can_not_be_asked_is_no_quiet_source() {
    let servers = [elasticsearch(), opensearch2()];
    let scope = Scope::on(&servers, "verify");
    let index = scope.name("docs");
    fill(servers, &index);
    let repository = snapshot(&scope, servers[0], &index);
    for (more, code) in [("", 9), (", source-writes: allow", 0)] {
        let place = against_snapshot(&scope, servers, repository.clone(), more);
        let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
        let plan = plan.replace(servers[0].url(), "http://127.0.0.1:1");
        std::fs::write(place.path("plan.yaml"), plan).unwrap();
        place.apply().ends_with(code).says("can't be told");
    }
}

#[test]
fn a_closed_index_is_proved_closed_last_and_stays_done() {
    let servers = [elasticsearch(), opensearch2()];
    let scope = Scope::on(&servers, "verify");
    let index = scope.name("old");
    fill(servers, &index);
    servers[0].post(&format!("/{index}/_close"), &json!({}));
    let repository = snapshot(&scope, servers[0], &index);
    let place = against_snapshot(&scope, servers, repository, "");
    place.apply().ends_with(0).says("closed on os");
    let closed = |server: &Server| {
        let path = format!("/_cat/indices/{index}?format=json&expand_wildcards=all");
        server.get(&path)[0]["status"] == "close"
    };
    assert!(closed(servers[1]));
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    // Proved again, it is opened for that and closed behind it.
    again(&place).ends_with(0);
    assert!(closed(servers[1]));
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    // Against the live source it is left out, with the reason.
    let live = against_live(&scope, servers, "");
    live.mig(&["plan"]).says("closed at the source");
}

#[test]
fn a_gate_opens_once_the_source_is_quiet() {
    let servers = [elasticsearch(), opensearch2()];
    let scope = Scope::on(&servers, "quiet");
    let index = scope.name("docs");
    make(servers[0], &index);
    let phases = format!(
        "  quiet: {{ gate: {{ title: No writes, proves: {{ source-quiet: {{ for: 4s, indices: [\"{}*\"] }} }}, approve: none }} }}\n  \
         base: {{ snapshot: {{ existing: {{ store: snapshots, name: s1, of: es }}, after: [quiet] }} }}\n",
        scope.prefix()
    );
    let repository = snapshot(&scope, servers[0], &index);
    let place = place(&scope, servers, Some(repository), &phases);
    let started = Instant::now();
    thread::scope(|threads| {
        threads.spawn(|| {
            for number in 0..6 {
                send(servers[0], format!("/{index}/_doc/{number}"), "{}");
                thread::sleep(Duration::from_secs(1));
            }
        });
        place.apply().ends_with(0).says("es took no writes for 4s");
    });
    assert!(
        started.elapsed() >= Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    let evidence = std::fs::read(place.path("state/evidence/quiet.json")).unwrap();
    let evidence: Value = serde_json::from_slice(&evidence).unwrap();
    let seq_nos = evidence["source-quiet"]["indices"][&index]["seq-nos"]
        .as_array()
        .unwrap();
    let written: i64 = seq_nos.iter().map(|last| last.as_i64().unwrap() + 1).sum();
    assert_eq!(written, 6);
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);

    // While something writes it stays shut, and the time that a phase may take ends the wait.
    let busy = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let busy = busy.replace("approve: none", "approve: none, timeout: 5s");
    std::fs::write(place.path("plan.yaml"), busy).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|threads| {
        let _stop = StopAtEnd(&stop);
        writer(threads, [servers[0], servers[0]], &index, &stop);
        let ran = place.mig(&["apply", "--auto-approve", "--redo", "quiet"]);
        stop.store(true, Ordering::Relaxed);
        ran.ends_with(9).says("timeout");
    });
}

/// What a kill left is taken up again: an index that was through is not read a second time while it stays as it is.
#[cfg(feature = "failpoints")]
#[test]
fn a_kill_in_the_middle_is_taken_up_where_it_was() {
    let servers = [elasticsearch(), opensearch2()];
    let scope = Scope::on(&servers, "verify");
    let indices = [scope.name("a"), scope.name("b")];
    for index in &indices {
        fill(servers, index);
    }
    let place = against_live(&scope, servers, "");
    let run = |failpoint: &str, log: &str| {
        let ran = place
            .command(&["apply", "--auto-approve"])
            .env("MIG_FAILPOINT", failpoint)
            .env("MIG_FAILPOINT_LOG", place.path(log))
            .output()
            .unwrap();
        let log = std::fs::read_to_string(place.path(log)).unwrap();
        let read = log.lines().filter(|line| *line == "target.read.partition");
        (Ran::of(&ran), read.count())
    };
    // Three shards on each side; the report of the first index is kept, then it ends.
    let (killed, read) = run("verify-after-checkpoint:1", "first");
    assert_eq!((killed.code, read), (-1, 6), "{killed:?}");
    // In the middle of the second one.
    let (killed, read) = run("target.read.partition:4", "second");
    assert_eq!((killed.code, read), (-1, 4), "{killed:?}");
    let (finished, read) = run("none", "third");
    finished.ends_with(0);
    assert_eq!(read, 6);

    // What was written in between is read again.
    again_killed(&place);
    write(servers[1], &indices[0], &doc("order", "{}"));
    place.apply().ends_with(8).says("different `order`");
}

/// Ends right after the report of the first index was kept.
#[cfg(feature = "failpoints")]
fn again_killed(place: &Place) {
    let killed = place
        .command(&["apply", "--auto-approve", "--redo", "same"])
        .env("MIG_FAILPOINT", "verify-after-checkpoint:1")
        .output()
        .unwrap();
    assert_eq!(Ran::of(&killed).code, -1);
}
