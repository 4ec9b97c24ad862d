//! The doc values of Lucene 4.9 to 6: `Lucene49`, `Lucene410`, `Lucene50` and `Lucene54`, of which fields of type NUMERIC
//! are read. A number stands there for every document, those without one too, unless the field is sparse; a bitmap says
//! which have one.
//!
//! Relies on `numeric` for the values and on `legacy_terms` for terms. Deliberately absent: the other types, and `Lucene45`
//! (Lucene 4.5 to 4.8), whose numbers stand in blocks that have to be read in order.

use std::sync::Arc;

use super::super::bits::{Bits, RankedBits};
use super::super::input::{Input, Order};
use super::super::packed::Monotonic;
use super::super::{LuceneError, ReadAt, codec};
use super::disi::Presence;
use super::legacy_terms::{BytesEntry, read_entry};
use super::numeric::{Encoding, Numeric, Scale};

const NUMERIC: u8 = 0;
const BINARY: u8 = 1;
const SORTED: u8 = 2;
const SORTED_SET: u8 = 3;
const SORTED_NUMERIC: u8 = 4;

const DELTA: u32 = 0;
const GCD: u32 = 1;
const TABLE: u32 = 2;
const MONOTONIC: u32 = 3;
const CONST: u32 = 4;
const SPARSE: u32 = 5;

/// A few distinct sets of values, listed in `.dvm`.
const SET_TABLE: u32 = 2;

/// What all documents or none have instead of a bitmap.
const ALL_LIVE: i64 = -1;
const ALL_MISSING: i64 = -2;

/// What an entry of each type consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Lucene49,
    /// A dictionary of terms has an index for looking terms up.
    Lucene410,
    /// Numbers may be all equal.
    Lucene50,
    /// Numbers may be sparse, sets may stand in a table, addresses are one monotonic sequence.
    Lucene54,
}

/// The family of a `.dvm` file, and the codec of the `.dvd` file that belongs to it.
pub(super) fn family(codec: &str, version: u32) -> Option<(Family, &'static str)> {
    if version > 0 {
        return None;
    }
    Some(match codec {
        "Lucene49ValuesMetadata" => (Family::Lucene49, "Lucene49DocValuesData"),
        "Lucene410ValuesMetadata" => (Family::Lucene410, "Lucene410DocValuesData"),
        "Lucene50ValuesMetadata" | "Lucene50DocValuesMetadata" => {
            (Family::Lucene50, "Lucene50DocValuesData")
        }
        "Lucene54DocValuesMetadata" => (Family::Lucene54, "Lucene54DocValuesData"),
        _ => return None,
    })
}

/// Where the numbers of a field stand.
pub(super) struct Entry {
    /// A bitmap in `.dvd`, [`ALL_LIVE`] or [`ALL_MISSING`]; where the field is sparse, document numbers.
    missing: i64,
    offset: u64,
    count: u64,
    encoding: EntryEncoding,
    end: u64,
}

enum EntryEncoding {
    Constant(i64),
    Packed {
        bits: u32,
        scale: Scale,
    },
    /// The documents with a number, and where their numbers stand.
    Sparse(Monotonic, Box<Entry>),
    /// Of addresses: no field of type NUMERIC is stored so.
    Monotonic,
}

/// The first entry of numbers of field `wanted`; `None` when the file has none.
pub(super) fn find(
    input: &mut Input<'_>,
    family: Family,
    wanted: u32,
    max_doc: u32,
) -> Result<Option<Entry>, LuceneError> {
    Ok(find_parts(input, family, wanted, max_doc)?.map(|(_, numbers)| numbers))
}

/// The first entry of numbers of field `wanted` (of a SORTED one: its ordinals), and that of bytes before it: its terms.
pub(super) fn find_parts(
    input: &mut Input<'_>,
    family: Family,
    wanted: u32,
    max_doc: u32,
) -> Result<Option<(Option<BytesEntry>, Entry)>, LuceneError> {
    let mut bytes = None;
    // An entry of several parts is followed by entries of its parts, under the same number.
    loop {
        let number = input.vint()?;
        if number == u32::MAX {
            return Ok(None);
        }
        match input.u8()? {
            NUMERIC => {
                let entry = numeric(input, family, max_doc, number)?;
                if number == wanted {
                    return Ok(Some((bytes, entry)));
                }
            }
            BINARY => {
                let entry = read_entry(input, family)?;
                if number == wanted {
                    bytes = Some(entry);
                }
            }
            SORTED => {}
            SORTED_SET | SORTED_NUMERIC => {
                if input.vint()? == SET_TABLE {
                    let values = input.count("a number of values")?;
                    input.skip(u64::from(values) * 8)?;
                    let sets = input.count("a number of sets")?;
                    input.skip(u64::from(sets) * 4)?;
                }
            }
            kind => return Err(input.corrupt(format!("a type of 0 to 4, not {kind}"))),
        }
    }
}

fn numeric(
    input: &mut Input<'_>,
    family: Family,
    max_doc: u32,
    number: u32,
) -> Result<Entry, LuceneError> {
    let format = input.vint()?;
    let missing = input.i64()?;
    let mut docs = None;
    if format == SPARSE && family >= Family::Lucene54 {
        let count = input.vlong()?;
        let shift = input.vint()?;
        docs = Some(Monotonic::read(input, count, shift)?);
    }
    let offset = input.length("an offset")?;
    let count = input.vlong()?;
    let encoding = match (format, docs) {
        (DELTA, _) => {
            let min = input.i64()?;
            packed(input, Scale::Linear { min, gcd: 1 })?
        }
        (GCD, _) => {
            let min = input.i64()?;
            let gcd = input.i64()?;
            packed(input, Scale::Linear { min, gcd })?
        }
        (TABLE, _) => {
            let size = input.vint()?;
            if size > 256 {
                return Err(input.corrupt(format!("a table of at most 256, not {size}")));
            }
            let table: Result<_, _> = (0..size).map(|_| input.i64()).collect();
            packed(input, Scale::Table(table?))?
        }
        (MONOTONIC, _) => {
            let first = input.vint()?;
            if family >= Family::Lucene54 {
                Monotonic::read(input, u64::from(max_doc) + 1, first)?;
            } else {
                input.vint()?;
            }
            EntryEncoding::Monotonic
        }
        (CONST, _) if family >= Family::Lucene50 => EntryEncoding::Constant(input.i64()?),
        (SPARSE, Some(docs)) => {
            input.u8()?; // whether they are ordinals
            if input.vint()? != number || input.u8()? != NUMERIC {
                return Err(input.corrupt("the numbers of the same field before this byte"));
            }
            if input.clone().vint()? == SPARSE {
                return Err(input.corrupt("numbers that are not sparse once more"));
            }
            EntryEncoding::Sparse(docs, Box::new(numeric(input, family, max_doc, number)?))
        }
        _ => return Err(input.corrupt(format!("a known format of numbers, not {format}"))),
    };
    Ok(Entry {
        missing,
        offset,
        count,
        encoding,
        end: input.length("an offset")?,
    })
}

fn packed(input: &mut Input<'_>, scale: Scale) -> Result<EntryEncoding, LuceneError> {
    let bits = input.vint()?;
    if bits > 64 {
        return Err(input.corrupt(format!("at most 64 bits a value, not {bits}")));
    }
    Ok(EntryEncoding::Packed { bits, scale })
}

/// Opens the numbers of an entry.
pub(super) fn open(
    file: &str,
    data: Arc<dyn ReadAt>,
    entry: Entry,
    max_doc: u32,
) -> Result<Numeric, LuceneError> {
    let offset = entry.offset;
    let corrupt = |expected: String| LuceneError::Corrupt {
        file: file.to_owned(),
        offset,
        expected,
    };
    let (presence, values, by_document) = if let EntryEncoding::Sparse(docs, inner) = entry.encoding
    {
        let data = data.as_ref();
        let bits = sparse(file, data, entry.missing, entry.offset, &docs, max_doc)?;
        if inner.count != u64::from(bits.count()) {
            return Err(corrupt(format!(
                "{} values, not {}",
                bits.count(),
                inner.count
            )));
        }
        (Presence::Some(RankedBits::new(bits)), *inner, false)
    } else {
        if entry.count != u64::from(max_doc) {
            return Err(corrupt(format!("{max_doc} values, not {}", entry.count)));
        }
        let presence = bitmap(file, data.as_ref(), entry.missing, max_doc)?;
        (presence, entry, true)
    };
    let encoding = match values.encoding {
        EntryEncoding::Constant(value) => Encoding::Constant(value),
        EntryEncoding::Packed { bits, scale } => Encoding::Packed {
            offset: values.offset,
            bits,
            scale,
        },
        EntryEncoding::Sparse(..) | EntryEncoding::Monotonic => {
            return Err(corrupt("numbers, not addresses".to_owned()));
        }
    };
    let place = values.offset..values.end;
    Numeric::packed_or_constant(
        file,
        data,
        Order::Big,
        presence,
        encoding,
        by_document,
        place,
        values.count,
    )
}

fn bitmap(
    file: &str,
    data: &dyn ReadAt,
    offset: i64,
    max_doc: u32,
) -> Result<Presence, LuceneError> {
    match offset {
        ALL_LIVE => return Ok(Presence::All),
        ALL_MISSING => return Ok(Presence::None),
        _ => {}
    }
    let offset = u64::try_from(offset).map_err(|_| LuceneError::Corrupt {
        file: file.to_owned(),
        offset: 0,
        expected: format!("an offset of a bitmap, -1 or -2, not {offset}"),
    })?;
    let bytes = codec::read(file, data, offset, u64::from(max_doc.div_ceil(8)))?;
    let words = bytes.chunks(8).map(|word| {
        let join = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        word.iter().rev().fold(0, join)
    });
    let bits = Bits::from_words(words.collect(), max_doc);
    let bits = bits.ok_or_else(|| LuceneError::Corrupt {
        file: file.to_owned(),
        offset,
        expected: format!("no bit for a document behind {max_doc}"),
    })?;
    Ok(Presence::Some(RankedBits::new(bits)))
}

/// Document numbers as a monotonic sequence, whose deltas stand before the values.
fn sparse(
    file: &str,
    data: &dyn ReadAt,
    start: i64,
    end: u64,
    docs: &Monotonic,
    max_doc: u32,
) -> Result<Bits, LuceneError> {
    let corrupt = |expected: &str| LuceneError::Corrupt {
        file: file.to_owned(),
        offset: end,
        expected: expected.to_owned(),
    };
    let start = u64::try_from(start).map_err(|_| corrupt("an offset of document numbers"))?;
    let length = end
        .checked_sub(start)
        .ok_or_else(|| corrupt("document numbers before their values"))?;
    let deltas = codec::read(file, data, start, length)?;
    let mut bits = Bits::new(max_doc);
    let mut least = 0;
    for at in 0..docs.count() {
        let doc = docs.get(&deltas, at);
        let doc = doc.and_then(|doc| u32::try_from(doc).ok());
        let doc = doc.filter(|doc| *doc >= least);
        let doc = doc.ok_or_else(|| corrupt("document numbers that rise"))?;
        if !bits.insert(doc) {
            return Err(corrupt("document numbers below that of all documents"));
        }
        least = doc + 1;
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::super::codec::encode::vlong;
    use super::super::super::packed::encode::pack;
    use super::super::{Column, ValuesWindow};
    use super::*;

    fn values(
        meta: &[u8],
        mut data: Vec<u8>,
        max_doc: u32,
    ) -> Result<Vec<Option<i64>>, LuceneError> {
        data.extend([0; 16]);
        let mut input = Input::new("f", meta);
        let entry = find(&mut input, Family::Lucene54, 3, max_doc)?.unwrap();
        let numeric = open("f", Arc::new(Bytes::from(data)), entry, max_doc)?;
        let (mut window, mut column) = (ValuesWindow::default(), Column::default());
        let mut all = Vec::new();
        for start in (0..max_doc).step_by(3) {
            let end = (start + 3).min(max_doc);
            numeric.read(start..end, &mut window, &mut column)?;
            all.extend((start..end).map(|doc| numeric.get(&column, doc)));
        }
        Ok(all)
    }

    fn dense(format: u32, missing: i64, count: u64) -> Vec<u8> {
        let mut meta = vec![3, NUMERIC];
        vlong(&mut meta, u64::from(format));
        meta.extend(missing.to_be_bytes());
        meta.extend(0_u64.to_be_bytes());
        vlong(&mut meta, count);
        meta
    }

    #[test]
    fn a_number_stands_for_every_document() {
        let raw = [5, 0, 7, 1, 2];
        let data = pack(&raw, 4);
        let mut data = [&data[..], &[0b0_1101]].concat();
        data.push(0);
        let mut meta = dense(DELTA, 3, 5);
        meta.extend(100_i64.to_be_bytes());
        meta.push(4);
        meta.extend(3_u64.to_be_bytes());
        let expected = [Some(105), None, Some(107), Some(101), None];
        assert_eq!(values(&meta, data.clone(), 5).unwrap(), expected);
        assert!(values(&meta, data.clone(), 6).is_err());
        let mut meta = dense(TABLE, -1, 5);
        meta.push(8);
        for value in 0..8_i64 {
            meta.extend((value * value).to_be_bytes());
        }
        meta.push(4);
        meta.extend(3_u64.to_be_bytes());
        let expected = [25, 0, 49, 1, 4].map(Some);
        assert_eq!(values(&meta, data, 5).unwrap(), expected);
        let mut meta = dense(CONST, 0, 5);
        meta.extend(9_i64.to_be_bytes());
        meta.extend(0_u64.to_be_bytes());
        let expected = [None, Some(9), None, None, Some(9)];
        assert_eq!(values(&meta, vec![0b1_0010], 5).unwrap(), expected);
    }

    #[test]
    fn sparse_numbers_stand_behind_their_documents() {
        let mut meta = vec![3, NUMERIC, SPARSE as u8];
        meta.extend(0_u64.to_be_bytes());
        meta.extend([3, 16]);
        // One block: documents 1, 4 and 6, each in eight bits.
        meta.extend(0_i64.to_be_bytes());
        meta.extend(0_f32.to_bits().to_be_bytes());
        meta.extend(0_u64.to_be_bytes());
        meta.push(8);
        meta.extend(3_u64.to_be_bytes());
        meta.push(7);
        meta.extend([0, 3, NUMERIC]);
        let start = meta.len();
        meta.push(GCD as u8);
        meta.extend((-1_i64).to_be_bytes());
        meta.extend(3_u64.to_be_bytes());
        meta.push(3);
        meta.extend(1_i64.to_be_bytes());
        meta.extend(10_i64.to_be_bytes());
        meta.push(8);
        meta.extend(6_u64.to_be_bytes());
        meta.extend(6_u64.to_be_bytes());
        let data = vec![1, 4, 6, 2, 3, 4];
        let expected = [None, Some(21), None, None, Some(31), None, Some(41)];
        assert_eq!(values(&meta, data.clone(), 7).unwrap(), expected);
        assert!(values(&meta, data.clone(), 6).is_err());
        assert!(values(&meta, vec![1, 1, 6, 2, 3, 4], 7).is_err());
        meta[start] = SPARSE as u8;
        assert!(values(&meta, data, 7).is_err());
    }

    #[test]
    fn entries_of_other_types_are_stepped_over() {
        let mut meta = Vec::new();
        meta.extend([0, SORTED_SET, 2, 0, 0, 0, 1]);
        meta.extend([0; 8]);
        meta.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        meta.extend([0, BINARY, 2]);
        meta.extend([0; 8]);
        meta.extend([1, 9, 5]);
        meta.extend([0; 16]);
        meta.extend([2, 16]);
        meta.extend([0; 8]);
        let mut own = dense(CONST, -1, 2);
        own.extend(4_i64.to_be_bytes());
        own.extend(0_u64.to_be_bytes());
        meta.extend(own);
        assert_eq!(values(&meta, vec![], 2).unwrap(), [Some(4); 2]);
        for cut in 0..meta.len() {
            let mut input = Input::new("f", &meta[..cut]);
            assert!(find(&mut input, Family::Lucene54, 3, 2).is_err());
        }
        let none = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let found = find(&mut Input::new("f", &none), Family::Lucene410, 3, 2);
        assert!(found.unwrap().is_none());
    }
}
