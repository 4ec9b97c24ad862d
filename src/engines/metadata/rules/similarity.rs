//! Similarities: how scores are computed.

use serde_json::Value;

use super::lines::{ES_BELOW_7, OS_ES_7};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{Rule, Versions, WARNED};

const PREFIX: &str = "index.similarity.";
const SIMILARITY: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/breaking-changes-7.0.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG193",
        title: "TF/IDF becomes BM25",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "the target has no `classic` and no `default` similarity: the same documents are found, in another order",
        link: SIMILARITY,
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "similarity": "classic"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "similarity": "BM25"}}}}"#,
        apply: to_bm25,
        ..WARNED
    },
    Rule {
        code: "MIG194",
        title: "similarities take the models and parameters that are left",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "some models of DFR gave negative scores and are gone, and parameters that nobody reads are refused: the same documents are found, in another order",
        link: SIMILARITY,
        before: r#"{"settings": {"index.similarity.s.type": "DFR", "index.similarity.s.basic_model": "be", "index.similarity.s.after_effect": "no", "index.similarity.s.normalization": "h2"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.similarity.s.type": "DFR", "index.similarity.s.basic_model": "g", "index.similarity.s.after_effect": "l", "index.similarity.s.normalization": "h2"}, "mappings": {}}"#,
        apply: left_models,
        ..WARNED
    },
];

fn is_gone(name: &str) -> bool {
    matches!(name, "classic" | "default")
}

/// The names of similarities that the index defines, with their types.
fn defined(draft: &Draft) -> Vec<(String, String)> {
    draft
        .settings
        .iter()
        .filter_map(|(key, value)| {
            let name = key.strip_prefix(PREFIX)?.strip_suffix(".type")?;
            Some((name.to_owned(), value.as_str()?.to_owned()))
        })
        .collect()
}

fn to_bm25(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let own = defined(draft);
    for (name, is) in &own {
        if !is_gone(is) {
            continue;
        }
        // What was said of the old one means nothing to the new one, but whether overlaps count.
        let prefix = format!("{PREFIX}{name}.");
        let others: Vec<String> = draft
            .settings
            .keys()
            .filter(|key| {
                key.strip_prefix(&prefix)
                    .is_some_and(|parameter| !matches!(parameter, "type" | "discount_overlaps"))
            })
            .cloned()
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        draft.drop_settings(rule, &others);
        draft.set_setting(rule, &format!("{prefix}type"), "BM25".into());
    }
    let meant = |name: &str| is_gone(name) && !own.iter().any(|(own, _)| own == name);
    draft.change_fields(
        rule,
        &|_, field| {
            field
                .get("similarity")
                .and_then(Value::as_str)
                .is_some_and(meant)
        },
        &|_, field| {
            field.insert("similarity".into(), "BM25".into());
        },
    );
}

fn left_models(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    for (name, is) in defined(draft) {
        let key = |parameter: &str| format!("{PREFIX}{name}.{parameter}");
        if is == "DFR" {
            if draft
                .setting(&key("basic_model"))
                .is_some_and(|model| matches!(model, "be" | "d" | "p"))
            {
                draft.set_setting(rule, &key("basic_model"), "g".into());
            }
            if draft.setting(&key("after_effect")) == Some("no") {
                draft.set_setting(rule, &key("after_effect"), "l".into());
            }
        }
        if is == "BM25" {
            let others: Vec<String> = draft
                .settings
                .keys()
                .filter(|key| {
                    key.strip_prefix(PREFIX)
                        .and_then(|key| key.strip_prefix(&format!("{name}.")))
                        .is_some_and(|parameter| {
                            !matches!(parameter, "type" | "k1" | "b" | "discount_overlaps")
                        })
                })
                .cloned()
                .collect();
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            draft.drop_settings(rule, &others);
        }
    }
}
