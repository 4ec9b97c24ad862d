//! Transforms of documents: steps that are built in, and scripts in jq, each a small file.
//!
//! The way in is [`Transforms`], which stands in the pipeline of `bulk` and before the source's side of `verify`, so that
//! loading and proving do the same. All of it is pure and counts instead of timing: a document gives the same bytes, or
//! the same failure, whenever it is read again. A document that no step touches keeps its bytes; of one that a built-in
//! step touches, all else keeps its spelling.
//!
//! Relies on `plan::model` for what was asked for. Deliberately absent: changing `_id`, `_index` or routing (splitting by type
//! happens before), and anything that looks at more than one document.

mod check;
mod coerce;
mod date;
mod drop;
mod fault;
mod field_types;
mod jq;
mod json;
pub mod mappings;
mod path;
mod pipeline;
mod rename;
mod set;

pub use check::check;
pub use field_types::FieldTypes;
pub use pipeline::{Index, Outcome, Transforms};

/// Limits with names.
pub mod limits {
    /// Levels of a document, and of any value of a script.
    pub const DEPTH: usize = 1_000;
    /// Steps that a script may take on one document: terms that are evaluated, and work of natives by its size. At some tens
    /// of nanoseconds a step that is a fraction of a second.
    pub const SCRIPT_STEPS: u64 = 4_000_000;
    /// Bytes of all values that a script may make of one document.
    pub const SCRIPT_BYTES: u64 = 256 << 20;
    /// Stack that a script may use, of the 8 MiB that a thread has (`bulk::limits::STACK_BYTES`).
    pub const SCRIPT_STACK_BYTES: usize = 768 << 10;
    /// Places that a script may go through, one within the other (`.a.b` is two, of a list, an object or nothing at all). The
    /// interpreter goes down a path to let go of it, place by place, so that a thread needs more stack than a script may use.
    pub const SCRIPT_PLACES: usize = 10_000;
    /// Bytes of the text of a script.
    pub const SCRIPT_TEXT_BYTES: usize = 32 << 10;
    /// Digits of a whole number that a script can calculate with exactly; longer ones are kept as they are written.
    pub const WHOLE_DIGITS: usize = 1_000;
    /// Characters of a value in the message of an interpreter's error.
    pub const SHOWN_CHARS: usize = 1_000;
    /// Characters of a script's own message in the reason of a failed document.
    pub const REASON_CHARS: usize = 300;
}

#[cfg(test)]
mod tests;
