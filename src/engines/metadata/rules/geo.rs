//! Points on the earth. Shapes need no rule: OpenSearch takes all that Elasticsearch 1–7 said of their trees.

use serde_json::Value;

use super::lines::{ES_BELOW_5, ES_BELOW_6, OS_ES_5};
use super::truth;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::type_of;
use crate::engines::metadata::rule::{ALLOWED, DENIED, Rule, Versions};

const CHANGES_5: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/breaking_50_mapping_changes.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG157",
        title: "parts of points that had fields of their own can't be searched",
        source: ES_BELOW_5,
        target: OS_ES_5,
        why: "`lat_lon` and `geohash` made `.lat`, `.lon` and `.geohash`: the target has the point alone",
        link: CHANGES_5,
        before: r#"{"settings": {}, "mappings": {"properties": {"p": {"type": "geo_point", "lat_lon": true}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"p": {"type": "geo_point"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(
                rule,
                &["lat_lon", "geohash", "geohash_prefix"],
                &|name, field| {
                    type_of(field) == "geo_point" && field.get(name).is_some_and(truth::is_true)
                },
            );
        },
        ..DENIED
    },
    Rule {
        code: "MIG158",
        title: "old parameters of points become those of today",
        source: ES_BELOW_6,
        target: OS_ES_5,
        why: "points are held in one way now; whether wrong ones are refused is said by `ignore_malformed`",
        link: CHANGES_5,
        before: r#"{"settings": {}, "mappings": {"properties": {"p": {"type": "geo_point", "validate": false, "normalize": true, "precision_step": 8}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"p": {"type": "geo_point", "ignore_malformed": true}}}}"#,
        apply: modernise,
        ..ALLOWED
    },
];

/// Without a meaning on the target.
const OLD: [&str; 16] = [
    "lat_lon",
    "geohash",
    "geohash_prefix",
    "geohash_precision",
    "precision_step",
    "normalize",
    "normalize_lat",
    "normalize_lon",
    "validate",
    "validate_lat",
    "validate_lon",
    "coerce",
    "fielddata",
    "doc_values_format",
    "postings_format",
    "include_in_parent",
];

fn modernise(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.change_fields(
        rule,
        &|_, field| {
            type_of(field) == "geo_point" && OLD.iter().any(|name| field.contains_key(*name))
        },
        &|_, field| {
            let lenient = ["validate", "validate_lat", "validate_lon"]
                .iter()
                .any(|name| field.get(*name).is_some_and(|value| !truth::is_true(value)));
            // Those that were on say something that is lost: a rule before this one has them.
            field.retain(|name, value| {
                !OLD.contains(&name.as_str())
                    || (["lat_lon", "geohash", "geohash_prefix"].contains(&name.as_str())
                        && truth::is_true(value))
            });
            if lenient {
                field.entry("ignore_malformed").or_insert(Value::Bool(true));
            }
        },
    );
}
