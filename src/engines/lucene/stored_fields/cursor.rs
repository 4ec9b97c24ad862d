//! The few reads that decoding of chunks and documents needs, without the weight of `input`: an error is an offset and
//! a word, and becomes a full one only when it leaves the chunk.

/// What is wrong, and where in the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Bad {
    pub(in super::super) at: usize,
    pub(in super::super) expected: &'static str,
}

pub(in super::super) type Decode<T> = Result<T, Bad>;

/// Where reading stands.
#[derive(Clone, Copy)]
pub(in super::super) struct Cursor<'a> {
    pub(in super::super) bytes: &'a [u8],
    pub(in super::super) at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(in super::super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    #[cold]
    pub(in super::super) fn bad(&self, expected: &'static str) -> Bad {
        Bad {
            at: self.at,
            expected,
        }
    }

    #[inline]
    pub(in super::super) fn take(&mut self, length: usize) -> Decode<&'a [u8]> {
        let end = self.at.checked_add(length);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => Err(self.bad("a length within what remains")),
        }
    }

    #[inline]
    pub(in super::super) fn u8(&mut self) -> Decode<u8> {
        match self.bytes.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => Err(self.bad("another byte")),
        }
    }

    #[inline]
    pub(in super::super) fn vlong(&mut self) -> Decode<u64> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.vlong_rest(u64::from(first & 0x7f))
    }

    fn vlong_rest(&mut self, mut value: u64) -> Decode<u64> {
        for shift in (7..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.bad("a vLong of at most 64 bits"))
    }

    #[inline]
    pub(in super::super) fn vint(&mut self) -> Decode<u32> {
        let value = self.vlong()?;
        u32::try_from(value).map_err(|_| self.bad("a vInt of at most 32 bits"))
    }
}
