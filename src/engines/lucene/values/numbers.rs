//! Numbers by their index among all values of a field.

use super::super::LuceneError;
use super::super::doc_values::FieldFile;
use super::super::doc_values::entries::{Extent, NumericEntry};
use super::super::input::{Input, Order};
use super::super::packed::{byte_length, value_in};
use super::part::Part;

/// Width, smallest value, and length of the packed numbers, before a block.
const BLOCK_HEADER: u64 = 13;

/// See the module.
pub(super) struct Numbers {
    encoding: Encoding,
    count: u64,
    order: Order,
    part: Part,
}

enum Encoding {
    Constant(i64),
    Packed {
        bits: u32,
        min: i64,
        gcd: i64,
    },
    Table {
        bits: u32,
        table: Vec<i64>,
    },
    /// Blocks of `1 << shift` values; where each begins within the part, as far as they were walked over.
    Blocks {
        shift: u32,
        gcd: i64,
        starts: Vec<u64>,
    },
}

impl Numbers {
    pub(super) fn open(
        file: &FieldFile,
        entry: &NumericEntry,
        window: usize,
    ) -> Result<Self, LuceneError> {
        let extent = Extent {
            offset: entry.offset,
            length: entry.length,
        };
        let encoding = match entry.block_shift {
            Some(shift) => Encoding::Blocks {
                shift,
                gcd: entry.gcd,
                starts: vec![0],
            },
            None if entry.bits == 0 => Encoding::Constant(entry.min),
            None if entry.table.is_empty() => Encoding::Packed {
                bits: entry.bits,
                min: entry.min,
                gcd: entry.gcd,
            },
            None => Encoding::Table {
                bits: entry.bits,
                table: entry.table.clone(),
            },
        };
        Self::new(file, extent, encoding, entry.count, window)
    }

    /// Plain numbers of `bits`.
    pub(super) fn plain(
        file: &FieldFile,
        extent: Extent,
        bits: u32,
        count: u64,
        window: usize,
    ) -> Result<Self, LuceneError> {
        let encoding = match bits {
            0 => Encoding::Constant(0),
            bits => Encoding::Packed {
                bits,
                min: 0,
                gcd: 1,
            },
        };
        Self::new(file, extent, encoding, count, window)
    }

    fn new(
        file: &FieldFile,
        extent: Extent,
        encoding: Encoding,
        count: u64,
        window: usize,
    ) -> Result<Self, LuceneError> {
        // A constant has no bytes, and its offset means nothing.
        let extent = match encoding {
            Encoding::Constant(_) => Extent {
                offset: 0,
                length: 0,
            },
            _ => extent,
        };
        let part = Part::new(file, extent, window)?;
        if let Encoding::Packed { bits, .. } | Encoding::Table { bits, .. } = &encoding {
            let needed = byte_length(count, *bits).map(|length| length as u64);
            if needed.is_none_or(|needed| needed > part.length()) {
                return Err(part.error(0, format!("{count} values of {bits} bits")));
            }
        }
        Ok(Self {
            encoding,
            count,
            order: file.order,
            part,
        })
    }

    /// Value `index` of those there are.
    pub(super) fn get(&mut self, index: u64) -> Result<i64, LuceneError> {
        if index >= self.count {
            return Err(self
                .part
                .error(0, format!("a value {index} of {}", self.count)));
        }
        match &mut self.encoding {
            Encoding::Constant(value) => Ok(*value),
            Encoding::Packed { bits, min, gcd } => {
                let (bits, min, gcd) = (*bits, *min, *gcd);
                let raw = packed(&mut self.part, self.order, 0, bits, index)?;
                Ok(gcd.wrapping_mul(raw.cast_signed()).wrapping_add(min))
            }
            Encoding::Table { bits, table } => {
                let raw = packed(&mut self.part, self.order, 0, *bits, index)?;
                let value = usize::try_from(raw).ok().and_then(|at| table.get(at));
                value
                    .copied()
                    .ok_or_else(|| self.part.error(0, "a value of the table"))
            }
            Encoding::Blocks { shift, gcd, starts } => {
                let (shift, gcd) = (*shift, *gcd);
                let block = index >> shift;
                // Each block says how long it is; documents come in rising order, so this is walked once.
                while starts.len() as u64 <= block {
                    let at = starts.last().copied().unwrap_or(0);
                    let (_, _, length) = header(&mut self.part, self.order, at)?;
                    starts.push(at + length);
                }
                let at = usize::try_from(block)
                    .ok()
                    .and_then(|block| starts.get(block));
                let at = at.copied().unwrap_or(0);
                let (bits, min, _) = header(&mut self.part, self.order, at)?;
                if bits == 0 {
                    return Ok(min);
                }
                let within = index & ((1 << shift) - 1);
                let raw = packed(&mut self.part, self.order, at + BLOCK_HEADER, bits, within)?;
                Ok(gcd.wrapping_mul(raw.cast_signed()).wrapping_add(min))
            }
        }
    }
}

/// Width, smallest value and whole length of the block at `at`.
fn header(part: &mut Part, order: Order, at: u64) -> Result<(u32, i64, u64), LuceneError> {
    let parsed = {
        let bytes = part.up_to(at, BLOCK_HEADER)?;
        let mut input = Input::at_offset("", at, bytes);
        input.set_order(order);
        let head = input
            .u8()
            .and_then(|bits| Ok((u32::from(bits), input.i64()?)));
        head.and_then(|(bits, min)| {
            let length = if bits == 0 {
                9
            } else {
                BLOCK_HEADER + u64::from(input.count("a length")?)
            };
            Ok((bits, min, length))
        })
        .ok()
    };
    match parsed {
        Some(head) if head.0 <= 64 => Ok(head),
        _ => Err(part.error(at, "the head of a block of values")),
    }
}

/// Number `index` of a packed stream that begins at `start`.
fn packed(
    part: &mut Part,
    order: Order,
    start: u64,
    bits: u32,
    index: u64,
) -> Result<u64, LuceneError> {
    // Eight values of any width end with a byte.
    let aligned = index & !7;
    let first = start + aligned / 8 * u64::from(bits);
    let within = index - aligned;
    let length = ((within + 1) * u64::from(bits)).div_ceil(8);
    let bytes = part.bytes(first, length)?;
    Ok(value_in(order, bytes, bits, within as usize))
}
