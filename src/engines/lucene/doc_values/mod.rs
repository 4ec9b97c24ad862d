//! Doc values in `.dvm` and `.dvd`: which documents are soft-deleted, which are roots, and their versions, from fields of
//! type NUMERIC; and where the values of the other types stand.
//!
//! Relies on `.fnm` for where a field stands. Deliberately absent: the values of the other types.

mod disi;
pub(super) mod entries;
mod legacy;
mod legacy_terms;
mod lucene70;
mod lucene80;
mod lucene90;
mod numeric;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::codec;
use super::directory::{Directory, base36};
use super::field_infos::{DocValuesKind, FieldInfo, FieldInfos};
use super::input::{Input, Order};
use super::limits::EAGER_CHECKSUM_BYTES;
use super::{LuceneError, ReadAt};

pub(super) use disi::Presence;
pub(super) use entries::Entry;
pub(super) use legacy_terms::OldTerms;
pub(super) use numeric::{Column, Numeric, ValuesWindow};

/// What tells one format's entries from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    family: Family,
    /// Whether BINARY and terms may be compressed, by field.
    compressed: CompressedBinary,
}

/// What an entry of each type consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// Neither sets nor numbers have jump tables.
    Lucene70,
    /// They have; terms state how their blocks are compressed.
    Lucene80,
    /// Ordinals are stored as a numeric field; blocks of terms are always compressed.
    Lucene90,
}

impl Layout {
    /// Whether sets and numbers have jump tables.
    fn jump_tables(self) -> bool {
        self.family >= Family::Lucene80
    }
}

/// Which BINARY fields are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CompressedBinary {
    Never,
    Always,
    /// Where the field's attribute says `BEST_COMPRESSION`.
    ByAttribute,
}

/// Where the values of a field stand: what offsets of its entry mean.
#[derive(Clone)]
pub(super) struct FieldFile {
    pub(super) name: String,
    pub(super) data: Arc<dyn ReadAt>,
    pub(super) order: Order,
}

/// One field of several: its entry, or that its format is not known.
pub(super) type Opened = Result<(Entry, FieldFile), LuceneError>;

/// The doc values of one segment: opens fields by name.
pub(super) struct DocValues<'a> {
    directory: &'a Directory,
    fields: &'a FieldInfos,
    max_doc: u32,
    /// `.dvd` files whose checksum was left for later because of their size.
    pub(super) unverified: Vec<String>,
    verified: Vec<String>,
    last: Option<Meta>,
}

/// A `.dvm` file.
#[derive(Clone)]
struct Meta {
    name: String,
    suffix: String,
    /// Without the footer.
    bytes: Bytes,
}

fn no_entry(input: &Input<'_>, field: &FieldInfo) -> LuceneError {
    input.corrupt(format!("an entry of field {}", field.name))
}

impl<'a> DocValues<'a> {
    pub(super) fn new(directory: &'a Directory, fields: &'a FieldInfos, max_doc: u32) -> Self {
        Self {
            directory,
            fields,
            max_doc,
            unverified: Vec::new(),
            verified: Vec::new(),
            last: None,
        }
    }

    /// The numbers of one field. `None` when the segment has no such field or no document a value.
    pub(super) fn numeric(&mut self, name: &str) -> Result<Option<Numeric>, LuceneError> {
        let Some(field) = self.fields.by_name(name) else {
            return Ok(None);
        };
        match field.doc_values {
            DocValuesKind::None => Ok(None),
            DocValuesKind::Numeric => self.numbers(field).map(Some),
            _ => Err(self.wrong_kind(field)),
        }
    }

    fn numbers(&mut self, field: &FieldInfo) -> Result<Numeric, LuceneError> {
        let meta = self.meta(self.suffix(field)?)?;
        let mut input = Input::new(&meta.name, &meta.bytes);
        let header = self.directory.header(&mut input, &meta.suffix)?;
        if let Some((family, data_codec)) = legacy::family(header.codec, header.version) {
            let entry = legacy::find(&mut input, family, field.number, self.max_doc)?;
            let entry = entry.ok_or_else(|| no_entry(&input, field))?;
            let (name, data) = self.data(&meta, data_codec)?;
            return legacy::open(&name, data, entry, self.max_doc);
        }
        match self.open(field)? {
            (Entry::Numeric(entry), FieldFile { name, data, order }) => {
                Numeric::open(&name, data, order, &entry, self.max_doc)
            }
            _ => Err(self.wrong_kind(field)),
        }
    }

    /// Ordinals and terms of a field of type SORTED in a format before Lucene 7; `None` where it is a later one.
    pub(super) fn old_sorted(
        &mut self,
        field: &FieldInfo,
    ) -> Result<Option<(Numeric, OldTerms)>, LuceneError> {
        let meta = self.meta(self.suffix(field)?)?;
        let mut input = Input::new(&meta.name, &meta.bytes);
        let header = self.directory.header(&mut input, &meta.suffix)?;
        let Some((family, data_codec)) = legacy::family(header.codec, header.version) else {
            return Ok(None);
        };
        let parts = legacy::find_parts(&mut input, family, field.number, self.max_doc)?;
        let Some((Some(bytes), ordinals)) = parts else {
            return Err(no_entry(&input, field));
        };
        let (name, data) = self.data(&meta, data_codec)?;
        let terms = OldTerms::read(&name, data.as_ref(), &bytes)?;
        let ordinals = legacy::open(&name, data, ordinals, self.max_doc)?;
        Ok(Some((ordinals, terms)))
    }

    fn wrong_kind(&self, field: &FieldInfo) -> LuceneError {
        LuceneError::Corrupt {
            file: self.directory.name("", ".fnm"),
            offset: 0,
            expected: format!("numeric doc values for {}", field.name),
        }
    }

    /// The entry of a field that has doc values of Lucene 7 or later, and the file that its values stand in.
    pub(super) fn open(&mut self, field: &FieldInfo) -> Result<(Entry, FieldFile), LuceneError> {
        let meta = self.meta(self.suffix(field)?)?;
        let (mut found, file) = self.open_file(&meta, &BTreeSet::from([field.number]))?;
        let entry = found.remove(&field.number);
        let entry = entry.ok_or_else(|| no_entry(&Input::new(&meta.name, &meta.bytes), field))?;
        Ok((entry, file))
    }

    /// The entries of several fields that have doc values, each metadata file read once. A field whose format is not known
    /// comes as that error; any other error is one of the whole.
    pub(super) fn open_each(&mut self, wanted: &[&FieldInfo]) -> Result<Vec<Opened>, LuceneError> {
        let mut by_file: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for field in wanted {
            let suffix = self.suffix(field)?;
            by_file.entry(suffix).or_default().insert(field.number);
        }
        let mut opened = BTreeMap::new();
        for (suffix, numbers) in by_file {
            let meta = self.meta(suffix)?;
            match self.open_file(&meta, &numbers) {
                Ok((entries, file)) => {
                    for (number, entry) in entries {
                        opened.insert(number, Ok((entry, file.clone())));
                    }
                }
                Err(LuceneError::Unsupported {
                    file,
                    codec,
                    version,
                }) => {
                    for number in numbers {
                        let error = LuceneError::Unsupported {
                            file: file.clone(),
                            codec: codec.clone(),
                            version,
                        };
                        opened.insert(number, Err(error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let name = self.directory.name("", ".dvm");
        let take = |field: &&FieldInfo| {
            let found = opened.remove(&field.number);
            found.ok_or_else(|| no_entry(&Input::new(&name, &[]), field))
        };
        wanted.iter().map(take).collect()
    }

    fn open_file(
        &mut self,
        meta: &Meta,
        wanted: &BTreeSet<u32>,
    ) -> Result<(BTreeMap<u32, Entry>, FieldFile), LuceneError> {
        let mut input = Input::new(&meta.name, &meta.bytes);
        let header = self.directory.header(&mut input, &meta.suffix)?;
        let (layout, data_codec) = lucene70::layout(header.codec, header.version)
            .or_else(|| lucene80::layout(header.codec, header.version))
            .or_else(|| lucene90::layout(header.codec, header.version))
            .ok_or_else(|| header.unsupported(&input))?;
        let entries = entries::find(&mut input, layout, self.fields, wanted)?;
        let order = input.order();
        let (name, data) = self.data(meta, data_codec)?;
        Ok((entries, FieldFile { name, data, order }))
    }

    /// What the files of a field's doc values have in their names.
    fn suffix(&self, field: &FieldInfo) -> Result<String, LuceneError> {
        let attribute = |key: &str| {
            let value = field.attributes.get(key);
            value.ok_or_else(|| LuceneError::Corrupt {
                file: self.directory.name("", ".fnm"),
                offset: 0,
                expected: format!("attribute {key} of field {}", field.name),
            })
        };
        let format = attribute("PerFieldDocValuesFormat.format")?;
        let suffix = attribute("PerFieldDocValuesFormat.suffix")?;
        Ok(match field.doc_values_gen {
            None => format!("{format}_{suffix}"),
            Some(generation) => format!("{}_{format}_{suffix}", base36(generation)),
        })
    }

    /// A `.dvm` file. Kept for the next field: most stand in the same.
    fn meta(&mut self, suffix: String) -> Result<Meta, LuceneError> {
        if let Some(meta) = self.last.as_ref().filter(|meta| meta.suffix == suffix) {
            return Ok(meta.clone());
        }
        let middle = format!("_{suffix}");
        let (name, bytes) = self.directory.read(&middle, ".dvm")?;
        let meta = Meta {
            name,
            suffix,
            bytes,
        };
        self.last = Some(meta.clone());
        Ok(meta)
    }

    /// Opens the `.dvd` file and verifies its checksum where that is cheap.
    fn data(
        &mut self,
        meta: &Meta,
        codec_name: &str,
    ) -> Result<(String, Arc<dyn ReadAt>), LuceneError> {
        let middle = format!("_{}", meta.suffix);
        let (name, data) = self.directory.open(&middle, ".dvd")?;
        if self.verified.contains(&name) || self.unverified.contains(&name) {
            return Ok((name, data));
        }
        let head = codec::read(&name, data.as_ref(), 0, data.len().min(512))?;
        let mut input = Input::new(&name, &head);
        let header = self.directory.header(&mut input, &meta.suffix)?;
        if header.codec != codec_name {
            return Err(input.corrupt(format!("codec {codec_name} before this byte")));
        }
        if data.len() <= EAGER_CHECKSUM_BYTES {
            codec::verify_large(&name, data.as_ref())?;
            self.verified.push(name.clone());
        } else {
            codec::Footer::read(&name, data.as_ref())?;
            self.unverified.push(name.clone());
        }
        Ok((name, data))
    }
}
