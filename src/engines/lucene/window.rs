//! A part of a file in memory that moves ahead as it is read: index files of any size in bounded memory.

use std::sync::Arc;

use bytes::Bytes;

use super::{LuceneError, ReadAt, codec};

/// What was read last of one file, and more behind it than was asked for.
pub(super) struct Window {
    file: String,
    data: Arc<dyn ReadAt>,
    /// Bytes read at a time, where not more are asked for.
    step: u64,
    offset: u64,
    bytes: Bytes,
}

impl Window {
    pub(super) fn new(file: &str, data: Arc<dyn ReadAt>, step: u64) -> Self {
        Self {
            file: file.to_owned(),
            data,
            step,
            offset: 0,
            bytes: Bytes::new(),
        }
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Length of the file.
    pub(super) fn end(&self) -> u64 {
        self.data.len()
    }

    /// Bytes `[offset, offset + length)`.
    pub(super) fn get(&mut self, offset: u64, length: u64) -> Result<&[u8], LuceneError> {
        let end = self.offset + self.bytes.len() as u64;
        let wanted = offset.saturating_add(length);
        if offset < self.offset || wanted > end {
            let rest = self.data.len().saturating_sub(offset);
            let length = length.max(self.step.min(rest));
            self.bytes = codec::read(&self.file, self.data.as_ref(), offset, length)?;
            self.offset = offset;
        }
        let from = (offset - self.offset) as usize;
        Ok(&self.bytes[from..from + length as usize])
    }

    /// Bytes from `offset` on: as many as there are, up to `most`.
    pub(super) fn up_to(&mut self, offset: u64, most: u64) -> Result<&[u8], LuceneError> {
        let rest = self.end().saturating_sub(offset);
        self.get(offset, most.min(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_read_and_nothing_behind_the_end() {
        let data = Bytes::from((0..100).collect::<Vec<u8>>());
        let mut window = Window::new("f", Arc::new(data.clone()), 16);
        for (offset, length) in [(0, 4), (4, 12), (10, 30), (90, 10), (3, 1), (100, 0)] {
            let read = window.get(offset, length).unwrap();
            assert_eq!(read, &data[offset as usize..(offset + length) as usize]);
        }
        assert!(window.get(99, 2).is_err());
        assert!(window.get(u64::MAX, 2).is_err());
        assert_eq!(window.up_to(95, 50).unwrap(), &data[95..]);
    }
}
