//! `.fdm` and `.fdx` from Lucene 8.5 on: two monotonic sequences, of first documents and of pointers, whose last values
//! are the number of documents and the end of the last chunk. `Lucene85FieldsIndex` (8.5 to 8.11) and
//! `Lucene90FieldsIndex` (9 on), which differ in the order of bytes.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::directory::Directory;
use super::super::input::Input;
use super::super::limits::{INDEX_WINDOW_BYTES, PAGE_WINDOW_BYTES};
use super::super::packed::Monotonic;
use super::super::window::Window;
use super::super::{LuceneError, ReadAt};
use super::chunks::{ChunkTable, PAGE, Pages};
use super::index::Table;

/// Reads the index that belongs to the `.fdt` file of codec `data_codec`. Gives the chunks, and the chunk size where the
/// file `states_size`; 0 where not.
pub(super) fn read(
    directory: &Directory,
    data_codec: &str,
    states_size: bool,
    table: Table<'_>,
) -> Result<(ChunkTable, u32), LuceneError> {
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
    let (index_name, index) = directory.open_verified("", ".fdx")?;
    let head = index.len().min(super::HEADER_BYTES);
    let head = super::super::codec::read(&index_name, index.as_ref(), 0, head)?;
    let mut index_input = Input::new(&index_name, &head);
    let index_header = directory.header(&mut index_input, "")?;
    if index_header.codec != index_codec {
        return Err(index_header.unsupported(&index_input));
    }
    parse(&mut input, &index_name, &index, states_size, packed, table)
}

fn parse(
    input: &mut Input<'_>,
    index_name: &str,
    index: &Arc<dyn ReadAt>,
    states_size: bool,
    states_packed: bool,
    mut table: Table<'_>,
) -> Result<(ChunkTable, u32), LuceneError> {
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
    if docs_start > docs_end || docs_end > pointers_end || pointers_end > index.len() {
        return Err(input.corrupt("deltas within the .fdx file"));
    }
    let last = count
        .checked_sub(1)
        .ok_or_else(|| input.corrupt("at least one entry"))?;
    let series = |sequence, place, step| Series {
        sequence,
        place,
        window: Window::new(index_name, Arc::clone(index), step),
    };
    let mut docs = series(docs, docs_start..docs_end, INDEX_WINDOW_BYTES);
    let mut pointers = series(pointers, docs_end..pointers_end, INDEX_WINDOW_BYTES);
    let mut at = 0;
    while at < last {
        let to = (at + PAGE as u64).min(last);
        for (doc, pointer) in pair(&mut docs, &mut pointers, at..to)? {
            table.push(doc, pointer)?;
        }
        at = to;
    }
    if pair(&mut docs, &mut pointers, last..count)? != [(i64::from(max_doc), end as i64)] {
        return Err(input.corrupt("a last entry of all documents and of the last chunk's end"));
    }
    let table = table.finish(end, || {
        let again = |of: Series| Series {
            window: Window::new(index_name, Arc::clone(index), PAGE_WINDOW_BYTES),
            ..of
        };
        Ok(Box::new(Sequences {
            count: last,
            sequences: Mutex::new((again(docs), again(pointers))),
        }))
    })?;
    Ok((table, chunk_size))
}

/// A sequence, where its deltas stand, and what was read of them last.
struct Series {
    sequence: Monotonic,
    place: Range<u64>,
    window: Window,
}

impl Series {
    fn read(&mut self, range: Range<u64>) -> Result<Vec<i64>, LuceneError> {
        self.sequence
            .values(&mut self.window, self.place.clone(), range)
    }
}

fn pair(
    docs: &mut Series,
    pointers: &mut Series,
    range: Range<u64>,
) -> Result<Vec<(i64, i64)>, LuceneError> {
    let docs = docs.read(range.clone())?;
    Ok(docs.into_iter().zip(pointers.read(range)?).collect())
}

/// The sequences of a segment of many chunks.
struct Sequences {
    count: u64,
    sequences: Mutex<(Series, Series)>,
}

impl Pages for Sequences {
    fn page(&self, page: usize) -> Result<Vec<(i64, i64)>, LuceneError> {
        let from = (page * PAGE) as u64;
        let range = from.min(self.count)..(from + PAGE as u64).min(self.count);
        let mut sequences = self
            .sequences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (docs, pointers) = &mut *sequences;
        pair(docs, pointers, range)
    }

    fn memory(&self) -> usize {
        let sequences = self
            .sequences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sequences.0.sequence.memory()
            + sequences.1.sequence.memory()
            + 2 * PAGE_WINDOW_BYTES as usize
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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

    fn read(meta: &[u8], index: &[u8], most: usize) -> Result<(ChunkTable, u32), LuceneError> {
        let table = Table::new("_0.fdt", 60, 140, 9).holding(most);
        let index: Arc<dyn ReadAt> = Arc::new(Bytes::copy_from_slice(index));
        let mut input = Input::new("_0.fdm", meta);
        parse(&mut input, "_0.fdx", &index, true, true, table)
    }

    #[test]
    fn chunks_are_read() {
        let (meta, index) = file(&[0, 5, 9], &[60, 100, 130], 9);
        for most in [0, 100] {
            let (chunks, size) = read(&meta, &index, most).unwrap();
            assert_eq!(size, 81920);
            let second = chunks.get(1).unwrap().unwrap();
            assert_eq!((second.first_doc, second.docs, second.length), (5, 4, 30));
            for cut in 0..meta.len() {
                assert!(read(&meta[..cut], &index, most).is_err());
            }
            for cut in 0..index.len() {
                assert!(read(&meta, &index[..cut], most).is_err());
            }
        }
        let (meta, index) = file(&[0, 5, 8], &[60, 100, 130], 9);
        assert!(read(&meta, &index, 100).is_err());
    }
}
