//! Mappings of sizes and shapes that nobody means well with.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mig::base::version::{Product, ProductVersion, Version};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Translation, Versions, translate};
use serde_json::{Map, Value, json};

const PRODUCTS: [(Product, u16, u16); 4] = [
    (Product::Elasticsearch, 1, 7),
    (Product::Elasticsearch, 5, 6),
    (Product::Elasticsearch, 7, 17),
    (Product::Elasticsearch, 8, 17),
];

fn from(source: (Product, u16, u16), mappings: Value) -> Translation {
    let server = |(product, major, minor)| ProductVersion {
        product,
        version: Version::new(major, minor, 0),
    };
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: "hostile".to_owned(),
    };
    let versions = Versions {
        source: server(source),
        target: server((Product::OpenSearch, 3, 3)),
    };
    let body = Value::Object(Map::from_iter([("mappings".to_owned(), mappings)]));
    translate(&key, &body, versions, &BTreeSet::new())
}

/// What one translation of fifty thousand fields may take: many times what it does, and far below what a square would.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn fifty_thousand_fields_take_time_by_their_number() {
    let wide = |count: usize| {
        let fields: Map<String, Value> = (0..count)
            .map(|number| {
                (
                    format!("f{number}"),
                    json!({"type": "string", "index": "not_analyzed"}),
                )
            })
            .collect();
        json!({"properties": fields})
    };
    let begin = Instant::now();
    let translation = from(PRODUCTS[0], wide(50_000));
    let took = begin.elapsed();
    assert!(took < PATIENCE, "{took:?}");
    assert_eq!(
        translation.body["mappings"]["properties"]["f49999"],
        json!({"type": "keyword"})
    );
    assert_eq!(
        translation.body["settings"]["index.mapping.total_fields.limit"],
        "51000"
    );
}

#[test]
fn a_thousand_levels_are_walked_without_a_thousand_frames() {
    // A stack that would not hold a frame of the walk for each level; values are built without being written and read.
    let walk = std::thread::Builder::new().stack_size(8 << 20).spawn(|| {
        let below = |name: &str, value: Value| {
            let fields = Map::from_iter([(name.to_owned(), value)]);
            Value::Object(Map::from_iter([(
                "properties".to_owned(),
                Value::Object(fields),
            )]))
        };
        let mut deep = json!({"type": "string"});
        for _ in 0..1000 {
            deep = below("a", deep);
        }
        let translation = from(PRODUCTS[0], below("d", deep));
        let limit = translation.body["settings"]["index.mapping.depth.limit"].clone();
        let edits = translation.edits.len();
        (limit, edits)
    });
    let (limit, edits) = walk.unwrap().join().unwrap();
    assert_eq!(limit, "1001");
    assert!(edits >= 2);
}

#[test]
fn aliases_that_go_round_are_dropped_with_a_finding() {
    let translation = from(
        PRODUCTS[2],
        json!({"properties": {"a": {"type": "alias", "path": "b"}, "b": {"type": "alias", "path": "a"},
            "c": {"type": "alias", "path": "c"}, "d": {"type": "alias"}, "e": {"type": "alias", "path": "x"},
            "x": {"type": "long"}}}),
    );
    assert_eq!(
        translation.body["mappings"]["properties"],
        json!({"e": {"type": "alias", "path": "x"}, "x": {"type": "long"}})
    );
    let dropped = translation
        .edits
        .iter()
        .filter(|edit| edit.rule.as_deref() == Some("MIG145"));
    assert_eq!(dropped.count(), 4);
}

#[test]
fn dynamic_templates_that_name_themselves_or_nothing_end() {
    let template = json!({"t": {"match": "t", "match_mapping_type": "object",
        "mapping": {"type": "object", "properties": {"t": {"type": "{dynamic_type}", "fields": {"t": {"type": "{name}"}}}}}}});
    for source in PRODUCTS {
        let translation = from(
            source,
            json!({"dynamic_templates": [template, template, {}, 7, {"a": 1, "b": 2}, {"n": null}]}),
        );
        assert!(translation.body["mappings"]["dynamic_templates"].is_array());
    }
}

/// Anything that is JSON where something else should stand: no panic, and the body stays JSON.
#[test]
fn odd_values_anywhere_are_left_as_they_are() {
    let odd = [
        json!(null),
        json!(7),
        json!("x"),
        json!([]),
        json!({}),
        json!([{"type": {}}]),
    ];
    for source in PRODUCTS {
        for value in &odd {
            for mappings in [
                value.clone(),
                json!({"properties": value}),
                json!({"properties": {"a": value}}),
                json!({"properties": {"a": {"type": value}}}),
                json!({"properties": {"a": {"type": "string", "index": value, "norms": value, "fields": value}}}),
                json!({"properties": {"a": {"type": "dense_vector", "dims": value, "index_options": value, "index": true}}}),
                json!({"properties": {"a": {"type": "date", "format": value}}}),
                json!({"dynamic_templates": value, "_all": value, "_source": value, "_routing": value}),
            ] {
                let translation = from(source, mappings);
                assert!(translation.body.is_object());
            }
        }
    }
}
