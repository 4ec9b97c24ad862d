//! Renders typed values: text for people, JSON, SARIF. Pure: nothing here reads, writes or decides.

pub mod diagnostics;
pub mod inspect;
pub mod progress;
