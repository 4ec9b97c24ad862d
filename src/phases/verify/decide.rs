//! What a verification would do. Pure.

use super::super::backfill::taken_over;
use super::super::common;
use super::super::kind::DecideContext;
use super::super::snapshot::mismatch;
use super::super::{streams, types};
use super::{spec, through, way};
use crate::base::units::human_bytes;
use crate::base::version::ProductVersion;
use crate::base::{Address, Fingerprint};
use crate::diff::change::{Action, Effect, Estimate, Item, LeftOut, PhaseChange, Undo};
use crate::diff::observation::Observation;
use crate::diff::observation::{
    ObjectKey, ObjectKind, SnapshotIndexFacts, TargetIndexFacts, VerifyObservation,
};
use crate::plan::model::{
    BackfillSpec, Closed, Content, DataStreams, PhaseKindName, PhaseSpec, Plan, SnapshotSpec,
    VerifySpec,
};

/// Bytes a second on one side, at the least and at best, where nothing was measured.
const SLOW_BYTES_S: u64 = 8 << 20;
const FAST_BYTES_S: u64 = 80 << 20;

/// The indices that are compared, and those that are left out.
pub(super) fn selected<'a>(
    plan: &Plan,
    spec: &VerifySpec,
    observed: &'a VerifyObservation,
) -> (Vec<(&'a str, &'a SnapshotIndexFacts)>, Vec<LeftOut>) {
    let moved = backfills(plan, spec);
    let choice = choice(plan, spec, observed.target_version);
    let mut chosen = Vec::new();
    let mut left_out = Vec::new();
    for (name, facts) in &observed.source {
        let of = types::of(name, facts);
        if let Some(reason) = streams::left_out(&spec.indices, choice, (of, facts)) {
            left_out.push(reason);
            continue;
        }
        if facts.closed && observed.source_cluster.is_some() {
            left_out.push(LeftOut {
                object: "index".into(),
                name: name.clone(),
                reason: "closed at the source: it can't be read there, a snapshot of it can".into(),
            });
            continue;
        }
        if observed.source_cluster.is_some()
            && types::changes_documents(plan, &spec.target.value, of)
        {
            left_out.push(LeftOut {
                object: "index".into(),
                name: name.clone(),
                reason: "its mapping types are taken apart: it is proved against a snapshot, not against the live source".into(),
            });
            continue;
        }
        let is_moved = moved.is_empty()
            || moved.iter().any(|(_, backfill)| {
                takes(backfill, choice, of, facts)
                    && !(facts.closed && backfill.closed == Closed::Skip)
            });
        if is_moved {
            chosen.push((name.as_str(), facts));
        } else {
            left_out.push(LeftOut {
                object: "index".into(),
                name: name.clone(),
                reason: "no backfill of this plan moves it".into(),
            });
        }
    }
    // The parts of a split index are left out as one.
    left_out.dedup();
    (chosen, left_out)
}

/// How data streams were taken: as the backfills of the plan have it.
pub(super) fn choice(
    plan: &Plan,
    spec: &VerifySpec,
    target: Option<ProductVersion>,
) -> Option<DataStreams> {
    let said = backfills(plan, spec)
        .into_iter()
        .find_map(|(_, backfill)| backfill.data_streams);
    match target {
        Some(target) => streams::choice(said, target),
        None => said.or(Some(DataStreams::Streams)),
    }
}

fn takes(
    backfill: &BackfillSpec,
    choice: Option<DataStreams>,
    name: &str,
    facts: &SnapshotIndexFacts,
) -> bool {
    streams::left_out(&backfill.indices, choice, (name, facts)).is_none()
}

/// The backfills that write what is verified.
pub(super) fn backfills<'a>(
    plan: &'a Plan,
    spec: &VerifySpec,
) -> Vec<(&'a Address, &'a BackfillSpec)> {
    plan.phases
        .values()
        .filter_map(|phase| match &phase.spec {
            PhaseSpec::Backfill(backfill)
                if backfill.to.value == spec.target.value
                    && (backfill.from.value == spec.source.value
                        || taken_of(plan, &backfill.from.value) == Some(&spec.source.value)) =>
            {
                Some((&phase.address, backfill))
            }
            _ => None,
        })
        .collect()
}

/// The backfill that writes an index, by its name at the source, where there is one.
pub(super) fn backfill_of<'a>(
    plan: &'a Plan,
    spec: &VerifySpec,
    observed: &VerifyObservation,
    index: &str,
) -> Option<(&'a Address, &'a BackfillSpec)> {
    let all = backfills(plan, spec);
    let choice = choice(plan, spec, observed.target_version);
    // What a split made of an index stands under other names.
    let facts = observed.source.get(index).or_else(|| {
        let mut parts = observed.source.iter();
        let (_, facts) = parts.find(|(name, facts)| types::of(name, facts) == index)?;
        Some(facts)
    })?;
    all.into_iter()
        .find(|(_, backfill)| takes(backfill, choice, index, facts))
}

/// The cluster that the snapshot of a phase is of.
fn taken_of<'a>(plan: &'a Plan, snapshot: &Address) -> Option<&'a Address> {
    match &plan.phases.get(snapshot)?.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. }) => Some(&of.value),
        PhaseSpec::Snapshot(SnapshotSpec::Existing { of, .. }) => of.as_ref().map(|of| &of.value),
        _ => None,
    }
}

/// What waits for this proof: the objects, and the indices to close.
pub(super) fn waiting<'a>(
    plan: &Plan,
    spec: &VerifySpec,
    chosen: &[(&str, &SnapshotIndexFacts)],
    observed: &'a VerifyObservation,
) -> (Vec<(&'a ObjectKey, u64)>, Vec<&'a str>) {
    // What is loaded upon it has still to be written: the proof of that lets go of them.
    let goes_on = backfills(plan, spec)
        .iter()
        .any(|(_, backfill)| plan.deltas_upon(backfill).next().is_some());
    if goes_on {
        return (Vec::new(), Vec::new());
    }
    let is_chosen = |name: &str| chosen.iter().any(|(chosen, _)| *chosen == name);
    let objects = observed
        .held_back
        .iter()
        .filter(|(key, _)| key.kind != ObjectKind::Index || is_chosen(&key.name))
        .map(|(key, settings)| (key, *settings))
        .collect();
    let closing = observed
        .to_close
        .iter()
        .map(String::as_str)
        .filter(|name| is_chosen(name))
        .collect();
    (objects, closing)
}

/// Whether what was proved is no longer there only since a load upon it wrote its changes.
fn is_built_upon(
    cx: &DecideContext<'_>,
    spec: &VerifySpec,
    observed: &VerifyObservation,
    chosen: &[(&str, &SnapshotIndexFacts)],
) -> bool {
    let Some(proved) =
        common::done(cx.state, &cx.phase.address).and_then(|record| record.outputs.get("proved"))
    else {
        return false;
    };
    let mut any = false;
    for (name, facts) in chosen {
        let Some(found) = observed.target.get(*name) else {
            return false;
        };
        let load = backfill_of(cx.plan, spec, observed, types::of(name, facts));
        let upon = load.and_then(|load| taken_over(cx.plan, cx.state, load, name, found));
        any |= upon.is_some();
        let same = proved.get(*name).is_some_and(|it| {
            let content: Option<Fingerprint> = it
                .get("content")
                .and_then(|content| serde_json::from_value(content.clone()).ok());
            common::text(it, "/target-uuid") == Some(&found.uuid)
                && (content.is_none() || found.content.is_none() || content == found.content)
        });
        if upon.is_none() && !same {
            return false;
        }
    }
    any
}

/// Identity of what is compared.
pub(super) fn identity<'a>(
    plan: &Plan,
    spec: &VerifySpec,
    chosen: &[(&str, &SnapshotIndexFacts)],
    observed: &'a VerifyObservation,
) -> Fingerprint {
    let target: Vec<_> = chosen
        .iter()
        .map(|(name, facts)| {
            let found = observed.target.get(*name);
            // Closing comes last and must not look like a change.
            let content =
                |found: &'a TargetIndexFacts| found.content.as_ref().filter(|_| !facts.closed);
            (name, found.map(|found| (&found.uuid, content(found))))
        })
        .collect();
    let through = through::identity(plan, spec, observed, chosen);
    let compared = if let Some(cluster) = &observed.source_cluster {
        let source: Vec<_> = chosen.iter().map(|(name, it)| (name, &it.uuid)).collect();
        Fingerprint::of(&(cluster, source, target))
    } else {
        Fingerprint::of(&(&observed.snapshot_uuid, target))
    };
    match through {
        Some(through) => Fingerprint::of(&(compared, through)),
        None => compared,
    }
}

pub(super) fn depth(content: Content) -> &'static str {
    match content {
        Content::Counts => "numbers of documents",
        Content::Ids => "every identity",
        Content::Sample => "every identity, a part of the content",
        Content::Full => "every identity and all content",
    }
}

pub(super) fn decide(cx: &DecideContext<'_>) -> PhaseChange {
    let (Observation::Verify(observed), Ok(spec)) = (cx.observation, spec(cx.phase)) else {
        return mismatch(cx);
    };
    let on = &spec.target.value;
    let (chosen, left_out) = selected(cx.plan, spec, observed);
    let marks: Vec<_> = chosen
        .iter()
        .filter_map(|(name, facts)| Some((name, way(cx.plan, spec).mark(name, facts)?)))
        .collect();
    let identity = identity(cx.plan, spec, &chosen, observed);
    let inputs = if marks.is_empty() {
        common::inputs(cx, &identity)
    } else {
        common::inputs(cx, &(&identity, marks))
    };
    let provisional = observed.snapshot_uuid.is_none() && observed.source_cluster.is_none();
    let record = common::record(cx.state, &cx.phase.address);
    let done = common::done(cx.state, &cx.phase.address);
    let writes_before = cx.earlier.iter().any(|change| {
        change.kind == PhaseKindName::Backfill
            && matches!(change.action, Action::Run | Action::Replace)
            && match cx.plan.phases.get(&change.address).map(|phase| &phase.spec) {
                Some(PhaseSpec::Backfill(backfill)) => backfill.to.value == *on,
                _ => false,
            }
    });
    let (objects, closing) = waiting(cx.plan, spec, &chosen, observed);
    let built_upon = is_built_upon(cx, spec, observed, &chosen);
    let live = observed.live || cx.state.live_targets.contains_key(on);
    let (action, reason) = match done {
        _ if provisional => (Action::Check, "input-not-there-yet"),
        _ if cx.redo => (Action::Check, "redo"),
        _ if writes_before => (Action::Check, "documents-are-written-before"),
        _ if live => (Action::UpToDate, "target-is-live"),
        // What it proved stood there until then.
        Some(_) if built_upon => (Action::UpToDate, "built-upon"),
        Some(done) if done.inputs != inputs => (Action::Check, "input-changed"),
        Some(_) if !objects.is_empty() || !closing.is_empty() => {
            (Action::Check, "held-back-settings-wait")
        }
        Some(_) => (Action::UpToDate, "verified"),
        None if record.is_some() => (Action::Check, "failed-before"),
        None => (Action::Check, "not-verified-yet"),
    };
    let is_there = |name: &str| observed.source.contains_key(name);
    let streams_taken = choice(cx.plan, spec, observed.target_version);
    let awaited: Vec<Item> = common::awaited(cx, &spec.source.value, &is_there)
        .into_iter()
        .filter(|item| streams::takes_awaited(&spec.indices, streams_taken, &item.name))
        .map(|item| Item {
            action: Action::Check,
            note: common::AWAITED.to_owned(),
            ..item.clone()
        })
        .collect();
    let title = format!(
        "{} on {on}: {}",
        common::indices(chosen.len() + awaited.len()),
        depth(spec.content)
    );
    let mut change = PhaseChange::new(cx.phase, action, reason, title, inputs);
    change.fields = common::fields(cx);
    change.left_out = left_out;
    change.provisional = provisional || chosen.iter().any(|(_, facts)| facts.is_awaited());
    if action == Action::UpToDate {
        change.evidence = done.map(|done| done.evidence.clone()).unwrap_or_default();
        if live {
            change.evidence.push(format!(
                "{on} went live afterwards: what changes there is its users' doing"
            ));
        }
        return change;
    }
    change.items = chosen
        .iter()
        .map(|(name, facts)| Item {
            docs: facts.docs,
            bytes: Some(facts.bytes),
            ..common::item(Action::Check, "index", *name)
        })
        .chain(awaited)
        .collect();
    let bytes: u64 = change.items.iter().filter_map(|item| item.bytes).sum();
    change.effects = effects(cx.plan, spec, bytes, &objects, &closing);
    // The target's side is about as large as the source's once it is decompressed.
    change.estimate = Some(Estimate {
        low_s: bytes / FAST_BYTES_S,
        high_s: bytes / SLOW_BYTES_S + 1,
        basis: format!(
            "{} of {} and the same documents on {on} are read; not measured yet",
            human_bytes(bytes),
            match observed.source_cluster {
                Some(_) => spec.source.value.as_str(),
                None => "the snapshot",
            }
        ),
    });
    change.undo = if objects.is_empty() && closing.is_empty() {
        Undo::Nothing
    } else {
        Undo::Rollback("holds the settings back again, opens what it closed".into())
    };
    change
}

fn effects(
    plan: &Plan,
    spec: &VerifySpec,
    bytes: u64,
    objects: &[(&ObjectKey, u64)],
    closing: &[&str],
) -> Vec<Effect> {
    let on = spec.target.value.clone();
    let mut effects = vec![Effect {
        on: common::store_behind(plan, &spec.source.value),
        text: format!("reads {}", human_bytes(bytes)),
        destroys: false,
    }];
    let settings: u64 = objects.iter().map(|(_, settings)| settings).sum();
    if settings > 0 {
        effects.push(Effect {
            on: on.clone(),
            text: format!(
                "puts {} in force once it passes",
                crate::base::units::plural(settings, "held-back setting")
            ),
            destroys: false,
        });
    }
    if !closing.is_empty() {
        effects.push(Effect {
            on,
            text: format!("closes {} once it passes", common::few(closing)),
            destroys: false,
        });
    }
    effects
}
