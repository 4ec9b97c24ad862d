//! One chunk: its header, the lengths of its documents, and their bytes.

use super::super::ChunkRef;
use super::super::limits::{CHUNK_BYTES, SCRATCH_KEEP_BYTES};
use super::super::packed::{byte_length, value_at};
use super::{Cursor, Decode, Decompressor, Format, Integers, Sliced};

/// A decoded chunk. Used again for the next one: nothing is allocated once the buffers have grown.
#[derive(Default)]
pub(in super::super) struct Chunk {
    /// Stored fields of each document.
    pub(in super::super) fields: Vec<u32>,
    /// Bytes of each document.
    pub(in super::super) lengths: Vec<u32>,
    /// As long as the largest chunk so far; the first `total` bytes are of this one.
    buffer: Vec<u8>,
    total: usize,
    sliced: bool,
}

impl Chunk {
    /// The bytes of all documents, one behind the other.
    pub(in super::super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.total]
    }

    /// Reads the header and holds it to the index; gives the cursor before the compressed bytes.
    pub(in super::super) fn header<'a>(
        &mut self,
        format: Format,
        chunk: ChunkRef,
        bytes: &'a [u8],
    ) -> Decode<Cursor<'a>> {
        let mut cursor = Cursor::new(bytes);
        if cursor.vint()? != chunk.first_doc {
            return Err(cursor.bad("the first document that the index states"));
        }
        let token = cursor.vint()?;
        if token >> format.flag_bits != chunk.docs {
            return Err(cursor.bad("the number of documents that the index states"));
        }
        let integers = match format.integers {
            Integers::Packed => packed,
            Integers::Blocks => blocks,
        };
        integers(&mut cursor, chunk.docs, &mut self.fields)?;
        integers(&mut cursor, chunk.docs, &mut self.lengths)?;
        let total: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        let compressed = bytes.len() - cursor.at;
        if total > CHUNK_BYTES.min(format.compression.most(compressed)) {
            return Err(cursor.bad("no more bytes than the compressed ones can give"));
        }
        self.total = total as usize;
        self.sliced = match format.sliced {
            Sliced::ByFlag => token & 1 == 1,
            Sliced::ByLength => total >= 2 * u64::from(format.chunk_size),
        };
        Ok(cursor)
    }

    /// Decompresses what follows the header. The compressed bytes must end where the chunk ends.
    pub(in super::super) fn data(
        &mut self,
        format: Format,
        mut cursor: Cursor<'_>,
        decompressor: &mut Decompressor,
    ) -> Decode<()> {
        if self.buffer.len() < self.total {
            // Zeroed by the system, page by page as they are written: not before the bytes are there.
            self.buffer = Vec::new();
            self.buffer = vec![0; self.total];
        }
        let out = &mut self.buffer[..self.total];
        if self.sliced && !out.is_empty() {
            for slice in out.chunks_mut(format.chunk_size as usize) {
                decompressor.block(format.compression, &mut cursor, slice)?;
            }
        } else {
            decompressor.block(format.compression, &mut cursor, out)?;
        }
        if cursor.at != cursor.bytes.len() {
            return Err(cursor.bad("the end of the chunk"));
        }
        Ok(())
    }

    /// Gives memory back that one large document took.
    pub(in super::super) fn shrink(&mut self) {
        if self.buffer.len() > SCRATCH_KEEP_BYTES {
            self.total = 0;
            self.buffer = Vec::new();
        }
    }
}

/// One number a document: all equal, or packed. A single document's stands alone.
fn packed(cursor: &mut Cursor<'_>, count: u32, out: &mut Vec<u32>) -> Decode<()> {
    out.clear();
    let bits = if count == 1 { 0 } else { cursor.vint()? };
    if bits == 0 {
        out.resize(count as usize, cursor.vint()?);
        return Ok(());
    }
    if bits > 31 {
        return Err(cursor.bad("at most 31 bits a number"));
    }
    let length = byte_length(u64::from(count), bits).unwrap_or(usize::MAX);
    let packed = cursor.take(length)?;
    out.extend((0..count as usize).map(|index| value_at(packed, bits, index) as u32));
    Ok(())
}

/// Numbers in one block of words.
const BLOCK: usize = 128;

/// As `packed`, in blocks: word `j` of a block has in its upper part number `j`, below it the one as many places on as the
/// block has words, and so on. What does not fill a block stands behind, each number by itself.
fn blocks(cursor: &mut Cursor<'_>, count: u32, out: &mut Vec<u32>) -> Decode<()> {
    out.clear();
    let bits = if count == 1 {
        0
    } else {
        u32::from(cursor.u8()?)
    };
    if bits == 0 {
        out.resize(count as usize, cursor.vint()?);
        return Ok(());
    }
    if !matches!(bits, 8 | 16 | 32) {
        return Err(cursor.bad("0, 8, 16 or 32 bits a number"));
    }
    let count = count as usize;
    let bytes = cursor.take(count * bits as usize / 8)?;
    match bits {
        8 => numbers::<1>(bytes, count, out),
        16 => numbers::<2>(bytes, count, out),
        _ => {
            numbers::<4>(bytes, count, out);
            if out.iter().any(|number| *number > i32::MAX as u32) {
                return Err(cursor.bad("at most 31 bits a number"));
            }
        }
    }
    Ok(())
}

/// `count` numbers of `WIDTH` bytes, which divides 8.
fn numbers<const WIDTH: usize>(bytes: &[u8], count: usize, out: &mut Vec<u32>) {
    let little = |bytes: &[u8]| {
        let mut number = [0; 4];
        number[..WIDTH].copy_from_slice(&bytes[..WIDTH]);
        u32::from_le_bytes(number)
    };
    out.reserve(count);
    let (whole, rest) = bytes.split_at(count / BLOCK * BLOCK * WIDTH);
    for block in whole.chunks_exact(BLOCK * WIDTH) {
        for part in (0..8 / WIDTH).rev() {
            let words = block.chunks_exact(8);
            out.extend(words.map(|word| little(&word[part * WIDTH..])));
        }
    }
    out.extend(rest.chunks_exact(WIDTH).map(little));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{chunk, document_text};
    use super::super::{Compression, Numbers};
    use super::*;

    fn decode(format: Format, docs: u32, bytes: &[u8]) -> Decode<(Vec<u32>, Vec<u8>)> {
        let reference = ChunkRef {
            pointer: 0,
            length: bytes.len() as u32,
            first_doc: 300,
            docs,
        };
        let mut chunk = Chunk::default();
        let cursor = chunk.header(format, reference, bytes)?;
        chunk.data(format, cursor, &mut Decompressor::default())?;
        Ok((chunk.lengths.clone(), chunk.bytes().to_vec()))
    }

    #[test]
    fn chunks_of_every_shape_round_trip() {
        for compression in Compression::ALL {
            for (flag_bits, sliced) in [(0, false), (1, false), (1, true), (2, false), (2, true)] {
                let format = Format {
                    compression,
                    flag_bits,
                    sliced: if flag_bits == 0 {
                        Sliced::ByLength
                    } else {
                        Sliced::ByFlag
                    },
                    integers: if flag_bits == 2 {
                        Integers::Blocks
                    } else {
                        Integers::Packed
                    },
                    numbers: Numbers::Fixed,
                    chunk_size: 1000,
                };
                let many: Vec<u32> = (0..300).map(|at| at % 11).collect();
                for lengths in [
                    &[0][..],
                    &[0; 9],
                    &[700],
                    &[1, 2, 3],
                    &[900, 4000, 0, 5],
                    &many,
                ] {
                    let text = document_text(lengths.iter().sum::<u32>() as usize);
                    let bytes = chunk(format, 300, lengths, &text, sliced);
                    let docs = lengths.len() as u32;
                    let (read, data) = decode(format, docs, &bytes).unwrap();
                    assert_eq!(read, lengths);
                    assert!(data == text);
                    assert!(decode(format, docs + 1, &bytes).is_err());
                    for cut in 0..bytes.len() {
                        assert!(decode(format, docs, &bytes[..cut]).is_err());
                    }
                    let mut longer = bytes.clone();
                    longer.push(0);
                    assert!(decode(format, docs, &longer).is_err());
                }
            }
        }
    }

    #[test]
    fn a_stated_length_allocates_nothing() {
        let format = Format {
            compression: Compression::Lz4,
            flag_bits: 1,
            sliced: Sliced::ByFlag,
            integers: Integers::Packed,
            numbers: Numbers::Fixed,
            chunk_size: 16384,
        };
        // Document 300, one document, one field, 2^31 - 1 bytes.
        let bytes = [0xac, 0x02, 2, 1, 0xff, 0xff, 0xff, 0xff, 0x07, 0];
        assert!(decode(format, 1, &bytes).is_err());
    }

    #[test]
    fn numbers_in_blocks_of_every_width_are_read() {
        for (bits, most) in [(8_u32, 0xff_u32), (16, 0xffff), (32, 0x7fff_ffff)] {
            for count in [2_usize, 127, 128, 129, 300] {
                let numbers: Vec<u32> = (0..count as u32)
                    .map(|at| at.wrapping_mul(2_654_435_761) & most)
                    .collect();
                let bytes = super::super::testing::integer_blocks(bits, &numbers);
                let mut out = Vec::new();
                blocks(&mut Cursor::new(&bytes), count as u32, &mut out).unwrap();
                assert_eq!(out, numbers, "{bits} {count}");
            }
        }
        let mut out = Vec::new();
        assert!(blocks(&mut Cursor::new(&[9, 1, 2]), 2, &mut out).is_err());
        let negative = [32, 0, 0, 0, 0, 0, 0, 0, 0x80];
        assert!(blocks(&mut Cursor::new(&negative), 2, &mut out).is_err());
    }
}
