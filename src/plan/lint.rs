//! Lints: the plan works and is most likely not what was meant.
//!
//! Relies on the resolved plan, and on the sections for the places of patterns. Deliberately absent: `allow`, which `load`
//! applies to all findings alike.

mod hops;

use std::collections::BTreeSet;

use super::codes::lints as code;
use super::diagnostics::Diagnostic;
use super::expand::Expanded;
use super::language;
use super::location::{Location, Spanned};
use super::model::{ClusterAt, Content, PhaseSpec, Plan, Proves, SnapshotSpec};
use super::scalars::Patterns;
use crate::base::Address;

/// Tells of everything that looks wrong in a plan without errors.
pub(crate) fn run(plan: &Plan, expanded: &Expanded, found: &mut Vec<Diagnostic>) {
    hops::run(plan, expanded, found);
    for patterns in all_patterns(expanded) {
        redundant(patterns, found);
    }
    unverified(plan, found);
    weak_verification(plan, expanded, found);
    for (name, cluster) in &plan.clusters {
        if cluster.tls.insecure {
            found.push(
                Diagnostic::new(
                    code::INSECURE_TLS,
                    format!("mig will trust any certificate that `{name}` shows"),
                )
                .at(cluster.location)
                .help("write `tls: { ca: FILE }` with the authority that signed it"),
            );
        }
    }
    unused(plan, expanded, found);
}

fn all_patterns(expanded: &Expanded) -> Vec<&Patterns> {
    let own = expanded.plan.phases.iter().flat_map(|phases| &phases.0);
    let hops = expanded.hops.iter().flat_map(|hop| &hop.phases.0);
    let mut all = Vec::new();
    for (_, phase) in own.chain(hops) {
        match phase {
            language::Phase::Snapshot(body) => all.extend(&body.indices),
            language::Phase::Backfill(body) => all.extend(&body.indices),
            language::Phase::Verify(body) => all.extend(&body.indices),
            language::Phase::Metadata(body) => {
                if let Some(include) = &body.include {
                    all.extend(&include.indices);
                    all.extend(&include.templates);
                    all.extend(&include.component_templates);
                    all.extend(&include.aliases);
                }
            }
            language::Phase::Gate(_) | language::Phase::Switchover(_) => {}
        }
    }
    all
}

fn redundant(patterns: &Patterns, found: &mut Vec<Diagnostic>) {
    let written = &patterns.written;
    for (index, pattern) in written.iter().enumerate() {
        let covered = written.iter().enumerate().find(|(other_index, other)| {
            *other_index != index
                && covers(&other.value, &pattern.value)
                // Of two equal ones the second is told.
                && (other.value != pattern.value || *other_index < index)
        });
        if let Some((_, other)) = covered {
            found.push(
                Diagnostic::new(
                    code::REDUNDANT_PATTERN,
                    format!(
                        "`{}` changes nothing beside `{}`",
                        pattern.value, other.value
                    ),
                )
                .at(pattern.location)
                .related(other.location, "decides the same names")
                .help("remove one of the two"),
            );
        }
    }
}

/// Whether `wide` decides every name that `narrow` matches, in the same sense. Globs alone; `*` doesn't reach system indices.
fn covers(wide: &str, narrow: &str) -> bool {
    let exclude = wide.starts_with('!');
    if exclude != narrow.starts_with('!') {
        return false;
    }
    let (wide, narrow) = (wide.trim_start_matches('!'), narrow.trim_start_matches('!'));
    if wide == narrow {
        return true;
    }
    if wide.starts_with('/') || narrow.starts_with('/') {
        return false;
    }
    if !exclude && narrow.starts_with('.') && !wide.starts_with('.') {
        return false;
    }
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    glob_covers(&wide, &narrow)
}

/// Matches a glob against a glob: a `*` of `narrow` is only covered by a `*`. Linear memory, so that a long pattern of stars
/// costs no more than its length squared.
fn glob_covers(wide: &[char], narrow: &[char]) -> bool {
    let mut reach = vec![false; narrow.len() + 1];
    reach[0] = true;
    for symbol in wide {
        let mut next = vec![false; narrow.len() + 1];
        if *symbol == '*' {
            let mut open = false;
            for at in 0..=narrow.len() {
                open |= reach[at];
                next[at] = open;
            }
        } else {
            for at in 0..narrow.len() {
                let fits = match symbol {
                    '?' => narrow[at] != '*',
                    literal => narrow[at] == *literal,
                };
                next[at + 1] = reach[at] && fits;
            }
        }
        reach = next;
    }
    reach[narrow.len()]
}

fn unverified(plan: &Plan, found: &mut Vec<Diagnostic>) {
    let verified: BTreeSet<&Address> = plan
        .phases
        .values()
        .filter_map(|phase| match &phase.spec {
            PhaseSpec::Verify(spec) => Some(&spec.target.value),
            _ => None,
        })
        .collect();
    for phase in plan.phases.values() {
        if let PhaseSpec::Backfill(spec) = &phase.spec
            && !verified.contains(&spec.to.value)
        {
            found.push(
                Diagnostic::new(
                    code::NO_VERIFY,
                    format!(
                        "nothing verifies what `{}` writes to `{}`",
                        phase.address, spec.to.value
                    ),
                )
                .at(phase.location)
                .help(format!(
                    "add a phase: `same: {{ verify: {{ source: {}, target: {} }} }}`",
                    spec.from.value.leaf(),
                    spec.to.value
                )),
            );
        }
    }
}

fn weak_verification(plan: &Plan, expanded: &Expanded, found: &mut Vec<Diagnostic>) {
    let own = expanded.plan.phases.iter().flat_map(|phases| &phases.0);
    let hops = expanded.hops.iter().flat_map(|hop| &hop.phases.0);
    for (name, phase) in own.chain(hops) {
        let language::Phase::Verify(body) = phase else {
            continue;
        };
        if let Some(content) = &body.content
            && content.value != Content::Full
        {
            found.push(
                Diagnostic::new(
                    code::CONTENT_BELOW_FULL,
                    format!("`{}` can pass although a document differs", name.value),
                )
                .at(content.location)
                .help("write `content: full` before the old cluster is given up"),
            );
        }
        let live = body
            .source
            .as_ref()
            .is_some_and(|source| plan.clusters.contains_key(source.0.value.as_str()));
        if let Some(settle) = &body.settle
            && !live
        {
            found.push(
                Diagnostic::new(
                    code::SETTLE_WITHOUT_LIVE_SOURCE,
                    format!("`settle` has no effect: `{}` reads a snapshot", name.value),
                )
                .at(settle.location)
                .help("take it out, or name the cluster as `source`"),
            );
        }
    }
}

fn unused(plan: &Plan, expanded: &Expanded, found: &mut Vec<Diagnostic>) {
    let mut used: BTreeSet<&Address> = BTreeSet::new();
    for hop in &plan.hops {
        used.extend([&hop.from, &hop.to]);
    }
    for phase in plan.phases.values() {
        match &phase.spec {
            PhaseSpec::Snapshot(SnapshotSpec::Take { of, to, .. }) => {
                used.extend([&of.value, &to.value]);
            }
            PhaseSpec::Snapshot(SnapshotSpec::Existing { store, of, .. }) => {
                used.insert(&store.value);
                used.extend(of.iter().map(|of| &of.value));
            }
            PhaseSpec::Metadata(spec) => used.extend([&spec.to.value]),
            PhaseSpec::Backfill(spec) => used.extend([&spec.to.value]),
            PhaseSpec::Verify(spec) => used.extend([&spec.source.value, &spec.target.value]),
            PhaseSpec::Switchover(spec) => used.extend([&spec.to.value]),
            PhaseSpec::Gate(spec) => {
                if let Some(Proves::SourceQuiet(quiet)) = &spec.proves {
                    used.extend(quiet.of.iter().map(|of| &of.value));
                }
            }
        }
    }
    let mut tell = |what: &str, name: &str, location: Location| {
        found.push(
            Diagnostic::new(code::UNUSED, format!("the {what} `{name}` is never used"))
                .at(location)
                .help("take it out, or name it where it is meant"),
        );
    };
    for (name, cluster) in &plan.clusters {
        if !used.contains(name) {
            let what = match cluster.at {
                ClusterAt::Endpoint(_) => "cluster",
                ClusterAt::Directory(_) => "directory target",
            };
            tell(what, name.as_str(), cluster.location);
        }
    }
    for (name, store) in &plan.stores {
        if !used.contains(name) {
            tell("store", name.as_str(), store.location);
        }
    }
    for Spanned { value, location } in &expanded.unused_vars {
        tell("variable", value, *location);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_cover_what_they_decide() {
        for (wide, narrow, expected) in [
            ("*", "logs-*", true),
            ("logs-*", "*", false),
            ("logs-*", "logs-2020-*", true),
            ("logs-*-x", "logs-2020-*", false),
            ("*", ".kibana", false),
            (".*", ".kibana*", true),
            ("!*", "!.kibana", true),
            ("!logs", "logs", false),
            ("a?c", "abc", true),
            ("a?c", "a*c", false),
            ("/.*/", "logs", false),
        ] {
            assert_eq!(covers(wide, narrow), expected, "{wide} {narrow}");
        }
    }
}
