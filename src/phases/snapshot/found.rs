//! A snapshot that is there: what is told of it, and what moved at its source since.
//!
//! Relies on [`super::super::existing`]. Deliberately absent: writing; a store is only read.

use serde_json::{Value, json};

use super::super::common;
use super::super::kind::{DecideContext, PerformContext, Performed, PhaseError};
use crate::base::units::{human_bytes, plural};
use crate::diff::change::{Action, Effect, Item, PhaseChange, Undo};
use crate::diff::observation::{
    LiveIndexFacts, SnapshotFacts, SnapshotIndexFacts, SnapshotObservation,
};
use crate::plan::model::{PhaseSpec, SnapshotSpec};

/// A snapshot that can't be used.
pub(super) const UNUSABLE: &str = "MIG080";

pub(super) fn decide(cx: &DecideContext<'_>, observed: &SnapshotObservation) -> PhaseChange {
    let inputs = common::inputs(cx, &observed.snapshot_fingerprint());
    let store = store_of(cx);
    if let Some(problem) = &observed.problem {
        let mut change = PhaseChange::new(
            cx.phase,
            Action::Decide,
            "snapshot-unusable",
            problem.clone(),
            inputs,
        );
        let name = name_of(cx);
        change.items = vec![common::question(
            "snapshot",
            name,
            UNUSABLE,
            {
                let end = if problem.ends_with('?') { "" } else { "." };
                format!("{problem}{end} Which snapshot is to be used?")
            },
            vec![format!("name: {name}   # of a snapshot that is complete")],
        )];
        change.fields = common::fields(cx);
        return change;
    }
    let Some(found) = &observed.found else {
        return super::mismatch(cx);
    };
    let recorded = common::done(cx.state, &cx.phase.address);
    let known = recorded.and_then(|record| common::text(&record.outputs, "/uuid"));
    let (action, reason) = match known {
        Some(uuid) if uuid == found.uuid && !cx.redo => (Action::UpToDate, "recorded"),
        Some(uuid) if uuid != found.uuid => (Action::Run, "input-changed"),
        _ => (Action::Run, "not-applied-yet"),
    };
    let mut change = PhaseChange::new(cx.phase, action, reason, title(found, "existing "), inputs);
    change.items = found
        .indices
        .iter()
        .map(|(name, facts)| Item {
            docs: facts.docs,
            bytes: Some(facts.bytes),
            note: note(facts),
            ..common::item(action, "index", name.clone())
        })
        .collect();
    if let Some(store) = store {
        change.effects = vec![Effect {
            on: store,
            text: "nothing is written".into(),
            destroys: false,
        }];
    }
    let drift = drift(cx, observed);
    if action == Action::UpToDate {
        change.items.clear();
        change.evidence = vec![evidence(found)];
        if !drift.is_empty() {
            change.action = Action::Decide;
            "drift".clone_into(&mut change.action_reason);
        }
    }
    change.items.extend(drift);
    change.evidence.extend(source_down(observed));
    change.fields = common::fields(cx);
    change.undo = Undo::Nothing;
    change
}

pub(super) fn perform(
    cx: &PerformContext<'_>,
    observed: &SnapshotObservation,
) -> Result<Performed, PhaseError> {
    let Some(found) = &observed.found else {
        return Err(PhaseError::Failed {
            message: observed
                .problem
                .clone()
                .unwrap_or_else(|| "there is no such snapshot".into()),
            help: Some("name a snapshot that is complete".into()),
        });
    };
    let down = source_down(observed);
    let evidence = std::iter::once(evidence(found)).chain(down).collect();
    Ok(Performed::Done {
        outputs: outputs(cx, observed, found),
        evidence,
    })
}

/// What later phases and plans need of the snapshots.
pub(super) fn outputs(
    cx: &PerformContext<'_>,
    observed: &SnapshotObservation,
    found: &SnapshotFacts,
) -> Value {
    let further: Vec<Value> = found
        .further
        .iter()
        .map(|it| json!({"name": it.name, "uuid": it.uuid}))
        .collect();
    let cluster = observed
        .live
        .as_ref()
        .filter(|live| !live.cluster.is_empty())
        .map(|live| json!({"uuid": live.cluster, "version": live.version}))
        .or_else(|| {
            // The source was down: what is known of it stays known.
            let record = common::record(cx.state, &cx.phase.address)?;
            record.outputs.get("source").cloned()
        });
    json!({
        "store": found.store,
        "name": found.name,
        "uuid": found.uuid,
        "further": further,
        "repository-generation": found.repository_generation,
        "indices": found.indices.keys().collect::<Vec<_>>(),
        "source": cluster,
    })
}

/// What moved at the source since the snapshot, where that can be seen: told, and never acted on.
pub(super) fn drift(cx: &DecideContext<'_>, observed: &SnapshotObservation) -> Vec<Item> {
    let (Some(found), Some(live)) = (&observed.found, &observed.live) else {
        return Vec::new();
    };
    if live.unreachable.is_some() {
        return Vec::new();
    }
    let takes = matches!(
        cx.phase.spec,
        PhaseSpec::Snapshot(SnapshotSpec::Take { .. })
    );
    let mut renewed = Vec::new();
    let mut gone = Vec::new();
    for (name, facts) in &found.indices {
        match live.indices.get(name) {
            Some(now) if now.uuid != facts.uuid => renewed.push(name.as_str()),
            Some(_) => {}
            None => gone.push(name.as_str()),
        }
    }
    let is_new = |(name, facts): &(&String, &LiveIndexFacts)| {
        facts.chosen && !found.indices.contains_key(*name)
    };
    let new: Vec<&str> = live
        .indices
        .iter()
        .filter(is_new)
        .map(|(name, _)| name.as_str())
        .collect();
    let told = |names: &[&str], what: &str| {
        (!names.is_empty()).then(|| Item {
            note: if takes {
                let redo = &cx.phase.address;
                format!(
                    "{what}: {} (`--redo {redo}` takes a new snapshot)",
                    common::few(names)
                )
            } else {
                format!("{what}: {}", common::few(names))
            },
            ..common::item(Action::Decide, "source", common::indices(names.len()))
        })
    };
    [
        told(
            &renewed,
            "made anew at the source since the snapshot, which holds the one of before",
        ),
        told(
            &gone,
            "gone at the source since the snapshot, which holds it",
        ),
        told(
            &new,
            "at the source, chosen, and in no snapshot, as it came later",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is said where the source can't be reached and the snapshot is enough.
pub(super) fn source_down(observed: &SnapshotObservation) -> Option<String> {
    let why = observed.live.as_ref()?.unreachable.as_ref()?;
    Some(format!(
        "the source was not looked at, the snapshot is enough: {why}"
    ))
}

fn store_of(cx: &DecideContext<'_>) -> Option<crate::base::Address> {
    match &cx.phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Existing { store, .. }) => Some(store.value.clone()),
        PhaseSpec::Snapshot(SnapshotSpec::Take { to, .. }) => Some(to.value.clone()),
        _ => None,
    }
}

fn name_of<'a>(cx: &DecideContext<'a>) -> &'a str {
    match &cx.phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Existing { name, .. }) => name,
        _ => "",
    }
}

pub(super) fn title(found: &SnapshotFacts, existing: &str) -> String {
    let by = found
        .made_by
        .map_or_else(String::new, |version| format!(" of {version}"));
    let more = match found.further.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{existing}`{}`{more} in {}{by}: {}",
        found.name,
        found.store,
        common::indices(found.indices.len())
    )
}

/// What is said beside an index of a snapshot.
pub(super) fn note(facts: &SnapshotIndexFacts) -> String {
    let mut note = shards(facts.shards, facts.closed);
    if let Some(stream) = &facts.data_stream {
        note.push_str(&format!(", of data stream {stream}"));
    }
    for missing in &facts.missing_shards {
        note.push_str(&format!(", shard {} is missing", missing.shard));
    }
    let mut codes: Vec<&str> = facts.unreadable.iter().map(|it| it.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    if !codes.is_empty() {
        note.push_str(&format!(", can't be read ({})", codes.join(", ")));
    }
    note
}

pub(super) fn shards(shards: u32, closed: bool) -> String {
    let closed = if closed { ", closed" } else { "" };
    format!("{}{closed}", plural(u64::from(shards), "shard"))
}

pub(super) fn evidence(found: &SnapshotFacts) -> String {
    let bytes: u64 = found.indices.values().map(|facts| facts.bytes).sum();
    let docs: Option<u64> = found
        .indices
        .values()
        .try_fold(0, |sum, facts| facts.docs.map(|docs| sum + docs));
    let docs = docs.map_or_else(
        || "documents not countable without reading".to_owned(),
        |docs| plural(docs, "live document"),
    );
    let more = match found.further.as_slice() {
        [] => String::new(),
        more => {
            let more: Vec<String> = more
                .iter()
                .map(|it| format!("`{}` (uuid {})", it.name, it.uuid))
                .collect();
            format!(", with {},", more.join(", "))
        }
    };
    format!(
        "snapshot `{}` ({}, uuid {}){more} holds {}, {docs}, {} of documents to read",
        found.name,
        found.state,
        found.uuid,
        common::indices(found.indices.len()),
        human_bytes(bytes)
    )
}
