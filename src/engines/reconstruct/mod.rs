//! Rebuilding a document whose `_source` was not stored, from its doc values and stored fields.
//!
//! Two steps. [`Recipe::of`] reads a mapping and says of each field where its value can be had, in what it would differ,
//! or why it can't be had: pure, so that a plan can show it beforehand. [`Recipe::render`] makes the JSON of one document
//! of the values that were found.
//!
//! What no index keeps, and so is never rebuilt: the order and repetition of values within an array (but of stored
//! fields), `null` and empty values, objects within arrays (their fields become arrays), and how a number or a date was
//! written. Deliberately absent: reading the values (`lucene`), the terms of analysed text, and the documents of nested
//! fields.

mod dates;
mod recipe;
mod render;
mod values;

pub use recipe::{Origin, Place, Recipe, Unavailable};
pub use render::{Builder, RenderError};
pub use values::{FieldValue, Kind};
