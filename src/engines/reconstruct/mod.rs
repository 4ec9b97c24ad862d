//! Rebuilding a document whose `_source` was not stored, from its doc values and stored fields.
//!
//! [`Recipe::of`] reads a mapping and says of each field where its value can be had, in what it would differ, or why it
//! can't be had: pure, so that a plan can show it beforehand. [`Rebuilder`] reads the values of a segment as the recipe
//! says, and [`Builder`] makes the JSON of one document of them, or of what a reduced source lacks.
//!
//! What no index keeps, and so is never rebuilt: the order and repetition of values within an array (but of stored
//! fields), `null` and empty values, objects within arrays (their fields become arrays), and how a number or a date was
//! written. Deliberately absent: the terms of analysed text, the documents of nested fields, `_ignored_source`.

mod dates;
mod index;
mod merge;
mod rebuilder;
mod recipe;
mod render;
mod values;

pub(in crate::engines) use dates::DateFormat;
pub use index::{lost_fields, recipes_of};
pub use rebuilder::{RebuildError, Rebuilder};
pub use recipe::{Origin, Place, Recipe, Unavailable};
pub use render::{Builder, RenderError};
pub use values::{FieldValue, Kind};
