//! `.cfe`: where each file stands in the compound file `.cfs`. `CompoundFileWriterEntries` (Lucene 4),
//! `Lucene50CompoundEntries` (5 to 8), `Lucene90CompoundEntries` (9 on), which differ in the header and in the order of
//! bytes.
//!
//! The bytes of the `.cfs` itself are read by ranges and never checked as one: every file in it has a footer of its own.

use std::collections::BTreeMap;

use super::LuceneError;
use super::codec;
use super::input::Input;

/// File name without the segment's → (offset, length) within the `.cfs`.
pub(super) type Entries = BTreeMap<String, (u64, u64)>;

/// The entries of a `.cfs` of `data_length` bytes.
pub(super) fn entries(
    file: &str,
    bytes: &[u8],
    id: Option<[u8; 16]>,
    data_length: u64,
) -> Result<Entries, LuceneError> {
    let mut input = Input::new(file, bytes);
    let header = codec::header(&mut input)?;
    header.check_id(&input, id)?;
    match (header.codec, header.version) {
        ("CompoundFileWriterEntries", 0 | 1)
        | ("Lucene50CompoundEntries" | "Lucene90CompoundEntries", 0) => {}
        _ => return Err(header.unsupported(&input)),
    }
    let mut entries = BTreeMap::new();
    for _ in 0..input.vint()? {
        let name = input.string()?.to_owned();
        let offset = input.length("an offset")?;
        let length = input.length("a length")?;
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > data_length) {
            return Err(input.corrupt(format!("{name} within the .cfs of {data_length} bytes")));
        }
        if entries.insert(name, (offset, length)).is_some() {
            return Err(input.corrupt("each file once"));
        }
    }
    if input.remaining() > 0 {
        return Err(input.corrupt("the footer"));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::super::codec::encode;
    use super::*;

    fn file(entries: &[(&str, u64, u64)]) -> Vec<u8> {
        let mut out = encode::header("Lucene50CompoundEntries", 0, [1; 16], "");
        out.push(entries.len() as u8);
        for (name, offset, length) in entries {
            encode::string(&mut out, name);
            out.extend(offset.to_be_bytes());
            out.extend(length.to_be_bytes());
        }
        out
    }

    #[test]
    fn entries_lie_within_the_data() {
        let read = |list: &[_]| entries("_0.cfe", &file(list), Some([1; 16]), 100);
        let good = read(&[(".fdt", 40, 60), (".fnm", 10, 30)]).unwrap();
        assert_eq!(good[".fdt"], (40, 60));
        assert!(read(&[(".fdt", 40, 61)]).is_err());
        assert!(read(&[(".fdt", i64::MAX as u64, i64::MAX as u64)]).is_err());
        assert!(read(&[(".fdt", 1, 1), (".fdt", 1, 1)]).is_err());
        assert!(entries("_0.cfe", &file(&[]), Some([2; 16]), 100).is_err());
    }
}
