//! The values of one NUMERIC field, read for ranges of documents.
//!
//! Nothing but the places of the values is held for a segment: values are read by windows as ranges ask for them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::input::{Input, Order};
use super::super::limits::VALUES_WINDOW_BYTES;
use super::super::packed::{byte_length, value_in};
use super::super::{LuceneError, ReadAt, codec};
use super::disi::Presence;
use super::entries::NumericEntry;

/// Width, smallest value, and length of the packed numbers, before a block.
const BLOCK_HEADER: u64 = 13;

/// One field of one segment.
pub(in super::super) struct Numeric {
    file: String,
    data: Arc<dyn ReadAt>,
    presence: Presence,
    encoding: Encoding,
    /// Whether a value stands for every document, those without one too.
    by_document: bool,
    order: Order,
    /// Behind the last byte that values stand in.
    end: u64,
}

pub(super) enum Encoding {
    Constant(i64),
    Packed {
        offset: u64,
        bits: u32,
        scale: Scale,
    },
    Blocks {
        shift: u32,
        gcd: i64,
        offsets: Vec<u64>,
    },
}

pub(super) enum Scale {
    Linear { min: i64, gcd: i64 },
    Table(Vec<i64>),
}

/// Bytes of a field's values that were read last.
#[derive(Default)]
pub(in super::super) struct ValuesWindow {
    offset: u64,
    bytes: Bytes,
}

/// The values of one range of documents.
#[derive(Default)]
pub(in super::super) struct Column {
    values: Vec<i64>,
    /// How many documents of the field stand before the range.
    before: u32,
}

impl Numeric {
    pub(super) fn open(
        file: &str,
        data: Arc<dyn ReadAt>,
        order: Order,
        entry: &NumericEntry,
        max_doc: u32,
    ) -> Result<Self, LuceneError> {
        let corrupt = |expected: String| LuceneError::Corrupt {
            file: file.to_owned(),
            offset: entry.offset,
            expected,
        };
        let presence = Presence::read(file, &data, entry.docs, order, max_doc)?;
        let count = u64::from(presence.count(max_doc));
        if count != entry.count {
            return Err(corrupt(format!("{} values, not {count}", entry.count)));
        }
        let covered = codec::covered(data.as_ref());
        let end = entry.offset.checked_add(entry.length);
        let end = end
            .filter(|end| *end <= covered)
            .ok_or_else(|| corrupt(format!("values before the end at {covered}")))?;
        let encoding = if let Some(shift) = entry.block_shift {
            let blocks = count.div_ceil(1 << shift);
            let offsets = match entry.jump_table {
                Some(at) => jump_table(file, data.as_ref(), order, at, blocks)?,
                None => walk(file, data.as_ref(), order, entry.offset, end, blocks)?,
            };
            if offsets.iter().any(|at| !(entry.offset..end).contains(at)) {
                return Err(corrupt(format!("blocks before the end at {end}")));
            }
            Encoding::Blocks {
                shift,
                gcd: entry.gcd,
                offsets,
            }
        } else if entry.bits == 0 {
            Encoding::Constant(entry.min)
        } else {
            let needed = byte_length(count, entry.bits).map(|length| length as u64);
            if needed.is_none_or(|needed| needed > entry.length) {
                return Err(corrupt(format!("{count} values of {} bits", entry.bits)));
            }
            let scale = if entry.table.is_empty() {
                Scale::Linear {
                    min: entry.min,
                    gcd: entry.gcd,
                }
            } else {
                Scale::Table(entry.table.clone())
            };
            Encoding::Packed {
                offset: entry.offset,
                bits: entry.bits,
                scale,
            }
        };
        Ok(Self {
            file: file.to_owned(),
            data,
            presence,
            encoding,
            by_document: false,
            order,
            end,
        })
    }

    /// Of `count` values that are all equal or packed in `place`, once where they stand was parsed.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the field")]
    pub(super) fn packed_or_constant(
        file: &str,
        data: Arc<dyn ReadAt>,
        order: Order,
        presence: Presence,
        encoding: Encoding,
        by_document: bool,
        place: Range<u64>,
        count: u64,
    ) -> Result<Self, LuceneError> {
        let bits = match &encoding {
            Encoding::Packed { bits, .. } => *bits,
            Encoding::Constant(_) | Encoding::Blocks { .. } => 0,
        };
        let needed = byte_length(count, bits).map(|length| length as u64);
        let fits = place.end <= codec::covered(data.as_ref())
            && needed
                .zip(place.end.checked_sub(place.start))
                .is_some_and(|(needed, length)| needed <= length);
        if bits > 0 && !fits {
            return Err(LuceneError::Corrupt {
                file: file.to_owned(),
                offset: place.start,
                expected: format!("{count} values of {bits} bits within the file"),
            });
        }
        Ok(Self {
            file: file.to_owned(),
            data,
            presence,
            encoding,
            by_document,
            order,
            end: place.end,
        })
    }

    /// Bytes held.
    pub(in super::super) fn memory(&self) -> usize {
        let presence = match &self.presence {
            Presence::None | Presence::All => 0,
            Presence::Some(ranked) => ranked.memory(),
        };
        let encoding = match &self.encoding {
            Encoding::Blocks { offsets, .. } => offsets.capacity() * 8,
            Encoding::Constant(_) | Encoding::Packed { .. } => 0,
        };
        presence + encoding
    }

    pub(in super::super) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Reads the values of `docs` into `column`.
    pub(in super::super) fn read(
        &self,
        docs: Range<u32>,
        window: &mut ValuesWindow,
        column: &mut Column,
    ) -> Result<(), LuceneError> {
        column.values.clear();
        let (start, end) = match &self.presence {
            Presence::None => return Ok(()),
            Presence::All => (docs.start, docs.end),
            Presence::Some(_) if self.by_document => (docs.start, docs.end),
            Presence::Some(ranked) => (ranked.rank(docs.start), ranked.rank(docs.end)),
        };
        column.before = start;
        match &self.encoding {
            Encoding::Constant(_) => Ok(()),
            Encoding::Packed {
                offset,
                bits,
                scale,
            } => {
                let range = u64::from(start)..u64::from(end);
                let (bytes, skip) = self.packed(window, *offset, *bits, range)?;
                let raw = (skip..).map(|index| value_in(self.order, bytes, *bits, index));
                let raw = raw.take((end - start) as usize);
                match scale {
                    Scale::Linear { min, gcd } => column
                        .values
                        .extend(raw.map(|raw| gcd.wrapping_mul(raw as i64).wrapping_add(*min))),
                    Scale::Table(table) => {
                        for raw in raw {
                            let value = usize::try_from(raw).ok().and_then(|at| table.get(at));
                            let value =
                                value.ok_or_else(|| self.corrupt("a value of the table"))?;
                            column.values.push(*value);
                        }
                    }
                }
                Ok(())
            }
            Encoding::Blocks {
                shift,
                gcd,
                offsets,
            } => {
                let mut at = start;
                while at < end {
                    let block = at >> shift;
                    let first = block << shift;
                    // In u64: the last block may end behind the largest document number.
                    let last = u64::from(first) + (1 << shift);
                    let stop = u64::from(end).min(last);
                    let offset = offsets.get(block as usize).copied();
                    let offset = offset.ok_or_else(|| self.corrupt("a block of values"))?;
                    let within = u64::from(at - first)..stop - u64::from(first);
                    self.block(window, offset, *gcd, within, column)?;
                    at = u32::try_from(stop).unwrap_or(end);
                }
                Ok(())
            }
        }
    }

    fn block(
        &self,
        window: &mut ValuesWindow,
        offset: u64,
        gcd: i64,
        within: Range<u64>,
        column: &mut Column,
    ) -> Result<(), LuceneError> {
        let header = self.bytes(window, offset, (self.end - offset).min(BLOCK_HEADER))?;
        let mut input = Input::at_offset(&self.file, offset, header);
        input.set_order(self.order);
        let bits = u32::from(input.u8()?);
        let min = input.i64()?;
        let count = (within.end - within.start) as usize;
        if bits == 0 {
            column.values.extend(std::iter::repeat_n(min, count));
            return Ok(());
        }
        let length = u64::from(input.count("a length of packed values")?);
        let needed = byte_length(within.end, bits).map(|length| length as u64);
        if bits > 64 || needed.is_none_or(|needed| needed > length) {
            return Err(input.corrupt("a block of as many values as it states"));
        }
        let (bytes, skip) = self.packed(window, offset + BLOCK_HEADER, bits, within)?;
        let raw = (skip..skip + count).map(|index| value_in(self.order, bytes, bits, index));
        column
            .values
            .extend(raw.map(|raw| gcd.wrapping_mul(raw as i64).wrapping_add(min)));
        Ok(())
    }

    /// Bytes that hold the values `range` of a stream that begins at `offset`, and which of theirs is the first.
    fn packed<'w>(
        &self,
        window: &'w mut ValuesWindow,
        offset: u64,
        bits: u32,
        range: Range<u64>,
    ) -> Result<(&'w [u8], usize), LuceneError> {
        // Eight values of any width end with a byte.
        let aligned = range.start & !7;
        let start = aligned / 8 * u64::from(bits);
        let end = (range.end * u64::from(bits)).div_ceil(8);
        let bytes = self.bytes(window, offset + start, end - start)?;
        Ok((bytes, (range.start - aligned) as usize))
    }

    /// Bytes `[offset, offset + length)` through the window.
    fn bytes<'w>(
        &self,
        window: &'w mut ValuesWindow,
        offset: u64,
        length: u64,
    ) -> Result<&'w [u8], LuceneError> {
        let end = offset.checked_add(length).filter(|end| *end <= self.end);
        let end = end.ok_or_else(|| self.corrupt("values within their place"))?;
        let held = window.offset..window.offset + window.bytes.len() as u64;
        if offset < held.start || end > held.end {
            let ahead = (self.end - offset).min(VALUES_WINDOW_BYTES.max(length));
            window.bytes = codec::read(&self.file, self.data.as_ref(), offset, ahead)?;
            window.offset = offset;
        }
        let from = (offset - window.offset) as usize;
        Ok(&window.bytes[from..from + length as usize])
    }

    /// The value of `doc`, which lies in the range that `column` was read for.
    #[inline]
    pub(in super::super) fn get(&self, column: &Column, doc: u32) -> Option<i64> {
        let index = match &self.presence {
            Presence::All => doc,
            Presence::None => return None,
            Presence::Some(ranked) => {
                if !ranked.bits().contains(doc) {
                    return None;
                }
                if let Encoding::Constant(value) = self.encoding {
                    return Some(value);
                }
                if self.by_document {
                    doc
                } else {
                    ranked.rank(doc)
                }
            }
        };
        if let Encoding::Constant(value) = self.encoding {
            return Some(value);
        }
        let index = index.checked_sub(column.before)?;
        column.values.get(index as usize).copied()
    }

    fn corrupt(&self, expected: &str) -> LuceneError {
        LuceneError::Corrupt {
            file: self.file.clone(),
            offset: self.end,
            expected: expected.to_owned(),
        }
    }
}

/// Offsets of blocks as Lucene 8 states them.
fn jump_table(
    file: &str,
    data: &dyn ReadAt,
    order: Order,
    at: u64,
    blocks: u64,
) -> Result<Vec<u64>, LuceneError> {
    let bytes = codec::read(file, data, at, blocks * 8)?;
    let mut input = Input::at_offset(file, at, &bytes);
    input.set_order(order);
    (0..blocks)
        .map(|_| input.length("an offset of a block"))
        .collect()
}

/// Offsets of blocks where nothing states them (Lucene 7): each block says how long it is.
fn walk(
    file: &str,
    data: &dyn ReadAt,
    order: Order,
    start: u64,
    end: u64,
    blocks: u64,
) -> Result<Vec<u64>, LuceneError> {
    let mut offsets = Vec::new();
    let mut at = start;
    for _ in 0..blocks {
        let bytes = codec::read(file, data, at, end.saturating_sub(at).min(BLOCK_HEADER))?;
        let mut input = Input::at_offset(file, at, &bytes);
        input.set_order(order);
        offsets.push(at);
        let bits = input.u8()?;
        input.i64()?;
        at += if bits == 0 {
            9
        } else {
            BLOCK_HEADER + u64::from(input.count("a length of packed values")?)
        };
    }
    Ok(offsets)
}

#[cfg(test)]
#[path = "numeric_tests.rs"]
mod tests;
