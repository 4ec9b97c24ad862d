//! Packed integers: most significant bit first in a big-endian stream of bits (Lucene up to 8), or least significant bit
//! first in a little-endian one (Lucene 9 on). One rule covers the `PACKED` form of `PackedInts` and `DirectReader`;
//! monotonic sequences are stored as deltas to a line.

use std::ops::Range;

use super::LuceneError;
use super::input::{Input, Order};
use super::window::Window;

/// Value `index` of a stream of `bits` a value (0 to 64) in either order.
#[inline]
pub(super) fn value_in(order: Order, bytes: &[u8], bits: u32, index: usize) -> u64 {
    match order {
        Order::Big => value_at(bytes, bits, index),
        Order::Little => little_value_at(bytes, bits, index),
    }
}

/// As [`value_at`], of a little-endian stream.
#[inline]
fn little_value_at(bytes: &[u8], bits: u32, index: usize) -> u64 {
    if bits == 0 {
        return 0;
    }
    let bit = index * bits as usize;
    let start = bit / 8;
    let within = (bit % 8) as u32;
    let word = match bytes.get(start..start + 8) {
        Some(eight) => {
            let mut array = [0; 8];
            array.copy_from_slice(eight);
            u64::from_le_bytes(array)
        }
        None => (tail(bytes, start) as u64).swap_bytes(),
    };
    let mask = u64::MAX >> (64 - bits);
    if bits <= 56 {
        return word >> within & mask;
    }
    // A value of more than 56 bits may touch nine bytes.
    let ninth = u128::from(bytes.get(start + 8).copied().unwrap_or(0));
    ((ninth << 64 | u128::from(word)) >> within) as u64 & mask
}

/// Value `index` of a big-endian stream of `bits` a value (0 to 64). Bits behind the end of `bytes` read as 0: the caller has
/// checked the length.
#[inline]
pub(super) fn value_at(bytes: &[u8], bits: u32, index: usize) -> u64 {
    if bits == 0 {
        return 0;
    }
    let bit = index * bits as usize;
    let start = bit / 8;
    let within = (bit % 8) as u32;
    if bits <= 56 {
        let word = match bytes.get(start..start + 8) {
            Some(eight) => {
                let mut array = [0; 8];
                array.copy_from_slice(eight);
                u64::from_be_bytes(array)
            }
            None => tail(bytes, start) as u64,
        };
        return word << within >> (64 - bits);
    }
    // A value of more than 56 bits may touch nine bytes.
    let high = u128::from(value_at(bytes, 8, start));
    let rest = tail(bytes, start + 1);
    let word = high << 64 | rest;
    (word << (56 + within) >> (128 - bits)) as u64
}

/// Up to eight bytes from `start`, as if zeros followed the end.
fn tail(bytes: &[u8], start: usize) -> u128 {
    let rest = bytes.get(start..).unwrap_or_default();
    let word = (0..8).fold(0_u64, |word, at| {
        word << 8 | u64::from(rest.get(at).copied().unwrap_or(0))
    });
    u128::from(word)
}

/// How many bytes `count` values take; `None` when that is no length in memory.
pub(super) fn byte_length(count: u64, bits: u32) -> Option<usize> {
    let bits = count.checked_mul(u64::from(bits))?;
    usize::try_from(bits.div_ceil(8)).ok()
}

/// The reverse of the encoding that keeps small numbers of either sign short.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A sequence that never falls: per block of `1 << shift` values a line, and packed deltas to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Monotonic {
    blocks: Vec<Block>,
    shift: u32,
    count: u64,
    order: Order,
}

#[derive(Clone, Debug, PartialEq)]
struct Block {
    min: i64,
    slope: f32,
    offset: u64,
    bits: u32,
}

impl Block {
    /// The line at value `within` of the block. Lucene computes it in single precision and truncates; double precision
    /// gives other values.
    #[allow(clippy::cast_possible_truncation)]
    fn line(&self, within: u64) -> i64 {
        self.min.wrapping_add((self.slope * within as f32) as i64)
    }
}

impl Monotonic {
    /// Reads the metadata of `count` values: 21 bytes a block.
    pub(super) fn read(input: &mut Input<'_>, count: u64, shift: u32) -> Result<Self, LuceneError> {
        if !(2..=22).contains(&shift) {
            return Err(input.corrupt(format!("a block shift of 2 to 22, not {shift}")));
        }
        let mut blocks = Vec::new();
        for _ in 0..count.div_ceil(1 << shift) {
            let block = Block {
                min: input.i64()?,
                slope: f32::from_bits(input.i32()? as u32),
                offset: input.length("an offset")?,
                bits: u32::from(input.u8()?),
            };
            if block.bits > 64 {
                return Err(input.corrupt(format!("at most 64 bits a value, not {}", block.bits)));
            }
            blocks.push(block);
        }
        Ok(Self {
            blocks,
            shift,
            count,
            order: input.order(),
        })
    }

    /// Which bytes behind the deltas' beginning hold the delta of value `index`; empty for a value on its line.
    pub(super) fn delta_at(&self, index: u64) -> Option<std::ops::Range<u64>> {
        if index >= self.count {
            return None;
        }
        let block = self
            .blocks
            .get(usize::try_from(index >> self.shift).ok()?)?;
        // Eight values of any width end with a byte.
        let within = index & ((1 << self.shift) - 1);
        let aligned = within & !7;
        let bits = u64::from(block.bits);
        let start = block.offset.checked_add(aligned / 8 * bits)?;
        Some(start..start.checked_add(((within - aligned + 1) * bits).div_ceil(8))?)
    }

    /// Value `index`; `bytes` are those of [`Self::delta_at`].
    pub(super) fn value(&self, index: u64, bytes: &[u8]) -> Option<i64> {
        let block = self
            .blocks
            .get(usize::try_from(index >> self.shift).ok()?)?;
        let within = index & ((1 << self.shift) - 1);
        let delta = value_in(self.order, bytes, block.bits, (within & 7) as usize);
        Some(block.line(within).wrapping_add(delta as i64))
    }

    /// How many values there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
    }

    /// Values `range`, whose deltas stand in `place` of a file.
    #[allow(clippy::cast_possible_truncation)] // truncation is how Lucene rounds the line
    pub(super) fn values(
        &self,
        window: &mut Window,
        place: Range<u64>,
        range: Range<u64>,
    ) -> Result<Vec<i64>, LuceneError> {
        let range = range.start..range.end.min(self.count);
        let mut values = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let number = at >> self.shift;
            let first = number << self.shift;
            let stop = range.end.min(first + (1 << self.shift));
            let behind = || LuceneError::Corrupt {
                file: window.file().to_owned(),
                offset: place.end,
                expected: format!("value {at} of a monotonic sequence before this byte"),
            };
            let block = usize::try_from(number).ok();
            let block = block.and_then(|number| self.blocks.get(number));
            let block = block.ok_or_else(behind)?;
            let bits = u64::from(block.bits);
            // Eight values of any width end with a byte.
            let aligned = (at - first) & !7;
            let length = ((stop - first - aligned) * bits).div_ceil(8);
            let start = place.start.checked_add(block.offset);
            let start = start.and_then(|start| start.checked_add(aligned / 8 * bits));
            let start = start
                .filter(|start| {
                    start
                        .checked_add(length)
                        .is_some_and(|end| end <= place.end)
                })
                .ok_or_else(behind)?;
            let bytes = if bits > 0 {
                window.get(start, length)?
            } else {
                &[]
            };
            for within in at - first..stop - first {
                // Lucene computes the line in single precision; double precision gives other values.
                let line = (block.slope * within as f32) as i64;
                let index = (within - aligned) as usize;
                let delta = value_in(self.order, bytes, block.bits, index) as i64;
                values.push(block.min.wrapping_add(line).wrapping_add(delta));
            }
            at = stop;
        }
        Ok(values)
    }

    /// Value `index`; its deltas stand in `data`. `None` when they stand behind its end.
    pub(super) fn get(&self, data: &[u8], index: u64) -> Option<i64> {
        if index >= self.count {
            return None;
        }
        let block = self
            .blocks
            .get(usize::try_from(index >> self.shift).ok()?)?;
        let within = index & ((1 << self.shift) - 1);
        let mut delta = 0;
        if block.bits > 0 {
            let bytes = data.get(usize::try_from(block.offset).ok()?..)?;
            if byte_length(within + 1, block.bits)? > bytes.len() {
                return None;
            }
            delta = value_in(self.order, bytes, block.bits, usize::try_from(within).ok()?);
        }
        Some(block.line(within).wrapping_add(delta as i64))
    }
}

#[cfg(test)]
pub(super) mod encode {
    /// Packs values as Lucene 9 does, bit by bit.
    pub(crate) fn pack_little(values: &[u64], bits: u32) -> Vec<u8> {
        let mut out = vec![0; (values.len() * bits as usize).div_ceil(8)];
        for (index, value) in values.iter().enumerate() {
            for bit in 0..bits as usize {
                let at = index * bits as usize + bit;
                out[at / 8] |= ((value >> bit & 1) as u8) << (at % 8);
            }
        }
        out
    }

    /// Packs values as Lucene up to 8 does, bit by bit.
    pub(crate) fn pack(values: &[u64], bits: u32) -> Vec<u8> {
        let mut out = vec![0; (values.len() * bits as usize).div_ceil(8)];
        for (index, value) in values.iter().enumerate() {
            for bit in 0..bits as usize {
                if value >> (bits as usize - 1 - bit) & 1 == 1 {
                    let at = index * bits as usize + bit;
                    out[at / 8] |= 0x80 >> (at % 8);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::encode::{pack, pack_little};
    use super::*;

    #[test]
    fn every_width_round_trips() {
        for bits in 1..=64_u32 {
            let mask = u64::MAX >> (64 - bits);
            let values: Vec<u64> = (0..67_u64)
                .map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7) & mask)
                .collect();
            let little = pack_little(&values, bits);
            for (index, value) in values.iter().enumerate() {
                let read = value_in(Order::Little, &little, bits, index);
                assert_eq!(read, *value, "{bits} bits, {index}, little-endian");
            }
            let bytes = pack(&values, bits);
            for (index, value) in values.iter().enumerate() {
                assert_eq!(
                    value_at(&bytes, bits, index),
                    *value,
                    "{bits} bits, {index}"
                );
            }
            assert_eq!(byte_length(67, bits), Some(bytes.len()));
        }
        assert_eq!(value_at(&[], 0, 9), 0);
        assert_eq!(byte_length(u64::MAX, 2), None);
    }

    #[test]
    fn zigzag_gives_either_sign() {
        assert_eq!([0, 1, 2, u64::MAX].map(zigzag), [0, -1, 1, i64::MIN]);
    }

    #[test]
    fn a_monotonic_block_is_a_line_and_deltas() {
        let mut meta = 10_i64.to_be_bytes().to_vec();
        meta.extend(2.5_f32.to_bits().to_be_bytes());
        meta.extend(1_i64.to_be_bytes());
        meta.push(4);
        let mut data = vec![0xff];
        data.extend(pack(&[0, 1, 2, 3], 4));
        let mut input = Input::new("f", &meta);
        let sequence = Monotonic::read(&mut input, 4, 2).unwrap();
        let values: Vec<_> = (0..5).map(|index| sequence.get(&data, index)).collect();
        assert_eq!(values, [Some(10), Some(13), Some(17), Some(20), None]);
        assert_eq!(sequence.get(&data[..2], 3), None);
        assert!(Monotonic::read(&mut Input::new("f", &meta), 4, 23).is_err());
        assert!(Monotonic::read(&mut Input::new("f", &meta), u64::MAX, 22).is_err());
    }
}
