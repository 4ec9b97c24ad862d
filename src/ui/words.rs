//! Words for people: lengths of time, lists, counted things.

use super::layout::put;
use crate::base::units::human_count;
use crate::diff::planned::Summary;

/// `under a minute`, `25m`, `5h 20m`, `3d 4h`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (
        seconds / 86_400,
        seconds % 86_400 / 3_600,
        seconds % 3_600 / 60,
    );
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 => "no time".to_owned(),
        (0, 0, 0) => "under a minute".to_owned(),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, 0) => format!("{hours}h"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, 0, _) => format!("{days}d"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// `5h to 7h`, or one of them when people would read both the same.
pub(super) fn duration_range(low_s: u64, high_s: u64) -> String {
    let (low, high) = (duration(low_s.max(1)), duration(high_s.max(1)));
    if low == high {
        low
    } else {
        format!("{low} to {high}")
    }
}

/// `1 index`, `2 indices`: nouns of the plan that don't just take an `s`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let number = human_count(count as u64);
    let word = match (count, noun) {
        (1, _) | (_, "documents") => noun.to_owned(),
        (_, "index") => "indices".to_owned(),
        (_, "alias") => "aliases".to_owned(),
        (_, noun) if noun.ends_with("policy") => noun.replace("policy", "policies"),
        _ => format!("{noun}s"),
    };
    format!("{number} {word}")
}

/// The same for a count of documents.
pub(super) fn counted_u64(count: u64, noun: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), noun)
}

/// A question as it is read behind the name of what it is about.
pub(super) fn without_label<'a>(question: &'a str, object: &str, name: &str) -> &'a str {
    let rest = question
        .strip_prefix(object)
        .and_then(|rest| rest.strip_prefix(' ')?.strip_prefix(name));
    match rest {
        Some(rest) if rest.starts_with(": ") => &rest[2..],
        Some(rest) if rest.starts_with(' ') => &rest[1..],
        _ => question,
    }
}

/// `a, b and c`.
pub(super) fn list<S: AsRef<str>>(words: &[S]) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [rest @ .., last] => {
            let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}

/// `1 up to date, 2 to create, 1 approval`.
pub(super) fn summary(summary: &Summary) -> String {
    let parts = [
        (summary.create, "to create"),
        (summary.change, "to change"),
        (summary.replace, "to replace"),
        (summary.delete, "to delete"),
        (summary.run, "to run"),
        (summary.check, "to check"),
        (summary.up_to_date, "up to date"),
    ];
    let mut words: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    if summary.wait > 0 {
        words.push(format!("{} to give", counted(summary.wait, "approval")));
    }
    if summary.decide > 0 {
        words.push(format!("{} to decide", summary.decide));
    }
    if summary.drifted > 0 {
        words.push(format!("{} drifted", summary.drifted));
    }
    let mut text = words.join(", ");
    if summary.decisions_missing > 0 {
        let missing = counted(summary.decisions_missing, "decision");
        put!(text, "; {missing} missing");
    }
    text
}
