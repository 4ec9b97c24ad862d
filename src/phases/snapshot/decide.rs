//! How a snapshot phase that takes them is shown. Pure.

use super::super::common;
use super::super::kind::DecideContext;
use super::super::streams::{by_name, ordinary_name, takes};
use super::found::{self, UNUSABLE};
use super::intent::{Intent, Take, Wanted, intent};
use super::name_mark;
use super::questions::questions;
use super::{mismatch, repository, since};
use crate::base::Address;
use crate::base::units::{ByteRate, human_bytes, plural};
use crate::diff::change::{
    Action, ChangeClass, Effect, Estimate, Item, LeftOut, PhaseChange, Undo,
};
use crate::diff::observation::{LiveSource, SnapshotObservation};
use crate::plan::model::{DataStreams, Phase, PhaseKindName, PhaseSpec, SnapshotSpec};
use crate::plan::selector::Selector;

/// Bytes a second of one node, where the plan gives no cap: what servers hold by themselves.
const DEFAULT_RATE_S: u64 = 40 << 20;

/// The fields of a phase that takes snapshots.
pub(super) struct Spec<'a> {
    /// The cluster.
    pub(super) of: &'a Address,
    /// The store.
    pub(super) to: &'a Address,
    /// Which indices.
    pub(super) indices: &'a Selector,
    /// The cap.
    pub(super) rate: Option<ByteRate>,
    /// Whether templates and settings are taken.
    pub(super) global: bool,
}

pub(super) fn spec(phase: &Phase) -> Option<Spec<'_>> {
    match &phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take {
            of,
            to,
            indices,
            rate_per_node,
            include_global_state,
            ..
        }) => Some(Spec {
            of: &of.value,
            to: &to.value,
            indices,
            rate: *rate_per_node,
            global: *include_global_state,
        }),
        _ => None,
    }
}

pub(super) fn decide(cx: &DecideContext<'_>, observed: &SnapshotObservation) -> PhaseChange {
    let (Some(spec), Some(source)) = (spec(cx.phase), &observed.live) else {
        return mismatch(cx);
    };
    let fields = common::fields(cx);
    let wanted = Wanted {
        phase: &cx.phase.address,
        indices: spec.indices,
        global: spec.global,
        respecified: fields.iter().any(|field| field.class == ChangeClass::Redo),
    };
    let intent = intent(&wanted, observed, source, cx.state, cx.redo);
    let mut change = match &intent {
        Intent::Keep => kept(cx, observed),
        Intent::Record => recorded(cx, observed),
        Intent::Follow(running) => {
            let title = format!(
                "snapshot `{}` of {} of {} is being taken: waits for it",
                running.name,
                common::indices(running.indices.len()),
                spec.of
            );
            let mut change = new(cx, observed, Action::Run, "being-taken", title);
            change.items = running
                .indices
                .iter()
                .map(|name| item(source, name))
                .collect();
            effects(&mut change, &spec, source, Some(&running.name));
            change
        }
        Intent::Take(take) => taken(cx, observed, source, &spec, take),
        Intent::Ask(problem, answers) => asked(cx, observed, problem, answers.clone()),
    };
    let drift = match &intent {
        Intent::Keep | Intent::Record => {
            let mut drift = found::drift(cx, observed);
            drift.extend(since::written(cx, spec.of));
            drift
        }
        _ => Vec::new(),
    };
    if !drift.is_empty() && change.action == Action::UpToDate {
        change.action = Action::Decide;
        "drift".clone_into(&mut change.action_reason);
    }
    change.items.extend(drift);
    change.fields = fields;
    change.left_out = left_out(spec.indices, source, change.provisional);
    change
}

/// What is said of snapshots that an operator deleted: none is taken in their place unless that is asked for.
pub(super) fn deleted(
    cx: &DecideContext<'_>,
    observed: &SnapshotObservation,
) -> Option<PhaseChange> {
    let record = common::record(cx.state, &cx.phase.address)?;
    let ended = record.ended.as_ref().filter(|_| !cx.redo)?;
    let names = super::taken(record);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = format!("deleted by {}: {}", ended.by, common::few(&names));
    let mut change = new(cx, observed, Action::UpToDate, common::DELETED, title);
    change.evidence = vec![format!(
        "deleted by {} at {:.0}: phases that are done stand as recorded; `mig apply --redo {}` takes another snapshot",
        ended.by, ended.at, cx.phase.address
    )];
    change.fields = common::fields(cx);
    Some(change)
}

fn new(
    cx: &DecideContext<'_>,
    observed: &SnapshotObservation,
    action: Action,
    reason: &str,
    title: String,
) -> PhaseChange {
    let inputs = common::inputs(cx, &observed.snapshot_fingerprint());
    PhaseChange::new(cx.phase, action, reason, title, inputs)
}

fn kept(cx: &DecideContext<'_>, observed: &SnapshotObservation) -> PhaseChange {
    let Some(found) = &observed.found else {
        return mismatch(cx);
    };
    let title = found::title(found, "");
    let mut change = new(cx, observed, Action::UpToDate, "recorded", title);
    change.evidence = vec![found::evidence(found)];
    change.evidence.extend(found::source_down(observed));
    change
}

fn recorded(cx: &DecideContext<'_>, observed: &SnapshotObservation) -> PhaseChange {
    let Some(found) = &observed.found else {
        return mismatch(cx);
    };
    let title = found::title(found, "");
    let mut change = new(cx, observed, Action::Run, "taken-already", title);
    change.items = found
        .indices
        .iter()
        .map(|(name, facts)| Item {
            docs: facts.docs,
            bytes: Some(facts.bytes),
            note: found::note(facts),
            ..common::item(Action::Run, "index", name.clone())
        })
        .collect();
    change.effects = vec![Effect {
        on: found.store.clone(),
        text: "nothing is written".into(),
        destroys: false,
    }];
    change
}

fn asked(
    cx: &DecideContext<'_>,
    observed: &SnapshotObservation,
    problem: &str,
    answers: Vec<String>,
) -> PhaseChange {
    let mut change = new(
        cx,
        observed,
        Action::Decide,
        "snapshot-unusable",
        problem.to_owned(),
    );
    change.items = vec![common::question(
        "snapshot",
        cx.phase.address.as_str(),
        UNUSABLE,
        format!("{problem}. What is to be done?"),
        answers,
    )];
    change
}

fn taken(
    cx: &DecideContext<'_>,
    observed: &SnapshotObservation,
    source: &LiveSource,
    spec: &Spec<'_>,
    take: &Take,
) -> PhaseChange {
    let coming = coming(cx, spec, source, take);
    let awaited: Vec<Item> = coming.iter().flatten().cloned().collect();
    let count = common::indices(take.indices.len() + awaited.len());
    let kind = if take.why == "new-indices" {
        "a further snapshot"
    } else {
        "snapshot"
    };
    let next_name = shown_name(source);
    let name = next_name
        .as_ref()
        .map_or_else(String::new, |name| format!(" `{name}`"));
    let title = format!("{kind}{name} of {count} of {} → {}", spec.of, spec.to);
    let open: Vec<_> = take
        .indices
        .iter()
        .map(|name| {
            let facts = source.indices.get(name);
            (name, facts.map(|facts| (&facts.uuid, facts.closed)))
        })
        .collect();
    let inputs = common::inputs(
        cx,
        &(observed.snapshot_fingerprint(), &source.cluster, open),
    );
    let mut change = PhaseChange::new(cx.phase, Action::Run, take.why, title, inputs);
    change.items = take.indices.iter().map(|name| item(source, name)).collect();
    change.items.extend(awaited);
    change
        .items
        .sort_by(|left, right| left.name.cmp(&right.name));
    change.provisional = coming.is_some();
    let questions = questions(cx, spec, source, take, coming.is_some());
    if questions.is_empty() {
        effects(&mut change, spec, source, next_name.as_deref());
        change.estimate = Some(estimate(spec, source, &change.items));
    } else {
        change.action = Action::Decide;
        "decision-missing".clone_into(&mut change.action_reason);
        change.items = questions;
    }
    change
}

/// The name that it will have; what a server can't keep beside a snapshot stands behind it.
fn shown_name(source: &LiveSource) -> Option<String> {
    let name = source.next_name.clone()?;
    let keeps = source.version.is_none_or(name_mark::keeps_metadata);
    Some(if keeps { name } else { format!("{name}.…") })
}

/// Indices that earlier phases of the plan have yet to make on the cluster; `None` where no phase has work there.
fn coming(
    cx: &DecideContext<'_>,
    spec: &Spec<'_>,
    source: &LiveSource,
    take: &Take,
) -> Option<Vec<Item>> {
    let fills = |change: &&PhaseChange| {
        let to = match cx.plan.phases.get(&change.address).map(|it| &it.spec) {
            Some(PhaseSpec::Metadata(it)) => &it.to,
            Some(PhaseSpec::Backfill(it)) => &it.to,
            _ => return false,
        };
        to.value == *spec.of && common::is_pending(cx, change)
    };
    let filling: Vec<_> = cx.earlier.iter().filter(fills).collect();
    if filling.is_empty() {
        return None;
    }
    let mut items: Vec<Item> = Vec::new();
    // Those that hold documents tell how many.
    let (backfills, others): (Vec<_>, Vec<_>) = filling
        .into_iter()
        .partition(|change| change.kind == PhaseKindName::Backfill);
    let filling = backfills.into_iter().chain(others);
    for (by, from) in filling.flat_map(|it| it.items.iter().map(move |item| (it, item))) {
        let name = arrives(cx, &by.address, &from.name);
        let known = take.indices.contains(&name)
            || source.indices.contains_key(&name)
            || items.iter().any(|item| item.name == name);
        if from.object == "index" && takes(spec.indices, &name) && !known {
            items.push(Item {
                docs: from.docs,
                bytes: from.bytes,
                note: common::AWAITED.to_owned(),
                ..common::item(Action::Run, "index", name)
            });
        }
    }
    Some(items)
}

fn item(source: &LiveSource, name: &str) -> Item {
    let facts = source.indices.get(name).cloned().unwrap_or_default();
    Item {
        docs: facts.docs,
        bytes: facts.bytes,
        note: found::shards(facts.shards, facts.closed),
        ..common::item(Action::Run, "index", name)
    }
}

fn effects(change: &mut PhaseChange, spec: &Spec<'_>, source: &LiveSource, name: Option<&str>) {
    let repository = &source.repository;
    let rate = spec.rate.map_or_else(
        || repository::DEFAULT_RATE.to_owned(),
        |rate| rate.to_string(),
    );
    let effect = |on: &Address, text: String| Effect {
        on: on.clone(),
        text,
        destroys: false,
    };
    if source.registered.is_none() {
        change.effects.push(effect(
            spec.of,
            format!("registers the repository `{repository}` ({rate} a node)"),
        ));
    }
    let name = name.map_or_else(String::new, |name| format!(" `{name}`"));
    change.effects.push(effect(
        spec.of,
        format!("takes the snapshot{name}; nothing else is written"),
    ));
    let bytes: u64 = change.items.iter().filter_map(|item| item.bytes).sum();
    change.effects.push(effect(
        spec.to,
        format!(
            "is written to: {} at most, less what it holds already",
            human_bytes(bytes)
        ),
    ));
    change.undo = Undo::Rollback(format!(
        "deletes the snapshots that it took and takes the repository off {}",
        spec.of
    ));
}

fn estimate(spec: &Spec<'_>, source: &LiveSource, items: &[Item]) -> Estimate {
    let bytes: u64 = items.iter().filter_map(|item| item.bytes).sum();
    let rate = spec.rate.map_or(DEFAULT_RATE_S, |rate| rate.0).max(1);
    let nodes = source.data_nodes.max(1);
    Estimate {
        low_s: bytes / rate / nodes,
        high_s: bytes / rate + 5,
        basis: format!(
            "{} at {} on each of {}",
            human_bytes(bytes),
            spec.rate.map_or_else(
                || repository::DEFAULT_RATE.to_owned(),
                |rate| rate.to_string()
            ),
            plural(nodes, "data node")
        ),
    }
}

fn left_out(selector: &Selector, source: &LiveSource, filled: bool) -> Vec<LeftOut> {
    let mut left_out: Vec<LeftOut> = source
        .indices
        .keys()
        .filter(|name| !takes(selector, name))
        .filter_map(|name| {
            let mut out = common::left_out(selector, "index", name)?;
            if let Some(stream) = by_name(name) {
                out.reason = format!("of data stream {stream}: {}", out.reason);
            }
            Some(out)
        })
        .collect();
    if source.unreachable.is_none() && !filled {
        let mut names: Vec<String> = source.indices.keys().cloned().collect();
        names.extend(source.indices.keys().filter_map(|name| by_name(name)));
        left_out.extend(
            selector
                .unmatched(&names)
                .into_iter()
                .map(|pattern| LeftOut {
                    object: "pattern".into(),
                    name: pattern.to_owned(),
                    reason: "no index has such a name".into(),
                }),
        );
    }
    left_out.sort();
    left_out
}

/// The name under which a phase brings an index: one behind a data stream may become an ordinary one. As a generation it gets
/// a name of the server's; until then it is told by its old one.
fn arrives(cx: &DecideContext<'_>, by: &Address, index: &str) -> String {
    match cx.plan.phases.get(by).map(|phase| &phase.spec) {
        Some(PhaseSpec::Backfill(it))
            if it.data_streams == Some(DataStreams::Indices) && by_name(index).is_some() =>
        {
            ordinary_name(index)
        }
        _ => index.to_owned(),
    }
}
