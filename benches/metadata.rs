//! A metadata phase onto a real cluster, beside the bare calls that make the same objects with as many connections, in turn.
//!
//! `cargo bench --bench metadata -- [indices] [templates] [rounds]` starts an Elasticsearch 7.10.2 and an OpenSearch 2.19.1,
//! makes indices of thirty fields and templates that match them, takes a snapshot and keeps it in the cache for the next
//! time. The bare calls send the bodies that `mig` translates (taken from a directory target), templates first, and wait for
//! the first shard as `mig` does. `MIG_BENCH_BINARY` measures another `mig` than this build's.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mig::clients::cluster::{ClusterClient, Request};
use mig::sandbox::places::cache;
use mig::sandbox::{NodeSpec, Sandbox, Server};
use serde_json::{Value, json};

type Any = Box<dyn Error>;

/// Connections of the bare calls: what `mig` makes at once of a kind.
const AT_ONCE: usize = 8;

/// The `mig` that is measured: this build's, or `MIG_BENCH_BINARY`.
fn mig() -> PathBuf {
    std::env::var_os("MIG_BENCH_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_mig").into(), PathBuf::from)
}

fn fields() -> Value {
    let mut fields = serde_json::Map::new();
    for number in 0..30 {
        let field = match number % 4 {
            0 => json!({"type": "keyword", "ignore_above": 256}),
            1 => json!({"type": "text", "fields": {"raw": {"type": "keyword"}}}),
            2 => json!({"type": "long"}),
            _ => json!({"type": "date"}),
        };
        fields.insert(format!("field_{number:02}"), field);
    }
    json!({ "properties": fields })
}

/// Makes what is moved, and its snapshot.
fn fill(
    source: &ClusterClient,
    location: &Path,
    indices: usize,
    templates: usize,
) -> Result<(), Any> {
    if location.join("index.latest").is_file() {
        return Ok(());
    }
    let settings = json!({"index.number_of_shards": 1, "index.number_of_replicas": 0});
    for number in 0..templates {
        // Two in three are composable, as in clusters that grew.
        let request = if number % 3 == 0 {
            Request::put(format!("/_template/legacy-{number:03}")).json(
                &json!({"index_patterns": [format!("none-{number:03}-*")], "settings": settings, "mappings": fields()}),
            )
        } else {
            Request::put(format!("/_index_template/composable-{number:03}")).json(
                &json!({"index_patterns": [format!("logs-{number:03}*")], "priority": number,
                    "template": {"settings": settings, "mappings": fields()}}),
            )
        };
        source.json(request)?;
    }
    for number in 0..indices {
        let request = Request::put(format!("/logs-{number:04}?wait_for_active_shards=0"));
        source.json(request.json(&json!({"settings": settings, "mappings": fields()})))?;
    }
    source.json(Request::get(
        "/_cluster/health?wait_for_status=yellow&timeout=120s",
    ))?;
    source.json(
        Request::put("/_snapshot/bench")
            .json(&json!({"type": "fs", "settings": {"location": location}})),
    )?;
    source.json(
        Request::put("/_snapshot/bench/bench?wait_for_completion=true")
            .json(&json!({"include_global_state": true})),
    )?;
    Ok(())
}

fn plan(clusters: &str, store: &Path) -> String {
    format!(
        "mig: 1\nplan: bench\nstate: state\nclusters:\n  os: {clusters}\n\
         stores:\n  snapshots: {{ directory: {} }}\nphases:\n\
         \x20 base: {{ snapshot: {{ existing: {{ store: snapshots, name: bench }} }} }}\n\
         \x20 mappings: {{ metadata: {{ from: base, to: os }} }}\n",
        store.display()
    )
}

/// Seconds and peak bytes of one run of `mig`.
fn run(place: &Path, arguments: &[&str]) -> Result<(f64, u64), Any> {
    let began = Instant::now();
    let mut child = Command::new(mig())
        .args(arguments)
        .current_dir(place)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut peak = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let high = status.ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        peak = peak.max(high.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    if !status.success() {
        return Err(format!("mig {arguments:?} ended with {status}").into());
    }
    Ok((began.elapsed().as_secs_f64(), peak))
}

fn place(scratch: &Path, name: &str, text: &str) -> Result<PathBuf, Any> {
    let place = scratch.join(name);
    drop(std::fs::remove_dir_all(&place));
    std::fs::create_dir_all(&place)?;
    std::fs::write(place.join("plan.yaml"), text)?;
    Ok(place)
}

/// The objects as `mig` translates them, in two steps: templates, indices.
fn bodies(scratch: &Path, store: &Path) -> Result<[Vec<(String, Value)>; 2], Any> {
    let text = plan("{ directory: out, as: \"2.19\" }", store);
    let place = place(scratch, "directory", &text)?;
    run(&place, &["apply", "--auto-approve"])?;
    let mut found = [Vec::new(), Vec::new()];
    let mut folders = vec![place.join("out")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let text = path.to_string_lossy().into_owned();
            let name = path
                .file_stem()
                .map(|it| it.to_string_lossy().into_owned())
                .unwrap_or_default();
            let body: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            if name.starts_with("composable-") {
                found[0].push((format!("/_index_template/{name}"), body));
            } else if name.starts_with("legacy-") {
                found[0].push((format!("/_template/{name}"), body));
            } else if name == "index"
                && let Some(at) = text.find("/logs-")
            {
                let index = &text[at + 1..at + 10];
                let body = json!({"settings": body["settings"], "mappings": body["mappings"]});
                found[1].push((format!("/{index}?wait_for_active_shards=1"), body));
            }
        }
    }
    Ok(found)
}

fn bare(target: &ClusterClient, steps: &[Vec<(String, Value)>; 2]) -> Result<f64, Any> {
    let began = Instant::now();
    for step in steps {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some((path, body)) = step.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = target.json(Request::put(path.as_str()).json(body))
                            && let Ok(mut failures) = failures.lock()
                        {
                            failures.push(error.to_string());
                        }
                    }
                });
            }
        });
        if let Some(failure) = failures.lock().map_err(|error| error.to_string())?.first() {
            return Err(failure.clone().into());
        }
    }
    Ok(began.elapsed().as_secs_f64())
}

fn clean(target: &ClusterClient) {
    for path in [
        "/logs-*",
        "/_index_template/*",
        "/_template/legacy-*",
        "/.migrations_working_state",
    ] {
        drop(target.send(Request::delete(path)));
    }
}

fn spread(label: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (values.first(), values.last()) {
        let median = values[values.len() / 2];
        println!(
            "{label}: min {least:.2}, median {median:.2}, max {most:.2} of {}",
            values.len()
        );
    }
}

fn main() -> Result<(), Any> {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let mut next = |default: usize| arguments.next().map_or(Ok(default), |it| it.parse());
    let (indices, templates, rounds) = (next(500)?, next(200)?, next(5)?);
    let scratch = cache()
        .join("bench")
        .join(format!("metadata-{indices}-{templates}"));
    std::fs::create_dir_all(&scratch)?;
    let sandbox = Sandbox::at(&scratch.join("sandbox"))?;
    let tell = |line: &str| println!("{line}");
    let store = sandbox.repositories().join("bench");
    let start = |name: &str, server: &str| -> Result<ClusterClient, Any> {
        let mut spec = NodeSpec::new(Server::parse(server)?);
        spec.heap_mib = 1536;
        let most = json!(2 * indices + 100);
        spec.settings
            .insert("cluster.max_shards_per_node".to_owned(), most);
        let node = sandbox.node(name);
        node.up(&spec, &sandbox.repositories(), &tell)?;
        Ok(node.client()?)
    };
    if !store.join("index.latest").is_file() {
        let source = start("source", "elasticsearch:7.10.2")?;
        fill(&source, &store, indices, templates)?;
        sandbox.node("source").down()?;
    }
    let target = start("target", "opensearch:2.19.1")?;
    let ran = compare(&target, &scratch, &store, rounds);
    clean(&target);
    sandbox.down()?;
    ran
}

fn compare(target: &ClusterClient, scratch: &Path, store: &Path, rounds: usize) -> Result<(), Any> {
    let steps = bodies(scratch, store)?;
    println!(
        "{} templates, {} indices of 30 fields, {AT_ONCE} connections, {rounds} rounds",
        steps[0].len(),
        steps[1].len()
    );
    let cluster = format!(
        "{{ endpoint: \"{}\", version: \"2.19\" }}",
        target.location()
    );
    let text = plan(&cluster, store);
    let (mut plans, mut applies, mut calls, mut ratios) = (vec![], vec![], vec![], vec![]);
    let mut peak = 0;
    for round in 0..rounds {
        let place = place(scratch, "cluster", &text)?;
        let mut by_mig = || -> Result<f64, Any> {
            clean(target);
            let (planned, high) = run(&place, &["plan"])?;
            plans.push(planned);
            peak = peak.max(high);
            let (applied, high) = run(&place, &["apply", "--auto-approve"])?;
            peak = peak.max(high);
            run(&place, &["plan", "--detailed-exitcode"])?;
            Ok(applied)
        };
        let by_calls = || -> Result<f64, Any> {
            clean(target);
            bare(target, &steps)
        };
        let (applied, called) = if round % 2 == 0 {
            let applied = by_mig()?;
            (applied, by_calls()?)
        } else {
            let called = by_calls()?;
            (by_mig()?, called)
        };
        println!(
            "  round {}: apply {applied:.2} s, bare calls {called:.2} s",
            round + 1
        );
        ratios.push(applied / called);
        applies.push(applied);
        calls.push(called);
    }
    spread("mig plan, seconds", plans);
    spread("mig apply, seconds", applies);
    spread("bare calls, seconds", calls);
    spread("apply / bare calls", ratios);
    println!("mig, peak memory: {} MB", peak / 1_000_000);
    Ok(())
}
