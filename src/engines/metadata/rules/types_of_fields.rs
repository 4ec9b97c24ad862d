//! Types of fields that have another name on the target, or whose nearest kin is another type.

use serde_json::{Map, Value, json};

use super::lines::{
    ELASTICSEARCH, ES_6, ES_7, ES_8, ES_8_11, ES_8_18, ES_BELOW_5, OPENSEARCH, OS_2_14,
    OS_BELOW_2_12, OS_BELOW_2_15, OS_ES_5, OS_ES_7,
};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{Place, each_field_at, type_of};
use crate::engines::metadata::rule::{ALLOWED, DENIED, Proof, Rule, Versions, WARNED};

/// What holds other definitions goes before the rules of these.
pub(super) const OLD: &[Rule] = &[Rule {
    code: "MIG159",
    title: "`multi_field` becomes a field with fields",
    source: ES_BELOW_5,
    target: OS_ES_5,
    proof: Proof::TranslatedOnly,
    why: "any field may have fields since Elasticsearch 1, and the type is gone",
    link: "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/breaking_20_mapping_changes.html",
    before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "multi_field", "fields": {"a": {"type": "text"}, "raw": {"type": "keyword"}}}}}}"#,
    after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}}}"#,
    apply: dissolve_multi_fields,
    ..ALLOWED
}];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG160",
        title: "`feature` and `feature_vector` become `rank_feature` and `rank_features`",
        source: ES_6,
        target: OS_ES_7,
        proof: Proof::TranslatedOnly,
        why: "the types were renamed before Elasticsearch 7; queries by `feature` are `rank_feature` now",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/rank-feature.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "feature"}, "b": {"type": "feature_vector"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "rank_feature"}, "b": {"type": "rank_features"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.change_fields(
                rule,
                &|_, field| matches!(type_of(field), "feature" | "feature_vector"),
                &|_, field| {
                    let kind = if type_of(field) == "feature" {
                        "rank_feature"
                    } else {
                        "rank_features"
                    };
                    field.insert("type".into(), kind.into());
                },
            );
        },
        ..ALLOWED
    },
    Rule {
        code: "MIG161",
        title: "contexts of completions become a list",
        source: ES_BELOW_5,
        target: OS_ES_5,
        proof: Proof::TranslatedOnly,
        why: "completions were made anew in Elasticsearch 5: contexts have names in a list, and what is suggested comes with its document instead of a payload",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/breaking_50_suggester.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"s": {"type": "completion", "payloads": true, "context": {"color": {"type": "category", "path": "c"}}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"s": {"type": "completion", "contexts": [{"name": "color", "path": "c", "type": "category"}]}}}}"#,
        apply: list_contexts,
        ..WARNED
    },
    Rule {
        code: "MIG162",
        title: "a field of a plugin's type needs the plugin",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "OpenSearch has a plugin with this type; where it is not installed, the index can't be made",
        link: "https://docs.opensearch.org/latest/install-and-configure/additional-plugins/index/",
        before: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "murmur3"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "murmur3"}}}}"#,
        apply: |rule, draft, _versions| {
            let mut found = Vec::new();
            each_field_at(&mut draft.mappings, &mut |at, field| {
                if matches!(
                    type_of(field),
                    "murmur3" | "annotated_text" | "icu_collation_keyword"
                ) {
                    found.push((format!("{}.type", at.path), field.get("type").cloned()));
                }
            });
            for (path, kind) in found {
                draft.note_at(rule, &path, kind.clone(), kind);
            }
        },
        ..WARNED
    },
    Rule {
        code: "MIG163",
        title: "`version` becomes `keyword`",
        source: ES_7,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the target does not know the order of versions: terms are found, ranges and sorting go by letters",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/version.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "version"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "keyword"}}}}"#,
        apply: |rule, draft, _versions| {
            retype(rule, draft, "version", &|_| json!({"type": "keyword"}));
        },
        ..DENIED
    },
    Rule {
        code: "MIG164",
        title: "`counted_keyword` becomes `keyword`",
        source: ES_8,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the target counts a value once in a document, however often it stands there",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/mapping-types.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "counted_keyword"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "keyword"}}}}"#,
        apply: |rule, draft, _versions| {
            retype(rule, draft, "counted_keyword", &|field| {
                kept(field, "keyword", &["index"])
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG165",
        title: "`wildcard` becomes `keyword` on a target that has no such type",
        source: ES_7,
        target: OS_BELOW_2_15,
        proof: Proof::TranslatedOnly,
        why: "OpenSearch has wildcard from 2.15 on; a keyword answers the same searches, slower, for values of up to 8191 characters",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/wildcard/",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "wildcard"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "keyword", "ignore_above": 8191}}}}"#,
        apply: |rule, draft, _versions| {
            retype(rule, draft, "wildcard", &|field| {
                let mut new = kept(field, "keyword", &["null_value", "ignore_above"]);
                if let Value::Object(new) = &mut new {
                    new.entry("ignore_above").or_insert(json!(KEYWORD_MAX));
                }
                new
            });
        },
        ..WARNED
    },
    Rule {
        code: "MIG166",
        title: "`match_only_text` becomes `text` on a target that has no such type",
        source: ES_7,
        target: OS_BELOW_2_12,
        why: "OpenSearch has it from 2.12 on; text answers the same searches and takes more disk",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/match-only-text/",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "match_only_text"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "text", "norms": false}}}}"#,
        apply: |rule, draft, _versions| {
            retype(rule, draft, "match_only_text", &|field| {
                let mut new = kept(field, "text", &["analyzer", "search_analyzer", "meta"]);
                if let Value::Object(new) = &mut new {
                    new.insert("norms".into(), false.into());
                }
                new
            });
        },
        ..ALLOWED
    },
    Rule {
        code: "MIG167",
        title: "`constant_keyword` without a value becomes `keyword`",
        source: ES_7,
        target: OS_2_14,
        proof: Proof::TranslatedOnly,
        why: "the target asks for the value in the mapping; no document of the source has one",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/constant-keyword/",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "constant_keyword"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "keyword"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.change_fields(
                rule,
                &|_, field| type_of(field) == "constant_keyword" && !field.contains_key("value"),
                &|_, field| {
                    field.insert("type".into(), "keyword".into());
                },
            );
        },
        ..ALLOWED
    },
    Rule {
        code: "MIG168",
        title: "`semantic_text` becomes `text`",
        source: ES_8_18,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the text is found by its words; what it means is found when a pipeline and a model of the target have made vectors of it",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/semantic/",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "semantic_text", "inference_id": "e5"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "text"}}}}"#,
        apply: |rule, draft, _versions| {
            retype(rule, draft, "semantic_text", &|field| {
                kept(field, "text", &["meta"])
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG169",
        title: "`sparse_vector` becomes `rank_features`",
        source: ES_8_11,
        target: OPENSEARCH,
        why: "the weights of tokens are kept; searches need `neural_sparse` or `rank_feature`, and tokens with a dot are refused",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/rank/",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "sparse_vector"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "rank_features"}}}}"#,
        apply: |rule, draft, _versions| {
            retype(
                rule,
                draft,
                "sparse_vector",
                &|_| json!({"type": "rank_features"}),
            );
        },
        ..DENIED
    },
];

/// Characters that fit into one term of 32,766 bytes, whatever they are.
const KEYWORD_MAX: u32 = 8191;

/// A definition of another type that keeps some parameters, and what every type may have.
fn kept(field: &Map<String, Value>, kind: &str, names: &[&str]) -> Value {
    let mut new: Map<String, Value> = field
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    new.insert("type".into(), kind.into());
    Value::Object(new)
}

/// Gives the fields of a type another definition; the fields below, copies and notes stay.
pub(super) fn retype(
    rule: &'static Rule,
    draft: &mut Draft,
    kind: &str,
    new: &dyn Fn(&Map<String, Value>) -> Value,
) {
    const OF_EVERY_TYPE: [&str; 3] = ["fields", "copy_to", "meta"];
    draft.change_fields(rule, &|_, field| type_of(field) == kind, &|_, field| {
        let Value::Object(mut new) = new(field) else {
            return;
        };
        for name in OF_EVERY_TYPE {
            if let Some(value) = field.remove(name) {
                new.insert(name.into(), value);
            }
        }
        *field = new;
    });
}

fn dissolve_multi_fields(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let meant = |_: crate::engines::metadata::fields::At<'_>, field: &Map<String, Value>| {
        type_of(field) == "multi_field"
    };
    draft.change_fields(rule, &meant, &|at, field| {
        let own = own_name(at.path).to_owned();
        let Some(Value::Object(mut fields)) = field.remove("fields") else {
            // One that has nothing in it never indexed anything.
            *field = Map::from_iter([
                ("type".to_owned(), json!("keyword")),
                ("index".to_owned(), json!(false)),
            ]);
            return;
        };
        // In a dynamic template the field is called by what stands for its name.
        let main = match fields.remove(&own).or_else(|| fields.remove("{name}")) {
            Some(Value::Object(main)) if type_of(&main) != "multi_field" => main,
            _ => Map::from_iter([
                ("type".to_owned(), json!("keyword")),
                ("index".to_owned(), json!(false)),
            ]),
        };
        *field = main;
        if !fields.is_empty() && at.place != Place::SubField {
            field.insert("fields".into(), Value::Object(fields));
        }
    });
}

/// The name of a field, which may have dots in it, by its path.
fn own_name(path: &str) -> &str {
    let after = |section: &str| path.rfind(section).map(|at| at + section.len());
    let start = after(".properties.").max(after(".fields."));
    start.map_or(path, |start| &path[start..])
}

fn list_contexts(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let meant = |_: crate::engines::metadata::fields::At<'_>, field: &Map<String, Value>| {
        type_of(field) == "completion"
            && ["payloads", "context"]
                .iter()
                .any(|name| field.contains_key(*name))
    };
    draft.change_fields(rule, &meant, &|_, field| {
        field.remove("payloads");
        let Some(Value::Object(contexts)) = field.remove("context") else {
            return;
        };
        let list = contexts
            .into_iter()
            .map(|(name, definition)| {
                let mut context = match definition {
                    Value::Object(definition) => definition,
                    _ => Map::new(),
                };
                // What stands in for a missing one, and which neighbours are asked, is said in searches now.
                context.remove("default");
                context.remove("neighbors");
                context.insert("name".into(), name.into());
                Value::Object(context)
            })
            .collect();
        field.insert("contexts".into(), Value::Array(list));
    });
}
