//! What `mig` remembers: an append-only journal written before each side effect is the truth, the state is derived.
//!
//! Progress of documents is not in here: it lives in the work store beside the documents.

pub mod model;
