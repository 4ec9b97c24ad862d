//! What loading costs and how fast it is, beside what others do, in the same run.
//!
//!     python3 benches/make_shard.py --bytes 300MiB
//!     python3 benches/make_shard.py --bytes 300MiB --codec best_compression
//!     npm install --prefix ~/.cache/mig/bench/npm elasticdump
//!     cargo bench --bench peers -- [sink] [workers] [gzip] [elasticdump] [cluster]
//!
//! * `sink`: whole backfills into a target that answers `_bulk` at once ([`sink`]) and passes all else on to a real
//!   OpenSearch, from snapshots with LZ4 and with DEFLATE. CPU seconds are of the process alone, which other work on the
//!   machine changes little.
//! * `workers`: one, two, four and eight workers against a target that takes 20 ms for each request, and the requests to the
//!   work store for each document.
//! * `gzip`: plain and compressed requests over lines of several speeds.
//! * `elasticdump`: the same documents from a live Elasticsearch, which the snapshot was restored to, into the same target,
//!   in turn with `mig`.
//! * `cluster`: onto a real OpenSearch 2.19.1, in turn: pre-rendered requests, `mig`, `_reindex` from remote, `elasticdump`
//!   ([`real`]). `MIG_BENCH_DOCS` and `MIG_BENCH_CONNECTIONS` say how many documents (1 000 000) over how many connections (4).
//!
//! `MIG_BENCH_BINARY` measures another `mig` than this build's, `MIG_BENCH_ROUNDS` says how many rounds (3). Nothing of
//! `elasticdump` is in the tree; what lacks it is left out.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../logs/mod.rs"]
mod logs;
mod measure;
mod null;
mod real;
mod sink;

use mig::sandbox::places::cache;
use mig::sandbox::{NodeSpec, Sandbox, Server};

use measure::Any;
use null::{Bench, beside_elasticdump, by_workers, into_sink, over_lines};

/// Against a target that costs nothing.
fn against_nothing(wants: &dyn Fn(&str) -> bool) -> Result<(), Any> {
    let scratch = cache().join("bench").join("peers");
    std::fs::create_dir_all(&scratch)?;
    let sandbox = Sandbox::at(&scratch.join("sandbox"))?;
    let node = sandbox.node("target");
    let mut spec = NodeSpec::new(Server::parse("opensearch:2.19.1")?);
    spec.heap_mib = 512;
    node.up(&spec, &sandbox.repositories(), &|line| println!("{line}"))?;
    let url = node.url()?;
    let port = url.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let bench = Bench {
        upstream: node.client()?,
        port: port.ok_or("the server has no port")?,
        scratch: scratch.clone(),
    };
    let run = |what: &str, with: &dyn Fn() -> Result<(), Any>| -> Result<(), Any> {
        if wants(what) {
            println!("{what}");
            with()?;
        }
        Ok(())
    };
    let ran = run("sink", &|| into_sink(&bench))
        .and_then(|()| run("workers", &|| by_workers(&bench)))
        .and_then(|()| run("gzip", &|| over_lines(&bench)))
        .and_then(|()| run("elasticdump", &|| beside_elasticdump(&bench, &sandbox)));
    sandbox.down()?;
    drop(std::fs::remove_dir_all(scratch.join("sandbox")));
    ran
}

/// Onto a real cluster; its source is kept for the next time.
fn against_a_cluster() -> Result<(), Any> {
    println!("cluster");
    let scratch = cache().join("bench").join("peers-cluster");
    std::fs::create_dir_all(&scratch)?;
    let sandbox = Sandbox::at(&scratch.join("sandbox"))?;
    let ran = real::on_a_cluster(&sandbox, &scratch);
    sandbox.down()?;
    ran
}

fn main() -> Result<(), Any> {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .collect();
    let wants = |what: &str| asked.is_empty() || asked.iter().any(|it| it == what);
    if ["sink", "workers", "gzip", "elasticdump"]
        .into_iter()
        .any(wants)
    {
        against_nothing(&wants)?;
    }
    if wants("cluster") {
        against_a_cluster()?;
    }
    Ok(())
}
