//! `.fdx` of Lucene 4.1 to 8.4: blocks of up to 1024 chunks, each a mean and packed differences from it.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::directory::Directory;
use super::super::input::Input;
use super::super::limits::{INDEX_WINDOW_BYTES, PAGE_WINDOW_BYTES};
use super::super::packed::{byte_length, value_at, zigzag};
use super::super::window::Window;
use super::super::{LuceneError, ReadAt};
use super::chunks::{ChunkTable, PAGE, Pages};
use super::index::Table;

/// The most bytes of one block: its few numbers, and two of 64 bits a chunk.
const BLOCK_BYTES: u64 = 64 + 2 * 8 * PAGE as u64;

/// Reads the index that belongs to the `.fdt` file of codec `data_codec`.
pub(super) fn read(
    directory: &Directory,
    data_codec: &str,
    table: Table<'_>,
) -> Result<ChunkTable, LuceneError> {
    let (name, data) = directory.open_verified("", ".fdx")?;
    let mut window = Window::new(&name, Arc::clone(&data), INDEX_WINDOW_BYTES);
    let head = window.up_to(0, super::HEADER_BYTES)?.to_vec();
    let mut input = Input::new(&name, &head);
    let header = directory.header(&mut input, "")?;
    let format = data_codec.strip_suffix("Data").unwrap_or(data_codec);
    if header.codec.strip_suffix("Index") != Some(format) {
        return Err(header.unsupported(&input));
    }
    let states_end = header.codec != "Lucene41StoredFieldsIndex" || header.version >= 2;
    super::packed_ints_version(&mut input)?;
    parse(window, data, input.offset(), table, states_end)
}

/// `states_end`: whether the end of the last chunk stands behind the blocks; else it ends where the file does.
fn parse(
    mut window: Window,
    data: Arc<dyn ReadAt>,
    mut at: u64,
    mut table: Table<'_>,
    states_end: bool,
) -> Result<ChunkTable, LuceneError> {
    let file = window.file().to_owned();
    let mut blocks = Vec::new();
    let mut all_full = true;
    loop {
        let bytes = window.up_to(at, BLOCK_BYTES)?;
        let mut input = Input::at_offset(&file, at, bytes);
        let Some(chunks) = block(&mut input)? else {
            at = input.offset();
            break;
        };
        // All blocks are full but the last.
        all_full &= blocks.len() * PAGE == table.len();
        blocks.push(at);
        for (doc, pointer) in chunks {
            table.push(doc, pointer)?;
        }
        at = input.offset();
    }
    let bytes = window.up_to(at, 10)?;
    let mut input = Input::at_offset(&file, at, bytes);
    let end = if states_end {
        input.vlong()?
    } else {
        table.end()
    };
    if input.offset() != data.len() {
        return Err(input.corrupt("the footer"));
    }
    let not_paged = input.corrupt(format!("blocks of {PAGE} chunks"));
    table.finish(end, || {
        if !all_full {
            return Err(not_paged);
        }
        blocks.shrink_to_fit();
        Ok(Box::new(Blocks {
            blocks,
            window: Mutex::new(Window::new(&file, data, PAGE_WINDOW_BYTES)),
        }))
    })
}

/// The chunks of one block as (first document, pointer); `None` where the blocks end.
fn block(input: &mut Input<'_>) -> Result<Option<Vec<(i64, i64)>>, LuceneError> {
    let count = input.vint()?;
    if count == 0 {
        return Ok(None);
    }
    if count as usize > PAGE {
        return Err(input.corrupt(format!("at most {PAGE} chunks in a block, not {count}")));
    }
    let docs = Series::read(input, count, false)?;
    let pointers = Series::read(input, count, true)?;
    let chunks = (0..count).map(|index| (docs.get(index), pointers.get(index)));
    Ok(Some(chunks.collect()))
}

/// The blocks of a segment of many chunks, each a page.
struct Blocks {
    blocks: Vec<u64>,
    window: Mutex<Window>,
}

impl Pages for Blocks {
    fn page(&self, page: usize) -> Result<Vec<(i64, i64)>, LuceneError> {
        let Some(&at) = self.blocks.get(page) else {
            return Ok(Vec::new());
        };
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let file = window.file().to_owned();
        let bytes = window.up_to(at, BLOCK_BYTES)?;
        let chunks = block(&mut Input::at_offset(&file, at, bytes))?;
        Ok(chunks.unwrap_or_default())
    }

    fn memory(&self) -> usize {
        self.blocks.capacity() * 8 + PAGE_WINDOW_BYTES as usize
    }
}

/// Numbers near a line: base, mean step, and what remains.
struct Series<'a> {
    base: i64,
    mean: i64,
    bits: u32,
    deltas: &'a [u8],
}

impl<'a> Series<'a> {
    fn read(input: &mut Input<'a>, count: u32, long: bool) -> Result<Self, LuceneError> {
        let number = |input: &mut Input<'a>| {
            if long {
                input.vlong()
            } else {
                input.vint().map(u64::from)
            }
        };
        let base = number(input)? as i64;
        let mean = number(input)? as i64;
        let bits = input.vint()?;
        let length = byte_length(u64::from(count), bits).filter(|_| bits <= 64);
        let length = length.ok_or_else(|| input.corrupt("at most 64 bits a value"))?;
        Ok(Self {
            base,
            mean,
            bits,
            deltas: input.take(length)?,
        })
    }

    fn get(&self, index: u32) -> i64 {
        let delta = zigzag(value_at(self.deltas, self.bits, index as usize));
        let line = self.mean.wrapping_mul(i64::from(index));
        self.base.wrapping_add(line).wrapping_add(delta)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::super::codec::encode::vlong;
    use super::super::super::packed::encode::pack;
    use super::*;

    fn series(out: &mut Vec<u8>, values: &[u64], mean: u64, bits: u32) {
        vlong(out, values[0]);
        vlong(out, mean);
        vlong(out, u64::from(bits));
        let deltas: Vec<u64> = (0_i64..)
            .zip(values)
            .map(|(at, value)| *value as i64 - values[0] as i64 - at * mean as i64)
            .map(|delta| ((delta << 1) ^ (delta >> 63)) as u64)
            .collect();
        out.extend(pack(&deltas, bits));
    }

    fn read(bytes: &[u8], docs: u32, most: usize) -> Result<ChunkTable, LuceneError> {
        let table = Table::new("_0.fdt", 60, 1 << 30, docs).holding(most);
        let data: Arc<dyn ReadAt> = Arc::new(Bytes::copy_from_slice(bytes));
        let window = Window::new("_0.fdx", Arc::clone(&data), 100);
        parse(window, data, 0, table, true)
    }

    #[test]
    fn blocks_of_chunks_are_read() {
        let mut out = vec![];
        vlong(&mut out, 3);
        series(&mut out, &[0, 12, 20], 10, 6);
        series(&mut out, &[60, 160, 190], 70, 8);
        vlong(&mut out, 1);
        series(&mut out, &[31], 0, 0);
        series(&mut out, &[300], 0, 0);
        out.push(0);
        vlong(&mut out, 333);
        let chunks = read(&out, 40, 9).unwrap();
        let seen: Vec<_> = chunks
            .iter()
            .map(Result::unwrap)
            .map(|chunk| (chunk.first_doc, chunk.docs, chunk.pointer, chunk.length))
            .collect();
        let expected = [
            (0, 12, 60, 100),
            (12, 8, 160, 30),
            (20, 11, 190, 110),
            (31, 9, 300, 33),
        ];
        assert_eq!(seen, expected);
        for cut in 0..out.len() {
            assert!(read(&out[..cut], 40, 9).is_err());
        }
        assert!(read(&out, 31, 9).is_err());
        // Blocks that are not full can't be pages.
        assert!(read(&out, 40, 1).is_err());
        let hostile = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1, 0, 60, 1, 0];
        assert!(read(&hostile, 40, 9).is_err());
    }

    #[test]
    fn blocks_are_pages_where_there_are_many() {
        let mut out = Vec::new();
        for block in 0..3_u64 {
            let count = [1024, 1024, 7][block as usize];
            vlong(&mut out, count);
            let docs: Vec<u64> = (0..count).map(|at| (block * 1024 + at) * 3).collect();
            series(&mut out, &docs, 3, 0);
            let pointers: Vec<u64> = docs.iter().map(|doc| 60 + doc * 4 + doc % 2).collect();
            series(&mut out, &pointers, 12, 2);
        }
        out.push(0);
        vlong(&mut out, 60 + 2055 * 12);
        let held = read(&out, 2055 * 3, 9999).unwrap();
        let paged = read(&out, 2055 * 3, 0).unwrap();
        assert!(
            held.iter()
                .map(Result::unwrap)
                .eq(paged.iter().map(Result::unwrap))
        );
        assert_eq!(paged.len(), 2055);
    }
}
