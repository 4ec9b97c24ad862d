//! Translation: the cases of `tests/fixtures/translation`, step by step too, each rule left out in turn, generated mappings,
//! hostile ones, and the pages that are made of the rules.
//!
//! `MIG_BLESS=1 cargo test --test it translation` writes the pages, and the expectations of cases that have none.

mod cases;
mod chain;
mod generated;
mod hostile;
mod ledger;
mod left_out;
mod pages;
