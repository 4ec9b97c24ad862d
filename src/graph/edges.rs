//! Where edges come from: references, `after`, shared indices of one target, gates and hops.
//!
//! Relies on `overlap`. Deliberately absent: judging what comes out (that is `invariants`' and `cycles`').

use std::collections::{BTreeMap, BTreeSet};

use super::model::EdgeReason;
use super::overlap::overlap;
use crate::base::Address;
use crate::plan::model::{GateSpec, Phase, PhaseSpec, Plan, Proves, SnapshotSpec};
use crate::plan::selector::Selector;

/// Edges while they are gathered: (from, to) → reasons, each once.
pub(super) type Gathered = BTreeMap<(Address, Address), BTreeSet<EdgeReason>>;

/// What a phase does with the indices of a target, in the order in which it must happen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Metadata makes the indices.
    Metadata,
    /// Backfill writes the documents.
    Backfill,
    /// A snapshot is compared with them.
    VerifySnapshot,
    /// A live cluster is compared with them.
    VerifyCluster,
    /// They go live.
    Switchover,
}

/// A phase's part in the life of a target's indices.
pub(super) struct Part<'a> {
    pub(super) phase: &'a Phase,
    pub(super) target: &'a Address,
    pub(super) turn: Turn,
    pub(super) indices: Option<&'a Selector>,
    /// How many loads of the same indices go before, where they build upon each other (`since`).
    pub(super) step: u32,
}

impl Part<'_> {
    /// The place in the order of a target: each load is proved before the next one builds upon it.
    fn place(&self) -> (u8, u32, Turn) {
        match self.turn {
            Turn::Metadata if self.step == 0 => (0, 0, self.turn),
            Turn::Metadata | Turn::Backfill | Turn::VerifySnapshot => (1, self.step, self.turn),
            Turn::VerifyCluster | Turn::Switchover => (2, 0, self.turn),
        }
    }

    /// Whether both may work on one index of one target.
    pub(super) fn may_meet(&self, other: &Part<'_>) -> bool {
        self.target == other.target
            && match (self.indices, other.indices) {
                (Some(left), Some(right)) => overlap(left, right).may(),
                // A switchover is about the whole target.
                _ => true,
            }
    }
}

/// The parts of all phases that work on targets, by address.
pub(super) fn parts(plan: &Plan) -> Vec<Part<'_>> {
    plan.phases
        .values()
        .filter_map(|phase| {
            let (target, turn, indices) = match &phase.spec {
                PhaseSpec::Metadata(it) => {
                    (&it.to.value, Turn::Metadata, Some(&it.include.indices))
                }
                PhaseSpec::Backfill(it) => (&it.to.value, Turn::Backfill, Some(&it.indices)),
                PhaseSpec::Verify(it) => {
                    let turn = if plan.phases.contains_key(&it.source.value) {
                        Turn::VerifySnapshot
                    } else {
                        Turn::VerifyCluster
                    };
                    (&it.target.value, turn, Some(&it.indices))
                }
                PhaseSpec::Switchover(it) => (&it.to.value, Turn::Switchover, None),
                PhaseSpec::Snapshot(_) | PhaseSpec::Gate(_) => return None,
            };
            Some(Part {
                phase,
                target,
                turn,
                indices,
                step: step(plan, phase, target),
            })
        })
        .collect()
}

/// How many loads go before what a phase loads, proves or makes indices for.
fn step(plan: &Plan, phase: &Phase, target: &Address) -> u32 {
    if let PhaseSpec::Backfill(spec) = &phase.spec {
        return plan.depth_of(spec).unwrap_or(0);
    }
    let Some((_, snapshot)) = reads(phase) else {
        return 0;
    };
    // Metadata of a snapshot that is there already makes indices before all loads.
    let taken = plan.phases.get(&snapshot.value).and_then(taken_of);
    if matches!(phase.spec, PhaseSpec::Metadata(_)) && taken.is_none() {
        return 0;
    }
    let loads = plan.phases.values().filter_map(|load| match &load.spec {
        PhaseSpec::Backfill(spec)
            if spec.to.value == *target && spec.from.value == snapshot.value =>
        {
            plan.depth_of(spec)
        }
        _ => None,
    });
    loads.max().unwrap_or(0)
}

/// A snapshot that is taken to catch up with the source comes after the load that it builds upon, and after that one's proof:
/// what changes until then is in it. Unless the user has written that it comes before.
pub(super) fn later_snapshots(
    plan: &Plan,
    leads_to: &dyn Fn(&Address, &Address) -> bool,
    edges: &mut Gathered,
) {
    for (address, phase) in &plan.phases {
        let PhaseSpec::Backfill(delta) = &phase.spec else {
            continue;
        };
        let later = &delta.from.value;
        if plan.phases.get(later).and_then(taken_of).is_none() || plan.depth_of(delta).is_none() {
            continue;
        }
        for (load, base) in plan.bases_of(delta) {
            if base.from.value == *later {
                continue;
            }
            let proofs = plan.phases.values().filter(|proof| match &proof.spec {
                PhaseSpec::Verify(verify) => {
                    verify.target.value == base.to.value && verify.source.value == base.from.value
                }
                _ => false,
            });
            let before = proofs
                .map(|proof| &proof.address)
                .chain([load, &base.from.value]);
            for before in before {
                if !leads_to(later, before) {
                    add(edges, before, later, EdgeReason::Base(address.clone()));
                }
            }
        }
    }
}

/// The phase that a phase reads, with the field that names it.
pub(super) fn reads(phase: &Phase) -> Option<(&'static str, &crate::plan::model::Ref)> {
    match &phase.spec {
        PhaseSpec::Metadata(it) => Some(("from", &it.from)),
        PhaseSpec::Backfill(it) => Some(("from", &it.from)),
        PhaseSpec::Verify(it) => Some(("source", &it.source)),
        PhaseSpec::Snapshot(_) | PhaseSpec::Gate(_) | PhaseSpec::Switchover(_) => None,
    }
}

/// What the user wrote: references and `after`.
pub(super) fn written(plan: &Plan, edges: &mut Gathered) {
    for (address, phase) in &plan.phases {
        if let Some((field, reference)) = reads(phase)
            && plan.phases.contains_key(&reference.value)
        {
            add(
                edges,
                &reference.value,
                address,
                EdgeReason::Reference(field.to_owned()),
            );
        }
        if let PhaseSpec::Backfill(spec) = &phase.spec
            && let Some(since) = &spec.since
            && plan.phases.contains_key(&since.value)
        {
            let reason = EdgeReason::Reference("since".to_owned());
            add(edges, &since.value, address, reason);
        }
        for earlier in &phase.after {
            if plan.phases.contains_key(&earlier.value) {
                add(edges, &earlier.value, address, EdgeReason::After);
            }
        }
    }
}

/// On the same index of the same target the turns follow each other. `not_from`: phases whose usual place the user turned
/// round, which is told already.
pub(super) fn shared_targets(
    parts: &[Part<'_>],
    not_from: &BTreeSet<Address>,
    edges: &mut Gathered,
) {
    for earlier in parts {
        for later in parts {
            if earlier.place() < later.place() && earlier.may_meet(later) {
                let (from, to) = (&earlier.phase.address, &later.phase.address);
                if !not_from.contains(from) {
                    let reason = EdgeReason::SharedTarget(earlier.target.clone());
                    add(edges, from, to, reason);
                }
            }
        }
    }
}

/// A snapshot of a cluster that the plan itself fills comes after all that is done there, unless the user has written
/// that it comes before (a safety copy of a target is such a case).
pub(super) fn snapshots_of_targets(
    plan: &Plan,
    parts: &[Part<'_>],
    leads_to: &dyn Fn(&Address, &Address) -> bool,
    edges: &mut Gathered,
) {
    for (address, phase) in &plan.phases {
        let Some((cluster, indices)) = taken_of(phase) else {
            continue;
        };
        for part in parts.iter().filter(|part| part.target == cluster) {
            let filled = part.turn < Turn::Switchover
                && part
                    .indices
                    .is_none_or(|selector| overlap(selector, indices).may());
            if filled && !leads_to(address, &part.phase.address) {
                let reason = EdgeReason::SharedTarget(cluster.clone());
                add(edges, &part.phase.address, address, reason);
            }
        }
    }
}

/// The cluster and the indices of a phase that takes a snapshot.
pub(super) fn taken_of(phase: &Phase) -> Option<(&Address, &Selector)> {
    match &phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, indices, .. }) => Some((&of.value, indices)),
        _ => None,
    }
}

/// A gate that stands at the beginning (it waits for nothing and nothing names it) holds back the snapshots of its hop,
/// or of the whole plan: it can only be meant for what comes first, and a snapshot is what makes the rest final.
pub(super) fn leading_gates(plan: &Plan, edges: &mut Gathered) {
    let named: BTreeSet<&Address> = named_by_after(plan);
    for gate in plan.phases.values() {
        if !matches!(gate.spec, PhaseSpec::Gate(_))
            || !gate.after.is_empty()
            || named.contains(&gate.address)
        {
            continue;
        }
        for (address, phase) in &plan.phases {
            let same_hop = gate
                .address
                .hop()
                .is_none_or(|hop| address.hop() == Some(hop));
            if let Some((cluster, _)) = taken_of(phase)
                && same_hop
            {
                let reason = EdgeReason::GateOfCluster(cluster.clone());
                add(edges, &gate.address, address, reason);
            }
        }
    }
}

/// A gate that proves a cluster quiet comes before the snapshots of that cluster, unless the user has written that it comes
/// after (a gate before a switchover is such a case).
pub(super) fn quiet_gates(
    plan: &Plan,
    leads_to: &dyn Fn(&Address, &Address) -> bool,
    edges: &mut Gathered,
) {
    for gate in plan.phases.values() {
        let PhaseSpec::Gate(GateSpec {
            proves: Some(Proves::SourceQuiet(quiet)),
            ..
        }) = &gate.spec
        else {
            continue;
        };
        for (address, phase) in &plan.phases {
            if let Some((cluster, _)) = taken_of(phase)
                && quiet.of.as_ref().is_some_and(|of| of.value == *cluster)
                && !leads_to(address, &gate.address)
            {
                let reason = EdgeReason::GateOfCluster(cluster.clone());
                add(edges, &gate.address, address, reason);
            }
        }
    }
}

/// All phases that some `after` names.
pub(super) fn named_by_after(plan: &Plan) -> BTreeSet<&Address> {
    plan.phases
        .values()
        .flat_map(|phase| phase.after.iter().map(|earlier| &earlier.value))
        .collect()
}

/// A hop starts when the one before it is verified: its first phases wait for the verifications and the last gates of
/// the hop before, or for all that ends that hop where nothing is verified.
pub(super) fn hops(plan: &Plan, edges: &mut Gathered) {
    for pair in plan.hops.windows(2) {
        let [before, next] = pair else { continue };
        let of_hop = |name: &str| -> Vec<&Phase> {
            plan.phases
                .values()
                .filter(|phase| phase.address.hop() == Some(name))
                .collect()
        };
        let inside = |address: &Address, name: &str| address.hop() == Some(name);
        let sinks: Vec<&Phase> = of_hop(&before.name)
            .into_iter()
            .filter(|phase| {
                !edges.keys().any(|(from, to)| {
                    *from == phase.address && inside(to, &before.name) && !is_switchover(plan, to)
                })
            })
            .filter(|phase| !is_switchover(plan, &phase.address))
            .collect();
        let proofs: Vec<&Phase> = sinks
            .iter()
            .copied()
            .filter(|phase| matches!(phase.spec, PhaseSpec::Verify(_) | PhaseSpec::Gate(_)))
            .collect();
        let last = if proofs.is_empty() { sinks } else { proofs };
        let roots: Vec<Address> = of_hop(&next.name)
            .into_iter()
            .map(|phase| phase.address.clone())
            .filter(|address| {
                !edges
                    .keys()
                    .any(|(from, to)| to == address && inside(from, &next.name))
            })
            .collect();
        for from in last {
            for to in &roots {
                let reason = EdgeReason::PreviousHop(before.name.clone());
                add(edges, &from.address, to, reason);
            }
        }
    }
}

fn is_switchover(plan: &Plan, address: &Address) -> bool {
    plan.phases
        .get(address)
        .is_some_and(|phase| matches!(phase.spec, PhaseSpec::Switchover(_)))
}

fn add(edges: &mut Gathered, from: &Address, to: &Address, reason: EdgeReason) {
    edges
        .entry((from.clone(), to.clone()))
        .or_default()
        .insert(reason);
}
