//! `compile`: gathers edges, checks invariants, names cycles, and fixes the one order.
//!
//! The order depends on addresses and kinds alone, never on the order of keys in a file. Deliberately absent: IO and time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::algo::has_path_connecting;
use petgraph::graphmap::DiGraphMap;

use super::edges::{self, Gathered};
use super::model::{Edge, EdgeReason, Graph};
use super::{cycles, invariants, rank};
use crate::base::Address;
use crate::plan::diagnostics::{self, Diagnostic};
use crate::plan::model::Plan;

/// Compiles a resolved plan. With an error among the findings the graph is for looking at, not for applying.
pub fn compile(plan: &Plan) -> (Graph, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let mut gathered = Gathered::new();
    edges::written(plan, &mut gathered);
    edges::leading_gates(plan, &mut gathered);
    let parts = edges::parts(plan);

    let written = digraph(&gathered);
    let leads_to = |from: &Address, to: &Address| {
        has_path_connecting(&written, from.as_str(), to.as_str(), None)
    };
    let writes_after_live = invariants::writes_after_live(&parts, &leads_to, &mut findings);
    let mut inferred = Gathered::new();
    edges::shared_targets(&parts, &writes_after_live, &mut inferred);
    edges::snapshots_of_targets(plan, &parts, &leads_to, &mut inferred);
    edges::quiet_gates(plan, &leads_to, &mut inferred);
    edges::later_snapshots(plan, &leads_to, &mut inferred);
    for (pair, reasons) in inferred {
        gathered.entry(pair).or_default().extend(reasons);
    }
    edges::hops(plan, &mut gathered);

    invariants::check(plan, &parts, &gathered, &mut findings);
    if !cycles::find(plan, &gathered, &mut findings) {
        reduce(&mut gathered);
    }
    diagnostics::sort(&mut findings);
    let graph = Graph {
        order: order(plan, &gathered),
        edges: gathered
            .into_iter()
            .map(|((from, to), reasons)| Edge {
                from,
                to,
                reasons: reasons.into_iter().collect(),
            })
            .collect(),
    };
    (graph, findings)
}

/// The edges for petgraph, nodes by name.
pub(super) fn digraph(edges: &Gathered) -> DiGraphMap<&str, ()> {
    edges
        .keys()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect()
}

/// Takes out inferred edges that a longer way implies, so that a graph shows what matters. What the user wrote stays.
fn reduce(edges: &mut Gathered) {
    let mut graph = BTreeMap::<Address, BTreeSet<Address>>::new();
    for (from, to) in edges.keys() {
        graph.entry(from.clone()).or_default().insert(to.clone());
    }
    let other_way = |from: &Address, to: &Address| {
        let mut open: Vec<&Address> = graph[from].iter().filter(|next| *next != to).collect();
        let mut seen = BTreeSet::new();
        while let Some(address) = open.pop() {
            if address == to {
                return true;
            }
            if seen.insert(address) {
                open.extend(graph.get(address).into_iter().flatten());
            }
        }
        false
    };
    edges.retain(|(from, to), reasons| {
        let written = reasons
            .iter()
            .any(|reason| matches!(reason, EdgeReason::Reference(_) | EdgeReason::After));
        written || !other_way(from, to)
    });
}

/// Kahn's order; among the phases that could be next the lowest (rank, address) is. In a cycle, which is an error told
/// elsewhere, the lowest of what is left goes on, so that the graph can still be shown.
fn order(plan: &Plan, edges: &Gathered) -> Vec<Address> {
    let key = |address: &Address| {
        let kind = plan.phases.get(address).map(|phase| phase.spec.kind());
        (kind.map_or(u8::MAX, rank::of), address.clone())
    };
    let mut waits: BTreeMap<&Address, usize> =
        plan.phases.keys().map(|address| (address, 0)).collect();
    let mut next = BTreeMap::<&Address, Vec<&Address>>::new();
    for (from, to) in edges.keys() {
        *waits.entry(to).or_default() += 1;
        next.entry(from).or_default().push(to);
    }
    let mut ready: BinaryHeap<_> = waits
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(address, _)| Reverse((key(address), *address)))
        .collect();
    let mut order = Vec::with_capacity(plan.phases.len());
    loop {
        let address = if let Some(Reverse((_, address))) = ready.pop() {
            address
        } else if let Some(address) = waits.keys().copied().min_by_key(|address| key(address)) {
            address
        } else {
            return order;
        };
        if waits.remove(address).is_none() {
            continue;
        }
        order.push(address.clone());
        for to in next.get(address).into_iter().flatten() {
            if let Some(count) = waits.get_mut(to) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.push(Reverse((key(to), to)));
                }
            }
        }
    }
}
