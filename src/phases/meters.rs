//! The meters of the loads of a run, by phase: a phase fills its own, and who watches looks at all of them.
//!
//! Deliberately absent: anything that a decision could rest on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::Address;
use crate::engines::bulk::Meter;

/// See the module.
#[derive(Debug, Default)]
pub struct Meters(Mutex<BTreeMap<Address, Arc<Meter>>>);

impl Meters {
    /// The meter of a phase, made where there is none yet.
    pub fn of(&self, phase: &Address) -> Arc<Meter> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(phase.clone()).or_default())
    }

    /// The meter of a phase that has one.
    pub fn get(&self, phase: &Address) -> Option<Arc<Meter>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(phase).map(Arc::clone)
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<Address, Arc<Meter>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}
