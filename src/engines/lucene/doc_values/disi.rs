//! Sets of documents in `.dvd` (`IndexedDISI`): blocks of 65,536 documents, each a list, a bitset, or full.

use std::sync::Arc;

use super::super::bits::{Bits, RankedBits};
use super::super::input::{Input, Order};
use super::super::limits::INDEX_WINDOW_BYTES;
use super::super::window::Window;
use super::super::{LuceneError, ReadAt};
use super::entries::DocSet;

/// The block number that ends a set.
const END: u16 = 0x7fff;
const BLOCK_DOCS: u32 = 1 << 16;
/// The most bytes of one block: its number and count, ranks and a bitset.
const BLOCK_BYTES: u64 = 4 + 1024 + 8192;
/// A block of more documents than this is a bitset.
const MAX_LIST: u32 = 4095;

/// Which documents have a value.
#[derive(Debug)]
pub(in super::super) enum Presence {
    /// No document.
    None,
    /// Every document: the value of document n is value n.
    All,
    /// These, in order.
    Some(RankedBits),
}

impl Presence {
    pub(super) fn read(
        file: &str,
        data: &Arc<dyn ReadAt>,
        docs: DocSet,
        order: Order,
        max_doc: u32,
    ) -> Result<Self, LuceneError> {
        let offset = match docs.offset {
            -2 => return Ok(Self::None),
            -1 => return Ok(Self::All),
            offset => offset.unsigned_abs(),
        };
        // A block has at most its bitset, ranks of half of it, and what its jump entry takes.
        let blocks = u64::from(max_doc.div_ceil(BLOCK_DOCS)) + 1;
        let limit = blocks * (8192 + 4096 + 16) + 64;
        if docs.length > limit {
            return Err(LuceneError::Limit {
                file: file.to_owned(),
                offset,
                what: "the length of a set of documents",
                value: docs.length,
                limit,
            });
        }
        let end = offset.saturating_add(docs.length);
        let mut window = Window::new(file, Arc::clone(data), INDEX_WINDOW_BYTES);
        let mut set = Set::new(docs.rank_power, max_doc);
        let mut at = offset;
        loop {
            let bytes = window.get(at, BLOCK_BYTES.min(end.saturating_sub(at)))?;
            let mut input = Input::at_offset(file, at, bytes);
            input.set_order(order);
            if !set.block(&mut input)? {
                return Ok(Self::Some(RankedBits::new(set.bits)));
            }
            at = input.offset();
        }
    }

    /// How many documents have a value.
    pub(super) fn count(&self, max_doc: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::All => max_doc,
            Self::Some(ranked) => ranked.bits().count(),
        }
    }
}

/// A set being read.
struct Set {
    bits: Bits,
    rank: Option<u8>,
    max_doc: u32,
    next_block: u16,
}

impl Set {
    fn new(rank: Option<u8>, max_doc: u32) -> Self {
        Self {
            bits: Bits::new(max_doc),
            rank,
            max_doc,
            next_block: 0,
        }
    }

    /// Reads one block; `false` when the set has ended instead.
    fn block(&mut self, input: &mut Input<'_>) -> Result<bool, LuceneError> {
        let max_doc = self.max_doc;
        let bits = &mut self.bits;
        let block = input.u16()?;
        let count = u32::from(input.u16()?) + 1;
        if block == END {
            return Ok(false);
        }
        // Document numbers have 31 bits, so no block is behind the end's number.
        if block < self.next_block || block > END {
            return Err(input.corrupt("blocks that rise"));
        }
        self.next_block = block + 1;
        let base = u32::from(block) * BLOCK_DOCS;
        let behind = || format!("no document behind {max_doc}");
        if count == BLOCK_DOCS {
            for doc in base..base + BLOCK_DOCS {
                if !bits.insert(doc) {
                    return Err(input.corrupt(behind()));
                }
            }
        } else if count > MAX_LIST {
            if let Some(power) = self.rank {
                input.skip(u64::from(1024_u32 >> (power - 7)))?;
            }
            let mut found = 0;
            for (at, byte) in (0..).zip(input.take(8192)?) {
                found += byte.count_ones();
                let mut rest = *byte;
                while rest != 0 {
                    let bit = rest.trailing_zeros();
                    // In big-endian words of 64 documents the first byte has the highest eight.
                    let byte = match input.order() {
                        Order::Big => at / 8 * 8 + (7 - at % 8),
                        Order::Little => at,
                    };
                    let doc = base + byte * 8 + bit;
                    if !bits.insert(doc) {
                        return Err(input.corrupt(behind()));
                    }
                    rest &= rest - 1;
                }
            }
            if found != count {
                return Err(input.corrupt(format!("{count} documents in a block, not {found}")));
            }
        } else {
            let mut next = base;
            for _ in 0..count {
                let doc = base + u32::from(input.u16()?);
                if doc < next {
                    return Err(input.corrupt("documents that rise in a block"));
                }
                next = doc + 1;
                if !bits.insert(doc) {
                    return Err(input.corrupt(behind()));
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod encode {
    use super::super::super::input::Order;

    /// Writes a set as Lucene does, without jump tables.
    pub(crate) fn disi(docs: &[u32], rank: Option<u8>) -> Vec<u8> {
        disi_in(Order::Big, docs, rank)
    }

    pub(crate) fn disi_in(order: Order, docs: &[u32], rank: Option<u8>) -> Vec<u8> {
        let short = |value: u16| match order {
            Order::Big => value.to_be_bytes(),
            Order::Little => value.to_le_bytes(),
        };
        let long = |value: u64| match order {
            Order::Big => value.to_be_bytes(),
            Order::Little => value.to_le_bytes(),
        };
        let mut out = Vec::new();
        for block in docs.chunk_by(|a, b| a >> 16 == b >> 16) {
            out.extend(short((block[0] >> 16) as u16));
            out.extend(short((block.len() - 1) as u16));
            if block.len() == 65536 {
            } else if block.len() > 4095 {
                if let Some(power) = rank {
                    out.extend(vec![0; 1024 >> (power - 7)]);
                }
                let mut words = vec![0_u64; 1024];
                for doc in block {
                    words[(*doc & 0xffff) as usize / 64] |= 1 << (doc % 64);
                }
                out.extend(words.into_iter().flat_map(long));
            } else {
                out.extend(block.iter().flat_map(|doc| short(*doc as u16)));
            }
        }
        out.extend(short(0x7fff));
        out.extend(short(0));
        out.extend(short(0xffff));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::encode::disi_in;
    use super::*;

    fn parse(input: &mut Input<'_>, rank: Option<u8>, max_doc: u32) -> Result<Bits, LuceneError> {
        let mut set = Set::new(rank, max_doc);
        while set.block(input)? {}
        Ok(set.bits)
    }

    #[test]
    fn lists_bitsets_and_full_blocks_are_read() {
        let mut docs: Vec<u32> = vec![0, 5, 65_535];
        docs.extend(65_536..131_072);
        docs.extend((131_072..196_608).filter(|doc| doc % 3 == 0));
        docs.push(400_000);
        for (rank, order) in [
            (None, Order::Big),
            (Some(9), Order::Big),
            (Some(9), Order::Little),
        ] {
            let bytes = disi_in(order, &docs, rank);
            let read = |bytes: &[u8], max_doc| {
                let mut input = Input::new("f", bytes);
                input.set_order(order);
                parse(&mut input, rank, max_doc)
            };
            let bits = read(&bytes, 400_001).unwrap();
            assert_eq!(bits.count() as usize, docs.len());
            assert!(docs.iter().all(|doc| bits.contains(*doc)));
            assert!(read(&bytes, 400_000).is_err());
            for cut in [0, 3, 9, 20, bytes.len() - 7] {
                assert!(read(&bytes[..cut], 400_001).is_err());
            }
        }
    }

    #[test]
    fn order_is_held() {
        for bytes in [
            &[0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 5, 0x7f, 0xff, 0, 0][..],
            &[0, 0, 0, 1, 0, 5, 0, 5, 0x7f, 0xff, 0, 0],
            // The last block of 16 bits: a list and a full one.
            &[0xff, 0xff, 0, 0, 0xff, 0xff, 0x7f, 0xff, 0, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0, 0],
        ] {
            assert!(parse(&mut Input::new("f", bytes), None, 100_000).is_err());
        }
    }
}
