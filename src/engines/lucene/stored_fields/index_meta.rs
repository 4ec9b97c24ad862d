//! `.fdm` and `.fdx` from Lucene 8.5 on: two monotonic sequences, of first documents and of pointers, whose last values
//! are the number of documents and the end of the last chunk. `Lucene85FieldsIndex` (8.5 to 8.11) and
//! `Lucene90FieldsIndex` (9 on), which differ in the order of bytes.

use super::super::directory::Directory;
use super::super::input::Input;
use super::super::packed::Monotonic;
use super::super::{ChunkRef, LuceneError};
use super::index::Table;

/// Reads the index that belongs to the `.fdt` file of codec `data_codec`. Gives the chunks, and the chunk size where the
/// file `states_size`; 0 where not.
pub(super) fn read(
    directory: &Directory,
    data_codec: &str,
    states_size: bool,
    table: Table<'_>,
) -> Result<(Vec<ChunkRef>, u32), LuceneError> {
    let (name, bytes) = directory.read("", ".fdm")?;
    let mut input = Input::new(&name, &bytes);
    let header = directory.header(&mut input, "")?;
    let lucene_8 = ["Lucene50", "Lucene87"]
        .iter()
        .any(|format| data_codec.starts_with(format));
    let (index_codec, packed) = match (header.codec, header.version) {
        ("Lucene85FieldsIndexMeta", 0..=4) if lucene_8 => ("Lucene85FieldsIndexIdx", states_size),
        ("Lucene90FieldsIndexMeta", 0 | 1) if !lucene_8 => ("Lucene90FieldsIndexIdx", false),
        _ => return Err(header.unsupported(&input)),
    };
    let (index_name, index) = directory.read("", ".fdx")?;
    let mut index_input = Input::new(&index_name, &index);
    let index_header = directory.header(&mut index_input, "")?;
    if index_header.codec != index_codec {
        return Err(index_header.unsupported(&index_input));
    }
    parse(&mut input, &index, states_size, packed, table)
}

fn parse(
    input: &mut Input<'_>,
    index: &[u8],
    states_size: bool,
    states_packed: bool,
    mut table: Table<'_>,
) -> Result<(Vec<ChunkRef>, u32), LuceneError> {
    let mut chunk_size = 0;
    if states_size {
        chunk_size = input.vint()?;
    }
    if states_packed {
        super::packed_ints_version(input)?;
    }
    let max_doc = input.count("a number of documents")?;
    if max_doc != table.max_doc() {
        return Err(input.corrupt(format!("{} documents, not {max_doc}", table.max_doc())));
    }
    let shift = input.count("a block shift")?;
    // One more than there are chunks.
    let count = u64::from(input.count("a number of chunks")?);
    let docs_start = input.length("an offset")?;
    let docs = Monotonic::read(input, count, shift)?;
    let docs_end = input.length("an offset")?;
    let pointers = Monotonic::read(input, count, shift)?;
    let pointers_end = input.length("an offset")?;
    let end = input.length("an offset")?;
    let part = |start: u64, end: u64| {
        let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
        index.get(range)
    };
    let parts = part(docs_start, docs_end).zip(part(docs_end, pointers_end));
    let (docs_data, pointers_data) =
        parts.ok_or_else(|| input.corrupt("deltas within the .fdx file"))?;
    let last = count
        .checked_sub(1)
        .ok_or_else(|| input.corrupt("at least one entry"))?;
    let entry = |index_at| {
        let doc = docs.get(docs_data, index_at);
        let pair = doc.zip(pointers.get(pointers_data, index_at));
        pair.ok_or_else(|| input.corrupt(format!("deltas of entry {index_at} in the .fdx file")))
    };
    for chunk in 0..last {
        let (doc, pointer) = entry(chunk)?;
        table.push(doc, pointer)?;
    }
    if entry(last)? != (i64::from(max_doc), end as i64) {
        return Err(input.corrupt("a last entry of all documents and of the last chunk's end"));
    }
    Ok((table.finish(end)?, chunk_size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block for each sequence, deltas in whole bytes.
    fn file(docs: &[u8], pointers: &[u8], max_doc: u32) -> (Vec<u8>, Vec<u8>) {
        let mut meta = vec![0x80, 0x80, 0x05, 2];
        meta.extend(max_doc.to_be_bytes());
        meta.extend(10_u32.to_be_bytes());
        meta.extend((docs.len() as u32).to_be_bytes());
        let mut index = Vec::new();
        for values in [docs, pointers] {
            meta.extend((index.len() as u64).to_be_bytes());
            meta.extend([0; 8]);
            meta.extend([0; 4]);
            meta.extend([0; 8]);
            meta.push(8);
            index.extend(values);
        }
        meta.extend((index.len() as u64).to_be_bytes());
        meta.extend(u64::from(pointers[pointers.len() - 1]).to_be_bytes());
        (meta, index)
    }

    #[test]
    fn chunks_are_read() {
        let (meta, index) = file(&[0, 5, 9], &[60, 100, 130], 9);
        let read = |meta: &[u8], index: &[u8]| {
            let table = Table::new("_0.fdt", 60, 140, 9);
            parse(&mut Input::new("_0.fdm", meta), index, true, true, table)
        };
        let (chunks, size) = read(&meta, &index).unwrap();
        assert_eq!(size, 81920);
        assert_eq!(
            (chunks[1].first_doc, chunks[1].docs, chunks[1].length),
            (5, 4, 30)
        );
        for cut in 0..meta.len() {
            assert!(read(&meta[..cut], &index).is_err());
        }
        for cut in 0..index.len() {
            assert!(read(&meta, &index[..cut]).is_err());
        }
        let (meta, index) = file(&[0, 5, 8], &[60, 100, 130], 9);
        assert!(read(&meta, &index).is_err());
    }
}
