//! `Lucene41StoredFields` (Lucene 4.1 to 4.10): LZ4 in chunks of 16 KiB. A chunk's header has no flags; from version 1 on
//! a chunk of twice its size is sliced. Version 2 adds the footer.
//!
//! Deliberately absent: version 0, which does not state the chunk size (Lucene 4.1), and `Lucene40StoredFields` before it.

use super::{Compression, Index, Integers, Layout, Numbers, Sliced};

pub(super) fn layout(codec: &str, version: u32) -> Option<Layout> {
    if codec != "Lucene41StoredFieldsData" || !(1..=2).contains(&version) {
        return None;
    }
    Some(Layout {
        compression: Compression::Lz4,
        flag_bits: 0,
        sliced: Sliced::ByLength,
        integers: Integers::Packed,
        numbers: Numbers::Fixed,
        index: Index::Legacy,
    })
}
