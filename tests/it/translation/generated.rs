//! Generated mappings of each source's kind: no field is lost without a word, and a translation is final.

use std::collections::BTreeSet;

use mig::base::version::{Product, ProductVersion, Version};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Versions, translate};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Sources with the types that they know.
const SOURCES: [(u16, u16, &[&str]); 5] = [
    (
        1,
        7,
        &[
            "string",
            "long",
            "date",
            "boolean",
            "geo_point",
            "multi_field",
            "attachment",
            "ip",
        ],
    ),
    (
        2,
        4,
        &[
            "string",
            "integer",
            "date",
            "boolean",
            "geo_point",
            "completion",
            "token_count",
            "murmur3",
        ],
    ),
    (
        5,
        6,
        &[
            "text",
            "keyword",
            "date",
            "half_float",
            "geo_shape",
            "ip_range",
            "percolator",
            "binary",
        ],
    ),
    (
        7,
        17,
        &[
            "text",
            "keyword",
            "flattened",
            "date_nanos",
            "wildcard",
            "version",
            "histogram",
            "alias",
        ],
    ),
    (
        8,
        17,
        &[
            "text",
            "dense_vector",
            "sparse_vector",
            "semantic_text",
            "counted_keyword",
            "match_only_text",
            "unsigned_long",
            "rank_vectors",
        ],
    ),
];

/// Parameters with values that some type of some version takes.
fn parameter() -> impl Strategy<Value = (String, Value)> {
    prop::sample::select(vec![
        ("index", json!("not_analyzed")),
        ("index", json!("no")),
        ("index", json!(true)),
        ("index", json!(false)),
        ("norms", json!({"enabled": false})),
        ("store", json!("yes")),
        ("include_in_all", json!(false)),
        ("null_value", json!("none")),
        ("ignore_above", json!(256)),
        ("fielddata", json!({"format": "disabled"})),
        ("fielddata", json!(true)),
        ("doc_values", json!(false)),
        ("precision_step", json!(8)),
        ("format", json!("YYYY-MM-dd||epoch_millis")),
        ("similarity", json!("classic")),
        ("similarity", json!("cosine")),
        ("dims", json!(3)),
        ("element_type", json!("byte")),
        ("index_options", json!({"type": "int8_hnsw", "m": 16})),
        ("index_options", json!("docs")),
        ("lat_lon", json!(true)),
        ("depth_limit", json!(3)),
        ("path", json!("a")),
        ("boost", json!(2.0)),
        ("time_series_dimension", json!(true)),
        ("analyzer", json!("standard")),
        ("copy_to", json!(["b"])),
    ])
    .prop_map(|(name, value)| (name.to_owned(), value))
}

fn leaf(types: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let fields = prop::collection::btree_map("[a-c]", prop::sample::select(types), 0..2);
    (
        prop::sample::select(types),
        prop::collection::vec(parameter(), 0..4),
        fields,
    )
        .prop_map(|(kind, parameters, fields)| {
            let mut field: Map<String, Value> = parameters.into_iter().collect();
            field.insert("type".into(), kind.into());
            if !fields.is_empty() {
                let fields: Map<String, Value> = fields
                    .into_iter()
                    .map(|(name, kind)| (name, json!({"type": kind})))
                    .collect();
                field.insert("fields".into(), Value::Object(fields));
            }
            Value::Object(field)
        })
}

fn properties(types: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let field = leaf(types).prop_recursive(3, 24, 4, |inner| {
        (
            prop::sample::select(vec!["object", "nested"]),
            prop::collection::btree_map("[a-e](\\.[a-b])?", inner, 0..4),
        )
            .prop_map(|(kind, below)| json!({"type": kind, "properties": below}))
    });
    prop::collection::btree_map("[a-e](\\.[a-b])?", field, 0..5)
        .prop_map(|fields| serde_json::to_value(fields).unwrap())
}

fn source() -> impl Strategy<Value = (u16, u16, Value)> {
    prop::sample::select(SOURCES.to_vec()).prop_flat_map(|(major, minor, types)| {
        (properties(types), leaf(types)).prop_map(move |(properties, template)| {
            let mappings = json!({"properties": properties,
                "dynamic_templates": [{"t": {"match": "x_*", "mapping": template}}]});
            (major, minor, mappings)
        })
    })
}

/// The paths of every field: properties and fields below.
fn paths(path: &str, definition: &Value, into: &mut BTreeSet<String>) {
    for section in ["properties", "fields"] {
        if let Some(Value::Object(fields)) = definition.get(section) {
            for (name, field) in fields {
                let path = format!("{path}.{section}.{name}");
                into.insert(path.clone());
                paths(&path, field, into);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_field_is_on_the_target_or_in_an_edit(
        (major, minor, mappings) in source(),
        target in prop::sample::select(vec![(1, 3), (2, 4), (2, 19), (3, 3)]),
    ) {
        let server = |product, (major, minor)| ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        };
        let key = ObjectKey { kind: ObjectKind::Index, name: "generated".to_owned() };
        let versions = Versions {
            source: server(Product::Elasticsearch, (major, minor)),
            target: server(Product::OpenSearch, target),
        };
        let body = json!({"settings": {}, "mappings": mappings});
        let translation = translate(&key, &body, versions, &BTreeSet::new());

        let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
        paths("mappings", &body["mappings"], &mut before);
        paths("mappings", &translation.body["mappings"], &mut after);
        for path in before.difference(&after) {
            let told = translation.edits.iter().any(|edit| {
                path == &edit.path || path.starts_with(&format!("{}.", edit.path))
            });
            prop_assert!(told, "{path} is gone without a word: {:?}", translation.edits);
        }
        for edit in &translation.edits {
            prop_assert!(edit.rule.is_some() && !edit.why.is_empty());
        }

        // From the target to its like there is nothing to do any more.
        let same = Versions { source: versions.target, target: versions.target };
        let again = translate(&key, &translation.body, same, &BTreeSet::new());
        prop_assert_eq!(&again.body, &translation.body, "{:?}", again.edits);
        let text = serde_json::to_string(&translation.body).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), translation.body);
    }
}
