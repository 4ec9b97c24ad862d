//! Metadata fields of old mappings: `_timestamp`, `_ttl`, `_size`, `_id` and their like.

use serde_json::Value;

use super::all_field::is_switched_off;
use super::lines::{ELASTICSEARCH, ES_7, ES_BELOW_5, ES_BELOW_7, OPENSEARCH, OS_ES_5, OS_ES_6};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, DENIED, Level, Proof, Rule, Versions, WARNED};

const CHANGES_2: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/breaking_20_mapping_changes.html";
const CHANGES_5: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/breaking_50_mapping_changes.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG128",
        title: "metadata fields that are switched off are dropped",
        source: ELASTICSEARCH,
        target: OS_ES_6,
        why: "the target has no such field, so there is nothing to switch off",
        link: CHANGES_5,
        before: r#"{"settings": {}, "mappings": {"_all": {"enabled": false}, "_ttl": {"enabled": false}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_switched_off,
        ..ALLOWED
    },
    Rule {
        code: "MIG129",
        title: "`_timestamp` and `_ttl` are not carried over",
        source: ES_BELOW_5,
        target: OS_ES_6,
        why: "the target has neither: documents don't expire by themselves, and their time can't be searched",
        link: CHANGES_5,
        before: r#"{"settings": {}, "mappings": {"_timestamp": {"enabled": true}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_at_root(rule, &|name, value| {
                matches!(name, "_timestamp" | "_ttl") && !is_off_by_default(value)
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG134",
        title: "`_size` is not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        why: "it is a plugin's field, which the target need not have: the sizes of documents can't be searched",
        link: "https://docs.opensearch.org/latest/install-and-configure/additional-plugins/mapper-size-plugin/",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"_size": {"enabled": true}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_at_root(rule, &|name, value| {
                name == "_size" && !is_off_by_default(value)
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG135",
        title: "how `_id`, `_index`, `_type` and `_routing` were indexed is dropped",
        source: ES_BELOW_7,
        target: OS_ES_6,
        level: Level::Warn,
        proof: Proof::TranslatedOnly,
        why: "the target has one way only; ids and routings that were taken from a field stay with the documents, new documents must bring them",
        link: CHANGES_2,
        before: r#"{"settings": {}, "mappings": {"_id": {"path": "key"}, "_routing": {"required": true, "path": "user"}}}"#,
        after: r#"{"settings": {}, "mappings": {"_routing": {"required": true}}}"#,
        apply: drop_configuration,
        ..WARNED
    },
    Rule {
        code: "MIG136",
        title: "`_analyzer`, `_boost` and transforms of mappings are not carried over",
        source: ES_BELOW_5,
        target: OS_ES_5,
        why: "the target has none of them: documents are analysed and scored by their fields' own definitions",
        link: CHANGES_2,
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"_boost": {"name": "weight"}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| {
            const NAMES: [&str; 6] = [
                "_analyzer",
                "_boost",
                "transform",
                "analyzer",
                "index_analyzer",
                "search_analyzer",
            ];
            draft.drop_at_root(rule, &|name, _| NAMES.contains(&name));
        },
        ..DENIED
    },
    Rule {
        code: "MIG137",
        title: "the source is stored whole",
        source: ES_7,
        target: OPENSEARCH,
        why: "the target has no modes of `_source`: documents are kept as they were read, which takes more disk",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/mapping-source-field.html",
        before: r#"{"settings": {}, "mappings": {"_source": {"mode": "synthetic"}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| {
            drop_of(rule, draft, "_source", &["mode"]);
            draft.drop_settings(rule, &["index.mapping.source.mode"]);
        },
        ..WARNED
    },
];

/// `_timestamp`, `_ttl` and `_size` are off unless somebody says otherwise.
fn is_off_by_default(value: &Value) -> bool {
    value.get("enabled").is_none() || is_switched_off(value)
}

fn drop_switched_off(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.drop_at_root(rule, &|name, value| match name {
        "_all" => is_switched_off(value),
        "_timestamp" | "_ttl" | "_size" => is_off_by_default(value),
        _ => false,
    });
}

fn drop_configuration(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.drop_at_root(rule, &|name, _| {
        matches!(name, "_id" | "_index" | "_type" | "_uid")
    });
    drop_of(rule, draft, "_routing", &["path", "store", "index"]);
    drop_of(
        rule,
        draft,
        "_source",
        &["compress", "compress_threshold", "format"],
    );
    drop_of(rule, draft, "_field_names", &["index", "store"]);
}

/// Drops parameters of a metadata field, and the field when nothing is left to say of it.
fn drop_of(rule: &'static Rule, draft: &mut Draft, field: &str, names: &[&str]) {
    let Value::Object(root) = &mut draft.mappings else {
        return;
    };
    let Some(Value::Object(definition)) = root.get_mut(field) else {
        return;
    };
    let mut dropped: Vec<(String, Value)> = Vec::new();
    for name in names {
        if let Some(value) = definition.remove(*name) {
            dropped.push((format!("mappings.{field}.{name}"), value));
        }
    }
    if !dropped.is_empty() && definition.is_empty() {
        root.remove(field);
    }
    draft.note_dropped(rule, dropped);
}
