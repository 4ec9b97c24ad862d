//! What is to be done for a snapshot phase that takes them. Pure: showing and doing rest on the same answer.

use std::collections::BTreeSet;

use super::super::common;
use super::name_mark::is_cluster;
use super::series::selector_mark;
use crate::base::Address;
use crate::diff::observation::{Listed, LiveSource, SnapshotObservation};
use crate::plan::selector::Selector;
use crate::state::model::State;

/// The plan's words for a snapshot that is taken.
pub(super) struct Wanted<'a> {
    /// The phase.
    pub(super) phase: &'a Address,
    /// Which indices.
    pub(super) indices: &'a Selector,
    /// Whether templates and settings are taken.
    pub(super) global: bool,
    /// Whether fields that make another snapshot of it differ from what was applied.
    pub(super) respecified: bool,
}

/// What is to be done.
pub(super) enum Intent<'a> {
    /// Nothing: the snapshots are there and recorded.
    Keep,
    /// They are there, and have to be recorded.
    Record,
    /// One is being taken: wait for it.
    Follow(&'a Listed),
    /// One is to be taken.
    Take(Take),
    /// A person has to look: the problem, and what can be done.
    Ask(String, Vec<String>),
}

/// A snapshot to take.
pub(super) struct Take {
    /// The number of the snapshot that begins its list; its own where it begins one.
    pub(super) first: u32,
    /// Its indices.
    pub(super) indices: Vec<String>,
    /// Why, as a code.
    pub(super) why: &'static str,
}

pub(super) fn intent<'a>(
    wanted: &Wanted<'_>,
    observed: &'a SnapshotObservation,
    source: &'a LiveSource,
    state: &State,
    redo: bool,
) -> Intent<'a> {
    if let Some(running) = &source.running {
        return Intent::Follow(running);
    }
    let up = source.unreachable.is_none();
    let newest = source.list.last();
    let other = newest.is_some_and(|newest| {
        (up && !is_cluster(&newest.cluster, &source.cluster)) || newest.global != wanted.global
    });
    let again = format!("# mig apply --redo {}   takes a new one", wanted.phase);
    if let Some(problem) = &observed.problem
        && !redo
        && !other
    {
        return Intent::Ask(problem.clone(), vec![again]);
    }
    let recorded = common::done(state, wanted.phase);
    let known = recorded.and_then(|record| common::text(&record.outputs, "/uuid"));
    let there = observed.found.as_ref().map(|found| found.uuid.as_str());
    if let (Some(known), false, false) = (known, redo, other || wanted.respecified)
        && there != Some(known)
    {
        return Intent::Ask(vanished(known, recorded, source), vec![again]);
    }
    let chosen = |held: &BTreeSet<&str>| -> Vec<String> {
        let open = source.indices.iter().filter(|(_, facts)| facts.chosen);
        open.map(|(name, _)| name.clone())
            .filter(|name| !held.contains(name.as_str()))
            .collect()
    };
    if !up && (redo || other || observed.found.is_none()) {
        let why = source.unreachable.clone().unwrap_or_default();
        return Intent::Ask(
            format!("a snapshot is to be taken, and {why}"),
            vec!["# bring the source back, then plan again".to_owned()],
        );
    }
    if redo || other || observed.found.is_none() {
        // Where only the widening failed, what was taken before stays.
        let before = match source.list.as_slice() {
            [before @ .., failed] if observed.problem.is_some() && !other => {
                (!before.is_empty()).then_some((failed.first, before))
            }
            _ => None,
        };
        let held: BTreeSet<&str> = before
            .iter()
            .flat_map(|(_, list)| list.iter().flat_map(|it| &it.indices))
            .map(String::as_str)
            .collect();
        return Intent::Take(Take {
            first: before.map_or(source.next, |(first, _)| first),
            indices: chosen(&held),
            why: if redo {
                "redo"
            } else if other {
                "input-changed"
            } else {
                "not-applied-yet"
            },
        });
    }
    if let (Some(newest), Some(found)) = (newest, &observed.found)
        && up
        && newest.selector != selector_mark(wanted.indices)
    {
        let held = found.indices.keys().map(String::as_str).collect();
        let new = chosen(&held);
        if !new.is_empty() {
            return Intent::Take(Take {
                first: newest.first,
                indices: new,
                why: "new-indices",
            });
        }
    }
    let further = observed.found.as_ref().map(|found| found.further.len());
    let all_known = recorded.is_some_and(|record| {
        let known = record.outputs.get("further").and_then(|it| it.as_array());
        known.map(Vec::len) == further
    });
    if all_known && known == there {
        Intent::Keep
    } else {
        Intent::Record
    }
}

/// The generations of the repository tell whoever looks after it when it happened.
fn vanished(
    uuid: &str,
    recorded: Option<&crate::state::model::PhaseRecord>,
    source: &LiveSource,
) -> String {
    let outputs = recorded.map(|record| &record.outputs);
    let name = outputs
        .and_then(|it| common::text(it, "/name"))
        .unwrap_or("?");
    let then = outputs
        .and_then(|it| it.get("repository-generation"))
        .map_or_else(|| "?".to_owned(), ToString::to_string);
    let now = match source.generation {
        Some(now) => format!("at {now} it is not in it"),
        None => "there is no repository in the store now".to_owned(),
    };
    format!(
        "snapshot `{name}` ({uuid}), which this phase took, was deleted: the repository was at generation {then} then, \
         and {now}"
    )
}
