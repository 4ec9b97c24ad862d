//! The comparison of one index.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::buckets::{Digester, Gathered, Look, Table, bucket_count, bucket_of};
use super::checkpoint::{Current, Kept};
use super::compare::{Comparison, Content, VerifyError, limits};
use super::detail;
use super::report::{IndexReport, Verdict};
use super::settle::{self, Settle, Settled};
use super::side::SideDocument;
use super::stream::{Collect, Meter, Task, Which, read_all};
use crate::base::Fingerprint;
use crate::clients::target::Partition;

/// Time between two checkpoints.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// What all threads add to.
struct Sums {
    tables: [Table; 2],
    done: [Vec<Partition>; 2],
    saved: Instant,
}

struct Collector<'a> {
    look: Look,
    versions: bool,
    /// Buckets that count; all where `None`.
    wanted: Option<&'a [bool]>,
    buckets: usize,
    digester: Digester,
    gathered: Gathered,
    sums: &'a Mutex<Sums>,
    save: &'a (dyn Fn(&mut Sums) -> Result<(), VerifyError> + Sync),
}

fn lock(sums: &Mutex<Sums>) -> MutexGuard<'_, Sums> {
    // A thread that panicked ends the comparison with an error.
    sums.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Collect for Collector<'_> {
    fn document(&mut self, which: Which, document: &SideDocument<'_>) {
        let identity = self.digester.identity(document);
        let bucket = bucket_of(identity, self.buckets);
        if self.wanted.is_some_and(|wanted| !wanted[bucket]) {
            return;
        }
        let source = which.or_no_source(document.source);
        let content = self.digester.content(identity, source, self.look);
        let version = document.version.filter(|_| self.versions);
        self.gathered
            .add(bucket, Digester::document(identity, content, version));
    }

    fn done(&mut self, (which, partition): &Task) -> Result<(), VerifyError> {
        let mut sums = lock(self.sums);
        self.gathered.pour(&mut sums.tables[which.number()]);
        sums.done[which.number()].push(partition.clone());
        (self.save)(&mut sums)
    }

    fn broken_off(&mut self) {
        self.gathered.clear();
    }
}

pub(super) fn save(kept: &Kept, path: Option<&Path>) -> Result<(), VerifyError> {
    let Some(path) = path else {
        return Ok(());
    };
    kept.save(path).map_err(|source| VerifyError::Checkpoint {
        path: path.to_owned(),
        source,
    })
}

fn empty_report(expected: Option<u64>) -> IndexReport {
    IndexReport {
        verdict: Verdict::Fail,
        expected,
        source_docs: None,
        found: 0,
        missing: 0,
        different: 0,
        extra: 0,
        duplicates: 0,
        respelled: 0,
        settled: 0,
        unexamined_buckets: None,
        source_digest: String::new(),
        target_digest: String::new(),
        named: Vec::new(),
        findings: Vec::new(),
        open: Vec::new(),
        unsettled: Vec::new(),
    }
}

fn interrupted(expected: Option<u64>) -> IndexReport {
    IndexReport {
        verdict: Verdict::Interrupted,
        ..empty_report(expected)
    }
}

fn look(content: Content) -> Option<Look> {
    match content {
        Content::Counts => None,
        Content::Ids => Some(Look::Ids),
        Content::Sample { one_in } => Some(Look::Sample(one_in)),
        Content::Full => Some(Look::Raw),
    }
}

/// Compares one index; where the source is live, until what differs became equal or the time is over. Says also what
/// identity the report has.
pub(super) fn compare_until_settled(
    meter: &Meter<'_>,
    name: &str,
    kept: &mut Kept,
) -> Result<(Fingerprint, IndexReport), VerifyError> {
    let options = &meter.comparison.options;
    let until = Instant::now() + options.settle;
    let mut rounds = 0;
    loop {
        let (stamp, mut report) = compare(meter, name, kept)?;
        rounds += 1;
        if report.verdict != Verdict::Fail {
            return Ok((stamp, report));
        }
        if !settle::possible(meter, name)? {
            let unsettled = std::mem::take(&mut report.unsettled);
            report.findings.extend(unsettled);
            return Ok((stamp, report));
        }
        let again = Settle {
            index: name,
            look: look(options.content),
            until,
            rounds,
        };
        match settle::settle(meter, &again, &mut report)? {
            Settled::Final => return Ok((stamp, report)),
            Settled::CompareAgain => {}
            Settled::Stopped => return Ok((stamp, interrupted(report.expected))),
        }
    }
}

fn compare(
    meter: &Meter<'_>,
    name: &str,
    kept: &mut Kept,
) -> Result<(Fingerprint, IndexReport), VerifyError> {
    let comparison = meter.comparison;
    let count = |which: Which| {
        which
            .of(comparison)
            .count(name)
            .map_err(|error| which.error(error))
    };
    let (expected, counted) = (count(Which::Source)?, count(Which::Target)?);
    let Some(look) = look(comparison.options.content) else {
        let report = compare_counts(expected, counted);
        return Ok((Fingerprint::of(&(expected, counted)), report));
    };
    let mut tasks: Vec<Task> = Vec::new();
    for which in [Which::Source, Which::Target] {
        let partitions = which
            .of(comparison)
            .partitions(name)
            .map_err(|error| which.error(error))?;
        tasks.extend(partitions.into_iter().map(|partition| (which, partition)));
    }
    let identities: Vec<_> = tasks.iter().map(|(side, it)| (side.number(), it)).collect();
    let stamp = Fingerprint::of(&(&identities, expected, counted));
    let usable = |(of, report): &&(Fingerprint, IndexReport)| {
        // What differed from a live source may be equal by now.
        *of == stamp && (report.verdict == Verdict::Pass || !comparison.source.moves())
    };
    if let Some((_, report)) = kept.reports.get(name).filter(usable) {
        return Ok((stamp, report.clone()));
    }
    let Some(sums) = digest(meter, name, &tasks, look, expected.or(counted), kept)? else {
        return Ok((stamp, interrupted(expected)));
    };
    let mut report = empty_report(expected);
    let totals = [sums.tables[0].total(), sums.tables[1].total()];
    report.source_docs = Some(totals[0].docs);
    report.found = totals[1].docs;
    report.source_digest = format!("{:032x}", totals[0].sum);
    report.target_digest = format!("{:032x}", totals[1].sum);
    if let Some(expected) = expected.filter(|expected| *expected != totals[0].docs) {
        let finding = format!(
            "the source counts {expected} live documents by another path, {} were read",
            totals[0].docs
        );
        doubt(comparison, &mut report, finding);
    }
    if let Some(counted) = counted.filter(|counted| *counted != totals[1].docs) {
        let finding = format!(
            "the target counts {counted} documents, {} were read",
            totals[1].docs
        );
        doubt(comparison, &mut report, finding);
    }
    let mut tables = sums.tables;
    let unequal = unequal(&tables);
    if !unequal.is_empty() {
        let finished = look_closer(meter, name, &tasks, look, &mut tables, unequal, &mut report)?;
        if !finished {
            return Ok((stamp, interrupted(expected)));
        }
    }
    let clean = report.missing + report.different + report.extra + report.duplicates == 0
        && report.unexamined_buckets.is_none()
        && report.findings.is_empty()
        && report.unsettled.is_empty()
        && report.source_docs == Some(report.found);
    if clean {
        report.verdict = Verdict::Pass;
    }
    Ok((stamp, report))
}

/// A finding, at once or unless it vanishes.
fn doubt(comparison: &Comparison<'_>, report: &mut IndexReport, finding: String) {
    if comparison.source.moves() {
        report.unsettled.push(finding);
    } else {
        report.findings.push(finding);
    }
}

fn compare_counts(expected: Option<u64>, counted: Option<u64>) -> IndexReport {
    let mut report = empty_report(expected);
    match (expected, counted) {
        (Some(expected), Some(found)) => {
            report.found = found;
            report.missing = expected.saturating_sub(found);
            report.extra = found.saturating_sub(expected);
            if expected == found {
                report.verdict = Verdict::Pass;
            }
        }
        _ => report.findings.push(
            "one side can't count without reading: use `content: ids`, `sample` or `full`"
                .to_owned(),
        ),
    }
    report
}

fn unequal(tables: &[Table; 2]) -> Vec<usize> {
    let pairs = tables[0].buckets.iter().zip(&tables[1].buckets);
    pairs
        .enumerate()
        .filter(|(_, (source, target))| source != target)
        .map(|(bucket, _)| bucket)
        .collect()
}

/// The digests of both sides; goes on where a checkpoint of the same partitions is.
fn digest(
    meter: &Meter<'_>,
    name: &str,
    tasks: &[Task],
    look: Look,
    docs: Option<u64>,
    kept: &mut Kept,
) -> Result<Option<Sums>, VerifyError> {
    let buckets = bucket_count(docs.unwrap_or(u64::MAX));
    let path = meter.comparison.options.checkpoint.as_deref();
    let mut sums = Sums {
        tables: [Table::new(buckets), Table::new(buckets)],
        done: [Vec::new(), Vec::new()],
        saved: Instant::now(),
    };
    let mut open: Vec<Task> = tasks.to_vec();
    if let Some(current) = kept.index.take()
        && current.name == name
        && let Some(tables) = current.tables
        && tables.iter().all(|table| table.buckets.len() == buckets)
    {
        let ours = [Which::Source, Which::Target].into_iter().all(|which| {
            let done = &current.done[which.number()];
            done.iter()
                .all(|partition| tasks.contains(&(which, partition.clone())))
        });
        // A partition that moved since is in the sums and can't be taken out: then all is read again.
        if ours {
            open.retain(|(which, partition)| !current.done[which.number()].contains(partition));
            sums.tables = tables;
            sums.done = current.done;
        }
    }
    let base = kept.clone();
    let keep = |sums: &mut Sums| {
        let mut kept = base.clone();
        kept.index = Some(Current::new(
            name.to_owned(),
            sums.done.clone(),
            sums.tables.clone(),
        ));
        sums.saved = Instant::now();
        save(&kept, path)
    };
    let save_sometimes = |sums: &mut Sums| {
        if path.is_some() && sums.saved.elapsed() >= SAVE_EVERY {
            keep(sums)?;
        }
        Ok(())
    };
    let sums = Mutex::new(sums);
    let finished = read_all(meter, name, &open, &|| Collector {
        look,
        versions: meter.comparison.options.versions,
        wanted: None,
        buckets,
        digester: Digester::default(),
        gathered: Gathered::new(buckets),
        sums: &sums,
        save: &save_sometimes,
    })?;
    let mut sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    if finished {
        return Ok(Some(sums));
    }
    if path.is_some() {
        keep(&mut sums)?;
    }
    Ok(None)
}

/// Reads unequal buckets again. `false`: stopped as asked.
fn look_closer(
    meter: &Meter<'_>,
    name: &str,
    tasks: &[Task],
    look: Look,
    tables: &mut [Table; 2],
    mut buckets: Vec<usize>,
    report: &mut IndexReport,
) -> Result<bool, VerifyError> {
    let docs: u64 = buckets
        .iter()
        .map(|bucket| tables[0].buckets[*bucket].docs + tables[1].buckets[*bucket].docs)
        .sum();
    if docs > limits::DETAIL_DOCS && look == Look::Raw {
        // So many differ that it may be the spelling alone: canonical digests tell, in one pass.
        let count = tables[0].buckets.len();
        let mut wanted = vec![false; count];
        for bucket in &buckets {
            wanted[*bucket] = true;
        }
        let sums = Mutex::new(Sums {
            tables: [Table::new(count), Table::new(count)],
            done: [Vec::new(), Vec::new()],
            saved: Instant::now(),
        });
        let finished = read_all(meter, name, tasks, &|| Collector {
            look: Look::Canonical,
            versions: meter.comparison.options.versions,
            wanted: Some(&wanted),
            buckets: count,
            digester: Digester::default(),
            gathered: Gathered::new(count),
            sums: &sums,
            save: &|_| Ok(()),
        })?;
        if !finished {
            return Ok(false);
        }
        *tables = sums
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .tables;
        buckets = unequal(tables);
        if buckets.is_empty() {
            // Equal as JSON, in another spelling.
            return Ok(true);
        }
    }
    let before = report.clone();
    if !detail::examine(meter, name, tasks, tables, buckets, look, report)? {
        return Ok(false);
    }
    let explained =
        report.missing + report.different + report.extra + report.duplicates + report.respelled
            > before.respelled
            || report.unexamined_buckets.is_some();
    if !explained {
        let finding =
            "the digests differ and reading again found no difference: something writes meanwhile";
        doubt(meter.comparison, report, finding.to_owned());
    }
    Ok(true)
}
