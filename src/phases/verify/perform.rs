//! Compares, writes the evidence file, and puts in force what waited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::common;
use super::super::existing::SnapshotView;
use super::super::kind::{PerformContext, Performed, PhaseError, Progress};
use super::super::{streams, types};
use super::decide::{backfill_of, choice, identity, selected, waiting};
use super::source_writes::SourceWrites;
use super::through::{Between, between};
use super::{evidence, held_back, live, spec, way};
use crate::base::units::plural;
use crate::clients::target::Target;
use crate::diff::observation::{
    Observation, SnapshotIndexFacts, TargetIndexFacts, VerifyObservation,
};
use crate::engines::verify::{
    self, Comparison, Content as Depth, DocumentSide, Fault, Report, SourceSide, TargetSide,
    TransformedSide, Unversioned, Verdict, VerifyError, VerifyOptions, VerifyProgress,
};
use crate::plan::model::{Content, DataStreams, PhaseSpec, VerifySpec, Versions, WithoutSource};

/// Of a sample, one in so many documents is compared whole.
const SAMPLE_ONE_IN: u64 = 20;
/// Threads of a comparison at most; reading is bound by the processor.
const THREADS_MAX: usize = 16;

/// What is compared with what.
struct Work<'a> {
    cx: &'a PerformContext<'a>,
    spec: &'a VerifySpec,
    observed: &'a VerifyObservation,
    target: Arc<dyn Target>,
    chosen: Vec<(&'a str, &'a SnapshotIndexFacts)>,
    names: &'a [String],
    between: Between<'a>,
}

pub(super) fn perform(cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
    let Observation::Verify(observed) = cx.observation else {
        return Err(PhaseError::Stale(
            "the observation is of another kind".into(),
        ));
    };
    let spec = spec(cx.phase)?;
    let on = &spec.target.value;
    let (chosen, _) = selected(cx.plan, spec, observed);
    let target = streams::landed(
        cx.connections.open_target(on)?,
        choice(cx.plan, spec, observed.target_version),
        &observed.source,
    );
    let names: Vec<String> = chosen.iter().map(|(name, _)| (*name).to_owned()).collect();
    let work = Work {
        cx,
        spec,
        observed,
        between: between(cx, spec, observed, &*target, &chosen)?,
        target,
        names: &names,
        chosen,
    };
    let absent = |name: &&String| !observed.target.contains_key(*name);
    let findings: Vec<String> = work
        .names
        .iter()
        .filter(absent)
        .map(|name| format!("index {name} is not on {on}"))
        .collect();
    if !findings.is_empty() {
        return Ok(work.check_failed(findings));
    }
    let opened = match work.open_closed()? {
        Ok(opened) => opened,
        Err(findings) => return Ok(work.check_failed(findings)),
    };
    if observed.source_cluster.is_some() {
        let source = cx.connections.open_target(&spec.source.value)?;
        let side = TargetSide::new(&*source);
        let client = cx.connections.open_cluster(&spec.source.value)?;
        let on = &spec.source.value;
        let hidden = live::wait_until_seen(&client, work.names, on, cx.interrupt)?;
        if cx.interrupt.draining() {
            return Ok(Performed::Interrupted);
        }
        if !hidden.is_empty() {
            return Ok(work.check_failed(hidden));
        }
        let report = match work.compare(&side)? {
            Ok(report) => report,
            Err(performed) => return Ok(performed),
        };
        return work.conclude(&report, None, &opened);
    }
    let Some(view) = cx.connections.usable_snapshot(&spec.source.value)? else {
        return Err(PhaseError::Stale("the snapshot is not there".into()));
    };
    // Looked at beforehand too: what can't be told is better known before everything is read.
    SourceWrites::find(cx, spec, &view, &[])?;
    let report = match work.compare_snapshot(&view)? {
        Ok(report) => report,
        Err(performed) => return Ok(performed),
    };
    let names: BTreeSet<&str> = work
        .chosen
        .iter()
        .map(|(name, facts)| types::of(name, facts))
        .collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let writes = SourceWrites::find(cx, spec, &view, &names)?;
    work.conclude(&report, Some(&writes), &opened)
}

impl Work<'_> {
    fn check_failed(&self, findings: Vec<String>) -> Performed {
        Performed::CheckFailed {
            findings,
            outputs: json!({ "proved": proved_before(self.cx) }),
        }
    }

    /// Opens the indices that an earlier proof closed, since a closed one can't be read. The inner error: findings.
    fn open_closed(&self) -> Result<Result<Vec<String>, Vec<String>>, PhaseError> {
        let on = &self.spec.target.value;
        let error = |error| common::target_error(on, &error);
        let mut opened = Vec::new();
        let mut findings = Vec::new();
        if !self.target.capabilities().searches {
            return Ok(Ok(opened));
        }
        for (name, facts) in &self.chosen {
            if !self.target.is_closed(name).map_err(error)? {
                continue;
            }
            if facts.closed {
                (self.cx.announce)(common::effect(on, "open-index", name))?;
                self.target.set_closed(name, false).map_err(error)?;
                opened.push((*name).to_owned());
            } else {
                findings.push(format!(
                    "index {name} is closed on {on} and open at the source: its documents can't be read"
                ));
            }
        }
        Ok(if findings.is_empty() {
            Ok(opened)
        } else {
            Err(findings)
        })
    }

    /// What becomes of documents without a source: as the backfill of the index has it, since both sides have to be
    /// rendered alike.
    fn without_source(&self, index: &str) -> WithoutSource {
        backfill_of(self.cx.plan, self.spec, self.observed, index)
            .map_or(WithoutSource::Refuse, |(_, backfill)| {
                backfill.without_source
            })
    }

    /// What is not on the target by the plan's own word, so that nobody takes the proof for more than it is.
    fn left_out(&self) -> Vec<String> {
        let mut statements = self.between.statements();
        for (name, facts) in &self.chosen {
            for missing in &facts.missing_shards {
                statements.push(format!(
                    "shard {} of {name} is not in the snapshot and was not compared: {}",
                    missing.shard, missing.reason
                ));
            }
            if let Some(route) = way(self.cx.plan, self.spec).route(name, facts)
                && !route.dropped.is_empty()
            {
                let dropped: Vec<&str> = route.dropped.iter().map(String::as_str).collect();
                statements.push(format!(
                    "{}: documents of type {} are left out as the plan says",
                    route.of,
                    common::few(&dropped)
                ));
            }
            let Some(gap) = &facts.source_gap else {
                continue;
            };
            let of = types::of(name, facts);
            let Some((by, backfill)) = backfill_of(self.cx.plan, self.spec, self.observed, of)
            else {
                continue;
            };
            let recorded = common::record(self.cx.state, by);
            let skipped = recorded
                .and_then(|record| {
                    let index = record.outputs.get("indices")?.get(*name)?;
                    index.get("without-source")?.as_u64()
                })
                .unwrap_or_default();
            let what = match backfill.without_source {
                WithoutSource::Skip => {
                    format!("{} left out", plural(skipped, "document"))
                }
                WithoutSource::Reconstruct => "sources made again".to_owned(),
                WithoutSource::AsStored => "sources that lack fields taken as they are".to_owned(),
                WithoutSource::Refuse => continue,
            };
            statements.push(format!("{name}: {what} by `{by}` ({})", gap.by));
        }
        statements
    }

    fn compare_snapshot(
        &self,
        view: &SnapshotView,
    ) -> Result<Result<Report, Performed>, PhaseError> {
        let way = way(self.cx.plan, self.spec);
        let source = way.source(view, &self.chosen, &|index| self.without_source(index))?;
        let side = SourceSide::new(&source, view.label());
        self.compare(&side).map_err(|error| view.or_vanished(error))
    }

    /// The report, or how the phase ends without one.
    fn compare(&self, source: &dyn DocumentSide) -> Result<Result<Report, Performed>, PhaseError> {
        let cx = self.cx;
        let through = self.between.through();
        let transformed = TransformedSide::new(source, through);
        let source: &dyn DocumentSide = if self.between.is_empty() {
            source
        } else {
            &transformed
        };
        let side = TargetSide::new(&*self.target);
        let stop = || common::stop(cx.interrupt);
        let docs: u64 = self.chosen.iter().filter_map(|(_, facts)| facts.docs).sum();
        let progress = |now: VerifyProgress| {
            (cx.progress)(Progress {
                unit: "docs".into(),
                done: now.target_docs,
                total: docs,
                bytes: now.bytes_done,
                failed: 0,
                workers: 1,
                paused_by: None,
            });
        };
        let choice = choice(cx.plan, self.spec, self.observed.target_version);
        let created = self.chosen.iter().filter(|(_, facts)| {
            choice == Some(DataStreams::Streams) && facts.data_stream.is_some()
        });
        let created = created.map(|(name, _)| (*name).to_owned()).collect();
        let source = Unversioned::new(source, created);
        let compared = verify::run(&Comparison {
            source: &source,
            target: &side,
            indices: self.names.to_vec(),
            options: VerifyOptions {
                content: depth(self.spec.content),
                versions: keeps_versions(cx, self.spec),
                settle: self.spec.settle.map_or(Duration::ZERO, |settle| settle.0),
                threads: threads(),
                checkpoint: Some(evidence::checkpoint(cx)?),
                identity: identity(cx.plan, self.spec, &self.chosen, self.observed),
            },
            stop: &stop,
            progress: &progress,
        });
        match compared {
            Ok(report) if report.verdict == Verdict::Interrupted => Ok(Err(Performed::Interrupted)),
            Ok(report) => Ok(Ok(report)),
            // What can't be read back did not arrive.
            Err(VerifyError::Target(error)) if error.fault == Fault::Damaged => {
                Ok(Err(self.check_failed(vec![error.to_string()])))
            }
            Err(error) => Err(PhaseError::Failed {
                message: error.to_string(),
                help: Some("nothing is proved; run the same command again".into()),
            }),
        }
    }

    fn conclude(
        &self,
        report: &Report,
        writes: Option<&SourceWrites>,
        opened: &[String],
    ) -> Result<Performed, PhaseError> {
        let (cx, spec, observed) = (self.cx, self.spec, self.observed);
        let on = &spec.target.value;
        let after = contents(&*self.target, spec, self.names)?;
        // Of a live source and its target both may move: what differed was read again.
        let is_live = observed.source_cluster.is_some();
        let changed: Vec<String> = self
            .names
            .iter()
            .filter(|name| !is_live && !opened.contains(name))
            .filter(|name| {
                observed.target.get(*name).map(|it| (&it.uuid, &it.content))
                    != after.get(*name).map(|it| (&it.uuid, &it.content))
            })
            .map(|name| format!("{name}: changed on {on} while it was compared"))
            .collect();
        let evidence_file = evidence::write(cx, spec, observed, report, &changed, writes)?;
        let mut proved = proved_before(cx);
        let equal = report.verdict == Verdict::Pass && changed.is_empty();
        if equal && !is_live {
            for (name, facts) in &after {
                proved.insert(
                    name.clone(),
                    json!({
                        "snapshot-uuid": observed.snapshot_uuid,
                        "target-uuid": facts.uuid,
                        "content": facts.content,
                        "depth": spec.content,
                    }),
                );
            }
        }
        let mut findings = evidence::findings(report);
        findings.extend(changed);
        findings.extend(
            writes
                .into_iter()
                .flat_map(|it| it.findings(spec.source_writes)),
        );
        if !equal || !findings.is_empty() {
            findings.push(format!("all of it is in {evidence_file}"));
            return Ok(Performed::CheckFailed {
                findings,
                outputs: json!({ "proved": proved, "evidence-file": evidence_file }),
            });
        }
        let (objects, mut closing) = waiting(cx.plan, spec, &self.chosen, observed);
        let objects: Vec<_> = objects.into_iter().map(|(key, _)| key).collect();
        closing.extend(opened.iter().map(String::as_str));
        let in_force = held_back::put_in_force(cx, &*self.target, on, &objects, &closing)?;
        let digest = evidence::digest(report);
        let mut statements = vec![evidence::statement(spec, report, &digest)];
        statements.extend(self.left_out());
        statements.extend(writes.into_iter().flat_map(SourceWrites::statements));
        statements.extend(in_force);
        let mut outputs = json!({
            "snapshot-uuid": observed.snapshot_uuid,
            "content": spec.content,
            "documents": evidence::found(report),
            "digest": digest,
            "proved": proved,
            "evidence-file": evidence_file,
        });
        if let Some(source) = &observed.source_cluster {
            outputs["source-cluster"] = json!(source);
        }
        Ok(Performed::Done {
            outputs,
            evidence: statements,
        })
    }
}

fn depth(content: Content) -> Depth {
    match content {
        Content::Counts => Depth::Counts,
        Content::Ids => Depth::Ids,
        Content::Sample => Depth::Sample {
            one_in: SAMPLE_ONE_IN,
        },
        Content::Full => Depth::Full,
    }
}

fn threads() -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(threads.min(THREADS_MAX)).unwrap_or(1)
}

/// Versions are compared where every backfill of the target writes them.
fn keeps_versions(cx: &PerformContext<'_>, spec: &VerifySpec) -> bool {
    let mut backfills = cx
        .plan
        .phases
        .values()
        .filter_map(|phase| match &phase.spec {
            PhaseSpec::Backfill(backfill) if backfill.to.value == spec.target.value => {
                Some(backfill)
            }
            _ => None,
        });
    backfills.all(|backfill| backfill.versions == Versions::Keep)
}

fn contents(
    target: &dyn Target,
    spec: &VerifySpec,
    names: &[String],
) -> Result<BTreeMap<String, TargetIndexFacts>, PhaseError> {
    let mut found = BTreeMap::new();
    for name in names {
        let facts = target
            .index_facts(name, 0)
            .map_err(|error| common::target_error(&spec.target.value, &error))?;
        if let Some(facts) = facts {
            found.insert(name.clone(), facts);
        }
    }
    Ok(found)
}

/// What earlier runs proved stays proved: the proof is of a snapshot, and that does not change.
fn proved_before(cx: &PerformContext<'_>) -> Map<String, Value> {
    common::record(cx.state, &cx.phase.address)
        .and_then(|record| record.outputs.get("proved"))
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}
