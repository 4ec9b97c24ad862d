//! A migration as a report tells it: of a plan, its state with the journal, what runs recorded, and the evidence of verifications.
//!
//! Pure: reads values that are read already, and takes the time as one. Nothing is looked at outside, so a report can be made at any
//! time and on any machine that sees the state. Deliberately absent: how it looks (`ui::report_html`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::checked::CheckRecord;
use super::recording::{Accepted, RunRecord, Series};
use crate::base::{Address, Fingerprint};
use crate::diff::planned::Finding;
use crate::plan::model::{ClusterAt, PhaseSpec, Plan, StoreAt};
use crate::state::JournalLine;
use crate::state::model::{Entry, PhaseStatus, State};

/// Limits with names.
pub mod limits {
    /// Runs that are told, the newest.
    pub const RUNS: usize = 100;
    /// Indices that are told, those that are not well first.
    pub const INDICES: usize = 2_000;
    /// Differences of documents that are named.
    pub const DIFFERENCES: usize = 50;
}

/// What a report is made of.
pub struct Sources<'a> {
    /// The plan as it is now.
    pub plan: &'a Plan,
    /// The order of its phases.
    pub order: &'a [Address],
    /// What is remembered.
    pub state: &'a State,
    /// The journal.
    pub lines: &'a [JournalLine],
    /// What runs recorded, by the number of their first entry.
    pub records: &'a BTreeMap<u64, RunRecord>,
    /// Evidence of verifications with the place where it is, by phase.
    pub evidence: &'a BTreeMap<Address, (String, Value)>,
    /// What the last `mig check` showed.
    pub check: Option<CheckRecord>,
    /// Where the state is.
    pub location: &'a str,
    /// When the report is made.
    pub at: Timestamp,
}

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct MigrationReport {
    /// When it was made.
    pub at: Timestamp,
    /// The version of `mig` that made it.
    pub mig: &'static str,
    /// The plan's name.
    pub plan: String,
    /// What it says of itself.
    pub description: Option<String>,
    /// Its digest.
    pub digest: Fingerprint,
    /// Where the state is.
    pub state: String,
    /// Tells states of one plan name apart.
    pub lineage: String,
    /// How the migration stands.
    pub standing: Standing,
    /// Clusters and stores.
    pub places: Vec<Place>,
    /// The phases in order.
    pub phases: Vec<PhaseReport>,
    /// The runs, the oldest first.
    pub runs: Vec<Run>,
    /// Runs before these that are not told.
    pub runs_left_out: u64,
    /// By index.
    pub indices: Vec<IndexReport>,
    /// Indices that are not told.
    pub indices_left_out: u64,
    /// Failed documents, by class.
    pub failures: Vec<Failure>,
    /// What rules of translation did and was accepted, in the newest run that did something.
    pub accepted: Vec<Accepted>,
    /// Findings about the plan, in the newest run.
    pub findings: Vec<Finding>,
    /// What the last `mig check` showed.
    pub check: Option<CheckReport>,
    /// Words of persons.
    pub approvals: Vec<Approval>,
    /// Evidence of verifications.
    pub evidence: Vec<Evidence>,
}

/// How a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing was begun.
    NotBegun,
    /// All phases are done, and verifications are among them.
    Proved,
    /// All phases are done; nothing verifies them.
    Done,
    /// Something is left.
    Unfinished,
    /// A phase failed.
    Failed,
}

/// The last check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// What it showed.
    #[serde(flatten)]
    pub record: CheckRecord,
    /// Whether the plan is another one since.
    pub plan_changed: bool,
    /// Phases of the plan that it did not look at.
    pub phases_left_out: u64,
}

/// A cluster or a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its name in the plan.
    pub name: String,
    /// What it is: `OpenSearch 2.19.1`.
    pub what: String,
    /// `source`, `target`.
    pub role: String,
    /// How it is reached.
    pub at: String,
    /// What was found there.
    pub facts: Vec<String>,
}

/// A phase.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseReport {
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: &'static str,
    /// How far it is: `done`, `failed`, `to do`…
    pub status: &'static str,
    /// What was proved or done.
    pub evidence: Vec<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it ran.
    pub spans: Vec<Span>,
    /// Figures over time, a piece a run.
    pub series: Vec<Piece>,
}

/// A time in which a phase ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// From.
    pub from: Timestamp,
    /// To; where a kill ended it, the last that is known.
    pub to: Timestamp,
    /// How it ended.
    pub end: End,
}

/// How a phase ended in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Well.
    Done,
    /// With an error.
    Failed,
    /// At a checkpoint, or by a kill.
    Interrupted,
    /// Not yet.
    Running,
}

/// Figures of a phase in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// The run, from 1.
    pub run: usize,
    /// Its figures.
    pub series: Series,
}

/// An apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// From 1, over the whole journal.
    pub number: usize,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; absent where it was killed or still runs.
    pub ended: Option<Timestamp>,
    /// Who ran it.
    pub who: String,
    /// The version of `mig`.
    pub mig: String,
    /// The digest of the plan.
    pub digest: Fingerprint,
    /// How it ended.
    pub outcome: Option<String>,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IndexReport {
    /// The target.
    pub on: String,
    /// Its name there.
    pub index: String,
    /// Documents of the source, where it can tell.
    pub source: Option<u64>,
    /// Written.
    pub written: Option<u64>,
    /// The target had a newer version.
    pub newer: u64,
    /// Left out by the plan.
    pub left_out: u64,
    /// Failed.
    pub failed: u64,
    /// What verifications found.
    pub verified: Option<Verified>,
}

/// What a verification found of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The phase.
    pub by: String,
    /// `pass`, `fail`.
    pub verdict: String,
    /// Documents found on the target.
    pub found: u64,
    /// On the source and not on the target.
    pub missing: u64,
    /// Other content.
    pub different: u64,
    /// On the target alone.
    pub extra: u64,
    /// The digest over the documents of the source; empty where content was not compared.
    pub source_digest: String,
    /// The digest over the documents of the target, likewise.
    pub target_digest: String,
}

impl IndexReport {
    /// Whether nothing is amiss, as far as is known.
    pub fn is_well(&self) -> bool {
        let refuted = self
            .verified
            .as_ref()
            .is_some_and(|it| it.verdict == "fail");
        self.failed == 0 && !refuted
    }
}

/// Failed documents of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The phase.
    pub phase: Address,
    /// The class of the error.
    pub class: String,
    /// Documents.
    pub count: u64,
    /// Where they are kept.
    pub at: String,
}

/// The word of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// The phase.
    pub phase: Address,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// Evidence of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The phase.
    pub phase: Address,
    /// Where all of it is.
    pub file: String,
    /// `pass`, `fail`.
    pub verdict: String,
    /// How deep it looked.
    pub content: String,
    /// When.
    pub at: String,
    /// The version of `mig`.
    pub mig: String,
    /// The digest over all indices.
    pub digest: String,
    /// Differences by name, [`limits::DIFFERENCES`] at most.
    pub named: Vec<String>,
}

/// The report.
pub fn report(from: &Sources<'_>) -> MigrationReport {
    let told = told(from.lines);
    let mut runs = told.runs;
    let numbers: BTreeMap<u64, usize> = runs
        .iter()
        .map(|(entry, run)| (*entry, run.number))
        .collect();
    let runs_left_out = runs.len().saturating_sub(limits::RUNS);
    runs.drain(..runs_left_out);
    let phases: Vec<PhaseReport> = from
        .order
        .iter()
        .filter_map(|address| phase(from, address, &told.spans, &numbers))
        .collect();
    let newest = from.records.values().next_back();
    let acted = from
        .records
        .values()
        .rev()
        .find(|it| !it.accepted.is_empty());
    let mut indices = indices(from);
    indices.sort_by_key(|it| (it.is_well(), it.on.clone(), it.index.clone()));
    let indices_left_out = indices.len().saturating_sub(limits::INDICES) as u64;
    indices.truncate(limits::INDICES);
    MigrationReport {
        at: from.at,
        mig: env!("CARGO_PKG_VERSION"),
        plan: from.plan.name.clone(),
        description: from.plan.description.clone(),
        digest: from.plan.digest(),
        state: from.location.to_owned(),
        lineage: from.state.lineage.clone(),
        standing: standing(&phases, runs.is_empty()),
        places: places(from.plan, newest),
        phases,
        runs: runs.into_iter().map(|(_, run)| run).collect(),
        runs_left_out: runs_left_out as u64,
        indices,
        indices_left_out,
        failures: failures(from),
        accepted: acted.map(|it| it.accepted.clone()).unwrap_or_default(),
        findings: newest.map(|it| it.findings.clone()).unwrap_or_default(),
        check: from.check.as_ref().map(|record| CheckReport {
            plan_changed: record.plan_digest != from.plan.digest(),
            phases_left_out: from
                .order
                .iter()
                .filter(|address| !record.phases.contains(address))
                .count() as u64,
            record: record.clone(),
        }),
        approvals: told.approvals,
        evidence: from
            .evidence
            .iter()
            .map(|(phase, (file, value))| evidence(phase, file, value))
            .collect(),
    }
}

/// What the journal tells.
#[derive(Default)]
struct Told {
    /// With the number of the first entry of each.
    runs: Vec<(u64, Run)>,
    spans: BTreeMap<Address, Vec<Span>>,
    approvals: Vec<Approval>,
}

fn told(lines: &[JournalLine]) -> Told {
    let mut told = Told::default();
    let mut last = None;
    for line in lines {
        let at = line.at;
        match &line.entry {
            Entry::RunStarted {
                plan_digest,
                who,
                mig_version,
            } => {
                // What a kill left open ended at the last that is known of it.
                told.close_all(last.unwrap_or(at));
                let number = told.runs.len() + 1;
                let run = Run {
                    number,
                    began: at,
                    ended: None,
                    who: who.clone(),
                    mig: mig_version.clone(),
                    digest: plan_digest.clone(),
                    outcome: None,
                };
                told.runs.push((line.seq, run));
            }
            Entry::RunEnded { outcome } => {
                told.close_all(at);
                if let Some((_, run)) = told.runs.last_mut() {
                    run.ended = Some(at);
                    run.outcome = Some(outcome.clone());
                }
            }
            Entry::PhaseStarted { address, .. } => {
                let spans = told.spans.entry(address.clone()).or_default();
                spans.push(Span {
                    from: at,
                    to: at,
                    end: End::Running,
                });
            }
            Entry::PhaseDone { address, .. } => told.close(address, at, End::Done),
            Entry::PhaseFailed { address, .. } => told.close(address, at, End::Failed),
            Entry::Renamed { from, to } => {
                if let Some(spans) = told.spans.remove(from) {
                    told.spans.entry(to.clone()).or_default().extend(spans);
                }
            }
            Entry::Approved { address, approval } => told.approvals.push(Approval {
                phase: address.clone(),
                who: approval.who.clone(),
                at: approval.at,
            }),
            Entry::Effect { address, .. } => told.lasts(address, at),
            _ => {}
        }
        last = Some(at);
    }
    told
}

impl Told {
    fn open(&mut self, address: &Address) -> Option<&mut Span> {
        let spans = self.spans.get_mut(address)?;
        spans.last_mut().filter(|span| span.end == End::Running)
    }

    fn close(&mut self, address: &Address, at: Timestamp, end: End) {
        if let Some(span) = self.open(address) {
            (span.to, span.end) = (at, end);
        }
    }

    fn lasts(&mut self, address: &Address, at: Timestamp) {
        if let Some(span) = self.open(address) {
            span.to = at;
        }
    }

    fn close_all(&mut self, at: Timestamp) {
        for span in self.spans.values_mut().filter_map(|spans| spans.last_mut()) {
            if span.end == End::Running {
                (span.to, span.end) = (at, End::Interrupted);
            }
        }
    }
}

fn phase(
    from: &Sources<'_>,
    address: &Address,
    spans: &BTreeMap<Address, Vec<Span>>,
    numbers: &BTreeMap<u64, usize>,
) -> Option<PhaseReport> {
    let phase = from.plan.phases.get(address)?;
    let record = from.state.phases.get(address);
    let mut spans = spans.get(address).cloned().unwrap_or_default();
    let series: Vec<Piece> = from
        .records
        .iter()
        .filter_map(|(entry, record)| {
            let series = record.series.get(address)?.clone();
            let run = *numbers.get(entry)?;
            Some(Piece { run, series })
        })
        .collect();
    if let Some(span) = spans.last_mut().filter(|span| span.end == End::Running) {
        span.to = span.to.max(from.at);
    }
    Some(PhaseReport {
        address: address.clone(),
        kind: phase.spec.kind().as_str(),
        status: match record.map(|record| record.status) {
            None => "to do",
            Some(PhaseStatus::Started) => "begun",
            Some(PhaseStatus::Done) => "done",
            Some(PhaseStatus::Failed) => "failed",
            Some(PhaseStatus::RolledBack) => "rolled back",
            Some(PhaseStatus::Reset) => "reset",
        },
        evidence: record.map(|it| it.evidence.clone()).unwrap_or_default(),
        error: record.and_then(|it| it.error.clone()),
        spans,
        series,
    })
}

fn standing(phases: &[PhaseReport], never_run: bool) -> Standing {
    let count = |status: &str| phases.iter().filter(|it| it.status == status).count();
    let done = count("done");
    let proves = phases.iter().any(|phase| phase.kind == "verify");
    match () {
        () if count("failed") > 0 => Standing::Failed,
        () if done == phases.len() && done > 0 && proves => Standing::Proved,
        () if done == phases.len() && done > 0 => Standing::Done,
        () if never_run && done == 0 => Standing::NotBegun,
        () => Standing::Unfinished,
    }
}

/// As the newest run found them, else as the plan says.
fn places(plan: &Plan, newest: Option<&RunRecord>) -> Vec<Place> {
    let found = |name: &Address| newest?.clusters.iter().find(|it| it.address == *name);
    let place = |name: &Address, at: String, else_what: String| {
        let found = found(name);
        Place {
            name: name.to_string(),
            what: found.map_or(else_what, |it| it.what.clone()),
            role: found.map(|it| it.role.clone()).unwrap_or_default(),
            facts: found
                .map(|it| it.facts.clone())
                .unwrap_or_default()
                .into_iter()
                .filter(|fact| *fact != at)
                .collect(),
            at,
        }
    };
    let clusters = plan.clusters.iter().map(|(name, cluster)| {
        let at = match &cluster.at {
            ClusterAt::Endpoint(endpoint) => endpoint.clone(),
            ClusterAt::Directory(path) => path.display().to_string(),
        };
        let what = cluster.version.map(|it| it.to_string()).unwrap_or_default();
        place(name, at, what)
    });
    let stores = plan.stores.iter().map(|(name, store)| {
        let at = match &store.at {
            StoreAt::Directory { path, .. } => path.display().to_string(),
            StoreAt::S3 { uri, .. } => uri.clone(),
        };
        place(name, at, "store".to_owned())
    });
    clusters.chain(stores).collect()
}

fn indices(from: &Sources<'_>) -> Vec<IndexReport> {
    let mut found: BTreeMap<(String, String), IndexReport> = BTreeMap::new();
    let mut of = |on: &Address, index: &str, fill: &mut dyn FnMut(&mut IndexReport)| {
        let key = (on.to_string(), index.to_owned());
        let report = found.entry(key).or_insert_with(|| IndexReport {
            on: on.to_string(),
            index: index.to_owned(),
            ..IndexReport::default()
        });
        fill(report);
    };
    for address in from.order {
        let Some(phase) = from.plan.phases.get(address) else {
            continue;
        };
        match &phase.spec {
            PhaseSpec::Backfill(spec) => {
                let outputs = from.state.phases.get(address).map(|it| &it.outputs);
                let indices = outputs.and_then(|it| it.get("indices")?.as_object());
                for (name, value) in indices.into_iter().flatten() {
                    let count = |field: &str| value.get(field).and_then(Value::as_u64);
                    of(&spec.to.value, name, &mut |report| {
                        report.source = count("expected");
                        report.written = count("written");
                        report.newer = count("newer-present").unwrap_or(0);
                        report.left_out =
                            count("dropped").unwrap_or(0) + count("without-source").unwrap_or(0);
                        report.failed = count("failed").unwrap_or(0);
                    });
                }
            }
            PhaseSpec::Verify(spec) => {
                let Some((_, evidence)) = from.evidence.get(address) else {
                    continue;
                };
                let indices = evidence.pointer("/report/indices");
                for (name, value) in indices.and_then(Value::as_object).into_iter().flatten() {
                    of(&spec.target.value, name, &mut |report| {
                        let verified = verified(address, value);
                        let known = value.get("expected").and_then(Value::as_u64);
                        report.source = report.source.or(known);
                        report.verified = Some(verified);
                    });
                }
            }
            _ => {}
        }
    }
    found.into_values().collect()
}

fn verified(by: &Address, value: &Value) -> Verified {
    let count = |field: &str| value.get(field).and_then(Value::as_u64).unwrap_or(0);
    Verified {
        by: by.to_string(),
        verdict: text(value, "/verdict"),
        found: count("found"),
        missing: count("missing"),
        different: count("different"),
        extra: count("extra"),
        source_digest: text(value, "/source-digest"),
        target_digest: text(value, "/target-digest"),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

fn failures(from: &Sources<'_>) -> Vec<Failure> {
    let mut found = Vec::new();
    for address in from.order {
        let outputs = from.state.phases.get(address).map(|it| &it.outputs);
        let Some(failed) = outputs.and_then(|it| it.get("failed-documents")) else {
            continue;
        };
        let classes = failed.get("by-class").and_then(Value::as_object);
        for (class, count) in classes.into_iter().flatten() {
            found.push(Failure {
                phase: address.clone(),
                class: class.clone(),
                count: count.as_u64().unwrap_or(0),
                at: text(failed, "/at"),
            });
        }
    }
    found.sort_by_key(|it| std::cmp::Reverse(it.count));
    found
}

fn evidence(phase: &Address, file: &str, value: &Value) -> Evidence {
    let mut named = Vec::new();
    let indices = value.pointer("/report/indices").and_then(Value::as_object);
    for (index, report) in indices.into_iter().flatten() {
        let differences = report.get("named").and_then(Value::as_array);
        for difference in differences.into_iter().flatten() {
            if named.len() < limits::DIFFERENCES {
                let (kind, id) = (text(difference, "/kind"), text(difference, "/id"));
                let detail = text(difference, "/detail");
                let detail = if detail.is_empty() {
                    detail
                } else {
                    format!(": {detail}")
                };
                named.push(format!("{index}: `{id}` {kind}{detail}"));
            }
        }
    }
    Evidence {
        phase: phase.clone(),
        file: file.to_owned(),
        verdict: text(value, "/report/verdict"),
        content: text(value, "/report/content"),
        at: text(value, "/at"),
        mig: text(value, "/mig-version"),
        digest: text(value, "/digest"),
        named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::PhaseKindName;

    fn line(seq: u64, entry: Entry) -> JournalLine {
        let at = Timestamp::from_second(i64::try_from(seq * 10).unwrap()).unwrap();
        JournalLine {
            seq,
            at,
            run: String::new(),
            entry,
        }
    }

    fn begins() -> Entry {
        Entry::RunStarted {
            plan_digest: Fingerprint::of(&1),
            who: "ann".into(),
            mig_version: "0.1.0".into(),
        }
    }

    fn starts(phase: &str) -> Entry {
        Entry::PhaseStarted {
            address: Address::new(phase),
            kind: PhaseKindName::Backfill,
            spec: Value::Null,
            inputs: Fingerprint::of(&1),
        }
    }

    #[test]
    fn what_a_kill_left_open_ended_at_the_last_that_is_known() {
        let done = Entry::PhaseDone {
            address: Address::new("docs"),
            outputs: Value::Null,
            evidence: Vec::new(),
        };
        let ended = Entry::RunEnded {
            outcome: "success".into(),
        };
        let entries = [
            begins(),
            starts("docs"),
            begins(),
            starts("docs"),
            done,
            ended,
        ];
        let lines: Vec<JournalLine> = (1..).zip(entries).map(|(n, it)| line(n, it)).collect();
        let told = told(&lines);
        let spans = &told.spans[&Address::new("docs")];
        let ends: Vec<(i64, End)> = spans.iter().map(|it| (it.to.as_second(), it.end)).collect();
        assert_eq!(ends, [(20, End::Interrupted), (50, End::Done)]);
        let runs: Vec<Option<&str>> = told
            .runs
            .iter()
            .map(|(_, run)| run.outcome.as_deref())
            .collect();
        assert_eq!(runs, [None, Some("success")]);
    }
}
