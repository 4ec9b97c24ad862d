//! The end of an apply: what was done, how fast, what proves it, and what is next.
//!
//! Pure. The dispatcher fills the fields; nothing is decided here. Times are in it, so no digest covers it.

use serde::{Deserialize, Serialize};

use super::layout::put;
use super::layout::{end_line, hang, pad, width};
use super::theme::{Paint, Theme};
use super::words;
use crate::base::Address;
use crate::base::units::{human_bytes, human_count};

/// An apply that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplySummary {
    /// The plan's name.
    pub plan: String,
    /// One line a phase, in the order of execution.
    pub phases: Vec<PhaseSummary>,
    /// From start to end.
    pub elapsed_ms: u64,
    /// Where the evidence of the run is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Where the report of the migration is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// What a person does next, each a command or a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// One phase of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// The phase.
    pub address: Address,
    /// Its kind, as written in a plan.
    pub kind: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done, or why it ended so: one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub did: String,
    /// Documents done in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<u64>,
    /// Bytes read in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Time of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// The estimate that the plan gave: best and worst, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_s: Option<(u64, u64)>,
    /// What was proved; one statement a line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proof: Vec<String>,
    /// Documents that failed.
    #[serde(default)]
    pub failed_docs: u64,
    /// Where the failed documents, or the evidence, are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl PhaseSummary {
    /// A phase about which nothing but its end is known.
    pub fn new(address: Address, kind: &str, outcome: Outcome, did: impl Into<String>) -> Self {
        Self {
            address,
            kind: kind.to_owned(),
            outcome,
            did: did.into(),
            docs: None,
            bytes: None,
            elapsed_ms: None,
            estimated_s: None,
            proof: Vec::new(),
            failed_docs: 0,
            evidence: None,
        }
    }
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done in this run.
    Done,
    /// It was up to date.
    UpToDate,
    /// Done, but documents failed.
    Partial,
    /// It waits for a person.
    Waiting,
    /// It stopped at a checkpoint.
    Interrupted,
    /// A check failed.
    CheckFailed,
    /// It failed.
    Failed,
    /// An earlier one ended the run, or it was not selected.
    NotReached,
}

impl Outcome {
    /// Word and paint.
    fn shown(self) -> (&'static str, Paint) {
        match self {
            Self::Done => ("done", Paint::Good),
            Self::UpToDate => ("up to date", Paint::Faint),
            Self::Partial => ("partly", Paint::Careful),
            Self::Waiting => ("waiting", Paint::Careful),
            Self::Interrupted => ("stopped", Paint::Careful),
            Self::CheckFailed => ("check failed", Paint::Bad),
            Self::Failed => ("failed", Paint::Bad),
            Self::NotReached => ("not reached", Paint::Faint),
        }
    }
}

const OUTCOME_COLUMNS: usize = 12;

/// For a terminal of `columns`.
pub fn apply_summary(summary: &ApplySummary, columns: usize, theme: Theme) -> String {
    let mut out = theme.paint(Paint::Strong, &format!("mig apply · {}", summary.plan));
    out.push_str("\n\n");
    let names = summary
        .phases
        .iter()
        .map(|phase| width(phase.address.as_str()))
        .max();
    let names = names.unwrap_or(0).min(22);
    for phase in &summary.phases {
        phase_lines(&mut out, phase, names, columns, theme);
    }
    out.push('\n');
    if let Some(evidence) = &summary.evidence {
        hang(&mut out, "  Evidence  ", 12, evidence, columns);
    }
    if let Some(report) = &summary.report {
        hang(&mut out, "  Report    ", 12, report, columns);
    }
    for (index, next) in summary.next.iter().enumerate() {
        let head = if index == 0 {
            "  Next      "
        } else {
            "            "
        };
        hang(&mut out, head, 12, next, columns);
    }
    if summary.evidence.is_some() || summary.report.is_some() || !summary.next.is_empty() {
        out.push('\n');
    }
    closing(&mut out, summary, columns, theme);
    out
}

fn phase_lines(out: &mut String, phase: &PhaseSummary, names: usize, columns: usize, theme: Theme) {
    let (word, paint) = phase.outcome.shown();
    let head = format!(
        "  {}  {}  {}  ",
        theme.paint(paint, &pad(word, OUTCOME_COLUMNS)),
        theme.paint(Paint::Strong, &pad(phase.address.as_str(), names)),
        pad(&phase.kind, 10),
    );
    let indent = 2 + OUTCOME_COLUMNS + 2 + names.max(width(phase.address.as_str())) + 2 + 10 + 2;
    let figures = figures(phase);
    let text: Vec<&str> = [phase.did.as_str(), figures.as_str()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let text = text.join(" · ");
    let below = 2 + OUTCOME_COLUMNS + 2;
    if indent + 28 > columns {
        out.push_str(&head);
        end_line(out);
        if !text.is_empty() {
            hang(out, &" ".repeat(below), below, &text, columns);
        }
    } else {
        hang(out, &head, indent, &text, columns);
    }
    let mut line = |paint: Paint, symbol: &str, text: &str| {
        let head = format!("{}{} ", " ".repeat(below), theme.paint(paint, symbol));
        hang(out, &head, below + 2, text, columns);
    };
    for proof in &phase.proof {
        line(Paint::Good, "=", proof);
    }
    if phase.failed_docs > 0 {
        let mut text = format!(
            "{} failed",
            words::counted_u64(phase.failed_docs, "document")
        );
        if let Some(place) = &phase.evidence {
            put!(text, ", kept in {place}");
        }
        line(Paint::Bad, "!", &text);
    } else if let Some(place) = &phase.evidence {
        line(Paint::Faint, "·", &format!("evidence in {place}"));
    }
}

/// `1 204 331 docs, 2.9 GiB in 25m (802/s, 1.9 MiB/s; planned 20m to 30m)`.
fn figures(phase: &PhaseSummary) -> String {
    let mut amounts = Vec::new();
    amounts.extend(phase.docs.map(|docs| format!("{} docs", human_count(docs))));
    amounts.extend(phase.bytes.map(human_bytes));
    let mut text = amounts.join(", ");
    let Some(elapsed_ms) = phase.elapsed_ms else {
        return text;
    };
    let separator = if text.is_empty() { "in " } else { " in " };
    put!(text, "{separator}{}", precise(elapsed_ms));
    let mut notes = Vec::new();
    if elapsed_ms > 0 {
        let rate = |amount: u64| amount.saturating_mul(1_000) / elapsed_ms;
        let docs = phase.docs.filter(|docs| *docs > 0);
        notes.extend(docs.map(|docs| format!("{} docs/s", human_count(rate(docs)))));
        let bytes = phase.bytes.filter(|bytes| *bytes > 0);
        notes.extend(bytes.map(|bytes| format!("{}/s", human_bytes(rate(bytes)))));
    }
    if let Some((low, high)) = phase.estimated_s {
        notes.push(format!("planned {}", words::duration_range(low, high)));
    }
    if !notes.is_empty() {
        put!(text, " ({})", notes.join(", "));
    }
    text
}

/// Short times to the tenth of a second, longer ones as everywhere.
fn precise(elapsed_ms: u64) -> String {
    match elapsed_ms {
        0..1_000 => format!("{elapsed_ms} ms"),
        1_000..60_000 => format!("{}.{} s", elapsed_ms / 1_000, elapsed_ms % 1_000 / 100),
        _ => words::duration(elapsed_ms / 1_000),
    }
}

fn closing(out: &mut String, summary: &ApplySummary, columns: usize, theme: Theme) {
    let mut outcomes: Vec<Outcome> = summary.phases.iter().map(|phase| phase.outcome).collect();
    let worst = outcomes
        .iter()
        .copied()
        .filter(|outcome| !matches!(outcome, Outcome::NotReached | Outcome::UpToDate))
        .max()
        .unwrap_or(Outcome::UpToDate);
    outcomes.sort_unstable();
    outcomes.dedup();
    let counts: Vec<String> = outcomes
        .into_iter()
        .map(|outcome| {
            let count = summary
                .phases
                .iter()
                .filter(|phase| phase.outcome == outcome)
                .count();
            format!("{count} {}", outcome.shown().0)
        })
        .collect();
    let (head, paint) = match worst {
        Outcome::Done | Outcome::NotReached => ("Apply complete: ", Paint::Good),
        Outcome::UpToDate => ("Nothing was to do: ", Paint::Good),
        Outcome::Waiting => ("Apply waits: ", Paint::Careful),
        Outcome::Interrupted => ("Apply stopped, nothing is lost: ", Paint::Careful),
        Outcome::Partial => ("Apply ended with failed documents: ", Paint::Careful),
        Outcome::CheckFailed | Outcome::Failed => ("Apply failed: ", Paint::Bad),
    };
    let docs_of = |kind: &str| -> u64 {
        let phases = summary.phases.iter().filter(|phase| phase.kind == kind);
        phases.filter_map(|phase| phase.docs).sum()
    };
    let mut text = counts.join(", ");
    for (kind, did) in [("backfill", "written"), ("verify", "compared")] {
        let docs = docs_of(kind);
        if docs > 0 {
            put!(text, "; {} docs {did}", human_count(docs));
        }
    }
    put!(text, "; {}.", precise(summary.elapsed_ms));
    hang(out, &theme.paint(paint, head), width(head), &text, columns);
}
