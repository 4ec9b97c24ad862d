//! Settings that a mapping needs on the target.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{At, each_field_at, is_object, type_of};
use crate::engines::metadata::rule::{ALLOWED, Lines, Proof, Rule, Versions, WARNED};
use crate::engines::metadata::rules::lines::{ES_BELOW_5, OS_ES_5};
use crate::engines::metadata::rules::{object_fields::name_of, truth};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG195",
    title: "limits of a mapping are raised to what it holds",
    source: Lines::ANY,
    target: OS_ES_5,
    why: "from Elasticsearch 5 on a mapping has at most 1,000 fields, 50 nested ones and 20 levels, unless a setting says more",
    link: "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/breaking_50_mapping_changes.html",
    before: r#"{"settings": {}, "mappings": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"type": "long"}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"#,
    after: r#"{"settings": {"index.mapping.depth.limit": "21"}, "mappings": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"properties": {"a": {"type": "long"}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"#,
    apply: raise,
    ..ALLOWED
}];

/// Limits that hold where no setting says more, and how many fields may come while loading.
const FIELDS: u64 = 1000;
const NESTED: u64 = 50;
const DEPTH: u64 = 20;

/// The order of an index, which its mapping has to know: dropped where a field is not sorted by any more.
pub(in super::super) const ORDER: &[Rule] = &[Rule {
    objects: &[ObjectKind::Index],
    code: "MIG199",
    title: "an index is not sorted by a field that has no values to sort by",
    source: Lines::ANY,
    target: Lines::ANY,
    proof: Proof::TranslatedOnly,
    why: "the field has another type on the target: documents are all there, searches that sort by it take longer or fail",
    link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
    before: r#"{"settings": {"index.sort.field": ["gone"], "index.sort.order": ["desc"]}, "mappings": {"properties": {"a": {"type": "long"}}}}"#,
    after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "long"}}}}"#,
    apply: drop_order,
    ..WARNED
}];

/// How many fields, nested ones and levels a mapping has.
#[derive(Default)]
struct Counted {
    fields: u64,
    nested: u64,
    depth: u64,
}

fn count(mappings: &mut Value) -> Counted {
    let mut counted = Counted {
        depth: 1,
        ..Counted::default()
    };
    // The objects on the way to the field at hand, by the lengths of their paths.
    let mut way: Vec<(usize, u64)> = Vec::new();
    let mut last = String::new();
    each_field_at(
        mappings,
        &mut |at: At<'_>, field: &mut Map<String, Value>| {
            if at.path.starts_with("mappings.dynamic_templates.") {
                return;
            }
            let shared = at
                .path
                .bytes()
                .zip(last.bytes())
                .take_while(|(one, other)| one == other)
                .count();
            way.retain(|(length, _)| {
                *length <= shared && at.path.as_bytes().get(*length) == Some(&b'.')
            });
            let level = way.last().map_or(1, |(_, level)| *level) + u64::from(is_object(field));
            way.push((at.path.len(), level));
            last.clear();
            last.push_str(at.path);
            counted.fields += 1;
            counted.nested += u64::from(type_of(field) == "nested");
            counted.depth = counted.depth.max(level);
        },
    );
    counted
}

fn raise(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    let counted = count(&mut draft.mappings);
    // Sources without limits went on growing.
    let room = if ES_BELOW_5.hold(versions.source) {
        FIELDS
    } else {
        0
    };
    for (key, default, has, room) in [
        (
            "index.mapping.total_fields.limit",
            FIELDS,
            counted.fields,
            room,
        ),
        (
            "index.mapping.nested_fields.limit",
            NESTED,
            counted.nested,
            0,
        ),
        ("index.mapping.depth.limit", DEPTH, counted.depth, 0),
    ] {
        let limit = draft
            .setting(key)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(default);
        if has > limit {
            draft.set_setting(rule, key, (has + room).to_string().into());
        }
    }
}

/// A setting as a list, whichever way it was written.
fn listed(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(names)) => names
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// What has values in a column by which an index may be sorted.
const SORTABLE: [&str; 13] = [
    "boolean",
    "byte",
    "short",
    "integer",
    "long",
    "float",
    "half_float",
    "double",
    "scaled_float",
    "unsigned_long",
    "date",
    "date_nanos",
    "keyword",
];

fn drop_order(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let names = listed(draft.settings.get("index.sort.field"));
    if names.is_empty() {
        return;
    }
    let mut sortable = BTreeSet::new();
    each_field_at(&mut draft.mappings, &mut |at, field| {
        let has_column = field.get("doc_values").is_none_or(truth::is_true);
        if has_column
            && (SORTABLE.contains(&type_of(field)) || type_of(field) == "ip")
            && let Some(name) = name_of(at.path)
        {
            sortable.insert(name);
        }
    });
    // A template need not hold the whole mapping.
    if draft.kind != ObjectKind::Index || names.iter().all(|name| sortable.contains(name)) {
        return;
    }
    draft.drop_settings(rule, &["index.sort.*"]);
}
