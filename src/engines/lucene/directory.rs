//! The files of one segment by name, whether they stand alone or within its compound file.
//!
//! Deliberately absent: caching. What is needed more than once is kept by whoever parsed it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::codec::{self, Header};
use super::compound::{self, Entries};
use super::input::Input;
use super::limits::HELD_FILE_BYTES;
use super::{LuceneError, ReadAt, SegmentFiles};

/// Enough for any header.
const HEAD_BYTES: u64 = 512;

/// Opens the files of one segment and holds them to its id.
pub(super) struct Directory {
    files: Arc<dyn SegmentFiles>,
    segment: String,
    /// `None` for a segment that Lucene 4 wrote.
    id: Option<[u8; 16]>,
    /// The `.cfs` file and where each file stands in it, by extension with the dot or suffix before it.
    compound: Option<(Arc<dyn ReadAt>, Entries)>,
}

impl Directory {
    pub(super) fn new(files: Arc<dyn SegmentFiles>, segment: &str, id: Option<[u8; 16]>) -> Self {
        Self {
            files,
            segment: segment.to_owned(),
            id,
            compound: None,
        }
    }

    /// From here on, files are looked up in the compound file first.
    pub(super) fn use_compound(&mut self) -> Result<(), LuceneError> {
        let (name, bytes) = self.read("", ".cfe")?;
        let data = self.files.open(&self.name("", ".cfs"))?;
        let entries = compound::entries(&name, &bytes, self.id, data.len())?;
        self.compound = Some((data, entries));
        Ok(())
    }

    pub(super) fn segment(&self) -> &str {
        &self.segment
    }

    pub(super) fn id(&self) -> Option<[u8; 16]> {
        self.id
    }

    /// `<segment><middle><extension>`, such as `_0`, `_1_Lucene80_0`, `.dvd`.
    pub(super) fn name(&self, middle: &str, extension: &str) -> String {
        format!("{}{middle}{extension}", self.segment)
    }

    /// Opens a file for ranged reads, with its full name.
    pub(super) fn open(
        &self,
        middle: &str,
        extension: &str,
    ) -> Result<(String, Arc<dyn ReadAt>), LuceneError> {
        let name = self.name(middle, extension);
        if let Some((whole, entries)) = &self.compound
            && let Some(&(offset, length)) = entries.get(&format!("{middle}{extension}"))
        {
            let part = Part {
                whole: Arc::clone(whole),
                offset,
                length,
            };
            return Ok((name, Arc::new(part)));
        }
        let file = self.files.open(&name)?;
        Ok((name, file))
    }

    /// A small file whole without its footer, checksum verified, with its full name.
    pub(super) fn read(
        &self,
        middle: &str,
        extension: &str,
    ) -> Result<(String, Bytes), LuceneError> {
        let (name, file) = self.open(middle, extension)?;
        let bytes = codec::read_verified(&name, file.as_ref())?;
        Ok((name, bytes))
    }

    /// A file of any size with its checksum verified, without its footer: in memory where it is small.
    pub(super) fn open_verified(
        &self,
        middle: &str,
        extension: &str,
    ) -> Result<(String, Arc<dyn ReadAt>), LuceneError> {
        let (name, file) = self.open(middle, extension)?;
        if file.len() <= HELD_FILE_BYTES {
            let bytes = codec::read_verified(&name, file.as_ref())?;
            return Ok((name, Arc::new(bytes)));
        }
        let head = codec::read(&name, file.as_ref(), 0, HEAD_BYTES)?;
        let footer = codec::footer_of(&name, &head)?;
        if footer > 0 {
            codec::verify_large(&name, file.as_ref())?;
        }
        let part = Part {
            length: file.len() - footer,
            whole: file,
            offset: 0,
        };
        Ok((name, Arc::new(part)))
    }

    /// The header of one of this segment's files, its id and suffix checked.
    pub(super) fn header<'a>(
        &self,
        input: &mut Input<'a>,
        suffix: &str,
    ) -> Result<Header<'a>, LuceneError> {
        let header = codec::header(input)?;
        header.check_id(input, self.id)?;
        header.check_suffix(input, suffix)?;
        Ok(header)
    }
}

/// The digits of generations and counters in file names.
pub(super) fn base36(mut value: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(value % 36).unwrap_or_default();
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        value /= 36;
        if value == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// One file within a compound file. Its range was checked against the whole when the entries were read.
struct Part {
    whole: Arc<dyn ReadAt>,
    offset: u64,
    length: u64,
}

impl ReadAt for Part {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.whole.read_at(self.offset + offset, length)
    }

    fn expect(&self, bytes: Range<u64>) {
        let place = |at: u64| self.offset + at.min(self.length);
        self.whole.expect(place(bytes.start)..place(bytes.end));
    }
}

#[cfg(test)]
mod tests {
    use super::base36;

    #[test]
    fn generations_are_written_as_lucene_does() {
        assert_eq!(base36(0), "0");
        assert_eq!(base36(35), "z");
        assert_eq!(base36(36), "10");
        assert_eq!(base36(u64::MAX), "3w5e11264sgsf");
    }
}
