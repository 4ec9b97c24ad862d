//! The ids of parents in indices made before Elasticsearch 6, where a document of one type could have a parent of another.
//!
//! 1.x and 2.x store `_parent` with each child as `type#id`. From 2.0 on the id stands in doc values too, in the field
//! `_parent#TYPE` of the parent's type, and from 5.0 on nowhere else. Relies on `doc_values` and `values`. Deliberately
//! absent: which type is whose parent, which the mapping says.

use super::LuceneError;
use super::doc_values::{Column, DocValues, Numeric, OldTerms, ValuesWindow};
use super::documents::Document;
use super::field_infos::DocValuesKind;
use super::segment::Segment;
use super::stored_fields::fields::StoredValue;
use super::values::{DocValue, FieldFound, FieldValues};

/// The stored field, and what the names of those with doc values begin with.
const PARENT: &str = "_parent";
/// Bytes of each part of the doc values that are read at once.
const WINDOW_BYTES: usize = 64 << 10;

/// The ids of parents of one type, for the documents of one segment.
pub struct ParentIds {
    segment: String,
    stored: bool,
    values: Values,
    id: String,
}

enum Values {
    None,
    /// Before Lucene 7.
    Old(Box<OldValues>),
    New(Box<FieldValues>),
    /// Of a format that is not read; an error for a document that has its parent nowhere else.
    Unread(String),
}

struct OldValues {
    ordinals: Numeric,
    terms: OldTerms,
    window: ValuesWindow,
    column: Column,
}

impl Segment {
    /// Opens what tells the parents of type `parent`.
    ///
    /// # Errors
    /// What is damaged, or a store that fails.
    pub fn parent_ids(&self, parent: &str) -> Result<ParentIds, LuceneError> {
        let name = format!("{PARENT}#{parent}");
        let field = self.fields.by_name(&name);
        let field = field.filter(|field| field.doc_values == DocValuesKind::Sorted);
        let values = match field {
            None => Values::None,
            Some(field) => {
                let max_doc = self.counts().max_doc;
                let mut all = DocValues::new(self.directory(), &self.fields, max_doc);
                match all.old_sorted(field) {
                    Ok(Some((ordinals, terms))) => {
                        for file in &all.unverified {
                            self.verify_checksum(file)?;
                        }
                        Values::Old(Box::new(OldValues {
                            ordinals,
                            terms,
                            window: ValuesWindow::default(),
                            column: Column::default(),
                        }))
                    }
                    Ok(None) => {
                        let found = self.values([name.as_str()], WINDOW_BYTES)?;
                        match found.into_iter().next() {
                            Some(FieldFound::Values(values)) => Values::New(values),
                            Some(FieldFound::Unread(error)) => Values::Unread(error.to_string()),
                            Some(FieldFound::Nothing) | None => Values::None,
                        }
                    }
                    Err(error @ LuceneError::Unsupported { .. }) => {
                        Values::Unread(error.to_string())
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(ParentIds {
            segment: self.name().to_owned(),
            stored: self.fields.by_name(PARENT).is_some(),
            values,
            id: String::new(),
        })
    }
}

impl ParentIds {
    /// The id of a document's parent; `None` where it has none.
    ///
    /// # Errors
    /// What is damaged; a parent that stands in a format that is not read.
    pub fn of(&mut self, document: &Document<'_>) -> Result<Option<&str>, LuceneError> {
        let broken = |reason: String| LuceneError::Document {
            segment: self.segment.clone(),
            doc: document.doc,
            reason,
        };
        if self.stored {
            for field in &document.stored {
                let (name, value) = field?;
                if name != PARENT {
                    continue;
                }
                let StoredValue::Text(text) = value else {
                    return Err(broken("its _parent is no text".to_owned()));
                };
                let (_, id) = text
                    .split_once('#')
                    .ok_or_else(|| broken("its _parent is not type#id".to_owned()))?;
                id.clone_into(&mut self.id);
                return Ok(Some(&self.id));
            }
        }
        let mut found = None;
        match &mut self.values {
            Values::None => {}
            Values::Unread(why) => return Err(broken(format!("its parent can't be read: {why}"))),
            Values::Old(old) => {
                let OldValues {
                    ordinals,
                    terms,
                    window,
                    column,
                } = &mut **old;
                ordinals.read(document.doc..document.doc + 1, window, column)?;
                // Where numbers stand for every document, -1 stands for none.
                let ordinal = ordinals.get(column, document.doc).filter(|it| *it >= 0);
                if let Some(ordinal) = ordinal {
                    let term = usize::try_from(ordinal).ok().and_then(|it| terms.get(it));
                    let term = term.ok_or_else(|| broken("its parent is no term".to_owned()))?;
                    found = Some(term.to_vec());
                }
            }
            Values::New(values) => values.of(document.doc, |value| {
                if let DocValue::Bytes(bytes) = value {
                    found = Some(bytes.to_vec());
                }
                Ok::<(), LuceneError>(())
            })?,
        }
        let Some(bytes) = found else {
            return Ok(None);
        };
        self.id = String::from_utf8(bytes)
            .map_err(|_| broken("the id of its parent is not UTF-8".to_owned()))?;
        Ok(Some(&self.id))
    }
}
