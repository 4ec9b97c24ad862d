//! Which documents have a value, and the how-manieth of them each is: `IndexedDISI` by blocks, of which one is held.
//!
//! A block of 65,536 documents costs 24 bytes as long as the field is open, the one that was asked for last 8 KiB more.

use std::sync::Arc;

use super::super::doc_values::FieldFile;
use super::super::doc_values::entries::DocSet;
use super::super::input::{Input, Order};
use super::super::{LuceneError, ReadAt, codec};
use super::part::corrupt;

/// The block number that ends a set.
const END: u16 = 0x7fff;
const BLOCK_DOCS: u32 = 1 << 16;
/// A block of more documents than this is a bitset.
const MAX_LIST: u32 = 4095;
const BITSET_BYTES: u64 = 8192;

/// See the module.
pub(super) enum DocIndex {
    None,
    All(u32),
    Blocks(Box<Blocks>),
}

pub(super) struct Blocks {
    file: String,
    data: Arc<dyn ReadAt>,
    order: Order,
    table: Vec<Block>,
    held: Held,
}

#[derive(Clone, Copy)]
struct Block {
    number: u16,
    /// Documents of the block.
    count: u32,
    /// Documents of the blocks before.
    before: u32,
    /// Where its list or bitset stands.
    offset: u64,
}

/// The documents of one block.
#[derive(Default)]
struct Held {
    block: Option<usize>,
    docs: Docs,
}

#[derive(Default)]
enum Docs {
    #[default]
    Full,
    List(Vec<u16>),
    /// 1024 words, and how many documents stand before each.
    Bits(Vec<(u64, u32)>),
}

impl DocIndex {
    /// Walks the headers of the blocks.
    pub(super) fn read(file: &FieldFile, docs: DocSet, max_doc: u32) -> Result<Self, LuceneError> {
        let start = match docs.offset {
            -2 => return Ok(Self::None),
            -1 => return Ok(Self::All(max_doc)),
            offset => offset.unsigned_abs(),
        };
        let rank_bytes = docs.rank_power.map_or(0, |power| 1024_u64 >> (power - 7));
        let end = start.saturating_add(docs.length);
        let mut blocks: Vec<Block> = Vec::new();
        let mut at = start;
        let mut before = 0_u32;
        loop {
            if at.saturating_add(4) > end {
                return Err(corrupt(
                    file,
                    at,
                    "another block of documents, or the end of the set",
                ));
            }
            let header = codec::read(&file.name, file.data.as_ref(), at, 4)?;
            let mut input = Input::at_offset(&file.name, at, &header);
            input.set_order(file.order);
            let number = input.u16()?;
            let count = u32::from(input.u16()?) + 1;
            if number == END && blocks.last().is_none_or(|last| last.number < END) {
                let above = blocks.last().is_some_and(|last| {
                    u64::from(last.number) * u64::from(BLOCK_DOCS) >= u64::from(max_doc)
                });
                if above {
                    return Err(corrupt(file, at, format!("no document behind {max_doc}")));
                }
                break;
            }
            if number > END || blocks.last().is_some_and(|last| last.number >= number) {
                return Err(corrupt(file, at, "blocks that rise"));
            }
            at += 4;
            let length = match count {
                BLOCK_DOCS => 0,
                count if count > MAX_LIST => {
                    at += rank_bytes;
                    BITSET_BYTES
                }
                count => u64::from(count) * 2,
            };
            blocks.push(Block {
                number,
                count,
                before,
                offset: at,
            });
            before = before.saturating_add(count);
            at += length;
        }
        Ok(Self::Blocks(Box::new(Blocks {
            file: file.name.clone(),
            data: Arc::clone(&file.data),
            order: file.order,
            table: blocks,
            held: Held::default(),
        })))
    }

    /// The entry of a field states how many documents have a value.
    pub(super) fn expect(&self, file: &FieldFile, count: u64) -> Result<(), LuceneError> {
        let found = match self {
            Self::None => 0,
            Self::All(max_doc) => *max_doc,
            Self::Blocks(blocks) => blocks
                .table
                .last()
                .map_or(0, |last| last.before.saturating_add(last.count)),
        };
        if u64::from(found) == count {
            return Ok(());
        }
        Err(corrupt(
            file,
            0,
            format!("{count} documents with a value, not {found}"),
        ))
    }

    /// The how-manieth document with a value `doc` is, if it has one.
    pub(super) fn index_of(&mut self, doc: u32) -> Result<Option<u32>, LuceneError> {
        match self {
            Self::None => Ok(None),
            Self::All(max_doc) => Ok((doc < *max_doc).then_some(doc)),
            Self::Blocks(blocks) => blocks.index_of(doc),
        }
    }
}

impl Blocks {
    fn index_of(&mut self, doc: u32) -> Result<Option<u32>, LuceneError> {
        let number = doc / BLOCK_DOCS;
        let found = self
            .table
            .binary_search_by_key(&number, |block| u32::from(block.number));
        let Ok(at) = found else {
            return Ok(None);
        };
        let block = self.table[at];
        if self.held.block != Some(at) {
            self.held = Held {
                block: Some(at),
                docs: self.load(block)?,
            };
        }
        let within = doc % BLOCK_DOCS;
        let index = match &self.held.docs {
            Docs::Full => Some(within),
            Docs::List(list) => {
                let within = within as u16;
                list.binary_search(&within).ok().map(|index| index as u32)
            }
            Docs::Bits(words) => {
                let (word, before) = words[(within / 64) as usize];
                let bit = within % 64;
                (word >> bit & 1 == 1).then(|| before + (word & ((1 << bit) - 1)).count_ones())
            }
        };
        Ok(index.map(|index| block.before + index))
    }

    fn load(&self, block: Block) -> Result<Docs, LuceneError> {
        if block.count == BLOCK_DOCS {
            return Ok(Docs::Full);
        }
        let dense = block.count > MAX_LIST;
        let length = if dense {
            BITSET_BYTES
        } else {
            u64::from(block.count) * 2
        };
        let bytes = codec::read(&self.file, self.data.as_ref(), block.offset, length)?;
        let mut input = Input::at_offset(&self.file, block.offset, &bytes);
        input.set_order(self.order);
        if dense {
            let mut words = Vec::with_capacity(1024);
            let mut before = 0;
            for _ in 0..1024 {
                let word = input.i64()?.cast_unsigned();
                words.push((word, before));
                before += word.count_ones();
            }
            if before != block.count {
                return Err(input.corrupt(format!(
                    "{} documents in a block, not {before}",
                    block.count
                )));
            }
            return Ok(Docs::Bits(words));
        }
        let mut list = Vec::with_capacity(block.count as usize);
        for _ in 0..block.count {
            let doc = input.u16()?;
            if list.last().is_some_and(|last| *last >= doc) {
                return Err(input.corrupt("documents that rise in a block"));
            }
            list.push(doc);
        }
        Ok(Docs::List(list))
    }
}
