//! `.fdt` with `.fdx` and `.fdm`: where the chunks of stored documents stand, and how they are decoded.
//!
//! A format is named by the header of its `.fdt` file and described by a small file here (`lucene41` to `lucene90`);
//! what formats share is in the others. Deliberately absent: the uncompressed format of Lucene 4.0.

pub(super) mod chunk;
pub(super) mod chunks;
mod compression;
mod cursor;
pub(super) mod fields;
mod index;
mod index_legacy;
mod index_meta;
mod lucene41;
mod lucene50;
mod lucene87;
mod lucene90;
pub(super) mod lz4;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use super::codec;
use super::directory::Directory;
use super::input::Input;
use super::{LuceneError, ReadAt};

use chunks::ChunkTable;
pub(super) use compression::{Compression, Decompressor};
pub(super) use cursor::{Bad, Cursor, Decode};
pub(super) use fields::Numbers;

/// Enough for any header and the two numbers that older versions have behind it.
const HEADER_BYTES: u64 = 512;

/// What tells one format from another.
#[derive(Clone, Copy, Debug)]
struct Layout {
    compression: Compression,
    flag_bits: u32,
    sliced: Sliced,
    integers: Integers,
    numbers: Numbers,
    index: Index,
}

/// What tells one file's chunks from another's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) compression: Compression,
    /// Bits of flags below the document count in a chunk's header.
    pub(super) flag_bits: u32,
    sliced: Sliced,
    integers: Integers,
    pub(super) numbers: Numbers,
    /// Uncompressed bytes of a slice, where a chunk is sliced.
    pub(super) chunk_size: u32,
}

/// How a chunk says that it is compressed in slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sliced {
    /// The lowest bit of its header's flags.
    ByFlag,
    /// It has twice the chunk size or more.
    ByLength,
}

/// How the numbers of a chunk's header are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integers {
    /// In as few bits as the largest needs, in big-endian.
    Packed,
    /// In one, two or four bytes each, 128 at a time in little-endian words.
    Blocks,
}

/// Which files tell where the chunks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    /// `.fdx` alone, and the chunk size in `.fdt`.
    Legacy,
    /// `.fdm` and `.fdx`; the chunk size is in `.fdt`.
    MetaOnly,
    /// `.fdm`, with the chunk size, and `.fdx`.
    Meta,
}

/// The stored fields of one segment.
pub(super) struct StoredFields {
    pub(super) file: String,
    pub(super) data: Arc<dyn ReadAt>,
    /// Codec name and version, for people.
    pub(super) format_name: String,
    pub(super) format: Format,
    /// Whether there is a checksum: not in files of Lucene 4 before 4.8.
    pub(super) has_footer: bool,
    pub(super) chunks: ChunkTable,
}

impl StoredFields {
    /// Reads the header and the index; checks that chunks are contiguous and hold `max_doc` documents.
    pub(super) fn open(directory: &Directory, max_doc: u32) -> Result<Self, LuceneError> {
        let (file, data) = directory.open("", ".fdt")?;
        let head = codec::read(&file, data.as_ref(), 0, data.len().min(HEADER_BYTES))?;
        let mut input = Input::new(&file, &head);
        let header = directory.header(&mut input, "")?;
        let footer = codec::footer_bytes(header.codec, header.version);
        if footer > 0 {
            codec::Footer::read(&file, data.as_ref())?;
        }
        let layout = lucene90::layout(header.codec, header.version)
            .or_else(|| lucene87::layout(header.codec, header.version))
            .or_else(|| lucene50::layout(header.codec, header.version))
            .or_else(|| lucene41::layout(header.codec, header.version))
            .ok_or_else(|| header.unsupported(&input))?;
        let mut chunk_size = 0;
        if matches!(layout.index, Index::Legacy | Index::MetaOnly) {
            chunk_size = input.vint()?;
            packed_ints_version(&mut input)?;
        }
        let end = data.len().saturating_sub(footer);
        let table = index::Table::new(&file, input.offset(), end, max_doc);
        let chunks = match layout.index {
            Index::Legacy => index_legacy::read(directory, header.codec, table)?,
            Index::MetaOnly => index_meta::read(directory, header.codec, false, table)?.0,
            Index::Meta => {
                let (chunks, size) = index_meta::read(directory, header.codec, true, table)?;
                chunk_size = size;
                chunks
            }
        };
        if chunk_size == 0 {
            return Err(input.corrupt("a chunk size of at least 1"));
        }
        Ok(Self {
            format_name: format!("{} {}", header.codec, header.version),
            format: Format {
                compression: layout.compression,
                flag_bits: layout.flag_bits,
                sliced: layout.sliced,
                integers: layout.integers,
                numbers: layout.numbers,
                chunk_size,
            },
            has_footer: footer > 0,
            chunks,
            file,
            data,
        })
    }
}

/// The packed form that every version reads here; version 0 (Lucene 4.0) rounds up to words.
fn packed_ints_version(input: &mut Input<'_>) -> Result<(), LuceneError> {
    match input.vint()? {
        1 | 2 => Ok(()),
        version => Err(input.corrupt(format!("packed integers of version 1 or 2, not {version}"))),
    }
}
