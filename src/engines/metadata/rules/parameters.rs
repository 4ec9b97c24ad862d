//! Parameters of fields that the target does not take, and old spellings of those that it does.

use serde_json::{Map, Value};

use super::lines::{ES_7, ES_8, ES_BELOW_5, ES_BELOW_6, ES_BELOW_8, OPENSEARCH, OS_ES_5, OS_ES_6};
use super::truth;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{At, is_object, type_of};
use crate::engines::metadata::rule::{ALLOWED, DENIED, Proof, Rule, Versions, WARNED};

const MAPPING_PARAMETERS: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/mapping-params.html";
const CHANGES_6: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/6.8/breaking-changes-6.0.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG150",
        title: "parameters that have no meaning for the type of a field are dropped",
        source: ES_BELOW_6,
        target: OS_ES_5,
        why: "old servers took them and did nothing by them, or chose by them how values are held in memory; the target refuses them",
        link: MAPPING_PARAMETERS,
        before: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long", "precision_step": 8, "fielddata": {"format": "doc_values"}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long"}}}}"#,
        apply: drop_meaningless,
        ..ALLOWED
    },
    Rule {
        code: "MIG151",
        title: "words for yes and no become truth values",
        source: ES_BELOW_6,
        target: OS_ES_6,
        why: "the target knows true and false only",
        link: CHANGES_6,
        before: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long", "index": "not_analyzed", "store": "yes"}, "m": {"type": "long", "index": "no"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long", "index": true, "store": true}, "m": {"type": "long", "index": false}}}}"#,
        apply: spell_truth,
        ..ALLOWED
    },
    Rule {
        code: "MIG152",
        title: "fielddata of texts stays as it was",
        source: ES_BELOW_5,
        target: OS_ES_5,
        why: "texts could be sorted and aggregated by their words; the target asks for `fielddata: true` for that, and it takes memory",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/fielddata.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "fielddata": {"format": "paged_bytes", "loading": "eager"}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "fielddata": true}}}}"#,
        apply: keep_fielddata,
        ..ALLOWED
    },
    Rule {
        code: "MIG212",
        title: "boosts of numbers are dropped",
        source: ES_BELOW_8,
        target: OPENSEARCH,
        why: "the target takes them and forgets them: searches that go by scores weigh these fields as any other, unless the query boosts them",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/mapping-boost.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "integer", "boost": 2.0}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "integer"}}}}"#,
        apply: drop_boosts_of_numbers,
        ..WARNED
    },
    Rule {
        code: "MIG172",
        title: "roles of fields in time series are dropped",
        source: ES_7,
        target: OPENSEARCH,
        why: "the target has no time series: the field is indexed as before and means nothing more than others",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/tsds.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long", "time_series_metric": "gauge"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long"}}}}"#,
        apply: |rule, draft, _versions| {
            const ROLES: [&str; 4] = [
                "time_series_dimension",
                "time_series_metric",
                "time_series_dimensions",
                "dimension",
            ];
            draft.drop_parameters(rule, &ROLES, &|name, field| {
                name != "dimension" || type_of(field) != "knn_vector"
            });
        },
        ..WARNED
    },
    Rule {
        code: "MIG174",
        title: "fields that a script fills when indexing stay empty",
        source: ES_7,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the target does not run scripts of mappings: an ingest pipeline has to set the field, and old documents lack it",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/script.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long", "script": {"source": "emit(1)"}, "on_script_error": "continue"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["script", "on_script_error"], &|_, field| {
                !is_object(field) && type_of(field) != "derived"
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG175",
        title: "how a synthetic source would be built is dropped",
        source: ES_8,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the target keeps documents whole",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/mapping-source-field.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "keyword", "synthetic_source_keep": "all"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "keyword"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["synthetic_source_keep"], &|_, _| true);
            draft.drop_settings(rule, &["index.mapping.synthetic_source_keep"]);
        },
        ..ALLOWED
    },
    Rule {
        code: "MIG176",
        title: "malformed truth values are refused",
        source: ES_8,
        target: OPENSEARCH,
        why: "the target has no `ignore_malformed` for booleans: documents with other values there fail to load until a transform mends them",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/ignore-malformed.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"b": {"type": "boolean", "ignore_malformed": true}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"b": {"type": "boolean"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["ignore_malformed"], &|_, field| {
                type_of(field) == "boolean"
            });
        },
        ..DENIED
    },
];

/// What old servers took for any type, and the types for which it still says something.
const MEANT_FOR: [(&str, &[&str]); 21] = [
    ("precision_step", &[]),
    ("postings_format", &[]),
    ("doc_values_format", &[]),
    ("numeric_resolution", &["date"]),
    ("compress", &[]),
    ("compress_threshold", &[]),
    ("omit_norms", &["text", "keyword", "string"]),
    (
        "omit_term_freq_and_positions",
        &["text", "keyword", "string"],
    ),
    ("norms", &["text", "keyword", "string"]),
    ("fielddata", &["text", "string"]),
    ("fielddata_frequency_filter", &["text", "string"]),
    ("analyzer", ANALYSED),
    ("index_analyzer", ANALYSED),
    ("search_analyzer", ANALYSED),
    ("search_quote_analyzer", ANALYSED),
    (
        "term_vector",
        &["text", "string", "search_as_you_type", "annotated_text"],
    ),
    ("position_increment_gap", &["text", "string"]),
    ("position_offset_gap", &["text", "string"]),
    (
        "ignore_above",
        &[
            "text",
            "keyword",
            "string",
            "icu_collation_keyword",
            "wildcard",
            "flattened",
        ],
    ),
    (
        "index_options",
        &[
            "text",
            "keyword",
            "string",
            "flattened",
            "search_as_you_type",
            "dense_vector",
        ],
    ),
    (
        "similarity",
        &[
            "text",
            "keyword",
            "string",
            "flattened",
            "search_as_you_type",
            "dense_vector",
        ],
    ),
];

const ANALYSED: &[&str] = &[
    "text",
    "string",
    "completion",
    "token_count",
    "search_as_you_type",
    "annotated_text",
    "match_only_text",
    // A type that the target's plugin brings may have one.
    "attachment",
];

/// Types of numbers.
const NUMBERS: [&str; 8] = [
    "long",
    "integer",
    "short",
    "byte",
    "double",
    "float",
    "half_float",
    "scaled_float",
];

fn drop_boosts_of_numbers(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.change_fields(
        rule,
        &|_, field| NUMBERS.contains(&type_of(field)) && field.contains_key("boost"),
        &|_, field| {
            field.remove("boost");
        },
    );
}

fn drop_meaningless(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let names: Vec<&str> = MEANT_FOR.iter().map(|(name, _)| *name).collect();
    let meant = |name: &str, field: &Map<String, Value>| {
        let kind = type_of(field);
        // What a template makes of any type may be a text.
        if is_object(field) || kind.starts_with('{') {
            return matches!(
                name,
                "precision_step" | "postings_format" | "doc_values_format"
            );
        }
        MEANT_FOR
            .iter()
            .any(|(known, kinds)| *known == name && !kinds.contains(&kind))
    };
    draft.drop_parameters(rule, &names, &meant);
    draft.drop_parameters(rule, &["doc_values"], &|_, field| type_of(field) == "text");
    draft.drop_parameters(rule, &["coerce", "ignore_malformed"], &|_, field| {
        matches!(type_of(field), "boolean" | "text" | "keyword" | "binary")
    });
    draft.drop_parameters(rule, &["index"], &|_, field| type_of(field) == "binary");
    // Positions of what is one term.
    draft.drop_parameters(rule, &["index_options"], &|_, field| {
        type_of(field) == "keyword"
            && matches!(
                field.get("index_options").and_then(Value::as_str),
                Some("positions" | "offsets")
            )
    });
}

fn spell_truth(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    const NAMES: [&str; 7] = [
        "index",
        "store",
        "doc_values",
        "enabled",
        "coerce",
        "ignore_malformed",
        "include_in_parent",
    ];
    let old = |field: &Map<String, Value>, name: &str| {
        field
            .get(name)
            .is_some_and(|value| !truth::is_modern(value))
    };
    draft.change_fields(
        rule,
        &|_: At<'_>, field| NAMES.iter().any(|name| old(field, name)),
        &|_, field| {
            for name in NAMES {
                if old(field, name)
                    && let Some(value) = field.get_mut(name)
                {
                    *value = Value::Bool(truth::is_true(value));
                }
            }
        },
    );
}

/// Memory that is not to be taken stays free: `format: disabled`.
fn keep_fielddata(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.change_fields(
        rule,
        &|_, field| {
            type_of(field) == "text" && field.get("fielddata").is_some_and(Value::is_object)
        },
        &|_, field| {
            let disabled = field
                .get("fielddata")
                .and_then(|fielddata| fielddata.get("format"))
                .and_then(Value::as_str)
                == Some("disabled");
            field.insert("fielddata".into(), (!disabled).into());
        },
    );
}
