//! `mig plan` for a terminal: header, legend, one line a phase with its items below, and what it all means.
//!
//! Pure: width, colour and depth come as values. Relies on `layout`, `groups` and `theme`. Deliberately absent: times of
//! day, so that the same plan on the same clusters prints the same bytes.

use std::collections::BTreeSet;

use super::layout::put;
use super::layout::{cut, end_line, hang, pad, width};
use super::plan_items::{self, Depth, Line};
use super::theme::{Paint, Theme};
use super::words;
use crate::base::Address;
use crate::diff::change::{Action, PhaseChange};
use crate::diff::planned::{Finding, PlannedChanges};

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Phases, and what a person must decide.
    Summary,
    /// Items too, those that are alike once.
    #[default]
    Normal,
    /// Every item and every edit.
    Full,
}

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// Columns.
    pub width: usize,
    /// Colour.
    pub theme: Theme,
    /// Depth.
    pub detail: Detail,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            width: 100,
            theme: Theme::plain(),
            detail: Detail::Normal,
        }
    }
}

impl TextOptions {
    fn depth(&self) -> Depth {
        let (grouped, groups, edits, names) = match self.detail {
            Detail::Summary => (true, 0, 0, 0),
            Detail::Normal => (true, 12, 8, 3),
            Detail::Full => (false, usize::MAX, usize::MAX, usize::MAX),
        };
        Depth {
            grouped,
            groups,
            edits,
            names,
            // In full means in full: what is long is wrapped.
            value: match self.detail {
                Detail::Full => usize::MAX,
                _ => (self.width / 3).clamp(24, 80),
            },
            path: (self.width / 2).clamp(24, 60),
            say_folded: self.detail == Detail::Normal,
        }
    }
}

/// Where the longest address may push the columns to the right of it.
const ADDRESS_COLUMNS_MAX: usize = 22;

/// The whole text.
pub fn plan_text(planned: &PlannedChanges, options: &TextOptions) -> String {
    let mut out = String::new();
    header(&mut out, planned, options);
    legend(&mut out, planned, options);
    let longest = planned
        .phases()
        .map(|phase| width(phase.address.as_str()))
        .max();
    let columns = longest.unwrap_or(0).clamp(6, ADDRESS_COLUMNS_MAX);
    let symbols = planned
        .phases()
        .map(|phase| width(phase.action.symbol()))
        .max();
    let symbols = symbols.unwrap_or(1);
    for phase in planned.phases() {
        phase_lines(&mut out, phase, (symbols, columns), options);
    }
    end_line(&mut out);
    if !planned.is_empty() {
        blocks(&mut out, planned, options);
    }
    findings(&mut out, planned, options);
    closing(&mut out, planned, options);
    out
}

fn header(out: &mut String, planned: &PlannedChanges, options: &TextOptions) {
    let theme = options.theme;
    let state = if planned.state.serial == 0 {
        format!("state {} (new)", planned.state.location)
    } else {
        format!(
            "state {} serial {}",
            planned.state.location, planned.state.serial
        )
    };
    let rest = format!("· plan {} · {state}", planned.plan.digest.short());
    out.push_str(&theme.paint(Paint::Strong, &format!("mig plan · {}", planned.plan.name)));
    let taken = width("mig plan · ") + width(&planned.plan.name);
    if taken + 1 + width(&rest) > options.width {
        out.push_str("\n  ");
    } else {
        out.push(' ');
    }
    out.push_str(&theme.paint(Paint::Faint, &rest));
    out.push_str("\n\n");
    let column = |of: fn(&crate::diff::planned::ClusterLine) -> &str| {
        planned
            .clusters
            .iter()
            .map(|line| width(of(line)))
            .max()
            .unwrap_or(0)
    };
    let (names, whats, roles) = (
        column(|line| line.address.as_str()),
        column(|line| &line.what),
        column(|line| &line.role),
    );
    for line in &planned.clusters {
        let name = theme.paint(Paint::Strong, &pad(line.address.as_str(), names));
        let text = format!("{}   {}   ", pad(&line.what, whats), pad(&line.role, roles));
        let facts = line.facts.join("   ");
        let room = options.width.saturating_sub(4 + names + width(&text));
        put!(out, "  {name}  {text}");
        out.push_str(&theme.paint(Paint::Faint, &cut(&facts, room)));
        end_line(out);
    }
    if let Some(selection) = &planned.selection {
        let left_out: Vec<&str> = selection.left_out.iter().map(Address::as_str).collect();
        out.push('\n');
        let mut text = selection.asked.join(" ");
        if !left_out.is_empty() {
            put!(text, ": leaves out {}", words::list(&left_out));
        }
        hang(out, "  ", 2, &text, options.width);
    }
    out.push('\n');
}

fn legend(out: &mut String, planned: &PlannedChanges, options: &TextOptions) {
    let used: BTreeSet<Action> = planned
        .phases()
        .flat_map(|phase| {
            let items = if options.detail == Detail::Summary {
                &[][..]
            } else {
                &phase.items
            };
            std::iter::once(phase.action).chain(items.iter().map(|item| item.action))
        })
        .collect();
    let mut column = 0;
    for action in Action::ALL
        .into_iter()
        .filter(|action| used.contains(action))
    {
        let size = width(action.symbol()) + 2 + width(action.meaning());
        if column > 0 && column + 4 + size > options.width {
            out.push('\n');
            column = 0;
        }
        out.push_str(if column == 0 { "  " } else { "    " });
        column += size + if column == 0 { 2 } else { 4 };
        put!(
            out,
            "{}  {}",
            options.theme.symbol(action),
            action.meaning()
        );
    }
    out.push_str("\n\n");
}

fn phase_lines(
    out: &mut String,
    phase: &PhaseChange,
    (symbols, columns): (usize, usize),
    options: &TextOptions,
) {
    let theme = options.theme;
    let address = phase.address.as_str();
    let name = if phase.action.is_noop() {
        theme.paint(Paint::Plain, &pad(address, columns))
    } else {
        theme.paint(Paint::Strong, &pad(address, columns))
    };
    let symbol = phase.action.symbol();
    let gap = " ".repeat(symbols.saturating_sub(width(symbol)));
    let head = format!(
        "  {}{gap}  {name}  {}  ",
        theme.symbol(phase.action),
        pad(phase.kind.as_str(), 10)
    );
    // A longer address pushes its own line alone.
    let indent = 2 + symbols + 2 + columns.max(width(address)) + 2 + 10 + 2;
    if indent + 28 > options.width {
        out.push_str(&head);
        end_line(out);
        hang(out, "         ", 9, &phase.title, options.width);
    } else {
        hang(out, &head, indent, &phase.title, options.width);
    }
    for line in plan_items::lines(phase, &options.depth()) {
        item_line(out, &line, options);
    }
}

fn item_line(out: &mut String, line: &Line, options: &TextOptions) {
    let Line {
        indent,
        paint,
        head,
        text,
        tail,
    } = line;
    let taken = indent + width(head);
    let head = format!(
        "{}{}",
        " ".repeat(*indent),
        options.theme.paint(*paint, head)
    );
    let one_line = taken + width(text) + 3 + width(tail) <= options.width;
    if tail.is_empty() {
        hang(out, &head, taken, text, options.width);
    } else if one_line {
        hang(
            out,
            &head,
            taken,
            &format!("{text}   {tail}"),
            options.width,
        );
    } else {
        hang(out, &head, taken, text, options.width);
        let indent = taken + 4;
        hang(out, &" ".repeat(indent), indent, tail, options.width);
    }
}

fn blocks(out: &mut String, planned: &PlannedChanges, options: &TextOptions) {
    let mut block = |name: &str, lines: Vec<String>| {
        for (index, line) in lines.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let head = options.theme.paint(Paint::Strong, &pad(name, 9));
            hang(out, &format!("  {head}"), 11, line, options.width);
        }
    };
    let order: Vec<&str> = planned
        .phases()
        .filter(|phase| phase.has_work())
        .map(|phase| phase.address.as_str())
        .collect();
    block("Order", vec![order.join(" → ")]);
    block("Touches", plan_items::touches(planned));
    block("Time", vec![plan_items::time(planned)]);
    block("Undo", plan_items::undo(planned));
    out.push('\n');
}

fn findings(out: &mut String, planned: &PlannedChanges, options: &TextOptions) {
    let theme = options.theme;
    for finding in &planned.diagnostics {
        let Finding {
            severity,
            code,
            summary,
            detail,
            range,
        } = finding;
        let paint = if severity == "error" {
            Paint::Bad
        } else {
            Paint::Careful
        };
        let place = range
            .as_ref()
            .map(|range| format!("   --> {}:{}:{}", range.filename, range.line, range.column))
            .unwrap_or_default();
        let mut word = severity.clone();
        if let Some(first) = word.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let head = theme.paint(paint, &format!("{word}: "));
        let indent = width(&word) + 2;
        hang(
            out,
            &head,
            indent,
            &format!("{summary} ({code}){place}"),
            options.width,
        );
        if !detail.is_empty() {
            hang(out, "  help: ", 8, detail, options.width);
        }
        out.push('\n');
    }
    let missing = planned.summary.decisions_missing;
    if missing > 0 {
        let (verb, them) = if missing == 1 {
            ("is", "it")
        } else {
            ("are", "them")
        };
        let head = theme.paint(Paint::Bad, "Error: ");
        let text = format!(
            "{} {verb} missing (see `!` above). The plan can't be applied before {them}: exit 4.",
            words::counted(missing, "decision")
        );
        hang(out, &head, 7, &text, options.width);
        out.push('\n');
    }
}

fn closing(out: &mut String, planned: &PlannedChanges, options: &TextOptions) {
    if planned.is_empty() {
        let head = options.theme.paint(Paint::Good, "No changes. ");
        hang(
            out,
            &head,
            12,
            &plan_items::why_sure(planned),
            options.width,
        );
        return;
    }
    let head = options.theme.paint(Paint::Strong, "Plan: ");
    let text = format!("{}.", words::summary(&planned.summary));
    hang(out, &head, 6, &text, options.width);
}
