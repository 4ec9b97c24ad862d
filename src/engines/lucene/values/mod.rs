//! The values of any field by document, for documents whose `_source` is to be rebuilt: all five types of doc values of
//! Lucene 7 to 10, and every stored field.
//!
//! Relies on `doc_values` for where values stand. Documents are asked for in rising order for speed, though any order gives
//! the same. Memory is a window for each part of a field, of a size that the opener chooses, a block of at most 8 KiB of
//! each set of documents, and one block of terms. Deliberately absent: the skip index.

mod binary;
mod numbers;
mod part;
mod set;
mod terms;

use std::collections::BTreeMap;

use super::LuceneError;
use super::doc_values::entries::{Entry, Ordinals, SortedEntry, SortedSetEntry};
use super::doc_values::{DocValues, FieldFile};
use super::field_infos::{DocValuesKind, FieldInfo};
use super::segment::Segment;
use binary::Binary;
use numbers::Numbers;
use part::{Part, Sequence};
use set::DocIndex;
use terms::Terms;

/// One value of a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DocValue<'a> {
    /// Of `NUMERIC` and `SORTED_NUMERIC`, as it is stored: doubles and floats in their sortable form.
    Number(i64),
    /// Of `SORTED`, `SORTED_SET` and `BINARY`.
    Bytes(&'a [u8]),
}

/// The format of a field's doc values, where it is one that [`Segment::values`] does not read: known before any file of
/// values is opened.
pub fn unread_format(field: &FieldInfo) -> Option<&str> {
    if field.doc_values == DocValuesKind::None {
        return None;
    }
    let format = field.attributes.get("PerFieldDocValuesFormat.format")?;
    let read = matches!(format.as_str(), "Lucene70" | "Lucene80" | "Lucene90");
    (!read).then_some(format.as_str())
}

/// The doc values of one field of one segment.
pub struct FieldValues {
    docs: DocIndex,
    /// Where the values of the n-th document with a value begin; `None` where each has one.
    several: Option<Sequence>,
    kind: Values,
}

/// What a segment has of a field that was asked for.
pub enum FieldFound {
    /// No doc values of that name.
    Nothing,
    /// Values.
    Values(Box<FieldValues>),
    /// Doc values of a format that is not read.
    Unread(LuceneError),
}

enum Values {
    Numbers(Numbers),
    Terms(Numbers, Box<Terms>),
    Binary(Box<Binary>),
}

impl Segment {
    /// Opens the doc values of fields by name, with windows of `window_bytes` on each of their parts. As many are given
    /// as there are names.
    ///
    /// A data file of more than 32 MiB is read from end to end for its checksum, each time.
    ///
    /// # Errors
    /// What is damaged. Formats before Lucene 7 and those of time series are no error but [`FieldFound::Unread`].
    pub fn values<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        window_bytes: usize,
    ) -> Result<Vec<FieldFound>, LuceneError> {
        let by_name: BTreeMap<&str, &FieldInfo> = self
            .fields()
            .iter()
            .filter(|field| field.doc_values != DocValuesKind::None)
            .map(|field| (field.name.as_str(), field))
            .collect();
        let asked: Vec<Option<&FieldInfo>> = names
            .into_iter()
            .map(|name| by_name.get(name).copied())
            .collect();
        let there: Vec<&FieldInfo> = asked.iter().flatten().copied().collect();
        let max_doc = self.counts().max_doc;
        let mut values = DocValues::new(self.directory(), &self.fields, max_doc);
        let mut opened = values.open_each(&there)?.into_iter();
        for file in &values.unverified {
            self.verify_checksum(file)?;
        }
        let found = asked.iter().map(|field| {
            let found = field.and_then(|_| opened.next());
            let opened = match found {
                None => return Ok(FieldFound::Nothing),
                Some(Ok((entry, file))) => FieldValues::open(entry, &file, max_doc, window_bytes),
                Some(Err(error)) => Err(error),
            };
            match opened {
                Ok(values) => Ok(FieldFound::Values(Box::new(values))),
                Err(error @ LuceneError::Unsupported { .. }) => Ok(FieldFound::Unread(error)),
                Err(error) => Err(error),
            }
        });
        found.collect()
    }
}

impl FieldValues {
    fn open(
        entry: Entry,
        file: &FieldFile,
        max_doc: u32,
        window: usize,
    ) -> Result<Self, LuceneError> {
        let part = |extent| Part::new(file, extent, window);
        match entry {
            Entry::Numeric(entry) => {
                let docs = DocIndex::read(file, entry.docs, max_doc)?;
                docs.expect(file, entry.count)?;
                Ok(Self {
                    docs,
                    several: None,
                    kind: Values::Numbers(Numbers::open(file, &entry, window)?),
                })
            }
            Entry::SortedNumeric(entry) => {
                let docs = DocIndex::read(file, entry.values.docs, max_doc)?;
                docs.expect(file, u64::from(entry.count))?;
                let total = entry.values.count;
                let numbers = Numbers::open(file, &entry.values, window)?;
                Ok(Self {
                    several: several(file, entry.addresses, entry.count, total, window)?,
                    docs,
                    kind: Values::Numbers(numbers),
                })
            }
            Entry::Sorted(SortedEntry { ordinals, terms }) => {
                let count = match &ordinals {
                    Ordinals::Packed { count, .. } => u64::from(*count),
                    Ordinals::Numeric(entry) => entry.count,
                };
                let (docs, numbers) = ordinals_of(file, &ordinals, count, max_doc, window)?;
                docs.expect(file, count)?;
                let terms = Terms::open(file, terms, window)?;
                Ok(Self {
                    docs,
                    several: None,
                    kind: Values::Terms(numbers, Box::new(terms)),
                })
            }
            Entry::SortedSet(entry) => Self::sorted_set(entry, file, max_doc, window),
            Entry::Binary(entry) => {
                let docs = DocIndex::read(file, entry.docs, max_doc)?;
                docs.expect(file, u64::from(entry.count))?;
                let data = part(entry.data)?;
                Ok(Self {
                    docs,
                    several: None,
                    kind: Values::Binary(Box::new(Binary::open(file, data, entry, window)?)),
                })
            }
        }
    }

    fn sorted_set(
        entry: SortedSetEntry,
        file: &FieldFile,
        max_doc: u32,
        window: usize,
    ) -> Result<Self, LuceneError> {
        let count = u64::from(entry.count);
        // Without addresses each document has one ordinal.
        let total = match (&entry.ordinals, &entry.addresses) {
            (Ordinals::Numeric(numeric), _) => numeric.count,
            (Ordinals::Packed { .. }, None) => count,
            (Ordinals::Packed { .. }, Some(addresses)) => {
                Sequence::open(file, addresses.clone(), window)?.last()?
            }
        };
        let (docs, numbers) = ordinals_of(file, &entry.ordinals, total, max_doc, window)?;
        docs.expect(file, count)?;
        let terms = Terms::open(file, entry.terms, window)?;
        Ok(Self {
            several: several(file, entry.addresses, entry.count, total, window)?,
            docs,
            kind: Values::Terms(numbers, Box::new(terms)),
        })
    }

    /// Gives every value of `doc` to `give`, in the order of the index: numbers and terms rise.
    pub fn of<E: From<LuceneError>>(
        &mut self,
        doc: u32,
        mut give: impl FnMut(DocValue<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(index) = self.docs.index_of(doc)? else {
            return Ok(());
        };
        let index = u64::from(index);
        let range = match &mut self.several {
            None => index..index + 1,
            Some(addresses) => addresses.get(index)?..addresses.get(index + 1)?,
        };
        match &mut self.kind {
            Values::Numbers(numbers) => {
                for at in range {
                    give(DocValue::Number(numbers.get(at)?))?;
                }
            }
            Values::Terms(ordinals, terms) => {
                for at in range {
                    let ordinal = ordinals.get(at)?;
                    give(DocValue::Bytes(terms.get(ordinal)?))?;
                }
            }
            Values::Binary(binary) => give(DocValue::Bytes(binary.get(index)?))?,
        }
        Ok(())
    }
}

/// The documents and ordinals of terms, `total` of them.
fn ordinals_of(
    file: &FieldFile,
    ordinals: &Ordinals,
    total: u64,
    max_doc: u32,
    window: usize,
) -> Result<(DocIndex, Numbers), LuceneError> {
    match ordinals {
        Ordinals::Numeric(entry) => {
            let docs = DocIndex::read(file, entry.docs, max_doc)?;
            Ok((docs, Numbers::open(file, entry, window)?))
        }
        Ordinals::Packed {
            docs, bits, data, ..
        } => {
            let docs = DocIndex::read(file, *docs, max_doc)?;
            Ok((docs, Numbers::plain(file, *data, *bits, total, window)?))
        }
    }
}

/// Addresses of `count` documents whose last is `total`.
fn several(
    file: &FieldFile,
    addresses: Option<super::doc_values::entries::Addresses>,
    count: u32,
    total: u64,
    window: usize,
) -> Result<Option<Sequence>, LuceneError> {
    let Some(addresses) = addresses else {
        return if u64::from(count) == total {
            Ok(None)
        } else {
            Err(part::corrupt(
                file,
                0,
                format!("{count} values, one a document, not {total}"),
            ))
        };
    };
    let mut sequence = Sequence::open(file, addresses, window)?;
    let last = sequence.last()?;
    if last != total || sequence.count() != u64::from(count) + 1 {
        return Err(part::corrupt(
            file,
            0,
            format!("{total} values, not {last}"),
        ));
    }
    Ok(Some(sequence))
}
