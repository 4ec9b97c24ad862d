//! Where each phase of a run stands, and which may begin. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Tally;
use crate::base::Address;
use crate::diff::change::{Action, PhaseChange};
use crate::graph::model::Graph;

/// Where a phase stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Not begun.
    Pending,
    /// Being looked at, or running.
    Active,
    /// This run completed it.
    Done,
    /// There was nothing to do.
    UpToDate,
    /// What it did has changed on the outside; it is told and left alone.
    Drifted,
    /// It failed.
    Failed,
    /// It waits for a person.
    Waiting,
    /// It stopped at a checkpoint.
    Interrupted,
    /// It was not begun, and will not be in this run.
    Skipped(String),
    /// It is no part of this run; whether those behind it may go on.
    Outside {
        /// It is up to date.
        fulfilled: bool,
    },
}

/// Whether a phase that would do this stands in nobody's way: nothing is to do, or drift is only told.
pub(crate) fn settled(action: Action) -> bool {
    action.is_noop() || action == Action::Decide
}

/// All phases of a run.
pub(super) struct Nodes<'a> {
    graph: &'a Graph,
    nodes: BTreeMap<Address, Node>,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        selected: &BTreeSet<Address>,
        approved: &BTreeMap<Address, PhaseChange>,
    ) -> Self {
        let node = |address: &Address| {
            if selected.contains(address) {
                return Node::Pending;
            }
            let fulfilled = approved
                .get(address)
                .is_some_and(|change| settled(change.action));
            Node::Outside { fulfilled }
        };
        let nodes = graph
            .order
            .iter()
            .map(|address| (address.clone(), node(address)))
            .collect();
        Self { graph, nodes }
    }

    pub(super) fn set(&mut self, address: &Address, node: Node) {
        self.nodes.insert(address.clone(), node);
    }

    pub(super) fn active(&self) -> usize {
        self.nodes
            .values()
            .filter(|node| **node == Node::Active)
            .count()
    }

    pub(super) fn pending(&self) -> Vec<Address> {
        let pending = |address: &&Address| self.nodes.get(*address) == Some(&Node::Pending);
        self.graph.order.iter().filter(pending).cloned().collect()
    }

    /// Whether a phase that it needs was run by this run.
    pub(super) fn behind_a_run(&self, address: &Address) -> bool {
        let mut open: Vec<&Address> = self.graph.needs(address).collect();
        let mut seen = BTreeSet::new();
        while let Some(need) = open.pop() {
            if self.nodes.get(need) == Some(&Node::Done) {
                return true;
            }
            if seen.insert(need) {
                open.extend(self.graph.needs(need));
            }
        }
        false
    }

    /// Pending phases that can't begin in this run any more, with the reason, and those that may begin now.
    pub(super) fn advance(&self) -> (Vec<(Address, String)>, Vec<Address>) {
        let mut blocked = Vec::new();
        let mut ready = Vec::new();
        for address in self.pending() {
            let needs = self.graph.needs(&address).filter_map(|need| {
                let node = self.nodes.get(need)?;
                Some((need, node))
            });
            let mut waits = false;
            let mut because = None;
            for (need, node) in needs {
                match node {
                    Node::Done
                    | Node::UpToDate
                    | Node::Drifted
                    | Node::Outside { fulfilled: true } => {}
                    Node::Pending | Node::Active => waits = true,
                    Node::Failed => because = Some(format!("`{need}` failed")),
                    Node::Waiting => because = Some(format!("`{need}` waits for approval")),
                    Node::Interrupted => because = Some(format!("`{need}` was interrupted")),
                    Node::Skipped(_) => because = Some(format!("`{need}` was not done")),
                    Node::Outside { fulfilled: false } => {
                        because = Some(format!(
                            "`{need}` is not up to date and not part of this run"
                        ));
                    }
                }
            }
            match because {
                Some(because) => blocked.push((address, because)),
                None if waits => {}
                None => ready.push(address),
            }
        }
        (blocked, ready)
    }

    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for address in &self.graph.order {
            match self.nodes.get(address) {
                Some(Node::Done) => tally.done.push(address.clone()),
                Some(Node::UpToDate) => tally.up_to_date.push(address.clone()),
                Some(Node::Drifted) => tally.drifted.push(address.clone()),
                Some(Node::Failed) => tally.failed.push(address.clone()),
                Some(Node::Waiting) => tally.waiting.push(address.clone()),
                Some(Node::Interrupted) => tally.interrupted.push(address.clone()),
                Some(Node::Skipped(because)) => {
                    tally.skipped.insert(address.clone(), because.clone());
                }
                _ => {}
            }
        }
        tally
    }
}
