//! The figures of a phase over time, for the report: which there are, what each shows of two points, and what a load measured of
//! its requests in a sentence.
//!
//! Pure. Relies on `plot`, which draws. Deliberately absent: where on a page they stand.

use serde_json::{Value, json};

use super::plot::{Plot, svg};
use crate::apply::recording::Point;
use crate::apply::report::PhaseReport;
use crate::base::units::{human_bytes, human_count, plural};

/// Titles of figures.
const DONE: &str = "Done a second";
const BYTES: &str = "Bytes of the source a second";
/// Fewer points make no curve.
const POINTS_LEAST: usize = 5;

type OfPair = fn(&Point, &Point, f64) -> Option<f64>;
/// A title, what it shows of two points and the seconds between them, and how a value is written.
type Figure = (&'static str, OfPair, fn(f64) -> String);

fn number(value: f64) -> String {
    if value > 0.0 && value < 10.0 {
        let text = format!("{value:.1}");
        return text.trim_end_matches(".0").to_owned();
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // never negative
    let whole = value.round() as u64;
    human_count(whole)
}

fn bytes(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // never negative
    let whole = value.round() as u64;
    human_bytes(whole)
}

fn rate(now: u64, before: u64, seconds: f64) -> f64 {
    now.saturating_sub(before) as f64 / seconds
}

fn figures(unit: &str) -> [Figure; 9] {
    let docs = if unit == "docs" {
        "Documents a second"
    } else {
        DONE
    };
    [
        (docs, |a, b, s| Some(rate(b.done, a.done, s)), number),
        (BYTES, |a, b, s| Some(rate(b.bytes, a.bytes, s)), bytes),
        (
            "Milliseconds a request, on the mean",
            |a, b, _| {
                let requests = b.requests.saturating_sub(a.requests);
                let micros = b.request_micros.saturating_sub(a.request_micros);
                (requests > 0).then(|| micros as f64 / 1000.0 / requests as f64)
            },
            number,
        ),
        (
            "Bytes sent a second",
            |a, b, s| (b.requests > 0).then(|| rate(b.wire_bytes, a.wire_bytes, s)),
            bytes,
        ),
        (
            "Workers at work",
            |_, b, _| (b.requests > 0).then_some(b.workers as f64),
            number,
        ),
        (
            "Requests on their way",
            |_, b, _| (b.requests > 0).then_some(b.in_flight as f64),
            number,
        ),
        (
            "Answers 429 and rejected documents, a minute",
            |a, b, s| {
                let of = |it: &Point| it.throttled + it.rejected;
                (b.requests > 0).then(|| rate(of(b), of(a), s) * 60.0)
            },
            number,
        ),
        (
            "Requests without an answer, a minute",
            |a, b, s| (b.requests > 0).then(|| rate(b.unanswered, a.unanswered, s) * 60.0),
            number,
        ),
        (
            "Failed documents a minute",
            |a, b, s| (b.requests > 0 || b.failed > 0).then(|| rate(b.failed, a.failed, s) * 60.0),
            number,
        ),
    ]
}

/// What a load measured of its requests, over all its processes; empty where there were none.
fn requests(phase: &PhaseReport) -> String {
    let newest = phase.series.last().and_then(|it| it.series.points.last());
    let Some(point) = newest.filter(|it| it.requests > 0) else {
        return String::new();
    };
    let mut text = format!(
        "{} with {} of documents",
        plural(point.sent, "request"),
        human_bytes(point.sent_bytes)
    );
    if point.wire_bytes < point.sent_bytes {
        let wire = human_bytes(point.wire_bytes);
        text.push_str(&format!(" ({wire} compressed)"));
    }
    let mean = point.request_micros as f64 / 1000.0 / point.requests as f64;
    text.push_str(&format!(", {} ms each on the mean", number(mean)));
    let told = [
        (point.throttled, "request", "answered 429"),
        (point.rejected, "document", "rejected within requests"),
        (point.sent_again, "document", "sent again"),
        (point.unanswered, "request", "without an answer"),
    ];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, noun, became)| format!("{} {became}", plural(count, noun)))
        .collect();
    if told.is_empty() {
        text.push_str(". All were taken at once.");
    } else {
        text.push_str(&format!(". Not taken at once: {}.", told.join(", ")));
    }
    text
}

/// The plots of a phase that has figures over time.
pub(super) fn plots(phase: &PhaseReport) -> Option<Value> {
    let unit = phase.series.first()?.series.unit.as_str();
    let points: usize = phase.series.iter().map(|it| it.series.points.len()).sum();
    if points < POINTS_LEAST || phase.kind == "metadata" {
        return None;
    }
    let mut drawn = Vec::new();
    for (title, value, write) in figures(unit) {
        let mut pieces = Vec::new();
        let mut breaks = Vec::new();
        let mut begin = 0.0;
        for piece in &phase.series {
            let points = &piece.series.points;
            let first = points.first().map_or(0, |it| it.at_ms);
            let at = |point: &Point| begin + (point.at_ms.saturating_sub(first)) as f64 / 1000.0;
            let line: Vec<(f64, f64)> = points
                .windows(2)
                .filter_map(|pair| {
                    let [before, now] = pair else { return None };
                    let seconds = now.at_ms.saturating_sub(before.at_ms) as f64 / 1000.0;
                    let value = value(before, now, seconds.max(0.001))?;
                    Some((at(now), value))
                })
                .collect();
            if let Some(last) = points.last() {
                begin = at(last);
            }
            pieces.push(line);
            breaks.push(begin);
        }
        breaks.pop();
        let all_zero = pieces.iter().flatten().all(|it| it.1 <= 0.0);
        let matters = title.contains("429") || title.starts_with("Failed");
        // What is counted in bytes is told once.
        let twice = unit == "bytes" && title == DONE;
        if (all_zero && !matters) || twice {
            continue;
        }
        let svg = svg(&Plot {
            title,
            pieces: &pieces,
            breaks: &breaks,
            write,
            binary: title.starts_with("Bytes"),
        });
        if !svg.is_empty() {
            drawn.push(json!({"title": title, "svg": svg}));
        }
    }
    (!drawn.is_empty())
        .then(|| json!({"address": phase.address, "requests": requests(phase), "figures": drawn}))
}
