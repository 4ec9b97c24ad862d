//! The compiled graph.

use serde::{Deserialize, Serialize};

use crate::base::Address;

/// Phases in the order of execution, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// All phases; each comes after all that it needs. Ties are broken by kind, then by address.
    pub order: Vec<Address>,
    /// `from` is finished before `to` starts.
    pub edges: Vec<Edge>,
}

/// One dependency with all its reasons.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// What comes first.
    pub from: Address,
    /// What waits.
    pub to: Address,
    /// Why, at least one.
    pub reasons: Vec<EdgeReason>,
}

/// Why one phase waits for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeReason {
    /// A field names it: the field.
    Reference(String),
    /// Both work on the indices of one target: the target.
    SharedTarget(Address),
    /// A snapshot comes after the gate of its cluster: the cluster.
    GateOfCluster(Address),
    /// A hop starts when the one before it is done: that hop.
    PreviousHop(String),
    /// `after:`
    After,
}

impl Graph {
    /// The phases that `address` directly waits for.
    pub fn needs<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a Address> {
        self.edges
            .iter()
            .filter(move |edge| edge.to == *address)
            .map(|edge| &edge.from)
    }
}
