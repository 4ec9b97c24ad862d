//! The documents that are not hard-deleted: `.liv`, `Lucene50LiveDocs` (Lucene 5 to 8) and `Lucene90LiveDocs` (9 on),
//! which differ in the order of bytes in a word; `.del`, `BitVector` (Lucene 4), a list of bytes, or only of those that
//! are not full.

use super::bits::Bits;
use super::directory::{Directory, base36};
use super::input::{Input, Order};
use super::limits::INDEX_WINDOW_BYTES;
use super::window::Window;
use super::{LuceneError, SegmentCommit, codec};

/// Enough for any header.
const HEADER_BYTES: u64 = 512;
/// Bytes that are decoded at a time: whole words.
const STEP_BYTES: u64 = 64 << 10;

/// Reads the generation that the commit names and holds it to the commit's count. `None` when nothing is deleted.
pub(super) fn read(
    directory: &Directory,
    commit: &SegmentCommit,
    max_doc: u32,
) -> Result<Option<Bits>, LuceneError> {
    let Some(generation) = commit.del_gen else {
        if commit.del_count > 0 {
            return Err(LuceneError::Missing {
                file: directory.name("_<generation>", ".liv"),
            });
        }
        return Ok(None);
    };
    let suffix = base36(generation);
    let middle = format!("_{suffix}");
    match directory.open_verified(&middle, ".liv") {
        Ok((name, data)) => {
            let mut window = Window::new(&name, data, INDEX_WINDOW_BYTES);
            let head = window.up_to(0, HEADER_BYTES)?.to_vec();
            let mut input = Input::new(&name, &head);
            let header = directory.header(&mut input, &suffix)?;
            match (header.codec, header.version) {
                ("Lucene50LiveDocs" | "Lucene90LiveDocs", 0) => {}
                _ => return Err(header.unsupported(&input)),
            }
            words(&mut window, &input, max_doc, commit.del_count).map(Some)
        }
        // The form of Lucene 4, also where a later Lucene opened the index.
        Err(LuceneError::Missing { file }) => match directory.read(&middle, ".del") {
            Ok((name, bytes)) => {
                let mut input = Input::new(&name, &bytes);
                if input.be_u32()? != codec::BIT_VECTOR {
                    return Err(input.corrupt("-2 before the header"));
                }
                let header = directory.header(&mut input, &suffix)?;
                match (header.codec, header.version) {
                    ("BitVector", 1 | 2) => {}
                    _ => return Err(header.unsupported(&input)),
                }
                bytes_of(&mut input, max_doc, commit.del_count).map(Some)
            }
            Err(LuceneError::Missing { .. }) => Err(LuceneError::Missing { file }),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The set as words from where `input` stands, in its order.
fn words(
    window: &mut Window,
    input: &Input<'_>,
    max_doc: u32,
    del_count: u32,
) -> Result<Bits, LuceneError> {
    let words = max_doc.div_ceil(64) as usize;
    let mut at = input.offset();
    if window.end().saturating_sub(at) != words as u64 * 8 {
        return Err(input.corrupt(format!("{words} words, for {max_doc} documents")));
    }
    let mut list = Vec::with_capacity(words);
    while list.len() < words {
        let bytes = window.up_to(at, STEP_BYTES)?;
        at += bytes.len() as u64;
        list.extend(bytes.chunks_exact(8).map(|word| {
            let join = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
            match input.order() {
                Order::Big => word.iter().fold(0, join),
                Order::Little => word.iter().rev().fold(0, join),
            }
        }));
    }
    counted(input, list, max_doc, del_count)
}

/// The set as bytes, lowest bit first.
fn bytes_of(input: &mut Input<'_>, max_doc: u32, del_count: u32) -> Result<Bits, LuceneError> {
    let length = max_doc.div_ceil(8) as usize;
    let mut words = vec![0_u64; max_doc.div_ceil(64) as usize];
    let mut put = |at: usize, byte: u8| {
        let shift = at % 8 * 8;
        words[at / 8] = words[at / 8] & !(0xff << shift) | u64::from(byte) << shift;
    };
    let first = input.i32()?;
    let sparse = first == -1;
    let size = if sparse { input.i32()? } else { first };
    if size != max_doc as i32 {
        return Err(input.corrupt(format!("{max_doc} documents, not {size}")));
    }
    let live = input.count("a number of live documents")?;
    if sparse {
        let full = |at: usize| {
            let used = max_doc as usize - at * 8;
            if used < 8 { (1_u8 << used) - 1 } else { 0xff }
        };
        (0..length).for_each(|at| put(at, full(at)));
        let mut next = 0;
        let mut dead = 0;
        while live.checked_add(dead).is_some_and(|sum| sum < max_doc) {
            let at = input.vint()? as usize + next;
            let byte = input.u8()?;
            if at >= length {
                return Err(input.corrupt(format!("a byte of {length}")));
            }
            dead += (full(at) & !byte).count_ones();
            put(at, byte & full(at));
            next = at;
        }
    } else {
        for (at, byte) in input.take(length)?.iter().enumerate() {
            put(at, *byte);
        }
    }
    if input.remaining() > 0 {
        return Err(input.corrupt("the footer"));
    }
    let bits = counted(input, words, max_doc, del_count)?;
    if bits.count() != live {
        return Err(input.corrupt(format!("{live} live documents, not {}", bits.count())));
    }
    Ok(bits)
}

fn counted(
    input: &Input<'_>,
    words: Vec<u64>,
    max_doc: u32,
    del_count: u32,
) -> Result<Bits, LuceneError> {
    let bits = Bits::from_words(words, max_doc)
        .ok_or_else(|| input.corrupt(format!("no bit for a document behind {max_doc}")))?;
    let dead = max_doc - bits.count();
    if dead != del_count {
        return Err(input.corrupt(format!(
            "{del_count} deleted documents, as the commit says, not {dead}"
        )));
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;

    fn words_of(order: Order, bytes: &[u8], docs: u32, deleted: u32) -> Result<Bits, LuceneError> {
        let data = Arc::new(Bytes::copy_from_slice(bytes));
        let mut window = Window::new("_0_1.liv", data, 24);
        let mut input = Input::new("_0_1.liv", bytes);
        input.set_order(order);
        words(&mut window, &input, docs, deleted)
    }

    #[test]
    fn bits_are_held_to_the_count_of_the_commit() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0b1_0111];
        let read = |docs, deleted| words_of(Order::Big, &bytes, docs, deleted);
        let live = read(5, 1).unwrap();
        assert!(live.contains(0) && live.contains(4) && !live.contains(3));
        assert!(read(5, 2).is_err());
        assert!(read(4, 1).is_err());
        assert!(read(65, 61).is_err());
    }

    #[test]
    fn words_of_lucene_9_are_little_endian() {
        let live = words_of(Order::Little, &[0b1_0111, 0, 0, 0, 0, 0, 0, 0], 5, 1).unwrap();
        assert!(live.contains(4) && !live.contains(3));
    }

    #[test]
    fn many_words_are_read_in_steps() {
        let bytes = vec![0xff; 200 << 10];
        let docs = bytes.len() as u32 * 8;
        let live = words_of(Order::Little, &bytes, docs, 0).unwrap();
        assert_eq!(live.count(), docs);
    }

    #[test]
    fn sets_of_lucene_4_are_bytes() {
        let read = |bytes: &[u8], docs, deleted| {
            bytes_of(&mut Input::new("_0_1.del", bytes), docs, deleted)
        };
        let mut dense = vec![0, 0, 0, 20, 0, 0, 0, 17];
        dense.extend([0xfe, 0xdf, 0x07]);
        let live = read(&dense, 20, 3).unwrap();
        let dead: Vec<u32> = (0..20).filter(|doc| !live.contains(*doc)).collect();
        assert_eq!(dead, [0, 13, 19]);
        assert!(read(&dense, 20, 2).is_err());
        assert!(read(&dense, 21, 4).is_err());
        let mut sparse = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 20, 0, 0, 0, 17];
        sparse.extend([0, 0xfe, 1, 0xdf, 1, 0x07]);
        assert_eq!(read(&sparse, 20, 3).unwrap(), live);
        for cut in 0..sparse.len() {
            assert!(read(&sparse[..cut], 20, 3).is_err());
        }
        sparse[14] = 9;
        assert!(read(&sparse, 20, 3).is_err());
    }
}
