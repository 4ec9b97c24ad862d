//! The comparison: what it is given, what it costs, and its course.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::checkpoint::Kept;
use super::index;
use super::report::{EVIDENCE_VERSION, IndexReport, Report, Verdict};
use super::side::{DocumentSide, SideError};
use super::stream::{Meter, Which};
use crate::base::Fingerprint;
use crate::engines::bulk::StopFn;

/// Limits with names.
pub mod limits {
    /// Buckets of an index at most: 256 Ki × 32 bytes = 8 MiB a table; tables: two, and one a thread.
    pub const BUCKETS: usize = 1 << 18;
    /// Documents a bucket, as long as that gives fewer than [`BUCKETS`].
    pub const DOCS_PER_BUCKET: u64 = 64;
    /// Documents that are looked at one by one in one pass over both sides; about 150 bytes each.
    pub const DETAIL_DOCS: u64 = 1 << 20;
    /// Passes of that kind before the rest is only counted.
    pub const DETAIL_PASSES: u32 = 8;
    /// Documents that are named in the report, of each kind.
    pub const NAMED: usize = 50;
    /// Threads at most.
    pub const THREADS: u32 = 64;
    /// Documents of a live source that are read again one by one; beyond that the whole index is compared again.
    pub const SETTLE_DOCS: usize = 10_000;
    /// Documents that are looked up at once.
    pub const SETTLE_BATCH: usize = 500;
    /// Times that a partition is read at most when its reading fails half-way.
    pub const READ_AGAIN: u32 = 12;
}

/// How deep a comparison looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Counts alone, no document is read on the source.
    Counts,
    /// Every identity.
    Ids,
    /// Every identity, and the content of one in so many, chosen by identity.
    Sample {
        /// One in so many.
        one_in: u64,
    },
    /// Every byte.
    Full,
}

/// What is compared.
pub struct Comparison<'a> {
    /// What has to be there.
    pub source: &'a dyn DocumentSide,
    /// What is there.
    pub target: &'a dyn DocumentSide,
    /// Indices by name (the same on both sides).
    pub indices: Vec<String>,
    /// How.
    pub options: VerifyOptions,
    /// Asked every few thousand documents.
    pub stop: StopFn<'a>,
    /// Told a few times a second.
    pub progress: &'a (dyn Fn(VerifyProgress) + Sync),
}

/// How a comparison runs.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// How deep.
    pub content: Content,
    /// Whether versions have to be equal.
    pub versions: bool,
    /// How long differences from a live source may take to vanish; they are read again once at least.
    pub settle: Duration,
    /// Threads, 1 to [`limits::THREADS`].
    pub threads: u32,
    /// Where the digests of what was read are kept, so that a later run goes on; removed at the end.
    pub checkpoint: Option<PathBuf>,
    /// Identity of both sides (snapshot uuid, index uuids, …): a checkpoint of another one is not used.
    pub identity: Fingerprint,
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes read on both sides.
    pub bytes_done: u64,
    /// Bytes to read on both sides, known beforehand; grows when unequal buckets are read again.
    pub bytes_total: u64,
    /// Documents read on the source.
    pub source_docs: u64,
    /// Documents read on the target.
    pub target_docs: u64,
}

/// Why a comparison could not be made. No verdict is given then.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Reading the source.
    #[error("source: {0}")]
    Source(SideError),
    /// Reading the target.
    #[error("target: {0}")]
    Target(SideError),
    /// The checkpoint file.
    #[error("checkpoint {}: {source}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A reading thread ended without a result.
    #[error("a reading thread ended unexpectedly")]
    Thread,
}

/// Compares; the report's verdict is `Interrupted` when stopped.
pub fn run(comparison: &Comparison<'_>) -> Result<Report, VerifyError> {
    let options = &comparison.options;
    let identity = Fingerprint::of(&(&options.identity, options.content, options.versions));
    let path = options.checkpoint.as_deref();
    let mut kept = Kept::load(path, &identity);
    let meter = Meter::new(comparison);
    if options.content != Content::Counts {
        let (source, target) = cost(comparison)?;
        meter.bytes_total.store(source + target, Ordering::Relaxed);
    }
    meter.tell(true);
    let mut reports: BTreeMap<String, IndexReport> = BTreeMap::new();
    for name in &comparison.indices {
        let (stamp, report) = index::compare_until_settled(&meter, name, &mut kept)?;
        let interrupted = report.verdict == Verdict::Interrupted;
        reports.insert(name.clone(), report.clone());
        if interrupted {
            break;
        }
        if path.is_some() && options.content != Content::Counts {
            kept.reports.insert(name.clone(), (stamp, report));
            kept.index = None;
            index::save(&kept, path)?;
        }
    }
    meter.tell(true);
    let verdicts = || reports.values().map(|report| report.verdict);
    let interrupted = reports.len() < comparison.indices.len()
        || verdicts().any(|verdict| verdict == Verdict::Interrupted);
    let verdict = if interrupted {
        Verdict::Interrupted
    } else if verdicts().all(|verdict| verdict == Verdict::Pass) {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    if let Some(path) = path.filter(|_| !interrupted) {
        // It is of no more use; if it stays, the next comparison looks at what it was made of.
        drop(std::fs::remove_file(path));
    }
    Ok(Report {
        evidence_version: EVIDENCE_VERSION,
        content: options.content,
        versions: options.versions,
        source: comparison.source.name(),
        target: comparison.target.name(),
        verdict,
        indices: reports,
    })
}

/// Bytes that a comparison reads when nothing differs, on the source and on the target.
pub fn cost(comparison: &Comparison<'_>) -> Result<(u64, u64), VerifyError> {
    if comparison.options.content == Content::Counts {
        return Ok((0, 0));
    }
    let mut cost = [0, 0];
    for which in [Which::Source, Which::Target] {
        for index in &comparison.indices {
            let partitions = which
                .of(comparison)
                .partitions(index)
                .map_err(|error| which.error(error))?;
            cost[which.number()] += partitions.iter().map(|it| it.bytes).sum::<u64>();
        }
    }
    Ok((cost[0], cost[1]))
}
