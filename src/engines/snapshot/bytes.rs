//! A cursor over bytes that never reads past their end, and says where it stopped.

use super::error::DecodeError;

/// Reads a slice from front to back.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> DecodeError {
        DecodeError::new(self.at, reason)
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        let byte = self
            .peek()
            .ok_or_else(|| self.error("the bytes end early"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        if length > self.remaining() {
            return Err(self.error(format!(
                "the bytes end early: {length} wanted, {} left",
                self.remaining()
            )));
        }
        let slice = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(slice)
    }

    /// The bytes before the next `end`, which is consumed too.
    pub(crate) fn take_until(&mut self, end: u8) -> Result<&'a [u8], DecodeError> {
        let rest = &self.bytes[self.at..];
        let length = memchr::memchr(end, rest)
            .ok_or_else(|| self.error(format!("the end mark 0x{end:02x} is missing")))?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Big-endian.
    pub(crate) fn u16_be(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Big-endian.
    pub(crate) fn u32_be(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Big-endian.
    pub(crate) fn u64_be(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Lucene's vInt: groups of seven bits, low first, at most five bytes.
    pub(crate) fn v_int(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.error("a vInt passes 32 bits"));
            }
        }
        Err(self.error("a vInt has more than five bytes"))
    }
}
