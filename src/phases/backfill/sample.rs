//! Some documents of each index before and after the transforms of a backfill, for `mig plan --sample`.
//!
//! The first live documents of a few segments, or of a few partitions of a live source: the same ones at every call as long
//! as the source stays. Nothing is written. Deliberately absent: indices without transforms, whose documents pass as they are.

use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::Value;

use super::super::connections::Connections;
use super::super::existing::SnapshotView;
use super::super::kind::PhaseError;
use super::super::live::SourceView;
use super::super::transforms::{self, Names};
use super::super::{common, streams, types};
use super::way;
use crate::base::Address;
use crate::diff::change::Edit;
use crate::diff::observation::SnapshotIndexFacts;
use crate::diff::structural::edits;
use crate::engines::bulk::DocumentView;
use crate::engines::bulk::source::{DocumentSource as _, SourceError, StepError, VisitStopped};
use crate::engines::snapshot::source_format::one_line;
use crate::engines::transform::{Outcome, Transforms};
use crate::plan::model::{BackfillSpec, PhaseSpec, Plan, SnapshotSpec};

/// Segments of an index that documents are taken of.
const SEGMENTS: usize = 3;
/// Indices that are sampled at most; those beyond are counted.
pub const INDICES_MAX: usize = 50;

/// The samples of one index.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct IndexSample {
    /// The backfill.
    pub phase: Address,
    /// The index.
    pub index: String,
    /// The transforms that are for it, in order.
    pub transforms: Vec<String>,
    /// Documents that were read.
    pub read: u64,
    /// Documents that stay byte for byte.
    pub unchanged: u64,
    /// The others.
    pub documents: Vec<SampledDocument>,
}

/// One document that does not stay as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SampledDocument {
    /// `_id`.
    pub id: String,
    /// Routing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<String>,
    /// What becomes of it.
    pub fate: SampledFate,
}

/// What becomes of a sampled document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum SampledFate {
    /// It is written like this.
    Changed {
        /// The source as it is.
        before: Value,
        /// The source as it is written.
        after: Value,
        /// The difference, leaf by leaf.
        edits: Vec<Edit>,
    },
    /// A transform leaves it out.
    LeftOut {
        /// Which.
        by: String,
    },
    /// It fails.
    Fails {
        /// Why.
        reason: String,
    },
}

/// Samples every backfill with transforms, so many documents an index; and how many indices were beyond
/// [`INDICES_MAX`].
pub fn sample(
    plan: &Plan,
    connections: &Connections,
    count: usize,
) -> Result<(Vec<IndexSample>, usize), PhaseError> {
    let mut samples = Vec::new();
    let mut beyond = 0;
    for phase in plan.phases.values() {
        let PhaseSpec::Backfill(spec) = &phase.spec else {
            continue;
        };
        if spec.transforms.is_empty() {
            continue;
        }
        let view = connections.source(&spec.from.value)?;
        // As the target names them: a split makes several of one.
        let targets = way(plan, spec).targets(view.indices());
        let target = connections.open_target(&spec.to.value)?.version();
        let choice = streams::choice(spec.data_streams, target);
        let mut names: Vec<String> = targets
            .iter()
            .filter(|(name, facts)| {
                facts.unreadable.is_empty()
                    && streams::left_out(&spec.indices, choice, (types::of(name, facts), facts))
                        .is_none()
                    && transforms::identity(spec, &Names::of(choice, name, facts)).is_some()
            })
            .map(|(name, _)| name.clone())
            .collect();
        let room = INDICES_MAX.saturating_sub(samples.len());
        beyond += names.len().saturating_sub(room);
        names.truncate(room);
        let versions = transforms::versions(view.made_by(), target);
        let sampled = || {
            let all = targets.iter().filter(|(name, _)| names.contains(name));
            all.map(|(name, facts)| (name.as_str(), facts))
        };
        let bodies = transforms::bodies(&view, way(plan, spec), sampled());
        let ready = transforms::ready(spec, choice, sampled(), &bodies, versions)?;
        for (index, facts) in sampled() {
            let mut taking = Taking::new(&phase.address, index, &ready, count);
            documents(connections, &view, (plan, spec), facts, &mut taking)?;
            samples.push(taking.sample);
        }
    }
    Ok((samples, beyond))
}

/// Who is shown documents of an index until there are enough.
pub(super) trait Takes {
    /// The index, as the target names it.
    fn index(&self) -> &str;

    /// Says that another of so many parts is read.
    fn part(&mut self, _part: usize, _parts: usize) {}

    /// Whether the part has given enough.
    fn full(&self) -> bool;

    /// Whether all parts have.
    fn enough(&self) -> bool;

    /// One document, which has a source.
    fn take(&mut self, document: &Raw<'_>);
}

/// A document as the source has it.
pub(super) struct Raw<'a> {
    pub(super) id: &'a str,
    pub(super) routing: Option<&'a str>,
    pub(super) version: Option<i64>,
    pub(super) source: &'a [u8],
}

/// Shows documents of an index: of the snapshot, or of the live source as long as there is none.
pub(super) fn documents(
    connections: &Connections,
    view: &SourceView,
    (plan, spec): (&Plan, &BackfillSpec),
    facts: &SnapshotIndexFacts,
    taking: &mut dyn Takes,
) -> Result<(), PhaseError> {
    let of = types::of(taking.index(), facts).to_owned();
    match view {
        SourceView::Snapshot(view) => of_snapshot(view, (plan, spec), facts, taking),
        SourceView::Wider(wider) if wider.taken.owner(&of).is_some() => {
            of_snapshot(&wider.taken, (plan, spec), facts, taking)
        }
        SourceView::Live(_) | SourceView::Wider(_) => {
            of_cluster(connections, (plan, spec), &of, taking)
        }
        SourceView::Nothing => Ok(()),
    }
}

/// Takes documents of one index until there are enough.
struct Taking<'a> {
    transforms: &'a Transforms,
    count: u64,
    /// Up to where the part that is read may fill it.
    until: u64,
    sample: IndexSample,
}

impl<'a> Taking<'a> {
    fn new(phase: &Address, index: &str, transforms: &'a Transforms, count: usize) -> Self {
        let names = transforms.names_for(index);
        Self {
            transforms,
            count: count as u64,
            until: count as u64,
            sample: IndexSample {
                phase: phase.clone(),
                index: index.to_owned(),
                transforms: names.into_iter().map(str::to_owned).collect(),
                read: 0,
                unchanged: 0,
                documents: Vec::new(),
            },
        }
    }
}

impl Takes for Taking<'_> {
    fn index(&self) -> &str {
        &self.sample.index
    }

    fn part(&mut self, part: usize, parts: usize) {
        let share = self.count.div_ceil(parts.clamp(1, SEGMENTS) as u64);
        self.until = (share * (part as u64 + 1)).min(self.count);
        if part + 1 >= SEGMENTS {
            self.until = self.count;
        }
    }

    fn full(&self) -> bool {
        self.sample.read >= self.until
    }

    fn enough(&self) -> bool {
        self.sample.read >= self.count
    }

    fn take(&mut self, document: &Raw<'_>) {
        let Raw {
            id,
            routing,
            source,
            ..
        } = *document;
        self.sample.read += 1;
        let outcome = self.transforms.apply_to(DocumentView {
            index: &self.sample.index,
            id,
            routing,
            source,
        });
        // A number that no tree holds (`1e400`) leaves the text.
        let tree = |bytes: &[u8]| {
            serde_json::from_slice::<Value>(bytes)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes)))
        };
        let fate = match outcome {
            Outcome::Same => {
                self.sample.unchanged += 1;
                return;
            }
            Outcome::Changed(after) => {
                let (before, after) = (tree(source), tree(&after));
                SampledFate::Changed {
                    edits: edits(&before, &after),
                    before,
                    after,
                }
            }
            Outcome::Dropped(by) => SampledFate::LeftOut { by },
            Outcome::Failed(reason) => SampledFate::Fails { reason },
        };
        self.sample.documents.push(SampledDocument {
            id: id.to_owned(),
            routing: routing.map(str::to_owned),
            fate,
        });
    }
}

fn of_snapshot(
    view: &SnapshotView,
    (plan, spec): (&Plan, &BackfillSpec),
    facts: &SnapshotIndexFacts,
    taking: &mut dyn Takes,
) -> Result<(), PhaseError> {
    let failed = |error: &SourceError| PhaseError::Failed {
        message: error.to_string(),
        help: Some("check the snapshot".into()),
    };
    let index = taking.index().to_owned();
    let wanted = [(index.as_str(), facts)];
    let source = way(plan, spec).source(view, &wanted, &|_| spec.without_source)?;
    let mut items = source.items().map_err(|error| failed(&error))?;
    items.sort_by(|left, right| left.key.cmp(&right.key));
    for (part, item) in items.iter().enumerate() {
        taking.part(part, items.len());
        let mut reader = source
            .open(&item.key, item.key.from)
            .map_err(|error| failed(&error))?;
        while !taking.full() {
            let step = reader.step(u32::MAX, &mut |document| {
                if let Ok(source) = document.source {
                    taking.take(&Raw {
                        id: document.id,
                        routing: document.routing,
                        version: document.version,
                        source,
                    });
                }
                if taking.full() {
                    Err(VisitStopped)
                } else {
                    Ok(())
                }
            });
            match step {
                Ok(Some(_)) => {}
                Ok(None) | Err(StepError::Stopped) => break,
                Err(StepError::Source(error)) => return Err(failed(&error)),
            }
        }
        if taking.enough() {
            break;
        }
    }
    Ok(())
}

fn of_cluster(
    connections: &Connections,
    (plan, spec): (&Plan, &BackfillSpec),
    index: &str,
    taking: &mut dyn Takes,
) -> Result<(), PhaseError> {
    let of = match plan.phases.get(&spec.from.value).map(|phase| &phase.spec) {
        Some(PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. })) => &of.value,
        _ => return Ok(()),
    };
    let cluster = connections.open_target(of)?;
    let failed = |error| common::target_error(of, &error);
    let partitions = cluster.partitions(index).map_err(failed)?;
    for (part, partition) in partitions.iter().enumerate() {
        taking.part(part, partitions.len());
        if taking.full() {
            continue;
        }
        cluster
            .read_partition(index, partition, &mut |document| {
                taking.take(&Raw {
                    id: document.id,
                    routing: document.routing,
                    version: document.version,
                    source: &one_line(document.source),
                });
                if taking.full() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .map_err(failed)?;
        if taking.enough() {
            break;
        }
    }
    Ok(())
}
