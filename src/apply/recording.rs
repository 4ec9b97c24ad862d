//! What a run records of itself beside the state, for reports: what was shown to be accepted, and a bounded series of figures.
//!
//! One value a run, `runs/<number of its first entry in the journal>.json`, put anew as a whole while the run goes on: a kill at any
//! instant leaves the one before, and the next run has a value of its own. The series hold counters, so that leaving out points
//! loses nothing but detail. Pure; losing all of it loses no work. Deliberately absent: when it is put, and how it looks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::base::{Address, Fingerprint};
use crate::diff::PlannedChanges;
use crate::diff::planned::{ClusterLine, Finding};

/// Limits with names.
pub mod limits {
    /// Points of a phase's series. Where there are more, every second one is left out and the next ones come half as often.
    pub const POINTS: usize = 400;
    /// Time between two points at first, in milliseconds.
    pub const FIRST_EVERY_MS: u64 = 1_000;
    /// Phases with a series.
    pub const PHASES: usize = 100;
    /// Names of objects that are given as examples of what a rule did.
    pub const EXAMPLES: usize = 5;
}

/// The version of what is recorded.
pub const RECORD_VERSION: u32 = 1;

/// What is recorded of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The plan's name.
    pub plan: String,
    /// Its digest.
    pub plan_digest: Fingerprint,
    /// When the run began.
    pub began: Timestamp,
    /// Clusters and stores as they were found.
    pub clusters: Vec<ClusterLine>,
    /// What rules of translation did, as it was shown and accepted.
    pub accepted: Vec<Accepted>,
    /// Findings about the plan.
    pub findings: Vec<Finding>,
    /// Figures over time, by phase.
    pub series: BTreeMap<Address, Series>,
}

/// What one rule did in one phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accepted {
    /// The phase.
    pub phase: Address,
    /// The rule's code.
    pub rule: String,
    /// Whether something of the source is lost.
    pub lossy: bool,
    /// Why, in the words of the first edit.
    pub why: String,
    /// Edits.
    pub edits: u64,
    /// Objects, [`limits::EXAMPLES`] at most.
    pub examples: Vec<String>,
}

/// Figures of a phase over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Series {
    /// What is counted: `docs`, `objects`.
    pub unit: String,
    /// Time between two points, in milliseconds.
    pub every_ms: u64,
    /// The points, the oldest first.
    pub points: Vec<Point>,
}

/// Figures at one moment; counters but for those that say otherwise, of the whole fleet. In JSON an array, to be short: one that is
/// shorter is of an older version, which did not tell the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<u64>", into = "Vec<u64>")]
pub struct Point {
    /// Since the run began, in milliseconds.
    pub at_ms: u64,
    /// Done over all runs.
    pub done: u64,
    /// Bytes read, likewise.
    pub bytes: u64,
    /// Failed, likewise.
    pub failed: u64,
    /// Workers at work: a gauge.
    pub workers: u64,
    /// Requests on their way: a gauge.
    pub in_flight: u64,
    /// Requests that were answered, over the whole load.
    pub requests: u64,
    /// Their time in all, in microseconds.
    pub request_micros: u64,
    /// Answers 429.
    pub throttled: u64,
    /// Documents that the target could not take at once.
    pub rejected: u64,
    /// Documents that were sent once more.
    pub sent_again: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Bytes of them before any compression.
    pub sent_bytes: u64,
    /// Bytes of them as they went out.
    pub wire_bytes: u64,
    /// Requests that got no answer.
    pub unanswered: u64,
}

impl From<Vec<u64>> for Point {
    fn from(values: Vec<u64>) -> Self {
        let of = |number: usize| values.get(number).copied().unwrap_or(0);
        Self {
            at_ms: of(0),
            done: of(1),
            bytes: of(2),
            failed: of(3),
            workers: of(4),
            in_flight: of(5),
            requests: of(6),
            request_micros: of(7),
            throttled: of(8),
            rejected: of(9),
            sent_again: of(10),
            sent: of(11),
            sent_bytes: of(12),
            wire_bytes: of(13),
            unanswered: of(14),
        }
    }
}

impl From<Point> for Vec<u64> {
    fn from(point: Point) -> Self {
        vec![
            point.at_ms,
            point.done,
            point.bytes,
            point.failed,
            point.workers,
            point.in_flight,
            point.requests,
            point.request_micros,
            point.throttled,
            point.rejected,
            point.sent_again,
            point.sent,
            point.sent_bytes,
            point.wire_bytes,
            point.unanswered,
        ]
    }
}

/// The name of a run's record among the artifacts; `first_entry` is the number of its first entry in the journal.
pub fn name(first_entry: u64) -> String {
    format!("runs/{first_entry}.json")
}

/// Fills the record of a run from its events.
pub struct Recorder {
    record: RunRecord,
    /// The newest point of each phase, which may not be among the points yet.
    newest: BTreeMap<Address, Point>,
}

impl Recorder {
    /// At the start of a run of these changes.
    pub fn new(planned: &PlannedChanges, began: Timestamp) -> Self {
        Self {
            record: RunRecord {
                version: RECORD_VERSION,
                plan: planned.plan.name.clone(),
                plan_digest: planned.plan.digest.clone(),
                began,
                clusters: planned.clusters.clone(),
                accepted: accepted(planned),
                findings: planned.diagnostics.clone(),
                series: BTreeMap::new(),
            },
            newest: BTreeMap::new(),
        }
    }

    /// Takes one event.
    pub fn take(&mut self, event: &Event, at: Timestamp) {
        let Event::PhaseProgress { address, unit, .. } = event else {
            return;
        };
        let series = &mut self.record.series;
        if series.len() >= limits::PHASES && !series.contains_key(address) {
            return;
        }
        let series = series.entry(address.clone()).or_insert_with(|| Series {
            unit: unit.clone(),
            every_ms: limits::FIRST_EVERY_MS,
            points: Vec::new(),
        });
        let since = at.duration_since(self.record.began).as_millis();
        let Some(point) = point(event, u64::try_from(since).unwrap_or(0)) else {
            return;
        };
        self.newest.insert(address.clone(), point);
        let due = series
            .points
            .last()
            .is_none_or(|last| point.at_ms >= last.at_ms.saturating_add(series.every_ms));
        if due {
            series.points.push(point);
            thin_out(series);
        }
    }

    /// The record so far: with the newest figures of each phase.
    pub fn record(&self) -> RunRecord {
        let mut record = self.record.clone();
        for (address, series) in &mut record.series {
            let newest = self.newest.get(address).copied();
            let newer = newest.filter(|it| Some(it) != series.points.last());
            series.points.extend(newer);
        }
        record
    }
}

fn thin_out(series: &mut Series) {
    if series.points.len() <= limits::POINTS {
        return;
    }
    let mut number = 0;
    series.points.retain(|_| {
        number += 1;
        number % 2 == 1
    });
    series.every_ms *= 2;
}

fn point(event: &Event, at_ms: u64) -> Option<Point> {
    let Event::PhaseProgress {
        done,
        bytes,
        failed,
        workers,
        load,
        ..
    } = event
    else {
        return None;
    };
    let of_process = (*workers).into();
    let workers = load.map_or(of_process, |load| load.workers.into());
    let load = load.unwrap_or_default();
    Some(Point {
        at_ms,
        done: *done,
        bytes: *bytes,
        failed: *failed,
        workers,
        in_flight: load.in_flight.into(),
        requests: load.requests,
        request_micros: load.request_micros,
        throttled: load.throttled,
        rejected: load.rejected,
        sent_again: load.sent_again,
        sent: load.sent,
        sent_bytes: load.sent_bytes,
        wire_bytes: load.wire_bytes,
        unanswered: load.unanswered,
    })
}

/// What rules do, a line a phase and rule, in the order of the phases.
fn accepted(planned: &PlannedChanges) -> Vec<Accepted> {
    let mut found: Vec<Accepted> = Vec::new();
    for phase in planned.phases() {
        let start = found.len();
        for item in &phase.items {
            let ruled = item
                .edits
                .iter()
                .filter_map(|it| Some((it, it.rule.as_ref()?)));
            for (edit, rule) in ruled {
                let known = found[start..].iter().position(|it| it.rule == *rule);
                let at = known.map_or(found.len(), |at| start + at);
                if at == found.len() {
                    found.push(Accepted {
                        phase: phase.address.clone(),
                        rule: rule.clone(),
                        lossy: false,
                        why: edit.why.clone(),
                        edits: 0,
                        examples: Vec::new(),
                    });
                }
                let one = &mut found[at];
                one.edits += 1;
                one.lossy |= edit.lossy;
                let object = format!("{} {}", item.object, item.name);
                if one.examples.len() < limits::EXAMPLES && !one.examples.contains(&object) {
                    one.examples.push(object);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder() -> Recorder {
        Recorder {
            record: RunRecord {
                version: RECORD_VERSION,
                plan: "p".into(),
                plan_digest: Fingerprint::of(&"p"),
                began: Timestamp::UNIX_EPOCH,
                clusters: Vec::new(),
                accepted: Vec::new(),
                findings: Vec::new(),
                series: BTreeMap::new(),
            },
            newest: BTreeMap::new(),
        }
    }

    fn progress(recorder: &mut Recorder, at_ms: i64, done: u64) {
        let event = Event::PhaseProgress {
            address: Address::new("docs"),
            done,
            total: 10,
            unit: "docs".into(),
            rate: 0.0,
            eta_s: None,
            bytes: done * 10,
            failed: 0,
            workers: 1,
            paused_by: None,
            load: None,
        };
        recorder.take(&event, Timestamp::from_millisecond(at_ms).unwrap());
    }

    #[test]
    fn a_series_is_bounded_and_keeps_its_first_and_its_newest_point() {
        let mut recorder = recorder();
        for second in 0..5_000 {
            progress(&mut recorder, second * 1_000, second.unsigned_abs());
        }
        progress(&mut recorder, 4_999_100, 7_777);
        let record = recorder.record();
        let series = &record.series[&Address::new("docs")];
        assert!(series.points.len() <= limits::POINTS + 1);
        assert!(series.points.len() > limits::POINTS / 3);
        assert_eq!(series.points[0].at_ms, 0);
        assert_eq!(series.points.last().unwrap().done, 7_777);
        let rising = series.points.windows(2).all(|it| it[0].at_ms < it[1].at_ms);
        assert!(rising);
        assert_eq!(series.every_ms, 16_000);
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_is_short() {
        let mut recorder = recorder();
        for second in 0..400 {
            progress(
                &mut recorder,
                second * 1_000,
                1_000_000 + second.unsigned_abs(),
            );
        }
        let record = recorder.record();
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.len() < 40 << 10, "{}", text.len());
        let again: RunRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(again, record);
        // One of an older version, and one of a later.
        let point: Point = serde_json::from_str("[1,2,3,4,5,6,7,8,9,10,11]").unwrap();
        assert_eq!((point.at_ms, point.sent_again, point.sent), (1, 11, 0));
        let more = format!("[{}]", ["7"; 20].join(","));
        let point: Point = serde_json::from_str(&more).unwrap();
        assert_eq!(point.unanswered, 7);
    }
}
