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

/// What the target takes instead of a value.
#[derive(Clone, Copy)]
enum New {
    Value(&'static str),
    /// It goes without.
    Nothing,
}

fn new_value(key: &str, value: &str, versions: Versions) -> Option<New> {
    let (source, target) = (versions.source, versions.target);
    let (major, minor, _) = target.version.floor();
    let to_opensearch = target.product == Product::OpenSearch;
    match (key, value) {
        ("index.shard.check_on_startup", "fix") => Some(New::Value("true")),
        ("index.store.type", "default" | "memory" | "ram" | "nio_fs" | "simple_fs" | "mmap_fs") => {
            Some(New::Nothing)
        }
        ("index.store.type", "simplefs") if to_opensearch && major >= 3 => {
            Some(New::Value("niofs"))
        }
        // Zstandard: by a plugin of OpenSearch from 2.9 on, which has none of Elasticsearch's names.
        ("index.codec", "zstd" | "zstd_no_dict") if !to_opensearch || (major, minor) < (2, 9) => {
            Some(New::Value("best_compression"))
        }
        ("index.codec", "qat_lz4" | "qat_deflate" | "qat_zstd")
            if !to_opensearch || (major, minor) < (2, 14) =>
        {
            Some(New::Value("best_compression"))
        }
        ("index.codec", "best_speed" | "legacy_default") => Some(New::Nothing),
        ("index.codec", "legacy_best_compression") => Some(New::Value("best_compression")),
        // From 1 to 4 the names were those of Lucene's versions.
        ("index.codec", name)
            if source.product == Product::Elasticsearch
                && (name.starts_with("Lucene") || name.starts_with("lucene")) =>
        {
            Some(New::Nothing)
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
            Some(New::Value(value)) => draft.set_setting(rule, key, value.into()),
            Some(New::Nothing) => draft.drop_settings(rule, &[key]),
            None => {}
        }
        if key == "index.codec" && new.is_some() {
            draft.drop_settings(rule, &["index.codec.compression_level"]);
        }
    }
}
