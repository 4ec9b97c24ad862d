//! Recognises what a lost state had done from what it left: work stores with the plan's name and the state's lineage,
//! snapshots with its mark, objects equal to what the plan makes, the mark of a switchover.
//!
//! A proof is never adopted: what was proved was lost with the state, so a verify phase runs again. Deliberately absent:
//! writing the new state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::connections::Connections;
use super::kind::PhaseError;
use super::snapshot::{self, series};
use super::transforms::{self, Names};
use super::{backfill, common, metadata, streams};
use crate::base::{Address, Fingerprint};
use crate::clients::target::{Landed, Target};
use crate::plan::model::{
    BackfillSpec, MetadataSpec, Phase, PhaseSpec, Plan, SnapshotSpec, SwitchoverSpec,
};
use crate::state::model::{PhaseRecord, PhaseStatus, SINCE, SideEffect, TRANSFORMS};

/// The phases of the plan that were done, or begun, by a state that is no more; empty where nothing is left of one.
pub fn adopt(
    plan: &Plan,
    connections: &Connections,
) -> Result<Vec<(Address, PhaseRecord)>, PhaseError> {
    let mut found = Vec::new();
    for phase in plan.phases.values() {
        let record = match &phase.spec {
            PhaseSpec::Metadata(spec) => objects(plan, phase, spec, connections)?,
            PhaseSpec::Backfill(spec) => documents(plan, phase, spec, connections)?,
            PhaseSpec::Switchover(spec) => live(plan, phase, spec, connections)?,
            PhaseSpec::Snapshot(_) => {
                let taken = snapshot::adopted(plan, phase, connections)?;
                taken.map(|(outputs, effects)| {
                    let mut record = record(phase, PhaseStatus::Done, outputs, effects);
                    record.evidence = vec!["adopted from the mark of the snapshot".into()];
                    record
                })
            }
            PhaseSpec::Verify(_) | PhaseSpec::Gate(_) => None,
        };
        found.extend(record.map(|record| (phase.address.clone(), record)));
    }
    Ok(found)
}

/// The lineage of the lost state, so that the new one can go on with its work stores.
pub fn lineage(plan: &Plan, connections: &Connections) -> Result<Option<String>, PhaseError> {
    for phase in plan.phases.values() {
        let to = match &phase.spec {
            PhaseSpec::Backfill(spec) => &spec.to.value,
            PhaseSpec::Switchover(spec) => &spec.to.value,
            _ => continue,
        };
        let Some(target) = reachable(connections, to) else {
            continue;
        };
        if let Some((identity, _)) = backfill::peek(&*target, plan, &phase.address)? {
            return Ok(Some(identity.lineage));
        }
        let mark = target
            .live()
            .map_err(|error| common::target_error(to, &error))?;
        if let Some(mark) = mark.filter(|mark| mark.plan == plan.name) {
            return Ok(Some(mark.lineage));
        }
    }
    for phase in plan.phases.values() {
        let PhaseSpec::Snapshot(SnapshotSpec::Take { to, name, .. }) = &phase.spec else {
            continue;
        };
        let Some(repository) = connections.repository(&to.value)? else {
            continue;
        };
        let left = series::lineage_left(&repository, &plan.name, &phase.address, name.as_deref())
            .map_err(|error| super::existing::failed(&to.value, &error))?;
        if left.is_some() {
            return Ok(left);
        }
    }
    Ok(None)
}

/// A target that can't be opened has nothing to adopt; its own phases say what is wrong with it.
fn reachable(connections: &Connections, to: &Address) -> Option<std::sync::Arc<dyn Target>> {
    connections.open_target(to).ok()
}

fn record(
    phase: &Phase,
    status: PhaseStatus,
    outputs: Value,
    effects: Vec<SideEffect>,
) -> PhaseRecord {
    let now = Timestamp::now();
    PhaseRecord {
        kind: phase.spec.kind(),
        status,
        spec: common::spec(phase),
        inputs: Fingerprint::of(&"adopted"),
        outputs,
        evidence: vec!["adopted from what a lost state left on the target".into()],
        started_at: now,
        finished_at: (status == PhaseStatus::Done).then_some(now),
        error: None,
        effects,
        ended: None,
    }
}

fn objects(
    plan: &Plan,
    phase: &Phase,
    spec: &MetadataSpec,
    connections: &Connections,
) -> Result<Option<PhaseRecord>, PhaseError> {
    let on = &spec.to.value;
    let error = |error| common::target_error(on, &error);
    let Some(target) = reachable(connections, on) else {
        return Ok(None);
    };
    let made_by = target
        .identity()
        .map_err(error)?
        .and_then(|identity| identity.made_by_plan);
    if made_by.as_deref() != Some(plan.name.as_str()) {
        return Ok(None);
    }
    metadata::adopt(phase, spec, connections).map(|found| {
        found.map(|(complete, outputs, effects)| {
            let status = if complete {
                PhaseStatus::Done
            } else {
                PhaseStatus::Started
            };
            record(phase, status, outputs, effects)
        })
    })
}

fn documents(
    plan: &Plan,
    phase: &Phase,
    spec: &BackfillSpec,
    connections: &Connections,
) -> Result<Option<PhaseRecord>, PhaseError> {
    let on = &spec.to.value;
    let Some(target) = reachable(connections, on) else {
        return Ok(None);
    };
    let Some((identity, mut work)) = backfill::peek(&*target, plan, &phase.address)? else {
        return Ok(None);
    };
    let (snapshot, since) = backfill::snapshots_of_work(&identity.snapshot_uuid);
    // What was written by another form of the phase went through other transforms than those of now.
    let same = backfill::is_work_of(&identity, spec, plan, &phase.address);
    let choice = streams::choice(spec.data_streams, target.version());
    // Where the source can't be looked at, documents behind data streams are not found.
    let (landings, source) = match connections.source(&spec.from.value) {
        Ok(view) => (
            streams::landings(choice, view.indices()),
            backfill::way(plan, spec).targets(view.indices()),
        ),
        Err(_) => (BTreeMap::new(), BTreeMap::new()),
    };
    backfill::add_restores(&*target, (plan, phase), &identity, &source, &mut work)?;
    let target = Landed::over(target, landings.clone());
    let mut indices = Map::new();
    let mut effects = Vec::new();
    for (index, complete) in &work.complete {
        let facts = target
            .index_facts(index, work.docs_done)
            .map_err(|error| common::target_error(on, &error))?;
        let Some(facts) = facts else { continue };
        let mut detail = json!({"snapshot-uuid": snapshot, "target-uuid": facts.uuid});
        let known = source.get(index).cloned().unwrap_or_default();
        let names = Names::of(choice, index, &known);
        if same && let Some(transforms) = transforms::identity(spec, &names) {
            detail[TRANSFORMS] = json!(transforms);
        }
        if let Some(since) = since {
            detail[SINCE] = json!(since);
        }
        if let Some(landing) = landings.get(index) {
            detail["landing"] = json!(landing);
        }
        effects.push(common::effect_with(on, "write-documents", index, detail));
        if *complete {
            let found = json!({
                "snapshot-uuid": snapshot,
                "target-uuid": facts.uuid,
                "written": facts.docs,
                "content": facts.content,
            });
            indices.insert(index.clone(), found);
        }
    }
    let status = if work.items_done == work.items {
        PhaseStatus::Done
    } else {
        PhaseStatus::Started
    };
    let outputs = json!({"snapshot-uuid": snapshot, "indices": indices});
    Ok(Some(record(phase, status, outputs, effects)))
}

fn live(
    plan: &Plan,
    phase: &Phase,
    spec: &SwitchoverSpec,
    connections: &Connections,
) -> Result<Option<PhaseRecord>, PhaseError> {
    let on = &spec.to.value;
    let Some(target) = reachable(connections, on) else {
        return Ok(None);
    };
    let mark = target
        .live()
        .map_err(|error| common::target_error(on, &error))?
        .filter(|mark| mark.plan == plan.name && mark.phase == phase.address.as_str());
    Ok(mark.map(|mark| {
        let detail = json!({"lineage": mark.lineage});
        let effect = common::effect_with(on, "go-live", on.as_str(), detail);
        let outputs = json!({"live": on, "at": mark.at});
        let mut record = record(phase, PhaseStatus::Done, outputs, vec![effect]);
        record.evidence = vec![format!("{on} is live since {}", mark.at)];
        record
    }))
}
