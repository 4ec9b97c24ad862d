//! `.fdx` of Lucene 4.1 to 8.4: blocks of up to 1024 chunks, each a mean and packed differences from it.

use super::super::directory::Directory;
use super::super::input::Input;
use super::super::packed::{byte_length, value_at, zigzag};
use super::super::{ChunkRef, LuceneError};
use super::index::Table;

/// Reads the index that belongs to the `.fdt` file of codec `data_codec`.
pub(super) fn read(
    directory: &Directory,
    data_codec: &str,
    table: Table<'_>,
) -> Result<Vec<ChunkRef>, LuceneError> {
    let (name, bytes) = directory.read("", ".fdx")?;
    let mut input = Input::new(&name, &bytes);
    let header = directory.header(&mut input, "")?;
    let format = data_codec.strip_suffix("Data").unwrap_or(data_codec);
    if header.codec.strip_suffix("Index") != Some(format) {
        return Err(header.unsupported(&input));
    }
    if header.codec == "Lucene41StoredFieldsIndex" && header.version < 2 {
        return parse(&mut input, table, false);
    }
    parse(&mut input, table, true)
}

/// `states_end`: whether the end of the last chunk stands behind the blocks; else it ends where the file does.
fn parse(
    input: &mut Input<'_>,
    mut table: Table<'_>,
    states_end: bool,
) -> Result<Vec<ChunkRef>, LuceneError> {
    super::packed_ints_version(input)?;
    loop {
        let count = input.vint()?;
        if count == 0 {
            break;
        }
        let docs = Series::read(input, count, false)?;
        let pointers = Series::read(input, count, true)?;
        for index in 0..count {
            table.push(docs.get(index), pointers.get(index))?;
        }
    }
    let end = if states_end {
        input.vlong()?
    } else {
        table.end()
    };
    if input.remaining() > 0 {
        return Err(input.corrupt("the footer"));
    }
    table.finish(end)
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

    #[test]
    fn blocks_of_chunks_are_read() {
        let mut out = vec![2];
        vlong(&mut out, 3);
        series(&mut out, &[0, 12, 20], 10, 6);
        series(&mut out, &[60, 160, 190], 70, 8);
        vlong(&mut out, 1);
        series(&mut out, &[31], 0, 0);
        series(&mut out, &[300], 0, 0);
        out.push(0);
        vlong(&mut out, 333);
        let read = |bytes: &[u8], docs| {
            let table = Table::new("_0.fdt", 60, 400, docs);
            parse(&mut Input::new("_0.fdx", bytes), table, true)
        };
        let chunks = read(&out, 40).unwrap();
        let seen: Vec<_> = chunks
            .iter()
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
            assert!(read(&out[..cut], 40).is_err());
        }
        assert!(read(&out, 31).is_err());
        let hostile = [2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1, 0, 60, 1, 0];
        assert!(read(&hostile, 40).is_err());
    }
}
