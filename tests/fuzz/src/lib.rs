//! The reader of Lucene segments by itself: it imports nothing of the package but `ReadAt`, so the targets build in
//! seconds, without the clients.

#[path = "../../../src/base/read_at.rs"]
mod read_at;

pub mod base {
    //! What the reader imports.

    pub use super::read_at::ReadAt;
}

#[path = "../../../src/engines/lucene/mod.rs"]
pub mod lucene;
