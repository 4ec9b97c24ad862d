//! Settings that the target does not have.

use super::lines::{ELASTICSEARCH, OPENSEARCH, OS_2, OS_2_ES_8, OS_ES_8};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{BODIES, Level, Lines, Proof, Rule, Versions};

const SOFT_DELETES: &[&str] = &["index.soft_deletes.enabled"];
const TRANSLOG_RETENTION: &[&str] = &[
    "index.translog.retention.age",
    "index.translog.retention.size",
];
const FROZEN: &[&str] = &["index.frozen", "index.search.throttled"];
const LIFECYCLE: &[&str] = &["index.lifecycle.*"];
const TIER: &[&str] = &[
    "index.routing.allocation.include._tier",
    "index.routing.allocation.include._tier_preference",
    "index.routing.allocation.require._tier",
    "index.routing.allocation.exclude._tier",
];
const EXPLICIT_MERGES: &[&str] = &["index.merge.policy.max_merge_at_once_explicit"];
const X_PACK: &[&str] = &[
    "index.xpack.*",
    "index.rollup.*",
    "index.store.snapshot.*",
    "index.blocks.write_by_snapshot",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG110",
        title: "soft deletes are always on",
        source: ELASTICSEARCH,
        target: OS_2_ES_8,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "indices without soft deletes can't be made any more; documents are not touched by it",
        link: "https://docs.opensearch.org/latest/breaking-changes/",
        proof: Proof::Target,
        before: r#"{"settings": {"index.soft_deletes.enabled": "false"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, SOFT_DELETES),
    },
    Rule {
        code: "MIG111",
        title: "the translog keeps nothing for recoveries",
        source: ELASTICSEARCH,
        target: OS_2_ES_8,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "recoveries read soft-deleted documents, and the target refuses the setting",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/index-modules-translog.html",
        proof: Proof::Target,
        before: r#"{"settings": {"index.translog.retention.age": "12h"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, TRANSLOG_RETENTION),
    },
    Rule {
        code: "MIG112",
        title: "frozen indices become ordinary ones",
        source: ELASTICSEARCH,
        target: OS_ES_8,
        objects: BODIES,
        level: Level::Warn,
        lossy: true,
        why: "the target has no frozen indices: this one takes memory and answers every search",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/frozen-indices.html",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {"index.frozen": "true", "index.search.throttled": "true"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, FROZEN),
    },
    Rule {
        code: "MIG113",
        title: "the lifecycle policy is not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch has Index State Management instead: nothing rolls over or deletes until a policy is made there",
        link: "https://docs.opensearch.org/latest/im-plugin/ism/index/",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {"index.lifecycle.name": "logs", "index.lifecycle.rollover_alias": "logs"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, LIFECYCLE),
    },
    Rule {
        code: "MIG114",
        title: "the data tier is not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch has no data tiers and would look for nodes with such an attribute",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/data-tiers.html",
        proof: Proof::Target,
        before: r#"{"settings": {"index.routing.allocation.include._tier_preference": "data_content"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, TIER),
    },
    Rule {
        code: "MIG115",
        title: "settings of X-Pack are not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch does not know the setting",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/index-modules.html",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {"index.xpack.watcher.template.version": "11"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_x_pack,
    },
    Rule {
        code: "MIG116",
        title: "settings that the target does not know are not carried over",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: BODIES,
        level: Level::Deny,
        lossy: true,
        why: "asked for it, the target said that it does not know the setting: a plugin of the source may be missing there",
        link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
        proof: Proof::Target,
        before: r#"{"settings": {"index.unheard_of.setting": "1"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_unknown,
    },
    Rule {
        code: "MIG117",
        title: "the limit of explicit merges is not carried over",
        source: ELASTICSEARCH,
        target: OS_2,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "Lucene 9 has no such limit, and the target does not know the setting; documents are not touched by it",
        link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
        proof: Proof::Target,
        before: r#"{"settings": {"index.merge.policy.max_merge_at_once_explicit": "20"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| draft.drop_settings(rule, EXPLICIT_MERGES),
    },
];

/// Which these are, only the target can tell.
fn drop_unknown(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let unknown = std::mem::take(&mut draft.unknown);
    let patterns: Vec<&str> = unknown.iter().map(String::as_str).collect();
    draft.drop_settings(rule, &patterns);
}

fn drop_x_pack(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.drop_settings(rule, X_PACK);
    // The store of a mounted snapshot; the other stores exist on the target as well.
    if draft
        .settings
        .get("index.store.type")
        .and_then(|value| value.as_str())
        == Some("snapshot")
    {
        draft.drop_settings(rule, &["index.store.type"]);
    }
}
