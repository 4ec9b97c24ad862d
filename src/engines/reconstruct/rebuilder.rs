//! Rebuilding the documents of one segment: the values are read as the recipe says, and rendered.

use std::collections::HashMap;

use super::merge;
use super::recipe::{Place, Recipe};
use super::render::{Builder, RenderError};
use super::values::FieldValue;
use crate::engines::lucene::{
    DocValue, Document, FieldFound, FieldValues, LuceneError, Segment, StoredValue,
};

/// Memory for the windows on all parts of all fields together: four parts a field at the most.
const WINDOWS_BYTES: usize = 16 << 20;
const PARTS: usize = 4;
const WINDOW_BYTES_MIN: usize = 256;
const WINDOW_BYTES_MAX: usize = 64 << 10;

/// Fields of which a document had a value that was not indexed; stored, or as doc values from Elasticsearch 8.15 on.
const IGNORED: &str = "_ignored";
/// Values that a synthetic source can't make of the index, in a form of its own.
const IGNORED_SOURCE: &str = "_ignored_source";

/// Why a document can't be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The segment is damaged, or its store failed: not this document's own fault.
    #[error(transparent)]
    Lucene(#[from] LuceneError),
    /// Its values do not make a document.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A field stands in a format that is not read.
    #[error("field {field} can't be read: {reason}")]
    Unread {
        /// Dotted path.
        field: String,
        /// The format.
        reason: String,
    },
    /// It has values that are kept in a form that is not read.
    #[error("some of its values stand in `_ignored_source` alone, which can't be read")]
    IgnoredSource,
}

impl RebuildError {
    /// Whether the document alone is concerned, and not the segment.
    pub fn is_of_document(&self) -> bool {
        !matches!(self, Self::Lucene(_))
    }
}

/// Rebuilds documents of one segment. Documents are best given in rising order.
pub struct Rebuilder<'r> {
    builder: Builder<'r>,
    doc_values: Vec<(usize, FieldValues)>,
    stored: HashMap<&'r str, usize>,
    ignored: Option<FieldValues>,
    /// A field that can't be read in this segment.
    unread: Option<(String, String)>,
    merged: String,
}

impl<'r> Rebuilder<'r> {
    /// Opens the doc values that the recipe asks for.
    ///
    /// # Errors
    /// What is damaged.
    pub fn open(recipe: &'r Recipe, segment: &Segment) -> Result<Self, LuceneError> {
        let mut names = vec![IGNORED];
        let mut numbers = Vec::new();
        let mut stored = HashMap::new();
        for (number, place) in recipe.places() {
            match place {
                Place::DocValues(name) => {
                    names.push(name);
                    numbers.push(number);
                }
                Place::Stored(name) => {
                    stored.insert(name.as_str(), number);
                }
            }
        }
        let window =
            (WINDOWS_BYTES / (names.len() * PARTS)).clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX);
        let mut unread = None;
        let mut opened = segment.values(names.iter().copied(), window)?.into_iter();
        let mut take = |name: &str| match opened.next() {
            None | Some(FieldFound::Nothing) => None,
            Some(FieldFound::Values(values)) => Some(*values),
            Some(FieldFound::Unread(error)) => {
                unread = Some((name.to_owned(), error.to_string()));
                None
            }
        };
        let ignored = take(IGNORED);
        let mut doc_values = Vec::new();
        for (number, name) in numbers.into_iter().zip(&names[1..]) {
            doc_values.extend(take(name).map(|values| (number, values)));
        }
        Ok(Self {
            builder: Builder::new(recipe),
            doc_values,
            stored,
            ignored,
            unread,
            merged: String::new(),
        })
    }

    /// The source of a document of the segment as one line of JSON.
    pub fn rebuild(&mut self, document: &Document<'_>) -> Result<&str, RebuildError> {
        self.gather(document)?;
        Ok(self.builder.finish())
    }

    /// The source that is stored, a line of JSON, with the fields that it lacks.
    pub fn complete(
        &mut self,
        document: &Document<'_>,
        stored: &[u8],
    ) -> Result<&str, RebuildError> {
        self.gather(document)?;
        let added = self.builder.finish_with(|path| !merge::has(stored, path));
        merge::merge(stored, added, &mut self.merged)
            .map_err(|merge::Entangled| RenderError::Entangled)?;
        Ok(&self.merged)
    }

    /// Reads the values of a document.
    fn gather(&mut self, document: &Document<'_>) -> Result<(), RebuildError> {
        if let Some((field, reason)) = &self.unread {
            return Err(RebuildError::Unread {
                field: field.clone(),
                reason: reason.clone(),
            });
        }
        self.builder.clear();
        if let Some(ignored) = &mut self.ignored {
            ignored.of(document.doc, |value| match value {
                DocValue::Bytes(name) => Err(ignored_field(&String::from_utf8_lossy(name))),
                DocValue::Number(_) => Ok(()),
            })?;
        }
        for field in &document.stored {
            let (name, value) = field?;
            match name {
                IGNORED_SOURCE => return Err(RebuildError::IgnoredSource),
                IGNORED => match value {
                    StoredValue::Text(name) => return Err(ignored_field(name)),
                    StoredValue::Bytes(name) => {
                        return Err(ignored_field(&String::from_utf8_lossy(name)));
                    }
                    _ => {}
                },
                _ => {}
            }
            if let Some(number) = self.stored.get(name) {
                self.builder.stored(*number, stored(value))?;
            }
        }
        for (number, values) in &mut self.doc_values {
            let builder = &mut self.builder;
            values.of(document.doc, |value| {
                let value = match value {
                    DocValue::Number(number) => FieldValue::Sortable(number),
                    DocValue::Bytes(bytes) => FieldValue::Bytes(bytes),
                };
                builder
                    .doc_value(*number, value)
                    .map_err(RebuildError::from)
            })?;
        }
        Ok(())
    }
}

fn ignored_field(field: &str) -> RebuildError {
    RebuildError::Render(RenderError::Ignored {
        field: field.to_owned(),
    })
}

fn stored(value: StoredValue<'_>) -> FieldValue<'_> {
    match value {
        StoredValue::Text(text) => FieldValue::Text(text),
        StoredValue::Bytes(bytes) => FieldValue::Bytes(bytes),
        StoredValue::Int(number) => FieldValue::Whole(i64::from(number)),
        StoredValue::Long(number) => FieldValue::Whole(number),
        StoredValue::Float(number) => FieldValue::Float(number),
        StoredValue::Double(number) => FieldValue::Double(number),
    }
}
