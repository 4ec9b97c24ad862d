//! `Lucene50StoredFields` (Lucene 5.0 to 8.6): LZ4 in chunks of 16 KiB, DEFLATE in chunks of 60 KiB.
//!
//! Versions 0 and 1 have the legacy index; 2 (8.5) has `.fdm`; 3 (8.6) moves the chunk size into it.

use super::{Compression, Index};

pub(super) fn format(codec: &str, version: u32) -> Option<(Compression, u32, Index)> {
    let compression = match codec {
        "Lucene50StoredFieldsFastData" => Compression::Lz4,
        "Lucene50StoredFieldsHighData" => Compression::Deflate,
        _ => return None,
    };
    let index = match version {
        0 | 1 => Index::Legacy,
        2 => Index::MetaOnly,
        3 => Index::Meta,
        _ => return None,
    };
    Some((compression, 1, index))
}
