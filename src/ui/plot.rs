//! Lines over time as SVG that stands within a page: no script, colours by classes that the page defines.
//!
//! Pure. Numbers of a plot are also told in words, for those who can't see it. Deliberately absent: what is plotted.

use super::layout::put;

/// A plot.
pub(super) struct Plot<'a> {
    /// What is shown: `documents a second`.
    pub(super) title: &'a str,
    /// The lines: one a run, each its own stretch of the time axis. Seconds and values, in order.
    pub(super) pieces: &'a [Vec<(f64, f64)>],
    /// Where a run ended and the next began, in seconds.
    pub(super) breaks: &'a [f64],
    /// How a value is written.
    pub(super) write: fn(f64) -> String,
    /// Whether round values are powers of two, as those of bytes are.
    pub(super) binary: bool,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// Lines across, about.
const TICKS: f64 = 4.0;

/// The plot; empty where there is nothing to see.
pub(super) fn svg(plot: &Plot<'_>) -> String {
    let points: Vec<(f64, f64)> = plot.pieces.iter().flatten().copied().collect();
    if points.len() < 2 {
        return String::new();
    }
    let end = points.iter().map(|it| it.0).fold(0.0, f64::max).max(1.0);
    let highest = points.iter().map(|it| it.1).fold(0.0, f64::max);
    let step = if plot.binary {
        2f64.powf((highest / TICKS).max(1.0).log2().ceil())
    } else {
        nice(highest / TICKS)
    };
    let top = (highest / step).ceil().max(1.0) * step;
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let mean = points.iter().map(|it| it.1).sum::<f64>() / points.len() as f64;
    let words = format!(
        "{}: {} on the mean, {} at most, over {}",
        plot.title,
        (plot.write)(mean),
        (plot.write)(highest),
        time(end)
    );
    let mut out = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{words}\"><title>{words}</title>"
    );
    let mut value = 0.0;
    while value <= top * 1.001 {
        let at = y(value);
        put!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            (plot.write)(value)
        );
        value += step;
    }
    for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            x(end * part),
            HEIGHT - 8.0,
            moment(end * part, end)
        );
    }
    for at in plot.breaks {
        let at = x(*at);
        put!(
            out,
            "<line class=\"break\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>",
            HEIGHT - BOTTOM
        );
    }
    for piece in plot.pieces.iter().filter(|piece| !piece.is_empty()) {
        let mut path = String::new();
        for (number, (at, value)) in piece.iter().enumerate() {
            let letter = if number == 0 { 'M' } else { 'L' };
            put!(path, "{letter}{:.1} {:.1}", x(*at), y(*value));
        }
        if let (Some(first), Some(last)) = (piece.first(), piece.last()) {
            let base = y(0.0);
            put!(
                out,
                "<path class=\"area\" d=\"{path}L{:.1} {base:.1}L{:.1} {base:.1}Z\"/>",
                x(last.0),
                x(first.0)
            );
        }
        put!(out, "<path class=\"line\" d=\"{path}\"/>");
    }
    out.push_str("</svg>");
    out
}

/// The next of 1, 2 and 5 times a power of ten.
fn nice(step: f64) -> f64 {
    if step <= 0.0 || !step.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0].into_iter();
    let mut fits = factors.filter(|factor| factor * power >= step * 0.999);
    fits.next().unwrap_or(10.0) * power
}

/// `0 s`, `12 s`, `3 m 20 s`, `2 h 5 m`.
fn time(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // never negative
    let whole = seconds.round() as u64;
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} m"),
        (0, m, s) => format!("{m} m {s} s"),
        (h, m, _) => format!("{h} h {m} m"),
    }
}

/// A moment of an axis that ends then: to the tenth where it is short.
fn moment(seconds: f64, end: f64) -> String {
    if end < 10.0 {
        return format!("{seconds:.1} s");
    }
    time(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (step, wanted) in [
            (0.3, 0.5),
            (1.0, 1.0),
            (12.0, 20.0),
            (400.0, 500.0),
            (0.0, 1.0),
        ] {
            assert!((nice(step) - wanted).abs() < 1e-9, "{step}");
        }
    }

    #[test]
    fn all_of_a_line_is_within_the_plot() {
        let pieces = [
            vec![(0.0, 0.0), (10.0, 97.0)],
            vec![(12.0, 3.0), (20.0, 0.0)],
        ];
        let text = svg(&Plot {
            title: "documents a second",
            pieces: &pieces,
            breaks: &[11.0],
            write: |value| format!("{value:.0}"),
            binary: false,
        });
        assert!(
            text.contains(
                "aria-label=\"documents a second: 25 on the mean, 97 at most, over 20 s\""
            )
        );
        assert_eq!(text.matches("class=\"line\"").count(), 2);
        assert_eq!(text.matches("class=\"break\"").count(), 1);
        assert!(text.contains("100</text>"), "{text}");
    }
}
