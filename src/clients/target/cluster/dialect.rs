//! What only some of the versions that `mig` writes to can do or spell otherwise: one place for all of it. Pure.
//!
//! Elasticsearch 6.8 has types, and knows neither aliases that are required nor hidden ones; what came with which version is
//! said by each function. Held against real servers of 6.8, 7.10 and 7.17; versions between are taken from their documentation.

use crate::base::version::{Product, ProductVersion};

/// Whether it is an OpenSearch, or an Elasticsearch from this version on.
fn since(version: ProductVersion, elasticsearch: (u16, u16)) -> bool {
    let (major, minor, _) = version.version.floor();
    version.product == Product::OpenSearch || (major, minor) >= elasticsearch
}

/// For lists of `_cat/indices`: hidden and closed indices too. The parameter came with hidden indices; before, all are given.
pub(super) fn listed_all(version: ProductVersion) -> &'static str {
    if since(version, (7, 7)) {
        "&expand_wildcards=all"
    } else {
        ""
    }
}

/// For `_stats`: closed indices too. Before closed indices were replicated, they had no statistics.
pub(super) fn stats_of_all(version: ProductVersion) -> &'static str {
    if since(version, (7, 2)) {
        "&expand_wildcards=all&forbid_closed_indices=false"
    } else {
        ""
    }
}

/// Whether `_bulk` knows `require_alias`.
pub(super) fn requires_aliases(version: ProductVersion) -> bool {
    since(version, (7, 10))
}

/// Whether aliases and indices can be hidden from patterns.
pub(super) fn hides(version: ProductVersion) -> bool {
    since(version, (7, 8))
}

/// Composable and component templates came with Elasticsearch 7.8.
pub(super) fn has_composable(version: ProductVersion) -> bool {
    since(version, (7, 8))
}

/// Whether a template can be simulated by its body alone.
pub(super) fn simulates(version: ProductVersion) -> bool {
    since(version, (7, 9))
}

/// Elasticsearch tells names of types when asked, and wraps every mapping then.
pub(super) fn type_names(version: ProductVersion) -> &'static str {
    if since(version, (8, 0)) {
        ""
    } else {
        "&include_type_name=true"
    }
}

/// Elasticsearch before 7 takes mappings without a type only when told so.
pub(super) fn typeless(version: ProductVersion) -> &'static str {
    if since(version, (7, 0)) {
        ""
    } else {
        "&include_type_name=false"
    }
}

/// The end of the path of a `_bulk`: before Elasticsearch 7 documents have a type, which is named once for all of them.
pub(super) fn bulk(version: ProductVersion) -> &'static str {
    if since(version, (7, 0)) {
        "_bulk"
    } else {
        "_doc/_bulk"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::version::Version;

    #[test]
    fn versions_are_told_apart() {
        let of = |product, major, minor| ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        };
        let old = of(Product::Elasticsearch, 6, 8);
        let middle = of(Product::Elasticsearch, 7, 10);
        let new = of(Product::OpenSearch, 1, 0);
        assert_eq!(listed_all(old), "");
        assert_eq!(typeless(old), "&include_type_name=false");
        assert!(!requires_aliases(old) && !hides(old) && !has_composable(old) && !simulates(old));
        for version in [middle, new] {
            assert!(requires_aliases(version) && hides(version));
            assert!(has_composable(version) && simulates(version));
            assert_eq!(typeless(version), "");
            assert_ne!(stats_of_all(version), "");
        }
        assert_eq!(type_names(middle), "&include_type_name=true");
        assert_eq!(type_names(new), "");
        assert_eq!(bulk(old), "_doc/_bulk");
        assert_eq!(bulk(middle), "_bulk");
    }
}
