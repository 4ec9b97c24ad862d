//! A sorted table of the documents of the base that may have changed, found by a hash of 128 bits of their identity.

/// A document of the base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) identity: u128,
    pub(super) content: u128,
    pub(super) version: i64,
    pub(super) segment: u32,
    pub(super) doc: u32,
}

/// See the module.
pub(super) struct Identities {
    entries: Vec<Entry>,
}

impl Identities {
    /// Sorts them. `None`: two of them have one identity, which is no shard.
    pub(super) fn new(mut entries: Vec<Entry>) -> Option<Self> {
        entries.sort_unstable_by_key(|entry| entry.identity);
        let doubled = entries
            .windows(2)
            .any(|pair| pair[0].identity == pair[1].identity);
        (!doubled).then_some(Self { entries })
    }

    pub(super) fn find(&self, identity: u128) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by_key(&identity, |entry| entry.identity);
        self.entries.get(at.ok()?)
    }
}

/// Which of `passes` an identity belongs to.
pub(super) fn pass_of(identity: u128, passes: u64) -> u64 {
    let high = identity >> 64;
    // Below `passes`, since `high` is below 2^64.
    u64::try_from((high * u128::from(passes)) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_has_one_pass() {
        for identity in [0, 1, u128::MAX, u128::MAX / 2, 1 << 100] {
            for passes in [1, 2, 7, 1000] {
                assert!(pass_of(identity, passes) < passes);
            }
        }
        assert_eq!(pass_of(u128::MAX, 3), 2);
        assert_eq!(pass_of(0, 3), 0);
    }
}
