//! What a backfill would do. Pure.

use std::collections::BTreeSet;

use super::super::common;
use super::super::kind::DecideContext;
use super::super::snapshot::mismatch;
use super::super::transforms::{self, Candidates, Names};
use super::super::{streams, types};
use super::fate::{Fate, fate, snapshot_anew};
use super::findings;
use super::{choice, generations, restore, since, spec, stop};
use crate::base::units::{human_bytes, human_count, plural};
use crate::diff::change::{Action, Effect, Estimate, Item, LeftOut, PhaseChange, Undo};
use crate::diff::observation::{BackfillObservation, Observation, SnapshotIndexFacts};
use crate::plan::model::{BackfillSpec, Closed, ClusterAt, Plan};
use crate::state::model::Ended;

/// An index that nothing makes on the target.
const ABSENT: &str = "MIG083";
/// Documents of somebody else.
const FOREIGN: &str = "MIG084";
/// A work store of another state.
const OTHER_WORK: &str = "MIG085";
/// A target that is live.
const LIVE: &str = "MIG086";

/// An operator stopped it.
const STOPPED: &str = "MIG360";

/// Compressed bytes a second that one machine moves at the least, where nothing was measured.
const SLOW_BYTES_S: u64 = 4 << 20;
/// The same, at best.
const FAST_BYTES_S: u64 = 40 << 20;

/// The indices that the phase is for, and those that are left out.
pub(super) fn selected<'a>(
    spec: &BackfillSpec,
    observed: &'a BackfillObservation,
) -> (Vec<(&'a str, &'a SnapshotIndexFacts)>, Vec<LeftOut>) {
    let choice = choice(spec, observed);
    let mut chosen = Vec::new();
    let mut left_out = Vec::new();
    for (name, facts) in &observed.source {
        let of = types::of(name, facts);
        if let Some(reason) = streams::left_out(&spec.indices, choice, (of, facts)) {
            left_out.push(reason);
        } else if facts.closed
            && spec.closed == Closed::Skip
            && generations::of(spec, observed, facts).is_none()
        {
            left_out.push(LeftOut {
                object: "index".into(),
                name: name.clone(),
                reason: "closed, and the plan says `closed: skip`".into(),
            });
        } else {
            chosen.push((name.as_str(), facts));
        }
    }
    // The parts of a split index are left out as one.
    left_out.dedup();
    (chosen, left_out)
}

/// What is gathered over the indices.
#[derive(Default)]
struct Gathered {
    live: bool,
    moved_on: usize,
    items: Vec<Item>,
    docs: u64,
    docs_known: bool,
    deletes: u64,
    unchanged: usize,
    bytes: u64,
    written: Vec<String>,
    proved: Vec<(String, String)>,
    restored: restore::Told,
}

impl Gathered {
    /// Whether documents are written one by one.
    fn writes(&self) -> bool {
        let works = |item: &&Item| matches!(item.action, Action::Run | Action::Replace);
        self.items.iter().filter(works).count() > self.restored.indices.len()
    }
}

pub(super) fn decide(cx: &DecideContext<'_>) -> PhaseChange {
    let (Observation::Backfill(observed), Ok(spec)) = (cx.observation, spec(cx.phase)) else {
        return mismatch(cx);
    };
    let to = &spec.to.value;
    let (chosen, mut left_out) = selected(spec, observed);
    let live = observed.live || cx.state.live_targets.contains_key(to);
    let mut all = Gathered {
        docs_known: true,
        live,
        ..Gathered::default()
    };
    let mut fates: Vec<Fate> = chosen
        .iter()
        .map(|(name, facts)| match &spec.since {
            Some(_) => since::fate(cx, spec, observed, name, facts),
            None => fate(cx, spec, observed, name, facts),
        })
        .collect();
    generations::settle(spec, observed, &chosen, &mut fates);
    let each = chosen.iter().zip(&fates);
    let each = each.map(|((name, facts), fate)| (*name, *facts, fate));
    let ways = restore::ways(cx, spec, observed, each);
    for ((name, facts), fate) in chosen.iter().zip(fates) {
        gather(cx, spec, observed, &ways, (name, facts, fate), &mut all);
    }
    let provisional = observed.snapshot_uuid.is_none();
    let is_there = |name: &str| observed.source.contains_key(name);
    let awaited = common::awaited(cx, &spec.from.value, &is_there)
        .into_iter()
        .filter(|item| streams::takes_awaited(&spec.indices, choice(spec, observed), &item.name));
    for item in awaited {
        all.docs += item.docs.unwrap_or(0);
        all.docs_known &= item.docs.is_some();
        all.bytes += item.bytes.unwrap_or(0);
        all.items.push(Item {
            action: Action::Run,
            note: common::AWAITED.to_owned(),
            ..item.clone()
        });
    }
    let (questions, unused) =
        candidates(cx, spec, observed, &chosen).unused(&spec.transforms, |_| false);
    if !live {
        all.items.extend(questions);
    }
    left_out.extend(unused);
    let gone = observed.since.iter().flat_map(|since| &since.gone);
    left_out.extend(gone.map(|name| LeftOut {
        object: "index".into(),
        name: name.clone(),
        reason: "the later snapshot does not hold it: what stands of it on the target stays".into(),
    }));
    let works = |item: &Item| matches!(item.action, Action::Run | Action::Replace);
    if live && all.items.iter().any(works) {
        all.items.retain(|item| !works(item));
        all.items.push(common::question(
            "target",
            to.as_str(),
            LIVE,
            format!(
                "{to} is live: no phase writes documents there any more. Where are they to go?"
            ),
            vec!["to: another-target".into()],
        ));
    }
    let stopped = stop::ended(cx.state, &cx.phase.address).filter(|_| all.items.iter().any(works));
    if let Some(ended) = stopped {
        let left = all.items.iter().filter(|item| works(item)).count();
        all.items.retain(|item| !works(item));
        all.items.push(of_stopped(cx, ended, left));
    }
    if let Some(other) = &observed.other_work {
        all.items.push(common::question(
            "work store",
            cx.phase.address.as_str(),
            OTHER_WORK,
            format!("the work store of this phase on {to} belongs to another state ({other}). Whose work is it?"),
            vec![
                "plan: another-name".into(),
                "# or bring back the state that it belongs to".into(),
            ],
        ));
    }
    let undecided = all.items.iter().any(|item| item.decision.is_some());
    let replaces = all.items.iter().any(|item| item.action == Action::Replace);
    let runs = all.items.iter().any(|item| item.action == Action::Run);
    let begun = observed
        .work
        .as_ref()
        .is_some_and(|work| work.docs_done > 0 && work.items_done < work.items);
    let (action, reason) = match () {
        () if stopped.is_some() => (Action::Decide, "decision-missing"),
        // What would be removed is approved beforehand, whatever the snapshot will be.
        () if provisional && replaces => (Action::Replace, "input-not-there-yet"),
        () if provisional => (Action::Run, "input-not-there-yet"),
        () if undecided => (Action::Decide, "decision-missing"),
        () if replaces && cx.redo => (Action::Replace, "redo"),
        () if replaces => (Action::Replace, "written-again"),
        () if runs && begun => (Action::Run, "interrupted"),
        () if runs && !all.proved.is_empty() => (Action::Run, "new-indices"),
        () if runs => (Action::Run, "not-applied-yet"),
        () if !all.items.is_empty() => (Action::Decide, "drift"),
        () if all.written.is_empty() && !all.proved.is_empty() => (Action::UpToDate, "verified"),
        () if all.moved_on > 0 => (Action::UpToDate, "target-is-live"),
        () if all.written.is_empty() => (Action::UpToDate, "nothing-to-do"),
        () => (Action::UpToDate, "written"),
    };
    let mut change = PhaseChange::new(
        cx.phase,
        action,
        reason,
        title(spec, &chosen, &all, action),
        inputs(cx, observed, &all),
    );
    change.fields = common::fields(cx);
    change.left_out = left_out;
    change.provisional = provisional
        || snapshot_anew(cx, spec)
        || chosen.iter().any(|(_, facts)| facts.is_awaited());
    change.evidence = evidence(to.as_str(), &all);
    if matches!(action, Action::Run | Action::Replace) {
        effects(&mut change, cx.plan, (spec, observed), &all);
        change.estimate = estimate(cx, &all);
        let is_directory = cx
            .plan
            .clusters
            .get(to)
            .is_some_and(|it| matches!(it.at, ClusterAt::Directory(_)));
        change.undo = match (&spec.since, is_directory) {
            (None, _) => Undo::Rollback(format!("removes the documents that it wrote to {to}")),
            (Some(_), true) if !replaces => {
                Undo::Rollback(format!("removes the changes that it wrote to {to}"))
            }
            // What the documents were before is kept nowhere.
            (Some(_), _) => Undo::Impossible,
        };
    }
    change.items = all.items;
    change
}

/// What is asked of one that was stopped before all was loaded.
fn of_stopped(cx: &DecideContext<'_>, ended: &Ended, left: usize) -> Item {
    let phase = &cx.phase.address;
    let are = if left == 1 { "is" } else { "are" };
    common::question(
        "backfill",
        phase.as_str(),
        STOPPED,
        format!(
            "{phase} was stopped by {} at {:.0}, and {} {are} not loaded as the plan has it. Is it to begin anew?",
            ended.by,
            ended.at,
            common::indices(left)
        ),
        vec![
            "# `mig backfill reset` lets it begin anew".into(),
            "# take the phase out of the plan".into(),
        ],
    )
}

/// The indices that transforms could be for.
fn candidates(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    chosen: &[(&str, &SnapshotIndexFacts)],
) -> Candidates {
    let mut candidates = Candidates::default();
    if spec.transforms.is_empty() {
        return candidates;
    }
    let choice = choice(spec, observed);
    let taken: BTreeSet<&str> = chosen.iter().map(|(name, _)| *name).collect();
    for (name, facts) in &observed.source {
        let names = Names::of(choice, name, facts);
        if taken.contains(name.as_str()) {
            candidates.taken.push(names);
        } else {
            candidates.others.push(names);
        }
    }
    let is_there = |name: &str| observed.source.contains_key(name);
    for item in common::awaited(cx, &spec.from.value, &is_there) {
        candidates.await_index(choice, &item.name);
    }
    candidates
}

fn gather(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    ways: &restore::Ways<'_>,
    (name, facts, fate): (&str, &SnapshotIndexFacts, Fate),
    all: &mut Gathered,
) {
    let to = &spec.to.value;
    let work = |all: &mut Gathered, action: Action, note: String| {
        let of_this = (cx.plan, cx.state, &cx.phase.address);
        let by_changes = since::is_by_changes(of_this, spec, observed, (name, action));
        let notes = [
            Some(note).filter(|note| !note.is_empty()),
            since::note(observed, name).filter(|_| action == Action::Run),
            restore::note(ways.get(name), facts, observed.target_version),
            generations::note(spec, observed, facts),
            findings::note(cx.plan, spec, name, facts),
            transforms::told(spec, &Names::of(choice(spec, observed), name, facts))
                .map(|names| format!("through {names}")),
        ];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        let note = notes.join("; ");
        if matches!(ways.get(name), Some(restore::Way::Restore(_))) {
            all.restored.add(name, facts);
        }
        let (docs, deletes, bytes) = if by_changes {
            since::cost(observed, name).unwrap_or((None, 0, facts.bytes))
        } else {
            (facts.docs, 0, facts.bytes)
        };
        all.docs += docs.unwrap_or(0);
        all.docs_known &= docs.is_some();
        all.deletes += deletes;
        all.bytes += bytes;
        all.items.push(Item {
            note,
            edits: findings::lost_by(spec, facts),
            docs,
            bytes: Some(bytes),
            ..common::item(action, "index", name)
        });
    };
    let (what, selected) = match &facts.data_stream {
        Some(stream) => (
            format!("index {name} of data stream {stream}"),
            stream.as_str(),
        ),
        None => (format!("index {name}"), name),
    };
    let works = matches!(
        fate,
        Fate::Write | Fate::Resume | Fate::Again(_) | Fate::Whole(_)
    );
    if works && (cx.redo || !all.live) {
        let mut questions = findings::questions(spec, types::of(name, facts), facts);
        questions.extend(findings::types_question(cx, spec, name, facts));
        if questions.is_empty() {
            questions.extend(restore::questions(spec, ways, name));
        }
        if !questions.is_empty() {
            all.items.extend(questions);
            return;
        }
    }
    match fate {
        // Its users change it now: that is no drift.
        Fate::Again(_) | Fate::Drifted(_) if all.live && !cx.redo => all.moved_on += 1,
        Fate::Foreign(_) if observed.other_work.is_some() => {} // one question for all of them
        Fate::Write => work(all, Action::Run, String::new()),
        Fate::Resume => {
            let there = observed.target.get(name).map_or(0, |found| found.docs);
            let note = match facts.docs {
                _ if spec.since.is_some() => String::new(),
                Some(docs) if there <= docs => {
                    format!("{} left", plural(docs - there, "document"))
                }
                _ => format!("{} there", plural(there, "document")),
            };
            work(all, Action::Run, note);
        }
        Fate::Again(why) => work(all, Action::Replace, why.to_owned()),
        Fate::Whole(why) => work(all, Action::Replace, format!("moved whole: {why}")),
        Fate::Unchanged => all.unchanged += 1,
        Fate::ChangedStream => all.items.extend(since::question(spec, name, facts)),
        Fate::WithoutBase(base) => all.items.push(common::question(
            "index",
            name,
            FOREIGN,
            format!(
                "index {name} on {to} is not known to hold what `{base}` loads, which `{}` builds upon. What is to stand there?",
                cx.phase.address
            ),
            vec![
                format!("# load it again first: mig apply --redo {base}"),
                "# or leave `since` out: all of it is moved".to_owned(),
                format!("indices: [\"*\", \"!{name}\"]"),
            ],
        )),
        Fate::Written => all.written.push(name.to_owned()),
        Fate::Proved(by) => all.proved.push((name.to_owned(), by.to_string())),
        Fate::Drifted(by) => all.items.push(Item {
            note: format!(
                "changed on {to} since `{by}` proved it; `--redo {}` or `on-drift: mend` writes it again",
                cx.phase.address
            ),
            ..common::item(Action::Decide, "index", name)
        }),
        Fate::Ahead(_) | Fate::NoStreams => {
            all.items.extend(generations::question(spec, name, facts, &fate));
        }
        Fate::Absent => all.items.push(common::question(
            "index",
            name,
            ABSENT,
            format!("{what} is not on {to}, and no metadata phase makes it there. Is it to be moved?"),
            vec![
                format!("include: {{ indices: [\"*\", \"{selected}\"] }}   # of the metadata phase"),
                format!("indices: [\"*\", \"!{selected}\"]"),
            ],
        )),
        Fate::Foreign(docs) => all.items.push(common::question(
            "index",
            name,
            FOREIGN,
            format!(
                "index {name} on {to} holds {} that this phase did not write. Is it to be left alone?",
                plural(docs, "document")
            ),
            vec![
                format!("indices: [\"*\", \"!{name}\"]"),
                "to: another-target".into(),
            ],
        )),
    }
}

/// Identity of what the decision rests on. Progress of its own is none; documents that would be removed are.
fn inputs(
    cx: &DecideContext<'_>,
    observed: &BackfillObservation,
    all: &Gathered,
) -> crate::base::Fingerprint {
    let work: Vec<_> = all
        .items
        .iter()
        .map(|item| {
            let removed = observed
                .target
                .get(&item.name)
                .filter(|_| item.action == Action::Replace)
                .map(|found| &found.content);
            (item.action, &item.object, &item.name, removed)
        })
        .collect();
    let source: Vec<_> = observed
        .source
        .iter()
        .map(|(name, facts)| (name, &facts.uuid))
        .collect();
    match &observed.since {
        None if all.restored.is_empty() => {
            common::inputs(cx, &(&observed.snapshot_uuid, source, work))
        }
        None => {
            let restored = &all.restored.indices;
            common::inputs(cx, &(&observed.snapshot_uuid, source, work, restored))
        }
        Some(since) => {
            let snapshots = (&observed.snapshot_uuid, &since.snapshot_uuid);
            common::inputs(cx, &(snapshots, source, work))
        }
    }
}

fn title(
    spec: &BackfillSpec,
    chosen: &[(&str, &SnapshotIndexFacts)],
    all: &Gathered,
    action: Action,
) -> String {
    let to = &spec.to.value;
    if action == Action::UpToDate {
        return format!("{} on {to}", common::indices(chosen.len()));
    }
    let names: Vec<&str> = all.items.iter().map(|item| item.name.as_str()).collect();
    if action == Action::Decide && all.items.iter().all(|item| item.decision.is_none()) {
        return format!("changed on {to} since proved: {}", common::few(&names));
    }
    if action == Action::Decide {
        let open = all
            .items
            .iter()
            .filter(|item| item.decision.is_some())
            .count();
        return format!(
            "{} of {} → {to}",
            plural(open as u64, "open question"),
            common::indices(chosen.len())
        );
    }
    let count = all
        .items
        .iter()
        .filter(|item| item.decision.is_none())
        .count();
    let docs = match (all.docs_known, all.deletes) {
        (false, _) => "documents".into(),
        (true, 0) => plural(all.docs, "document"),
        (true, deletes) => format!(
            "{} to write and {} to delete",
            plural(all.docs, "document"),
            human_count(deletes)
        ),
    };
    format!("{docs} of {} → {to}", common::indices(count))
}

fn effects(
    change: &mut PhaseChange,
    plan: &Plan,
    (spec, observed): (&BackfillSpec, &BackfillObservation),
    all: &Gathered,
) {
    let on = spec.to.value.clone();
    let docs = if all.docs_known {
        plural(all.docs - all.restored.docs, "document")
    } else {
        "documents".into()
    };
    change.effects.extend(all.restored.effects(&on, observed));
    if all.writes() {
        change.effects.push(Effect {
            on: on.clone(),
            text: format!("writes {docs}"),
            destroys: false,
        });
    }
    if all.deletes > 0 {
        change.effects.push(Effect {
            on: on.clone(),
            text: format!("deletes {}", plural(all.deletes, "document")),
            destroys: true,
        });
    }
    let replaced: Vec<&str> = all
        .items
        .iter()
        .filter(|item| item.action == Action::Replace)
        .map(|item| item.name.as_str())
        .collect();
    if !replaced.is_empty() {
        change.effects.push(Effect {
            on,
            text: format!("removes the documents of {} first", common::few(&replaced)),
            destroys: true,
        });
    }
    if all.writes() {
        change.effects.push(Effect {
            on: common::store_behind(plan, &spec.from.value),
            text: format!("reads {}", human_bytes(all.bytes - all.restored.bytes)),
            destroys: false,
        });
    }
}

/// How long it takes; `None` where only the target knows, since it restores some of it.
fn estimate(cx: &DecideContext<'_>, all: &Gathered) -> Option<Estimate> {
    if !all.restored.is_empty() {
        return None;
    }
    let measured = common::record(cx.state, &cx.phase.address)
        .and_then(|record| record.outputs.get("measured"))
        .and_then(|measured| {
            let bytes = measured.get("bytes")?.as_u64()?;
            let millis = measured.get("millis")?.as_u64()?;
            (bytes > 0 && millis >= 1000).then(|| (bytes * 1000 / millis).max(1))
        });
    let limit = match &cx.phase.spec {
        crate::plan::model::PhaseSpec::Backfill(spec) => spec.limits.docs.map(|rate| rate.0),
        _ => None,
    };
    let at_least = limit.map_or(0, |rate| all.docs / rate.max(1));
    Some(match measured {
        Some(rate) => Estimate {
            low_s: (all.bytes / rate * 9 / 10).max(at_least),
            high_s: (all.bytes / rate * 13 / 10).max(at_least) + 1,
            basis: format!(
                "at {}/s of the snapshot, measured in the last run",
                human_bytes(rate)
            ),
        },
        None => Estimate {
            low_s: (all.bytes / FAST_BYTES_S).max(at_least),
            high_s: (all.bytes / SLOW_BYTES_S).max(at_least) + 1,
            basis: format!(
                "at {}/s to {}/s of the snapshot, not measured yet",
                human_bytes(SLOW_BYTES_S),
                human_bytes(FAST_BYTES_S)
            ),
        },
    })
}

fn evidence(to: &str, all: &Gathered) -> Vec<String> {
    let mut lines = Vec::new();
    let mut by: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (_, phase) in &all.proved {
        *by.entry(phase).or_default() += 1;
    }
    for (phase, count) in by {
        lines.push(format!(
            "every document of {} on {to} was proved by `{phase}`",
            common::indices(count)
        ));
    }
    if all.unchanged > 0 {
        lines.push(format!(
            "{} the same in both snapshots",
            match all.unchanged {
                1 => "1 index is".to_owned(),
                count => format!("{} indices are", human_count(count as u64)),
            }
        ));
    }
    if all.moved_on > 0 {
        lines.push(format!(
            "{} changed on {to} since it went live, which is its users' doing",
            common::indices(all.moved_on)
        ));
    }
    if !all.written.is_empty() {
        lines.push(format!(
            "{} written in full and unchanged since, not proved yet",
            human_count(all.written.len() as u64)
                + if all.written.len() == 1 {
                    " index"
                } else {
                    " indices"
                }
        ));
    }
    lines
}
