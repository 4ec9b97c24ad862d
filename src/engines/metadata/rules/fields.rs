//! Types of fields that the target has not got, or has under another name.

use serde_json::{Map, Value, json};

use super::{ELASTICSEARCH, OPENSEARCH};
use crate::base::version::Product;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::fields::{each_field, type_of};
use crate::engines::metadata::rule::{BODIES, Level, Line, Lines, Proof, Rule, Versions};

/// A type of Elasticsearch and the OpenSearch that has one of the same name, if any has.
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

/// Types of Elasticsearch 7 that came with X-Pack. `rank_feature`, `rank_features`, `search_as_you_type` and
/// `date_nanos` are not among them: OpenSearch has them from its first version on.
const TYPES: [Unsupported; 9] = [
    since("unsigned_long", 2, 8),
    since("constant_keyword", 2, 14),
    since("wildcard", 2, 15),
    missing("histogram"),
    missing("sparse_vector"),
    missing("shape"),
    missing("point"),
    missing("version"),
    missing("aggregate_metric_double"),
];

const WITH_FLAT_OBJECT: Lines = Lines(&[Line {
    product: Product::OpenSearch,
    since: (2, 7),
    before: None,
}]);

const WITHOUT_FLAT_OBJECT: Lines = Lines(&[Line {
    product: Product::OpenSearch,
    since: (0, 0),
    before: Some((2, 7)),
}]);

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG130",
        title: "`flattened` becomes `flat_object`",
        source: ELASTICSEARCH,
        target: WITH_FLAT_OBJECT,
        objects: BODIES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch calls it flat_object and knows none of its parameters; the documents stay as they are",
        link: "",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flattened", "depth_limit": 5}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flat_object"}}}}"#,
        apply: to_flat_object,
    },
    Rule {
        code: "MIG131",
        title: "`flattened` can't be searched on this target",
        source: ELASTICSEARCH,
        target: WITHOUT_FLAT_OBJECT,
        objects: BODIES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch has flat_object from 2.7 on; before, the field is kept in the documents and can't be searched",
        link: "",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "flattened"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "object", "enabled": false}}}}"#,
        apply: |rule, draft, _versions| disable(rule, draft, &|kind| kind == "flattened"),
    },
    Rule {
        code: "MIG132",
        title: "a type of field that the target has not got can't be searched",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Deny,
        lossy: true,
        why: "the target has no such type: the field is kept in the documents and can't be searched",
        link: "",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {"load": {"type": "histogram"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"load": {"type": "object", "enabled": false}}}}"#,
        apply: disable_unsupported,
    },
    Rule {
        code: "MIG133",
        title: "runtime fields are not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: BODIES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch has no runtime fields: searches and dashboards that use them will not find them",
        link: "",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"runtime": {"day": {"type": "keyword"}}}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_runtime,
    },
];

fn to_flat_object(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    replace_fields(
        rule,
        draft,
        &|kind| kind == "flattened",
        &|_field| json!({"type": "flat_object"}),
    );
}

fn disable_unsupported(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    let (major, minor, _) = versions.target.version.floor();
    disable(rule, draft, &|kind| {
        TYPES.iter().any(|known| {
            known.name == kind && known.since.is_none_or(|since| (major, minor) < since)
        })
    });
}

/// The field stays in `_source`, whatever shape it has, and is not indexed.
fn disable(rule: &'static Rule, draft: &mut Draft, meant: &dyn Fn(&str) -> bool) {
    replace_fields(
        rule,
        draft,
        meant,
        &|_field| json!({"type": "object", "enabled": false}),
    );
}

/// Replaces the whole definition of the fields of some types.
pub(super) fn replace_fields(
    rule: &'static Rule,
    draft: &mut Draft,
    meant: &dyn Fn(&str) -> bool,
    replacement: &dyn Fn(&Map<String, Value>) -> Value,
) {
    let mut changes = Vec::new();
    each_field(&mut draft.mappings, &mut |path, field| {
        if !meant(type_of(field)) {
            return;
        }
        if let Value::Object(new) = replacement(field) {
            let old = std::mem::replace(field, new);
            changes.push((path.to_owned(), old, field.clone()));
        }
    });
    for (path, before, after) in changes {
        let change = Change {
            path: &path,
            before: Some(Value::Object(before)),
            after: Some(Value::Object(after)),
        };
        draft.note(rule, change);
    }
}

fn drop_runtime(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let runtime = match &mut draft.mappings {
        Value::Object(root) => root.remove("runtime"),
        _ => None,
    };
    if let Some(runtime) = runtime {
        let change = Change {
            path: "mappings.runtime",
            before: Some(runtime),
            after: None,
        };
        draft.note(rule, change);
    }
}
