//! Documents that failed, as text: `mig backfill failed` and `retry-failed`.
//!
//! Pure. Deliberately absent: reading them, and JSON, which is the serialized value.

use std::collections::BTreeMap;

use serde::Serialize;

use super::backfill_status::causes_text;
use super::layout::{end_line, hang, put};
use crate::base::Address;
use crate::base::units::{human_count, plural};
use crate::engines::bulk::failed::causes::Cause;
use crate::engines::bulk::failed::{FailedDocument, Seen};
use crate::engines::bulk::retry::RetryOutcome;

/// Failed documents in sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FailedCount {
    /// How many, of those that were asked for.
    pub failed: u64,
    /// Those whose lines are on another machine, of all.
    pub untold: u64,
    /// By class.
    pub by_class: BTreeMap<String, u64>,
    /// By index.
    pub by_index: BTreeMap<String, u64>,
    /// What made them fail, the most frequent first.
    pub causes: Vec<Cause>,
}

/// `index/id  class  reason`, on one line.
pub fn document_line(document: &FailedDocument<'_>) -> String {
    let line = format!(
        "{}/{}  {}  {}",
        document.index, document.id, document.class, document.reason
    );
    // Ids and reasons may hold anything, and a line is a document.
    line.chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect()
}

/// What is said of documents whose lines are elsewhere.
pub fn untold_text(seen: Seen) -> Option<String> {
    (seen.untold() > 0).then(|| {
        format!(
            "the lines of {} more are not here: the worker that met them keeps them on its own machine, unless the state is in a bucket",
            plural(seen.untold(), "failed document")
        )
    })
}

/// `mig backfill failed count`
pub fn count_text(phase: &Address, count: &FailedCount, columns: usize) -> String {
    if count.failed == 0 && count.untold == 0 {
        return format!("No document of {phase} failed.\n");
    }
    let mut text = format!(
        "Failed documents of {phase}: {}\n\n",
        human_count(count.failed)
    );
    causes_text(&mut text, &count.causes, columns);
    if !count.by_index.is_empty() {
        end_line(&mut text);
        put!(text, "By index\n");
        for (index, failed) in &count.by_index {
            hang(
                &mut text,
                "  ",
                4,
                &format!("{} of {index}", human_count(*failed)),
                columns,
            );
        }
    }
    let seen = Seen {
        failed: count.untold,
        told: 0,
    };
    if let Some(untold) = untold_text(seen) {
        end_line(&mut text);
        hang(&mut text, "", 0, &untold, columns);
    }
    text
}

/// After `mig backfill retry-failed`.
pub fn retried_text(
    phase: &Address,
    outcome: &RetryOutcome,
    problems: &BTreeMap<String, String>,
    next: &str,
    columns: usize,
) -> String {
    let mut text = String::new();
    if outcome.arrived() + outcome.failed_again + outcome.failed == 0 && problems.is_empty() {
        let line = format!("No document of {phase} failed, so nothing was sent again.");
        hang(&mut text, "", 0, &line, columns);
        return text;
    }
    let said = crate::phases::backfill::again::statement(outcome);
    hang(&mut text, "", 0, &format!("{phase}: {said}."), columns);
    if outcome.untold > 0 {
        let line = format!(
            "Not tried: {} of work items whose lines are on another machine.",
            plural(outcome.untold, "document")
        );
        hang(&mut text, "", 0, &line, columns);
    }
    for (index, problem) in problems {
        hang(&mut text, "", 2, &format!("{index}: {problem}"), columns);
    }
    let left = match outcome.failed {
        0 => "No document of it is failed any more.".to_owned(),
        left => format!("{} still failed.", plural(left, "document")),
    };
    hang(&mut text, "", 0, &format!("{left} {next}"), columns);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_one_line_whatever_is_in_it() {
        let document = FailedDocument {
            index: "shop".into(),
            shard: 0,
            segment: "_0".into(),
            doc: 1,
            id: "a\nb".into(),
            routing: None,
            class: "c".into(),
            reason: "x\u{1b}[2J\ty".into(),
            request: None,
            request_base64: None,
        };
        assert_eq!(document_line(&document), "shop/a b  c  x [2J y");
    }

    #[test]
    fn what_is_elsewhere_is_told() {
        let seen = |failed, told| Seen { failed, told };
        assert_eq!(untold_text(seen(3, 3)), None);
        assert!(
            untold_text(seen(3, 1))
                .unwrap()
                .contains("2 failed documents")
        );
        let none = count_text(&Address::from("docs"), &FailedCount::default(), 80);
        assert_eq!(none, "No document of docs failed.\n");
    }

    #[test]
    fn a_retry_tells_what_became_of_it_in_lines_that_fit() {
        let phase = Address::new("docs");
        let told =
            |outcome: &RetryOutcome| retried_text(&phase, outcome, &BTreeMap::new(), "Go on.", 80);
        let none = told(&RetryOutcome::default());
        assert_eq!(
            none,
            "No document of docs failed, so nothing was sent again.\n"
        );
        let some = told(&RetryOutcome {
            written: 3,
            failed_again: 2,
            failed: 2,
            ..RetryOutcome::default()
        });
        assert!(some.starts_with("docs: 5 documents that had failed sent again: 3 written"));
        assert!(some.contains("2 documents still failed. Go on."), "{some}");
        assert!(
            some.lines().all(|line| line.chars().count() <= 80),
            "{some}"
        );
    }
}
