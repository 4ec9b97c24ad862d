//! `string` of Elasticsearch 1–5, and what was said of it.
//!
//! The type goes first, so that the rules after it see `text` and `keyword` only.

use serde_json::{Map, Value};

use super::lines::{ES_BELOW_2, ES_BELOW_6, OS_ES_5};
use super::truth;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{At, Place, type_of};
use crate::engines::metadata::rule::{ALLOWED, DENIED, Rule, Versions};

const STRING_TYPE: &str = "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/string.html";
const MAPPING_CHANGES_2: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/breaking_20_mapping_changes.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG105",
        title: "`string` becomes `text` or `keyword`",
        source: ES_BELOW_6,
        target: OS_ES_5,
        why: "strings that are analysed are text now, the others keyword; what is said of how they are indexed stays, and sorting by the words of a text asks for `fielddata`",
        link: STRING_TYPE,
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "string"}, "b": {"type": "string", "index": "not_analyzed", "fields": {"c": {"type": "string", "index": "no"}}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text"}, "b": {"type": "keyword", "fields": {"c": {"type": "keyword", "index": false}}}}}}"#,
        apply: to_text_or_keyword,
        ..ALLOWED
    },
    Rule {
        code: "MIG106",
        title: "names of parameters of Elasticsearch 1 and 2 become those of today",
        source: ES_BELOW_6,
        target: OS_ES_5,
        why: "norms are a truth value now, one analyzer stands for both times unless there are two, and gaps are called by positions",
        link: MAPPING_CHANGES_2,
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "norms": {"enabled": false, "loading": "eager"}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "norms": false}}}}"#,
        apply: rename_parameters,
        ..ALLOWED
    },
    Rule {
        code: "MIG107",
        title: "`null_value` and `ignore_above` of analysed strings are lost",
        source: ES_BELOW_6,
        target: OS_ES_5,
        why: "text knows neither: documents without the value are not found by its substitute, and longer ones are found",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/6.8/null-value.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "null_value": "none"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["null_value", "ignore_above"], &|_, field| {
                type_of(field) == "text"
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG108",
        title: "gaps between the values of a text stay as Elasticsearch 1 had them",
        source: ES_BELOW_2,
        target: OS_ES_5,
        why: "up to Elasticsearch 1 phrases matched across values; from 2 on they do only where the mapping says so",
        link: MAPPING_CHANGES_2,
        proof: crate::engines::metadata::rule::Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "position_increment_gap": 0}}}}"#,
        apply: keep_gap,
        ..ALLOWED
    },
];

/// Whether the field was a `string` at the source, by name or as what a dynamic template makes of texts.
fn is_string(at: At<'_>, field: &Map<String, Value>) -> bool {
    match field.get("type").and_then(Value::as_str) {
        Some("string") => true,
        None | Some("{dynamic_type}") => at.place == Place::Template { texts: true },
        Some(_) => false,
    }
}

fn to_text_or_keyword(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.change_fields(rule, &is_string, &|_at, field| {
        let index = field.remove("index");
        let index = index.as_ref().map(truth::spelt);
        let (kind, indexed) = match index.as_deref() {
            None | Some("analyzed" | "true") => ("text", true),
            Some("no" | "false") => ("keyword", false),
            Some(_) => ("keyword", true),
        };
        field.insert("type".into(), kind.into());
        if !indexed {
            field.insert("index".into(), false.into());
        }
    });
}

fn rename_parameters(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    const OLD: [&str; 5] = [
        "norms",
        "omit_norms",
        "omit_term_freq_and_positions",
        "index_analyzer",
        "position_offset_gap",
    ];
    let meant = |_: At<'_>, field: &Map<String, Value>| {
        OLD.iter().any(|name| field.contains_key(*name))
            && matches!(type_of(field), "text" | "keyword" | "completion")
    };
    draft.change_fields(rule, &meant, &|_at, field| {
        let norms = match (field.remove("norms"), field.remove("omit_norms")) {
            (Some(Value::Object(norms)), _) => norms.get("enabled").map(truth::is_true),
            (Some(norms), _) => Some(truth::is_true(&norms)),
            (None, Some(omit)) => Some(!truth::is_true(&omit)),
            (None, None) => None,
        };
        if let Some(norms) = norms {
            field.insert("norms".into(), norms.into());
        }
        if let Some(omit) = field.remove("omit_term_freq_and_positions")
            && truth::is_true(&omit)
        {
            field.insert("index_options".into(), "docs".into());
        }
        if let Some(analyzer) = field.remove("index_analyzer") {
            field.entry("analyzer").or_insert(analyzer);
        }
        if let Some(gap) = field.remove("position_offset_gap") {
            field.entry("position_increment_gap").or_insert(gap);
        }
    });
}

fn keep_gap(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let meant = |_: At<'_>, field: &Map<String, Value>| {
        type_of(field) == "text"
            && !field.contains_key("position_increment_gap")
            && field
                .get("index_options")
                .is_none_or(|options| options == "positions" || options == "offsets")
    };
    draft.change_fields(rule, &meant, &|_at, field| {
        field.insert("position_increment_gap".into(), 0.into());
    });
}
