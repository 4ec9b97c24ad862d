//! Which way each index of a backfill takes: restored by the target, or written document by document. Pure.

use std::collections::BTreeMap;

use super::super::super::kind::{DecideContext, PerformContext};
use super::super::super::transforms::{self, Names};
use super::super::super::types;
use super::super::choice;
use super::super::fate::{Fate, written_to};
use crate::base::Address;
use crate::base::units::some_of;
use crate::base::version::{Product, ProductVersion};
use crate::diff::change::{Action, PhaseChange};
use crate::diff::observation::{BackfillObservation, RestoreGround, SnapshotIndexFacts};
use crate::engines::restore::{Refusal, may_differ, opens, reads};
use crate::plan::codes::Code;
use crate::plan::codes::restores::{RESTORE_UNFIT, RESTORE_UNREACHED, RESTORE_UNREADABLE};
use crate::plan::model::{
    BackfillSpec, Phase, PhaseKindName, PhaseSpec, Plan, SnapshotSpec, Strategy, Versions,
};
use crate::state::model::State;

/// Rules that only say in the form of a request what an index has anyway: what servers set, and how it is routed.
const RULES_OF_FORM: &[&str] = &["MIG101", "MIG102"];
/// Paths of a difference that are named one by one.
const NAMED_MAX: usize = 3;

/// Why an index can't be restored, or is better not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Reason {
    /// Of the question that it is where the plan asks for a restore.
    pub(in super::super) code: Code,
    /// As a sentence without its end.
    pub(in super::super) what: String,
    /// What mends it, beside another strategy, as a line of a plan.
    pub(in super::super) mend: Option<String>,
}

/// Which way an index takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// Its documents are read and written; the reason where a restore was asked for.
    Write(Option<String>),
    /// The target restores it. It was made by this version.
    Restore(Option<ProductVersion>),
    /// The plan asks for a restore that can't be.
    Ask(Vec<Reason>),
}

/// By index of the target.
pub(in super::super) type Ways<'a> = BTreeMap<&'a str, Way>;

/// What all indices of a phase are chosen by.
#[derive(Clone, Copy)]
struct Scene<'a> {
    plan: &'a Plan,
    phase: &'a Phase,
    spec: &'a BackfillSpec,
    observed: &'a BackfillObservation,
    state: &'a State,
}

/// The ways of the indices that are worked on. `earlier`: what phases before would do, for indices that are not made yet.
pub(in super::super) fn ways<'a, 'f>(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    fates: impl Iterator<Item = (&'a str, &'f SnapshotIndexFacts, &'f Fate)>,
) -> Ways<'a> {
    let scene = Scene {
        plan: cx.plan,
        phase: cx.phase,
        spec,
        observed,
        state: cx.state,
    };
    let mut ways = Ways::new();
    for (name, facts, fate) in fates {
        let action = match fate {
            Fate::Write | Fate::Resume => Action::Run,
            Fate::Again(_) => Action::Replace,
            _ => continue,
        };
        ways.insert(name, scene.way(name, facts, action, Some(cx.earlier)));
    }
    ways
}

/// The same for an index whose turn it is: it is on the target by now.
pub(in super::super) fn at_perform(
    cx: &PerformContext<'_>,
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    (name, action): (&str, Action),
) -> Way {
    let scene = Scene {
        plan: cx.plan,
        phase: cx.phase,
        spec,
        observed,
        state: cx.state,
    };
    match observed.source.get(name) {
        Some(facts) => scene.way(name, facts, action, None),
        None => Way::Write(None),
    }
}

impl<'s> Scene<'s> {
    fn way(
        self,
        name: &str,
        facts: &SnapshotIndexFacts,
        action: Action,
        earlier: Option<&[PhaseChange]>,
    ) -> Way {
        let ground = self.observed.restore.as_deref();
        let created = ground
            .and_then(|ground| ground.indices.get(name))
            .and_then(|it| it.created);
        // What was begun one way is finished that way.
        if action == Action::Run {
            if self.observed.restored.contains_key(name) {
                return Way::Restore(created);
            }
            if self.is_begun(name) && !self.spec.strategy.is_reindex() {
                return Way::Write(Some("it was begun so".into()));
            }
        }
        let Some(ground) = ground.filter(|_| !self.spec.strategy.is_reindex()) else {
            return Way::Write(None);
        };
        if facts.docs == Some(0) {
            return Way::Write(None);
        }
        let mut reasons = self.against(ground, name, facts, earlier);
        if self.spec.strategy == Strategy::Auto {
            reasons.extend(created.and_then(|created| self.later_hop(created)));
        }
        match (reasons.is_empty(), self.spec.strategy) {
            (true, _) => Way::Restore(created),
            (false, Strategy::Restore) => Way::Ask(reasons),
            (false, _) => {
                let texts: Vec<&str> = reasons.iter().map(|it| it.what.as_str()).collect();
                Way::Write(Some(texts.join(", and ")))
            }
        }
    }

    /// Whether items of the work store stand for an index that is still the same.
    fn is_begun(self, name: &str) -> bool {
        let items = self.observed.work.as_ref();
        let has_items = items.is_some_and(|work| work.complete.contains_key(name));
        let written = written_to(self.state, &self.phase.address, &self.spec.to.value, name);
        let there = self.observed.target.get(name);
        has_items && there.is_some_and(|there| written == Some(&there.uuid))
    }

    /// All that stands against a restore.
    fn against(
        self,
        ground: &RestoreGround,
        name: &str,
        facts: &SnapshotIndexFacts,
        earlier: Option<&[PhaseChange]>,
    ) -> Vec<Reason> {
        let to = &self.spec.to.value;
        let Some(target) = self.observed.target_version.filter(|_| ground.cluster) else {
            return vec![unfit(
                format!("{to} is a directory, and only a cluster restores"),
                None,
            )];
        };
        let mut reasons = Vec::new();
        reasons.extend(self.by_documents(name, facts));
        let restore = ground.indices.get(name);
        reasons.extend(unopened(
            target,
            restore.and_then(|it| it.created),
            ground.taken_by,
        ));
        if facts.data_stream.is_none() && facts.types.is_none() && facts.of.is_none() {
            let there = restore.and_then(|it| it.differs.clone());
            reasons.extend(self.by_metadata(name, there, earlier));
        }
        if let Some(unreached) = &ground.unreached
            && (unreached.certain || self.spec.strategy == Strategy::Auto)
        {
            reasons.push(Reason {
                code: RESTORE_UNREACHED,
                what: unreached.what.clone(),
                mend: None,
            });
        }
        reasons
    }

    /// What the plan wants of documents that a restore does not do, and what no proof could be made of.
    fn by_documents(self, name: &str, facts: &SnapshotIndexFacts) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let Some(since) = &self.spec.since {
            let what = format!("only what changed since `{}` is moved", since.value);
            reasons.push(unfit(what, None));
        }
        let names = Names::of(choice(self.spec, self.observed), name, facts);
        if let Some(through) = transforms::told(self.spec, &names) {
            reasons.push(unfit(format!("its documents go through {through}"), None));
        }
        if facts.types.is_some() || facts.of.is_some() {
            reasons.push(unfit(
                format!(
                    "mapping types of {} are taken into indices without",
                    types::of(name, facts)
                ),
                None,
            ));
        }
        if let Some(stream) = &facts.data_stream {
            let what = format!(
                "it is behind data stream {stream}, whose generations are made one after the other"
            );
            reasons.push(unfit(what, None));
        }
        if !facts.missing_shards.is_empty() {
            reasons.push(unfit("the snapshot lacks shards of it".into(), None));
        }
        if !facts.unreadable.is_empty() {
            reasons.push(unfit(
                "mig can't read all of it, so that nothing would prove it".into(),
                None,
            ));
        }
        if let Some(gap) = &facts.source_gap {
            let what = format!(
                "its documents have no _source that could be compared ({})",
                gap.by
            );
            reasons.push(unfit(what, None));
        }
        if self.spec.versions == Versions::Drop {
            let mend = Some("versions: keep".to_owned());
            reasons.push(unfit(
                "`versions: drop` has the target count anew".into(),
                mend,
            ));
        }
        let limits = &self.spec.limits;
        for (set, word) in [
            (limits.docs.is_some(), "docs"),
            (limits.target_cpu.is_some(), "target-cpu"),
        ] {
            if set {
                let what = format!("a restore can't be held to `limits.{word}`");
                reasons.push(unfit(what, Some("limits: { bytes: 40MiB/s }".into())));
            }
        }
        reasons
    }

    /// Where the target's index is, or will be, another one than the snapshot's in what segments rest on.
    fn by_metadata(
        self,
        name: &str,
        there: Option<Vec<String>>,
        earlier: Option<&[PhaseChange]>,
    ) -> Option<Reason> {
        let paths = there.unwrap_or_else(|| self.edits(name, earlier.unwrap_or_default()));
        let bound: Vec<&str> = paths
            .iter()
            .map(String::as_str)
            .filter(|path| !stays_free(path))
            .collect();
        if bound.is_empty() {
            return None;
        }
        let what = format!(
            "the target has, or gets, it otherwise than the snapshot at {}",
            some_of(&bound, NAMED_MAX)
        );
        Some(unfit(what, None))
    }

    /// Where a metadata phase before changes the index that it makes.
    fn edits(self, name: &str, earlier: &[PhaseChange]) -> Vec<String> {
        let to = &self.spec.to.value;
        let is_of_target = |change: &&PhaseChange| {
            let phase = self.plan.phases.get(&change.address);
            change.kind == PhaseKindName::Metadata
                && matches!(phase.map(|phase| &phase.spec), Some(PhaseSpec::Metadata(spec)) if spec.to.value == *to)
        };
        let items = earlier.iter().filter(is_of_target);
        let items = items.flat_map(|change| &change.items);
        let of_index = items.filter(|item| item.object == "index" && item.name == name);
        of_index
            .flat_map(|item| &item.edits)
            .filter(|edit| {
                let rule = edit.rule.as_deref();
                rule.is_none_or(|rule| !RULES_OF_FORM.contains(&rule))
            })
            .map(|edit| edit.path.clone())
            .collect()
    }

    /// A hop that goes on from the target to a cluster that would not open an index restored here.
    fn later_hop(self, created: ProductVersion) -> Option<Reason> {
        let mut from = vec![&self.spec.to.value];
        let mut seen: Vec<&Address> = Vec::new();
        while let Some(cluster) = from.pop() {
            if seen.contains(&cluster) {
                continue;
            }
            seen.push(cluster);
            for (phase, spec) in self.backfills_from(cluster) {
                let to = &spec.to.value;
                let Some(version) = version_of(self.plan, to) else {
                    let what =
                        format!("`{phase}` goes on to {to}, whose version the plan does not say");
                    return Some(unreadable(what));
                };
                if opens(version, created).is_err() {
                    let what = format!(
                        "`{phase}` goes on to {version}, which opens no index made by {created}"
                    );
                    return Some(unreadable(what));
                }
                from.push(to);
            }
        }
        None
    }

    /// The backfills of snapshots that are taken of a cluster.
    fn backfills_from(
        self,
        cluster: &Address,
    ) -> impl Iterator<Item = (&'s Address, &'s BackfillSpec)> {
        let plan = self.plan;
        plan.phases.values().filter_map(move |phase| {
            let PhaseSpec::Backfill(spec) = &phase.spec else {
                return None;
            };
            let taken = plan.phases.get(&spec.from.value).map(|phase| &phase.spec);
            let is_of = match taken {
                Some(PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. })) => of.value == *cluster,
                _ => false,
            };
            is_of.then_some((&phase.address, spec))
        })
    }
}

/// The version that a plan says of a cluster.
fn version_of(plan: &Plan, cluster: &Address) -> Option<ProductVersion> {
    let cluster = plan.clusters.get(cluster)?;
    let version = cluster.version?;
    let product = cluster.product.unwrap_or(if version.major <= 3 {
        Product::OpenSearch
    } else {
        Product::Elasticsearch
    });
    Some(ProductVersion { product, version })
}

/// Whether a difference can be put right after a restore.
fn stays_free(path: &str) -> bool {
    let setting = path.replace('"', "");
    match setting.strip_prefix("settings.") {
        Some(setting) => may_differ(setting),
        None => setting == "closed" || setting.starts_with("held_back"),
    }
}

fn unfit(what: String, mend: Option<String>) -> Reason {
    Reason {
        code: RESTORE_UNFIT,
        what,
        mend,
    }
}

fn unreadable(what: String) -> Reason {
    Reason {
        code: RESTORE_UNREADABLE,
        what,
        mend: None,
    }
}

/// Why a target does not open an index, or does not read its snapshot.
fn unopened(
    target: ProductVersion,
    created: Option<ProductVersion>,
    taken_by: Option<ProductVersion>,
) -> Option<Reason> {
    let Some(created) = created else {
        return Some(unreadable("the version that made it is not known".into()));
    };
    let why = |what: String, refusal: Refusal| match refusal {
        Refusal::TooOld { oldest } => {
            format!("{what} {created}, and {target} opens those of {oldest} and later")
        }
        Refusal::TooNew => format!("{what} a newer version than {target}"),
        Refusal::AfterTheFork => {
            format!("{what} Elasticsearch after 7.10, which OpenSearch does not descend from")
        }
        Refusal::OtherProduct => format!("{what} OpenSearch, which {target} does not read"),
    };
    if let Err(refusal) = opens(target, created) {
        return Some(unreadable(why("it was made by".into(), refusal)));
    }
    let taken_by = taken_by?;
    let refusal = reads(target, taken_by).err()?;
    Some(unreadable(why("the snapshot was taken by".into(), refusal)))
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
