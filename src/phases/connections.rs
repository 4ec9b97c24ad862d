//! Opened stores and targets, shared by all phases of a run; each is opened once.
//!
//! Relies on `clients` and `engines` for the opening. Deliberately absent: any decision about what is read or written.

use std::collections::BTreeMap;

use crate::base::Address;
use crate::diff::observation::Observation;
use crate::plan::model::{Cluster, Plan, Store};

/// What the phases of one run have opened, or the saved observations that stand in their place.
#[derive(Default)]
pub struct Connections {
    plan: String,
    lineage: String,
    stores: BTreeMap<Address, Store>,
    clusters: BTreeMap<Address, Cluster>,
    recorded: BTreeMap<Address, Observation>,
}

impl Connections {
    /// For the stores and clusters of a plan; nothing is opened before it is asked for.
    pub fn new(plan: &Plan, lineage: &str) -> Self {
        Self {
            plan: plan.name.clone(),
            lineage: lineage.to_owned(),
            stores: plan.stores.clone(),
            clusters: plan.clusters.clone(),
            recorded: BTreeMap::new(),
        }
    }

    /// Where observations come from a saved value: `observe` of these phases answers it and opens nothing.
    #[must_use]
    pub fn recorded(mut self, observations: BTreeMap<Address, Observation>) -> Self {
        self.recorded = observations;
        self
    }

    /// The saved observation of a phase.
    pub fn recorded_for(&self, address: &Address) -> Option<&Observation> {
        self.recorded.get(address)
    }

    /// The plan's name.
    pub fn plan_name(&self) -> &str {
        &self.plan
    }

    /// The lineage of the state.
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    /// The definition of a store.
    pub fn store(&self, address: &Address) -> Option<&Store> {
        self.stores.get(address)
    }

    /// The definition of a cluster.
    pub fn cluster(&self, address: &Address) -> Option<&Cluster> {
        self.clusters.get(address)
    }
}
