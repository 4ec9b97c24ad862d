//! Settings that would disturb loading: they wait until the documents are proved.

use super::{ELASTICSEARCH, OPENSEARCH};
use crate::engines::metadata::rule::{BODIES, Level, Lines, Proof, Rule};

const FINAL_PIPELINE: &[&str] = &["index.final_pipeline"];
const BLOCKS: &[&str] = &["index.blocks.*"];
const LIFECYCLE: &[&str] = &["index.lifecycle.*"];
const STATE_MANAGEMENT: &[&str] = &[
    "index.plugins.index_state_management.*",
    "index.opendistro.index_state_management.*",
];
const AUTO_EXPAND: &[&str] = &["index.auto_expand_replicas"];
const ALLOCATION: &[&str] = &[
    "index.routing.allocation.include.*",
    "index.routing.allocation.require.*",
    "index.routing.allocation.exclude.*",
    "index.routing.allocation.total_shards_per_node",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG120",
        title: "the final pipeline waits until the documents are proved",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "held back until verified: it would change documents that were changed by it before",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/index/",
        proof: Proof::Target,
        before: r#"{"settings": {"index.final_pipeline": "stamp"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}, "held_back": {"settings": {"index.final_pipeline": "stamp"}}}"#,
        apply: |rule, draft, _versions| draft.hold_back(rule, FINAL_PIPELINE),
    },
    Rule {
        code: "MIG121",
        title: "blocks wait until the documents are proved",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "held back until verified: it would refuse the documents",
        link: "https://docs.opensearch.org/latest/api-reference/index-apis/blocks/",
        proof: Proof::Target,
        before: r#"{"settings": {"index.blocks.write": "true"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}, "held_back": {"settings": {"index.blocks.write": "true"}}}"#,
        apply: |rule, draft, _versions| draft.hold_back(rule, BLOCKS),
    },
    Rule {
        code: "MIG122",
        title: "the lifecycle policy waits until the documents are proved",
        source: Lines::ANY,
        target: ELASTICSEARCH,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "held back until verified: it could roll over, move or delete the index while it is loaded",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/index-lifecycle-management.html",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {"index.lifecycle.name": "logs"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}, "held_back": {"settings": {"index.lifecycle.name": "logs"}}}"#,
        apply: |rule, draft, _versions| draft.hold_back(rule, LIFECYCLE),
    },
    Rule {
        code: "MIG123",
        title: "Index State Management waits until the documents are proved",
        source: Lines::ANY,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "held back until verified: it could roll over, move or delete the index while it is loaded",
        link: "https://docs.opensearch.org/latest/im-plugin/ism/settings/",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {"index.plugins.index_state_management.rollover_alias": "logs"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}, "held_back": {"settings": {"index.plugins.index_state_management.rollover_alias": "logs"}}}"#,
        apply: |rule, draft, _versions| draft.hold_back(rule, STATE_MANAGEMENT),
    },
    Rule {
        code: "MIG124",
        title: "replicas expand when the documents are proved",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "held back until verified: every document would be written to every node while loading",
        link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
        proof: Proof::Target,
        before: r#"{"settings": {"index.auto_expand_replicas": "0-all"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}, "held_back": {"settings": {"index.auto_expand_replicas": "0-all"}}}"#,
        apply: |rule, draft, _versions| draft.hold_back(rule, AUTO_EXPAND),
    },
    Rule {
        code: "MIG125",
        title: "allocation filters wait until the documents are proved",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: BODIES,
        level: Level::Allow,
        lossy: false,
        why: "held back until verified: the target may have no node with such attributes, and the index would not start",
        link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
        proof: Proof::Target,
        before: r#"{"settings": {"index.routing.allocation.require.box_type": "hot"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}, "held_back": {"settings": {"index.routing.allocation.require.box_type": "hot"}}}"#,
        apply: |rule, draft, _versions| draft.hold_back(rule, ALLOCATION),
    },
];
