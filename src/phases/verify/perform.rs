//! Compares, writes the evidence file, and puts in force what waited.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::super::common;
use super::super::kind::{PerformContext, Performed, PhaseError, Progress};
use super::decide::{identity, selected, waiting};
use super::{held_back, spec};
use crate::base::Fingerprint;
use crate::base::units::{human_count, plural};
use crate::clients::target::Target;
use crate::diff::observation::{Observation, TargetIndexFacts};
use crate::engines::verify::{
    self, Comparison, Content as Depth, Report, SourceSide, TargetSide, Verdict, VerifyError,
    VerifyOptions, VerifyProgress,
};
use crate::plan::model::{Content, PhaseSpec, VerifySpec, Versions};

/// Of a sample, one in so many documents is compared whole.
const SAMPLE_ONE_IN: u64 = 20;
/// Threads of a comparison at most; reading is bound by the processor.
const THREADS_MAX: usize = 16;

pub(super) fn perform(cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
    let Observation::Verify(observed) = cx.observation else {
        return Err(PhaseError::Stale(
            "the observation is of another kind".into(),
        ));
    };
    let spec = spec(cx.phase)?;
    let on = &spec.target.value;
    let target = cx.connections.open_target(on)?;
    let Some(view) = cx.connections.usable_snapshot(&spec.source.value)? else {
        return Err(PhaseError::Stale("the snapshot is not there".into()));
    };
    let (chosen, _) = selected(cx.plan, spec, observed);
    let names: Vec<String> = chosen.iter().map(|(name, _)| (*name).to_owned()).collect();
    let absent: Vec<&str> = chosen
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !observed.target.contains_key(*name))
        .collect();
    if !absent.is_empty() {
        let findings = absent
            .iter()
            .map(|name| format!("index {name} is not on {on}"))
            .collect();
        return Ok(Performed::CheckFailed {
            findings,
            outputs: json!({ "proved": proved_before(cx) }),
        });
    }
    let source = view.source(&names)?;
    let source = SourceSide::new(&source, view.label());
    let side = TargetSide::new(&*target);
    let stop = || common::stop(cx.interrupt);
    let docs: u64 = chosen.iter().filter_map(|(_, facts)| facts.docs).sum();
    let progress = |now: VerifyProgress| {
        (cx.progress)(Progress {
            unit: "docs".into(),
            done: now.target_docs,
            total: docs,
            bytes: now.bytes_done,
            failed: 0,
            workers: 1,
        });
    };
    let compared = verify::run(&Comparison {
        source: &source,
        target: &side,
        indices: names.clone(),
        options: VerifyOptions {
            content: depth(spec.content),
            versions: keeps_versions(cx, spec),
            threads: threads(),
            checkpoint: Some(checkpoint(cx)?),
            identity: identity(&chosen, observed),
        },
        stop: &stop,
        progress: &progress,
    });
    let report = match compared {
        Ok(report) => report,
        // What can't be read back did not arrive.
        Err(VerifyError::Target(error)) => {
            return Ok(Performed::CheckFailed {
                findings: vec![error.to_string()],
                outputs: json!({ "proved": proved_before(cx) }),
            });
        }
        Err(error) => {
            return Err(view.or_vanished(PhaseError::Failed {
                message: error.to_string(),
                help: Some("nothing is proved; run the same command again".into()),
            }));
        }
    };
    if report.verdict == Verdict::Interrupted {
        return Ok(Performed::Interrupted);
    }
    let after = contents(&*target, spec, &names)?;
    let moved: Vec<String> = names
        .iter()
        .filter(|name| {
            observed.target.get(*name).map(|it| (&it.uuid, &it.content))
                != after.get(*name).map(|it| (&it.uuid, &it.content))
        })
        .map(|name| format!("{name}: changed on {on} while it was compared"))
        .collect();
    let passed = report.verdict == Verdict::Pass && moved.is_empty();
    let evidence_file =
        write_evidence(cx, spec, observed.snapshot_uuid.as_deref(), &report, &moved)?;
    let mut proved = proved_before(cx);
    if !passed {
        let mut findings: Vec<String> = report
            .indices
            .iter()
            .filter(|(_, index)| index.verdict == Verdict::Fail)
            .flat_map(|(name, _)| {
                report
                    .statements()
                    .into_iter()
                    .filter(move |line| line.starts_with(&format!("{name}: ")))
            })
            .collect();
        findings.extend(moved);
        findings.push(format!("all of it is in {evidence_file}"));
        return Ok(Performed::CheckFailed {
            findings,
            outputs: json!({ "proved": proved, "evidence-file": evidence_file }),
        });
    }
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
    let (objects, closing) = waiting(&chosen, observed);
    let objects: Vec<_> = objects.into_iter().map(|(key, _)| key).collect();
    let in_force = held_back::put_in_force(cx, &*target, on, &objects, &closing)?;
    let digest = digest(&report);
    let mut evidence = vec![statement(spec, &report, &digest)];
    evidence.extend(source_writes(cx, spec));
    evidence.extend(in_force);
    Ok(Performed::Done {
        outputs: json!({
            "snapshot-uuid": observed.snapshot_uuid,
            "content": spec.content,
            "documents": found(&report),
            "digest": digest,
            "proved": proved,
            "evidence-file": evidence_file,
        }),
        evidence,
    })
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

fn found(report: &Report) -> u64 {
    report.indices.values().map(|index| index.found).sum()
}

fn digest(report: &Report) -> Fingerprint {
    let digests: Vec<_> = report
        .indices
        .iter()
        .map(|(name, index)| (name, index.found, &index.target_digest))
        .collect();
    Fingerprint::of(&digests)
}

fn statement(spec: &VerifySpec, report: &Report, digest: &Fingerprint) -> String {
    let expected: u64 = report
        .indices
        .values()
        .map(|index| index.expected.or(index.source_docs).unwrap_or(0))
        .sum();
    let equal = match spec.content {
        Content::Counts => "are there, counted on both sides",
        Content::Ids => "are there by identity",
        Content::Sample => "are there by identity, and those of the sample are equal",
        Content::Full => "are equal",
    };
    format!(
        "{} of {} of {} {equal}, digest {}",
        human_count(found(report)),
        plural(expected, "document"),
        common::indices(report.indices.len()),
        digest.short()
    )
}

/// Whether the source moved since the snapshot, as far as that can be told.
fn source_writes(cx: &PerformContext<'_>, spec: &VerifySpec) -> Vec<String> {
    let of = match cx
        .plan
        .phases
        .get(&spec.source.value)
        .map(|phase| &phase.spec)
    {
        Some(PhaseSpec::Snapshot(crate::plan::model::SnapshotSpec::Existing { of, .. })) => {
            of.as_ref()
        }
        _ => None,
    };
    let why = match of {
        Some(cluster) => format!("this version does not reach `{}`", cluster.value),
        None => "the plan names no cluster that the snapshot was taken of".to_owned(),
    };
    vec![format!(
        "whether the source was written to after the snapshot can't be told: {why}"
    )]
}

/// The name of this phase's files.
fn file_name(cx: &PerformContext<'_>) -> String {
    cx.phase.address.as_str().replace(['/', '>'], "_")
}

/// Where a comparison is taken up again.
fn checkpoint(cx: &PerformContext<'_>) -> Result<PathBuf, PhaseError> {
    let scratch = cx.artifacts.scratch();
    let scratch = scratch.map_err(|error| evidence_error(&error, error.help()))?;
    Ok(scratch.join(format!("{}.checkpoint", file_name(cx))))
}

fn evidence_error(error: &dyn Display, help: String) -> PhaseError {
    PhaseError::Failed {
        message: format!("evidence: {error}"),
        help: Some(help),
    }
}

fn write_evidence(
    cx: &PerformContext<'_>,
    spec: &VerifySpec,
    snapshot_uuid: Option<&str>,
    report: &Report,
    moved: &[String],
) -> Result<String, PhaseError> {
    let name = format!("evidence/{}.json", file_name(cx));
    let evidence = json!({
        "phase": cx.phase.address,
        "plan": cx.plan.name,
        "plan-digest": cx.plan.digest(),
        "lineage": cx.state.lineage,
        "snapshot-uuid": snapshot_uuid,
        "target": spec.target.value,
        "at": cx.now,
        "mig-version": env!("CARGO_PKG_VERSION"),
        "digest": digest(report),
        "changed-meanwhile": moved,
        "report": report,
    });
    let bytes = serde_json::to_vec_pretty(&evidence).map_err(|error| PhaseError::Failed {
        message: format!("evidence: {error}"),
        help: None,
    })?;
    let put = cx.artifacts.put(&name, &bytes);
    put.map_err(|error| evidence_error(&error, error.help()))?;
    Ok(cx.artifacts.locate(&name))
}
