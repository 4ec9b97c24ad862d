//! `mig plan --base OLD`: what the plan file changes against another, for a terminal and for markdown.
//!
//! Pure. Relies on `diff::base` for the comparison.

use super::layout::put;
use super::layout::{end_line, hang, pad, width};
use super::plan_items::value;
use super::plan_markdown::cell;
use super::plan_text::TextOptions;
use super::theme::Paint;
use super::words;
use crate::diff::base::{PartChange, PlanComparison};
use crate::diff::change::Action;

/// For a terminal.
pub fn comparison_text(base: &str, comparison: &PlanComparison, options: &TextOptions) -> String {
    let theme = options.theme;
    let mut out = theme.paint(Paint::Strong, &format!("Against {base}"));
    out.push_str("\n\n");
    if comparison.parts.is_empty() {
        out.push_str("  No difference: comments and order don't count.\n");
        return out;
    }
    let columns = comparison
        .parts
        .iter()
        .map(|part| width(&label(part)))
        .max()
        .unwrap_or(0);
    for part in &comparison.parts {
        let symbol = part.action.symbol();
        let head = format!(
            "  {}{} {}",
            theme.symbol(part.action),
            " ".repeat(3_usize.saturating_sub(width(symbol))),
            theme.paint(Paint::Strong, &pad(&label(part), columns))
        );
        out.push_str(&head);
        put!(out, "  {}", what(part));
        end_line(&mut out);
        let paths = part
            .fields
            .iter()
            .map(|field| width(&field.path))
            .max()
            .unwrap_or(0);
        for field in &part.fields {
            let class = if part.object == "phase" {
                field.class.meaning()
            } else {
                ""
            };
            let text = format!(
                "{}  {} -> {}   {class}",
                pad(&field.path, paths),
                value(&field.before, options.width / 4),
                value(&field.after, options.width / 4),
            );
            let head = format!("       {} ", theme.symbol(Action::Change));
            hang(&mut out, &head, 9, text.trim_end(), options.width);
        }
    }
    out
}

/// For a pull request: one table.
pub fn comparison_markdown(base: &str, comparison: &PlanComparison) -> String {
    let mut out = format!("**Against `{base}`**\n\n");
    if comparison.parts.is_empty() {
        out.push_str("No difference: comments and order don't count.\n");
        return out;
    }
    out.push_str(
        "| | what | field | before | after | what the change does |\n|---|---|---|---|---|---|\n",
    );
    for part in &comparison.parts {
        let symbol = part.action.symbol();
        let name = cell(&label(part));
        if part.fields.is_empty() {
            put!(out, "| `{symbol}` | {name} | | | | {} |\n", what(part));
        }
        for field in &part.fields {
            let class = if part.object == "phase" {
                field.class.meaning()
            } else {
                ""
            };
            put!(
                out,
                "| `{symbol}` | {name} | {} | {} | {} | {class} |\n",
                cell(&field.path),
                cell(&value(&field.before, 60)),
                cell(&value(&field.after, 60)),
            );
        }
    }
    out
}

fn label(part: &PartChange) -> String {
    match part.kind {
        Some(kind) => format!("{} {} ({})", part.object, part.name, kind.as_str()),
        None => format!("{} {}", part.object, part.name),
    }
}

fn what(part: &PartChange) -> String {
    let renamed = part
        .previous_name
        .as_ref()
        .map(|name| format!("was called {name}"));
    match (part.action, renamed) {
        (Action::Create, _) => "added".to_owned(),
        (Action::Delete, _) if part.object == "phase" => {
            "removed from the plan; what it made stays".to_owned()
        }
        (Action::Delete, _) => "removed".to_owned(),
        (Action::Replace, _) => "has another kind now".to_owned(),
        (_, Some(renamed)) => renamed,
        _ => words::counted(part.fields.len(), "field"),
    }
}
