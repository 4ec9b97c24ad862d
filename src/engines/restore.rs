//! What a server can restore from a snapshot as it is: indices of which versions it opens, and which settings of an index may
//! be others than in the snapshot. Pure.
//!
//! An index stays created by the version that made it first, through restores and upgrades; what a server opens is decided by that and
//! not by the cluster of the snapshot. The bounds are those of the servers themselves, held against real ones by
//! `tests/clusters/restore`. Deliberately absent: plans, and whether a server reaches a repository.

use crate::base::version::{Product, ProductVersion, Version};

/// The last version of Elasticsearch whose indices and snapshots OpenSearch knows.
const LAST_COMMON: (u16, u16) = (7, 10);

/// Why a server does not open an index, or does not read a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Only those made by this version or a later one.
    TooOld {
        /// The oldest that it opens.
        oldest: ProductVersion,
    },
    /// Made by a version that is newer than the server.
    TooNew,
    /// Made by Elasticsearch 7.11 or later, which OpenSearch does not descend from.
    AfterTheFork,
    /// Made by OpenSearch, and the server is an Elasticsearch.
    OtherProduct,
}

/// Whether a server opens an index that `created` made. Parts of a version that are not known are taken as fitting.
pub fn opens(server: ProductVersion, created: ProductVersion) -> Result<(), Refusal> {
    reads(server, created)?;
    let oldest = oldest(server);
    let is_older = match (created.product, oldest.product) {
        (Product::Elasticsearch, Product::OpenSearch) => true,
        (Product::OpenSearch, Product::Elasticsearch) => false,
        _ => created.version.major < oldest.version.major,
    };
    if is_older {
        return Err(Refusal::TooOld { oldest });
    }
    Ok(())
}

/// Whether a server reads snapshots that `taken_by` took, whatever is in them: none of a newer version.
pub fn reads(server: ProductVersion, taken_by: ProductVersion) -> Result<(), Refusal> {
    match (server.product, taken_by.product) {
        (Product::Elasticsearch, Product::OpenSearch) => Err(Refusal::OtherProduct),
        (Product::OpenSearch, Product::Elasticsearch) => {
            let (major, minor, _) = taken_by.version.floor();
            if (major, minor) > LAST_COMMON {
                return Err(Refusal::AfterTheFork);
            }
            Ok(())
        }
        _ if is_newer(taken_by.version, server.version) => Err(Refusal::TooNew),
        _ => Ok(()),
    }
}

/// The oldest version whose indices a server opens.
pub fn oldest(server: ProductVersion) -> ProductVersion {
    let major = server.version.major;
    let (product, major) = match server.product {
        Product::Elasticsearch => (Product::Elasticsearch, major.saturating_sub(1)),
        // The first OpenSearch counts on from Elasticsearch 7.
        Product::OpenSearch if major <= 2 => (Product::Elasticsearch, major + 5),
        Product::OpenSearch => (Product::OpenSearch, major - 1),
    };
    of_major(product, major)
}

/// The first major version of the server's product that does not open an index that `created` made.
pub fn first_unable(server: ProductVersion, created: ProductVersion) -> ProductVersion {
    let major = created.version.major;
    let major = match (server.product, created.product) {
        (Product::OpenSearch, Product::Elasticsearch) => major.saturating_sub(4),
        _ => major.saturating_add(2),
    };
    of_major(server.product, major)
}

fn of_major(product: Product, major: u16) -> ProductVersion {
    let version = Version {
        major,
        minor: None,
        patch: None,
    };
    ProductVersion { product, version }
}

/// Whether a version is newer than another in the parts that both give.
fn is_newer(version: Version, than: Version) -> bool {
    if version.major != than.major {
        return version.major > than.major;
    }
    match (version.minor, than.minor) {
        (Some(minor), Some(other)) if minor != other => minor > other,
        (Some(_), Some(_)) => matches!(
            (version.patch, than.patch),
            (Some(patch), Some(other)) if patch > other
        ),
        _ => false,
    }
}

/// Settings by which segments were written, or are read: they stay as the snapshot has them. Each is meant with all below it.
const BOUND: &[&str] = &[
    "index.number_of_shards",
    "index.number_of_routing_shards",
    "index.routing_partition_size",
    "index.analysis",
    "index.similarity",
    "index.sort",
    "index.soft_deletes",
    "index.codec",
    "index.store",
    "index.knn",
    "index.mapping",
    "index.mapper",
    "index.mode",
    "index.time_series",
    "index.routing_path",
    "index.derived_source",
    "index.append_only",
    "index.version",
];

/// Settings that are read by no segment though their group is: limits.
const FREE: &[&str] = &[
    "index.mapping.total_fields.limit",
    "index.mapping.depth.limit",
    "index.mapping.nested_fields.limit",
    "index.mapping.nested_objects.limit",
    "index.mapping.field_name_length.limit",
    "index.mapping.coerce",
    "index.mapping.ignore_malformed",
    // Whether documents might bring new types, of which there are none any more.
    "index.mapper.dynamic",
];

/// Whether an index that was restored can have another value of a setting than the snapshot, and mean the same documents.
pub fn may_differ(setting: &str) -> bool {
    let below = |group: &&str| {
        setting
            .strip_prefix(*group)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    setting.starts_with("index.") && (FREE.contains(&setting) || !BOUND.iter().any(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `es7.10.2` or `os2`.
    fn of(text: &str) -> ProductVersion {
        let (product, version) = text.split_at(2);
        let product = match product {
            "es" => Product::Elasticsearch,
            _ => Product::OpenSearch,
        };
        let version = version.parse().unwrap();
        ProductVersion { product, version }
    }

    #[test]
    fn each_server_opens_what_it_opens() {
        let fine: &[(&str, &[&str])] = &[
            ("es6.8.23", &["es5.0.0", "es5.6.16", "es6.8.23"]),
            ("es7.10.2", &["es6.0.0", "es6.8.23", "es7.0.0", "es7.10.2"]),
            ("es7.17.9", &["es6.8.23", "es7.10.2", "es7.17.9"]),
            (
                "os1.3.20",
                &[
                    "es6.0.0", "es6.8.23", "es7.0.0", "es7.10.2", "os1.0.0", "os1.3.20",
                ],
            ),
            (
                "os2.19.1",
                &["es7.0.0", "es7.10.2", "os1.0.0", "os1.3.20", "os2.19.1"],
            ),
            ("os3.3.0", &["os2.0.0", "os2.19.1", "os3.0.0", "os3.3.0"]),
            ("os4", &["os3.3.0", "os4.1.0"]),
            ("os2.19", &["os2.19.1"]),
        ];
        for (server, all) in fine {
            for created in *all {
                assert_eq!(
                    opens(of(server), of(created)),
                    Ok(()),
                    "{created} on {server}"
                );
            }
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let old = |oldest: &str| Refusal::TooOld { oldest: of(oldest) };
        for (server, created, why) in [
            ("es6.8.23", "es2.4.6", old("es5")),
            ("es7.10.2", "es5.6.16", old("es6")),
            ("os1.3.20", "es5.6.16", old("es6")),
            ("os2.19.1", "es6.8.23", old("es7")),
            ("os3.3.0", "es7.10.2", old("os2")),
            ("os3.3.0", "os1.3.20", old("os2")),
            ("es7.10.2", "es7.10.3", Refusal::TooNew),
            ("es7.10.2", "es7.17.9", Refusal::TooNew),
            ("os1.3.20", "os2.0.0", Refusal::TooNew),
            ("os2.19.1", "os2.19.2", Refusal::TooNew),
            ("os2.19", "os2.20.0", Refusal::TooNew),
            ("os1.3.20", "es7.11.0", Refusal::AfterTheFork),
            ("os2.19.1", "es7.17.9", Refusal::AfterTheFork),
            ("os3.3.0", "es8.1.0", Refusal::AfterTheFork),
            ("es7.17.9", "os1.0.0", Refusal::OtherProduct),
        ] {
            assert_eq!(
                opens(of(server), of(created)),
                Err(why),
                "{created} on {server}"
            );
        }
    }

    #[test]
    fn the_next_that_will_not_open_it_is_named() {
        for (server, created, next) in [
            ("os1.3.20", "es6.8.23", "os2"),
            ("os1.3.20", "es7.10.2", "os3"),
            ("os2.19.1", "es7.10.2", "os3"),
            ("os2.19.1", "os1.3.20", "os3"),
            ("os2.19.1", "os2.4.0", "os4"),
            ("os3.3.0", "os3.3.0", "os5"),
            ("es7.10.2", "es6.8.23", "es8"),
            ("es7.17.9", "es7.10.2", "es9"),
        ] {
            let found = first_unable(of(server), of(created));
            assert_eq!(found, of(next), "{created} on {server}");
            assert!(opens(found, of(created)).is_err());
        }
    }

    #[test]
    fn settings_that_segments_rest_on_stay() {
        for bound in [
            "index.number_of_shards",
            "index.analysis.analyzer.a.type",
            "index.sort.field",
            "index.codec",
            "index.mapping.single_type",
            "index.knn",
            "index.soft_deletes.enabled",
            "number_of_replicas",
        ] {
            assert!(!may_differ(bound), "{bound}");
        }
        for free in [
            "index.number_of_replicas",
            "index.refresh_interval",
            "index.blocks.write",
            "index.lifecycle.name",
            "index.mapping.total_fields.limit",
            "index.mapper.dynamic",
            "index.codecs",
            "index.final_pipeline",
        ] {
            assert!(may_differ(free), "{free}");
        }
    }
}
