//! The verify engine: proves that two sides hold the same documents, or names the ones that differ.
//!
//! The identity of a document is (index, routing, `_id`). Both sides are streamed once; each document adds a 128-bit
//! digest to one of many buckets chosen by its identity, so order does not matter and memory is fixed. Buckets that are
//! unequal are read again to name missing, different, extra and doubled documents. Where bytes differ, canonical JSON
//! decides. The expected count comes from a second path than the documents', and [`Verdict::Pass`] is given only when
//! that count, the documents read on the source, those on the target and all digests agree. Where the source is live, what
//! differs is read again until it is equal or the time for that is over.
//!
//! Relies on `base::json` and, for its two sides, on `clients::target` and the bulk engine's sources. Deliberately
//! absent: mending what differs, and looking away.

mod buckets;
mod checkpoint;
mod compare;
mod detail;
mod index;
mod report;
mod settle;
mod side;
mod stream;
mod transformed;
mod unversioned;

pub use compare::{
    Comparison, Content, VerifyError, VerifyOptions, VerifyProgress, cost, limits, run,
};
pub use report::{Difference, DifferenceKind, IndexReport, Report, Verdict};
pub use side::{DocumentSide, Fault, Fetched, SideDocument, SideError, SourceSide, TargetSide};
pub use transformed::{LeftOut, Through, TransformedSide};
pub use unversioned::Unversioned;
