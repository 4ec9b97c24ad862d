//! The dictionary of a field: terms by ordinal. One block of them is held decoded.

use super::super::LuceneError;
use super::super::doc_values::FieldFile;
use super::super::doc_values::entries::TermsEntry;
use super::super::stored_fields::lz4;
use super::part::{Part, Sequence};

/// The longest term that Lucene takes is 32,766 bytes; a block has at most 64 of them, each with at most eleven bytes of lengths.
const MAX_BLOCK_BYTES: u64 = 64 * (32_766 + 11);
const MAX_TERM_BYTES: u32 = 32_766;

/// See the module.
pub(super) struct Terms {
    size: u64,
    shift: u32,
    compressed: bool,
    starts: Sequence,
    data: Part,
    held: Option<u64>,
    /// The terms of the block that is held, one behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Terms {
    pub(super) fn open(
        file: &FieldFile,
        entry: TermsEntry,
        window: usize,
    ) -> Result<Self, LuceneError> {
        let data = Part::new(file, entry.data, window)?;
        if entry.max_term_length > MAX_TERM_BYTES || entry.block_shift > 6 {
            return Err(data.error(0, "terms of at most 32,766 bytes, in blocks of at most 64"));
        }
        Ok(Self {
            size: entry.size,
            shift: entry.block_shift,
            compressed: entry.compressed.is_some(),
            starts: Sequence::open(file, entry.blocks, window)?,
            data,
            held: None,
            text: Vec::new(),
            ends: Vec::new(),
        })
    }

    pub(super) fn get(&mut self, ordinal: i64) -> Result<&[u8], LuceneError> {
        let ordinal = u64::try_from(ordinal)
            .ok()
            .filter(|ordinal| *ordinal < self.size);
        let ordinal = ordinal.ok_or_else(|| self.data.error(0, "an ordinal of a term"))?;
        let block = ordinal >> self.shift;
        if self.held != Some(block) {
            self.held = None;
            self.load(block)?;
            self.held = Some(block);
        }
        let within = (ordinal & ((1 << self.shift) - 1)) as usize;
        let end = self.ends.get(within).copied();
        let start = if within == 0 {
            Some(0)
        } else {
            self.ends.get(within - 1).copied()
        };
        match start
            .zip(end)
            .and_then(|(start, end)| self.text.get(start..end))
        {
            Some(term) => Ok(term),
            None => Err(self.data.error(0, "a term of its block")),
        }
    }

    fn load(&mut self, block: u64) -> Result<(), LuceneError> {
        let first = block << self.shift;
        let count = (self.size - first).min(1 << self.shift) as usize;
        let start = self.starts.get(block)?;
        let end = if block + 1 < self.starts.count() {
            self.starts.get(block + 1)?
        } else {
            self.data.length()
        };
        let length = end
            .checked_sub(start)
            .filter(|length| *length <= MAX_BLOCK_BYTES);
        let length = length.ok_or_else(|| self.data.error(start, "a block of terms"))?;
        let (compressed, text, ends) = (self.compressed, &mut self.text, &mut self.ends);
        let bytes = self.data.bytes(start, length)?;
        if decode(bytes, compressed, count, text, ends).is_none() {
            return Err(self.data.error(start, format!("a block of {count} terms")));
        }
        Ok(())
    }
}

/// `None` where the block is damaged.
fn decode(
    bytes: &[u8],
    compressed: bool,
    count: usize,
    text: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Option<()> {
    text.clear();
    ends.clear();
    let mut bytes = bytes;
    let length = vint(&mut bytes)?;
    let (first, rest) = bytes.split_at_checked(length)?;
    text.extend_from_slice(first);
    ends.push(text.len());
    if count == 1 {
        return Some(());
    }
    let decoded;
    let mut rest = rest;
    if compressed {
        let length = vint(&mut rest)?;
        if length as u64 > MAX_BLOCK_BYTES {
            return None;
        }
        let mut out = first.to_vec();
        let block = first.len()..first.len() + length;
        out.resize(block.end, 0);
        lz4::decode_behind(rest, first.len(), block, &mut out)?;
        decoded = out;
        rest = &decoded[first.len()..];
    }
    let mut start = 0;
    for _ in 1..count {
        let token = usize::from(take(&mut rest, 1)?[0]);
        let mut shared = token & 15;
        let mut added = 1 + (token >> 4);
        if shared == 15 {
            shared = shared.checked_add(vint(&mut rest)?)?;
        }
        if added == 16 {
            added = added.checked_add(vint(&mut rest)?)?;
        }
        let before = text.len();
        if shared > before - start || shared.checked_add(added)? > MAX_TERM_BYTES as usize {
            return None;
        }
        text.extend_from_within(start..start + shared);
        text.extend_from_slice(take(&mut rest, added)?);
        start = before;
        ends.push(text.len());
    }
    Some(())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

pub(super) fn vint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..35).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_share_bytes_with_the_one_before() {
        let mut block = vec![3];
        block.extend(b"abc");
        block.extend([0x12]); // two shared, two more
        block.extend(b"xy");
        block.extend([0xf0, 4]); // none shared, twenty more
        block.extend([b'z'; 20]);
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        decode(&block, false, 3, &mut text, &mut ends).unwrap();
        assert_eq!(&text[..3], b"abc");
        assert_eq!(&text[ends[0]..ends[1]], b"abxy");
        assert_eq!(&text[ends[1]..], [b'z'; 20]);
        for length in 0..block.len() {
            let read = decode(&block[..length], false, 3, &mut text, &mut ends);
            assert_eq!(read, None, "{length}");
        }
    }
}
