//! The evidence file of a verification, and the statements that stand for it in the state.

use std::fmt::Display;
use std::path::PathBuf;

use serde_json::json;

use super::super::common;
use super::super::kind::{PerformContext, PhaseError};
use super::source_writes::SourceWrites;
use crate::base::Fingerprint;
use crate::base::units::{human_count, plural};
use crate::diff::observation::VerifyObservation;
use crate::engines::verify::{Report, Verdict};
use crate::plan::model::{Content, VerifySpec};

/// The name of this phase's files.
fn file_name(cx: &PerformContext<'_>) -> String {
    cx.phase.address.file_name()
}

/// Where a comparison is taken up again.
pub(super) fn checkpoint(cx: &PerformContext<'_>) -> Result<PathBuf, PhaseError> {
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

/// Writes all of it; says where it is.
pub(super) fn write(
    cx: &PerformContext<'_>,
    spec: &VerifySpec,
    observed: &VerifyObservation,
    report: &Report,
    changed: &[String],
    writes: Option<&SourceWrites>,
) -> Result<String, PhaseError> {
    let name = format!("evidence/{}.json", file_name(cx));
    let mut evidence = json!({
        "phase": cx.phase.address,
        "plan": cx.plan.name,
        "plan-digest": cx.plan.digest(),
        "lineage": cx.state.lineage,
        "snapshot-uuid": observed.snapshot_uuid,
        "target": spec.target.value,
        "at": cx.now,
        "mig-version": env!("CARGO_PKG_VERSION"),
        "digest": digest(report),
        "changed-meanwhile": changed,
        "report": report,
    });
    if let Some(source) = &observed.source_cluster {
        evidence["source-cluster"] = json!({"name": spec.source.value, "uuid": source});
    }
    if let Some(writes) = writes {
        evidence["source-writes"] = json!({"allowed": spec.source_writes, "found": writes});
    }
    let bytes = serde_json::to_vec_pretty(&evidence).map_err(|error| PhaseError::Failed {
        message: format!("evidence: {error}"),
        help: None,
    })?;
    let put = cx.artifacts.put(&name, &bytes);
    put.map_err(|error| evidence_error(&error, error.help()))?;
    Ok(cx.artifacts.locate(&name))
}

pub(super) fn found(report: &Report) -> u64 {
    report.indices.values().map(|index| index.found).sum()
}

pub(super) fn digest(report: &Report) -> Fingerprint {
    let digests: Vec<_> = report
        .indices
        .iter()
        .map(|(name, index)| (name, index.found, &index.target_digest))
        .collect();
    Fingerprint::of(&digests)
}

/// What differs, a statement an index.
pub(super) fn findings(report: &Report) -> Vec<String> {
    let statements = report.statements();
    let verdicts = report.indices.values().map(|index| index.verdict);
    statements
        .into_iter()
        .zip(verdicts)
        .filter(|(_, verdict)| *verdict == Verdict::Fail)
        .map(|(statement, _)| statement)
        .collect()
}

pub(super) fn statement(spec: &VerifySpec, report: &Report, digest: &Fingerprint) -> String {
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
    let settled: u64 = report.indices.values().map(|index| index.settled).sum();
    let settled = match settled {
        0 => String::new(),
        settled => format!(", {} once read again", plural(settled, "document")),
    };
    format!(
        "{} of {} of {} {equal}{settled}, digest {}",
        human_count(found(report)),
        plural(expected, "document"),
        common::indices(report.indices.len()),
        digest.short()
    )
}
