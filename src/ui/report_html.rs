//! The report of a migration as one HTML file: nothing outside is loaded, no script is needed, plots are SVG within it.
//!
//! Pure. The page is `templates/report/report.hbs`; here values become the words and plots that stand in it. Whatever comes
//! from clusters is escaped by the template, and the page's own policy forbids scripts. Deliberately absent: decisions.

use handlebars::{Handlebars, RenderError, TemplateError};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::progress::duration;
use super::report_figures::plots;
use crate::apply::report::{
    CheckReport, End, IndexReport, MigrationReport, PhaseReport, Run, Standing,
};
use crate::base::units::{human_count, plural};

const TEMPLATE: &str = include_str!("../../templates/report/report.hbs");
/// Characters of a digest that are shown.
const DIGEST_CHARS: usize = 16;
/// The least width of a bar of the timeline, of a thousand.
const BAR_LEAST: f64 = 3.0;

/// Why a page could not be made: a fault of `mig`.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The template.
    #[error("the template of the report: {0}")]
    Template(#[from] Box<TemplateError>),
    /// Its values.
    #[error("the report: {0}")]
    Render(#[from] Box<RenderError>),
}

/// The page.
pub fn report_html(report: &MigrationReport) -> Result<String, ReportError> {
    let mut templates = Handlebars::new();
    templates.set_strict_mode(true);
    templates
        .register_template_string("report", TEMPLATE)
        .map_err(Box::new)?;
    let values = values(report);
    Ok(templates.render("report", &values).map_err(Box::new)?)
}

fn values(report: &MigrationReport) -> Value {
    let (words, tone, sentence) = standing(report);
    let lanes = lanes(&report.phases);
    let newest = report.runs.last();
    let named: Vec<&String> = report.evidence.iter().flat_map(|it| &it.named).collect();
    let left_out = |count: u64, what: &str| match count {
        0 => String::new(),
        count => format!("; {} {what}", human_count(count)),
    };
    json!({
        "plan": report.plan,
        "description": report.description,
        "standing": {"words": words, "tone": tone, "sentence": sentence},
        "places": report.places,
        "digest": report.digest.as_str(),
        "state": report.state,
        "lineage": report.lineage,
        "last_run": newest.map(|run| format!("{} by {}: {}", when(run.began), run.who, outcome(run).0)),
        "at": when(report.at),
        "mig": report.mig,
        "lanes": lanes.bars,
        "lanes_from": lanes.from,
        "lanes_to": lanes.to,
        "lanes_note": lanes.note,
        "phases": report.phases.iter().map(phase).collect::<Vec<_>>(),
        "plots": report.phases.iter().filter_map(plots).collect::<Vec<_>>(),
        "indices": report.indices.iter().map(index).collect::<Vec<_>>(),
        "indices_caption": format!(
            "{} and what became of their documents{}",
            crate::base::units::indices(report.indices.len()),
            left_out(report.indices_left_out, "more are not shown")
        ),
        "failures": report.failures.iter().map(|it| json!({
            "class": it.class, "phase": it.phase, "count": human_count(it.count), "at": it.at,
        })).collect::<Vec<_>>(),
        "evidence": report.evidence.iter().map(|it| json!({
            "phase": it.phase, "verdict": verdict_word(&it.verdict), "tone": verdict_tone(&it.verdict), "content": it.content,
            "at": it.at.parse::<Timestamp>().map_or_else(|_| it.at.clone(), when),
            "mig": it.mig, "digest": cut(&it.digest), "file": it.file,
        })).collect::<Vec<_>>(),
        "named": named,
        "accepted": report.accepted.iter().map(|it| json!({
            "rule": it.rule, "phase": it.phase, "lossy": it.lossy, "edits": human_count(it.edits), "why": it.why,
            "examples": it.examples,
        })).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(|it| json!({
            "code": it.code, "severity": it.severity, "summary": it.summary,
        })).collect::<Vec<_>>(),
        "check": report.check.as_ref().map(check),
        "runs": report.runs.iter().map(run).collect::<Vec<_>>(),
        "runs_caption": format!(
            "Applies, the oldest first{}",
            left_out(report.runs_left_out, "earlier ones are not shown")
        ),
        "approvals": report.approvals.iter().map(|it| json!({
            "phase": it.phase, "who": it.who, "at": when(it.at),
        })).collect::<Vec<_>>(),
    })
}

/// The last check: in a sentence, and its probes.
fn check(check: &CheckReport) -> Value {
    let record = &check.record;
    let mut says = Vec::new();
    if check.plan_changed {
        says.push("The plan is another one since.".to_owned());
    }
    if record.interrupted {
        says.push("It was interrupted, so that not all was probed.".to_owned());
    }
    if check.phases_left_out > 0 && !record.interrupted {
        let phases = plural(check.phases_left_out, "phase");
        says.push(format!("It did not look at {phases} of the plan."));
    }
    let kept = record.probes.len() as u64;
    let more = (record.ok + record.failed + record.left_out).saturating_sub(kept);
    if more > 0 {
        says.push(format!("{} more are not shown.", plural(more, "probe")));
    }
    let (words, tone) = match () {
        () if record.failed > 0 || !record.stays.is_empty() => ("failed", "bad"),
        () if record.is_well() => ("passed", "good"),
        () => ("interrupted", "careful"),
    };
    json!({
        "words": words,
        "tone": tone,
        "sentence": format!(
            "{} by {} with mig {}: {} went well, {} failed, {} not tried.",
            when(record.at),
            record.who,
            record.mig,
            plural(record.ok, "probe"),
            human_count(record.failed),
            human_count(record.left_out),
        ),
        "says": says,
        "stays": record.stays,
        "probes": record.probes.iter().map(|it| json!({
            "phase": it.phase, "name": it.name, "on": it.on, "outcome": it.outcome, "said": it.said, "help": it.help,
            "tone": match it.outcome.as_str() { "ok" => "good", "failed" => "bad", _ => "careful" },
        })).collect::<Vec<_>>(),
    })
}

fn standing(report: &MigrationReport) -> (&'static str, &'static str, String) {
    let of = |status: &str| {
        report
            .phases
            .iter()
            .filter(|it| it.status == status)
            .count()
    };
    let written: u64 = report.indices.iter().filter_map(|it| it.written).sum();
    let failed: u64 = report.indices.iter().map(|it| it.failed).sum();
    let amounts = format!(
        "{} were written, {} failed.",
        plural(written, "document"),
        human_count(failed)
    );
    match report.standing {
        Standing::NotBegun => (
            "not begun",
            "plain",
            "Nothing of this plan was applied yet.".to_owned(),
        ),
        Standing::Proved => (
            "done and proved",
            "good",
            format!(
                "Every phase is done, and verifications found what they had to find. {amounts}"
            ),
        ),
        Standing::Done => (
            "done",
            "good",
            format!(
                "Every phase is done. No phase of the plan verifies what was written. {amounts}"
            ),
        ),
        Standing::Unfinished => (
            "not finished",
            "careful",
            format!(
                "{} of {} are done. {amounts}",
                of("done"),
                plural(report.phases.len() as u64, "phase")
            ),
        ),
        Standing::Failed => (
            "failed",
            "bad",
            format!(
                "{} failed; the same `mig apply` goes on once the cause is gone. {amounts}",
                plural(of("failed") as u64, "phase")
            ),
        ),
    }
}

fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn cut(digest: &str) -> String {
    digest.chars().take(DIGEST_CHARS).collect()
}

fn status_tone(status: &str) -> &'static str {
    match status {
        "done" => "good",
        "failed" => "bad",
        "begun" => "careful",
        _ => "plain",
    }
}

fn verdict_word(verdict: &str) -> &str {
    match verdict {
        "pass" => "equal",
        "fail" => "differs",
        "" => "not verified",
        other => other,
    }
}

fn verdict_tone(verdict: &str) -> &'static str {
    match verdict {
        "pass" => "good",
        "fail" => "bad",
        _ => "plain",
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

fn phase(phase: &PhaseReport) -> Value {
    let ran: f64 = phase.spans.iter().map(|it| seconds(it.from, it.to)).sum();
    let mut says: Vec<&str> = phase.evidence.iter().map(String::as_str).collect();
    says.extend(phase.error.iter().flat_map(|error| error.lines()));
    json!({
        "address": phase.address,
        "kind": phase.kind,
        "status": phase.status,
        "tone": status_tone(phase.status),
        "time": if phase.spans.is_empty() { String::new() } else { duration(ran) },
        "says": says,
    })
}

fn index(index: &IndexReport) -> Value {
    let count = |count: Option<u64>| count.map_or_else(|| "unknown".to_owned(), human_count);
    let verified = index.verified.as_ref();
    let verdict = verified.map_or("", |it| it.verdict.as_str());
    let found = verified.filter(|it| it.verdict != "pass").map(|it| {
        format!(
            "{} missing, {} different, {} extra",
            human_count(it.missing),
            human_count(it.different),
            human_count(it.extra)
        )
    });
    json!({
        "index": index.index,
        "on": index.on,
        "source": count(index.source),
        "written": count(index.written),
        "newer": human_count(index.newer),
        "left_out": human_count(index.left_out),
        "failed": human_count(index.failed),
        "verdict": verdict_word(verdict),
        "tone": if index.failed > 0 && verdict.is_empty() { "bad" } else { verdict_tone(verdict) },
        "verified": found,
        "digest": verified.map(|it| cut(&it.target_digest)).unwrap_or_default(),
    })
}

fn outcome(run: &Run) -> (String, &'static str) {
    match run.outcome.as_deref() {
        None => ("running, or it was killed".to_owned(), "careful"),
        Some("success") => ("success".to_owned(), "good"),
        Some(other) => (other.to_owned(), "careful"),
    }
}

fn run(run: &Run) -> Value {
    let (words, tone) = outcome(run);
    json!({
        "number": run.number,
        "began": when(run.began),
        "time": run.ended.map(|ended| duration(seconds(run.began, ended))).unwrap_or_default(),
        "who": run.who,
        "outcome": words,
        "tone": tone,
        "digest": run.digest.short(),
        "mig": run.mig,
    })
}

/// The timeline.
struct Lanes {
    bars: Vec<Value>,
    from: String,
    to: String,
    note: &'static str,
}

/// A stretch without any phase that is longer than this part of all work is cut short.
const GAP_PART: f64 = 0.05;

fn lanes(phases: &[PhaseReport]) -> Lanes {
    let mut spans: Vec<(f64, f64)> = Vec::new();
    let all = || phases.iter().flat_map(|phase| &phase.spans);
    let (Some(from), Some(to)) = (all().map(|it| it.from).min(), all().map(|it| it.to).max())
    else {
        return Lanes {
            bars: Vec::new(),
            from: String::new(),
            to: String::new(),
            note: "",
        };
    };
    for span in all() {
        spans.push((seconds(from, span.from), seconds(from, span.to)));
    }
    let axis = Axis::new(spans);
    let bars = phases
        .iter()
        .map(|phase| {
            let mut bars = String::new();
            for span in &phase.spans {
                let left = axis.at(seconds(from, span.from));
                let right = axis.at(seconds(from, span.to));
                let wide = (right - left).max(BAR_LEAST);
                let class = match span.end {
                    End::Done => "bar-done",
                    End::Failed => "bar-failed",
                    End::Interrupted => "bar-interrupted",
                    End::Running => "bar-running",
                };
                let left = left.min(1000.0 - wide);
                bars.push_str(&format!(
                    "<rect class=\"{class}\" x=\"{left:.1}\" width=\"{wide:.1}\" y=\"2\" height=\"12\"/>"
                ));
            }
            let words = format!("{}, ran {}", phase.status, plural(phase.spans.len() as u64, "time"));
            let svg = format!(
                "<svg viewBox=\"0 0 1000 16\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{words}\">{bars}</svg>"
            );
            json!({"address": phase.address, "svg": svg})
        })
        .collect();
    Lanes {
        bars,
        from: when(from),
        to: when(to),
        note: if axis.is_cut {
            "Green ended well, yellow was interrupted, red failed; time in which nothing ran is cut short."
        } else {
            "Green ended well, yellow was interrupted, red failed."
        },
    }
}

/// Times on a line of a thousand, with long times in which nothing ran cut short.
struct Axis {
    /// Stretches of work: from, to, and where they begin on the line, in seconds.
    stretches: Vec<(f64, f64, f64)>,
    length: f64,
    is_cut: bool,
}

impl Axis {
    fn new(mut spans: Vec<(f64, f64)>) -> Self {
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        let work: f64 = merged.iter().map(|it| it.1 - it.0).sum();
        let gap_most = (work * GAP_PART).max(0.5);
        let mut axis = Self {
            stretches: Vec::new(),
            length: 0.0,
            is_cut: false,
        };
        let mut before: Option<f64> = None;
        for (from, to) in merged {
            let gap = before.map_or(0.0, |before| from - before);
            axis.is_cut |= gap > gap_most;
            let begin = axis.length + gap.min(gap_most);
            axis.stretches.push((from, to, begin));
            axis.length = begin + (to - from);
            before = Some(to);
        }
        axis
    }

    fn at(&self, time: f64) -> f64 {
        let stretch = self.stretches.iter().rev().find(|it| it.0 <= time);
        let at = stretch.map_or(0.0, |(from, to, begin)| begin + (time.min(*to) - from));
        at / self.length.max(0.001) * 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::checked::{CheckRecord, CheckedProbe};
    use crate::apply::recording::{Accepted, Point, Series};
    use crate::apply::report::{Approval, Evidence, Failure, Piece, Place, Span, Verified};
    use crate::base::{Address, Fingerprint};

    const HOSTILE: &str = "<script>alert(1)</script>\"'&{{plan}}";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn piece(run: usize, from: u64) -> Piece {
        let points = (0..5).map(|step: u64| Point {
            at_ms: 500 + step * 1_000,
            done: from + step * (100 + step),
            bytes: step * 4096,
            failed: step / 4,
            workers: 2,
            in_flight: 3,
            requests: step * 10,
            request_micros: step * step * 40_000,
            throttled: step / 3,
            rejected: 0,
            sent_again: 0,
            sent: step * 10,
            sent_bytes: step * 40_000,
            wire_bytes: step * 10_000,
            unanswered: 0,
        });
        Piece {
            run,
            series: Series {
                unit: "docs".into(),
                every_ms: 1_000,
                points: points.collect(),
            },
        }
    }

    fn sample(name: &str) -> MigrationReport {
        let digest = Fingerprint::of(&"plan");
        let phase = |address: &str, kind, status, spans: Vec<Span>, series| PhaseReport {
            address: Address::new(address),
            kind,
            status,
            evidence: vec![format!("of {name}")],
            error: (status == "failed").then(|| format!("{name}\nsecond line")),
            spans,
            series,
        };
        let span = |from, to, end| Span {
            from: at(from),
            to: at(to),
            end,
        };
        let spans = vec![span(0, 6, End::Interrupted), span(900, 905, End::Done)];
        let index = |index: &str, failed, verdict: &str| IndexReport {
            on: "os".into(),
            index: index.into(),
            source: Some(500),
            written: Some(500 - failed),
            failed,
            verified: Some(Verified {
                by: "same".into(),
                verdict: verdict.into(),
                found: 500 - failed,
                missing: failed,
                target_digest: "00112233445566778899".into(),
                ..Verified::default()
            }),
            ..IndexReport::default()
        };
        MigrationReport {
            at: at(1000),
            mig: "0.1.0",
            plan: name.into(),
            description: Some(name.into()),
            digest: digest.clone(),
            state: "/state".into(),
            lineage: "l".into(),
            standing: Standing::Failed,
            places: vec![Place {
                name: "os".into(),
                what: "OpenSearch 2.19.1".into(),
                role: "target".into(),
                at: name.into(),
                facts: vec![name.into()],
            }],
            phases: vec![
                phase(
                    "docs",
                    "backfill",
                    "done",
                    spans,
                    vec![piece(1, 0), piece(2, 400)],
                ),
                phase(
                    "same",
                    "verify",
                    "failed",
                    vec![span(906, 907, End::Failed)],
                    Vec::new(),
                ),
                phase("live", "switchover", "to do", Vec::new(), Vec::new()),
            ],
            runs: vec![
                Run {
                    number: 1,
                    began: at(0),
                    ended: None,
                    who: name.into(),
                    mig: "0.1.0".into(),
                    digest: digest.clone(),
                    outcome: None,
                },
                Run {
                    number: 2,
                    began: at(900),
                    ended: Some(at(907)),
                    who: "ann".into(),
                    mig: "0.1.0".into(),
                    digest,
                    outcome: Some("a check or a verification failed".into()),
                },
            ],
            runs_left_out: 0,
            indices: vec![index(name, 3, "fail"), index("logs", 0, "pass")],
            indices_left_out: 0,
            failures: vec![Failure {
                phase: Address::new("docs"),
                class: name.into(),
                count: 3,
                at: "/state/failed".into(),
            }],
            accepted: vec![Accepted {
                phase: Address::new("docs"),
                rule: "MIG110".into(),
                lossy: true,
                why: name.into(),
                edits: 2,
                examples: vec![name.into()],
            }],
            findings: Vec::new(),
            check: Some(CheckReport {
                record: CheckRecord {
                    version: 1,
                    at: at(-60),
                    who: name.into(),
                    mig: "0.1.0".into(),
                    plan: name.into(),
                    plan_digest: Fingerprint::of(&"earlier"),
                    interrupted: false,
                    phases: vec![Address::new("docs")],
                    ok: 1,
                    failed: 1,
                    left_out: 0,
                    probes: vec![
                        CheckedProbe {
                            phase: Address::new("docs"),
                            name: "index".into(),
                            on: Some(Address::new("os")),
                            outcome: "failed".into(),
                            said: name.into(),
                            help: vec![name.into()],
                        },
                        CheckedProbe {
                            phase: Address::new("docs"),
                            name: "settings".into(),
                            on: None,
                            outcome: "ok".into(),
                            said: "are put back".into(),
                            help: Vec::new(),
                        },
                    ],
                    stays: vec![name.into()],
                },
                plan_changed: true,
                phases_left_out: 2,
            }),
            approvals: vec![Approval {
                phase: Address::new("live"),
                who: name.into(),
                at: at(5),
            }],
            evidence: vec![Evidence {
                phase: Address::new("same"),
                file: "/state/evidence/same.json".into(),
                verdict: "fail".into(),
                content: "full".into(),
                at: at(907).to_string(),
                mig: "0.1.0".into(),
                digest: "aabb".into(),
                named: vec![name.into()],
            }],
        }
    }

    #[test]
    fn a_page_tells_a_migration() {
        let page = report_html(&sample("logs-to-opensearch")).unwrap();
        let (_, body) = page.split_once("<body>").unwrap();
        insta::assert_snapshot!(body);
    }

    #[test]
    fn nothing_that_comes_from_outside_is_markup() {
        let page = report_html(&sample(HOSTILE)).unwrap();
        assert!(!page.contains("<script"), "a script got in");
        assert!(!page.contains("alert(1)</"), "markup got in");
        let told = page
            .matches("&lt;script&gt;alert(1)&lt;/script&gt;")
            .count();
        assert!(told >= 12, "{told}");
        assert!(
            page.contains("{{plan}}"),
            "what comes from outside is no template"
        );
    }

    #[test]
    fn a_page_loads_nothing_and_its_marks_are_balanced() {
        let page = report_html(&sample("p")).unwrap();
        for word in [
            "http://",
            "https://",
            "src=",
            "@import",
            "url(",
            "<link",
            "onload",
            "javascript:",
        ] {
            assert!(!page.contains(word), "{word}");
        }
        for tag in [
            "table", "tbody", "tr", "th", "td", "svg", "section", "div", "ul", "li", "figure",
            "span",
        ] {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn a_migration_without_anything_yet_has_a_page() {
        let report = MigrationReport {
            standing: Standing::NotBegun,
            phases: Vec::new(),
            runs: Vec::new(),
            indices: Vec::new(),
            failures: Vec::new(),
            accepted: Vec::new(),
            check: None,
            approvals: Vec::new(),
            evidence: Vec::new(),
            description: None,
            ..sample("p")
        };
        let page = report_html(&report).unwrap();
        assert!(
            page.contains("not begun") && page.contains("None yet."),
            "{page}"
        );
    }
}
