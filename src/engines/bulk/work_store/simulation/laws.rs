//! What must never happen to an item, checked at each write that the server does.

use jiff::{SignedDuration, Timestamp};

use crate::engines::bulk::work_store::{
    COORDINATOR, ItemProgress, ItemState, ItemStatus, TRIES_WITHOUT_PROGRESS,
};

/// An item with its last write.
pub(super) struct Known<'k> {
    pub(super) state: &'k ItemState,
    /// When it was written, by the server's clock.
    pub(super) written: Timestamp,
}

/// How long a lease of these processes is.
pub(super) const TERM: SignedDuration = SignedDuration::from_secs(120);
/// How much faster a monotonic clock may go in a lease, and how far the server's clock jumps when it restarts.
const DRIFT: SignedDuration = SignedDuration::from_millis(600);

/// A law that a write of `who` breaks. `there`: whether a document of the item is on the target.
pub(super) fn broken(
    (who, now): (&str, Timestamp),
    old: &Known<'_>,
    new: &ItemState,
    there: impl Fn(u32) -> bool,
) -> Option<String> {
    let state = old.state;
    let law = |what: &str| {
        Some(format!(
            "law: {what}: {who} wrote at {now}\n  {state:?}\nas\n  {new:?}"
        ))
    };
    let key = &new.item.key;
    let until = new.progress.cursor.min(key.to);
    if let Some(doc) = (key.from..until).find(|doc| !there(*doc)) {
        return law(&format!("document {doc} is noted and not on the target"));
    }
    if new.item != state.item {
        return law("an item became another");
    }
    if state.status == ItemStatus::Done {
        return law("an item was done and is written again");
    }
    if new.progress.cursor < state.progress.cursor {
        return law("progress goes back");
    }
    if new.status == ItemStatus::Done {
        let documents = u64::from(key.to - key.from);
        if new.progress.cursor != key.to || new.progress.delivered != documents {
            return law("an item is done without all its documents");
        }
    }
    match new.attempt.checked_sub(state.attempt) {
        Some(0) => same_attempt(who, state, new).and_then(law),
        Some(1) => taken((who, now), old, new).and_then(law),
        _ => law("the fence falls, or jumps"),
    }
}

/// Only who holds it speaks, but for coordinators that free what is theirs.
fn same_attempt(who: &str, old: &ItemState, new: &ItemState) -> Option<&'static str> {
    let by_coordinator = who.starts_with(COORDINATOR);
    match (&old.status, &new.status) {
        (ItemStatus::SetAside { .. }, ItemStatus::Free) => {
            (!by_coordinator).then_some("a worker freed what was set aside")
        }
        (ItemStatus::Held { holder, .. }, status) => {
            if let ItemStatus::Held { holder: next, .. } = status
                && next != holder
            {
                return Some("two holders of one attempt");
            }
            if holder.starts_with(who) {
                return None;
            }
            let frees = by_coordinator && *status == ItemStatus::Free;
            if !(frees && holder.starts_with(COORDINATOR) && new.progress == old.progress) {
                return Some("a lease of another was ended or freed");
            }
            None
        }
        _ => Some("who holds nothing speaks"),
    }
}

/// An item is taken, or given up, when nobody has it or its lease is over.
fn taken((who, now): (&str, Timestamp), old: &Known<'_>, new: &ItemState) -> Option<&'static str> {
    if new.progress != old.state.progress {
        return Some("taking changed the progress");
    }
    match &new.status {
        ItemStatus::Held { holder, .. } if holder.starts_with(who) => {}
        ItemStatus::SetAside { .. } if old.state.tries >= TRIES_WITHOUT_PROGRESS => {}
        _ => return Some("the fence grows without a taking"),
    }
    match &old.state.status {
        ItemStatus::Free => None,
        ItemStatus::Held { expires, .. } => {
            let unchanged = now.duration_since(old.written) + DRIFT >= TERM;
            let over = expires.is_some_and(|expires| expires <= now);
            (!unchanged && !over).then_some("a lease was taken before its end")
        }
        ItemStatus::Done | ItemStatus::SetAside { .. } => Some("what nobody takes was taken"),
    }
}

/// Whether an item came to its end as it should: done, but for those that can't be.
pub(super) fn at_its_end(state: &ItemState, can_be_done: bool) -> bool {
    match &state.status {
        ItemStatus::Done => can_be_done,
        ItemStatus::SetAside { reason } => !can_be_done && !reason.is_empty(),
        _ => false,
    }
}

/// The progress of an item whose documents before `cursor` are written.
pub(super) fn progress(from: u32, cursor: u32) -> ItemProgress {
    let documents = u64::from(cursor - from);
    ItemProgress {
        cursor,
        delivered: documents,
        written: documents,
        ..ItemProgress::default()
    }
}
