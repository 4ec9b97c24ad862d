//! Cycles, told so that they can be mended: every phase of one with its place and the reason why it waits.
//!
//! Relies on petgraph for the strongly connected components. Deliberately absent: breaking a cycle; only the user can.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::tarjan_scc;

use super::compile::digraph;
use super::edges::Gathered;
use super::model::EdgeReason;
use crate::base::Address;
use crate::plan::codes::graph as codes;
use crate::plan::diagnostics::Diagnostic;
use crate::plan::model::Plan;

/// Tells every cycle; whether there is one.
pub(super) fn find(plan: &Plan, edges: &Gathered, findings: &mut Vec<Diagnostic>) -> bool {
    let graph = digraph(edges);
    let mut found = false;
    for component in tarjan_scc(&graph) {
        let members: BTreeSet<&str> = component.into_iter().collect();
        if let Some(cycle) = shortest(&members, edges) {
            findings.push(told(plan, edges, &cycle));
            found = true;
        }
    }
    found
}

/// A shortest cycle through the first member that lies on one: `[a, b, c]` where each comes before the next and `c`
/// before `a`.
fn shortest(members: &BTreeSet<&str>, edges: &Gathered) -> Option<Vec<Address>> {
    let start = *members.first()?;
    let mut came_from = BTreeMap::<&str, &str>::new();
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for (from, to) in edges.keys() {
            if from.as_str() != at || !members.contains(to.as_str()) {
                continue;
            }
            if to.as_str() == start {
                let mut cycle = vec![at];
                let mut step = at;
                while let Some(before) = came_from.get(step) {
                    cycle.push(before);
                    step = before;
                }
                cycle.reverse();
                return Some(cycle.into_iter().map(Address::from).collect());
            }
            if to.as_str() != start && !came_from.contains_key(to.as_str()) {
                came_from.insert(to.as_str(), at);
                open.push_back(to.as_str());
            }
        }
    }
    None
}

fn told(plan: &Plan, edges: &Gathered, cycle: &[Address]) -> Diagnostic {
    let steps: Vec<(&Address, &Address)> = cycle.iter().zip(cycle.iter().cycle().skip(1)).collect();
    let chain: Vec<String> = cycle
        .iter()
        .chain(cycle.first())
        .map(|address| format!("`{address}`"))
        .collect();
    let message = match cycle {
        [only] => format!("phase `{only}` waits for itself"),
        _ => format!("phases wait for each other: {}", chain.join(" → ")),
    };
    let mut finding = Diagnostic::new(codes::CYCLE, message);
    let mut mend = None;
    for (index, (from, to)) in steps.into_iter().enumerate() {
        let reasons: Vec<String> = edges
            .get(&(from.clone(), to.clone()))
            .into_iter()
            .flatten()
            .map(EdgeReason::words)
            .collect();
        let by_after = edges
            .get(&(from.clone(), to.clone()))
            .is_some_and(|reasons| reasons.iter().all(|reason| *reason == EdgeReason::After));
        if by_after && mend.is_none() {
            mend = Some(format!("take `{from}` out of `after` of `{to}`"));
        }
        let Some(phase) = plan.phases.get(to) else {
            continue;
        };
        let place = phase
            .after
            .iter()
            .find(|earlier| by_after && earlier.value == *from)
            .map_or(phase.location, |earlier| earlier.location);
        let text = format!("`{to}` waits for `{from}`: {}", reasons.join(" and "));
        if index == 0 {
            finding = finding.at(place);
        }
        finding = finding.related(place, text);
    }
    finding.help_if(mend)
}
