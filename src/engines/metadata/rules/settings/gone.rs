//! Settings that newer servers have not got.

use serde_json::Value;

use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, DENIED, Proof, Rule, Versions, WARNED};
use crate::engines::metadata::rules::lines::{
    ELASTICSEARCH, ES_7, ES_BELOW_7, OPENSEARCH, OS_ES_6, OS_ES_7,
};

const SETTINGS_5: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/breaking_50_settings_changes.html";

/// Tuning of Elasticsearch 1 to 5 that is gone in 6: memory, merges, translog and stores, none of which documents notice.
const TUNING: &[&str] = &[
    "index.translog.flush_threshold_ops",
    "index.translog.flush_threshold_period",
    "index.translog.disable_flush",
    "index.translog.interval",
    "index.translog.fs.*",
    "index.translog.type",
    "index.merge.policy.type",
    "index.merge.policy.merge_factor",
    "index.merge.policy.min_merge_size",
    "index.merge.policy.max_merge_size",
    "index.merge.policy.min_merge_docs",
    "index.merge.policy.max_merge_docs",
    "index.merge.policy.calibrate_size_by_deletes",
    "index.merge.policy.use_compound_file",
    "index.merge.async",
    "index.merge.scheduler.type",
    "index.store.compress.*",
    "index.store.fs.*",
    "index.store.memory.*",
    "index.codec.bloom.load",
    "index.compound_on_flush",
    "index.index_concurrency",
    "index.fail_on_corruption",
    "index.fail_on_merge_failure",
    "index.fielddata.cache",
    "index.cache.field.*",
    "index.cache.filter.*",
    "index.cache.query.*",
    "index.queries.cache.type",
    "index.term_index_interval",
    "index.term_index_divisor",
    "index.routing.allocation.disable_*",
    "index.recovery.file_chunk_size",
    "index.warmer.enabled.*",
    "index.gateway.*",
    "index.engine.*",
    "index.refresh.*",
    "index.mapper.default_mapping_location",
    "index.version.minimum_compatible",
    "index.percolator.allow_unmapped_fields",
    "index.analysis.version",
    "index.store.throttle.*",
    "index.queries.cache.everything",
    "index.recovery.initial_shards",
    "index.mapping.single_type",
];

/// Tuning that Elasticsearch 6 still takes.
const LATER_TUNING: &[&str] = &[
    "index.ttl.disable_purge",
    "index.optimize_auto_generated_id",
    "index.mapping.attachment.*",
];

/// How Elasticsearch 8 and 9 store and search, which mappings and documents say nothing of.
const STORAGE_OF_8: &[&str] = &[
    "index.bloom_filter_for_id_field.enabled",
    "index.fast_refresh",
    "index.legacy_routing_format",
    "index.recovery.use_synthetic_source",
    "index.use_time_series_doc_values_format",
    "index.force_memory_id_postings.enabled",
    "index.esql.*",
    "index.dense_vector.*",
    "index.sparse_vector.*",
    "index.search.slowlog.include.user",
    "index.indexing.slowlog.include.user",
    "index.highlight.weight_matches_mode.enabled",
    "index.mapping.exclude_source_vectors",
    "index.mapping.dimension_fields.limit",
];

const TIME_SERIES: &[&str] = &[
    "index.mode",
    "index.routing_path",
    "index.time_series.*",
    "index.look_ahead_time",
    "index.look_back_time",
    "index.logsdb.*",
    "index.downsample.*",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG182",
        title: "settings that tuned old servers are dropped",
        source: ES_BELOW_7,
        target: OS_ES_6,
        why: "newer servers tune memory, merges and the translog by themselves, and refuse the setting; documents are not touched by it",
        link: SETTINGS_5,
        before: r#"{"settings": {"index.translog.flush_threshold_ops": "5000", "index.merge.policy.merge_factor": "10"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_tuning,
        ..ALLOWED
    },
    Rule {
        code: "MIG184",
        title: "`index.mapper.dynamic` is said by the mapping",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "the target refuses the setting; whether new fields are taken is said by `dynamic`",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/breaking-changes-7.0.html",
        before: r#"{"settings": {"index.mapper.dynamic": "false"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {"dynamic": "strict"}}"#,
        apply: say_dynamic,
        ..ALLOWED
    },
    Rule {
        code: "MIG173",
        title: "modes of indices are not carried over",
        source: ES_7,
        target: OPENSEARCH,
        why: "OpenSearch has no time series, logs or lookup mode: documents are kept and routed as in any index",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/index-modules.html",
        before: r#"{"settings": {"index.mode": "time_series", "index.routing_path": ["host"]}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, TIME_SERIES),
        ..WARNED
    },
    Rule {
        code: "MIG196",
        title: "how Elasticsearch 8 stores and logs is dropped",
        source: ES_7,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the target stores in its own way and does not know the setting; documents and searches are not touched by it",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/index-modules.html",
        before: r#"{"settings": {"index.bloom_filter_for_id_field.enabled": "false"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, STORAGE_OF_8),
        ..ALLOWED
    },
    Rule {
        code: "MIG197",
        title: "settings that let documents in are not carried over",
        source: ELASTICSEARCH,
        target: OS_ES_6,
        proof: Proof::TranslatedOnly,
        why: "the target refuses documents, or indexes values, that the source let by: a longer value, a field beyond the limit, a stored query that names an unknown field",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/mapping-settings-limit.html",
        before: r#"{"settings": {"index.mapping.total_fields.ignore_dynamic_beyond_limit": "true"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_leniency,
        ..DENIED
    },
    Rule {
        code: "MIG198",
        title: "shared files and paths of an index are dropped",
        source: ELASTICSEARCH,
        target: OS_ES_6,
        why: "replicas that read the primary's files are gone, and a path of the source's machine means nothing at the target",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/6.8/breaking-changes-6.0.html",
        before: r#"{"settings": {"index.shadow_replicas": "true", "index.data_path": "/mnt/shared"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_settings(
                rule,
                &[
                    "index.shadow_replicas",
                    "index.shared_filesystem.*",
                    "index.shared_filesystem",
                    "index.data_path",
                ],
            );
        },
        ..WARNED
    },
];

/// Elasticsearch has the others, or its own successors of them.
fn drop_leniency(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    draft.drop_settings(rule, &["index.percolator.map_unmapped_fields_as_string"]);
    if OPENSEARCH.hold(versions.target) {
        draft.drop_settings(
            rule,
            &[
                "index.mapping.total_fields.ignore_dynamic_beyond_limit",
                "index.mapping.ignore_above",
                "index.percolator.map_unmapped_fields_as_text",
                "index.percolator.get_doc_values",
            ],
        );
    }
}

fn drop_tuning(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    draft.drop_settings(rule, TUNING);
    if OS_ES_7.hold(versions.target) {
        draft.drop_settings(rule, LATER_TUNING);
    }
}

/// An index that makes no types refused documents of new ones; with one type, the fields of a document were still taken. Of
/// the two readings the careful one is taken only where the mapping says nothing.
fn say_dynamic(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let dynamic = draft.setting("index.mapper.dynamic").map(str::to_owned);
    draft.drop_settings(rule, &["index.mapper.dynamic"]);
    if dynamic.as_deref() == Some("false")
        && let Value::Object(root) = &mut draft.mappings
        && root.is_empty()
    {
        root.insert("dynamic".into(), "strict".into());
        draft.note_at(rule, "mappings.dynamic", None, Some("strict".into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_stands_in_two_tables() {
        let mut all: Vec<&str> = [TUNING, LATER_TUNING, STORAGE_OF_8, TIME_SERIES].concat();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
