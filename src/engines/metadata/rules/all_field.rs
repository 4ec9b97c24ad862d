//! `_all`, the field of all fields, which Elasticsearch 6 took away.

use serde_json::Value;

use super::lines::{ES_BELOW_7, OS_ES_6, OS_ES_7};
use super::truth;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{DENIED, Rule, Versions, WARNED};

const ALL: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/6.8/mapping-all-field.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG109",
        title: "`include_in_all` is dropped",
        source: ES_BELOW_7,
        target: OS_ES_6,
        why: "there is no `_all` any more: a search that names no field asks all of them, those that were left out too",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/include-in-all.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "include_in_all": false}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["include_in_all"], &|_, _| true);
            draft.drop_at_root(rule, &|name, _| name == "include_in_all");
        },
        ..WARNED
    },
    Rule {
        code: "MIG126",
        title: "`_all` is not carried over",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "the target has no `_all`: a search that names it finds nothing; one that names no field asks all of them",
        link: ALL,
        before: r#"{"settings": {}, "mappings": {"_all": {"enabled": true}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_all,
        ..DENIED
    },
    Rule {
        code: "MIG127",
        title: "searches that name no field ask all of them",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "`_all` was the default field, and the target has none of that name",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/6.8/breaking-changes-6.0.html",
        before: r#"{"settings": {"index.query.default_field": "_all"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.query.default_field": "*"}, "mappings": {}}"#,
        apply: |rule, draft, _versions| {
            if draft.setting("index.query.default_field") == Some("_all") {
                draft.set_setting(rule, "index.query.default_field", "*".into());
            }
        },
        ..WARNED
    },
];

/// One that is switched off is another rule's: nothing is lost with it.
fn drop_all(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.drop_at_root(rule, &|name, value| {
        name == "_all" && !is_switched_off(value)
    });
}

/// `enabled: false`.
pub(super) fn is_switched_off(value: &Value) -> bool {
    value
        .get("enabled")
        .is_some_and(|enabled| !truth::is_true(enabled))
}
