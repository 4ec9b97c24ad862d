//! Types of fields that the target has not got, or has under another name.

use serde_json::{Map, Value, json};

use super::lines::{ES_7, OPENSEARCH, OS_2_7, OS_BELOW_2_7};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{Place, each_field_at, type_of};
use crate::engines::metadata::rule::{
    ALLOWED, BODIES, DENIED, Level, Lines, Proof, Rule, Versions,
};

const FLAT_OBJECT: &str =
    "https://docs.opensearch.org/latest/mappings/supported-field-types/flat-object/";

/// A type and the OpenSearch that has one of the same name, if any has.
struct Unsupported {
    name: &'static str,
    since: Option<(u16, u16)>,
}

const fn missing(name: &'static str) -> Unsupported {
    Unsupported { name, since: None }
}

const fn since(name: &'static str, major: u16, minor: u16) -> Unsupported {
    Unsupported {
        name,
        since: Some((major, minor)),
    }
}

/// Types of Elasticsearch that came with X-Pack or its plugins, and of newer OpenSearch. `rank_feature`, `rank_features`,
/// `search_as_you_type` and `date_nanos` are not among them: OpenSearch has them from its first version on.
const TYPES: [Unsupported; 19] = [
    since("unsigned_long", 2, 8),
    since("constant_keyword", 2, 14),
    since("wildcard", 2, 15),
    since("flat_object", 2, 7),
    since("match_only_text", 2, 12),
    since("semantic", 3, 1),
    missing("histogram"),
    missing("exponential_histogram"),
    missing("sparse_vector"),
    missing("rank_vectors"),
    missing("semantic_text"),
    missing("shape"),
    missing("point"),
    missing("version"),
    missing("aggregate_metric_double"),
    missing("counted_keyword"),
    missing("pattern_text"),
    missing("attachment"),
    missing("dense_vector"),
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG170",
        title: "`flattened` that is not indexed stays so",
        source: ES_7,
        target: OPENSEARCH,
        why: "flat_object is always indexed; an object that is switched off keeps the documents as they are and can't be searched either",
        link: FLAT_OBJECT,
        before: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flattened", "index": false, "doc_values": false}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"labels": {"enabled": false, "type": "object"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.change_fields(
                rule,
                &|_, field| {
                    type_of(field) == "flattened" && field.get("index") == Some(&Value::Bool(false))
                },
                &|_, field| {
                    *field = Map::from_iter([
                        ("type".to_owned(), json!("object")),
                        ("enabled".to_owned(), json!(false)),
                    ]);
                },
            );
        },
        ..ALLOWED
    },
    Rule {
        code: "MIG171",
        title: "parameters of `flattened` that searches notice are lost",
        source: ES_7,
        target: OS_2_7,
        why: "flat_object has no `null_value` and no `ignore_above`, and takes whole values only: other documents may be found",
        link: FLAT_OBJECT,
        before: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flattened", "null_value": "none"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flat_object"}}}}"#,
        apply: |rule, draft, _versions| {
            const NAMES: [&str; 3] = ["null_value", "ignore_above", "split_queries_on_whitespace"];
            draft.change_fields(
                rule,
                &|_, field| {
                    type_of(field) == "flattened"
                        && NAMES.iter().any(|name| field.contains_key(*name))
                },
                &|_, field| *field = Map::from_iter([("type".to_owned(), json!("flat_object"))]),
            );
        },
        ..DENIED
    },
    Rule {
        code: "MIG130",
        title: "`flattened` becomes `flat_object`",
        source: ES_7,
        target: OS_2_7,
        objects: BODIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch calls it flat_object and knows none of its parameters; the documents stay as they are",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/flat-object/",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flattened", "depth_limit": 5}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flat_object"}}}}"#,
        apply: to_flat_object,
    },
    Rule {
        code: "MIG131",
        title: "`flattened` can't be searched on this target",
        source: ES_7,
        target: OS_BELOW_2_7,
        objects: BODIES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch has flat_object from 2.7 on; before, the field is kept in the documents and can't be searched",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/flat-object/",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flattened"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "object", "enabled": false}}}}"#,
        apply: |rule, draft, _versions| disable(rule, draft, &|kind| kind == "flattened"),
    },
    Rule {
        code: "MIG132",
        title: "a type of field that the target has not got can't be searched",
        source: Lines::ANY,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Deny,
        lossy: true,
        why: "the target has no such type: the field is kept in the documents and can't be searched",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/index/",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"properties": {"load": {"type": "histogram"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"load": {"type": "object", "enabled": false}}}}"#,
        apply: disable_unsupported,
    },
    Rule {
        code: "MIG133",
        title: "fields that are computed when searching are not carried over",
        source: Lines::ANY,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch has no runtime fields, and derived fields from 2.15 on: searches and dashboards that use them will not find them",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/derived/",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"runtime": {"day": {"type": "keyword"}}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_runtime,
    },
];

fn disable_unsupported(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    let (major, minor, _) = versions.target.version.floor();
    disable(rule, draft, &|kind| {
        TYPES.iter().any(|known| {
            known.name == kind && known.since.is_none_or(|since| (major, minor) < since)
        })
    });
}

/// The field stays in `_source`, whatever shape it has, and is not indexed; a sub-field is taken away, since nothing else
/// holds its values.
fn disable(rule: &'static Rule, draft: &mut Draft, meant: &dyn Fn(&str) -> bool) {
    let mut changes = Vec::new();
    each_field_at(&mut draft.mappings, &mut |at, field| {
        if let Some(Value::Object(fields)) = field.get_mut("fields") {
            let names: Vec<String> = fields
                .iter()
                .filter(|(_, field)| field.as_object().is_some_and(|field| meant(type_of(field))))
                .map(|(name, _)| name.clone())
                .collect();
            for name in names {
                let removed = fields.remove(&name);
                changes.push((format!("{}.fields.{name}", at.path), removed, None));
            }
            if fields.is_empty() {
                field.remove("fields");
            }
        }
        if at.place != Place::SubField && meant(type_of(field)) {
            let new = Map::from_iter([
                ("type".to_owned(), json!("object")),
                ("enabled".to_owned(), json!(false)),
            ]);
            let old = std::mem::replace(field, new);
            let after = Some(Value::Object(field.clone()));
            changes.push((at.path.to_owned(), Some(Value::Object(old)), after));
        }
    });
    for (path, before, after) in changes {
        draft.note_at(rule, &path, before, after);
    }
}

/// Sub-fields of an object's kind don't exist: they are taken away by another rule.
fn to_flat_object(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.change_fields(
        rule,
        &|_, field| type_of(field) == "flattened",
        &|_, field| *field = Map::from_iter([("type".to_owned(), json!("flat_object"))]),
    );
}

fn drop_runtime(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    let (major, minor, _) = versions.target.version.floor();
    draft.drop_at_root(rule, &|name, _| {
        name == "runtime" || (name == "derived" && (major, minor) < (2, 15))
    });
}
