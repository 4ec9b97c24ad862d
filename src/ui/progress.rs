//! The events of an apply for people, as lines: what begins and ends, and in between how far it is.
//!
//! Relies on the event type alone. Deliberately absent: any clock but the one that spaces the lines, and the view that is drawn
//! in place (`live`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use owo_colors::Style;

use crate::apply::event::Event;
use crate::base::Address;
use crate::base::units::{human_count, plural};

const LINE_EVERY: Duration = Duration::from_secs(10);

/// Renders events as they come.
pub struct ProgressReporter<'a> {
    write: Box<dyn FnMut(&str) + 'a>,
    how_far: bool,
    lines: BTreeMap<Address, Instant>,
}

impl<'a> ProgressReporter<'a> {
    /// `write` takes one message; `how_far` gives a line each ten seconds about each phase that runs.
    pub fn new(how_far: bool, write: impl FnMut(&str) + 'a) -> Self {
        Self {
            write: Box::new(write),
            how_far,
            lines: BTreeMap::new(),
        }
    }

    /// Takes one event.
    pub fn take(&mut self, event: &Event) {
        if let Event::PhaseProgress { address, .. } = event {
            let now = Instant::now();
            // The first line after ten seconds: a short phase says enough by its end.
            let due = *self.lines.entry(address.clone()).or_insert(now) + LINE_EVERY;
            if self.how_far && now >= due {
                self.lines.insert(address.clone(), now);
                (self.write)(&progress_line(event));
            }
            return;
        }
        if let Some(text) = words(event) {
            (self.write)(&text);
        }
    }
}

/// `docs: 412 600 of 1 210 000 documents (34%), 51 900/s, 0 failed, 2 workers, 4h 18m left`
fn progress_line(event: &Event) -> String {
    let Event::PhaseProgress {
        address,
        done,
        total,
        unit,
        rate,
        eta_s,
        failed,
        workers,
        paused_by,
        ..
    } = event
    else {
        return String::new();
    };
    let unit = if unit == "docs" { "documents" } else { unit };
    let percent = (done * 100).checked_div(*total).unwrap_or(100);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate is never negative
    let rate = human_count(*rate as u64);
    let mut text = format!(
        "{address}: {} of {} {unit} ({percent}%), {rate}/s, {} failed",
        human_count(*done),
        human_count(*total),
        human_count(*failed),
    );
    if let Some(by) = paused_by {
        text.push_str(&format!(", paused by {by} until `mig backfill start`"));
    }
    if *workers > 0 {
        text.push_str(&format!(", {}", plural(u64::from(*workers), "worker")));
    }
    if let Some(seconds) = eta_s {
        text.push_str(&format!(", {} left", duration(*seconds as f64)));
    }
    text
}

/// Seconds for people: `4h 18m`, `2m 5s`, `0.4s`.
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1}s");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at least 10
    let whole = seconds.round() as u64;
    match (
        whole / 86_400,
        whole / 3_600 % 24,
        whole / 60 % 60,
        whole % 60,
    ) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m {s}s"),
        (0, h, m, _) => format!("{h}h {m}m"),
        (d, h, _, _) => format!("{d}d {h}h"),
    }
}

fn words(event: &Event) -> Option<String> {
    let good = Style::new().green();
    let bad = Style::new().red().bold();
    let mild = Style::new().yellow();
    let indented = |lines: &[String]| -> String {
        lines
            .iter()
            .flat_map(|line| ["\n  ", line.as_str()])
            .collect()
    };
    Some(match event {
        Event::Version { .. }
        | Event::PlanSummary { .. }
        | Event::PhaseProgress { .. }
        | Event::Summary(_)
        | Event::CheckResult { passed: true, .. } => return None,
        Event::CheckResult {
            address, findings, ..
        } => {
            format!(
                "{address}: {}{}",
                bad.style("the check failed"),
                indented(findings)
            )
        }
        Event::PhaseStart {
            address,
            kind,
            title,
            ..
        } if title.is_empty() => {
            format!("{address}: {} begins", kind.as_str())
        }
        Event::PhaseStart {
            address,
            kind,
            title,
            ..
        } => {
            format!("{address}: {}: {title}", kind.as_str())
        }
        Event::Checkpoint { address, reason } => {
            format!(
                "{address}: {} ({reason})",
                mild.style("stopped at a checkpoint")
            )
        }
        Event::GateWaiting {
            address,
            title,
            lapsed,
            command,
        } => {
            let lapsed = if *lapsed {
                "\n  the approval has lapsed: what it was given for has changed"
            } else {
                ""
            };
            format!(
                "{address}: {}: {title}{lapsed}\n  to let it go on: {command}",
                mild.style("waits for approval")
            )
        }
        Event::GatePassed {
            address,
            who,
            approved_at,
        } => {
            format!("{address}: approved by {who} at {approved_at}")
        }
        Event::PhaseComplete {
            address,
            seconds,
            evidence,
            ..
        } => format!(
            "{address}: {} in {}{}",
            good.style("done"),
            duration(*seconds),
            indented(evidence)
        ),
        Event::PhaseFailed {
            address,
            error,
            help,
        } => {
            let mut lines = error.lines();
            let mut text = format!(
                "{address}: {} {}",
                bad.style("failed:"),
                lines.next().unwrap_or_default()
            );
            for line in lines {
                text.push_str(&format!("\n  {line}"));
            }
            if let Some(help) = help {
                text.push_str(&format!(
                    "\n  {} {help}",
                    Style::new().cyan().style("help:")
                ));
            }
            text
        }
        Event::PhaseSkipped { address, because } => format!("{address}: not begun: {because}"),
        Event::Diagnostic { severity, message } if *severity == "note" => message.clone(),
        Event::Diagnostic { severity, message } => {
            format!("{} {message}", mild.style(format!("{severity}:")))
        }
    })
}
