//! Deletes the snapshots that were taken, and takes the repository off the cluster; and the record of what a lost state
//! took.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::{PhaseError, UndoContext, UndoPlan};
use super::decide::spec;
use super::series::{Mark, Series};
use super::{look, name_mark, repository};
use crate::base::Address;
use crate::clients::cluster::Request;
use crate::plan::model::{Phase, Plan};
use crate::state::model::{PhaseRecord, SideEffect};

/// The longest that deleting may take: a cluster looks through the whole repository for it.
const DELETED_WITHIN: Duration = Duration::from_mins(30);

fn of_kind<'a>(
    record: &'a PhaseRecord,
    what: &'static str,
) -> impl DoubleEndedIterator<Item = &'a SideEffect> {
    record
        .effects
        .iter()
        .filter(move |effect| effect.what == what)
}

/// A registration that was there before mig is not mig's to take away.
pub(in super::super) fn registered(record: &PhaseRecord) -> impl Iterator<Item = (&Address, &str)> {
    of_kind(record, "register-repository")
        .filter(|effect| effect.detail.get("existed") != Some(&Value::Bool(true)))
        .map(|effect| (&effect.on, effect.name.as_str()))
}

/// Whether a cluster has a repository of this name.
pub(in super::super) fn is_registered(
    connections: &Connections,
    on: &Address,
    name: &str,
) -> Result<bool, PhaseError> {
    let client = connections.open_cluster(on)?;
    let path = format!("/_snapshot/{}", Request::part(name));
    let found = client.found(Request::get(path));
    Ok(found.map_err(|error| look::failed(on, &error))?.is_some())
}

/// Takes a repository off a cluster; its files stay.
pub(in super::super) fn take_off(
    connections: &Connections,
    on: &Address,
    name: &str,
) -> Result<(), PhaseError> {
    let client = connections.open_cluster(on)?;
    let path = format!("/_snapshot/{}", Request::part(name));
    match client.send(Request::delete(path)) {
        Err(error) if error.status() != Some(404) => Err(look::failed(on, &error)),
        _ => Ok(()),
    }
}

pub(super) fn undo_plan(record: &PhaseRecord) -> UndoPlan {
    let mut plan = UndoPlan::default();
    for effect in of_kind(record, "create-snapshot").rev() {
        let store = common::text(&effect.detail, "/store").unwrap_or("its store");
        plan.removes.push(format!(
            "deletes snapshot `{}` of {} from {store}",
            effect.name, effect.on
        ));
    }
    for (on, name) in registered(record) {
        plan.removes.push(format!(
            "takes the repository `{name}` off {on} (files of others in it stay)"
        ));
    }
    plan
}

pub(super) fn undo(cx: &UndoContext<'_>) -> Result<(), PhaseError> {
    for effect in of_kind(cx.record, "create-snapshot").rev() {
        let on = &effect.on;
        let client = cx.connections.open_cluster(on)?;
        let failed = |error| look::failed(on, &error);
        let repository = common::text(&effect.detail, "/repository").unwrap_or_default();
        let Some(there) =
            repository::snapshot(&client, repository, &effect.name).map_err(failed)?
        else {
            continue;
        };
        let before = cx.plan.renamed.get(cx.address);
        let phases: Vec<&str> = std::iter::once(cx.address)
            .chain(before)
            .map(crate::base::Address::as_str)
            .collect();
        let ours = Mark::of(there.get("metadata"))
            .or_else(|| name_mark::read(&effect.name, &cx.plan.name, &phases))
            .is_some_and(|mark| mark.plan == cx.plan.name && mark.lineage == cx.lineage);
        if !ours {
            return Err(PhaseError::Failed {
                message: format!(
                    "snapshot `{}` in repository `{repository}` of {on} is not the one that this phase took: it stays",
                    effect.name
                ),
                help: Some("delete it by hand if it is not needed, then roll back again".into()),
            });
        }
        let path = format!(
            "/_snapshot/{}/{}",
            Request::part(repository),
            Request::part(&effect.name)
        );
        match client.send(Request::delete(path).within(DELETED_WITHIN)) {
            Err(error) if error.status() != Some(404) => return Err(failed(error)),
            _ => {}
        }
    }
    for (on, name) in registered(cx.record) {
        take_off(cx.connections, on, name)?;
    }
    Ok(())
}

/// What a lost state took: its outputs and effects; `None` where it took nothing that can be used.
pub(in super::super) fn adopted(
    plan: &Plan,
    phase: &Phase,
    connections: &Connections,
) -> Result<Option<(Value, Vec<SideEffect>)>, PhaseError> {
    let Some(spec) = spec(phase) else {
        return Ok(None);
    };
    let Some(found) = connections.repository(spec.to)? else {
        return Ok(None);
    };
    let owner = connections.owner(&phase.address)?;
    let series = Series::look(&found, &owner)
        .map_err(|error| super::super::existing::failed(spec.to, &error))?;
    let Some(view) = connections.usable_snapshot(&phase.address)? else {
        return Ok(None);
    };
    let Some(facts) = &view.facts else {
        return Ok(None);
    };
    let repository = repository::name(&plan.name, spec.to);
    let place = repository::place(plan, spec.to).map(|place| place.detail());
    let detail = json!({"existed": false, "location": place});
    let mut effects = vec![common::effect_with(
        spec.of,
        "register-repository",
        &repository,
        detail,
    )];
    for taken in &series.ours {
        let indices = taken.snapshot.indices();
        let indices: Vec<&str> = indices.iter().map(|index| index.name.as_str()).collect();
        effects.push(common::effect_with(
            spec.of,
            "create-snapshot",
            taken.snapshot.name(),
            json!({"repository": repository, "store": spec.to, "indices": indices}),
        ));
    }
    let cluster = series.newest().map(|it| it.mark.cluster.clone());
    let further: Vec<Value> = facts
        .further
        .iter()
        .map(|it| json!({"name": it.name, "uuid": it.uuid}))
        .collect();
    let outputs = json!({
        "store": facts.store,
        "name": facts.name,
        "uuid": facts.uuid,
        "further": further,
        "repository-generation": facts.repository_generation,
        "indices": facts.indices.keys().collect::<Vec<_>>(),
        "source": {"uuid": cluster, "version": facts.made_by},
    });
    Ok(Some((outputs, effects)))
}
