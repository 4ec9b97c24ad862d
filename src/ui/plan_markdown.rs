//! `mig plan --format markdown`: for a pull request, to a budget of bytes.
//!
//! Review tools refuse long comments, on exactly the plans that need review. So the text is made ever shallower until it
//! fits: all edits, then few, then none, then counts, then no drawing. It never exceeds the budget and never fails; its
//! last lines say what was folded. The first line is a hidden marker by which a pipeline finds its comment again.

use super::graph_mermaid::graph_mermaid;
use super::layout::put;
use super::plan_items::{self, Depth};
use super::words;
use crate::base::Address;
use crate::diff::change::{Action, PhaseChange};
use crate::diff::planned::PlannedChanges;

/// Below GitHub's 65,536 characters.
pub const DEFAULT_MAX_BYTES: usize = 65_000;

struct Level {
    depth: Option<Depth>,
    drawing: bool,
    phases: usize,
    folded: &'static str,
}

const fn depth(groups: usize, edits: usize, names: usize) -> Depth {
    Depth {
        grouped: true,
        groups,
        edits,
        names,
        value: 120,
        path: 60,
        say_folded: true,
    }
}

const LEVELS: [Level; 7] = [
    Level {
        depth: Some(depth(usize::MAX, usize::MAX, usize::MAX)),
        drawing: true,
        phases: usize::MAX,
        folded: "",
    },
    Level {
        depth: Some(depth(100, 12, 10)),
        drawing: true,
        phases: usize::MAX,
        folded: "edits beyond 12 an item, sorts of items beyond 100 a phase",
    },
    Level {
        depth: Some(depth(40, 0, 3)),
        drawing: true,
        phases: usize::MAX,
        folded: "all edits, sorts of items beyond 40 a phase",
    },
    Level {
        depth: Some(depth(0, 0, 0)),
        drawing: true,
        phases: usize::MAX,
        folded: "items and edits (decisions excepted)",
    },
    Level {
        depth: None,
        drawing: true,
        phases: usize::MAX,
        folded: "items, edits and decisions",
    },
    Level {
        depth: None,
        drawing: false,
        phases: 60,
        folded: "items, edits, decisions, the drawing, phases beyond 60",
    },
    Level {
        depth: None,
        drawing: false,
        phases: 0,
        folded: "everything but the counts",
    },
];

/// Markdown of at most `max_bytes`.
pub fn plan_markdown(planned: &PlannedChanges, max_bytes: usize) -> String {
    for level in &LEVELS {
        let text = at_level(planned, level, max_bytes);
        if text.len() <= max_bytes {
            return text;
        }
    }
    // Not even the counts fit: what fits of them.
    let mut text = format!(
        "{}\nmig plan: {}\n",
        marker(planned),
        words::summary(&planned.summary)
    );
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// The hidden first line: the same for every plan of the same name.
pub fn marker(planned: &PlannedChanges) -> String {
    let name: String = planned
        .plan
        .name
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        .take(64)
        .collect();
    format!("<!-- mig:plan:{} -->", name.replace("--", "-"))
}

fn at_level(planned: &PlannedChanges, level: &Level, max_bytes: usize) -> String {
    let mut out = marker(planned);
    let headline = if planned.is_empty() {
        "no changes".to_owned()
    } else {
        words::summary(&planned.summary)
    };
    put!(
        out,
        "\n### mig plan · {} · {headline}\n\n",
        cell(&planned.plan.name)
    );
    warnings(&mut out, planned);
    if planned.is_empty() {
        put!(out, "{}\n\n", plan_items::why_sure(planned));
    }
    if level.phases > 0 {
        table(&mut out, planned, level.phases);
    }
    if level.phases > 0 && !planned.is_empty() {
        blocks(&mut out, planned);
    }
    if let Some(depth) = &level.depth {
        for phase in planned.phases() {
            details(&mut out, phase, depth);
        }
    }
    if level.drawing && planned.graph.order.len() > 1 {
        let label = |address: &Address| {
            let action = planned
                .phase(address)
                .map(|phase| phase.action.meaning().to_owned());
            std::iter::once(address.to_string()).chain(action).collect()
        };
        let drawing = graph_mermaid(&planned.graph, &label);
        put!(
            out,
            "<details><summary>Order and reasons</summary>\n\n```mermaid\n{drawing}```\n\n</details>\n\n"
        );
    }
    if !level.folded.is_empty() {
        put!(
            out,
            "**Folded to fit {max_bytes} bytes:** {}. `mig plan --detail full` shows all.\n\n",
            level.folded
        );
    }
    let state = &planned.state;
    put!(
        out,
        "<sub>plan `{}` · result `{}` · state serial {} · mig {}</sub>\n",
        planned.plan.digest.short(),
        planned.digest().short(),
        state.serial,
        planned.mig_version
    );
    out
}

fn warnings(out: &mut String, planned: &PlannedChanges) {
    let missing = planned.summary.decisions_missing;
    if missing > 0 {
        put!(
            out,
            "> **{} missing.** The plan can't be applied before (exit 4).\n\n",
            words::counted(missing, "decision")
        );
    }
    if planned.is_destructive() {
        let names: Vec<String> = planned
            .phases()
            .filter(|phase| phase.is_destructive())
            .map(|phase| format!("`{}`", phase.address))
            .collect();
        put!(
            out,
            "> **Can't be undone, or destroys something:** {}.\n\n",
            words::list(&names)
        );
    }
    for finding in planned.diagnostics.iter().take(20) {
        let place = finding
            .range
            .as_ref()
            .map(|range| format!(" `{}:{}`", range.filename, range.line));
        put!(
            out,
            "> {} **{}**{}: {}",
            finding.severity,
            finding.code,
            place.unwrap_or_default(),
            cell(&finding.summary)
        );
        if !finding.detail.is_empty() {
            put!(out, ". _Fix:_ {}", cell(&finding.detail));
        }
        out.push_str("\n\n");
    }
}

fn table(out: &mut String, planned: &PlannedChanges, phases: usize) {
    out.push_str("| | phase | kind | what | takes |\n|---|---|---|---|---|\n");
    for phase in planned.phases().take(phases) {
        let takes = phase
            .estimate
            .as_ref()
            .filter(|_| phase.has_work())
            .map(|estimate| words::duration_range(estimate.low_s, estimate.high_s));
        let strong = if phase.has_work() { "**" } else { "" };
        put!(
            out,
            "| {} {} | {strong}{}{strong} | {} | {} | {} |\n",
            symbol(phase.action),
            phase.action.meaning(),
            cell(phase.address.as_str()),
            phase.kind.as_str(),
            cell(&phase.title),
            takes.unwrap_or_default()
        );
    }
    let more = planned.phase_changes.len().saturating_sub(phases);
    if more > 0 {
        put!(
            out,
            "| | … | | and {} | |\n",
            words::counted(more, "more phase")
        );
    }
    out.push('\n');
}

fn blocks(out: &mut String, planned: &PlannedChanges) {
    let mut block = |name: &str, lines: &[String]| match lines {
        [] => {}
        [only] => put!(out, "- **{name}:** {}\n", cell(only)),
        lines => {
            put!(out, "- **{name}:**\n");
            for line in lines {
                put!(out, "  - {}\n", cell(line));
            }
        }
    };
    block("Touches", &plan_items::touches(planned));
    block("Time", &[plan_items::time(planned)]);
    block("Undo", &plan_items::undo(planned));
    out.push('\n');
}

fn details(out: &mut String, phase: &PhaseChange, depth: &Depth) {
    let lines = plan_items::lines(phase, depth);
    if lines.is_empty() {
        return;
    }
    let mut text = String::new();
    for line in &lines {
        // The symbol stands in the first column, where the colours of a diff come from.
        let (symbol, rest) = match line.head.trim_end().chars().count() {
            1 | 2 => line.head.split_at(line.head.len() - 1),
            _ => (" ", line.head.as_str()),
        };
        let indent = " ".repeat(line.indent.saturating_sub(7));
        let gap = if line.tail.is_empty() { "" } else { "   " };
        let said = one_line(&format!("{}{gap}{}", line.text, line.tail));
        put!(text, "{symbol}{indent}{rest}{}\n", said.trim_end());
    }
    let fence = fence_for(&text);
    // What needs a person stands open.
    let open = if phase.undecided().next().is_some() || phase.action == Action::Decide {
        " open"
    } else {
        ""
    };
    let count = match phase.items.len() {
        0 => String::new(),
        count => format!(", {}", words::counted(count, "item")),
    };
    put!(
        out,
        "<details{open}><summary>{} <b>{}</b>{count}</summary>\n\n{fence}diff\n{text}{fence}\n\n</details>\n\n",
        symbol(phase.action),
        escape(phase.address.as_str())
    );
}

/// A fence that no line of the text can close.
fn fence_for(text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for letter in text.chars() {
        run = if letter == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(longest + 1)
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Text for a table's cell or a line of prose: one line that can't break out, mention people or start markup. Code between
/// backticks stays code, where backslashes and entities would be shown as they are.
pub(super) fn cell(text: &str) -> String {
    let has_code = text.matches('`').count().is_multiple_of(2);
    let mut in_code = false;
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '`' if has_code => {
                in_code = !in_code;
                out.push('`');
            }
            '|' => out.push_str("\\|"),
            '\n' | '\r' => out.push(' '),
            other if in_code => out.push(other),
            '*' | '_' | '[' | ']' | '\\' | '`' => {
                out.push('\\');
                out.push(letter);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            other => out.push(other),
        }
    }
    out
}

/// A symbol as code that works in a table's cell as well.
fn symbol(action: Action) -> String {
    format!(
        "<code>{}</code>",
        escape(action.symbol()).replace('|', "&#124;")
    )
}
