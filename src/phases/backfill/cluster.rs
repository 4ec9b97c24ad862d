//! What a load into a cluster needs beside the documents: settings that are changed meanwhile and put back at every end,
//! and the watch that an index stays the one that was planned for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::{PerformContext, PhaseError};
use crate::base::Address;
use crate::clients::target::cluster::tune::{self, Restored, Tuned, Tuning};
use crate::clients::target::{ClusterTarget, Target, TargetError};
use crate::diff::observation::ObjectKind;
use crate::engines::bulk::BulkError;
use crate::engines::metadata::differences;
use crate::plan::model::{
    BackfillSpec, Phase, PhaseSpec, Plan, TuneRefresh, TuneReplicas, TuneTranslog,
};

pub(super) fn tuning(spec: &BackfillSpec, deletes: bool) -> Tuning {
    let tune = &spec.tune_target;
    Tuning {
        pause_refresh: tune.refresh == TuneRefresh::Pause,
        no_replicas: tune.replicas == TuneReplicas::None,
        async_translog: tune.translog == TuneTranslog::Async,
        forget_deletes: deletes,
    }
}

/// An error of the target, or of the journal that is told first.
enum Tune {
    Target(TargetError),
    Phase(PhaseError),
}

impl From<TargetError> for Tune {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// Changes settings of the indices while they are loaded; `deletes` says of which documents are deleted. Nothing to do where the target is no cluster.
pub(super) fn tune(
    cx: &PerformContext<'_>,
    spec: &BackfillSpec,
    target: &dyn Target,
    indices: &BTreeMap<String, Option<String>>,
    deletes: &dyn Fn(&str) -> bool,
) -> Result<(), PhaseError> {
    let Some(cluster) = target.cluster() else {
        return Ok(());
    };
    let on = &spec.to.value;
    for (name, uuid) in indices {
        let Some(uuid) = uuid else { continue };
        let there = target.name_there(name);
        let index = &there.map_err(|error| common::target_error(on, &error))?;
        let announce = |tuned: &Tuned| {
            let detail =
                json!({"target-uuid": tuned.uuid, "before": tuned.before, "during": tuned.during});
            (cx.announce)(common::effect_with(on, "tune-index", index, detail)).map_err(Tune::Phase)
        };
        let tuning = tuning(spec, deletes(name));
        tune::begin(cluster, index, uuid, tuning, announce).map_err(|error| match error {
            Tune::Target(error) => common::target_error(on, &error),
            Tune::Phase(error) => error,
        })?;
    }
    Ok(())
}

/// Puts the settings of the indices back, whatever became of the load.
pub(super) fn restore<'i>(
    on: &Address,
    target: &dyn Target,
    indices: impl Iterator<Item = &'i String>,
) -> Result<(), PhaseError> {
    let Some(cluster) = target.cluster() else {
        return Ok(());
    };
    let mut first = None;
    for index in indices {
        // A generation that was never made has nothing to be put back.
        let there = match target.name_there(index) {
            Err(TargetError::NoIndex { .. }) => continue,
            there => there,
        };
        let restored = there
            .and_then(|there| tune::find(cluster, &there))
            .and_then(|tuned| {
                tuned.map_or(Ok(()), |tuned| tune::restore(cluster, &tuned).map(drop))
            });
        if let Err(error) = restored {
            first.get_or_insert(error);
        }
    }
    match first {
        None => Ok(()),
        Some(error) => Err(PhaseError::Failed {
            message: format!("target `{on}`: settings of indices could not be put back: {error}"),
            help: Some(
                "`mig restore-settings` puts them back, and so does the next `mig apply`".into(),
            ),
        }),
    }
}

/// An index that no phase wrote into may hold documents that are not visible yet: looks again before the first write.
pub(super) fn refuse_foreign(
    cx: &PerformContext<'_>,
    target: &dyn Target,
    on: &Address,
    (index, there, uuid): (&str, &str, &str),
) -> Result<(), PhaseError> {
    let Some(cluster) = target.cluster() else {
        return Ok(());
    };
    let wrote = common::record(cx.state, &cx.phase.address).is_some_and(|record| {
        record.effects.iter().any(|effect| {
            effect.what == "write-documents"
                && effect.name == index
                && common::text(&effect.detail, "/target-uuid").is_none_or(|it| it == uuid)
        })
    });
    if wrote {
        return Ok(());
    }
    let failed = |error: &TargetError| common::target_error(on, error);
    tune::refresh(cluster, there).map_err(|error| failed(&error))?;
    let facts = target
        .index_facts(index, 0)
        .map_err(|error| failed(&error))?;
    match facts {
        Some(facts) if facts.docs > 0 => Err(PhaseError::Stale(format!(
            "index {index} on {on} holds documents that this phase did not write: plan again"
        ))),
        _ => Ok(()),
    }
}

/// Watches that the indices stay those that the load was planned for: the same ones, with mappings that only grow.
pub(super) struct Watch<'a> {
    target: &'a dyn Target,
    cluster: Option<&'a ClusterTarget>,
    uuids: &'a BTreeMap<String, Option<String>>,
    mappings: Mutex<BTreeMap<String, Value>>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(target: &'a dyn Target, uuids: &'a BTreeMap<String, Option<String>>) -> Self {
        Self {
            target,
            cluster: target.cluster(),
            uuids,
            mappings: Mutex::default(),
        }
    }

    pub(super) fn check(&self, index: &str) -> Result<(), BulkError> {
        let Some(cluster) = self.cluster else {
            return Ok(());
        };
        let moved = |what: String| BulkError::Moved {
            index: index.to_owned(),
            what,
        };
        let (uuid, mappings) = cluster
            .mapping(&self.target.name_there(index)?)?
            .ok_or_else(|| moved("it was removed".to_owned()))?;
        if let Some(Some(wanted)) = self.uuids.get(index)
            && *wanted != uuid
        {
            return Err(moved("it was made anew".to_owned()));
        }
        let now = json!({"mappings": mappings});
        let mut known = self.mappings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = known.get(index) else {
            known.insert(index.to_owned(), now);
            return Ok(());
        };
        let edits = differences(ObjectKind::Index, before, &now);
        if edits.is_empty() {
            return Ok(());
        }
        let paths: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
        Err(moved(format!(
            "its mapping is another at {}",
            common::few(&paths)
        )))
    }
}

/// An index of a target that is tuned.
pub struct TunedIndex {
    /// The target.
    pub on: Address,
    /// The index and its settings.
    pub tuned: Tuned,
}

fn targets(plan: &Plan) -> Vec<&Address> {
    let to = |phase: &Phase| matches!(phase.spec, PhaseSpec::Backfill(_));
    let mut found: Vec<&Address> = plan
        .phases
        .values()
        .filter(|phase| to(phase))
        .filter_map(|phase| match &phase.spec {
            PhaseSpec::Backfill(spec) => Some(&spec.to.value),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The indices that backfills of this plan tuned and that nobody put back yet.
pub fn tuned(plan: &Plan, connections: &Connections) -> Result<Vec<TunedIndex>, PhaseError> {
    let mut found = Vec::new();
    for on in targets(plan) {
        let target = connections.open_target(on)?;
        if let Some(cluster) = target.cluster() {
            let tuned = tune::list(cluster, Some(&plan.name))
                .map_err(|error| common::target_error(on, &error))?;
            found.extend(tuned.into_iter().map(|tuned| TunedIndex {
                on: on.clone(),
                tuned,
            }));
        }
    }
    Ok(found)
}

/// Puts back the settings of one of them.
pub fn restore_tuned(
    connections: &Connections,
    index: &TunedIndex,
) -> Result<Restored, PhaseError> {
    let target = connections.open_target(&index.on)?;
    match target.cluster() {
        Some(cluster) => tune::restore(cluster, &index.tuned)
            .map_err(|error| common::target_error(&index.on, &error)),
        None => Ok(Restored::default()),
    }
}
