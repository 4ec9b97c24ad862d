//! Whole backfills into a target that costs nothing ([`Sink`]), and `elasticdump` into the same.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mig::clients::cluster::{ClusterClient, Request};
use mig::sandbox::places::cache;
use mig::sandbox::{Node, NodeSpec, Sandbox, Server};
use serde_json::json;

use super::measure::{Any, Used, load_average, mig, rounds, spread, watched};
use super::sink::{Seen, Sink, Speed};

/// Documents that `elasticdump` moves: it takes long.
const DUMPED: u64 = 100_000;

/// A backfill into the sink, and what it used and sent.
struct Loaded {
    used: Used,
    seen: Seen,
}

pub(crate) struct Bench {
    pub(crate) upstream: ClusterClient,
    pub(crate) port: u16,
    pub(crate) scratch: PathBuf,
}

impl Bench {
    fn clean(&self) {
        for index in ["logs", ".migrations_working_state"] {
            drop(self.upstream.send(Request::delete(format!("/{index}"))));
        }
    }

    fn load(&self, store: &Path, speed: Speed, words: &str, fields: &str) -> Result<Loaded, Any> {
        self.clean();
        let sink = Sink::start(self.port, speed)?;
        let place = self.scratch.join("plan");
        drop(std::fs::remove_dir_all(&place));
        std::fs::create_dir_all(&place)?;
        let plan = format!(
            "mig: 1\nplan: bench\nstate: state\nclusters:\n  os: {{ endpoint: \"{}\", nodes: endpoint{words} }}\n\
             stores:\n  snapshots: {{ directory: {} }}\nphases:\n\
             \x20 base: {{ snapshot: {{ existing: {{ store: snapshots, name: bench }} }} }}\n\
             \x20 mappings: {{ metadata: {{ from: base, to: os }} }}\n\
             \x20 docs: {{ backfill: {{ from: base, to: os, {fields} }} }}\n",
            sink.url(),
            store.display()
        );
        std::fs::write(place.join("plan.yaml"), plan)?;
        let child = Command::new(mig())
            .args(["apply", "--auto-approve"])
            .current_dir(&place)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let used = watched(child)?;
        Ok(Loaded {
            used,
            seen: sink.seen(),
        })
    }
}

/// The repositories of `make_shard.py`, by codec.
fn repositories() -> Vec<(&'static str, PathBuf)> {
    [("LZ4", "default"), ("DEFLATE", "best_compression")]
        .into_iter()
        .map(|(name, codec)| {
            let folder = format!("es-7.10.2-{codec}-300MiB");
            (name, cache().join("bench").join(folder))
        })
        .filter(|(name, path)| {
            let there = path.is_dir();
            if !there {
                println!("{name}: no {}: see the module", path.display());
            }
            there
        })
        .collect()
}

pub(crate) fn into_sink(bench: &Bench) -> Result<(), Any> {
    for (name, store) in repositories() {
        let (mut rates, mut peaks) = (Vec::new(), Vec::new());
        for _ in 0..rounds() {
            let Loaded { used, seen } = bench.load(&store, Speed::default(), "", "workers: 2")?;
            println!(
                "  {name}: {} documents, {:.2} CPU s, {} requests of {} KB, {} at once, peak {} MB, load average {}",
                seen.docs,
                used.cpu_s,
                seen.requests,
                seen.bytes / seen.requests.max(1) / 1000,
                seen.at_once,
                used.peak_bytes / 1_000_000,
                load_average(),
            );
            rates.push(seen.docs as f64 / used.cpu_s);
            peaks.push(used.peak_bytes as f64 / 1e6);
        }
        spread(&format!("{name}, documents a CPU second"), 0, rates);
        spread(&format!("{name}, peak memory in MB"), 0, peaks);
    }
    Ok(())
}

pub(crate) fn by_workers(bench: &Bench) -> Result<(), Any> {
    let speed = Speed {
        answer_after: Duration::from_millis(20),
        ..Speed::default()
    };
    let Some((_, store)) = repositories().into_iter().next() else {
        return Ok(());
    };
    for (what, batch) in [("5 MiB", "5MiB"), ("64 KiB", "64KiB")] {
        for workers in [1, 2, 4, 8] {
            let fields = format!("workers: {workers}, limits: {{ batch: {batch} }}");
            let Loaded { used, seen } = bench.load(&store, speed, "", &fields)?;
            println!(
                "  batches of {what}, {workers} workers: {:.0} documents/s while they came, {:.2} CPU s, {} at once, {} requests \
                 to the work store ({:.5} a document), load average {}",
                seen.docs as f64 / seen.seconds.max(1e-3),
                used.cpu_s,
                seen.at_once,
                seen.store,
                seen.store as f64 / seen.docs.max(1) as f64,
                load_average(),
            );
        }
    }
    Ok(())
}

pub(crate) fn over_lines(bench: &Bench) -> Result<(), Any> {
    let Some((_, store)) = repositories().into_iter().next() else {
        return Ok(());
    };
    for (line, bits) in [
        ("none", None),
        ("1 Gbit/s", Some(1000_u64)),
        ("100 Mbit/s", Some(100)),
    ] {
        for compress in ["none", "gzip"] {
            // Four connections share the line.
            let speed = Speed {
                bytes_per_second: bits.map(|megabits| megabits * 125_000 / 4),
                ..Speed::default()
            };
            let words = format!(", compress: {compress}");
            let fields = "workers: 2, limits: { in-flight: 4 }";
            let Loaded { used, seen } = bench.load(&store, speed, &words, fields)?;
            println!(
                "  line {line}, compress {compress}: {:.0} documents/s while they came, {:.2} CPU s, {:.1} MB on the wire of {:.1}, \
                 load average {}",
                seen.docs as f64 / seen.seconds.max(1e-3),
                used.cpu_s,
                seen.wire_bytes as f64 / 1e6,
                seen.bytes as f64 / 1e6,
                load_average(),
            );
        }
    }
    Ok(())
}

/// The server, which is another user, has to write there.
fn copy(from: &Path, to: &Path) -> Result<(), Any> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o777))?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// The snapshot's documents on a live server again.
fn restored(node: &Node, sandbox: &Sandbox, store: &Path) -> Result<String, Any> {
    let mut spec = NodeSpec::new(Server::parse("elasticsearch:7.10.2")?);
    spec.heap_mib = 1024;
    node.up(&spec, &sandbox.repositories(), &|line| println!("{line}"))?;
    let place = sandbox.repositories().join("restore");
    copy(store, &place)?;
    let client = node.client()?;
    drop(client.send(Request::delete("/logs")));
    let repository =
        json!({"type": "fs", "settings": {"location": place, "max_restore_bytes_per_sec": "0"}});
    client.send(Request::put("/_snapshot/restore").json(&repository))?;
    let request = Request::post("/_snapshot/restore/bench/_restore?wait_for_completion=true");
    client.send(
        request
            .json(&json!({"indices": "logs", "include_global_state": false}))
            .within(Duration::from_mins(10)),
    )?;
    std::fs::remove_dir_all(&place)?;
    Ok(node.url()?)
}

/// Where it is installed to.
pub(crate) fn elasticdump() -> PathBuf {
    cache().join("bench/npm/node_modules/elasticdump/bin/elasticdump")
}

pub(crate) fn beside_elasticdump(bench: &Bench, sandbox: &Sandbox) -> Result<(), Any> {
    let script = elasticdump();
    let Some((_, store)) = repositories().into_iter().next() else {
        return Ok(());
    };
    if !script.is_file() {
        println!("  no {}: see the module", script.display());
        return Ok(());
    }
    let source = restored(&sandbox.node("source"), sandbox, &store)?;
    let mut ratios = Vec::new();
    for _ in 0..rounds() {
        let Loaded { used, seen } = bench.load(&store, Speed::default(), "", "workers: 2")?;
        let ours = seen.docs as f64 / used.cpu_s;
        let sink = Sink::start(bench.port, Speed::default())?;
        let began = Instant::now();
        let child = Command::new("node")
            .arg(&script)
            .args(["--type=data", "--limit=10000", "--noRefresh"])
            .arg(format!("--size={DUMPED}"))
            .arg(format!("--input={source}/logs"))
            .arg(format!("--output={}/logs", sink.url()))
            .stdout(Stdio::null())
            .spawn()?;
        let used = watched(child)?;
        let seen = sink.seen();
        let theirs = seen.docs as f64 / used.cpu_s;
        println!(
            "  elasticdump: {} documents, {:.2} CPU s, {:.1} s, peak {} MB: {theirs:.0} a CPU second; mig {ours:.0}: {:.1} times, load average {}",
            seen.docs,
            used.cpu_s,
            began.elapsed().as_secs_f64(),
            used.peak_bytes / 1_000_000,
            ours / theirs,
            load_average(),
        );
        ratios.push(ours / theirs);
    }
    spread("mig / elasticdump, documents a CPU second", 1, ratios);
    Ok(())
}
