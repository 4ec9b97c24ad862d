//! The compiled graph.

use std::collections::BTreeSet;

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
    /// A backfill builds upon what it loads or proves: a later snapshot is taken when that is done.
    Base(Address),
    /// `after:`
    After,
}

impl EdgeReason {
    /// Why, in words that fit behind "waits for … :" and on the edge of a drawing.
    pub fn words(&self) -> String {
        match self {
            Self::Reference(field) => format!("reads it (`{field}`)"),
            Self::SharedTarget(target) => format!("same indices of {target}"),
            Self::GateOfCluster(cluster) => format!("gate before {cluster} is read"),
            Self::PreviousHop(hop) => format!("hop {hop} first"),
            Self::Base(delta) => format!("stands before `{delta}` catches up"),
            Self::After => "named in `after`".to_owned(),
        }
    }
}

impl Edge {
    /// All reasons in words.
    pub fn words(&self) -> String {
        let words: Vec<String> = self.reasons.iter().map(EdgeReason::words).collect();
        words.join(", ")
    }
}

impl Graph {
    /// `addresses` and all that they need, directly or not.
    pub fn with_needs<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> BTreeSet<Address> {
        self.closure(addresses, |edge| (&edge.to, &edge.from))
    }

    /// `addresses` and all that waits for them, directly or not.
    pub fn with_dependents<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> BTreeSet<Address> {
        self.closure(addresses, |edge| (&edge.from, &edge.to))
    }

    fn closure<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a Address>,
        ends: impl Fn(&Edge) -> (&Address, &Address),
    ) -> BTreeSet<Address> {
        let mut open: Vec<Address> = addresses.into_iter().cloned().collect();
        let mut reached = BTreeSet::new();
        while let Some(address) = open.pop() {
            if !reached.insert(address.clone()) {
                continue;
            }
            for edge in &self.edges {
                let (at, next) = ends(edge);
                if *at == address {
                    open.push(next.clone());
                }
            }
        }
        reached
    }

    /// The phases that `address` directly waits for.
    pub fn needs<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a Address> {
        self.edges
            .iter()
            .filter(move |edge| edge.to == *address)
            .map(|edge| &edge.from)
    }
}
