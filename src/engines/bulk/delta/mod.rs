//! What changed of a shard between two snapshots of its index: the documents to write, and those to delete.
//!
//! Certain whatever was merged, updated, deleted or failed over in between, in three steps, each of which only takes away
//! what is surely the same (`compare`):
//!
//! 1. A segment that stands in both snapshots (same id, same files) holds the same documents; only the difference of its
//!    live documents counts.
//! 2. Of the others, a document that was written by the same operation in both is the same one: `_seq_no` and `_primary_term`
//!    together name an operation within one history of a shard. No checkpoint is trusted, so that gaps do no harm, and a
//!    number that a new primary gave again comes with another term. Where the history is another one (a restore) or there are
//!    no such numbers (before Elasticsearch 6), this step is left out, which costs time and no certainty.
//! 3. What is left of both is read and compared by identity, version and content. An identity that only the later one has is
//!    written, one that only the base has is deleted, and of one that both have nothing is done if version and content are equal.
//!
//! So what has to be done is exactly what a verification of the later snapshot would find to differ where the base arrived.
//! Tombstones are not needed.
//!
//! **Memory**: a bit for each document of replaced segments, and the named limits of [`Limits`]; beyond them the same
//! documents are gone through in several passes. **Cost**: of replaced segments two columns of numbers; of those out of which
//! a document has to be read all stored fields, since their checksum is over all of them.
//!
//! **Versions.** A delete is sent with the version that the base has, as `external_gte`: a document that users of the target
//! wrote since has a higher one and stays (it is counted as newer). Users who deleted a document and made it anew, so that its
//! versions began anew, can't be told from the past by that; the same holds of every write with a version. A document that was
//! deleted and made anew at the *source* has a lower version than the target holds: it is deleted first, with the base's
//! version, and written afterwards. All deletes of an index are done before its first write ([`super::work_store`] gives them
//! out first), so that an id that moved to another routing, too, ends where it belongs.
//!
//! Deliberately absent: whether a delta may be taken at all (the phase's).

mod compare;
mod identities;
#[cfg(test)]
mod model_tests;
mod operations;
mod segments;
mod source;

pub use compare::{Compared, Limits, Part, PartError, Seen, compare};
pub use segments::{Exact, Outlook, Pair, Reason, outlook};
pub use source::{DeltaError, DeltaSource, IndexDelta};
