//! What people see of a plan and of an apply: looked at as a whole, at two widths, with and without colour.

use mig::base::Address;
use mig::diff::{PlannedChanges, compare_plans, fields};
use mig::graph::compile;
use mig::ui::plan_base::{comparison_markdown, comparison_text};
use mig::ui::plan_json::plan_json;
use mig::ui::plan_markdown::{DEFAULT_MAX_BYTES, plan_markdown};
use mig::ui::plan_text::{Detail, TextOptions, plan_text};
use mig::ui::show_resolved::show_resolved;
use mig::ui::summary::{ApplySummary, Outcome, PhaseSummary, apply_summary};
use mig::ui::theme::Theme;

use crate::graph::{HEAD, PHASES, plan_of};
use crate::sample::{plan, planned, up_to_date};

fn text(planned: &PlannedChanges, width: usize, detail: Detail) -> String {
    let theme = Theme::plain();
    plan_text(
        planned,
        &TextOptions {
            width,
            theme,
            detail,
        },
    )
}

#[test]
fn a_plan_reads_well_at_any_width() {
    let planned = planned(207, true);
    insta::assert_snapshot!("text_80", text(&planned, 80, Detail::Normal));
    insta::assert_snapshot!("text_160", text(&planned, 160, Detail::Normal));
    insta::assert_snapshot!("text_summary", text(&planned, 100, Detail::Summary));
    for width in [60, 80, 100, 160] {
        for line in text(&planned, width, Detail::Normal).lines() {
            assert!(!line.ends_with(' '), "{line:?}");
            let fits = line.chars().count() <= width.max(72);
            assert!(fits, "{width} columns: {line:?}");
        }
    }
}

#[test]
fn full_detail_folds_nothing() {
    let shown = text(&planned(207, true), 120, Detail::Full);
    for number in 0..207 {
        assert_eq!(shown.matches(&format!("logs-2019-{number:05}")).count(), 2);
    }
    assert!(!shown.contains('…'));
}

#[test]
fn colour_adds_escapes_and_nothing_else() {
    let planned = planned(3, true);
    let options = TextOptions {
        theme: Theme::coloured(),
        width: 80,
        ..TextOptions::default()
    };
    let coloured = plan_text(&planned, &options);
    assert!(coloured.contains("\u{1b}["));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(stripped, text(&planned, 80, Detail::Normal));
}

#[test]
fn nothing_to_do_says_why_that_is_sure() {
    insta::assert_snapshot!("text_no_changes", text(&up_to_date(), 80, Detail::Normal));
    insta::assert_snapshot!(
        "markdown_no_changes",
        plan_markdown(&up_to_date(), DEFAULT_MAX_BYTES)
    );
}

#[test]
fn markdown_reads_well() {
    insta::assert_snapshot!(
        "markdown",
        plan_markdown(&planned(207, true), DEFAULT_MAX_BYTES)
    );
}

#[test]
fn markdown_never_exceeds_its_budget() {
    let mut planned = planned(2_000, true);
    for phase in &mut planned.phase_changes {
        for (number, item) in phase.decided.items.iter_mut().enumerate() {
            // Nothing is alike, so nothing can be grouped.
            item.object = format!("object-{number}-```");
        }
    }
    let whole = plan_markdown(&planned, usize::MAX);
    assert!(whole.len() > DEFAULT_MAX_BYTES);
    for budget in [
        0, 1, 20, 100, 300, 700, 1_500, 3_000, 8_000, 20_000, 65_000, 200_000,
    ] {
        let text = plan_markdown(&planned, budget);
        assert!(text.len() <= budget, "{} > {budget}", text.len());
        assert!(
            budget < 700 || text.contains("Folded to fit"),
            "{budget}: {text}"
        );
        assert!(budget < 100 || text.starts_with("<!-- mig:plan:logs-to-opensearch -->\n"));
    }
}

#[test]
fn json_is_read_back_whole_and_keeps_its_shape() {
    let planned = planned(2, true);
    let json = plan_json(&planned);
    assert_eq!(PlannedChanges::from_json(&json), Ok(planned));
    insta::assert_snapshot!("plan_json", json);
    let newer = json.replacen("\"1.0\"", "\"2.0\"", 1);
    assert!(PlannedChanges::from_json(&newer).is_err_and(|error| error.contains("format 2.0")));
}

#[test]
fn the_resolved_plan_shows_every_default() {
    let plan = plan();
    let (graph, _) = compile(&plan);
    insta::assert_snapshot!(
        "show_resolved",
        show_resolved(&plan, &graph, Theme::plain())
    );
}

#[test]
fn a_pull_request_sees_what_the_file_changes() {
    let old = plan();
    let text = format!("{HEAD}{}", PHASES.concat())
        .replace("workers: 2", "workers: 12")
        .replace("content: full", "content: ids")
        .replace("  live:  ", "  cutover:")
        .replace("\"2.19\"", "\"3.1\"")
        + "renamed: { cutover: live }\n";
    let comparison = compare_plans(&old, &plan_of(&text), fields::class_of);
    let options = TextOptions::default();
    insta::assert_snapshot!(
        "base_text",
        comparison_text("main:plan.yaml", &comparison, &options)
    );
    insta::assert_snapshot!(
        "base_markdown",
        comparison_markdown("main:plan.yaml", &comparison)
    );
    assert!(
        compare_plans(&old, &plan(), fields::class_of)
            .parts
            .is_empty()
    );
}

#[test]
fn the_end_of_an_apply_is_worth_reading() {
    let phase = |name: &str, kind: &str, outcome, did: &str| {
        PhaseSummary::new(Address::from(name), kind, outcome, did)
    };
    let summary = ApplySummary {
        report: Some("/var/lib/mig/logs/report.html".into()),
        plan: "logs-to-opensearch".into(),
        phases: vec![
            phase(
                "base",
                "snapshot",
                Outcome::UpToDate,
                "snapshot logs-base is there, as it was made",
            ),
            PhaseSummary {
                elapsed_ms: Some(2_340),
                ..phase(
                    "mappings",
                    "metadata",
                    Outcome::Done,
                    "created 207 indices, 1 template, 1 alias",
                )
            },
            PhaseSummary {
                docs: Some(1_204_331),
                bytes: Some(3_113_851_289),
                elapsed_ms: Some(1_502_000),
                estimated_s: Some((1_200, 1_800)),
                failed_docs: 3,
                evidence: Some(".mig/logs/failed/docs.ndjson".into()),
                ..phase("docs", "backfill", Outcome::Partial, "loaded 207 indices")
            },
            PhaseSummary {
                proof: vec![
                    "1 204 328 of 1 204 331 documents equal".into(),
                    "3 documents missing on os, all of them among the failed".into(),
                ],
                elapsed_ms: Some(240_100),
                evidence: Some(".mig/logs/evidence/same.json".into()),
                ..phase(
                    "same",
                    "verify",
                    Outcome::CheckFailed,
                    "3 documents missing",
                )
            },
            phase("live", "switchover", Outcome::NotReached, ""),
        ],
        elapsed_ms: 1_744_440,
        evidence: Some(".mig/logs/evidence".into()),
        next: vec![
            "mend the 3 documents, then `mig backfill retry-failed docs`".into(),
            "`mig apply` goes on from there".into(),
        ],
    };
    insta::assert_snapshot!("summary_80", apply_summary(&summary, 80, Theme::plain()));
    insta::assert_snapshot!("summary_160", apply_summary(&summary, 160, Theme::plain()));
}
