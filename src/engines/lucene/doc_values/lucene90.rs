//! `Lucene90DocValues` (Lucene 9 and 10), in little-endian: terms are always compressed, BINARY never is, and where a
//! field has several values their numbers are stored as those of a numeric field. In Lucene 10 a field may have a skip
//! index before its entry, which `.fnm` says.

use super::{CompressedBinary, Family, Layout};

pub(super) fn layout(codec: &str, version: u32) -> Option<(Layout, &'static str)> {
    if codec != "Lucene90DocValuesMetadata" || version > 0 {
        return None;
    }
    let layout = Layout {
        family: Family::Lucene90,
        compressed: CompressedBinary::Never,
    };
    Some((layout, "Lucene90DocValuesData"))
}
