//! What this plan itself writes to a cluster after the snapshot of it: an earlier hop that is done again. The hops behind keep
//! what they were given before, and their proofs are of that. Pure.
//!
//! Relies on the records of the phases that write: one that began after the snapshot's own. Deliberately absent: taking another
//! snapshot by itself, and what others write to the source, which a verification tells by sequence numbers.

use super::super::common;
use super::super::kind::DecideContext;
use crate::base::Address;
use crate::diff::change::{Action, Item};
use crate::plan::model::{PhaseSpec, Plan};

/// The cluster that a phase writes documents or metadata to.
fn writes_to<'a>(plan: &'a Plan, phase: &Address) -> Option<&'a Address> {
    match plan.phases.get(phase).map(|phase| &phase.spec)? {
        PhaseSpec::Metadata(spec) => Some(&spec.to.value),
        PhaseSpec::Backfill(spec) => Some(&spec.to.value),
        _ => None,
    }
}

/// Told, and never acted on.
pub(super) fn written(cx: &DecideContext<'_>, of: &Address) -> Option<Item> {
    let taken = common::done(cx.state, &cx.phase.address)?.started_at;
    let writers = cx
        .earlier
        .iter()
        .filter(|change| writes_to(cx.plan, &change.address) == Some(of));
    let mut pending = Vec::new();
    let mut past = Vec::new();
    for change in writers {
        let address = format!("`{}`", change.address);
        let later =
            common::record(cx.state, &change.address).is_some_and(|it| it.started_at > taken);
        if common::is_pending(cx, change) {
            pending.push(address);
        } else if later {
            past.push(address);
        }
    }
    let (verb, by) = match (pending.is_empty(), past.is_empty()) {
        (true, true) => return None,
        (true, false) => ("was written", past),
        (false, _) => ("is written", pending),
    };
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let by = common::few(&by);
    let redo = &cx.phase.address;
    Some(Item {
        note: format!(
            "{verb} by {by} after this snapshot: what stands behind keeps, and is proved by, what it was given before \
             (`--redo {redo}` takes a new snapshot, and the documents behind it are written anew)"
        ),
        ..common::item(Action::Decide, "cluster", of.as_str())
    })
}
