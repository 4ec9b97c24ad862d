//! The transforms between what is verified and its target: those of the backfill whose documents are proved.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::kind::{PerformContext, PhaseError};
use super::super::transforms::{self, Names};
use super::super::{backfill, common, types};
use super::decide::{backfill_of, choice};
use crate::base::units::plural;
use crate::base::{Address, Fingerprint};
use crate::clients::target::Target;
use crate::diff::observation::{SnapshotIndexFacts, VerifyObservation};
use crate::engines::transform::Transforms;
use crate::engines::verify::{LeftOut, Through};
use crate::plan::model::{BackfillSpec, Plan, VerifySpec};
use crate::state::model::{SINCE, State};

/// Indices that one backfill writes, as the target names them.
type Chosen<'a> = Vec<(&'a str, &'a SnapshotIndexFacts)>;

/// Transforms by the backfill that they are of, ready for the indices that it writes.
pub(super) struct Between<'a> {
    of: Vec<(&'a Address, Vec<&'a str>, Transforms)>,
    state: &'a State,
}

/// Identity of the transforms of all indices; `None` where none has any.
pub(super) fn identity(
    plan: &Plan,
    spec: &VerifySpec,
    observed: &VerifyObservation,
    chosen: &[(&str, &SnapshotIndexFacts)],
) -> Option<Fingerprint> {
    let choice = choice(plan, spec, observed.target_version);
    let each: BTreeMap<&str, Fingerprint> = chosen
        .iter()
        .filter_map(|(name, facts)| {
            let (_, backfill) = backfill_of(plan, spec, observed, types::of(name, facts))?;
            let names = Names::of(choice, name, facts);
            Some((*name, transforms::identity(backfill, &names)?))
        })
        .collect();
    (!each.is_empty()).then(|| Fingerprint::of(&each))
}

/// Makes them ready.
pub(super) fn between<'a>(
    cx: &'a PerformContext<'_>,
    spec: &'a VerifySpec,
    observed: &'a VerifyObservation,
    target: &dyn Target,
    chosen: &[(&'a str, &'a SnapshotIndexFacts)],
) -> Result<Between<'a>, PhaseError> {
    let mut by: BTreeMap<&Address, (&BackfillSpec, Chosen<'a>)> = BTreeMap::new();
    let choice = choice(cx.plan, spec, observed.target_version);
    for (name, facts) in chosen {
        if let Some((phase, backfill)) =
            backfill_of(cx.plan, spec, observed, types::of(name, facts))
            && transforms::identity(backfill, &Names::of(choice, name, facts)).is_some()
        {
            by.entry(phase)
                .or_insert((backfill, Vec::new()))
                .1
                .push((name, facts));
        }
    }
    let mut of = Vec::new();
    for (phase, (backfill, indices)) in by {
        // The mappings that the load went by, also where the source of the proof is a live cluster.
        let view = cx.connections.source(&backfill.from.value)?;
        let way = backfill::way(cx.plan, backfill);
        let bodies = transforms::bodies(&view, way, indices.iter().copied());
        let versions = transforms::versions(view.made_by(), target.version());
        let ready =
            transforms::ready(backfill, choice, indices.iter().copied(), &bodies, versions)?;
        let names = indices.into_iter().map(|(name, _)| name).collect();
        of.push((phase, names, ready));
    }
    Ok(Between {
        of,
        state: cx.state,
    })
}

impl Between<'_> {
    /// Whether nothing stands between.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// For the engine, by index.
    pub(super) fn through(&self) -> BTreeMap<String, Through<'_>> {
        let mut through = BTreeMap::new();
        for (phase, indices, transforms) in &self.of {
            for index in indices {
                let recorded = recorded(self.state, phase, index);
                // A load of changes knows of these alone what it left out.
                let recorded = recorded.filter(|it| it.get(SINCE).is_none_or(Value::is_null));
                let left_out = match recorded.and_then(|it| it.get("dropped")?.as_u64()) {
                    Some(count) => LeftOut::Known(count),
                    None if transforms.may_drop(index) => LeftOut::Unknown,
                    None => LeftOut::Known(0),
                };
                let each = Through {
                    transform: transforms,
                    left_out,
                };
                through.insert((*index).to_owned(), each);
            }
        }
        through
    }

    /// What the documents went through, a statement an index.
    pub(super) fn statements(&self) -> Vec<String> {
        let mut statements = Vec::new();
        for (phase, indices, transforms) in &self.of {
            for index in indices {
                let mut text = format!(
                    "{index}: compared through {}, as `{phase}` wrote it",
                    transforms.names_for(index).join(", ")
                );
                let by = recorded(self.state, phase, index)
                    .and_then(|it| it.get("dropped-by")?.as_object())
                    .into_iter()
                    .flatten();
                for (name, count) in by {
                    let count = count.as_u64().unwrap_or_default();
                    text.push_str(&format!(
                        "; {} left out by transform {name}",
                        plural(count, "document")
                    ));
                }
                statements.push(text);
            }
        }
        statements
    }
}

/// What a backfill recorded of an index.
fn recorded<'s>(state: &'s State, phase: &Address, index: &str) -> Option<&'s Value> {
    common::record(state, phase)?
        .outputs
        .get("indices")?
        .get(index)
}
