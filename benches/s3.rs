//! The reader over S3 at 20 ms latency against plain ranged reads of the same bytes from the same server, with as many
//! requests at once, in the same run: what reading can't be faster than.
//!
//!     python3 benches/make_shard.py --bytes 300MiB
//!     cargo bench --bench s3 -- [REPOSITORY]
//!
//! A real S3 server (`versitygw`, see `./test`) on this machine behind a proxy that delays each answer. Without a limit on
//! what a connection carries, everything here shares the processor and that is what is measured; S3 itself gives a
//! connection some tens of megabytes a second, so the ratio is taken with a limit,
//! low enough that the processor is no part of it, and without one beside it.
//! `MIG_BENCH_ROUNDS` sets the rounds (5), `MIG_BENCH_CONNECTION_MB` the limit in MB/s (4), `MIG_BENCH_READERS` the
//! readers, each with a segment range of its own (1 and 2).

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a program for people at a terminal, with helpers of tests"
)]

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mig::base::S3Uri;
use mig::clients::objects::open_s3;
use mig::engines::lucene::{Commit, Scratch, Segment};
use mig::engines::snapshot::Repository;

#[path = "../tests/s3/gateway.rs"]
#[allow(dead_code, reason = "shared with tests")]
mod gateway;
#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "shared with tests")]
mod place;
#[path = "../tests/s3/proxy.rs"]
#[allow(dead_code, reason = "shared with tests")]
mod proxy;

use gateway::{environment, gateway};
use proxy::{Proxy, Speed};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const LATENCY: Duration = Duration::from_millis(20);
/// One range of the plain reads: the window that the reader asks for.
const RANGE_BYTES: usize = 8 << 20;

fn number(name: &str, normal: usize) -> Result<usize> {
    Ok(std::env::var(name).map_or(Ok(normal), |text| text.parse())?)
}

fn main() -> Result<()> {
    // A process can't give itself credentials.
    if std::env::var("AWS_ACCESS_KEY_ID").as_deref() != Ok(gateway::ACCESS) {
        let mut own = Command::new(std::env::current_exe()?);
        let status = own
            .args(std::env::args().skip(1))
            .envs(environment())
            .status()?;
        return if status.success() {
            Ok(())
        } else {
            Err("failed".into())
        };
    }
    let rounds = number("MIG_BENCH_ROUNDS", 5)?;
    let limit = number("MIG_BENCH_CONNECTION_MB", 4)? as u64 * 1_000_000;
    let path = repository()?;
    println!("{}", path.display());
    let bucket = gateway().bucket("bench");
    gateway().upload(&bucket, "base", &path);
    for bytes_per_second in [Some(limit), None] {
        let speed = Speed {
            latency: LATENCY,
            bytes_per_second,
        };
        for readers in readers()? {
            let proxy = Proxy::with(gateway().port, speed);
            measure(&proxy, &bucket, readers, rounds, bytes_per_second)?;
        }
    }
    println!("resident at most {}", peak_resident());
    Ok(())
}

fn readers() -> Result<Vec<usize>> {
    Ok(match number("MIG_BENCH_READERS", 0)? {
        0 => vec![1, 2],
        some => vec![some],
    })
}

fn repository() -> Result<PathBuf> {
    if let Some(given) = std::env::args().skip(1).find(|it| !it.starts_with("--")) {
        return Ok(given.into());
    }
    let cache = match std::env::var_os("MIG_CACHE_DIR") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var("HOME")?).join(".cache/mig"),
    };
    for entry in std::fs::read_dir(cache.join("bench"))? {
        let path = entry?.path();
        if path.is_dir() && path.to_string_lossy().ends_with("-300MiB") {
            return Ok(path);
        }
    }
    Err("no repository: see the head of benches/s3.rs".into())
}

fn peak_resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

/// A run of chunks of a segment that one reader takes.
struct Item {
    segment: usize,
    chunks: std::ops::Range<usize>,
}

fn measure(
    proxy: &Proxy,
    bucket: &str,
    readers: usize,
    rounds: usize,
    limit: Option<u64>,
) -> Result<()> {
    let uri = proxy.uri(bucket, "base");
    let store = open_s3(&S3Uri::parse(&uri)?, None)?;
    let repository = Repository::open(store.clone())?;
    let name = &repository.snapshots().first().ok_or("no snapshot")?.name;
    let snapshot = repository.snapshot(name)?;
    let mut segments = Vec::new();
    let opening = (Instant::now(), proxy.seen().len());
    for index in snapshot.indices() {
        for shard in 0..index.shards {
            let files = snapshot.shard(&index.name, shard)?.files().clone();
            for info in Commit::read(files.as_ref())?.segments {
                segments.push(Segment::open(files.clone(), &info)?);
            }
        }
    }
    println!(
        "{} readers, {}: {} segments opened in {:.2} s with {} requests",
        readers,
        limit.map_or("no limit on a connection".to_owned(), |limit| format!(
            "{} MB/s a connection",
            limit / 1_000_000
        )),
        segments.len(),
        opening.0.elapsed().as_secs_f64(),
        proxy.seen().len() - opening.1,
    );
    let mut items = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let chunks = segment.chunks().len();
        for part in 0..readers {
            let chunks = chunks * part / readers..chunks * (part + 1) / readers;
            items.push(Item {
                segment: number,
                chunks,
            });
        }
    }
    // The objects that the reader reads from, as its own requests show: those of the largest ranges.
    let (mut reading, mut plain, mut bytes, mut docs) = (Vec::new(), Vec::new(), 0, 0);
    let mut windows = Vec::new();
    let mut at_once = 0;
    for _ in 0..rounds {
        let before = proxy.seen().len();
        proxy.most_at_once();
        let began = Instant::now();
        (bytes, docs) = read(&segments, &items, readers)?;
        reading.push(began.elapsed());
        at_once = proxy.most_at_once();
        let ranges = ranges(&proxy.seen()[before..]);
        let began = Instant::now();
        let got = fetch(proxy, &ranges, usize::try_from(at_once)?)?;
        plain.push(began.elapsed().mul_f64(bytes as f64 / got as f64));
        let began = Instant::now();
        let got = read_windows(&*store, &format!("/{bucket}/base/"), &ranges)?;
        windows.push(began.elapsed().mul_f64(bytes as f64 / got as f64));
    }
    let mut undecoded: Vec<f64> = windows
        .iter()
        .zip(&plain)
        .map(|(windows, plain)| plain.as_secs_f64() / windows.as_secs_f64())
        .collect();
    undecoded.sort_by(f64::total_cmp);
    let mut ratios: Vec<f64> = reading
        .iter()
        .zip(&plain)
        .map(|(reading, plain)| plain.as_secs_f64() / reading.as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);
    for (what, series) in [
        ("reader", &mut reading),
        ("its reads alone", &mut windows),
        ("plain ranged reads", &mut plain),
    ] {
        series.sort_unstable();
        for (kind, time) in [("min", series[0]), ("median", series[series.len() / 2])] {
            println!(
                "  {what:<18} {kind:<6} {:>6.2} s  {:>6.1} MB/s",
                time.as_secs_f64(),
                bytes as f64 / time.as_secs_f64() / 1e6
            );
        }
    }
    println!(
        "  reader / plain: {:.3} worst, {:.3} median, {:.3} best of {rounds}; {at_once} requests at once; {docs} documents, \
         {bytes} bytes of chunks",
        ratios[0],
        ratios[ratios.len() / 2],
        ratios[ratios.len() - 1],
    );
    println!(
        "  its reads alone, by one reader, nothing decoded / plain: {:.3} worst, {:.3} median, {:.3} best",
        undecoded[0],
        undecoded[undecoded.len() / 2],
        undecoded[undecoded.len() - 1],
    );
    Ok(())
}

/// Every document, by so many threads.
fn read(segments: &[Segment], items: &[Item], readers: usize) -> Result<(u64, u64)> {
    let next = AtomicUsize::new(0);
    let sums = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..readers)
            .map(|_| {
                scope.spawn(|| {
                    let mut scratch = Scratch::new();
                    let (mut bytes, mut docs) = (0, 0);
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let segment = &segments[item.segment];
                        segment.expect(item.chunks.clone());
                        let stats = segment
                            .read_documents(item.chunks.clone(), &mut scratch, |document| {
                                black_box(document);
                                Ok::<(), std::convert::Infallible>(())
                            })
                            .map_err(|error| format!("{error:?}"))?;
                        bytes += stats.compressed_bytes;
                        docs += stats.live_roots;
                    }
                    Ok::<_, String>((bytes, docs))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a reader panicked".to_owned())?)
            .collect::<std::result::Result<Vec<_>, _>>()
    })?;
    Ok(sums
        .iter()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
}

/// The same ranges one after the other through the store that the reader reads from; the bytes that came.
fn read_windows(
    store: &dyn mig::clients::objects::ObjectStore,
    prefix: &str,
    ranges: &[(String, u64, u64)],
) -> Result<u64> {
    let mut got = 0;
    for ranges in ranges.chunk_by(|one, other| one.0 == other.0) {
        let key = ranges[0].0.strip_prefix(prefix).ok_or("another prefix")?;
        let object = store.open(key)?;
        for (_, from, to) in ranges {
            let length = usize::try_from(to - from)?;
            got += black_box(object.read_at(*from, length)?).len() as u64;
        }
    }
    Ok(got)
}

/// What the reader fetched, each object's bytes once, in ranges of [`RANGE_BYTES`].
fn ranges(seen: &[proxy::Seen]) -> Vec<(String, u64, u64)> {
    let mut spans: std::collections::BTreeMap<String, (u64, u64)> =
        std::collections::BTreeMap::new();
    for seen in seen {
        let range = seen
            .range
            .as_deref()
            .and_then(|it| it.strip_prefix("bytes="));
        let Some((from, to)) = range.and_then(|it| it.split_once('-')) else {
            continue;
        };
        let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse::<u64>().unwrap() + 1);
        let path = seen.path.split('?').next().unwrap_or_default().to_owned();
        let span = spans.entry(path).or_insert((from, to));
        *span = (span.0.min(from), span.1.max(to));
    }
    let mut ranges = Vec::new();
    for (path, (start, end)) in spans {
        let mut at = start;
        while at < end {
            let next = (at + RANGE_BYTES as u64).min(end);
            ranges.push((path.clone(), at, next));
            at = next;
        }
    }
    ranges
}

/// Plain ranged reads, so many at once; the bytes that came.
fn fetch(proxy: &Proxy, ranges: &[(String, u64, u64)], at_once: usize) -> Result<u64> {
    let next = AtomicUsize::new(0);
    let plain = Plain::to(&format!("http://127.0.0.1:{}", proxy.port));
    let sums = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once)
            .map(|_| {
                scope.spawn(|| {
                    let mut got = 0;
                    while let Some((path, from, to)) =
                        ranges.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        got += plain.get(path, *from, *to);
                    }
                    got
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a plain read panicked"))
            .sum::<std::result::Result<u64, _>>()
    })?;
    Ok(sums)
}

/// Plain ranged reads, for comparison.
struct Plain {
    client: aws_sdk_s3::Client,
    runtime: tokio::runtime::Runtime,
}

impl Plain {
    fn to(endpoint: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Self {
            client: gateway::client(endpoint),
            runtime: runtime.unwrap(),
        }
    }

    /// The bytes of a range of `/bucket/key` that came.
    fn get(&self, path: &str, from: u64, to: u64) -> u64 {
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap();
        self.runtime.block_on(async {
            let request = self.client.get_object().bucket(bucket).key(key);
            let range = format!("bytes={from}-{}", to - 1);
            let mut body = request.range(range).send().await.unwrap().body;
            let mut got = 0;
            while let Some(chunk) = body.next().await {
                got += chunk.unwrap().len() as u64;
            }
            got
        })
    }
}
