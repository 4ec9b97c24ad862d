//! What no order can mend: two phases on one index, documents into a live target, proof of another snapshot.
//!
//! Relies on `edges` for the parts that phases play. Every finding has a code of the table (MIG040–MIG059), a place and
//! a fix. Deliberately absent: what needs the indices of a cluster (that is `diff::overlaps`).

use std::collections::BTreeSet;

use super::edges::{self, Gathered, Part, Turn};
use super::overlap::{Overlap, overlap};
use crate::base::Address;
use crate::plan::codes::graph as codes;
use crate::plan::diagnostics::Diagnostic;
use crate::plan::model::{PhaseSpec, Plan};

/// Documents may not be written to a target after a switchover made it live. Gives the phases that would,
/// so that the same fault is not told as a cycle too.
pub(super) fn writes_after_live(
    parts: &[Part<'_>],
    leads_to: &dyn Fn(&Address, &Address) -> bool,
    findings: &mut Vec<Diagnostic>,
) -> BTreeSet<Address> {
    let mut turned = BTreeSet::new();
    for live in parts.iter().filter(|part| part.turn == Turn::Switchover) {
        for writer in parts {
            let (early, late) = (&live.phase.address, &writer.phase.address);
            if writer.turn > Turn::Backfill || !writer.may_meet(live) || !leads_to(early, late) {
                continue;
            }
            turned.insert(late.clone());
            findings.push(
                Diagnostic::new(
                    codes::WRITES_AFTER_LIVE,
                    format!(
                        "`{late}` writes to `{}` after `{early}` made it live",
                        live.target
                    ),
                )
                .at(writer.phase.location)
                .related(
                    live.phase.location,
                    format!("`{early}` comes first by `after`"),
                )
                .help(format!("let `{early}` come after `{late}`")),
            );
        }
    }
    turned
}

/// All other invariants.
pub(super) fn check(
    plan: &Plan,
    parts: &[Part<'_>],
    edges: &Gathered,
    findings: &mut Vec<Diagnostic>,
) {
    one_phase_an_index(plan, parts, findings);
    super::chains::check(plan, findings);
    one_snapshot_a_target(plan, parts, findings);
    proofs(plan, parts, findings);
    round_trips(plan, parts, findings);
    idle_gates(plan, edges, findings);
}

/// Whether two phases of one kind work on an index one after the other, as loads that build upon each other do.
fn one_after_another(plan: &Plan, first: &Part<'_>, second: &Part<'_>) -> bool {
    match first.turn {
        Turn::Backfill => plan.one_chain(&first.phase.address, &second.phase.address),
        Turn::VerifySnapshot => match (snapshot_of(plan, first), snapshot_of(plan, second)) {
            (Some(one), Some(other)) => plan.one_chain_of_snapshots(first.target, one, other),
            _ => false,
        },
        Turn::Metadata | Turn::VerifyCluster | Turn::Switchover => false,
    }
}

fn one_phase_an_index(plan: &Plan, parts: &[Part<'_>], findings: &mut Vec<Diagnostic>) {
    for (index, first) in parts.iter().enumerate() {
        for second in &parts[index + 1..] {
            if first.turn != second.turn || first.target != second.target {
                continue;
            }
            if one_after_another(plan, first, second) {
                continue;
            }
            let common = match (first.indices, second.indices) {
                (Some(left), Some(right)) => overlap(left, right),
                _ => Overlap::Definite("*".to_owned()),
            };
            let Overlap::Definite(common) = common else {
                continue;
            };
            let kind = first.phase.spec.kind().as_str();
            let (left, right) = (&first.phase.address, &second.phase.address);
            let what = if first.turn == Turn::Switchover {
                format!("`{}`", first.target)
            } else {
                format!("index `{common}` of `{}`", first.target)
            };
            findings.push(
                Diagnostic::new(
                    codes::ONE_PHASE_AN_INDEX,
                    format!("`{left}` and `{right}` are both a {kind} of {what}"),
                )
                .at(second.phase.location)
                .related(
                    first.phase.location,
                    format!("`{left}` is the other {kind}"),
                )
                .help(if first.turn == Turn::Switchover {
                    format!("remove `{left}` or `{right}`")
                } else {
                    format!("exclude it in one of them: `indices: [\"*\", \"!{common}\"]`")
                }),
            );
        }
    }
}

/// The snapshot phase that a part reads.
fn snapshot_of<'a>(plan: &Plan, part: &Part<'a>) -> Option<&'a Address> {
    let (_, reference) = edges::reads(part.phase)?;
    plan.phases
        .contains_key(&reference.value)
        .then_some(&reference.value)
}

fn reference_place(part: &Part<'_>) -> crate::plan::location::Location {
    edges::reads(part.phase).map_or(part.phase.location, |(_, reference)| reference.location)
}

/// Metadata, documents and proof of one index come from one snapshot.
fn one_snapshot_a_target(plan: &Plan, parts: &[Part<'_>], findings: &mut Vec<Diagnostic>) {
    for docs in parts.iter().filter(|part| part.turn == Turn::Backfill) {
        let snapshot = snapshot_of(plan, docs);
        let makers: Vec<&Part<'_>> = parts
            .iter()
            .filter(|part| part.turn == Turn::Metadata && part.may_meet(docs))
            .collect();
        let address = &docs.phase.address;
        if makers.is_empty() {
            findings.push(
                Diagnostic::new(
                    codes::BACKFILL_WITHOUT_METADATA,
                    format!(
                        "no metadata phase makes the indices that `{address}` writes to `{}`",
                        docs.target
                    ),
                )
                .at(docs.phase.location)
                .help(format!(
                    "add `metadata: {{ from: {}, to: {} }}`, unless the indices are there already",
                    snapshot.map_or("…", Address::as_str),
                    docs.target
                )),
            );
        } else if !makers
            .iter()
            .any(|maker| made_for(plan, docs, snapshot_of(plan, maker), snapshot))
        {
            let maker = makers[0];
            findings.push(
                Diagnostic::new(
                    codes::TWO_SNAPSHOTS,
                    format!(
                        "`{address}` reads snapshot `{}` and `{}` made its indices from `{}`",
                        snapshot.map_or("?", Address::as_str),
                        maker.phase.address,
                        snapshot_of(plan, maker).map_or("?", Address::as_str),
                    ),
                )
                .at(reference_place(docs))
                .related(reference_place(maker), "the metadata comes from here")
                .help("let both read one snapshot"),
            );
        }
    }
}

/// Whether indices that were made from one snapshot are made for documents of another: of the same one, or of one in a chain
/// of loads with it.
fn made_for(
    plan: &Plan,
    docs: &Part<'_>,
    made: Option<&Address>,
    loaded: Option<&Address>,
) -> bool {
    made == loaded
        || made
            .zip(loaded)
            .is_some_and(|(made, loaded)| plan.one_chain_of_snapshots(docs.target, made, loaded))
}

/// A proof is a proof of what was loaded, and nothing goes live without one.
fn proofs(plan: &Plan, parts: &[Part<'_>], findings: &mut Vec<Diagnostic>) {
    for proof in parts
        .iter()
        .filter(|part| part.turn == Turn::VerifySnapshot)
    {
        let snapshot = snapshot_of(plan, proof);
        let loads: Vec<&Part<'_>> = parts
            .iter()
            .filter(|part| part.turn == Turn::Backfill && part.may_meet(proof))
            .collect();
        if let [load, ..] = loads.as_slice()
            && !loads.iter().any(|load| snapshot_of(plan, load) == snapshot)
        {
            let loaded = snapshot_of(plan, load).map_or("?", Address::as_str);
            findings.push(
                Diagnostic::new(
                    codes::PROOF_OF_ANOTHER_SNAPSHOT,
                    format!(
                        "`{}` verifies against snapshot `{}`, but `{}` loads snapshot `{loaded}`",
                        proof.phase.address,
                        snapshot.map_or("?", Address::as_str),
                        load.phase.address,
                    ),
                )
                .at(reference_place(proof))
                .related(reference_place(load), "the documents come from here")
                .help(format!("write `source: {loaded}`")),
            );
        }
    }
    for live in parts.iter().filter(|part| part.turn == Turn::Switchover) {
        let proved = parts.iter().any(|part| {
            matches!(part.turn, Turn::VerifySnapshot | Turn::VerifyCluster)
                && part.target == live.target
        });
        if !proved {
            findings.push(
                Diagnostic::new(
                    codes::LIVE_WITHOUT_PROOF,
                    format!(
                        "`{}` makes `{}` live and no phase verifies it",
                        live.phase.address, live.target
                    ),
                )
                .at(live.phase.location)
                .help(format!(
                    "add `verify: {{ source: <snapshot phase>, target: {} }}`",
                    live.target
                )),
            );
        }
    }
}

/// Documents don't go back into the cluster that they were taken of.
fn round_trips(plan: &Plan, parts: &[Part<'_>], findings: &mut Vec<Diagnostic>) {
    for part in parts.iter().filter(|part| part.turn <= Turn::Backfill) {
        let origin = snapshot_of(plan, part)
            .and_then(|address| plan.phases.get(address))
            .and_then(edges::taken_of);
        if let Some((cluster, _)) = origin
            && cluster == part.target
        {
            findings.push(
                Diagnostic::new(
                    codes::INTO_ITS_OWN_SOURCE,
                    format!(
                        "`{}` writes to `{cluster}`, the cluster that its snapshot is taken of",
                        part.phase.address
                    ),
                )
                .at(part.phase.location)
                .help("name another cluster under `to`"),
            );
        }
    }
}

fn idle_gates(plan: &Plan, edges: &Gathered, findings: &mut Vec<Diagnostic>) {
    for (address, phase) in &plan.phases {
        if matches!(phase.spec, PhaseSpec::Gate(_))
            && !edges.keys().any(|(from, _)| from == address)
        {
            findings.push(
                Diagnostic::new(
                    codes::IDLE_GATE,
                    format!("nothing waits for gate `{address}`"),
                )
                .at(phase.location)
                .help(format!(
                    "add `after: [{}]` to the phase that has to wait",
                    address.leaf()
                )),
            );
        }
    }
}
