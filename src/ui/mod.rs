//! Renders typed values for people. Pure: nothing here reads, writes or decides.

pub mod inspect;
pub mod progress;
