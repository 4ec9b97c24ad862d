//! The terms of a SORTED field of `Lucene54` and its forerunners: their places by the entry in `.dvm`, and the terms
//! themselves, held as one run of bytes.
//!
//! Read for the ids of parents, which Elasticsearch 5 keeps nowhere else. Relies on `packed` for addresses. Deliberately
//! absent: looking a term up, and terms of varying length of formats before `Lucene54`, whose addresses stand in another
//! form (the indices of their time store the ids of parents as fields too).

use super::super::input::Input;
use super::super::packed::Monotonic;
use super::super::{LuceneError, ReadAt, codec};
use super::legacy::Family;

const FIXED: u32 = 0;
const VARIABLE: u32 = 1;
const PREFIXES: u32 = 2;

/// Terms of a block that share prefixes with its first.
const BLOCK_TERMS: usize = 16;
/// Says that lengths of a block are given in two bytes each.
const TWO_BYTES: u8 = 255;
/// Bytes of the terms of one field of one segment that are held at most.
const TERMS_BYTES: u64 = 256 << 20;

/// Where the terms of a field stand.
pub(super) struct BytesEntry {
    longest: u32,
    count: u64,
    offset: u64,
    places: Places,
}

enum Places {
    /// All of one length.
    Fixed,
    /// One behind the other, by addresses.
    Variable {
        addresses: Monotonic,
        from: u64,
        end: u64,
    },
    /// Blocks, each term with what differs from the first of its block.
    Prefixes { end: u64 },
    /// By addresses of an older form.
    Unread,
}

/// Reads the entry of bytes at `input`.
pub(super) fn read_entry(input: &mut Input<'_>, family: Family) -> Result<BytesEntry, LuceneError> {
    let format = input.vint()?;
    input.skip(8)?; // the bitmap
    input.vint()?;
    let longest = input.vint()?;
    let count = input.vlong()?;
    let offset = input.length("an offset")?;
    let places = match format {
        FIXED => Places::Fixed,
        VARIABLE if family >= Family::Lucene54 => {
            let from = input.length("an offset of addresses")?;
            let shift = input.vint()?;
            let addresses = Monotonic::read(input, count.saturating_add(1), shift)?;
            let end = input.length("the end of addresses")?;
            Places::Variable {
                addresses,
                from,
                end,
            }
        }
        VARIABLE => {
            input.skip(8)?;
            input.vint()?;
            input.vint()?;
            Places::Unread
        }
        PREFIXES => {
            if family == Family::Lucene49 {
                input.vint()?;
            }
            let end = input.length("an offset of addresses")?;
            input.vint()?;
            input.vint()?;
            if family > Family::Lucene49 {
                input.skip(8)?;
            }
            Places::Prefixes { end }
        }
        _ => return Err(input.corrupt(format!("a known format of bytes, not {format}"))),
    };
    Ok(BytesEntry {
        longest,
        count,
        offset,
        places,
    })
}

/// The terms of a field by ordinal.
#[derive(Debug, Default)]
pub(in super::super) struct OldTerms {
    bytes: Vec<u8>,
    /// Behind each term.
    ends: Vec<u32>,
}

impl OldTerms {
    /// Reads all of them.
    pub(super) fn read(
        file: &str,
        data: &dyn ReadAt,
        entry: &BytesEntry,
    ) -> Result<Self, LuceneError> {
        let corrupt = |expected: String| LuceneError::Corrupt {
            file: file.to_owned(),
            offset: entry.offset,
            expected,
        };
        let run = |end: u64| {
            let length = end.checked_sub(entry.offset);
            let length = length.filter(|length| *length <= TERMS_BYTES);
            let length = length.ok_or_else(|| {
                corrupt(format!("at most {TERMS_BYTES} bytes of terms before {end}"))
            })?;
            codec::read(file, data, entry.offset, length)
        };
        // A term takes a byte at least but for one empty one, so that a count can't be made up.
        let count = usize::try_from(entry.count).ok();
        let count = count.filter(|count| *count as u64 <= TERMS_BYTES + 1);
        let count = count.ok_or_else(|| corrupt(format!("fewer terms than {}", entry.count)))?;
        let mut terms = Self::default();
        match &entry.places {
            Places::Fixed => {
                let length = entry.count.checked_mul(u64::from(entry.longest));
                let end = length.and_then(|length| entry.offset.checked_add(length));
                let end = end.ok_or_else(|| corrupt("terms within the file".to_owned()))?;
                let bytes = run(end)?;
                for at in 0..count {
                    let start = at * entry.longest as usize;
                    terms.push(&bytes[start..start + entry.longest as usize]);
                }
            }
            Places::Variable {
                addresses,
                from,
                end,
            } => {
                let bytes = run(*from)?;
                let length = end.checked_sub(*from);
                let length = length.ok_or_else(|| corrupt("addresses behind terms".to_owned()))?;
                let deltas = codec::read(file, data, *from, length)?;
                let address = |at: usize| {
                    let address = addresses.get(&deltas, at as u64);
                    let address = address.and_then(|it| usize::try_from(it).ok());
                    address.ok_or_else(|| corrupt(format!("an address of term {at}")))
                };
                let mut start = address(0)?;
                for at in 0..count {
                    let end = address(at + 1)?;
                    let term = bytes.get(start..end);
                    terms.push(term.ok_or_else(|| corrupt(format!("bytes of term {at}")))?);
                    start = end;
                }
            }
            Places::Prefixes { end } => {
                let bytes = run(*end)?;
                let mut input = Input::at_offset(file, entry.offset, &bytes);
                while terms.ends.len() < count {
                    terms.block(&mut input, count)?;
                }
            }
            Places::Unread => {
                return Err(LuceneError::Unsupported {
                    file: file.to_owned(),
                    codec: "terms of varying length before Lucene54".to_owned(),
                    version: 0,
                });
            }
        }
        Ok(terms)
    }

    fn block(&mut self, input: &mut Input<'_>, count: usize) -> Result<(), LuceneError> {
        let length = input.vint()?;
        let first = input.take(length as usize)?;
        self.push(first);
        let two_bytes = input.clone().u8()? == TWO_BYTES;
        if two_bytes {
            input.skip(1)?;
        }
        let mut lengths = [0_usize; BLOCK_TERMS];
        for length in &mut lengths[1..] {
            *length = usize::from(if two_bytes {
                input.u16()?
            } else {
                u16::from(input.u8()?)
            }) + 1;
        }
        for length in &lengths[1..] {
            if self.ends.len() >= count {
                break;
            }
            let shared = usize::from(input.u8()?);
            let suffix = input.take(*length)?;
            let prefix = first.get(..shared);
            let prefix = prefix.ok_or_else(|| input.corrupt("a prefix within the first term"))?;
            // As many as there are suffixes of a byte at least, each with 255 bytes more at most.
            if (self.bytes.len() + shared + suffix.len()) as u64 > TERMS_BYTES {
                return Err(input.corrupt(format!("at most {TERMS_BYTES} bytes of terms")));
            }
            self.bytes.extend_from_slice(prefix);
            self.push(suffix);
        }
        Ok(())
    }

    /// Adds the rest of a term.
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    /// The term of an ordinal.
    pub(in super::super) fn get(&self, ordinal: usize) -> Option<&[u8]> {
        let end = *self.ends.get(ordinal)? as usize;
        let start = match ordinal.checked_sub(1) {
            Some(before) => self.ends[before] as usize,
            None => 0,
        };
        self.bytes.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entry(places: Places, longest: u32, count: u64) -> BytesEntry {
        BytesEntry {
            longest,
            count,
            offset: 0,
            places,
        }
    }

    fn read(entry: &BytesEntry, mut data: Vec<u8>) -> Result<Vec<String>, LuceneError> {
        data.extend([0; 16]);
        let terms = OldTerms::read("f", &Bytes::from(data), entry)?;
        let all = (0..).map_while(|at| terms.get(at));
        Ok(all
            .map(|term| String::from_utf8_lossy(term).into_owned())
            .collect())
    }

    #[test]
    fn terms_of_one_length_stand_side_by_side() {
        let fixed = entry(Places::Fixed, 2, 3);
        assert_eq!(
            read(&fixed, b"aabbcc".to_vec()).unwrap(),
            ["aa", "bb", "cc"]
        );
        assert!(read(&entry(Places::Fixed, 2, u64::MAX), vec![]).is_err());
        assert!(read(&entry(Places::Fixed, 2, 40), vec![]).is_err());
    }

    #[test]
    fn a_block_has_its_first_term_whole_and_of_the_others_what_differs() {
        let mut data = vec![5];
        data.extend(b"abcde");
        data.extend([0, 2]);
        data.extend([0; 13]);
        data.extend([4, b'f']);
        data.extend([0]);
        data.extend(b"bxy");
        let end = data.len() as u64;
        let prefixes = |count| entry(Places::Prefixes { end }, 5, count);
        let all = read(&prefixes(3), data.clone()).unwrap();
        assert_eq!(all, ["abcde", "abcdf", "bxy"]);
        assert!(read(&prefixes(4), data.clone()).is_err());
        data[21] = 9;
        assert!(read(&prefixes(3), data).is_err(), "a prefix of nine bytes");
    }

    #[test]
    fn long_suffixes_have_two_bytes_for_their_length() {
        let mut data = vec![1, b'a', TWO_BYTES];
        data.extend(299_u16.to_be_bytes());
        data.extend([0; 28]);
        data.push(1);
        data.extend([b'z'; 300]);
        let end = data.len() as u64;
        let all = read(&entry(Places::Prefixes { end }, 301, 2), data).unwrap();
        assert_eq!(all[1], format!("a{}", "z".repeat(300)));
    }

    #[test]
    fn terms_by_addresses_of_an_older_form_are_told() {
        let unread = read(&entry(Places::Unread, 2, 1), vec![]);
        assert!(matches!(unread, Err(LuceneError::Unsupported { .. })));
    }
}
