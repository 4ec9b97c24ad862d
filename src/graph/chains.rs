//! What a backfill with `since` needs of the plan: another one that loads the base, of the same source and the same indices.

use super::overlap::{Overlap, overlap};
use crate::base::Address;
use crate::plan::codes::graph as codes;
use crate::plan::diagnostics::Diagnostic;
use crate::plan::model::{BackfillSpec, Phase, PhaseSpec, Plan, Ref, SnapshotSpec, Versions};

pub(super) fn check(plan: &Plan, findings: &mut Vec<Diagnostic>) {
    for phase in plan.phases.values() {
        if let PhaseSpec::Backfill(spec) = &phase.spec
            && let Some(since) = &spec.since
        {
            findings.extend(of(plan, phase, spec, since));
        }
    }
}

/// The first thing that is wrong with one of them: the others follow from it.
fn of(plan: &Plan, phase: &Phase, spec: &BackfillSpec, since: &Ref) -> Option<Diagnostic> {
    let (address, to) = (&phase.address, &spec.to.value);
    let (base, later) = (&since.value, &spec.from.value);
    if base == later {
        let text =
            format!("`{address}` moves what changed in `{later}` since `{base}`, which is itself");
        let finding = Diagnostic::new(codes::SINCE_ITSELF, text).at(since.location);
        return Some(finding.help("name the snapshot that another backfill loaded before"));
    }
    if let (Some(first), Some(second)) = (cluster_of(plan, base), cluster_of(plan, later))
        && first != second
    {
        let text = format!("`{base}` is a snapshot of `{first}` and `{later}` one of `{second}`");
        let finding = Diagnostic::new(codes::SINCE_OF_ANOTHER_CLUSTER, text).at(since.location);
        return Some(
            finding
                .related(spec.from.location, "the later one is named here")
                .help("name two snapshots of one cluster, or leave `since` out: then all is moved"),
        );
    }
    if let (Some(first), Some(second)) = (indices_of(plan, base), indices_of(plan, later))
        && overlap(first, second) == Overlap::None
    {
        let text = format!("`{base}` and `{later}` have no index in common");
        let finding = Diagnostic::new(codes::SINCE_OF_OTHER_INDICES, text).at(since.location);
        return Some(finding.help("leave `since` out: then all of it is moved"));
    }
    let mut bases = plan
        .bases_of(spec)
        .filter(|(_, it)| overlap(&it.indices, &spec.indices).may())
        .peekable();
    if bases.peek().is_none() {
        let text = format!("`{address}` builds upon `{base}`, which no backfill loads to `{to}`");
        let finding = Diagnostic::new(codes::SINCE_WITHOUT_BASE, text).at(since.location);
        return Some(finding.help(format!(
            "add `backfill: {{ from: {base}, to: {to} }}`, or leave `since` out: then all is moved"
        )));
    }
    if plan.depth_of(spec).is_none() {
        let text =
            format!("`{address}` builds upon `{base}`, whose load builds in the end upon itself");
        let finding = Diagnostic::new(codes::SINCE_WITHOUT_BASE, text).at(since.location);
        return Some(finding.help("leave `since` out of the first of them: that one moves all"));
    }
    let drops = |spec: &BackfillSpec| spec.versions == Versions::Drop;
    let dropping = bases.find(|(_, base)| drops(base)).map(|(base, _)| base);
    let dropping = dropping.or(Some(address).filter(|_| drops(spec)))?;
    let text = format!("`{address}` deletes by versions, and `{dropping}` drops them");
    let finding = Diagnostic::new(codes::SINCE_NEEDS_VERSIONS, text).at(phase.location);
    Some(finding.help(format!(
        "write `versions: keep` in `{dropping}`, or leave `since` out"
    )))
}

/// The cluster that a snapshot is of, where the plan says so.
fn cluster_of<'a>(plan: &'a Plan, snapshot: &Address) -> Option<&'a Address> {
    match &plan.phases.get(snapshot)?.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. }) => Some(&of.value),
        PhaseSpec::Snapshot(SnapshotSpec::Existing { of, .. }) => of.as_ref().map(|of| &of.value),
        _ => None,
    }
}

fn indices_of<'a>(
    plan: &'a Plan,
    snapshot: &Address,
) -> Option<&'a crate::plan::selector::Selector> {
    match &plan.phases.get(snapshot)?.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { indices, .. }) => Some(indices),
        _ => None,
    }
}
