//! What a load of changes costs beside a load of everything, between real clusters.
//!
//! `cargo bench --bench delta -- [documents] [rounds]` indexes log entries of about 0.8 KB into an Elasticsearch 7.10.2, takes a
//! snapshot, changes a tenth of them (eight parts updates, one deletes, one new ones), merges every shard into one segment and
//! takes another. In each round the first is loaded to an OpenSearch 2.19.1, then what changed, and then the second from
//! nothing; each is proved by a full verification. `MIG_BENCH_BINARY` measures another `mig` than this build's.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod logs;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use logs::{Any, Random, document, mapping, mig};
use mig::clients::cluster::{ClusterClient, Request};
use mig::sandbox::places::cache;
use mig::sandbox::{NodeSpec, Sandbox, Server};
use serde_json::{Value, json};

const INDEX: &str = "logs";
const SHARDS: u32 = 5;
const REQUEST_BYTES: usize = 5 << 20;

/// Collects lines and sends them.
struct Sender<'a> {
    source: &'a ClusterClient,
    body: String,
}

impl Sender<'_> {
    fn add(&mut self, action: &str, id: u64, document: Option<&str>) -> Result<(), Any> {
        self.body
            .push_str(&format!("{{\"{action}\":{{\"_id\":\"{id}\"}}}}\n"));
        if let Some(document) = document {
            self.body.push_str(document);
            self.body.push('\n');
        }
        if self.body.len() >= REQUEST_BYTES {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Any> {
        if self.body.is_empty() {
            return Ok(());
        }
        let request = Request::post(format!("/{INDEX}/_bulk?filter_path=errors"))
            .lines(std::mem::take(&mut self.body));
        let answer = self.source.json(request)?;
        if answer["errors"] != json!(false) {
            return Err(format!("the source refused documents: {answer}").into());
        }
        Ok(())
    }
}

fn snapshot(source: &ClusterClient, name: &str) -> Result<(), Any> {
    let path = format!("/_snapshot/mig-delta/{name}?wait_for_completion=true");
    source.send(
        Request::put(path)
            .json(&json!({"indices": INDEX, "include_global_state": false}))
            .within(Duration::from_mins(30)),
    )?;
    Ok(())
}

/// Both snapshots; the documents that were written and deleted between them.
fn fill(source: &ClusterClient, location: &Path, docs: u64) -> Result<(u64, u64), Any> {
    source.send(Request::put("/_snapshot/mig-delta").json(&json!({
        "type": "fs", "settings": {"location": location, "max_snapshot_bytes_per_sec": "0"},
    })))?;
    let settings = json!({"index.number_of_shards": SHARDS, "index.number_of_replicas": 0, "index.refresh_interval": "10s"});
    source.send(
        Request::put(format!("/{INDEX}"))
            .json(&json!({"settings": settings, "mappings": mapping()})),
    )?;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut sender = Sender {
        source,
        body: String::new(),
    };
    for id in 0..docs {
        sender.add("index", id, Some(&document(&mut random, id)))?;
    }
    sender.send()?;
    snapshot(source, "base")?;
    let (mut written, mut deleted) = (0, 0);
    for id in (0..docs).step_by(100) {
        // Eight of a hundred, here and there.
        for id in (id..docs.min(id + 100)).step_by(12).take(8) {
            sender.add("index", id, Some(&document(&mut random, id)))?;
            written += 1;
        }
        if id + 50 < docs {
            sender.add("delete", id + 50, None)?;
            deleted += 1;
        }
        sender.add("index", docs + id, Some(&document(&mut random, docs + id)))?;
        written += 1;
    }
    sender.send()?;
    source.send(
        Request::post(format!("/{INDEX}/_forcemerge?max_num_segments=1"))
            .within(Duration::from_mins(30)),
    )?;
    snapshot(source, "later")?;
    Ok((written, deleted))
}

/// What a load took.
struct Took {
    seconds: f64,
    outputs: Value,
}

const PROOF: &str = "content: full, source-writes: allow";

fn plan(target: &ClusterClient, store: &Path, snapshots: &[&str], loads: &str) -> String {
    let mut plan = format!(
        "mig: 1\nplan: bench\nstate: state\nclusters:\n  os: {{ endpoint: \"{}\", version: \"2.19\" }}\n\
         stores:\n  snapshots: {{ directory: {} }}\nphases:\n",
        target.location(),
        store.display()
    );
    for name in snapshots {
        plan.push_str(&format!(
            "  {name}: {{ snapshot: {{ existing: {{ store: snapshots, name: {name} }} }} }}\n"
        ));
    }
    plan.push_str(loads);
    plan
}

/// Applies a plan in a place, and says what its load took.
fn apply(place: &Path, plan: &str, load: &str) -> Result<Took, Any> {
    std::fs::create_dir_all(place)?;
    std::fs::write(place.join("plan.yaml"), plan)?;
    let status = Command::new(mig())
        .args(["apply", "--auto-approve", "--events", "events.jsonl"])
        .current_dir(place)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()?;
    if !status.success() {
        return Err(format!("mig apply ended with {status}").into());
    }
    let mut seconds = None;
    for line in std::fs::read_to_string(place.join("events.jsonl"))?.lines() {
        let event: Value = serde_json::from_str(line)?;
        let body = event.get("phase-complete").unwrap_or(&event);
        if body["address"] == load
            && let Some(took) = body["seconds"].as_f64()
        {
            seconds = Some(took);
        }
    }
    let state: Value = serde_json::from_slice(&std::fs::read(place.join("state/state.json"))?)?;
    Ok(Took {
        seconds: seconds.ok_or("the events do not tell how long the load took")?,
        outputs: state["phases"][load]["outputs"].clone(),
    })
}

fn main() -> Result<(), Any> {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let docs: u64 = arguments.next().map_or(Ok(300_000), |it| it.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(3), |it| it.parse())?;
    let scratch = cache().join("bench").join("delta");
    drop(std::fs::remove_dir_all(&scratch));
    std::fs::create_dir_all(&scratch)?;
    let sandbox = Sandbox::at(&scratch.join("sandbox"))?;
    let node = |name: &str, server: &str| -> Result<ClusterClient, Any> {
        let mut spec = NodeSpec::new(Server::parse(server)?);
        spec.heap_mib = 1024;
        let node = sandbox.node(name);
        node.up(&spec, &sandbox.repositories(), &|line| println!("{line}"))?;
        Ok(node.client()?)
    };
    let ran = node("source", "elasticsearch:7.10.2").and_then(|source| {
        let target = node("target", "opensearch:2.19.1")?;
        compare(&sandbox, (&source, &target), &scratch, (docs, rounds))
    });
    sandbox.down()?;
    ran
}

fn compare(
    sandbox: &Sandbox,
    (source, target): (&ClusterClient, &ClusterClient),
    scratch: &Path,
    (docs, rounds): (u64, usize),
) -> Result<(), Any> {
    let store = sandbox.repositories().join("delta");
    let (written, deleted) = fill(source, &store, docs)?;
    println!("{docs} documents; {written} written and {deleted} deleted since, then merged");
    let clean = || {
        drop(target.send(Request::delete(format!("/{INDEX}"))));
        drop(target.send(Request::delete("/.migrations_working_state")));
    };
    let first = format!(
        "  mappings: {{ metadata: {{ from: base, to: os }} }}\n  docs: {{ backfill: {{ from: base, to: os }} }}\n\
         \x20 same: {{ verify: {{ source: base, target: os, {PROOF} }} }}\n"
    );
    let more = format!(
        "{first}  more: {{ backfill: {{ from: later, since: base, to: os }} }}\n\
         \x20 still: {{ verify: {{ source: later, target: os, {PROOF} }} }}\n"
    );
    let anew = format!(
        "  mappings: {{ metadata: {{ from: later, to: os }} }}\n  docs: {{ backfill: {{ from: later, to: os }} }}\n\
         \x20 same: {{ verify: {{ source: later, target: os, {PROOF} }} }}\n"
    );
    let mut ratios = Vec::new();
    for round in 0..rounds {
        clean();
        let place = scratch.join(format!("{round}-changes"));
        apply(&place, &plan(target, &store, &["base"], &first), "docs")?;
        let plan_of_both = plan(target, &store, &["base", "later"], &more);
        let changes = apply(&place, &plan_of_both, "more")?;
        let index = &changes.outputs["indices"][INDEX];
        let found = (&index["written"], &index["deleted"]);
        if found != (&json!(written), &json!(deleted)) {
            return Err(format!("{written} and {deleted} were to be moved: {found:?}").into());
        }
        clean();
        let place = scratch.join(format!("{round}-all"));
        let all = apply(&place, &plan(target, &store, &["later"], &anew), "docs")?;
        let ratio = changes.seconds / all.seconds;
        println!(
            "  round {}: changes {:.1} s, all {:.1} s, ratio {ratio:.3}; both proved whole",
            round + 1,
            changes.seconds,
            all.seconds
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (ratios.first(), ratios.last()) {
        println!(
            "time of the changes / time of all: min {least:.3}, median {:.3}, max {most:.3} of {rounds}",
            ratios[ratios.len() / 2]
        );
    }
    clean();
    Ok(())
}
