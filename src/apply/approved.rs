//! Whether what is decided just before a phase runs is within what was approved. Pure.

use std::collections::BTreeSet;

use crate::diff::change::{Action, Item, PhaseChange};

/// What goes beyond the approved change, one statement a line; empty when nothing does.
pub(super) fn beyond(approved: &PhaseChange, fresh: &PhaseChange) -> Vec<String> {
    if fresh.action.is_noop() {
        return Vec::new();
    }
    let mut beyond = Vec::new();
    // An approved gate opens to what stands behind it; anything else must be what was shown.
    if fresh.action != approved.action && approved.action != Action::Wait {
        beyond.push(format!(
            "the action is now `{}` ({}), approved was `{}` ({})",
            fresh.action.symbol(),
            fresh.action.meaning(),
            approved.action.symbol(),
            approved.action.meaning()
        ));
    }
    if fresh.is_destructive() && !approved.is_destructive() {
        beyond.push("it would now destroy something or could not be undone".into());
    }
    let shown: BTreeSet<_> = approved
        .items
        .iter()
        .map(|item| key(item, approved.provisional))
        .collect();
    for item in &fresh.items {
        if !item.action.is_noop() && !shown.contains(&key(item, approved.provisional)) {
            beyond.push(format!(
                "{} {} {}",
                item.action.symbol(),
                item.object,
                item.name
            ));
        }
    }
    let codes = |change: &PhaseChange| -> BTreeSet<String> {
        change
            .items
            .iter()
            .flat_map(|item| &item.edits)
            .filter_map(|edit| edit.rule.clone())
            .collect()
    };
    for code in codes(fresh).difference(&codes(approved)) {
        beyond.push(format!("the rule {code} now applies"));
    }
    beyond
}

/// What was approved of an item. Where the input did not exist yet, names may be new; what is done may not.
fn key(item: &Item, provisional: bool) -> (Action, &str, &str) {
    let name = if provisional { "" } else { item.name.as_str() };
    (item.action, item.object.as_str(), name)
}
