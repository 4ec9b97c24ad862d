//! Loads that build upon each other: a backfill with `since` moves what changed from the snapshot that another one loaded.
//! Pure.

use super::{BackfillSpec, Phase, PhaseSpec, Plan};
use crate::base::Address;

fn backfill(phase: &Phase) -> Option<(&Address, &BackfillSpec)> {
    match &phase.spec {
        PhaseSpec::Backfill(spec) => Some((&phase.address, spec)),
        _ => None,
    }
}

impl Plan {
    fn backfills(&self) -> impl Iterator<Item = (&Address, &BackfillSpec)> {
        self.phases.values().filter_map(backfill)
    }

    /// The backfills that load what this one builds upon; none of one without `since`.
    pub fn bases_of<'a>(
        &'a self,
        delta: &'a BackfillSpec,
    ) -> impl Iterator<Item = (&'a Address, &'a BackfillSpec)> {
        let since = delta.since.as_ref().map(|since| &since.value);
        self.backfills().filter(move |(_, base)| {
            since == Some(&base.from.value) && base.to.value == delta.to.value
        })
    }

    /// The one of them that loads an index, by its name at the source.
    pub fn base_of<'a>(
        &'a self,
        delta: &'a BackfillSpec,
        index: &str,
    ) -> Option<(&'a Address, &'a BackfillSpec)> {
        self.bases_of(delta)
            .find(|(_, base)| base.indices.matches(index))
    }

    /// The backfills that build upon what this one loads.
    pub fn deltas_upon<'a>(
        &'a self,
        base: &'a BackfillSpec,
    ) -> impl Iterator<Item = (&'a Address, &'a BackfillSpec)> {
        self.backfills().filter(move |(_, delta)| {
            delta.to.value == base.to.value
                && delta.since.as_ref().map(|since| &since.value) == Some(&base.from.value)
        })
    }

    /// How many loads a backfill builds upon, one after the other. `None`: they lead back to itself.
    pub fn depth_of(&self, spec: &BackfillSpec) -> Option<u32> {
        self.depth_within(spec, self.phases.len())
    }

    fn depth_within(&self, spec: &BackfillSpec, most: usize) -> Option<u32> {
        let most = most.checked_sub(1)?;
        let mut depth = 0;
        for (_, base) in self.bases_of(spec) {
            depth = depth.max(self.depth_within(base, most)? + 1);
        }
        Some(depth)
    }

    /// Whether one of two backfills builds upon the other, at whatever distance.
    pub fn one_chain(&self, one: &Address, other: &Address) -> bool {
        self.builds_upon(one, other, self.phases.len())
            || self.builds_upon(other, one, self.phases.len())
    }

    fn builds_upon(&self, delta: &Address, base: &Address, most: usize) -> bool {
        let Some((_, spec)) = self.phases.get(delta).and_then(backfill) else {
            return false;
        };
        most > 0
            && self
                .bases_of(spec)
                .any(|(address, _)| address == base || self.builds_upon(address, base, most - 1))
    }

    /// Whether the snapshots of two phases are loaded to a target by backfills of which one builds upon the other.
    pub fn one_chain_of_snapshots(&self, to: &Address, one: &Address, other: &Address) -> bool {
        let loads = |snapshot: &Address| -> Vec<&Address> {
            self.backfills()
                .filter(|(_, spec)| spec.to.value == *to && spec.from.value == *snapshot)
                .map(|(address, _)| address)
                .collect()
        };
        let (ones, others) = (loads(one), loads(other));
        ones.iter()
            .any(|one| others.iter().any(|other| self.one_chain(one, other)))
    }
}
