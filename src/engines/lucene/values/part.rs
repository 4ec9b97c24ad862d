//! A part of a data file, read through a window; and monotonic sequences in such parts.

use std::sync::Arc;

use bytes::Bytes;

use super::super::doc_values::FieldFile;
use super::super::doc_values::entries::{Addresses, Extent};
use super::super::packed::Monotonic;
use super::super::{LuceneError, ReadAt, codec};

pub(super) fn corrupt(file: &FieldFile, offset: u64, expected: impl Into<String>) -> LuceneError {
    LuceneError::Corrupt {
        file: file.name.clone(),
        offset,
        expected: expected.into(),
    }
}

/// See the module.
pub(super) struct Part {
    file: String,
    data: Arc<dyn ReadAt>,
    extent: Extent,
    window_bytes: usize,
    /// Where the window begins, within the part.
    at: u64,
    window: Bytes,
}

impl Part {
    pub(super) fn new(
        file: &FieldFile,
        extent: Extent,
        window: usize,
    ) -> Result<Self, LuceneError> {
        let covered = codec::covered(file.data.as_ref());
        let end = extent.offset.checked_add(extent.length);
        if end.is_none_or(|end| end > covered) {
            return Err(corrupt(
                file,
                extent.offset,
                format!("values before the end at {covered}"),
            ));
        }
        Ok(Self {
            file: file.name.clone(),
            data: Arc::clone(&file.data),
            extent,
            window_bytes: window,
            at: 0,
            window: Bytes::new(),
        })
    }

    pub(super) fn offset(&self) -> u64 {
        self.extent.offset
    }

    pub(super) fn length(&self) -> u64 {
        self.extent.length
    }

    pub(super) fn error(&self, at: u64, expected: impl Into<String>) -> LuceneError {
        LuceneError::Corrupt {
            file: self.file.clone(),
            offset: self.extent.offset.saturating_add(at),
            expected: expected.into(),
        }
    }

    /// Bytes `[at, at + length)` of the part.
    pub(super) fn bytes(&mut self, at: u64, length: u64) -> Result<&[u8], LuceneError> {
        let end = at
            .checked_add(length)
            .filter(|end| *end <= self.extent.length);
        let end = end.ok_or_else(|| self.error(at, format!("{length} bytes within its part")))?;
        if at < self.at || end > self.at + self.window.len() as u64 {
            let ahead = (self.extent.length - at).min(length.max(self.window_bytes as u64));
            let offset = self.extent.offset + at;
            self.window = codec::read(&self.file, self.data.as_ref(), offset, ahead)?;
            self.at = at;
        }
        let from = (at - self.at) as usize;
        Ok(&self.window[from..from + length as usize])
    }

    /// As many bytes from `at` as there are, up to `most`.
    pub(super) fn up_to(&mut self, at: u64, most: u64) -> Result<&[u8], LuceneError> {
        let length = self.extent.length.saturating_sub(at).min(most);
        self.bytes(at, length)
    }
}

/// A sequence that never falls, such as where the values of each document begin.
pub(super) struct Sequence {
    sequence: Monotonic,
    part: Part,
}

impl Sequence {
    pub(super) fn open(
        file: &FieldFile,
        addresses: Addresses,
        window: usize,
    ) -> Result<Self, LuceneError> {
        Ok(Self {
            sequence: addresses.sequence,
            part: Part::new(file, addresses.data, window)?,
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.sequence.count()
    }

    pub(super) fn last(&mut self) -> Result<u64, LuceneError> {
        let last = self.count().checked_sub(1);
        let last = last.ok_or_else(|| self.part.error(0, "at least one address"))?;
        self.get(last)
    }

    pub(super) fn get(&mut self, index: u64) -> Result<u64, LuceneError> {
        let Self { sequence, part } = self;
        let span = sequence.delta_at(index);
        let span = span.ok_or_else(|| part.error(0, format!("an address of {index}")))?;
        let bytes = part.bytes(span.start, span.end - span.start)?;
        let value = sequence.value(index, bytes);
        let value = value.and_then(|value| u64::try_from(value).ok());
        value.ok_or_else(|| self.part.error(span.start, "an address of at least 0"))
    }
}
