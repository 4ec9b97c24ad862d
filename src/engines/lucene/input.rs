//! A checked cursor over the bytes of one small file: Lucene's primitive encodings, and errors that say where.
//!
//! Fixed-width numbers are big-endian in every file of Lucene up to 8 and in every header and footer, and little-endian
//! in the formats of Lucene 9 and later: the file's own header decides, by [`Input::set_order`].
//!
//! Deliberately absent: the hot path of stored documents, which has its own few readers in `stored_fields::fields`.

use std::collections::BTreeMap;

use super::LuceneError;

/// The order of the bytes in fixed-width numbers of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// The most significant byte first: Lucene up to 8.
    #[default]
    Big,
    /// The least significant byte first: Lucene 9 and later.
    Little,
}

/// Where reading stands in `bytes`, which begin at `base` in the file named `file`.
#[derive(Clone)]
pub(super) struct Input<'a> {
    file: &'a str,
    base: u64,
    bytes: &'a [u8],
    at: usize,
    order: Order,
}

impl<'a> Input<'a> {
    pub(super) fn new(file: &'a str, bytes: &'a [u8]) -> Self {
        Self::at_offset(file, 0, bytes)
    }

    pub(super) fn at_offset(file: &'a str, base: u64, bytes: &'a [u8]) -> Self {
        Self {
            file,
            base,
            bytes,
            at: 0,
            order: Order::Big,
        }
    }

    /// What fixed-width numbers are read in from here on.
    pub(super) fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn file(&self) -> &'a str {
        self.file
    }

    /// Offset in the file.
    pub(super) fn offset(&self) -> u64 {
        self.base.saturating_add(self.at as u64)
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error at the present offset.
    pub(super) fn corrupt(&self, expected: impl Into<String>) -> LuceneError {
        LuceneError::Corrupt {
            file: self.file.to_owned(),
            offset: self.offset(),
            expected: expected.into(),
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], LuceneError> {
        let rest = &self.bytes[self.at..];
        let taken = rest
            .get(..length)
            .ok_or_else(|| self.corrupt(format!("{length} more bytes, of {} left", rest.len())))?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, length: u64) -> Result<(), LuceneError> {
        let length =
            usize::try_from(length).map_err(|_| self.corrupt("a length within the file"))?;
        self.take(length).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LuceneError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, LuceneError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, LuceneError> {
        let bytes = self.array()?;
        Ok(match self.order {
            Order::Big => u16::from_be_bytes(bytes),
            Order::Little => u16::from_le_bytes(bytes),
        })
    }

    pub(super) fn i32(&mut self) -> Result<i32, LuceneError> {
        let bytes = self.array()?;
        Ok(match self.order {
            Order::Big => i32::from_be_bytes(bytes),
            Order::Little => i32::from_le_bytes(bytes),
        })
    }

    pub(super) fn i64(&mut self) -> Result<i64, LuceneError> {
        let bytes = self.array()?;
        Ok(match self.order {
            Order::Big => i64::from_be_bytes(bytes),
            Order::Little => i64::from_le_bytes(bytes),
        })
    }

    /// An `int` that counts something.
    pub(super) fn count(&mut self, what: &str) -> Result<u32, LuceneError> {
        let value = self.i32()?;
        u32::try_from(value).map_err(|_| self.corrupt(format!("{what} of at least 0, not {value}")))
    }

    /// A `long` that is a length or an offset.
    pub(super) fn length(&mut self, what: &str) -> Result<u64, LuceneError> {
        let value = self.i64()?;
        u64::try_from(value).map_err(|_| self.corrupt(format!("{what} of at least 0, not {value}")))
    }

    pub(super) fn be_u32(&mut self) -> Result<u32, LuceneError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn be_u64(&mut self) -> Result<u64, LuceneError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn be_count(&mut self, what: &str) -> Result<u32, LuceneError> {
        let value = self.be_u32()?;
        if value > i32::MAX as u32 {
            return Err(self.corrupt(format!("{what} of at least 0")));
        }
        Ok(value)
    }

    /// A `long` where −1 stands for none.
    pub(super) fn generation(&mut self) -> Result<Option<u64>, LuceneError> {
        let value = self.i64()?;
        match value {
            -1 => Ok(None),
            _ => u64::try_from(value)
                .map(Some)
                .map_err(|_| self.corrupt(format!("a generation, or -1, not {value}"))),
        }
    }

    pub(super) fn vlong(&mut self) -> Result<u64, LuceneError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt("a vLong of at most 64 bits"))
    }

    pub(super) fn vint(&mut self) -> Result<u32, LuceneError> {
        let value = self.vlong()?;
        u32::try_from(value).map_err(|_| self.corrupt("a vInt of at most 32 bits"))
    }

    pub(super) fn string(&mut self) -> Result<&'a str, LuceneError> {
        let length = self.vint()? as usize;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt("text in UTF-8 before this byte"))
    }

    pub(super) fn map(&mut self) -> Result<BTreeMap<String, String>, LuceneError> {
        let count = self.vint()?;
        self.entries(count)
    }

    /// A map of Lucene before 5.1: its count has four bytes.
    pub(super) fn old_map(&mut self) -> Result<BTreeMap<String, String>, LuceneError> {
        let count = self.be_count("a number of entries")?;
        self.entries(count)
    }

    fn entries(&mut self, count: u32) -> Result<BTreeMap<String, String>, LuceneError> {
        let mut map = BTreeMap::new();
        for _ in 0..count {
            let key = self.string()?.to_owned();
            map.insert(key, self.string()?.to_owned());
        }
        Ok(map)
    }

    pub(super) fn skip_set(&mut self) -> Result<(), LuceneError> {
        for _ in 0..self.vint()? {
            self.string()?;
        }
        Ok(())
    }

    /// A set of Lucene before 5.1: its count has four bytes.
    pub(super) fn skip_old_set(&mut self) -> Result<(), LuceneError> {
        for _ in 0..self.be_count("a number of entries")? {
            self.string()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_lengths_stop_at_their_width() {
        let read = |bytes: &[u8]| Input::new("f", bytes).vlong();
        assert_eq!(read(&[0x7f]).unwrap(), 127);
        assert_eq!(read(&[0x80, 0x01]).unwrap(), 128);
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(read(&most).unwrap(), u64::MAX);
        most[9] = 2;
        assert!(read(&most).is_err());
        assert!(read(&[0x80; 20]).is_err());
        assert!(read(&[0x80]).is_err());
        assert!(
            Input::new("f", &[0xff, 0xff, 0xff, 0xff, 0x1f])
                .vint()
                .is_err()
        );
        assert_eq!(
            Input::new("f", &[0xff, 0xff, 0xff, 0xff, 0x0f])
                .vint()
                .unwrap(),
            u32::MAX
        );
    }

    #[test]
    fn a_count_of_entries_allocates_nothing_by_itself() {
        let mut bytes = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
        bytes.extend(b"\x01a\x01b");
        assert!(Input::new("f", &bytes).map().is_err());
        assert!(Input::new("f", &bytes).skip_set().is_err());
    }

    #[test]
    fn an_error_says_file_and_offset() {
        let mut input = Input::at_offset("_0.fnm", 100, &[1, 2, 3]);
        input.u8().unwrap();
        let message = input.i32().unwrap_err().to_string();
        assert_eq!(
            message,
            "_0.fnm at byte 101: expected 4 more bytes, of 2 left"
        );
    }
}
