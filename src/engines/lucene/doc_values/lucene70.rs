//! `Lucene70DocValues` (Lucene 7): no jump tables, nothing compressed.

use super::{CompressedBinary, Family, Layout};

pub(super) fn layout(codec: &str, version: u32) -> Option<(Layout, &'static str)> {
    if codec != "Lucene70DocValuesMetadata" || version > 0 {
        return None;
    }
    let layout = Layout {
        family: Family::Lucene70,
        compressed: CompressedBinary::Never,
    };
    Some((layout, "Lucene70DocValuesData"))
}
