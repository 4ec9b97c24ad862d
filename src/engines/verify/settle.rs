//! What differs between two sides of which the source is live: read again, document by document, until it is equal or the
//! time is over. Where too much differs to be named, the whole index is compared again.
//!
//! Relies on sides that look single documents up as they stand now. Deliberately absent: any leniency. What is not seen to be
//! equal is reported.

use std::thread;
use std::time::{Duration, Instant};

use super::buckets::{Digester, Look};
use super::compare::{VerifyError, limits};
use super::report::{Difference, DifferenceKind, IndexReport, Verdict};
use super::side::{Fetched, SideDocument};
use super::stream::{Meter, Which};
use crate::engines::bulk::Stop;

/// Time between two looks at what differs.
const POLL: Duration = Duration::from_secs(1);
/// Time between two looks whether to stop.
const STOP_POLL: Duration = Duration::from_millis(100);

/// How far settling came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The report is final.
    Final,
    /// The whole index has to be compared again.
    CompareAgain,
    /// Stopped as asked.
    Stopped,
}

/// What is looked at again, how deep and until when.
pub(super) struct Settle<'a> {
    pub(super) index: &'a str,
    /// `None`: counts alone.
    pub(super) look: Option<Look>,
    pub(super) until: Instant,
    /// Whole comparisons that were made of this index.
    pub(super) rounds: u32,
}

/// Whether differences can be read again: the source moves, and both sides look single documents up.
pub(super) fn possible(meter: &Meter<'_>, index: &str) -> Result<bool, VerifyError> {
    if !meter.comparison.source.moves() {
        return Ok(false);
    }
    for which in [Which::Source, Which::Target] {
        let fetched = which.of(meter.comparison).fetch(index, &[]);
        if fetched.map_err(|error| which.error(error))?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks again at what a comparison found different, and writes what comes of it into `report`.
pub(super) fn settle(
    meter: &Meter<'_>,
    settle: &Settle<'_>,
    report: &mut IndexReport,
) -> Result<Settled, VerifyError> {
    let mut open = std::mem::take(&mut report.open);
    let first = open.len() as u64;
    let nameable = report.unexamined_buckets.is_none()
        && report.duplicates == 0
        && open.len() <= limits::SETTLE_DOCS
        && report.findings.is_empty();
    loop {
        if !pause(meter) {
            return Ok(Settled::Stopped);
        }
        let over = Instant::now() >= settle.until;
        if nameable {
            open = still_different(meter, settle, &open)?;
            if open.is_empty() {
                if counts_are_equal(meter, settle.index, report)? {
                    passed(report, first);
                    return Ok(Settled::Final);
                }
                if !over || settle.rounds < 2 {
                    return Ok(Settled::CompareAgain);
                }
            }
        }
        if over {
            if nameable {
                rename(report, open, first);
            }
            let unsettled = std::mem::take(&mut report.unsettled);
            report.findings.extend(unsettled);
            return Ok(Settled::Final);
        }
        if !nameable {
            return Ok(Settled::CompareAgain);
        }
    }
}

/// Waits a moment; `false`: stopped as asked.
fn pause(meter: &Meter<'_>) -> bool {
    let started = Instant::now();
    while started.elapsed() < POLL {
        if (meter.comparison.stop)() != Stop::No {
            return false;
        }
        meter.tell(false);
        thread::sleep(STOP_POLL);
    }
    true
}

fn still_different(
    meter: &Meter<'_>,
    settle: &Settle<'_>,
    open: &[Difference],
) -> Result<Vec<Difference>, VerifyError> {
    let mut different = Vec::new();
    let mut digester = Digester::default();
    for some in open.chunks(limits::SETTLE_BATCH) {
        let wanted: Vec<(&str, Option<&str>)> = some
            .iter()
            .map(|it| (it.id.as_str(), it.routing.as_deref()))
            .collect();
        let fetch = |which: Which| {
            let fetched = which.of(meter.comparison).fetch(settle.index, &wanted);
            let fetched = fetched.map_err(|error| which.error(error))?;
            Ok(fetched.unwrap_or_else(|| vec![None; wanted.len()]))
        };
        let (source, target) = (fetch(Which::Source)?, fetch(Which::Target)?);
        for ((document, source), target) in some.iter().zip(source).zip(target) {
            different.extend(compare(
                meter,
                settle.look,
                &mut digester,
                document,
                (source, target),
            ));
        }
    }
    Ok(different)
}

/// What still differs of one document.
fn compare(
    meter: &Meter<'_>,
    look: Option<Look>,
    digester: &mut Digester,
    document: &Difference,
    (source, target): (Fetched, Fetched),
) -> Option<Difference> {
    let as_found = |kind: DifferenceKind, detail: String| {
        Some(Difference {
            kind,
            detail,
            ..document.clone()
        })
    };
    let (source, target) = match (source, target) {
        (None, None) => return None,
        (Some(_), None) => return as_found(DifferenceKind::Missing, String::new()),
        (None, Some(_)) => return as_found(DifferenceKind::Extra, String::new()),
        (Some(source), Some(target)) => (source, target),
    };
    if meter.comparison.options.versions && source.version != target.version {
        let text = |version: Option<i64>| version.map_or("none".to_owned(), |it| it.to_string());
        let detail = format!(
            "version {} on the source, {} on the target",
            text(source.version),
            text(target.version)
        );
        return as_found(DifferenceKind::Different, detail);
    }
    let Some(look @ (Look::Raw | Look::Canonical | Look::Sample(_))) = look else {
        return None;
    };
    let identity = digester.identity(&SideDocument {
        id: &document.id,
        routing: document.routing.as_deref(),
        version: None,
        source: &[],
    });
    let mut content = |which: Which, bytes: &[u8], look: Look| {
        digester.content(identity, which.or_no_source(bytes), look)
    };
    let raw = content(Which::Source, &source.source, look);
    if raw == content(Which::Target, &target.source, look) {
        return None;
    }
    let canonical = content(Which::Source, &source.source, Look::Canonical);
    if canonical == content(Which::Target, &target.source, Look::Canonical) {
        return None;
    }
    as_found(DifferenceKind::Different, "content".to_owned())
}

/// Counts both sides once more; the report has the new numbers.
fn counts_are_equal(
    meter: &Meter<'_>,
    index: &str,
    report: &mut IndexReport,
) -> Result<bool, VerifyError> {
    let count = |which: Which| {
        which
            .of(meter.comparison)
            .count(index)
            .map_err(|error| which.error(error))
    };
    let (source, target) = (count(Which::Source)?, count(Which::Target)?);
    report.expected = source;
    report.found = target.unwrap_or(report.found);
    report.unsettled.clear();
    if source == target {
        return Ok(true);
    }
    let text =
        |count: Option<u64>| count.map_or("an unknown number of".to_owned(), |it| it.to_string());
    report.unsettled.push(format!(
        "every document that was found different became equal, but the source counts {} documents and the target {}: \
         something writes meanwhile",
        text(source),
        text(target)
    ));
    Ok(false)
}

fn passed(report: &mut IndexReport, settled: u64) {
    report.verdict = Verdict::Pass;
    report.settled = settled;
    report.missing = 0;
    report.different = 0;
    report.extra = 0;
    report.named.clear();
}

/// What never became equal takes the place of what was found first.
fn rename(report: &mut IndexReport, open: Vec<Difference>, first: u64) {
    let count = |kind: DifferenceKind| open.iter().filter(|it| it.kind == kind).count() as u64;
    report.missing = count(DifferenceKind::Missing);
    report.different = count(DifferenceKind::Different);
    report.extra = count(DifferenceKind::Extra);
    report.settled = first - open.len() as u64;
    report.named.clear();
    for document in open {
        let same = report.named.iter().filter(|it| it.kind == document.kind);
        if same.count() < limits::NAMED {
            report.named.push(document);
        }
    }
}
