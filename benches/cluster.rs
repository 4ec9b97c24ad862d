//! A whole backfill onto a real cluster, beside posting the same documents pre-rendered with as many connections, in turn.
//!
//! `cargo bench --bench cluster -- [documents] [rounds] [connections]` starts an Elasticsearch 7.10.2 and an OpenSearch
//! 2.19.1, indexes log entries of about 0.8 KB in five shards, takes a snapshot and keeps all of it in the cache for the
//! next time. Both ways write into an index of the same settings (no replicas, no refresh) and end with a refresh.
//! `MIG_BENCH_TARGET=http://…` takes another target, which is needed for `_reindex`: the minimal distribution has no
//! module for it. `MIG_BENCH_BINARY` measures another `mig` than this build's. `MIG_BENCH_PEERS=1` also runs `elasticdump` (from the PATH) and `_reindex` from remote.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod logs;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use logs::{Random, client, document, mapping, mig};
use mig::clients::cluster::{ClusterClient, Request};
use mig::sandbox::places::cache;
use mig::sandbox::{NodeSpec, Sandbox, Server};
use serde_json::{Value, json};

type Any = Box<dyn Error>;

const INDEX: &str = "logs";
const SHARDS: u32 = 5;
/// Bytes of a pre-rendered request: what `mig` sends too.
const BATCH_BYTES: usize = mig::engines::bulk::limits::BATCH_BYTES;

/// Indexes the documents on the source and takes the snapshot, unless an earlier run did.
fn fill(source: &ClusterClient, location: &Path, docs: u64) -> Result<(), Any> {
    let repository = "/_snapshot/mig-bench";
    source.send(Request::put(repository).json(&json!({
        "type": "fs", "settings": {"location": location, "max_snapshot_bytes_per_sec": "0"},
    })))?;
    let counted = source.found(Request::get(format!("/{INDEX}/_count")))?;
    let there = counted.and_then(|answer| answer["count"].as_u64());
    let snapshot = source.found(Request::get(format!("{repository}/bench")))?;
    if there == Some(docs) && snapshot.is_some() {
        return Ok(());
    }
    println!("indexing {docs} documents on the source");
    drop(source.send(Request::delete(format!("{repository}/bench"))));
    drop(source.send(Request::delete(format!("/{INDEX}"))));
    let settings = json!({"index.number_of_shards": SHARDS, "index.number_of_replicas": 0, "index.refresh_interval": "-1"});
    source.send(
        Request::put(format!("/{INDEX}"))
            .json(&json!({"settings": settings, "mappings": mapping()})),
    )?;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut body = String::new();
    for number in 0..docs {
        body.push_str("{\"index\":{}}\n");
        body.push_str(&document(&mut random, number));
        body.push('\n');
        if body.len() >= BATCH_BYTES || number + 1 == docs {
            let request = Request::post(format!("/{INDEX}/_bulk?filter_path=errors"))
                .lines(std::mem::take(&mut body));
            let answer = source.json(request)?;
            if answer["errors"] != json!(false) {
                return Err(format!("the source refused documents: {answer}").into());
            }
        }
    }
    source.send(Request::post(format!("/{INDEX}/_refresh")))?;
    source.send(
        Request::put(format!("{repository}/bench?wait_for_completion=true"))
            .json(&json!({"indices": INDEX, "include_global_state": false}))
            .within(Duration::from_mins(30)),
    )?;
    Ok(())
}

/// The documents as requests, rendered by `mig export`.
fn rendered(store: &Path, scratch: &Path) -> Result<Vec<(Bytes, u64)>, Any> {
    let to = scratch.join("rendered");
    drop(std::fs::remove_dir_all(&to));
    let done = Command::new(mig())
        .args([
            "export",
            "--snapshot",
            "bench",
            "--index",
            INDEX,
            "--as",
            "bulk",
        ])
        .arg("--store")
        .arg(store)
        .arg("--to")
        .arg(&to)
        .status()?;
    if !done.success() {
        return Err("mig export failed".into());
    }
    let mut requests = Vec::new();
    for entry in std::fs::read_dir(&to)? {
        let text = std::fs::read(entry?.path())?;
        let (mut start, mut lines, mut at) = (0, 0_u64, 0);
        for end in memchr::memchr_iter(b'\n', &text) {
            lines += 1;
            at = end + 1;
            if lines % 2 == 0 && at - start >= BATCH_BYTES {
                requests.push((Bytes::copy_from_slice(&text[start..at]), lines / 2));
                (start, lines) = (at, 0);
            }
        }
        if at > start {
            requests.push((Bytes::copy_from_slice(&text[start..at]), lines / 2));
        }
    }
    std::fs::remove_dir_all(&to)?;
    Ok(spread_over_shards(requests))
}

/// The export goes shard by shard, and so would all connections at once. Requests are taken from every shard in turn instead,
/// which is the best that somebody who posts them could do.
fn spread_over_shards(requests: Vec<(Bytes, u64)>) -> Vec<(Bytes, u64)> {
    let run = requests.len().div_ceil(SHARDS as usize).max(1);
    let mut numbered: Vec<(usize, (Bytes, u64))> = requests.into_iter().enumerate().collect();
    numbered.sort_by_key(|(number, _)| (number % run, number / run));
    numbered.into_iter().map(|(_, request)| request).collect()
}

fn create(target: &ClusterClient) -> Result<(), Any> {
    let settings = json!({"index.number_of_shards": SHARDS, "index.number_of_replicas": 0, "index.refresh_interval": "-1"});
    target.send(
        Request::put(format!("/{INDEX}"))
            .json(&json!({"settings": settings, "mappings": mapping()})),
    )?;
    Ok(())
}

fn clean(target: &ClusterClient) {
    drop(target.send(Request::delete(format!("/{INDEX}"))));
    drop(target.send(Request::delete("/.migrations_working_state")));
}

fn count(target: &ClusterClient) -> Result<u64, Any> {
    target.send(Request::post(format!("/{INDEX}/_refresh")))?;
    let counted = target.json(Request::get(format!("/{INDEX}/_count")))?;
    Ok(counted["count"].as_u64().unwrap_or(0))
}

/// Documents a second of posting what is rendered already.
fn raw(target: &ClusterClient, requests: &[(Bytes, u64)], connections: usize) -> Result<f64, Any> {
    clean(target);
    create(target)?;
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let post = || -> Result<(), String> {
            while let Some((body, _)) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = Request::post("/_bulk?filter_path=errors")
                    .lines(body.clone())
                    .idempotent();
                let answer = target.json(request).map_err(|error| error.to_string())?;
                if answer["errors"] != json!(false) {
                    return Err(answer.to_string());
                }
            }
            Ok(())
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(post)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok()?.err())
            .collect()
    });
    if let Some(failure) = failures.first() {
        return Err(failure.clone().into());
    }
    let found = count(target)?;
    let seconds = began.elapsed().as_secs_f64();
    let sent: u64 = requests.iter().map(|(_, docs)| docs).sum();
    if found != sent {
        return Err(format!("{sent} documents were posted and {found} are there").into());
    }
    Ok(sent as f64 / seconds)
}

/// What one process used, as the system counts it while it runs.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    peak_bytes: u64,
    cpu_s: f64,
}

fn look(pid: u32, used: &mut Used) {
    if let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        used.peak_bytes = used.peak_bytes.max(peak.unwrap_or(0) * 1024);
    }
    if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        && let Some((_, rest)) = stat.rsplit_once(") ")
    {
        let ticks: Vec<u64> = rest
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse().ok())
            .collect();
        // A hundred ticks a second on every Linux that this runs on.
        used.cpu_s = used.cpu_s.max(ticks.iter().sum::<u64>() as f64 / 100.0);
    }
}

/// What one `mig apply` did.
struct Moved {
    rate: f64,
    phases: BTreeMap<String, f64>,
    used: Used,
}

fn with_mig(
    target: &ClusterClient,
    store: &Path,
    scratch: &Path,
    docs: u64,
    workers: usize,
    proof: bool,
) -> Result<Moved, Any> {
    clean(target);
    let place = scratch.join("plan");
    drop(std::fs::remove_dir_all(&place));
    std::fs::create_dir_all(&place)?;
    let plan = format!(
        "mig: 1\nplan: bench\nstate: state\nclusters:\n  os: {{ endpoint: \"{}\", version: \"2.19\" }}\n\
         stores:\n  snapshots: {{ directory: {} }}\nphases:\n\
         \x20 base: {{ snapshot: {{ existing: {{ store: snapshots, name: bench }} }} }}\n\
         \x20 mappings: {{ metadata: {{ from: base, to: os }} }}\n\
         \x20 docs: {{ backfill: {{ from: base, to: os, workers: {workers} }} }}\n\
         \x20 same: {{ verify: {{ source: base, target: os, content: full }} }}\n",
        target.location(),
        store.display()
    );
    std::fs::write(place.join("plan.yaml"), plan)?;
    let mut child = Command::new(mig())
        .args(["apply", "--auto-approve", "--events", "events.jsonl"])
        .args(["--until", if proof { "same" } else { "docs" }])
        .current_dir(&place)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut used = Used::default();
    let mut loading = Used::default();
    let events = place.join("events.jsonl");
    let status = loop {
        look(child.id(), &mut used);
        let told = std::fs::read_to_string(&events).unwrap_or_default();
        if !told.contains("\"address\":\"same\"") {
            loading = used;
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if !status.success() {
        return Err(format!("mig apply ended with {status}").into());
    }
    let mut phases = BTreeMap::new();
    for line in std::fs::read_to_string(&events)?.lines() {
        let event: Value = serde_json::from_str(line)?;
        let body = event.get("phase-complete").unwrap_or(&event);
        if let (Some(address), Some(seconds)) = (body["address"].as_str(), body["seconds"].as_f64())
        {
            phases.insert(address.to_owned(), seconds);
        }
    }
    let seconds = phases
        .get("docs")
        .ok_or("the events do not tell how long the backfill took")?;
    if count(target)? != docs {
        return Err("documents are missing".into());
    }
    println!(
        "    mig: {:.1} s, {:.1} CPU s up to the end of the backfill, peak {} MB; verify {:.1} s, in all {:.1} CPU s, peak {} MB",
        seconds,
        loading.cpu_s,
        loading.peak_bytes / 1_000_000,
        phases.get("same").copied().unwrap_or(0.0),
        used.cpu_s,
        used.peak_bytes / 1_000_000,
    );
    Ok(Moved {
        rate: docs as f64 / seconds,
        phases,
        used: loading,
    })
}

fn with_elasticdump(source: &str, target: &ClusterClient, docs: u64) -> Result<(f64, u64), Any> {
    clean(target);
    create(target)?;
    let began = Instant::now();
    let done = Command::new("elasticdump")
        .args(["--type=data", "--limit=10000", "--concurrency=4"])
        .arg(format!("--input={source}/{INDEX}"))
        .arg(format!("--output={}/{INDEX}", target.location()))
        .stdout(Stdio::null())
        .status()?;
    let seconds = began.elapsed().as_secs_f64();
    if !done.success() {
        return Err(format!("elasticdump ended with {done}").into());
    }
    Ok((docs as f64 / seconds, count(target)?))
}

fn with_reindex(source: &str, target: &ClusterClient, docs: u64) -> Result<(f64, u64), Any> {
    clean(target);
    create(target)?;
    let body = json!({
        "source": {"remote": {"host": source}, "index": INDEX, "size": 5000},
        "dest": {"index": INDEX},
    });
    let began = Instant::now();
    let request = Request::post("/_reindex?wait_for_completion=true")
        .json(&body)
        .within(Duration::from_hours(1));
    target.send(request)?;
    let seconds = began.elapsed().as_secs_f64();
    Ok((docs as f64 / seconds, count(target)?))
}

fn spread(label: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        return;
    };
    println!(
        "{label}: min {least:.3}, median {:.3}, max {most:.3} of {}",
        values[values.len() / 2],
        values.len()
    );
}

fn main() -> Result<(), Any> {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let docs: u64 = arguments.next().map_or(Ok(1_000_000), |it| it.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(5), |it| it.parse())?;
    let connections: usize = arguments.next().map_or(Ok(4), |it| it.parse())?;
    let scratch = cache().join("bench").join(format!("cluster-{docs}"));
    std::fs::create_dir_all(&scratch)?;
    let sandbox = Sandbox::at(&scratch.join("sandbox"))?;
    let spec = |server: &str| -> Result<NodeSpec, Any> {
        let mut spec = NodeSpec::new(Server::parse(server)?);
        spec.heap_mib = 2048;
        Ok(spec)
    };
    let tell = |line: &str| println!("{line}");
    let source = sandbox.node("source");
    source.up(
        &spec("elasticsearch:7.10.2")?,
        &sandbox.repositories(),
        &tell,
    )?;
    let own = std::env::var("MIG_BENCH_TARGET").ok();
    let target = if let Some(url) = &own {
        client(url)?
    } else {
        let node = sandbox.node("target");
        node.up(&spec("opensearch:2.19.1")?, &sandbox.repositories(), &tell)?;
        node.client()?
    };
    let ran = compare(
        &sandbox,
        &source.url()?,
        &target,
        &scratch,
        [docs, rounds as u64, connections as u64],
    );
    clean(&target);
    sandbox.down()?;
    ran
}

fn compare(
    sandbox: &Sandbox,
    source: &str,
    target: &ClusterClient,
    scratch: &Path,
    [docs, rounds, connections]: [u64; 3],
) -> Result<(), Any> {
    let store: PathBuf = sandbox.repositories().join("bench");
    fill(&client(source)?, &store, docs)?;
    let requests = rendered(&store, scratch)?;
    let bytes: usize = requests.iter().map(|(body, _)| body.len()).sum();
    println!(
        "{docs} documents, {} MB as requests of {} MB, {connections} connections, {rounds} rounds",
        bytes / 1_000_000,
        BATCH_BYTES / 1_000_000
    );
    let connections = usize::try_from(connections)?;
    let mut ratios = Vec::new();
    let mut rates = (Vec::new(), Vec::new());
    let mut peak = 0;
    let mut cpu = Vec::new();
    for round in 0..rounds {
        // The proof is made once, at the end: it is no part of the comparison.
        let proof = round + 1 == rounds;
        let (posted, moved) = if round % 2 == 0 {
            let posted = raw(target, &requests, connections)?;
            (
                posted,
                with_mig(target, &store, scratch, docs, connections, proof)?,
            )
        } else {
            let moved = with_mig(target, &store, scratch, docs, connections, proof)?;
            (raw(target, &requests, connections)?, moved)
        };
        println!(
            "  round {}: raw {posted:.0} docs/s, mig {:.0} docs/s, ratio {:.3}",
            round + 1,
            moved.rate,
            moved.rate / posted
        );
        ratios.push(moved.rate / posted);
        rates.0.push(posted);
        rates.1.push(moved.rate);
        peak = peak.max(moved.used.peak_bytes);
        cpu.push(moved.used.cpu_s);
        drop(moved.phases);
    }
    spread("raw, documents a second", rates.0);
    spread("mig, documents a second", rates.1);
    spread("ratio mig / raw", ratios);
    spread("mig, CPU seconds up to the end of the backfill", cpu);
    println!(
        "mig, peak memory up to the end of the backfill: {} MB",
        peak / 1_000_000
    );
    if std::env::var_os("MIG_BENCH_PEERS").is_some() {
        match with_elasticdump(source, target, docs) {
            Ok((rate, found)) => println!("elasticdump: {rate:.0} docs/s, {found} of {docs} there"),
            Err(error) => println!("elasticdump: not run ({error})"),
        }
        match with_reindex(source, target, docs) {
            Ok((rate, found)) => {
                println!("_reindex from remote: {rate:.0} docs/s, {found} of {docs} there");
            }
            Err(error) => println!("_reindex from remote: not run ({error})"),
        }
    }
    Ok(())
}
