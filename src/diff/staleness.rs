//! Whether a saved plan still says what would happen, phase by phase.
//!
//! Only phases with work to do can be stale, and a change elsewhere leaves them alone. Relies on the values of two plans.
//! Deliberately absent: observing again (that is the caller's).

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Action, Item, PhaseChange};
use super::planned::{PlannedChanges, PlannedPhase};
use crate::base::Address;

/// A phase whose ground has moved since the plan was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleNode {
    /// The phase.
    pub address: Address,
    /// What moved, one statement a line.
    pub what_moved: Vec<String>,
}

/// At most so many items are named one by one; more would hide the first.
const NAMED_ITEMS_MAX: usize = 5;

/// The phases of `wanted` that have work to do in the saved plan and whose ground moved.
pub fn staleness(
    saved: &PlannedChanges,
    fresh: &PlannedChanges,
    wanted: impl Fn(&Address) -> bool,
) -> Vec<StaleNode> {
    let now: BTreeMap<&Address, &PlannedPhase> = fresh
        .phase_changes
        .iter()
        .map(|phase| (&phase.address, phase))
        .collect();
    saved
        .phase_changes
        .iter()
        .filter(|phase| phase.decided.has_work() && wanted(&phase.address))
        .filter_map(|phase| {
            let what_moved = match now.get(&phase.address) {
                None => vec!["it is no longer in the plan".to_owned()],
                Some(now) => moved(saved, fresh, phase, now),
            };
            (!what_moved.is_empty()).then(|| StaleNode {
                address: phase.address.clone(),
                what_moved,
            })
        })
        .collect()
}

fn moved(
    saved: &PlannedChanges,
    fresh: &PlannedChanges,
    then: &PlannedPhase,
    now: &PlannedPhase,
) -> Vec<String> {
    if then.decided.inputs == now.decided.inputs && then.decided.action == now.decided.action {
        return Vec::new();
    }
    let mut what = Vec::new();
    if then.change.after != now.change.after {
        what.push("the phase in the plan file".to_owned());
    }
    if then.change.before != now.change.before {
        what.push("what was applied in between".to_owned());
    }
    let nothing = BTreeMap::new();
    let parts = |planned: &PlannedChanges| {
        let observed = planned.observations.get(&then.address);
        observed.map_or_else(|| nothing.clone(), |it| it.parts.clone())
    };
    let (before, after) = (parts(saved), parts(fresh));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    what.extend(
        names
            .into_iter()
            .filter(|name| before.get(*name) != after.get(*name))
            .cloned(),
    );
    what.extend(items(&then.decided, &now.decided));
    if then.decided.action != now.decided.action {
        what.push(format!(
            "the action: {} became {}",
            then.decided.action.meaning(),
            now.decided.action.meaning()
        ));
    }
    if what.is_empty() {
        what.push("what it rests on".to_owned());
    }
    what
}

fn items(then: &PhaseChange, now: &PhaseChange) -> Vec<String> {
    let by_name = |change: &PhaseChange| -> BTreeMap<(String, String), Item> {
        let key = |item: &Item| (item.object.clone(), item.name.clone());
        change
            .items
            .iter()
            .map(|item| (key(item), item.clone()))
            .collect()
    };
    let (before, after) = (by_name(then), by_name(now));
    let mut lines = Vec::new();
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let text = match (before.get(key), after.get(key)) {
            (Some(_), None) => "is gone",
            (None, Some(_)) => "is new",
            (Some(one), Some(other)) if one.action != other.action || one.edits != other.edits => {
                "differs"
            }
            _ => continue,
        };
        lines.push(format!("{} {} {text}", key.0, key.1));
    }
    if lines.len() > NAMED_ITEMS_MAX {
        let more = lines.len() - NAMED_ITEMS_MAX;
        lines.truncate(NAMED_ITEMS_MAX);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// What a decision taken again, once the input of a provisional one exists, would do beyond what was approved: its
/// actions and rule codes must be among those. New items are beyond too, unless `new_items` are welcome: what nobody could
/// look at may then be translated by rules that lose nothing.
pub fn beyond_approved(approved: &PhaseChange, now: &PhaseChange, new_items: bool) -> Vec<String> {
    let mut beyond = Vec::new();
    // Whoever may remove documents and write them anew may write them alone.
    let less = approved.action == Action::Replace && now.action == Action::Run;
    if now.action != approved.action && !less && !now.action.is_noop() {
        beyond.push(format!("action `{}`", now.action.meaning()));
    }
    let actions: BTreeSet<Action> = approved.items.iter().map(|item| item.action).collect();
    let codes = codes_of(approved, false);
    let known: BTreeSet<(&str, &str)> = approved
        .items
        .iter()
        .map(|item| (&*item.object, &*item.name))
        .collect();
    let mut told = BTreeSet::new();
    for item in now.items.iter().filter(|item| !item.action.is_noop()) {
        if !actions.contains(&item.action) {
            told.insert(format!("items to {}", item.action.meaning()));
        }
        if !new_items && !known.contains(&(&*item.object, &*item.name)) {
            told.insert(format!("{} {}", item.object, item.name));
        }
    }
    told.extend(
        codes_of(now, new_items)
            .difference(&codes)
            .map(|code| format!("rule {code}")),
    );
    beyond.extend(told);
    beyond
}

fn codes_of(change: &PhaseChange, lossy_alone: bool) -> BTreeSet<String> {
    let rules = change
        .items
        .iter()
        .flat_map(|item| &item.edits)
        .filter(|edit| edit.lossy || !lossy_alone)
        .filter_map(|edit| edit.rule.clone());
    let open = change
        .undecided()
        .filter_map(|item| item.decision.as_ref())
        .map(|decision| decision.code.clone());
    rules.chain(open).collect()
}
