//! Sets of documents: which live, which have a value.

/// A set of document numbers below a fixed bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    length: u32,
}

impl Bits {
    /// The empty set of documents below `length`.
    pub(super) fn new(length: u32) -> Self {
        Self {
            words: vec![0; length.div_ceil(64) as usize],
            length,
        }
    }

    /// From words of 64 documents, lowest bit first. `None` when there are not as many words as `length` needs, or a
    /// bit behind the last document is set.
    pub(super) fn from_words(words: Vec<u64>, length: u32) -> Option<Self> {
        if words.len() != length.div_ceil(64) as usize {
            return None;
        }
        let used = length % 64;
        if used > 0 && words.last().is_some_and(|last| last >> used != 0) {
            return None;
        }
        Some(Self { words, length })
    }

    #[inline]
    pub(super) fn contains(&self, doc: u32) -> bool {
        let word = self.words.get((doc / 64) as usize).copied().unwrap_or(0);
        word >> (doc % 64) & 1 == 1
    }

    /// Whether the set has any of the documents `[start, end)`.
    pub(super) fn any(&self, start: u32, end: u32) -> bool {
        (start..end).any(|doc| self.contains(doc))
    }

    /// `false` when `doc` is out of bounds.
    #[must_use]
    pub(super) fn insert(&mut self, doc: u32) -> bool {
        if doc >= self.length {
            return false;
        }
        self.words[(doc / 64) as usize] |= 1 << (doc % 64);
        true
    }

    pub(super) fn remove(&mut self, doc: u32) {
        if let Some(word) = self.words.get_mut((doc / 64) as usize) {
            *word &= !(1 << (doc % 64));
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Takes the documents of `other` out, and says how many there were.
    pub(super) fn remove_all(&mut self, other: &Self) -> u32 {
        let mut removed = 0;
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            removed += (*word & other).count_ones();
            *word &= !other;
        }
        removed
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        self.words.capacity() * 8
    }

    /// All documents that are not in this set.
    pub(super) fn complement(mut self) -> Self {
        for word in &mut self.words {
            *word = !*word;
        }
        let used = self.length % 64;
        if used > 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
        self
    }

    /// How many documents both sets have.
    pub(super) fn count_both(&self, other: &Self) -> u32 {
        let words = self.words.iter().zip(&other.words);
        words.map(|(a, b)| (a & b).count_ones()).sum()
    }
}

/// A set that also knows how many of its documents stand before a given one.
#[derive(Clone, Debug)]
pub(super) struct RankedBits {
    bits: Bits,
    /// Documents of the set before each run of [`RankedBits::RUN`] words.
    before: Vec<u32>,
}

impl RankedBits {
    /// Words in one run: 1024 documents cost 4 bytes.
    const RUN: usize = 16;

    pub(super) fn new(bits: Bits) -> Self {
        let mut before = Vec::with_capacity(bits.words.len() / Self::RUN + 1);
        let mut total = 0;
        for run in bits.words.chunks(Self::RUN) {
            before.push(total);
            total += run.iter().map(|word| word.count_ones()).sum::<u32>();
        }
        Self { bits, before }
    }

    pub(super) fn bits(&self) -> &Bits {
        &self.bits
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        self.bits.memory() + self.before.capacity() * 4
    }

    /// How many documents of the set are below `doc`; `doc` may be the bound itself.
    pub(super) fn rank(&self, doc: u32) -> u32 {
        let word = (doc / 64) as usize;
        let run = word / Self::RUN;
        let Some(&before) = self.before.get(run) else {
            return self.bits.count();
        };
        let words = &self.bits.words;
        let whole = words[run * Self::RUN..word.min(words.len())].iter();
        let part = words
            .get(word)
            .map_or(0, |last| last & ((1 << (doc % 64)) - 1));
        before + whole.map(|word| word.count_ones()).sum::<u32>() + part.count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_what_stands_before() {
        for length in [0, 1, 63, 64, 65, 1024, 5000] {
            let mut bits = Bits::new(length);
            for doc in (0..length).filter(|doc| doc % 7 == 3 || doc % 64 == 63) {
                assert!(bits.insert(doc));
            }
            assert!(!bits.insert(length));
            let ranked = RankedBits::new(bits.clone());
            let mut expected = 0;
            for doc in 0..length {
                assert_eq!(ranked.rank(doc), expected, "{doc} of {length}");
                expected += u32::from(bits.contains(doc));
            }
            assert_eq!(ranked.rank(length), expected);
            assert_eq!(bits.clone().complement().count(), length - expected);
            assert_eq!(bits.count_both(&bits), expected);
        }
    }

    #[test]
    fn no_bit_stands_behind_the_last_document() {
        assert!(Bits::from_words(vec![1 << 4], 5).is_some());
        assert!(Bits::from_words(vec![1 << 5], 5).is_none());
        assert!(Bits::from_words(vec![], 5).is_none());
        assert!(Bits::from_words(vec![0, 0], 5).is_none());
        assert!(Bits::from_words(vec![u64::MAX], 64).is_some());
    }
}
