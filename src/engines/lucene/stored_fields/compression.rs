//! How the documents of a chunk are compressed: layouts of blocks over LZ4, DEFLATE and zstd.
//!
//! Relies on `lz4` here, on `flate2` (zlib-rs) for DEFLATE and on `zstd`. A layout of a later format is a case beside these.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use super::super::limits::{DEFLATE_RATIO, LZ4_RATIO, ZSTD_RATIO};
use super::cursor::{Cursor, Decode};
use super::lz4;

/// The layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Compression {
    /// One LZ4 block without its length (Lucene 5.0 to 8.6, `BEST_SPEED`).
    Lz4,
    /// One DEFLATE stream with its length (Lucene 5.0 to 8.6, `BEST_COMPRESSION`).
    Deflate,
    /// A dictionary and sub-blocks in LZ4 (Lucene 8.7 on, `BEST_SPEED`).
    Lz4Dictionary,
    /// A dictionary and sub-blocks in DEFLATE (Lucene 8.7 on, `BEST_COMPRESSION`).
    DeflateDictionary,
    /// One zstd frame with its length; nothing at all for no bytes (Elasticsearch 8.14 on).
    Zstd,
    /// A dictionary and sub-blocks in zstd (`zstd` of OpenSearch).
    ZstdDictionary,
    /// Sub-blocks in zstd (`zstd_no_dict` of OpenSearch).
    ZstdBlocks,
}

impl Compression {
    #[cfg(test)]
    pub(super) const ALL: [Self; 7] = [
        Self::Lz4,
        Self::Deflate,
        Self::Lz4Dictionary,
        Self::DeflateDictionary,
        Self::Zstd,
        Self::ZstdDictionary,
        Self::ZstdBlocks,
    ];

    /// The most bytes that `compressed` bytes can become: a buffer is never larger for what a file merely states.
    pub(super) fn most(self, compressed: usize) -> u64 {
        let ratio = match self {
            Self::Lz4 | Self::Lz4Dictionary => LZ4_RATIO,
            Self::Deflate | Self::DeflateDictionary => DEFLATE_RATIO,
            Self::Zstd | Self::ZstdDictionary | Self::ZstdBlocks => ZSTD_RATIO,
        };
        (compressed as u64).saturating_mul(ratio)
    }
}

/// Decompresses blocks and keeps what is worth keeping between them.
#[derive(Default)]
pub(in super::super) struct Decompressor {
    inflate: Option<Decompress>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    lengths: Vec<u32>,
}

impl Decompressor {
    /// Decompresses the block at the cursor into the whole of `out`, and moves the cursor behind it.
    pub(super) fn block(
        &mut self,
        compression: Compression,
        cursor: &mut Cursor<'_>,
        out: &mut [u8],
    ) -> Decode<()> {
        match compression {
            Compression::Lz4 => lz4_block(cursor, out),
            Compression::Deflate => self.inflate(cursor, b"", out),
            Compression::Lz4Dictionary => self.lz4_with_dictionary(cursor, out),
            Compression::DeflateDictionary => self.deflate_with_dictionary(cursor, out),
            Compression::Zstd if out.is_empty() => Ok(()),
            Compression::Zstd => self.zstd(cursor, out),
            Compression::ZstdDictionary => self.zstd_with_dictionary(cursor, out),
            Compression::ZstdBlocks => self.zstd_blocks(cursor, out),
        }
    }

    fn lz4_with_dictionary(&mut self, cursor: &mut Cursor<'_>, out: &mut [u8]) -> Decode<()> {
        let (dictionary, rest, step) = layout(cursor, out)?;
        let (dictionary, rest) = (dictionary.len(), rest.len());
        let dictionary_length = cursor.vint()?;
        self.lengths.clear();
        for _ in 0..rest.div_ceil(step) {
            self.lengths.push(cursor.vint()?);
        }
        lz4_exact(cursor, dictionary_length, 0, 0..dictionary, out)?;
        let mut from = dictionary;
        for length in &self.lengths {
            let to = from.saturating_add(step).min(out.len());
            lz4_exact(cursor, *length, dictionary, from..to, out)?;
            from = to;
        }
        Ok(())
    }

    fn deflate_with_dictionary(&mut self, cursor: &mut Cursor<'_>, out: &mut [u8]) -> Decode<()> {
        let (dictionary, rest, step) = layout(cursor, out)?;
        self.inflate(cursor, b"", dictionary)?;
        for sub_block in rest.chunks_mut(step) {
            self.inflate(cursor, dictionary, sub_block)?;
        }
        Ok(())
    }

    fn zstd_with_dictionary(&mut self, cursor: &mut Cursor<'_>, out: &mut [u8]) -> Decode<()> {
        let (dictionary, rest, step) = layout(cursor, out)?;
        self.zstd(cursor, dictionary)?;
        // The dictionary is content, not one that was trained: the frames do not name it.
        self.use_dictionary(cursor, dictionary)?;
        let mut result = Ok(());
        for sub_block in rest.chunks_mut(step) {
            result = self.zstd(cursor, sub_block);
            if result.is_err() {
                break;
            }
        }
        self.use_dictionary(cursor, b"")?;
        result
    }

    fn zstd_blocks(&mut self, cursor: &mut Cursor<'_>, out: &mut [u8]) -> Decode<()> {
        let step = cursor.vint()? as usize;
        if step == 0 && !out.is_empty() {
            return Err(cursor.bad("sub-blocks of at least one byte"));
        }
        for sub_block in out.chunks_mut(step.max(1)) {
            self.zstd(cursor, sub_block)?;
        }
        Ok(())
    }

    /// A length and a zstd frame; nothing follows the length 0.
    fn zstd(&mut self, cursor: &mut Cursor<'_>, out: &mut [u8]) -> Decode<()> {
        let length = cursor.vint()? as usize;
        let start = *cursor;
        let source = cursor.take(length)?;
        if source.is_empty() && out.is_empty() {
            return Ok(());
        }
        let written = zstd_state(&mut self.zstd)
            .and_then(|state| state.decompress_to_buffer(source, out).ok());
        if written == Some(out.len()) {
            return Ok(());
        }
        Err(start.bad("a zstd frame of the stated lengths"))
    }

    fn use_dictionary(&mut self, cursor: &Cursor<'_>, dictionary: &[u8]) -> Decode<()> {
        zstd_state(&mut self.zstd)
            .and_then(|state| state.set_dictionary(dictionary).ok())
            .ok_or_else(|| cursor.bad("a dictionary that zstd takes"))
    }

    /// A length and a raw DEFLATE stream; nothing follows the length 0.
    fn inflate(
        &mut self,
        cursor: &mut Cursor<'_>,
        dictionary: &[u8],
        out: &mut [u8],
    ) -> Decode<()> {
        let length = cursor.vint()? as usize;
        let start = *cursor;
        let source = cursor.take(length)?;
        if source.is_empty() && out.is_empty() {
            return Ok(());
        }
        let bad = || start.bad("a DEFLATE stream of the stated lengths");
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
        inflate.reset(false);
        if !dictionary.is_empty() {
            inflate.set_dictionary(dictionary).map_err(|_| bad())?;
        }
        let status = inflate.decompress(source, out, FlushDecompress::Finish);
        let whole = status.is_ok_and(|status| status == Status::StreamEnd)
            && inflate.total_out() == out.len() as u64
            && inflate.total_in() == source.len() as u64;
        if whole { Ok(()) } else { Err(bad()) }
    }
}

/// The state of zstd, made at its first use; `None` where there is no memory for it.
fn zstd_state<'s>(
    state: &'s mut Option<zstd::bulk::Decompressor<'static>>,
) -> Option<&'s mut zstd::bulk::Decompressor<'static>> {
    if state.is_none() {
        *state = zstd::bulk::Decompressor::new().ok();
    }
    state.as_mut()
}

/// The lengths that all layouts with a dictionary begin with: splits `out` in the dictionary and the rest, and gives
/// the length of a sub-block, at least 1.
fn layout<'o>(
    cursor: &mut Cursor<'_>,
    out: &'o mut [u8],
) -> Decode<(&'o mut [u8], &'o mut [u8], usize)> {
    let dictionary = cursor.vint()? as usize;
    let step = cursor.vint()? as usize;
    if dictionary > out.len() {
        return Err(cursor.bad("a dictionary no longer than the block"));
    }
    let (dictionary, rest) = out.split_at_mut(dictionary);
    if step == 0 && !rest.is_empty() {
        return Err(cursor.bad("sub-blocks of at least one byte"));
    }
    Ok((dictionary, rest, step.max(1)))
}

fn lz4_block(cursor: &mut Cursor<'_>, out: &mut [u8]) -> Decode<()> {
    let source = cursor.bytes.get(cursor.at..).unwrap_or_default();
    match lz4::decode(source, out) {
        Some(consumed) => {
            cursor.at += consumed;
            Ok(())
        }
        None => Err(cursor.bad("an LZ4 block of the stated length")),
    }
}

/// Into a range of `out`, whose first bytes are the dictionary.
fn lz4_exact(
    cursor: &mut Cursor<'_>,
    length: u32,
    dictionary: usize,
    block: Range<usize>,
    out: &mut [u8],
) -> Decode<()> {
    let start = *cursor;
    let source = cursor.take(length as usize)?;
    if lz4::decode_behind(source, dictionary, block, out) == Some(source.len()) {
        return Ok(());
    }
    Err(start.bad("an LZ4 block of the stated lengths"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{compress, document_text};
    use super::*;

    #[test]
    fn every_layout_round_trips_and_knows_its_end() {
        for compression in Compression::ALL {
            for length in [0, 1, 19, 20, 61, 5000, 300_000] {
                let text = document_text(length);
                let mut packed = compress(compression, &text);
                let end = packed.len();
                packed.extend([0x55; 20]);
                let mut cursor = Cursor::new(&packed);
                let mut out = vec![7; length];
                Decompressor::default()
                    .block(compression, &mut cursor, &mut out)
                    .unwrap();
                assert!(out == text, "{compression:?} of {length}");
                assert_eq!(cursor.at, end, "{compression:?} of {length}");
                assert!(length as u64 <= compression.most(end));
            }
        }
    }

    #[test]
    fn damage_is_never_a_panic() {
        for compression in Compression::ALL {
            let text = document_text(700);
            let packed = compress(compression, &text);
            let mut decompressor = Decompressor::default();
            for cut in 0..packed.len() {
                let mut cursor = Cursor::new(&packed[..cut]);
                let result = decompressor.block(compression, &mut cursor, &mut vec![0; 700]);
                assert!(result.is_err(), "{compression:?} cut at {cut}");
            }
            for bit in 0..packed.len() * 8 {
                let mut flipped = packed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let mut cursor = Cursor::new(&flipped);
                let _either = decompressor.block(compression, &mut cursor, &mut vec![0; 700]);
            }
        }
    }
}
