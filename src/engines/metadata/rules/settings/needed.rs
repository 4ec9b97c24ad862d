//! Settings that a mapping needs on the target.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{each_field_at, is_object, type_of};
use crate::engines::metadata::rule::{ALLOWED, Lines, Proof, Rule, Versions, WARNED};
use crate::engines::metadata::rules::lines::{ES_BELOW_5, OS_ES_5};
use crate::engines::metadata::rules::{object_fields::name_of, truth};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG195",
    title: "limits of a mapping are raised to what it holds",
    source: Lines::ANY,
    target: OS_ES_5,
    why: "a mapping has at most 1,000 fields (objects, sub-fields and what some types keep beside them count too), 50 nested ones and 20 levels, unless a setting says more; what is translated may count for more than at the source",
    link: "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/breaking_50_mapping_changes.html",
    before: r#"{"settings": {"index.mapping.total_fields.limit": "2"}, "mappings": {"properties": {"cpu.load": {"type": "long"}, "n": {"type": "long"}}}}"#,
    after: r#"{"settings": {"index.mapping.total_fields.limit": "3"}, "mappings": {"properties": {"cpu.load": {"type": "long"}, "n": {"type": "long"}}}}"#,
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

/// As servers count: every field and every way to index one, objects that dots in a name make, and what some types keep
/// beside them. (Measured on OpenSearch 3.3.)
fn count(mappings: &Value) -> Counted {
    let mut counted = Counted {
        depth: 1,
        ..Counted::default()
    };
    for computed in ["derived", "runtime"] {
        let fields = mappings.get(computed).and_then(Value::as_object);
        counted.fields += fields.map_or(0, |fields| fields.len() as u64);
    }
    // Paths of objects: two names with dots, or an object and such a name, may mean the same.
    let mut objects: HashSet<String> = HashSet::new();
    let mut waiting: Vec<(String, u64, &Map<String, Value>)> = Vec::new();
    if let Some(Value::Object(fields)) = mappings.get("properties") {
        waiting.push((String::new(), 0, fields));
    }
    while let Some((above, level, fields)) = waiting.pop() {
        for (name, field) in fields {
            let Value::Object(field) = field else {
                continue;
            };
            let path = format!("{above}{name}");
            let mut level = level;
            for (dot, _) in name.match_indices('.') {
                level += 1;
                counted.object(&mut objects, &path[..above.len() + dot], level);
            }
            if !is_object(field) {
                counted.fields += field_with_company(field);
                continue;
            }
            level += 1;
            counted.object(&mut objects, &path, level);
            counted.nested += u64::from(type_of(field) == "nested");
            if let Some(Value::Object(fields)) = field.get("properties") {
                waiting.push((format!("{path}."), level, fields));
            }
        }
    }
    counted
}

impl Counted {
    /// An object so many objects deep; the root is a level of its own.
    fn object(&mut self, known: &mut HashSet<String>, path: &str, level: u64) {
        self.depth = self.depth.max(level + 1);
        if !known.contains(path) {
            known.insert(path.to_owned());
            self.fields += 1;
        }
    }
}

/// A field, its sub-fields, and what its type keeps in fields of its own.
fn field_with_company(field: &Map<String, Value>) -> u64 {
    let mut count = 1;
    if let Some(Value::Object(others)) = field.get("fields") {
        let others = others.values().filter_map(Value::as_object);
        count += others.map(|other| 1 + company(other)).sum::<u64>();
    }
    count + company(field)
}

/// What a field's type keeps beside it: prefixes, phrases, shingles, the parents of a join, the parts of a stored query.
fn company(field: &Map<String, Value>) -> u64 {
    /// Up to how many words a shingle of `search_as_you_type` has where nothing is said.
    const SHINGLE: u64 = 3;
    /// Fields that a stored query is taken apart into.
    const OF_QUERY: u64 = 5;
    let set = |name: &str| {
        field
            .get(name)
            .is_some_and(|it| it.is_object() || truth::is_true(it))
    };
    match type_of(field) {
        "text" => u64::from(set("index_prefixes")) + u64::from(set("index_phrases")),
        "search_as_you_type" => {
            let longest = field.get("max_shingle_size").and_then(Value::as_u64);
            // One for each length from two on, and one for prefixes.
            longest.unwrap_or(SHINGLE).clamp(2, 4)
        }
        "join" => {
            let parents = field.get("relations").and_then(Value::as_object);
            1 + parents.map_or(0, |parents| parents.len() as u64)
        }
        "percolator" => OF_QUERY,
        _ => 0,
    }
}

fn raise(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    let counted = count(&draft.mappings);
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
