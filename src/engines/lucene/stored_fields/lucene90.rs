//! `Lucene90StoredFields` (Lucene 9 and 10): chunks as in 87, with numbers in blocks of 128 and everything in
//! little-endian; and the formats that others make of it by another compression: Elasticsearch's zstd (8.14 on), the
//! `zstd` and `zstd_no_dict` of OpenSearch (2.9 on).
//!
//! Deliberately absent: `QatStoredFieldsLz4`, `QatStoredFieldsDeflate` and `QatStoredFieldsZstd` of OpenSearch, of which
//! no file has been met.

use super::super::input::Order;
use super::{Compression, Index, Integers, Layout, Numbers, Sliced};

pub(super) fn layout(codec: &str, version: u32) -> Option<Layout> {
    let compression = match (codec, version) {
        ("Lucene90StoredFieldsFastData", 1) => Compression::Lz4Dictionary,
        ("Lucene90StoredFieldsHighData", 1) => Compression::DeflateDictionary,
        ("ZstdStoredFields814", 1) => Compression::Zstd,
        ("CustomStoredFieldsZstd", 1) => Compression::ZstdDictionary,
        ("CustomStoredFieldsZstdNoDict", 1) => Compression::ZstdBlocks,
        _ => return None,
    };
    Some(Layout {
        compression,
        flag_bits: 2,
        sliced: Sliced::ByFlag,
        integers: Integers::Blocks,
        numbers: Numbers::Variable(Order::Little),
        index: Index::Meta,
    })
}
