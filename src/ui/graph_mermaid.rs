//! The graph as mermaid: what GitHub and GitLab draw by themselves.
//!
//! Pure. Deliberately absent: colours; a drawing has to be read in light and dark themes alike.

use std::collections::BTreeMap;

use super::layout::put;
use crate::base::Address;
use crate::graph::Graph;

/// `flowchart LR`, each node with its label's lines, each edge with its reason in words.
pub fn graph_mermaid(graph: &Graph, label: &dyn Fn(&Address) -> Vec<String>) -> String {
    let ids: BTreeMap<&Address, usize> = graph.order.iter().zip(1..).collect();
    let mut out = String::from("flowchart LR\n");
    for (address, id) in graph.order.iter().zip(1..) {
        let lines: Vec<String> = label(address).iter().map(|line| escape(line)).collect();
        put!(out, "  p{id}[\"{}\"]\n", lines.join("<br/>"));
    }
    for edge in &graph.edges {
        if let (Some(from), Some(to)) = (ids.get(&edge.from), ids.get(&edge.to)) {
            let words = escape(&edge.words());
            put!(out, "  p{from} -->|\"{words}\"| p{to}\n");
        }
    }
    out
}

/// Mermaid takes entities and nothing else inside a quoted text.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '#' => out.push_str("#35;"),
            '`' => out.push('\''),
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}
