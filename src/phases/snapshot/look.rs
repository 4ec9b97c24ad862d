//! What is observed for a snapshot phase: what the store holds, and the cluster where it can be reached. Reads only.

use serde_json::Value;

use super::super::connections::{Connections, Reach};
use super::super::kind::PhaseError;
use super::super::live;
use super::super::streams::takes;
use super::name_mark::{keeps_metadata, pattern};
use super::repository;
use super::series::{Mark, Owner, Series, Taken, selector_mark};
use crate::base::Address;
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::diff::observation::{Listed, LiveSource, SnapshotObservation};
use crate::plan::model::{Phase, PhaseSpec, Plan, SnapshotSpec};
use crate::plan::selector::Selector;
use crate::state::model::State;

/// Times that the store is looked at again while a snapshot ends under the look.
const LOOKS_MAX: u32 = 3;

pub(super) fn look(
    plan: &Plan,
    phase: &Phase,
    state: &State,
    connections: &Connections,
) -> Result<SnapshotObservation, PhaseError> {
    match &phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Existing { of, .. }) => {
            let view = connections.open_snapshot(&phase.address)?;
            let mut observed = SnapshotObservation {
                found: view.facts.clone(),
                problem: view.problem.clone(),
                live: None,
            };
            if let Some(of) = of {
                let taken_of = view.cluster_uuid()?;
                existing_of(&of.value, connections, taken_of, &mut observed)?;
            }
            Ok(observed)
        }
        PhaseSpec::Snapshot(SnapshotSpec::Take {
            of, to, indices, ..
        }) => {
            let looker = Looker {
                plan,
                phase,
                state,
                connections,
                of: &of.value,
                to: &to.value,
                indices,
            };
            looker.look(LOOKS_MAX)
        }
        _ => Err(PhaseError::Failed {
            message: format!("`{}` is no snapshot phase", phase.address),
            help: None,
        }),
    }
}

/// The cluster that an existing snapshot was taken of is who the plan says, and what moved there since is told.
fn existing_of(
    of: &Address,
    connections: &Connections,
    taken_of: Option<String>,
    observed: &mut SnapshotObservation,
) -> Result<(), PhaseError> {
    let mut source = LiveSource::default();
    match connections.reach(of)? {
        Reach::Down(why) => source.unreachable = Some(why),
        Reach::Up(client) => {
            let about = client.about().map_err(|error| failed(of, &error))?;
            if let Some(taken_of) = taken_of
                && taken_of != about.uuid
            {
                observed.problem = Some(format!(
                    "the snapshot was taken of the cluster {taken_of}, and {of} is the cluster {} ({})",
                    about.uuid, about.name
                ));
                observed.found = None;
            }
            source.cluster = about.uuid;
            source.version = Some(about.version);
            source.indices = live::indices(&client).map_err(|error| failed(of, &error))?;
        }
    }
    observed.live = Some(Box::new(source));
    Ok(())
}

struct Looker<'a> {
    plan: &'a Plan,
    phase: &'a Phase,
    state: &'a State,
    connections: &'a Connections,
    of: &'a Address,
    to: &'a Address,
    indices: &'a Selector,
}

impl Looker<'_> {
    fn look(&self, looks_left: u32) -> Result<SnapshotObservation, PhaseError> {
        let owner = self.connections.owner(&self.phase.address)?;
        let repository = self.connections.repository(self.to)?;
        let series = match &repository {
            Some(repository) => Series::look(repository, &owner)
                .map_err(|error| super::super::existing::failed(self.to, &error))?,
            None => Series::default(),
        };
        let view = self.connections.open_snapshot(&self.phase.address)?;
        let next = series.next(&owner);
        let mut source = LiveSource {
            repository: repository::name(&self.plan.name, self.to),
            generation: repository.as_ref().map(|it| it.generation()),
            list: list(&series),
            next,
            next_name: owner.name(next),
            ..LiveSource::default()
        };
        let mut observed = SnapshotObservation {
            found: view.facts.clone(),
            problem: view.problem.clone().filter(|_| !source.list.is_empty()),
            live: None,
        };
        if let Some((name, whose)) = &series.foreign
            && series.ours.is_empty()
        {
            observed.problem = Some(format!(
                "there is a snapshot `{name}` in {} already, and it is {whose}",
                self.to
            ));
        }
        match self.connections.reach(self.of)? {
            Reach::Down(why) => {
                let known = self.state.phases.contains_key(&self.phase.address);
                if observed.found.is_none() && observed.problem.is_none() && !known {
                    return Err(PhaseError::Failed {
                        message: why,
                        help: Some(
                            "a snapshot can only be taken of a cluster that can be reached: check that it runs and \
                             that `endpoint` is right"
                                .into(),
                        ),
                    });
                }
                source.unreachable = Some(why);
            }
            Reach::Up(client) => {
                let error = |error| failed(self.of, &error);
                self.live(&client, &observed, &mut source).map_err(error)?;
                match self.running(&client, &owner, &source).map_err(error)? {
                    Running::No => {}
                    Running::Ours(listed) => source.running = Some(listed),
                    Running::Problem(problem) => observed.problem = Some(problem),
                    Running::Ended(name) if looks_left == 0 => {
                        observed.problem = Some(repository::not_here(self.plan, self.to, &name));
                    }
                    Running::Ended(_) => return self.look(looks_left - 1),
                }
            }
        }
        observed.live = Some(Box::new(source));
        Ok(observed)
    }

    /// Who the cluster is and what it holds.
    fn live(
        &self,
        client: &ClusterClient,
        observed: &SnapshotObservation,
        source: &mut LiveSource,
    ) -> Result<(), ClusterError> {
        let about = client.about()?;
        source.cluster = about.uuid;
        source.version = Some(about.version);
        let health = client.json(Request::get("/_cluster/health"))?;
        source.data_nodes = health
            .get("number_of_data_nodes")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        source.indices = live::settled_indices(client, |name| takes(self.indices, name))?;
        for (name, facts) in &mut source.indices {
            facts.chosen = takes(self.indices, name);
        }
        let wanted = selector_mark(self.indices);
        let widened = source.list.last().is_none_or(|it| it.selector != wanted);
        if widened {
            let held = |name: &String| {
                let found = observed.found.as_ref();
                found.is_some_and(|found| found.indices.contains_key(name))
            };
            let mut to_count = source.indices.clone();
            to_count.retain(|name, facts| facts.chosen && !held(name));
            live::count(client, &mut to_count)?;
            source.indices.extend(to_count);
        }
        let all = client.json(Request::get("/_snapshot"))?;
        let all = all.as_object().cloned().unwrap_or_default();
        source.registered = all.get(&source.repository).cloned();
        if let Some(place) = repository::place(self.plan, self.to) {
            source.same_place = all
                .iter()
                .find(|(name, body)| **name != source.repository && place.is(body))
                .map(|(name, _)| name.clone());
        }
        Ok(())
    }

    /// Whether the cluster is taking the next snapshot already.
    fn running(
        &self,
        client: &ClusterClient,
        owner: &Owner,
        source: &LiveSource,
    ) -> Result<Running, ClusterError> {
        let (Some(name), true) = (&source.next_name, source.registered.is_some()) else {
            return Ok(Running::No);
        };
        // The mark in a name is known once it was taken.
        let asked = match source.version {
            Some(version) if !keeps_metadata(version) => pattern(name),
            _ => name.clone(),
        };
        let Some(found) = repository::snapshot(client, &source.repository, &asked)? else {
            return Ok(Running::No);
        };
        let state = found.get("state").and_then(Value::as_str).unwrap_or("");
        let name = found
            .get("snapshot")
            .and_then(Value::as_str)
            .unwrap_or(name);
        let mark = owner.mark(name, found.get("metadata"));
        let Some(mark) = mark.filter(|mark| owner.owns(mark)) else {
            return Ok(Running::Problem(format!(
                "there is a snapshot `{name}` of somebody else in repository `{}` of {} ({state})",
                source.repository, self.of
            )));
        };
        if state != "IN_PROGRESS" {
            return Ok(Running::Ended(name.to_owned()));
        }
        let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
        let indices = found.get("indices").and_then(Value::as_array);
        Ok(Running::Ours(listed(
            name,
            text("uuid"),
            &mark,
            indices
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )))
    }
}

enum Running {
    /// There is none.
    No,
    /// It is this phase's.
    Ours(Listed),
    /// It ended, and the store that was read a moment ago did not show it.
    Ended(String),
    /// It is not this phase's.
    Problem(String),
}

fn list(series: &Series) -> Vec<Listed> {
    let current = series.current();
    let is_current = |taken: &&Taken| current.iter().any(|it| it.uuid() == taken.snapshot.uuid());
    series
        .ours
        .iter()
        .filter(is_current)
        .map(|taken| {
            let indices = taken.snapshot.indices();
            listed(
                taken.snapshot.name(),
                taken.snapshot.uuid(),
                &taken.mark,
                indices.iter().map(|index| index.name.clone()).collect(),
            )
        })
        .collect()
}

fn listed(name: &str, uuid: &str, mark: &Mark, mut indices: Vec<String>) -> Listed {
    indices.sort_unstable();
    Listed {
        name: name.to_owned(),
        uuid: uuid.to_owned(),
        first: mark.first,
        cluster: mark.cluster.clone(),
        selector: mark.indices.clone(),
        global: mark.global,
        indices,
    }
}

pub(super) fn failed(of: &Address, error: &ClusterError) -> PhaseError {
    PhaseError::Failed {
        message: format!("cluster `{of}`: {error}"),
        help: Some(error.help()),
    }
}
