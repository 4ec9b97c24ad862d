//! The native reader on one thread, into a consumer that does nothing, against plain decompression of the same chunks in
//! the same run: what reading can't be cheaper than.
//!
//!     python3 benches/make_shard.py --bytes 300MiB
//!     cargo bench --bench reader -- [REPOSITORY…]
//!
//! Repositories are arguments, or `MIG_BENCH_REPO`, or all of 300 MiB in the cache directory of `make_shard.py`. Rounds
//! alternate; CPU seconds are those of the thread, from `/proc`. `MIG_BENCH_ROUNDS` sets how many (7).

#![allow(clippy::print_stdout)]
#![allow(missing_docs)]

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mig::clients::objects::DirectoryStore;
use mig::engines::lucene::{Commit, Scratch, Segment};
use mig::engines::snapshot::Repository;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let rounds = std::env::var("MIG_BENCH_ROUNDS").map_or(Ok(7), |text| text.parse())?;
    for path in repositories()? {
        measure(&path, rounds)?;
    }
    Ok(())
}

fn repositories() -> Result<Vec<PathBuf>> {
    let given: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    if !given.is_empty() {
        return Ok(given);
    }
    if let Some(path) = std::env::var_os("MIG_BENCH_REPO") {
        return Ok(vec![path.into()]);
    }
    let cache = match std::env::var_os("MIG_CACHE_DIR") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var("HOME")?).join(".cache/mig"),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(cache.join("bench"))? {
        let path = entry?.path();
        if path.is_dir() && path.to_string_lossy().ends_with("-300MiB") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// CPU time of this thread, which does all the work, to the nanosecond.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn peak_resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

fn measure(path: &Path, rounds: usize) -> Result<()> {
    let repository = Repository::open(Arc::new(DirectoryStore::new(path)))?;
    let name = &repository.snapshots().first().ok_or("no snapshot")?.name;
    let snapshot = repository.snapshot(name)?;
    let mut segments = Vec::new();
    let opening = cpu();
    for index in snapshot.indices() {
        for shard in 0..index.shards {
            let files = snapshot.shard(&index.name, shard)?.files().clone();
            for info in Commit::read(files.as_ref())?.segments {
                segments.push(Segment::open(files.clone(), &info)?);
            }
        }
    }
    let opening = cpu().saturating_sub(opening);
    println!("{}", path.display());
    let chunks: usize = segments.iter().map(|segment| segment.chunks().len()).sum();
    let formats = segments.first().map_or("none", Segment::stored_format);
    println!(
        "  {} segments, {chunks} chunks, {formats}, opened in {opening:?} of CPU",
        segments.len()
    );
    println!("  resident at most {} after opening", peak_resident());
    let mut scratch = Scratch::new();
    let (mut reading, mut plain, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    let (mut docs, mut bytes, mut packed) = (0, 0, 0);
    for _ in 0..rounds {
        let (start, clock) = (cpu(), Instant::now());
        (docs, bytes, packed) = (0, 0, 0);
        for segment in &segments {
            let stats = segment.read_documents(0..usize::MAX, &mut scratch, |document| {
                black_box(document);
                Ok::<(), std::convert::Infallible>(())
            })?;
            segment.check_spans(&[stats.span])?;
            docs += stats.live_roots;
            bytes += stats.decompressed_bytes;
            packed += stats.compressed_bytes;
        }
        reading.push(cpu().saturating_sub(start));
        wall.push(clock.elapsed());
        let start = cpu();
        for segment in &segments {
            black_box(segment.decompress(0..usize::MAX, &mut scratch)?);
        }
        plain.push(cpu().saturating_sub(start));
    }
    for series in [&mut reading, &mut plain, &mut wall] {
        series.sort_unstable();
    }
    let show = |what: &str, series: &[Duration]| {
        for (kind, time) in [("min", series[0]), ("median", series[series.len() / 2])] {
            let seconds = time.as_secs_f64();
            println!(
                "  {what:<22} {kind:<6} {:>9} ms  {:>10.0} docs/s  {:>7.1} MB/s decompressed",
                time.as_millis(),
                docs as f64 / seconds,
                bytes as f64 / seconds / 1e6,
            );
        }
    };
    println!("  {docs} documents, {packed} bytes of chunks, {bytes} decompressed, {rounds} rounds");
    show("reader, CPU", &reading);
    show("reader, wall clock", &wall);
    show("plain, CPU", &plain);
    let ratio = |at: usize| plain[at].as_secs_f64() / reading[at].as_secs_f64();
    println!(
        "  reader / plain: {:.2} (min), {:.2} (median); resident at most {}",
        ratio(0),
        ratio(rounds / 2),
        peak_resident()
    );
    Ok(())
}
