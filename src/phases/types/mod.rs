//! Mapping types of old indices over phases: the metadata phase says how they are taken, and backfill and verify of the same
//! indices find it there.
//!
//! Relies on `mapping_types` for the choice. Deliberately absent: asking, which each phase does with its own words.

pub(super) mod scan;

use std::collections::{BTreeMap, BTreeSet};

use super::existing::SnapshotView;
use super::kind::PhaseError;
use crate::base::{Address, Fingerprint};
use crate::diff::observation::SnapshotIndexFacts;
use crate::engines::bulk::Beside;
use crate::engines::bulk::snapshot_source::SnapshotSource;
use crate::engines::bulk::typed_source::TypedSource;
use crate::engines::mapping_types::{Chosen, Problem, ProblemKind, Route, choose, rule_for};
use crate::plan::codes::Code;
use crate::plan::codes::documents::{FIELDS_CONFLICT, IDS_COLLIDE, NAME_TAKEN, TYPES_UNFIT};
use crate::plan::codes::planning::SEVERAL_TYPES;
use crate::plan::model::{PhaseSpec, Plan, TakeTypes, TypeIds, TypesRule, WithoutSource};

/// Where documents come from and where they go.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    /// The plan.
    pub(super) plan: &'a Plan,
    /// The snapshot phase.
    pub(super) from: &'a Address,
    /// The target.
    pub(super) to: &'a Address,
}

impl<'a> Way<'a> {
    /// Whether a snapshot is the one of this way, or one of a load that it builds upon, or that builds upon it.
    fn reads(self, snapshot: &Address) -> bool {
        snapshot == self.from
            || self
                .plan
                .one_chain_of_snapshots(self.to, snapshot, self.from)
    }

    /// The rule of a metadata phase of this way for an index, with the key that it stands under.
    pub(super) fn rule(self, index: &str) -> Option<(&'a str, &'a TypesRule)> {
        let mut phases = self.plan.phases.values();
        phases.find_map(|phase| match &phase.spec {
            PhaseSpec::Metadata(metadata)
                if metadata.to.value == *self.to
                    && self.reads(&metadata.from.value)
                    && metadata.include.indices.matches(index) =>
            {
                rule_for(&metadata.types, index)
            }
            _ => None,
        })
    }

    /// All rules of this way; `None` where there are none.
    pub(super) fn rules(self) -> Option<Vec<&'a BTreeMap<String, TypesRule>>> {
        let rules: Vec<_> = self
            .plan
            .phases
            .values()
            .filter_map(|phase| match &phase.spec {
                PhaseSpec::Metadata(metadata)
                    if metadata.to.value == *self.to && self.reads(&metadata.from.value) =>
                {
                    Some(&metadata.types).filter(|types| !types.is_empty())
                }
                _ => None,
            })
            .collect();
        (!rules.is_empty()).then_some(rules)
    }

    /// What is chosen for an index of the source; nothing where its types are no more than a name.
    pub(super) fn choose(self, index: &str, facts: &SnapshotIndexFacts) -> Chosen {
        match &facts.types {
            Some(types) => choose(self.rule(index), index, types, None),
            None => Chosen::default(),
        }
    }

    /// The route of an index as the target names it.
    pub(super) fn route(self, index: &str, facts: &SnapshotIndexFacts) -> Option<Route> {
        facts.types.as_ref()?;
        let of = facts.of.as_deref().unwrap_or(index);
        let routes = self.choose(of, facts).routes;
        routes.into_iter().find(|route| route.to == index)
    }

    /// The indices of a source as the target names them, each with its part of the documents. One that nothing is chosen
    /// for stays as it is.
    pub(super) fn targets(
        self,
        indices: &BTreeMap<String, SnapshotIndexFacts>,
    ) -> BTreeMap<String, SnapshotIndexFacts> {
        let mut targets = BTreeMap::new();
        let mut plain = Vec::new();
        for (name, facts) in indices {
            let routes = self.choose(name, facts).routes;
            if routes.is_empty() {
                plain.push((name, facts));
                continue;
            }
            for route in routes {
                let mut part = facts.clone();
                if let Some(types) = facts.types.as_ref().filter(|it| it.types.len() > 1) {
                    let docs = types
                        .types
                        .iter()
                        .filter(|it| route.types.contains(&it.name));
                    part.docs = docs.map(|it| it.docs).sum();
                }
                part.of = (route.to != *name).then(|| name.clone());
                targets.insert(route.to, part);
            }
        }
        // An index of the source keeps its name, whoever else would like it: the metadata phase asks.
        for (name, facts) in plain {
            targets.insert(name.clone(), facts.clone());
        }
        targets
    }

    /// What routes say of an index, so that a change of it is seen; `None` where documents come as they are.
    pub(super) fn mark(self, index: &str, facts: &SnapshotIndexFacts) -> Option<Fingerprint> {
        let route = self.route(index, facts)?;
        (!route.keeps_documents()).then(|| Fingerprint::of(&route))
    }

    /// The documents of some indices of the target out of a snapshot. `choice` says by index of the source what becomes of
    /// those without a source.
    pub(super) fn source(
        self,
        view: &SnapshotView,
        indices: &[(&str, &SnapshotIndexFacts)],
        choice: &dyn Fn(&str) -> WithoutSource,
    ) -> Result<TypedSource<SnapshotSource>, PhaseError> {
        let mut names = BTreeSet::new();
        let mut routes = Vec::new();
        let mut beside: BTreeMap<String, Beside> = BTreeMap::new();
        for (name, facts) in indices {
            names.insert(of(name, facts).to_owned());
            let Some(route) = self.route(name, facts) else {
                continue;
            };
            let told = beside.entry(route.of.clone()).or_default();
            told.times |= route.keeps_times();
            if let Some(join) = &route.join {
                told.parents.extend(join.parents.clone());
            }
            routes.push(route);
        }
        let names: Vec<String> = names.into_iter().collect();
        let source = view.source(&names, choice, &beside)?;
        Ok(TypedSource::new(source, routes))
    }
}

/// Whether a metadata phase makes other documents of those of an index: what a live source holds then can't be compared as it
/// is.
pub(super) fn changes_documents(plan: &Plan, to: &Address, index: &str) -> bool {
    let mut phases = plan.phases.values();
    phases.any(|phase| match &phase.spec {
        PhaseSpec::Metadata(metadata)
            if metadata.to.value == *to && metadata.include.indices.matches(index) =>
        {
            rule_for(&metadata.types, index).is_some_and(|(_, rule)| {
                rule.take == TakeTypes::Split
                    || rule.ids == TypeIds::TypePrefix
                    || rule.type_field.is_some()
                    || rule.join_field.is_some()
                    || rule.timestamp_field.is_some()
                    || rule.expiry_field.is_some()
                    || !rule.drop.is_empty()
            })
        }
        _ => false,
    })
}

/// The name of an index of the target at the source.
pub(super) fn of<'a>(index: &'a str, facts: &'a SnapshotIndexFacts) -> &'a str {
    facts.of.as_deref().unwrap_or(index)
}

/// The code of a question.
pub(super) fn code(problem: &Problem) -> Code {
    match problem.kind {
        ProblemKind::Undecided => SEVERAL_TYPES,
        ProblemKind::Ids => IDS_COLLIDE,
        ProblemKind::Fields => FIELDS_CONFLICT,
        ProblemKind::Name => NAME_TAKEN,
        ProblemKind::Unfit => TYPES_UNFIT,
    }
}
