//! `.dvm`: one entry a field, which says where its values stand in `.dvd`. All entries before the wanted one are parsed to
//! step over them, since none says how long it is.
//!
//! Offsets are absolute in the `.dvd` file, whose numbers have their bytes in the order of the `.dvm` file. What is packed
//! is padded by up to seven bytes where a reader of whole words would run over the end.

#![allow(
    dead_code,
    reason = "an entry holds all that a reader of its values needs"
)]

use std::collections::{BTreeMap, BTreeSet};

use super::super::LuceneError;
use super::super::field_infos::FieldInfos;
use super::super::input::Input;
use super::super::packed::Monotonic;
use super::{CompressedBinary, Family, Layout};

/// Where the values of a field stand, by type.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Entry {
    /// At most one number a document.
    Numeric(NumericEntry),
    /// At most one value of bytes a document.
    Binary(BinaryEntry),
    /// At most one term a document.
    Sorted(SortedEntry),
    /// Terms of a document, in order, each once.
    SortedSet(SortedSetEntry),
    /// Numbers of a document, in order.
    SortedNumeric(SortedNumericEntry),
}

/// A part of `.dvd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Extent {
    pub(in super::super) offset: u64,
    pub(in super::super) length: u64,
}

/// A monotonic sequence, and where its deltas stand in `.dvd`.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Addresses {
    pub(in super::super) sequence: Monotonic,
    pub(in super::super) data: Extent,
}

/// Values of bytes, of all documents that have one, one behind the other.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct BinaryEntry {
    pub(in super::super) docs: DocSet,
    /// Documents with a value.
    pub(in super::super) count: u32,
    pub(in super::super) data: Extent,
    pub(in super::super) min_length: u32,
    pub(in super::super) max_length: u32,
    pub(in super::super) values: BinaryValues,
}

/// How the bytes of values are found.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum BinaryValues {
    /// Each has as many as the longest.
    Fixed,
    /// Where value `n` of those there are begins, within the data; one more than there are values.
    Variable(Addresses),
    /// Blocks of `1 << docs_shift` values in LZ4 (Lucene 8.5 on): where each begins, within the file.
    Compressed {
        blocks: Addresses,
        docs_shift: u32,
        max_block_length: u32,
    },
}

/// Numbers of terms: of each document that has one, or of each value of those that have.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Ordinals {
    /// Up to Lucene 8: plain numbers of `bits`. One a document, or where the entry has addresses one a value.
    Packed {
        docs: DocSet,
        /// Documents with a value.
        count: u32,
        bits: u32,
        data: Extent,
    },
    /// From Lucene 9 on: as a numeric field.
    Numeric(NumericEntry),
}

/// One term a document.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct SortedEntry {
    pub(in super::super) ordinals: Ordinals,
    pub(in super::super) terms: TermsEntry,
}

/// Several terms a document.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct SortedSetEntry {
    pub(in super::super) ordinals: Ordinals,
    /// Documents with a value.
    pub(in super::super) count: u32,
    /// Where the ordinals of document `n` of those with a value begin; one more than there are. `None`: one each.
    pub(in super::super) addresses: Option<Addresses>,
    pub(in super::super) terms: TermsEntry,
}

/// Several numbers a document.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct SortedNumericEntry {
    pub(in super::super) values: NumericEntry,
    /// Documents with a value.
    pub(in super::super) count: u32,
    /// Where the values of document `n` of those with a value begin; one more than there are. `None`: one each.
    pub(in super::super) addresses: Option<Addresses>,
}

/// A dictionary: terms in order, in blocks. The first of a block stands whole (vInt length, bytes); of each next one a
/// byte says how many bytes it shares with the one before (low half) and how many follow, less one (high half), where 15
/// says that a vInt more of each follows, the shared one's first.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct TermsEntry {
    pub(in super::super) size: u64,
    /// Terms in a block are `1 << block_shift`.
    pub(in super::super) block_shift: u32,
    /// Where block `n` begins, within the data.
    pub(in super::super) blocks: Addresses,
    pub(in super::super) max_term_length: u32,
    /// Bytes of the largest block before LZ4, where what follows the first term of a block is compressed (a vInt gives its
    /// length; the first term is the dictionary). `None`: nothing is.
    pub(in super::super) compressed: Option<u32>,
    pub(in super::super) data: Extent,
}

/// Where a set of documents stands in `.dvd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct DocSet {
    /// −2: no document; −1: all; else an offset.
    pub(in super::super) offset: i64,
    pub(in super::super) length: u64,
    /// The base-2 logarithm of documents per rank entry of a dense block; `None` when blocks have no ranks.
    pub(in super::super) rank_power: Option<u8>,
}

/// How the numbers of a field are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct NumericEntry {
    pub(in super::super) docs: DocSet,
    pub(in super::super) count: u64,
    /// At most 256 distinct values: the packed numbers point here.
    pub(in super::super) table: Vec<i64>,
    /// Blocks of `1 << shift` values, each with a width of its own.
    pub(in super::super) block_shift: Option<u32>,
    pub(in super::super) bits: u32,
    pub(in super::super) min: i64,
    pub(in super::super) gcd: i64,
    pub(in super::super) offset: u64,
    pub(in super::super) length: u64,
    /// Where the offsets of the blocks stand, if the format has such a table.
    pub(in super::super) jump_table: Option<u64>,
}

const NUMERIC: u8 = 0;
const BINARY: u8 = 1;
const SORTED: u8 = 2;
const SORTED_SET: u8 = 3;
const SORTED_NUMERIC: u8 = 4;
/// Terms in LZ4 blocks of 64 (Lucene 8 only); any other code is itself the shift.
const TERMS_LZ4: u32 = 0x6_0001;
/// Terms in a block from Lucene 9 on.
const TERMS_SHIFT_90: u32 = 6;
/// Two longs for where, two for the smallest and largest value, two ints for documents.
const SKIPPER_BYTES: u64 = 4 * 8 + 2 * 4;

/// The entries of the fields `wanted`, as far as the file has them.
pub(super) fn find(
    input: &mut Input<'_>,
    layout: Layout,
    fields: &FieldInfos,
    wanted: &BTreeSet<u32>,
) -> Result<BTreeMap<u32, Entry>, LuceneError> {
    let mut found = BTreeMap::new();
    while found.len() < wanted.len() {
        let number = input.i32()?;
        if number == -1 {
            break;
        }
        let number = u32::try_from(number).map_err(|_| input.corrupt("a field number, or -1"))?;
        let field = fields.by_number(number);
        let field = field.ok_or_else(|| input.corrupt(format!("a known field, not {number}")))?;
        let kind = input.u8()?;
        if field.doc_values_skipper && layout.family >= Family::Lucene90 {
            input.skip(SKIPPER_BYTES)?;
        }
        let best_compression = field
            .attributes
            .get("Lucene80DocValuesFormat.mode")
            .is_some_and(|mode| mode == "BEST_COMPRESSION");
        let entry = match kind {
            NUMERIC => Entry::Numeric(numeric(input, layout)?),
            BINARY => Entry::Binary(binary(input, layout, best_compression)?),
            SORTED => Entry::Sorted(sorted(input, layout)?),
            SORTED_SET => Entry::SortedSet(sorted_set(input, layout)?),
            SORTED_NUMERIC => Entry::SortedNumeric(sorted_numeric(input, layout)?),
            _ => return Err(input.corrupt(format!("a type of 0 to 4, not {kind}"))),
        };
        if wanted.contains(&number) {
            found.insert(number, entry);
        }
    }
    Ok(found)
}

fn doc_set(input: &mut Input<'_>, layout: Layout) -> Result<DocSet, LuceneError> {
    let offset = input.i64()?;
    if offset < -2 {
        return Err(input.corrupt("an offset, -1 or -2"));
    }
    // The length means nothing for all documents or none.
    let length = u64::try_from(input.i64()?).unwrap_or(0);
    let mut rank_power = None;
    if layout.jump_tables() {
        input.u16()?;
        rank_power = Some(input.u8()?).filter(|power| *power != 0xff);
        if rank_power.is_some_and(|power| !(7..=15).contains(&power)) {
            return Err(input.corrupt("a rank power of 7 to 15, or -1"));
        }
    }
    Ok(DocSet {
        offset,
        length,
        rank_power,
    })
}

fn numeric(input: &mut Input<'_>, layout: Layout) -> Result<NumericEntry, LuceneError> {
    let docs = doc_set(input, layout)?;
    let count = input.length("a number of values")?;
    let table_size = input.i32()?;
    let mut table = Vec::new();
    let mut block_shift = None;
    match table_size {
        0..=256 => {
            for _ in 0..table_size {
                table.push(input.i64()?);
            }
        }
        -1 => {}
        -18..=-2 => block_shift = Some((-2 - table_size).unsigned_abs()),
        _ => return Err(input.corrupt("a table of at most 256, or a block shift to 16")),
    }
    let bits = u32::from(input.u8()?);
    // Where each block has a width of its own, 255 stands here.
    if bits > 64 && block_shift.is_none() {
        return Err(input.corrupt(format!("at most 64 bits a value, not {bits}")));
    }
    let min = input.i64()?;
    let gcd = input.i64()?;
    let offset = input.length("an offset")?;
    let length = input.length("a length")?;
    let mut jump_table = None;
    if layout.jump_tables() {
        jump_table = input.generation()?;
    }
    Ok(NumericEntry {
        docs,
        count,
        table,
        block_shift,
        bits,
        min,
        gcd,
        offset,
        length,
        jump_table,
    })
}

fn binary(
    input: &mut Input<'_>,
    layout: Layout,
    best_compression: bool,
) -> Result<BinaryEntry, LuceneError> {
    let data = extent(input)?;
    let docs = doc_set(input, layout)?;
    let count = input.count("a number of documents")?;
    let min_length = input.count("a length")?;
    let max_length = input.count("a length")?;
    let compressed = match layout.compressed {
        CompressedBinary::Never => false,
        CompressedBinary::Always => true,
        CompressedBinary::ByAttribute => best_compression,
    };
    let values = if compressed && count > 0 {
        let offset = input.length("an offset")?;
        let chunks = input.vint()?;
        let docs_shift = input.vint()?;
        let max_block_length = input.vint()?;
        let shift = input.vint()?;
        let sequence = Monotonic::read(input, u64::from(chunks), shift)?;
        let length = input.length("a length")?;
        BinaryValues::Compressed {
            blocks: Addresses {
                sequence,
                data: Extent { offset, length },
            },
            docs_shift,
            max_block_length,
        }
    } else if !compressed && min_length < max_length {
        BinaryValues::Variable(addresses(input, u64::from(count) + 1)?)
    } else {
        BinaryValues::Fixed
    };
    Ok(BinaryEntry {
        docs,
        count,
        data,
        min_length,
        max_length,
        values,
    })
}

fn sorted(input: &mut Input<'_>, layout: Layout) -> Result<SortedEntry, LuceneError> {
    let ordinals = if layout.family >= Family::Lucene90 {
        Ordinals::Numeric(numeric(input, layout)?)
    } else {
        let docs = doc_set(input, layout)?;
        let count = input.count("a number of documents")?;
        Ordinals::Packed {
            docs,
            count,
            bits: bits(input)?,
            data: extent(input)?,
        }
    };
    Ok(SortedEntry {
        ordinals,
        terms: terms(input, layout)?,
    })
}

fn sorted_set(input: &mut Input<'_>, layout: Layout) -> Result<SortedSetEntry, LuceneError> {
    match input.u8()? {
        0 => {
            let SortedEntry { ordinals, terms } = sorted(input, layout)?;
            let count = match &ordinals {
                Ordinals::Packed { count, .. } => *count,
                Ordinals::Numeric(entry) => u32::try_from(entry.count)
                    .map_err(|_| input.corrupt("a number of documents"))?,
            };
            return Ok(SortedSetEntry {
                ordinals,
                count,
                addresses: None,
                terms,
            });
        }
        1 => {}
        _ => return Err(input.corrupt("0 or 1 before a set of terms")),
    }
    let (ordinals, count, addresses) = if layout.family >= Family::Lucene90 {
        let entry = sorted_numeric(input, layout)?;
        (
            Ordinals::Numeric(entry.values),
            entry.count,
            entry.addresses,
        )
    } else {
        let docs = doc_set(input, layout)?;
        let bits = bits(input)?;
        let data = extent(input)?;
        let count = input.count("a number of documents")?;
        let ordinals = Ordinals::Packed {
            docs,
            count,
            bits,
            data,
        };
        let addresses = addresses(input, u64::from(count) + 1)?;
        (ordinals, count, Some(addresses))
    };
    Ok(SortedSetEntry {
        ordinals,
        count,
        addresses,
        terms: terms(input, layout)?,
    })
}

fn sorted_numeric(
    input: &mut Input<'_>,
    layout: Layout,
) -> Result<SortedNumericEntry, LuceneError> {
    let values = numeric(input, layout)?;
    let count = input.count("a number of documents")?;
    let mut several = None;
    if u64::from(count) != values.count {
        several = Some(addresses(input, u64::from(count) + 1)?);
    }
    Ok(SortedNumericEntry {
        values,
        count,
        addresses: several,
    })
}

fn bits(input: &mut Input<'_>) -> Result<u32, LuceneError> {
    let bits = u32::from(input.u8()?);
    if bits > 64 {
        return Err(input.corrupt(format!("at most 64 bits a value, not {bits}")));
    }
    Ok(bits)
}

fn extent(input: &mut Input<'_>) -> Result<Extent, LuceneError> {
    Ok(Extent {
        offset: input.length("an offset")?,
        length: input.length("a length")?,
    })
}

/// Offset, shift, metadata, length.
fn addresses(input: &mut Input<'_>, count: u64) -> Result<Addresses, LuceneError> {
    let offset = input.length("an offset")?;
    let shift = input.vint()?;
    let sequence = Monotonic::read(input, count, shift)?;
    let length = input.length("a length")?;
    Ok(Addresses {
        sequence,
        data: Extent { offset, length },
    })
}

fn terms(input: &mut Input<'_>, layout: Layout) -> Result<TermsEntry, LuceneError> {
    let size = input.vlong()?;
    let (block_shift, compressed) = if layout.family >= Family::Lucene90 {
        (TERMS_SHIFT_90, true)
    } else {
        let code = input.count("a code of term blocks")?;
        if layout.family == Family::Lucene80 && code == TERMS_LZ4 {
            (code >> 16, true)
        } else {
            (code, false)
        }
    };
    let shift = input.count("a block shift")?;
    let sequence = Monotonic::read(input, blocks(input, size, block_shift)?, shift)?;
    let max_term_length = input.count("a length")?;
    let mut max_block_length = None;
    if compressed {
        max_block_length = Some(input.count("a length")?);
    }
    let data = extent(input)?;
    let addresses = extent(input)?;
    let index_shift = input.count("an index shift")?;
    let indexed = blocks(input, size, index_shift)?.saturating_add(1);
    // For searching by term, which nothing here does.
    Monotonic::read(input, indexed, shift)?;
    extent(input)?;
    extent(input)?;
    Ok(TermsEntry {
        size,
        block_shift,
        blocks: Addresses {
            sequence,
            data: addresses,
        },
        max_term_length,
        compressed: max_block_length,
        data,
    })
}

/// How many blocks of `1 << shift` hold `count`.
fn blocks(input: &Input<'_>, count: u64, shift: u32) -> Result<u64, LuceneError> {
    if shift > 30 {
        return Err(input.corrupt(format!("a shift of at most 30, not {shift}")));
    }
    Ok(count.div_ceil(1 << shift))
}
