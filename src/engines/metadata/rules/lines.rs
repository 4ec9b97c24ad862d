//! The lines of versions that rules are for, by what changed where.

use crate::base::version::Product::{Elasticsearch, OpenSearch};
use crate::engines::metadata::rule::{Line, Lines, below, from};

const fn between(since: (u16, u16), before: (u16, u16)) -> Line {
    Line {
        product: Elasticsearch,
        since,
        before: Some(before),
    }
}

/// Any Elasticsearch.
pub(super) const ELASTICSEARCH: Lines = Lines(&[from(Elasticsearch, (0, 0))]);
/// Before mappings were made strict.
pub(super) const ES_BELOW_2: Lines = Lines(&[below(Elasticsearch, (2, 0))]);
/// With settings that nobody checked, and `string`.
pub(super) const ES_BELOW_5: Lines = Lines(&[below(Elasticsearch, (5, 0))]);
/// With mappings made in 5 or older: `string`, `_all`, `include_in_all`.
pub(super) const ES_BELOW_6: Lines = Lines(&[below(Elasticsearch, (6, 0))]);
/// With indices made in 6 or older: dates by Joda, names of filters in camel case.
pub(super) const ES_BELOW_7: Lines = Lines(&[below(Elasticsearch, (7, 0))]);
/// With indices made in 7 or older.
pub(super) const ES_BELOW_8: Lines = Lines(&[below(Elasticsearch, (8, 0))]);
/// Whose settings were written as numbered keys.
pub(super) const ES_BELOW_6_1: Lines = Lines(&[below(Elasticsearch, (6, 1))]);
/// With features of the default distribution from 7.0 on.
pub(super) const ES_7: Lines = Lines(&[from(Elasticsearch, (7, 0))]);
/// With vectors in a graph.
pub(super) const ES_8: Lines = Lines(&[from(Elasticsearch, (8, 0))]);
/// Whose `sparse_vector` is indexed.
pub(super) const ES_8_11: Lines = Lines(&[from(Elasticsearch, (8, 11))]);
/// Whose `semantic_text` leaves the text in the documents as it was.
pub(super) const ES_8_18: Lines = Lines(&[from(Elasticsearch, (8, 18))]);
/// With the first names of rank features.
pub(super) const ES_6: Lines = Lines(&[between((6, 0), (7, 0))]);

/// Any OpenSearch.
pub(super) const OPENSEARCH: Lines = Lines(&[from(OpenSearch, (0, 0))]);
/// OpenSearch on Lucene 9 and newer.
pub(super) const OS_2: Lines = Lines(&[from(OpenSearch, (2, 0))]);
/// OpenSearch before it dropped nmslib.
pub(super) const OS_BELOW_3: Lines = Lines(&[below(OpenSearch, (3, 0))]);
/// OpenSearch on Lucene 10.
pub(super) const OS_3: Lines = Lines(&[from(OpenSearch, (3, 0))]);
/// With `flat_object`.
pub(super) const OS_2_7: Lines = Lines(&[from(OpenSearch, (2, 7))]);
/// Without `flat_object`.
pub(super) const OS_BELOW_2_7: Lines = Lines(&[below(OpenSearch, (2, 7))]);
/// With `constant_keyword`.
pub(super) const OS_2_14: Lines = Lines(&[from(OpenSearch, (2, 14))]);
/// Without `match_only_text`.
pub(super) const OS_BELOW_2_12: Lines = Lines(&[below(OpenSearch, (2, 12))]);
/// Without `wildcard`.
pub(super) const OS_BELOW_2_15: Lines = Lines(&[below(OpenSearch, (2, 15))]);

/// The major versions that dropped what Elasticsearch 7 had called deprecated.
pub(super) const OS_2_ES_8: Lines = Lines(&[from(OpenSearch, (2, 0)), from(Elasticsearch, (8, 0))]);
/// Servers without frozen indices.
pub(super) const OS_ES_8: Lines = Lines(&[from(OpenSearch, (0, 0)), from(Elasticsearch, (8, 0))]);
/// Servers that refuse what Elasticsearch 6 only warned of.
pub(super) const OS_ES_7: Lines = Lines(&[from(OpenSearch, (0, 0)), from(Elasticsearch, (7, 0))]);
/// Servers that refuse what Elasticsearch 5 only warned of.
pub(super) const OS_ES_6: Lines = Lines(&[from(OpenSearch, (0, 0)), from(Elasticsearch, (6, 0))]);
/// Servers that have `text` and `keyword`.
pub(super) const OS_ES_5: Lines = Lines(&[from(OpenSearch, (0, 0)), from(Elasticsearch, (5, 0))]);
