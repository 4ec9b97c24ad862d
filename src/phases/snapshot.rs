//! `snapshot:` finds an existing snapshot and says what is in it. Taking one of a cluster is not in this version.
//!
//! Relies on [`super::existing`]. Deliberately absent: writing; a store is only read.

use serde_json::json;

use super::common;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use crate::base::units::{human_bytes, plural};
use crate::diff::change::{Action, Effect, Item, PhaseChange, Undo};
use crate::diff::observation::{Observation, SnapshotFacts, SnapshotObservation};
use crate::plan::model::{PhaseSpec, SnapshotSpec};
use crate::state::model::PhaseRecord;

/// A snapshot that can't be used.
const UNUSABLE: &str = "MIG080";

/// The kind.
pub struct Snapshot;

impl PhaseKind for Snapshot {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        let view = cx.connections.open_snapshot(&cx.phase.address)?;
        Ok(Observation::Snapshot(SnapshotObservation {
            found: view.facts.clone(),
            problem: view.problem.clone(),
            ..SnapshotObservation::default()
        }))
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        let Observation::Snapshot(observed) = cx.observation else {
            return mismatch(cx);
        };
        let inputs = common::inputs(cx, &cx.observation.fingerprint());
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
            return mismatch(cx);
        };
        let recorded = common::done(cx.state, &cx.phase.address);
        let known = recorded.and_then(|record| common::text(&record.outputs, "/uuid"));
        let (action, reason) = match known {
            Some(uuid) if uuid == found.uuid && !cx.redo => (Action::UpToDate, "recorded"),
            Some(uuid) if uuid != found.uuid => (Action::Run, "input-changed"),
            _ => (Action::Run, "not-applied-yet"),
        };
        let mut change = PhaseChange::new(cx.phase, action, reason, title(found), inputs);
        change.items = found
            .indices
            .iter()
            .map(|(name, facts)| Item {
                docs: facts.docs,
                bytes: Some(facts.bytes),
                note: shards(facts.shards, facts.closed),
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
        if action == Action::UpToDate {
            change.items.clear();
            change.evidence = vec![evidence(found)];
        }
        change.fields = common::fields(cx);
        change.undo = Undo::Nothing;
        change
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        let Observation::Snapshot(observed) = cx.observation else {
            return Err(PhaseError::Stale(
                "the observation is of another kind".into(),
            ));
        };
        let Some(found) = &observed.found else {
            return Err(PhaseError::Failed {
                message: observed
                    .problem
                    .clone()
                    .unwrap_or_else(|| "there is no such snapshot".into()),
                help: Some("name a snapshot that is complete".into()),
            });
        };
        Ok(Performed::Done {
            outputs: json!({
                "store": found.store,
                "name": found.name,
                "uuid": found.uuid,
                "repository-generation": found.repository_generation,
                "indices": found.indices.keys().collect::<Vec<_>>(),
            }),
            evidence: vec![evidence(found)],
        })
    }

    fn undo_plan(&self, _record: &PhaseRecord) -> UndoPlan {
        UndoPlan::default()
    }

    fn undo(&self, _cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        Ok(())
    }
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

fn title(found: &SnapshotFacts) -> String {
    let by = found
        .made_by
        .map_or_else(String::new, |version| format!(" of {version}"));
    format!(
        "existing `{}` in {}{by}: {}",
        found.name,
        found.store,
        common::indices(found.indices.len())
    )
}

fn shards(shards: u32, closed: bool) -> String {
    let closed = if closed { ", closed" } else { "" };
    format!("{}{closed}", plural(u64::from(shards), "shard"))
}

fn evidence(found: &SnapshotFacts) -> String {
    let bytes: u64 = found.indices.values().map(|facts| facts.bytes).sum();
    let docs: Option<u64> = found
        .indices
        .values()
        .try_fold(0, |sum, facts| facts.docs.map(|docs| sum + docs));
    let docs = docs.map_or_else(
        || "documents not countable without reading".to_owned(),
        |docs| plural(docs, "live document"),
    );
    format!(
        "snapshot `{}` ({}, uuid {}) holds {}, {docs}, {} of documents to read",
        found.name,
        found.state,
        found.uuid,
        common::indices(found.indices.len()),
        human_bytes(bytes)
    )
}

/// A saved observation of another kind: nothing can be decided on it.
pub(super) fn mismatch(cx: &DecideContext<'_>) -> PhaseChange {
    PhaseChange::new(
        cx.phase,
        Action::Decide,
        "observation-mismatch",
        "what was observed is of another kind of phase: plan again",
        common::inputs(cx, &cx.observation.fingerprint()),
    )
}
