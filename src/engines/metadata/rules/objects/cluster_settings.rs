//! Persistent settings of a cluster.
//!
//! A setting that the target does not know is found by asking it when planning. Deliberately absent: transient settings.

use serde_json::{Map, Value, json};

use super::super::lines::{ELASTICSEARCH, OPENSEARCH, OS_ES_7};
use crate::base::settings::meant;
use crate::base::version::Product;
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Line, Lines, Proof, Rule};

const SETTINGS: &[ObjectKind] = &[ObjectKind::ClusterSettings];

/// Of parts that OpenSearch does not have.
const ELASTIC: &[&str] = &[
    "xpack.*",
    "slm.*",
    "indices.lifecycle.*",
    "data_streams.*",
    "health.*",
    "ingest.geoip.downloader.*",
    "cluster.deprecation_indexing.*",
    "cluster.routing.allocation.disk.watermark.flood_stage.frozen*",
    "cluster.routing.allocation.disk.watermark.*.max_headroom",
    "master_history.*",
    "readiness.*",
    "stack.templates.enabled",
];

/// Of the machines of the source, or of a moment of it.
const OF_MACHINES: &[&str] = &[
    "cluster.blocks.*",
    "cluster.metadata.*",
    "cluster.remote.*",
    "search.remote.*",
    "cluster.routing.allocation.awareness.*",
    "cluster.routing.allocation.enable",
    "cluster.routing.allocation.exclude.*",
    "cluster.routing.allocation.include.*",
    "cluster.routing.allocation.require.*",
    "cluster.routing.rebalance.enable",
    "discovery.*",
    "indices.recovery.max_bytes_per_sec",
    "node.*",
];

/// Gone by Elasticsearch 7.
const OLD: &[&str] = &[
    "cluster.routing.allocation.snapshot.relocation_enabled",
    "indices.store.throttle.*",
    "indices.recovery.concurrent_streams",
    "indices.recovery.translog_size",
    "indices.ttl.interval",
    "index.*",
    "threadpool.*",
    "thread_pool.*",
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG234",
        title: "settings of parts that OpenSearch does not have are not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: SETTINGS,
        level: Level::Warn,
        lossy: true,
        why: "the setting is of a part of Elasticsearch that OpenSearch does not have",
        link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index/",
        proof: Proof::TranslatedOnly,
        before: r#"{"persistent": {"xpack.monitoring.collection.enabled": "true", "cluster.max_shards_per_node": "2000"}}"#,
        after: r#"{"persistent": {"cluster.max_shards_per_node": "2000"}}"#,
        apply: |rule, draft, _versions| drop_keys(rule, draft, ELASTIC),
    },
    Rule {
        code: "MIG235",
        title: "settings of the machines of the source are not carried over",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: SETTINGS,
        level: Level::Warn,
        lossy: true,
        why: "it names nodes, zones or other clusters of the source, or stops for a while what the target has to do",
        link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/cluster-settings/",
        proof: Proof::Target,
        before: r#"{"persistent": {"cluster.routing.allocation.exclude._ip": "10.0.0.7"}}"#,
        after: r#"{"persistent": {}}"#,
        apply: |rule, draft, _versions| drop_keys(rule, draft, OF_MACHINES),
    },
    Rule {
        code: "MIG236",
        title: "settings that were taken out long ago are not carried over",
        source: Lines(&[Line {
            product: Product::Elasticsearch,
            since: (0, 0),
            before: Some((7, 0)),
        }]),
        target: OS_ES_7,
        objects: SETTINGS,
        level: Level::Allow,
        lossy: true,
        why: "the target has no such setting: what it governed is done otherwise since",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/5.0/breaking_50_settings_changes.html",
        proof: Proof::TranslatedOnly,
        before: r#"{"persistent": {"indices.store.throttle.type": "none"}}"#,
        after: r#"{"persistent": {}}"#,
        apply: |rule, draft, _versions| drop_keys(rule, draft, OLD),
    },
    Rule {
        code: "MIG237",
        title: "levels of logging follow the names of OpenSearch",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: SETTINGS,
        level: Level::Allow,
        lossy: false,
        why: "the same parts of the server are called `org.opensearch` there",
        link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/logs/",
        proof: Proof::Target,
        before: r#"{"persistent": {"logger.org.elasticsearch.transport": "debug"}}"#,
        after: r#"{"persistent": {"logger.org.opensearch.transport": "debug"}}"#,
        apply: |rule, draft, _versions| rename_loggers(rule, draft),
    },
];

fn settings(draft: &mut Draft) -> Option<&mut Map<String, Value>> {
    draft.beside.get_mut("persistent")?.as_object_mut()
}

/// One `*` may stand within a pattern.
fn is_meant(pattern: &str, key: &str) -> bool {
    match pattern.split_once(".*.") {
        Some((start, end)) => key.starts_with(start) && key.ends_with(end),
        None => meant(pattern, key),
    }
}

fn drop_keys(rule: &'static Rule, draft: &mut Draft, patterns: &[&str]) {
    let Some(settings) = settings(draft) else {
        return;
    };
    let keys: Vec<String> = settings
        .keys()
        .filter(|key| patterns.iter().any(|pattern| is_meant(pattern, key)))
        .cloned()
        .collect();
    let dropped: Vec<(String, Value)> = keys
        .into_iter()
        .filter_map(|key| settings.remove_entry(&key))
        .collect();
    for (key, value) in dropped {
        let change = Change {
            path: &format!("persistent.{key}"),
            before: Some(value),
            after: None,
        };
        draft.note(rule, change);
    }
}

fn rename_loggers(rule: &'static Rule, draft: &mut Draft) {
    const OLD: &str = "logger.org.elasticsearch";
    const NEW: &str = "logger.org.opensearch";
    let Some(settings) = settings(draft) else {
        return;
    };
    let keys: Vec<String> = settings
        .keys()
        .filter(|key| key.starts_with(OLD))
        .cloned()
        .collect();
    let mut renamed = Vec::new();
    for key in keys {
        if let Some(level) = settings.remove(&key) {
            let new = key.replacen(OLD, NEW, 1);
            settings.insert(new.clone(), level.clone());
            renamed.push((key, new, level));
        }
    }
    for (key, new, level) in renamed {
        let change = Change {
            path: &format!("persistent.{key}"),
            before: Some(json!({ key.as_str(): level })),
            after: Some(json!({ new: level })),
        };
        draft.note(rule, change);
    }
}
