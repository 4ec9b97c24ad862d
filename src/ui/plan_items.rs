//! What stands below a phase's line, and the blocks at the end of a plan: as lines of text, before any width or colour.
//!
//! Relies on `groups`. Shared by the text and, for the blocks, by markdown.

use std::collections::HashSet;

use serde_json::Value;

use super::edits::{self, Alike};
use super::groups::{self, Group, Shared};
use super::layout::{cut, pad, put, width};
use super::theme::Paint;
use super::words;
use crate::base::Address;
use crate::base::units::{human_count, some_of};
use crate::diff::change::{Action, Edit, Item, PhaseChange};
use crate::diff::planned::PlannedChanges;
use crate::plan::model::PhaseKindName;

/// Keys of an object that are named when it has no room.
const KEYS_MAX: usize = 8;

/// Names of things with the same question that are given whatever the depth.
const OTHERS_MIN: usize = 12;
/// Sorts of edits that all items of a kind share: so many are shown whatever the depth.
const SHARED_MIN: usize = 12;

/// One line below a phase.
pub(super) struct Line {
    pub(super) indent: usize,
    pub(super) paint: Paint,
    pub(super) head: String,
    pub(super) text: String,
    /// What is said behind it, on a line of its own where there is no room.
    pub(super) tail: String,
}

/// How much of the lines is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    /// Items that are alike stand once.
    pub(super) grouped: bool,
    /// Groups of a phase; what a person has to see is never folded away.
    pub(super) groups: usize,
    /// Edits of a group.
    pub(super) edits: usize,
    /// Names of left-out things.
    pub(super) names: usize,
    /// Columns of a value.
    pub(super) value: usize,
    /// Columns of a path.
    pub(super) path: usize,
    /// Whether to say that something was folded.
    pub(super) say_folded: bool,
}

/// All lines below a phase.
pub(super) fn lines(phase: &PhaseChange, depth: &Depth) -> Vec<Line> {
    let mut lines = Vec::new();
    let say = |lines: &mut Vec<Line>, paint, head: &str, text: String| {
        lines.push(Line {
            indent: 7,
            paint,
            head: head.to_owned(),
            text,
            tail: String::new(),
        });
    };
    if let Some(previous) = &phase.previous_address {
        say(
            &mut lines,
            Paint::Faint,
            "· ",
            format!("was called {previous}"),
        );
    }
    let paths = phase
        .fields
        .iter()
        .map(|field| width(&field.path))
        .max()
        .unwrap_or(0);
    for field in &phase.fields {
        lines.push(Line {
            indent: 7,
            paint: Paint::Careful,
            head: "~ ".to_owned(),
            text: format!(
                "{}  {} -> {}",
                pad(&field.path, paths),
                value(&field.before, 40),
                value(&field.after, 40)
            ),
            tail: field.class.meaning().to_owned(),
        });
    }
    if phase.provisional {
        say(
            &mut lines,
            Paint::Faint,
            "≈ ",
            "provisional: decided again when its input exists".to_owned(),
        );
    }
    if let Some(estimate) = &phase.estimate
        && !phase.action.is_noop()
    {
        let range = words::duration_range(estimate.low_s, estimate.high_s);
        let basis = match estimate.basis.as_str() {
            "" => String::new(),
            basis => format!(", {basis}"),
        };
        say(
            &mut lines,
            Paint::Faint,
            "· ",
            format!("takes {range}{basis}"),
        );
    }
    for statement in &phase.evidence {
        say(&mut lines, Paint::Good, "= ", statement.clone());
    }
    items(&mut lines, phase, depth);
    left_out(&mut lines, phase, depth.names);
    lines
}

fn items(lines: &mut Vec<Line>, phase: &PhaseChange, depth: &Depth) {
    let rest;
    let groups: Vec<Group<'_>> = if depth.grouped {
        let (shared, reduced) = groups::share(&phase.items);
        for shared in &shared {
            shared_edits(lines, shared, depth);
        }
        rest = reduced;
        groups::group(&rest, phase.kind == PhaseKindName::Backfill)
    } else {
        phase
            .items
            .iter()
            .flat_map(|item| groups::group(std::slice::from_ref(item), false))
            .collect()
    };
    let must_show = |item: &Item| item.action == Action::Decide || item.decision.is_some();
    // What a person has to see is never folded away, whatever the depth.
    let mut room = depth
        .groups
        .saturating_sub(groups.iter().filter(|it| must_show(it.first)).count());
    let (mut folded, mut folded_items) = (0, 0);
    let shown: Vec<&Group<'_>> = groups
        .iter()
        .filter(|group| {
            if must_show(group.first) {
                return true;
            }
            if room == 0 {
                folded += 1;
                folded_items += group.names.len();
                return false;
            }
            room -= 1;
            true
        })
        .collect();
    let labels = shown
        .iter()
        .map(|group| width(&group.label()))
        .max()
        .unwrap_or(0)
        .min(40);
    for group in shown {
        let item = group.first;
        let label = group.label();
        let note = match &item.decision {
            Some(decision) => {
                let question = words::without_label(&decision.question, &item.object, &item.name);
                format!("{question} ({})", decision.code)
            }
            None => group.note(),
        };
        let text = if note.is_empty() {
            label
        } else {
            pad(&label, labels)
        };
        lines.push(Line {
            indent: 7,
            paint: Paint::of(item.action),
            head: format!("{} ", pad(item.action.symbol(), 1)),
            text,
            tail: note,
        });
        edits(lines, item, depth);
        if let Some(decision) = &item.decision {
            let answers = decision.answers.iter().enumerate();
            for (index, answer) in answers {
                lines.push(Line {
                    indent: 11,
                    paint: Paint::Careful,
                    head: if index == 0 { "write " } else { "   or " }.to_owned(),
                    text: answer.clone(),
                    tail: String::new(),
                });
            }
            if let Some((_, others)) = group.names.split_first().filter(|(_, it)| !it.is_empty()) {
                lines.push(Line {
                    indent: 11,
                    paint: Paint::Careful,
                    head: String::new(),
                    text: format!(
                        "the same for {}",
                        some_of(others, depth.names.max(OTHERS_MIN))
                    ),
                    tail: String::new(),
                });
            }
        }
    }
    if folded > 0 && depth.say_folded {
        lines.push(Line {
            indent: 7,
            paint: Paint::Faint,
            head: "… ".to_owned(),
            text: format!(
                "and {} of {} (--detail full shows them)",
                words::counted(folded_items, "more item"),
                words::counted(folded, "sort")
            ),
            tail: String::new(),
        });
    }
}

/// `~ each of 10 indices`, with the edits that all of them have.
fn shared_edits(lines: &mut Vec<Line>, shared: &Shared, depth: &Depth) {
    lines.push(Line {
        indent: 7,
        paint: Paint::Faint,
        head: "· ".to_owned(),
        text: format!("each of {}", words::counted(shared.items, &shared.object)),
        tail: String::new(),
    });
    let all: Vec<Edit> = shared.edits.iter().map(|(edit, _)| edit.clone()).collect();
    let differing: HashSet<&str> = shared
        .edits
        .iter()
        .filter(|(_, same)| !same)
        .map(|(edit, _)| edit.path.as_str())
        .collect();
    let groups = edits::alike(&all, None);
    let (shown, hidden) = groups.split_at(groups.len().min(depth.edits.max(SHARED_MIN)));
    let paths = shown.iter().map(|group| width(&group.first.path)).max();
    let paths = paths.unwrap_or(0).min(depth.path);
    for group in shown {
        let edit = group.first;
        let (head, change) = change_of(edit, depth);
        let same = !differing.contains(edit.path.as_str());
        let change = match (same, edit.before.as_ref().or(edit.after.as_ref())) {
            (true, _) => change,
            (false, Some(Value::Object(keys))) => {
                let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
                some_of(&keys, KEYS_MAX)
            }
            (false, _) => "(another value in each)".to_owned(),
        };
        lines.push(Line {
            indent: 11,
            paint: Paint::Faint,
            head,
            text: format!("{}  {change}", pad(&edit.path, paths)),
            tail: why(edit),
        });
        push_more(lines, group, depth);
    }
    push_hidden(lines, hidden, depth);
}

fn edits(lines: &mut Vec<Line>, item: &Item, depth: &Depth) {
    let groups = if depth.grouped {
        let asked = item.decision.as_ref().map(|it| it.code.as_str());
        edits::alike(&item.edits, asked)
    } else {
        edits::one_by_one(&item.edits)
    };
    // One more line is as good as saying that there is one more.
    let one_more = depth.edits > 0 && groups.len() == depth.edits.saturating_add(1);
    let shown = if one_more { groups.len() } else { depth.edits };
    let (shown, hidden) = groups.split_at(shown.min(groups.len()));
    let paths = shown.iter().map(|group| width(&group.first.path)).max();
    let paths = paths.unwrap_or(0).min(depth.path);
    for group in shown {
        let edit = group.first;
        let (head, mut change) = change_of(edit, depth);
        if !group.same {
            change.push_str(" (others: other values)");
        }
        lines.push(Line {
            indent: 11,
            paint: if edit.lossy {
                Paint::Bad
            } else {
                Paint::Careful
            },
            head,
            text: format!("{}  {change}", pad(&edit.path, paths)),
            tail: why(edit),
        });
        push_more(lines, group, depth);
    }
    push_hidden(lines, hidden, depth);
}

fn push_more(lines: &mut Vec<Line>, group: &Alike<'_>, depth: &Depth) {
    if let Some(more) = more_paths(&group.paths, depth.names) {
        lines.push(Line {
            indent: 17,
            paint: Paint::Faint,
            head: String::new(),
            text: more,
            tail: String::new(),
        });
    }
}

fn push_hidden(lines: &mut Vec<Line>, hidden: &[Alike<'_>], depth: &Depth) {
    let hidden: usize = hidden.iter().map(|group| group.paths.len()).sum();
    if hidden > 0 && depth.say_folded {
        lines.push(Line {
            indent: 11,
            paint: Paint::Faint,
            head: "… ".to_owned(),
            text: format!("and {}", words::counted(hidden, "more edit")),
            tail: String::new(),
        });
    }
}

/// `and 1 666 more alike: field_4, field_7 and 1 664 more`.
fn more_paths(paths: &[&str], names: usize) -> Option<String> {
    let (first, more) = paths.split_first()?;
    if more.is_empty() {
        return None;
    }
    // What all of them begin with is said by the first.
    let begin = first.rfind('.').map_or(0, |at| at + 1);
    let below = |path: &&str| match (first.get(..begin), path.get(..begin)) {
        (Some(left), Some(right)) if left == right => path.get(begin..).map(str::to_owned),
        _ => Some((*path).to_owned()),
    };
    let shown = more.len().min(names.max(1));
    let shown: Vec<String> = more.iter().take(shown).filter_map(below).collect();
    let rest = match more.len() - shown.len() {
        0 => String::new(),
        rest => format!(" and {} more", human_count(rest as u64)),
    };
    Some(format!(
        "and {} more alike: {}{rest}",
        human_count(more.len() as u64),
        shown.join(", ")
    ))
}

/// The symbol and the values of an edit.
pub(super) fn change_of(edit: &Edit, depth: &Depth) -> (String, String) {
    let room = depth.value;
    let within = |edit| edits::within(edit, &|part| value(part, room));
    match (&edit.before, &edit.after) {
        (Some(_), Some(_))
            if depth.grouped
                && let Some(parts) = within(edit) =>
        {
            ("~ ".to_owned(), parts)
        }
        (Some(before), Some(after)) => (
            "~ ".to_owned(),
            format!("{} -> {}", value(before, room), value(after, room)),
        ),
        (None, Some(after)) => ("+ ".to_owned(), value(after, room)),
        (Some(before), None) => ("- ".to_owned(), gone(before, room)),
        (None, None) => ("~ ".to_owned(), String::new()),
    }
}

/// What is taken out: of an object that has no room, what it holds.
fn gone(before: &Value, room: usize) -> String {
    let whole = value(before, usize::MAX);
    match before {
        Value::Object(keys) if width(&whole) > room => {
            let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
            some_of(&keys, KEYS_MAX)
        }
        _ => cut(&whole, room),
    }
}

/// The rule, the reason and whether something is lost.
pub(super) fn why(edit: &Edit) -> String {
    let mut parts: Vec<&str> = Vec::new();
    parts.extend(edit.rule.as_deref());
    if !edit.why.is_empty() {
        parts.push(&edit.why);
    }
    if edit.lossy {
        parts.push("(lossy)");
    }
    parts.join(" ")
}

/// A value as JSON on one line, cut.
pub(super) fn value(value: &Value, room: usize) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        other => cut(&other.to_string(), room),
    }
}

fn left_out(lines: &mut Vec<Line>, phase: &PhaseChange, shown: usize) {
    for ((object, reason), names) in groups::left_out(&phase.left_out) {
        let which = if shown == 0 {
            String::new()
        } else {
            format!(" ({})", some_of(&names, shown))
        };
        lines.push(Line {
            indent: 7,
            paint: Paint::Faint,
            head: "· ".to_owned(),
            text: format!(
                "left out {}{which}: {reason}",
                words::counted(names.len(), object)
            ),
            tail: String::new(),
        });
    }
}

/// One line for each cluster or store: what it will see. A cluster that is only read is named too.
pub(super) fn touches(planned: &PlannedChanges) -> Vec<String> {
    let mut lines = Vec::new();
    for cluster in &planned.clusters {
        if !planned
            .touches
            .iter()
            .any(|touch| touch.on == cluster.address)
            && cluster.role.starts_with("source")
        {
            lines.push(format!("{}: is read; nothing is written", cluster.address));
        }
    }
    for touch in &planned.touches {
        let warning = if touch.destroys {
            "; DESTROYS what is there"
        } else {
            ""
        };
        lines.push(format!(
            "{}: {}{warning}",
            touch.on,
            touch.effects.join("; ")
        ));
    }
    lines
}

/// The time that it takes.
pub(super) fn time(planned: &PlannedChanges) -> String {
    let time = &planned.time;
    let mut parts = Vec::new();
    if time.high_s > 0 {
        let range = words::duration_range(time.low_s, time.high_s);
        parts.push(format!("{range} of work"));
    }
    if !time.unknown.is_empty() {
        let names: Vec<&str> = time.unknown.iter().map(Address::as_str).collect();
        parts.push(format!("not known yet for {}", words::list(&names)));
    }
    if time.approvals > 0 {
        parts.push(words::counted(time.approvals, "approval"));
    }
    if parts.is_empty() {
        parts.push("no work that takes time".to_owned());
    }
    parts.join(", ")
}

/// How it is taken back.
pub(super) fn undo(planned: &PlannedChanges) -> Vec<String> {
    let mut lines: Vec<String> = planned
        .undo
        .removes
        .iter()
        .map(|(address, text)| format!("{address}: {text}"))
        .collect();
    match &planned.undo.point_of_no_return {
        Some(address) if lines.is_empty() => lines.push(format!("{address} can't be taken back")),
        Some(address) => lines.push(format!(
            "everything up to {address}, which can't be taken back"
        )),
        None if lines.is_empty() => lines.push("nothing to take back".to_owned()),
        None => {}
    }
    lines
}

/// Why there is nothing to do, and what proves it.
pub(super) fn why_sure(planned: &PlannedChanges) -> String {
    if !planned.drift.is_empty() {
        return "Nothing is to do; what moved outside is reported above (`!`) and left alone. \
                `--redo` writes again."
            .to_owned();
    }
    let mut text = match planned.phase_changes.len() {
        1 => "The one phase is up to date: applying would do nothing.".to_owned(),
        count => format!(
            "All {} are up to date: applying would do nothing.",
            words::counted(count, "phase")
        ),
    };
    let proofs: Vec<String> = planned
        .checks
        .iter()
        .filter(|check| check.status == "pass")
        .filter_map(|check| Some(format!("{} ({})", check.evidence.first()?, check.address)))
        .collect();
    if !proofs.is_empty() {
        put!(text, " Proved: {}.", proofs.join("; "));
    }
    text
}
