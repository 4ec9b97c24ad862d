//! What people see: pure functions from typed values to text, markdown and JSON.
//!
//! Relies on the types of `diff`, `graph` and `plan`. Deliberately absent: deciding anything, reading the terminal or the
//! environment (width and colour come as values), and writing to a stream.

pub mod backfill_failed;
pub mod backfill_orders;
pub mod backfill_status;
pub mod check;
pub mod clusters;
pub mod diagnostics;
mod edits;
pub mod exposition;
pub mod graph_dot;
pub mod graph_json;
pub mod graph_mermaid;
mod groups;
pub mod inspect;
mod layout;
pub mod live;
pub mod metadata_report;
pub mod plan_base;
mod plan_items;
pub mod plan_json;
pub mod plan_markdown;
pub mod plan_samples;
pub mod plan_tests;
pub mod plan_text;
mod plot;
pub mod progress;
mod report_figures;
pub mod report_html;
pub mod rules;
pub mod show_resolved;
pub mod snapshot_status;
pub mod summary;
mod table;
pub mod theme;
mod words;
