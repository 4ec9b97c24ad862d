//! `Lucene80DocValues` (Lucene 8): jump tables; from version 1 BINARY is compressed, from version 2 where the field's
//! mode says so.

use super::{CompressedBinary, Family, Layout};

pub(super) fn layout(codec: &str, version: u32) -> Option<(Layout, &'static str)> {
    if codec != "Lucene80DocValuesMetadata" {
        return None;
    }
    let compressed = match version {
        0 => CompressedBinary::Never,
        1 => CompressedBinary::Always,
        2 => CompressedBinary::ByAttribute,
        _ => return None,
    };
    let layout = Layout {
        family: Family::Lucene80,
        compressed,
    };
    Some((layout, "Lucene80DocValuesData"))
}
