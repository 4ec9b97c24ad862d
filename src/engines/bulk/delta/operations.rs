//! A set of operations, by number and term, in bits: 64 Ki numbers of one term take 8 KiB wherever one of them is in it.

use std::collections::HashMap;

/// Numbers of one container.
const NUMBERS_BITS: u32 = 16;
/// Words of one container.
const WORDS: usize = (1 << NUMBERS_BITS) / 64;

/// The set is as large as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// See the module.
pub(super) struct Operations {
    containers: HashMap<(i64, i64), Box<[u64; WORDS]>>,
    most: usize,
}

impl Operations {
    pub(super) fn new(containers_max: usize) -> Self {
        Self {
            containers: HashMap::new(),
            most: containers_max.max(1),
        }
    }

    fn place(number: i64) -> (i64, usize, u64) {
        // The lowest 16 bits are never negative.
        let low = usize::try_from(number & ((1 << NUMBERS_BITS) - 1)).unwrap_or(0);
        (number >> NUMBERS_BITS, low / 64, 1 << (low % 64))
    }

    pub(super) fn insert(&mut self, number: i64, term: i64) -> Result<(), Full> {
        let (high, word, bit) = Self::place(number);
        if !self.containers.contains_key(&(term, high)) && self.containers.len() >= self.most {
            return Err(Full);
        }
        let container = self
            .containers
            .entry((term, high))
            .or_insert_with(|| Box::new([0; WORDS]));
        container[word] |= bit;
        Ok(())
    }

    pub(super) fn contains(&self, number: i64, term: i64) -> bool {
        let (high, word, bit) = Self::place(number);
        self.containers
            .get(&(term, high))
            .is_some_and(|container| container[word] & bit != 0)
    }

    /// Takes an operation out; says whether it was in.
    pub(super) fn take(&mut self, number: i64, term: i64) -> bool {
        let (high, word, bit) = Self::place(number);
        let Some(container) = self.containers.get_mut(&(term, high)) else {
            return false;
        };
        let there = container[word] & bit != 0;
        container[word] &= !bit;
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_terms_are_told_apart() {
        let mut set = Operations::new(2);
        set.insert(70_000, 1).unwrap();
        assert!(set.contains(70_000, 1) && !set.contains(70_000, 2) && !set.contains(4464, 1));
        set.insert(70_000, 2).unwrap();
        assert_eq!(set.insert(1, 1), Err(Full), "a third container");
        set.insert(70_001, 1).unwrap();
        assert!(set.take(70_000, 1) && !set.take(70_000, 1));
        assert!(set.contains(70_001, 1) && set.contains(70_000, 2));
    }
}
