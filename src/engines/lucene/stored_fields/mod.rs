//! `.fdt` with `.fdx` and `.fdm`: where the chunks of stored documents stand, and how they are decoded.
//!
//! A format is named by the header of its `.fdt` file and described by a small file here (`lucene50`, `lucene87`);
//! what formats share is in the others. Deliberately absent: Lucene 4's uncompressed and LZ4 formats.

pub(super) mod chunk;
mod compression;
mod cursor;
pub(super) mod fields;
mod index;
mod index_legacy;
mod index_meta;
mod lucene50;
mod lucene87;
mod lz4;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use super::codec;
use super::directory::Directory;
use super::input::Input;
use super::{ChunkRef, LuceneError, ReadAt};

pub(super) use compression::{Compression, Decompressor};
pub(super) use cursor::{Bad, Cursor, Decode};

/// Enough for any header and the two numbers that older versions have behind it.
const HEADER_BYTES: u64 = 512;

/// What tells one format's chunks from another's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) compression: Compression,
    /// Bits of flags below the document count in a chunk's header.
    pub(super) flag_bits: u32,
    /// Uncompressed bytes of a slice, where a chunk is sliced.
    pub(super) chunk_size: u32,
}

/// Which files tell where the chunks are.
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
    pub(super) chunks: Vec<ChunkRef>,
}

impl StoredFields {
    /// Reads the header and the index; checks that chunks are contiguous and hold `max_doc` documents.
    pub(super) fn open(directory: &Directory, max_doc: u32) -> Result<Self, LuceneError> {
        let (file, data) = directory.open("", ".fdt")?;
        let head = codec::read(&file, data.as_ref(), 0, data.len().min(HEADER_BYTES))?;
        let mut input = Input::new(&file, &head);
        let header = directory.header(&mut input, "")?;
        codec::Footer::read(&file, data.as_ref())?;
        let (compression, flag_bits, index) = lucene50::format(header.codec, header.version)
            .or_else(|| lucene87::format(header.codec, header.version))
            .ok_or_else(|| header.unsupported(&input))?;
        let mut chunk_size = 0;
        if matches!(index, Index::Legacy | Index::MetaOnly) {
            chunk_size = input.vint()?;
            packed_ints_version(&mut input)?;
        }
        let end = data.len().saturating_sub(codec::FOOTER_BYTES);
        let table = index::Table::new(&file, input.offset(), end, max_doc);
        let chunks = match index {
            Index::Legacy => index_legacy::read(directory, header.codec, table)?,
            Index::MetaOnly => index_meta::read(directory, false, table)?.0,
            Index::Meta => {
                let (chunks, size) = index_meta::read(directory, true, table)?;
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
                compression,
                flag_bits,
                chunk_size,
            },
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
