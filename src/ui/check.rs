//! What `mig check` shows: a block a phase, a line a probe with what it touched and how it is mended, a line in sum.
//!
//! Pure. Deliberately absent: the exit code.

use serde_json::{Value, json};

use super::layout::{end_line, hang, pad, put, width};
use super::theme::{Paint, Theme};
use super::words::counted;
use crate::apply::check::Checked;
use crate::base::Fingerprint;
use crate::phases::check::{Outcome, PhaseChecks};

/// The format of the JSON.
const FORMAT_VERSION: &str = "1.0";
/// Where the longest address may push the columns to the right of it.
const ADDRESS_COLUMNS_MAX: usize = 22;
/// Where the longest name of a probe may push them.
const NAME_COLUMNS_MAX: usize = 18;
/// `left out` is the longest outcome.
const OUTCOME_COLUMNS: usize = 8;

/// For a terminal.
pub fn check_text(
    plan: (&str, &Fingerprint),
    checked: &Checked,
    (theme, columns): (Theme, usize),
) -> String {
    let mut out = String::new();
    put!(
        out,
        "{} {}\n\n",
        theme.paint(Paint::Strong, &format!("mig check · {}", plan.0)),
        theme.paint(Paint::Faint, &format!("· plan {}", plan.1.short()))
    );
    for removed in &checked.removed {
        let head = theme.paint(Paint::Careful, "  removed  ");
        hang(
            &mut out,
            &head,
            11,
            &format!("{removed}, left by a check that was killed"),
            columns,
        );
    }
    for stays in &checked.stays {
        let head = theme.paint(Paint::Bad, "  stays    ");
        hang(&mut out, &head, 11, &stays.said, columns);
        if let Some(help) = &stays.help {
            let head = format!("           {}", theme.paint(Paint::Work, "help: "));
            hang(&mut out, &head, 17, help, columns);
        }
    }
    if !checked.removed.is_empty() || !checked.stays.is_empty() {
        out.push('\n');
    }
    let longest = |of: &dyn Fn(&PhaseChecks) -> usize| checked.phases.iter().map(of).max();
    let addresses = longest(&|phase| width(phase.address.as_str()));
    let addresses = addresses.unwrap_or(0).clamp(6, ADDRESS_COLUMNS_MAX);
    let probes = checked.phases.iter().flat_map(|phase| &phase.probes);
    let names = probes.map(|probe| width(&probe.name)).max();
    let names = names.unwrap_or(0).min(NAME_COLUMNS_MAX);
    for phase in &checked.phases {
        phase_lines(&mut out, phase, (addresses, names), (theme, columns));
    }
    out.push('\n');
    out.push_str(&closing(checked, theme));
    end_line(&mut out);
    out
}

fn phase_lines(
    out: &mut String,
    phase: &PhaseChecks,
    (addresses, names): (usize, usize),
    (theme, columns): (Theme, usize),
) {
    let address = theme.paint(Paint::Strong, &pad(phase.address.as_str(), addresses));
    put!(out, "  {address}  {}", phase.kind.as_str());
    if let Some(none) = &phase.none {
        let head = format!("  {}", theme.paint(Paint::Faint, "no probe: "));
        let indent = 2 + addresses + 2 + width(phase.kind.as_str()) + 2 + width("no probe: ");
        hang(out, &head, indent, none, columns);
        return;
    }
    end_line(out);
    for probe in &phase.probes {
        let paint = match probe.outcome {
            Outcome::Ok => Paint::Good,
            Outcome::Failed => Paint::Bad,
            Outcome::LeftOut => Paint::Careful,
        };
        let outcome = theme.paint(paint, &pad(&probe.outcome.to_string(), OUTCOME_COLUMNS));
        let head = format!("    {outcome}  {}  ", pad(&probe.name, names));
        let indent = 4 + OUTCOME_COLUMNS + 2 + names.max(width(&probe.name)) + 2;
        hang(out, &head, indent, &probe.said, columns);
        let below = 4 + OUTCOME_COLUMNS + 2;
        for touched in &probe.touched {
            let head = format!(
                "{}{}",
                " ".repeat(below),
                theme.paint(Paint::Faint, "· made ")
            );
            hang(out, &head, below + 7, touched, columns);
        }
        for help in &probe.help {
            let head = format!(
                "{}{}",
                " ".repeat(below),
                theme.paint(Paint::Work, "help: ")
            );
            hang(out, &head, below + 6, help, columns);
        }
    }
}

fn closing(checked: &Checked, theme: Theme) -> String {
    let failed = checked.count(Outcome::Failed);
    let left_out = checked.count(Outcome::LeftOut);
    let mut parts = vec![format!("{} ok", checked.count(Outcome::Ok))];
    if failed > 0 {
        parts.push(theme.paint(Paint::Bad, &format!("{failed} failed")));
    }
    if left_out > 0 {
        parts.push(format!("{left_out} left out"));
    }
    let stays = checked.stays.len() + usize::from(!is_clean(checked));
    let after = if stays > 0 {
        " What could not be removed is named above."
    } else if made(checked) > 0 {
        " All that was made is removed."
    } else {
        ""
    };
    let interrupted = if checked.interrupted {
        "Interrupted: "
    } else {
        "Check: "
    };
    let probes = checked.phases.iter().map(|phase| phase.probes.len()).sum();
    format!(
        "{interrupted}{}, {}.{after}",
        counted(probes, "probe"),
        parts.join(", ")
    )
}

fn made(checked: &Checked) -> usize {
    let probes = checked.phases.iter().flat_map(|phase| &phase.probes);
    probes.map(|probe| probe.touched.len()).sum()
}

fn is_clean(checked: &Checked) -> bool {
    let mut probes = checked.phases.iter().flat_map(|phase| &phase.probes);
    !probes.any(|probe| probe.name == crate::phases::check::CLEAN_UP)
}

/// For programs.
pub fn check_json(plan: (&str, &Fingerprint), checked: &Checked) -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "plan": {"name": plan.0, "digest": plan.1},
        "check": checked,
        "summary": {
            "ok": checked.count(Outcome::Ok),
            "failed": checked.count(Outcome::Failed),
            "left_out": checked.count(Outcome::LeftOut),
        },
    })
}
