//! Deletes the snapshots that were taken, and takes the repository off the cluster; and the record of what a lost state
//! took.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::{PhaseError, UndoContext, UndoPlan};
use super::decide::spec;
use super::series::{Mark, Series};
use super::{look, name_mark, repository};
use crate::base::{Address, failpoint};
use crate::clients::cluster::Request;
use crate::plan::model::{Phase, Plan};
use crate::state::model::{PhaseRecord, SideEffect};

/// The longest that deleting may take: a cluster looks through the whole repository for it.
const DELETED_WITHIN: Duration = Duration::from_mins(30);
/// The longest that a server may take to forget a restore of which nothing is left.
const IN_USE_MAX: Duration = Duration::from_secs(10);
/// Between two tries to take off a repository that is in use.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
    let began = Instant::now();
    loop {
        match client.send(Request::delete(path.clone())) {
            // A restore that was ended is forgotten by the server a moment later.
            Err(error)
                if error.reason().contains("currently used") && began.elapsed() < IN_USE_MAX =>
            {
                std::thread::sleep(LOOK_EVERY);
            }
            Err(error) if error.status() != Some(404) => return Err(look::failed(on, &error)),
            _ => return Ok(()),
        }
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
        let one = Taken {
            plan: cx.plan,
            address: cx.address,
            lineage: cx.lineage,
            connections: cx.connections,
            effect,
        };
        one.delete()?;
    }
    for (on, name) in registered(cx.record) {
        take_off(cx.connections, on, name)?;
    }
    Ok(())
}

/// The snapshots that a phase ever announced, the first one first.
pub fn taken(record: &PhaseRecord) -> Vec<String> {
    let all = of_kind(record, "create-snapshot");
    all.map(|effect| effect.name.clone()).collect()
}

fn each<'a>(
    (plan, address, record): (&'a Plan, &'a Address, &'a PhaseRecord),
    lineage: &'a str,
    connections: &'a Connections,
) -> impl Iterator<Item = Taken<'a>> {
    of_kind(record, "create-snapshot")
        .rev()
        .map(move |effect| Taken {
            plan,
            address,
            lineage,
            connections,
            effect,
        })
}

/// An error where a snapshot of such a name is there that is not the one that the phase took.
pub fn refuse_others(
    plan: &Plan,
    address: &Address,
    record: &PhaseRecord,
    lineage: &str,
    connections: &Connections,
) -> Result<(), PhaseError> {
    let mut all = each((plan, address, record), lineage, connections);
    all.try_for_each(|one| one.is_there().map(drop))
}

/// Deletes the snapshots that a phase took, the last one first; gives back the names of those that were there.
pub fn delete(
    plan: &Plan,
    address: &Address,
    record: &PhaseRecord,
    lineage: &str,
    connections: &Connections,
) -> Result<Vec<String>, PhaseError> {
    let mut deleted = Vec::new();
    for one in each((plan, address, record), lineage, connections) {
        if one.delete()? {
            deleted.push(one.effect.name.clone());
        }
        failpoint::hit("snapshot.delete.one");
    }
    Ok(deleted)
}

/// A snapshot that a phase announced.
struct Taken<'a> {
    plan: &'a Plan,
    address: &'a Address,
    lineage: &'a str,
    connections: &'a Connections,
    effect: &'a SideEffect,
}

impl Taken<'_> {
    fn repository(&self) -> &str {
        common::text(&self.effect.detail, "/repository").unwrap_or_default()
    }

    /// Whether it is there; an error where another one has its name.
    fn is_there(&self) -> Result<bool, PhaseError> {
        let (on, name, repository) = (&self.effect.on, &self.effect.name, self.repository());
        let client = self.connections.open_cluster(on)?;
        let found = repository::snapshot(&client, repository, name);
        let Some(there) = found.map_err(|error| look::failed(on, &error))? else {
            return Ok(false);
        };
        let before = self.plan.renamed.get(self.address);
        let phases: Vec<&str> = std::iter::once(self.address)
            .chain(before)
            .map(Address::as_str)
            .collect();
        let ours = Mark::of(there.get("metadata"))
            .or_else(|| name_mark::read(name, &self.plan.name, &phases))
            .is_some_and(|mark| mark.plan == self.plan.name && mark.lineage == self.lineage);
        if ours {
            return Ok(true);
        }
        Err(PhaseError::Failed {
            message: format!(
                "snapshot `{name}` in repository `{repository}` of {on} is not the one that this phase took: it stays"
            ),
            help: Some(
                "delete it by hand if it is not needed, then run the same command again".into(),
            ),
        })
    }

    /// Deletes it where it is there; says whether it was.
    fn delete(&self) -> Result<bool, PhaseError> {
        if !self.is_there()? {
            return Ok(false);
        }
        let on = &self.effect.on;
        let path = format!(
            "/_snapshot/{}/{}",
            Request::part(self.repository()),
            Request::part(&self.effect.name)
        );
        let client = self.connections.open_cluster(on)?;
        match client.send(Request::delete(path).within(DELETED_WITHIN)) {
            Err(error) if error.status() != Some(404) => Err(look::failed(on, &error)),
            _ => Ok(true),
        }
    }
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
