//! `.dvm`: one entry a field. All entries before the wanted one are parsed to step over them, since none says how long
//! it is.

use super::super::LuceneError;
use super::super::field_infos::FieldInfos;
use super::super::input::Input;
use super::{CompressedBinary, Layout};

/// Where a set of documents stands in `.dvd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DocSet {
    /// −2: no document; −1: all; else an offset.
    pub(super) offset: i64,
    pub(super) length: u64,
    /// The base-2 logarithm of documents per rank entry of a dense block; `None` when blocks have no ranks.
    pub(super) rank_power: Option<u8>,
}

/// How the numbers of a field are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumericEntry {
    pub(super) docs: DocSet,
    pub(super) count: u64,
    /// At most 256 distinct values: the packed numbers point here.
    pub(super) table: Vec<i64>,
    /// Blocks of `1 << shift` values, each with a width of its own.
    pub(super) block_shift: Option<u32>,
    pub(super) bits: u32,
    pub(super) min: i64,
    pub(super) gcd: i64,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Where the offsets of the blocks stand, if the format has such a table.
    pub(super) jump_table: Option<u64>,
}

const NUMERIC: u8 = 0;
const BINARY: u8 = 1;
const SORTED: u8 = 2;
const SORTED_SET: u8 = 3;
const SORTED_NUMERIC: u8 = 4;
/// Terms in LZ4 blocks of 64 (Lucene 8 only); any other code is itself the shift.
const TERMS_LZ4: u32 = 0x6_0001;

/// The entry of field `wanted`, which must be NUMERIC; `None` when the file has none.
pub(super) fn find(
    input: &mut Input<'_>,
    layout: Layout,
    fields: &FieldInfos,
    wanted: u32,
) -> Result<Option<NumericEntry>, LuceneError> {
    loop {
        let number = input.i32()?;
        if number == -1 {
            return Ok(None);
        }
        let number = u32::try_from(number).map_err(|_| input.corrupt("a field number, or -1"))?;
        let field = fields.by_number(number);
        let field = field.ok_or_else(|| input.corrupt(format!("a known field, not {number}")))?;
        let kind = input.u8()?;
        if number == wanted {
            if kind != NUMERIC {
                return Err(input.corrupt(format!("type NUMERIC of field {}", field.name)));
            }
            return numeric(input, layout).map(Some);
        }
        let best_compression = field
            .attributes
            .get("Lucene80DocValuesFormat.mode")
            .is_some_and(|mode| mode == "BEST_COMPRESSION");
        match kind {
            NUMERIC => drop(numeric(input, layout)?),
            BINARY => binary(input, layout, best_compression)?,
            SORTED => sorted(input, layout)?,
            SORTED_SET => sorted_set(input, layout)?,
            SORTED_NUMERIC => sorted_numeric(input, layout)?,
            _ => return Err(input.corrupt(format!("a type of 0 to 4, not {kind}"))),
        }
    }
}

fn doc_set(input: &mut Input<'_>, layout: Layout) -> Result<DocSet, LuceneError> {
    let offset = input.i64()?;
    if offset < -2 {
        return Err(input.corrupt("an offset, -1 or -2"));
    }
    // The length means nothing for all documents or none.
    let length = u64::try_from(input.i64()?).unwrap_or(0);
    let mut rank_power = None;
    if layout.jump_tables {
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
    if layout.jump_tables {
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
) -> Result<(), LuceneError> {
    input.skip(16)?;
    doc_set(input, layout)?;
    let docs = input.count("a number of documents")?;
    let min = input.i32()?;
    let max = input.i32()?;
    let compressed = match layout.compressed {
        CompressedBinary::Never => false,
        CompressedBinary::Always => true,
        CompressedBinary::ByAttribute => best_compression,
    };
    if compressed {
        if docs > 0 {
            input.skip(8)?;
            let chunks = input.vint()?;
            input.vint()?;
            input.vint()?;
            let shift = input.vint()?;
            monotonic(input, u64::from(chunks), shift)?;
            input.skip(8)?;
        }
    } else if min < max {
        input.skip(8)?;
        let shift = input.vint()?;
        monotonic(input, u64::from(docs) + 1, shift)?;
        input.skip(8)?;
    }
    Ok(())
}

fn sorted(input: &mut Input<'_>, layout: Layout) -> Result<(), LuceneError> {
    doc_set(input, layout)?;
    input.skip(4 + 1 + 16)?;
    terms(input, layout)
}

fn sorted_set(input: &mut Input<'_>, layout: Layout) -> Result<(), LuceneError> {
    match input.u8()? {
        0 => return sorted(input, layout),
        1 => {}
        _ => return Err(input.corrupt("0 or 1 before a set of terms")),
    }
    doc_set(input, layout)?;
    input.skip(1 + 16)?;
    let docs = input.count("a number of documents")?;
    addresses(input, u64::from(docs) + 1)?;
    terms(input, layout)
}

fn sorted_numeric(input: &mut Input<'_>, layout: Layout) -> Result<(), LuceneError> {
    let entry = numeric(input, layout)?;
    let docs = u64::from(input.count("a number of documents")?);
    if docs != entry.count {
        addresses(input, docs + 1)?;
    }
    Ok(())
}

fn addresses(input: &mut Input<'_>, count: u64) -> Result<(), LuceneError> {
    input.skip(8)?;
    let shift = input.vint()?;
    monotonic(input, count, shift)?;
    input.skip(8)
}

fn terms(input: &mut Input<'_>, layout: Layout) -> Result<(), LuceneError> {
    let size = input.vlong()?;
    let code = input.count("a code of term blocks")?;
    let compressed = layout.jump_tables && code == TERMS_LZ4;
    let block_shift = if compressed { code >> 16 } else { code };
    let shift = input.count("a block shift")?;
    monotonic(input, blocks(input, size, block_shift)?, shift)?;
    input.skip(if compressed { 8 } else { 4 })?;
    input.skip(32)?;
    let index_shift = input.count("an index shift")?;
    let indexed = blocks(input, size, index_shift)?.saturating_add(1);
    monotonic(input, indexed, shift)?;
    input.skip(32)
}

/// How many blocks of `1 << shift` hold `count`.
fn blocks(input: &Input<'_>, count: u64, shift: u32) -> Result<u64, LuceneError> {
    if shift > 30 {
        return Err(input.corrupt(format!("a shift of at most 30, not {shift}")));
    }
    Ok(count.div_ceil(1 << shift))
}

/// Steps over the metadata of a monotonic sequence: 21 bytes a block.
fn monotonic(input: &mut Input<'_>, count: u64, shift: u32) -> Result<(), LuceneError> {
    let length = blocks(input, count, shift)?.saturating_mul(21);
    input.skip(length)
}
