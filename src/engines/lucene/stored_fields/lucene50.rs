//! `Lucene50StoredFields` (Lucene 5.0 to 8.6): LZ4 in chunks of 16 KiB, DEFLATE in chunks of 60 KiB.
//!
//! Versions 0 and 1 have the legacy index; 2 (8.5) has `.fdm`; 3 (8.6) moves the chunk size into it.

use super::super::input::Order;
use super::{Compression, Index, Integers, Layout, Numbers, Sliced};

pub(super) fn layout(codec: &str, version: u32) -> Option<Layout> {
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
    Some(Layout {
        compression,
        flag_bits: 1,
        sliced: Sliced::ByFlag,
        integers: Integers::Packed,
        numbers: Numbers::Variable(Order::Big),
        index,
    })
}
