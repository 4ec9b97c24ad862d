//! Mapping types.

use serde_json::{Value, json};

use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{BODIES, Level, Lines, Proof, Rule, Versions};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG103",
    title: "the level of the mapping type is removed",
    source: Lines::ANY,
    target: Lines::ANY,
    objects: BODIES,
    level: Level::Allow,
    lossy: false,
    why: "mapping types are gone: the mapping stands directly under `mappings`",
    link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/removal-of-types.html",
    proof: Proof::Target,
    before: r#"{"settings": {}, "mappings": {"_doc": {"properties": {"title": {"type": "text"}}}}}"#,
    after: r#"{"settings": {}, "mappings": {"properties": {"title": {"type": "text"}}}}"#,
    apply: remove_type,
}];

/// Names that a mapping has at its root; anything else is the name of a type.
const ROOT_NAMES: [&str; 20] = [
    "properties",
    "dynamic",
    "dynamic_templates",
    "dynamic_date_formats",
    "date_detection",
    "numeric_detection",
    "enabled",
    "runtime",
    "derived",
    "_meta",
    "_source",
    "_routing",
    "_data_stream_timestamp",
    "_field_names",
    "subobjects",
    "include_in_all",
    "analyzer",
    "index_analyzer",
    "search_analyzer",
    "transform",
];

fn remove_type(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Value::Object(root) = &draft.mappings else {
        return;
    };
    if root.len() != 1 {
        return;
    }
    let Some((name, inner)) = root.iter().next() else {
        return;
    };
    // Names that begin so are the servers' own, but for the one that stands for no type.
    let is_type = !ROOT_NAMES.contains(&name.as_str())
        && (!name.starts_with('_') || name == "_doc")
        && inner.as_object().is_some_and(|inner| {
            inner
                .keys()
                .all(|key| ROOT_NAMES.contains(&key.as_str()) || key.starts_with('_'))
        });
    if !is_type {
        return;
    }
    let (name, inner) = (name.clone(), inner.clone());
    draft.mappings = inner;
    let change = Change {
        path: "mappings",
        before: Some(json!({ name: "…" })),
        after: None,
    };
    draft.note(rule, change);
}
