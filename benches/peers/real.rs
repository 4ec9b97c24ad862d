//! Whole backfills onto a real cluster, beside others who move the same documents there, in turn: who posts them
//! pre-rendered with as many connections, `_reindex` from remote, `elasticdump`.
//!
//! An Elasticsearch 7.10.2 gets log entries of about 0.8 KB in five shards and takes a snapshot; all of it is kept in the
//! cache for the next time. All ways write into an index of the same settings (no replicas, no refresh) and end with a
//! refresh and a count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mig::clients::cluster::{ClusterClient, Request};
use mig::sandbox::{NodeSpec, Sandbox, Server};
use serde_json::{Value, json};

use super::logs::{Random, document, mapping};
use super::measure::{Any, Used, load_average, mig, rounds, spread, told, watched};
use super::null::elasticdump;

const INDEX: &str = "logs";
const SHARDS: u32 = 5;
/// Bytes of a pre-rendered request: what `mig` sends too.
const BATCH_BYTES: usize = mig::engines::bulk::limits::BATCH_BYTES;
/// Documents that `elasticdump` moves: its rate is the same for more, and it takes long.
const DUMPED: u64 = 100_000;
/// Documents that `_reindex` asks the source for at once.
const REINDEXED_AT_ONCE: u64 = 5000;

/// One way of moving the documents, measured.
struct Way {
    /// Documents a second.
    rate: f64,
    /// Of a process of its own.
    used: Option<Used>,
}

/// What all ways move, and where to.
struct Course<'a> {
    source: String,
    target: ClusterClient,
    store: PathBuf,
    scratch: &'a Path,
    requests: Vec<(Bytes, u64)>,
    docs: u64,
    connections: usize,
}

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

/// How long a server has nothing to do before it is measured.
const REST: Duration = Duration::from_secs(3);

/// Has what one way left behind removed and written away, before the next one begins.
fn rest(target: &ClusterClient) -> Result<(), Any> {
    clean(target);
    Command::new("sync").status()?;
    std::thread::sleep(REST);
    Ok(())
}

fn count(target: &ClusterClient) -> Result<u64, Any> {
    target.send(Request::post(format!("/{INDEX}/_refresh")))?;
    let counted = target.json(Request::get(format!("/{INDEX}/_count")))?;
    Ok(counted["count"].as_u64().unwrap_or(0))
}

/// Posts what is rendered already.
fn raw(target: &ClusterClient, requests: &[(Bytes, u64)], connections: usize) -> Result<Way, Any> {
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
    Ok(Way {
        rate: sent as f64 / seconds,
        used: None,
    })
}

/// The whole of `mig apply`; its rate is that of the backfill. The proof is made where asked for, and is no part of it.
fn with_mig(course: &Course<'_>, proof: bool) -> Result<Way, Any> {
    let (target, docs, workers) = (&course.target, course.docs, course.connections);
    let (store, scratch) = (&course.store, course.scratch);
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
        used.look(child.id());
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
        "  mig: {seconds:.1} s, {:.1} CPU s up to the end of the backfill, peak {} MB",
        loading.cpu_s,
        loading.peak_bytes / 1_000_000,
    );
    if let Some(seconds) = phases.get("same") {
        println!(
            "  its proof: {seconds:.1} s, in all {:.1} CPU s, peak {} MB",
            used.cpu_s,
            used.peak_bytes / 1_000_000,
        );
    }
    Ok(Way {
        rate: docs as f64 / seconds,
        used: Some(loading),
    })
}

fn with_elasticdump(course: &Course<'_>) -> Result<Way, Any> {
    let (target, docs) = (&course.target, DUMPED.min(course.docs));
    clean(target);
    create(target)?;
    let began = Instant::now();
    let child = Command::new("node")
        .arg(elasticdump())
        .args(["--type=data", "--limit=10000", "--concurrency=4"])
        .arg(format!("--size={docs}"))
        .arg(format!("--input={}/{INDEX}", course.source))
        .arg(format!("--output={}/{INDEX}", target.location()))
        .stdout(Stdio::null())
        .spawn()?;
    let used = watched(child)?;
    let seconds = began.elapsed().as_secs_f64();
    let found = count(target)?;
    if found != docs {
        return Err(format!("{docs} documents were to be dumped and {found} are there").into());
    }
    Ok(Way {
        rate: docs as f64 / seconds,
        used: Some(used),
    })
}

fn with_reindex(course: &Course<'_>) -> Result<Way, Any> {
    let (target, docs) = (&course.target, course.docs);
    clean(target);
    create(target)?;
    let body = json!({
        "source": {"remote": {"host": course.source}, "index": INDEX, "size": REINDEXED_AT_ONCE},
        "dest": {"index": INDEX},
    });
    let began = Instant::now();
    let request = Request::post("/_reindex?wait_for_completion=true")
        .json(&body)
        .within(Duration::from_hours(1));
    let answer = target.json(request)?;
    let found = count(target)?;
    let seconds = began.elapsed().as_secs_f64();
    if found != docs {
        return Err(
            format!("{docs} documents were to come and {found} are there: {answer}").into(),
        );
    }
    Ok(Way {
        rate: docs as f64 / seconds,
        used: None,
    })
}

/// Runs the comparison: documents by `MIG_BENCH_DOCS`, connections and workers by `MIG_BENCH_CONNECTIONS`.
pub(crate) fn on_a_cluster(sandbox: &Sandbox, scratch: &Path) -> Result<(), Any> {
    let tell = |line: &str| println!("{line}");
    let mut spec = NodeSpec::new(Server::parse("elasticsearch:7.10.2")?);
    spec.heap_mib = 2048;
    let source = sandbox.node("source");
    source.up(&spec, &sandbox.repositories(), &tell)?;
    let server = Server::parse("opensearch:2.19.1")?;
    let mut spec = NodeSpec::new(server);
    spec.heap_mib = 2048;
    spec.plugins.extend(server.reindex_module());
    let allowed = json!(["127.0.0.1:*", "localhost:*"]);
    spec.settings
        .insert("reindex.remote.allowlist".to_owned(), allowed);
    let node = sandbox.node("target");
    node.up(&spec, &sandbox.repositories(), &tell)?;
    let docs = told("MIG_BENCH_DOCS", 1_000_000);
    let store = sandbox.repositories().join("bench");
    fill(&source.client()?, &store, docs)?;
    let course = Course {
        source: source.url()?,
        target: node.client()?,
        requests: rendered(&store, scratch)?,
        store,
        scratch,
        docs,
        connections: usize::try_from(told("MIG_BENCH_CONNECTIONS", 4))?,
    };
    let compared = compare(&course);
    clean(&course.target);
    compared
}

/// The ways, each with its name; the two that are compared most closely stand side by side.
const WAYS: [&str; 4] = ["posting alone", "mig", "_reindex", "elasticdump"];

fn compare(course: &Course<'_>) -> Result<(), Any> {
    let bytes: usize = course.requests.iter().map(|(body, _)| body.len()).sum();
    println!(
        "  {} documents, {} MB as requests of {} MB, {} connections",
        course.docs,
        bytes / 1_000_000,
        BATCH_BYTES / 1_000_000,
        course.connections
    );
    let dumps = elasticdump().is_file();
    if !dumps {
        println!("  no {}: see the module", elasticdump().display());
    }
    // What a server does first takes longer: nobody is measured by it.
    raw(&course.target, &course.requests, course.connections)?;
    let rounds = rounds();
    let mut rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut used: BTreeMap<&str, (Vec<f64>, u64)> = BTreeMap::new();
    for round in 0..rounds {
        let mut line = Vec::new();
        // There and back, so that nobody always comes behind the same other.
        let mut ways = WAYS;
        if round % 2 == 1 {
            ways.reverse();
        }
        for way in ways {
            rest(&course.target)?;
            let measured = match way {
                "mig" => with_mig(course, round + 1 == rounds)?,
                "_reindex" => with_reindex(course)?,
                "elasticdump" if !dumps => continue,
                "elasticdump" => with_elasticdump(course)?,
                _ => raw(&course.target, &course.requests, course.connections)?,
            };
            line.push(format!("{way} {:.0} docs/s", measured.rate));
            rates.entry(way).or_default().push(measured.rate);
            if let Some(one) = measured.used {
                let docs = if way == "mig" {
                    course.docs
                } else {
                    DUMPED.min(course.docs)
                };
                let (by_cpu, peak) = used.entry(way).or_default();
                by_cpu.push(docs as f64 / one.cpu_s);
                *peak = (*peak).max(one.peak_bytes);
            }
        }
        println!(
            "  round {}: {}, load average {}",
            round + 1,
            line.join(", "),
            load_average()
        );
    }
    let own = rates.get("mig").cloned().unwrap_or_default();
    for (way, of_way) in rates {
        spread(&format!("{way}, documents a second"), 0, of_way.clone());
        if way != "mig" {
            let ratios = own.iter().zip(of_way).map(|(own, other)| own / other);
            spread(&format!("mig / {way}"), 3, ratios.collect());
        }
    }
    for (way, (by_cpu, peak)) in used {
        spread(
            &format!("{way}, documents a CPU second of its own"),
            0,
            by_cpu,
        );
        println!("  {way}, peak memory: {} MB", peak / 1_000_000);
    }
    Ok(())
}
