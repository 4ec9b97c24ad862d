//! Settings of indices: those that are gone, those whose values are others now, and those that mappings need.
//!
//! Which setting each server refuses was asked of the servers themselves: Elasticsearch 5.6, 6.8 and 7.17, OpenSearch 1.3, 2.19
//! and 3.3.

mod gone;
mod needed;
mod values;

pub(super) use needed::ORDER;

use crate::engines::metadata::rule::Rule;

/// All rules of settings, in the order in which they work.
pub(super) fn tables() -> [&'static [Rule]; 3] {
    [values::RULES, gone::RULES, needed::RULES]
}
