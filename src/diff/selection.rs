//! `--only`, `--until`, `--from`, `--redo`: which phases of the graph a run is about.
//!
//! Relies on the graph. A selection never drops what a chosen phase needs in silence: `--only` keeps the needs out, and
//! the result says which of them are out, so that the caller can tell whether they are up to date.

use std::collections::BTreeSet;

use super::planned::SelectionNote;
use crate::base::Address;
use crate::graph::Graph;
use crate::plan::diagnostics::did_you_mean;

/// As given on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These phases alone.
    pub only: Vec<String>,
    /// These and all that they need.
    pub until: Vec<String>,
    /// These and all that waits for them.
    pub from: Vec<String>,
    /// These again, though they are up to date. Chooses nothing by itself.
    pub redo: Vec<String>,
}

/// What a selection means for a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// In the order of execution.
    pub phases: Vec<Address>,
    /// To do again.
    pub redo: BTreeSet<Address>,
    /// Phases that a selected one directly waits for and that are not selected: (waits, needed).
    pub unmet: Vec<(Address, Address)>,
    /// For the header; absent when everything is selected.
    pub note: Option<SelectionNote>,
}

/// Applies a selection. The error names an unknown phase and the one that was most likely meant.
pub fn select(graph: &Graph, selection: &Selection) -> Result<Selected, String> {
    let only = known(graph, "--only", &selection.only)?;
    let until = known(graph, "--until", &selection.until)?;
    let from = known(graph, "--from", &selection.from)?;
    let redo = known(graph, "--redo", &selection.redo)?;
    let mut chosen: BTreeSet<Address> = graph.order.iter().cloned().collect();
    let mut keep = |set: BTreeSet<Address>| chosen.retain(|address| set.contains(address));
    // Several options narrow each other: `--from a --until b` is what lies between.
    if !only.is_empty() {
        keep(only);
    }
    if !until.is_empty() {
        keep(graph.with_needs(&until));
    }
    if !from.is_empty() {
        keep(graph.with_dependents(&from));
    }
    let phases: Vec<Address> = graph
        .order
        .iter()
        .filter(|address| chosen.contains(*address))
        .cloned()
        .collect();
    let unmet = graph
        .edges
        .iter()
        .filter(|edge| chosen.contains(&edge.to) && !chosen.contains(&edge.from))
        .map(|edge| (edge.to.clone(), edge.from.clone()))
        .collect();
    Ok(Selected {
        note: note(graph, selection, &phases),
        phases,
        redo,
        unmet,
    })
}

fn note(graph: &Graph, selection: &Selection, phases: &[Address]) -> Option<SelectionNote> {
    let options = [
        ("--only", &selection.only),
        ("--until", &selection.until),
        ("--from", &selection.from),
        ("--redo", &selection.redo),
    ];
    let asked: Vec<String> = options
        .iter()
        .flat_map(|(option, names)| names.iter().map(move |name| format!("{option} {name}")))
        .collect();
    (!asked.is_empty()).then(|| SelectionNote {
        asked,
        selected: phases.to_vec(),
        left_out: graph
            .order
            .iter()
            .filter(|address| !phases.contains(address))
            .cloned()
            .collect(),
    })
}

/// A name is an address, or a hop, which stands for all its phases.
fn known(graph: &Graph, option: &str, names: &[String]) -> Result<BTreeSet<Address>, String> {
    let mut found = BTreeSet::new();
    for name in names {
        let matching: Vec<&Address> = graph
            .order
            .iter()
            .filter(|address| address.as_str() == name || address.hop() == Some(name))
            .collect();
        if matching.is_empty() {
            // An arrow says that a hop was meant.
            let names = graph.order.iter();
            let hint = if name.contains("->") && !name.contains('/') {
                did_you_mean(name, names.filter_map(Address::hop))
            } else {
                did_you_mean(name, names.map(Address::as_str))
            };
            let hint = hint
                .map(|meant| format!(": did you mean `{meant}`?"))
                .unwrap_or_default();
            return Err(format!(
                "{option}: the plan has no phase or hop `{name}`{hint}"
            ));
        }
        found.extend(matching.into_iter().cloned());
    }
    Ok(found)
}
