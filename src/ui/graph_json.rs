//! The graph as JSON, reasons both as values and in words.

use serde_json::json;

use crate::base::Address;
use crate::graph::Graph;
use crate::plan::model::Plan;

/// `order`, `phases` with their kinds, `edges`.
pub fn graph_json(plan: &Plan, graph: &Graph) -> String {
    let phases: Vec<_> = graph
        .order
        .iter()
        .filter_map(|address| plan.phases.get(address))
        .map(|phase| json!({ "address": phase.address, "kind": phase.spec.kind() }))
        .collect();
    let edges: Vec<_> = graph
        .edges
        .iter()
        .map(|edge| {
            json!({
                "from": edge.from,
                "to": edge.to,
                "reasons": edge.reasons,
                "words": edge.words(),
            })
        })
        .collect();
    let value = json!({
        "format_version": "1.0",
        "plan": plan.name,
        "order": graph.order,
        "phases": phases,
        "edges": edges,
    });
    format!("{value:#}\n")
}

/// The label of a phase for the drawings of `mig graph`: its name and its kind.
pub fn name_and_kind(plan: &Plan) -> impl Fn(&Address) -> Vec<String> + '_ {
    |address| {
        let kind = plan
            .phases
            .get(address)
            .map(|phase| phase.spec.kind().as_str().to_owned());
        std::iter::once(address.to_string()).chain(kind).collect()
    }
}
