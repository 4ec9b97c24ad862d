//! The graph in the language of Graphviz.

use super::layout::put;
use crate::base::Address;
use crate::graph::Graph;

/// `digraph`, each node with its label's lines, each edge with its reason in words.
pub fn graph_dot(name: &str, graph: &Graph, label: &dyn Fn(&Address) -> Vec<String>) -> String {
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n",
        quote(name)
    );
    for address in &graph.order {
        let lines = label(address).join("\n");
        put!(
            out,
            "  {} [label={}];\n",
            quote(address.as_str()),
            quote(&lines)
        );
    }
    for edge in &graph.edges {
        put!(
            out,
            "  {} -> {} [label={}];\n",
            quote(edge.from.as_str()),
            quote(edge.to.as_str()),
            quote(&edge.words())
        );
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}
