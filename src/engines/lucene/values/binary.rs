//! BINARY: one value of bytes a document, plain or in blocks of LZ4 (Lucene 8.5 to 8.11).
//!
//! A block holds the values of `1 << shift` documents: a vInt with the length of the first, doubled, plus one where all have
//! that length; the lengths of the others otherwise; then all values as one LZ4 block. The last block states lengths for
//! documents that are not there, of 0.

use super::super::LuceneError;
use super::super::doc_values::FieldFile;
use super::super::doc_values::entries::{BinaryEntry, BinaryValues};
use super::super::limits::LZ4_RATIO;
use super::super::stored_fields::lz4;
use super::part::{Part, Sequence};

/// Lucene writes 32 values a block.
const MAX_BLOCK_SHIFT: u32 = 10;
/// A block with a value of Lucene's greatest length, twice over.
const MAX_BLOCK_BYTES: u64 = 256 << 20;

/// See the module.
pub(super) struct Binary {
    data: Part,
    count: u64,
    max_length: u64,
    layout: Layout,
}

enum Layout {
    /// Each has as many bytes as the longest.
    Fixed,
    /// Where each begins.
    Starts(Sequence),
    Blocks(Box<Blocks>),
}

struct Blocks {
    starts: Sequence,
    shift: u32,
    held: Option<u64>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Binary {
    pub(super) fn open(
        file: &FieldFile,
        data: Part,
        entry: BinaryEntry,
        window: usize,
    ) -> Result<Self, LuceneError> {
        let layout = match entry.values {
            BinaryValues::Fixed => Layout::Fixed,
            BinaryValues::Variable(addresses) => {
                Layout::Starts(Sequence::open(file, addresses, window)?)
            }
            BinaryValues::Compressed {
                blocks, docs_shift, ..
            } => {
                if docs_shift > MAX_BLOCK_SHIFT {
                    return Err(data.error(0, "blocks of at most 1024 values"));
                }
                Layout::Blocks(Box::new(Blocks {
                    starts: Sequence::open(file, blocks, window)?,
                    shift: docs_shift,
                    held: None,
                    bytes: Vec::new(),
                    ends: Vec::new(),
                }))
            }
        };
        Ok(Self {
            data,
            count: u64::from(entry.count),
            max_length: u64::from(entry.max_length),
            layout,
        })
    }

    pub(super) fn get(&mut self, index: u64) -> Result<&[u8], LuceneError> {
        let Self {
            data,
            count,
            max_length,
            layout,
        } = self;
        let too_long = |data: &Part, at| data.error(at, format!("at most {max_length} bytes"));
        if index >= *count {
            return Err(data.error(0, format!("value {index} of {count}")));
        }
        let (start, length) = match layout {
            Layout::Fixed => (index.saturating_mul(*max_length), *max_length),
            Layout::Starts(starts) => {
                let start = starts.get(index)?;
                (start, starts.get(index + 1)?.saturating_sub(start))
            }
            Layout::Blocks(blocks) => {
                let block = index >> blocks.shift;
                if blocks.held != Some(block) {
                    blocks.held = None;
                    blocks.load(block, data)?;
                    blocks.held = Some(block);
                }
                let within = (index & ((1 << blocks.shift) - 1)) as usize;
                let start = within
                    .checked_sub(1)
                    .map_or(0, |before| blocks.ends[before]);
                let value = &blocks.bytes[start..blocks.ends[within]];
                if value.len() as u64 > *max_length {
                    return Err(too_long(data, 0));
                }
                return Ok(value);
            }
        };
        if length > *max_length {
            return Err(too_long(data, start));
        }
        data.bytes(start, length)
    }
}

impl Blocks {
    fn load(&mut self, block: u64, data: &mut Part) -> Result<(), LuceneError> {
        // Blocks are addressed from the beginning of the file.
        let within = |address: u64| address.checked_sub(data.offset()).unwrap_or(u64::MAX);
        let start = within(self.starts.get(block)?);
        let end = if block + 1 < self.starts.count() {
            within(self.starts.get(block + 1)?)
        } else {
            data.length()
        };
        let length = end
            .checked_sub(start)
            .filter(|length| *length <= MAX_BLOCK_BYTES);
        let length = length.ok_or_else(|| data.error(start, "a block of values"))?;
        let (shift, out, ends) = (self.shift, &mut self.bytes, &mut self.ends);
        let bytes = data.bytes(start, length)?;
        if decode(bytes, shift, out, ends).is_none() {
            return Err(data.error(start, format!("a block of {} values", 1 << shift)));
        }
        Ok(())
    }
}

/// `None` where the block is damaged.
fn decode(bytes: &[u8], shift: u32, out: &mut Vec<u8>, ends: &mut Vec<usize>) -> Option<()> {
    let mut rest = bytes;
    let first = super::terms::vint(&mut rest)?;
    let (same, length) = (first & 1 == 1, first >> 1);
    ends.clear();
    let mut end = length;
    ends.push(end);
    for _ in 1..1_usize << shift {
        let next = if same {
            length
        } else {
            super::terms::vint(&mut rest)?
        };
        end = end.checked_add(next)?;
        ends.push(end);
    }
    out.clear();
    if end == 0 {
        return Some(());
    }
    // The last block's absent documents may be counted in where all have one length; nothing stands for them.
    if end as u64
        > (rest.len() as u64)
            .saturating_mul(LZ4_RATIO)
            .min(MAX_BLOCK_BYTES)
    {
        return None;
    }
    out.resize(end, 0);
    lz4::decode(rest, out)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_states_its_lengths() {
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        // Two values of 2 and 3 bytes, as literals of LZ4.
        let block = [4, 3, 0x50, b'a', b'b', b'c', b'd', b'e'];
        decode(&block, 1, &mut out, &mut ends).unwrap();
        assert_eq!(
            (out.as_slice(), ends.as_slice()),
            (&b"abcde"[..], &[2, 5][..])
        );
        let same = [5, 0x40, b'a', b'b', b'c', b'd'];
        decode(&same, 1, &mut out, &mut ends).unwrap();
        assert_eq!(
            (out.as_slice(), ends.as_slice()),
            (&b"abcd"[..], &[2, 4][..])
        );
        for length in 0..block.len() {
            assert_eq!(decode(&block[..length], 1, &mut out, &mut ends), None);
        }
        assert_eq!(
            decode(&[0xff, 0xff, 0xff, 0xff, 0x0f], 5, &mut out, &mut ends),
            None
        );
    }
}
