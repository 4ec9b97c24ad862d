//! `Lucene87StoredFields` (Lucene 8.7 to 8.11): a dictionary and ten sub-blocks a chunk; LZ4 in 8 KiB, DEFLATE in 48 KiB.
//!
//! Version 4 adds to a chunk's header a flag for merges.

use super::super::input::Order;
use super::{Compression, Index, Integers, Layout, Numbers, Sliced};

pub(super) fn layout(codec: &str, version: u32) -> Option<Layout> {
    let compression = match codec {
        "Lucene87StoredFieldsFastData" => Compression::Lz4Dictionary,
        "Lucene87StoredFieldsHighData" => Compression::DeflateDictionary,
        _ => return None,
    };
    let flag_bits = match version {
        3 => 1,
        4 => 2,
        _ => return None,
    };
    Some(Layout {
        compression,
        flag_bits,
        sliced: Sliced::ByFlag,
        integers: Integers::Packed,
        numbers: Numbers::Variable(Order::Big),
        index: Index::Meta,
    })
}
