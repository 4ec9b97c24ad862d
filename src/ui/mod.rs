//! How things look: renders typed values and decides nothing.

pub mod diagnostics;
pub mod progress;
