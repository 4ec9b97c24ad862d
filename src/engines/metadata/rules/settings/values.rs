//! Settings whose old values newer servers refuse.

use crate::base::version::Product;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, Lines, Rule, Versions};
use crate::engines::metadata::rules::lines::OS_ES_5;

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG183",
    title: "values of settings become those that the target takes",
    source: Lines::ANY,
    target: OS_ES_5,
    why: "the target has other words for it, or compresses in another way; documents are not touched by it",
    link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
    before: r#"{"settings": {"index.shard.check_on_startup": "fix", "index.store.type": "default", "index.codec": "legacy_best_compression"}, "mappings": {}}"#,
    after: r#"{"settings": {"index.shard.check_on_startup": "true", "index.codec": "best_compression"}, "mappings": {}}"#,
    apply: renew,
    ..ALLOWED
}];

/// What the target takes instead of a value; nothing where it goes without.
type New = Option<&'static str>;

fn new_value(key: &str, value: &str, versions: Versions) -> Option<New> {
    let (source, target) = (versions.source, versions.target);
    let (major, minor, _) = target.version.floor();
    let to_opensearch = target.product == Product::OpenSearch;
    match (key, value) {
        ("index.shard.check_on_startup", "fix") => Some(Some("true")),
        ("index.store.type", "default" | "memory" | "ram" | "nio_fs" | "simple_fs" | "mmap_fs") => {
            Some(None)
        }
        ("index.store.type", "simplefs") if to_opensearch && major >= 3 => Some(Some("niofs")),
        ("index.codec", "best_speed") => Some(None),
        // Zstandard: by a plugin of OpenSearch from 2.9 on, which has none of Elasticsearch's names.
        ("index.codec", "zstd" | "zstd_no_dict") if !to_opensearch || (major, minor) < (2, 9) => {
            Some(Some("best_compression"))
        }
        ("index.codec", "qat_lz4" | "qat_deflate" | "qat_zstd")
            if !to_opensearch || (major, minor) < (2, 14) =>
        {
            Some(Some("best_compression"))
        }
        ("index.codec", "legacy_default") => Some(None),
        ("index.codec", "legacy_best_compression") => Some(Some("best_compression")),
        // From 1 to 4 the names were those of Lucene's versions.
        ("index.codec", name)
            if source.product == Product::Elasticsearch
                && (name.starts_with("Lucene") || name.starts_with("lucene")) =>
        {
            Some(None)
        }
        _ => None,
    }
}

fn renew(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    for key in [
        "index.shard.check_on_startup",
        "index.store.type",
        "index.codec",
    ] {
        let new = draft
            .setting(key)
            .and_then(|value| new_value(key, value, versions));
        match new {
            Some(Some(value)) => draft.set_setting(rule, key, value.into()),
            Some(None) => draft.drop_settings(rule, &[key]),
            None => {}
        }
        if key == "index.codec" && matches!(new, Some(_)) {
            draft.drop_settings(rule, &["index.codec.compression_level"]);
        }
    }
}
