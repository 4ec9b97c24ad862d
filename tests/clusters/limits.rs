//! What a target would refuse half way is found by `mig plan`: limits as servers count them, names and templates of others.

use mig::base::version::{Product, ProductVersion, Version};
use mig::clients::cluster::Request;
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Versions, translate};
use serde_json::{Map, Value, json};

use super::place::Place;
use super::support::{Options, Scope, Server, elasticsearch, opensearch2, opensearch3};

const LIMITS: [&str; 3] = [
    "index.mapping.total_fields.limit",
    "index.mapping.nested_fields.limit",
    "index.mapping.depth.limit",
];

/// Mappings, and whether their types come with modules.
fn shapes() -> Vec<(Value, bool)> {
    [
        (json!({"a": {"type": "long"}, "b": {"type": "text", "fields": {"k": {"type": "keyword"}, "l": {"type": "text"}}}}), false),
        (json!({"a": {"properties": {"b": {"properties": {"c": {"type": "long"}}}}}}), false),
        (json!({"a.b.c": {"type": "long"}, "a.b.d": {"type": "long"}, "a": {"properties": {"b": {"properties": {"e": {"type": "long"}}}}}}), false),
        (json!({"a.b": {"properties": {"c.d.e": {"type": "long"}}}}), false),
        (json!({"a": {"type": "text", "index_prefixes": {}, "index_phrases": true, "fields": {"p": {"type": "text", "index_phrases": true}}}}), false),
        (json!({"a": {"type": "text"}, "b": {"type": "alias", "path": "a"}}), false),
        (json!({"a": {"type": "nested", "properties": {"b": {"type": "nested", "properties": {"c": {"type": "long"}}}}}}), false),
        (json!({"a": {"type": "completion"}, "b": {"type": "geo_point"}, "c": {"type": "ip_range"}}), false),
        (json!({"a": {"type": "search_as_you_type"}, "b": {"type": "search_as_you_type", "max_shingle_size": 2}, "c": {"type": "search_as_you_type", "max_shingle_size": 4}}), true),
        (json!({"j": {"type": "join", "relations": {"p": ["c", "d"], "c": "e"}}}), true),
    ]
    .into()
}

/// What the limits of a mapping are raised to when they are as low as can be.
fn raised(properties: &Value) -> Map<String, Value> {
    let server = |product, major, minor| ProductVersion {
        product,
        version: Version::new(major, minor, 0),
    };
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: "counted".into(),
    };
    let versions = Versions {
        source: server(Product::Elasticsearch, 7, 10),
        target: server(Product::OpenSearch, 3, 3),
    };
    let lowest: Map<String, Value> = LIMITS
        .map(|it| (it.to_owned(), json!("0")))
        .into_iter()
        .collect();
    let body = json!({"settings": lowest, "mappings": {"properties": properties}});
    let translated = translate(&key, &body, versions, &std::collections::BTreeSet::new());
    let settings = translated.body["settings"].as_object().unwrap().clone();
    settings
        .into_iter()
        .filter(|(name, _)| LIMITS.contains(&name.as_str()))
        .collect()
}

/// Each shape is taken with the limits that it is given, and refused with any of them one lower.
fn count_on(server: &Server, scope: &Scope<'_>, with_modules: bool) {
    let shapes = shapes();
    for (properties, _) in shapes.iter().filter(|(_, needs)| with_modules || !needs) {
        let limits = raised(properties);
        let make = |settings: &Map<String, Value>| {
            let body = json!({"settings": settings, "mappings": {"properties": properties}});
            let path = format!("/{}", scope.name("counted"));
            let made = server.client().json(Request::put(path.clone()).json(&body));
            if made.is_ok() {
                server.delete(&path);
            }
            made.map_err(|error| error.to_string())
        };
        make(&limits).unwrap_or_else(|error| panic!("{properties} {limits:?}: {error}"));
        for name in LIMITS {
            let limit: u64 = limits[name].as_str().unwrap().parse().unwrap();
            // Servers take no limit of nothing for nested fields' sake: it stays as low as it was.
            let Some(lower) = limit.checked_sub(1).filter(|it| *it > 0) else {
                continue;
            };
            let mut less = limits.clone();
            less.insert(name.to_owned(), json!(lower.to_string()));
            let refused = make(&less).expect_err(&format!("{properties} {less:?} was taken"));
            assert!(refused.contains("imit of"), "{properties}: {refused}");
        }
    }
}

#[test]
fn fields_nested_ones_and_levels_are_counted_as_servers_count_them() {
    let modules = Options {
        with_modules: true,
        ..Options::default()
    };
    let own = Server::start("opensearch:3.3.0", &modules);
    count_on(&own, &Scope::on(&[&own], "counted"), true);
    for server in [elasticsearch(), opensearch2()] {
        count_on(server, &Scope::on(&[server], "counted"), false);
    }
}

/// A plan that moves all of a scope from the shared Elasticsearch.
fn place(scope: &Scope<'_>, target: &Server, version: &str) -> Place {
    Place::of_plan(&super::whole::plan(
        scope,
        elasticsearch(),
        (target, version),
        "",
    ))
}

/// A field below so many objects. Not by a macro: that would be as deep as its value.
fn deep(objects: usize) -> Value {
    let mut properties = json!({"v": {"type": "long"}});
    for _ in 0..objects {
        let object = Map::from_iter([("properties".to_owned(), properties)]);
        properties = Value::Object(Map::from_iter([("a".to_owned(), Value::Object(object))]));
    }
    properties
}

#[test]
fn a_mapping_that_is_too_deep_is_one_finding_and_no_end_of_the_plan() {
    let (source, target) = (elasticsearch(), opensearch2());
    let scope = Scope::on(&[source, target], "deep");
    for (index, objects) in [("deep", 130), ("nearly", 50)] {
        let body = json!({
            "settings": {"index.mapping.depth.limit": 200, "number_of_replicas": 0},
            "mappings": {"properties": deep(objects)},
        });
        source.put(&format!("/{}", scope.name(index)), &body);
    }
    source.put(
        &format!("/{}", scope.name("flat")),
        &json!({"settings": {"number_of_replicas": 0}}),
    );
    let place = place(&scope, target, "2.19");
    let finds = |place: &Place| {
        place
            .mig(&["plan"])
            .ends_with(4)
            .says("MIG343")
            .says("nested deeper than mig reads");
    };
    // While there is no snapshot, the cluster itself is looked at.
    finds(&place);
    place.mig(&["apply", "--auto-approve", "--until", "base"]);
    finds(&place);
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let without = plan.replace(
        &format!("indices: [\"{}-*\"]\n        templates", scope.prefix()),
        &format!(
            "indices: [\"{0}-*\", \"!{1}\"]\n        templates",
            scope.prefix(),
            scope.name("deep")
        ),
    );
    let without = without.replace(
        "workers: 2",
        &format!("workers: 2, indices: [\"*\", \"!{}\"]", scope.name("deep")),
    );
    let without = without.replace(
        "content: full",
        &format!(
            "content: full, indices: [\"*\", \"!{}\"]",
            scope.name("deep")
        ),
    );
    std::fs::write(place.path("plan.yaml"), without).unwrap();
    place.apply().ends_with(0);
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
}

#[test]
fn names_and_templates_of_others_are_found_before_anything_is_written() {
    for (target, version) in [(opensearch2(), "2.19"), (opensearch3(), "3.3")] {
        let source = elasticsearch();
        let scope = Scope::on(&[source, target], "others");
        let name = |name: &str| scope.name(name);
        let small = json!({"settings": {"number_of_replicas": 0}});
        for index in ["streamed", "aliased", "fine"] {
            source.put(&format!("/{}", name(index)), &small);
        }
        source.post(
            "/_aliases",
            &json!({"actions": [{"add": {"index": name("fine"), "alias": name("taken")}}]}),
        );
        let template = |pattern: &str| json!({"index_patterns": [name(pattern)], "priority": 411});
        source.put(
            &format!("/_index_template/{}", name("left")),
            &template("logs-*"),
        );
        source.put(
            &format!("/_template/{}", name("gives")),
            &json!({"index_patterns": [name("given-*")], "aliases": {name("fine"): {}}}),
        );
        // What is there: a stream, an alias, an index, and a template over the same names.
        target.put(
            &format!("/_index_template/{}", name("of-stream")),
            &json!({"index_patterns": [name("streamed")], "priority": 412, "data_stream": {}}),
        );
        target.put(&format!("/_data_stream/{}", name("streamed")), &json!({}));
        target.put(
            &format!("/{}", name("other")),
            &json!({"aliases": {name("aliased"): {}}}),
        );
        target.put(&format!("/{}", name("taken")), &json!({}));
        target.put(
            &format!("/_index_template/{}", name("right")),
            &template("*-app"),
        );

        let place = place(&scope, target, version);
        let ran = place.mig(&["plan", "--format", "json"]).ends_with(4);
        let plan: Value = serde_json::from_str(&ran.out).unwrap();
        let changes = plan["phase_changes"].as_array().unwrap();
        let metadata = changes
            .iter()
            .find(|it| it["address"] == "mappings")
            .unwrap();
        let items = metadata["decided"]["items"].as_array().unwrap();
        let mut found: Vec<(String, String)> = items
            .iter()
            .filter_map(|item| {
                let code = item["decision"]["code"].as_str()?.to_owned();
                Some((
                    code,
                    format!("{} {}", item["object"].as_str()?, item["name"].as_str()?),
                ))
            })
            .collect();
        found.sort();
        let expected = [
            ("MIG340", format!("alias {}", name("taken"))),
            ("MIG340", format!("index {}", name("aliased"))),
            ("MIG340", format!("index {}", name("streamed"))),
            ("MIG340", format!("legacy template {}", name("gives"))),
            ("MIG341", format!("index template {}", name("left"))),
        ]
        .map(|(code, what)| (code.to_owned(), what));
        assert_eq!(found, expected, "{}", ran.out);
        let head = format!("/{}", name("fine"));
        assert!(
            target.client().found(Request::get(head)).unwrap().is_none(),
            "planning makes nothing"
        );
        target.delete(&format!("/_data_stream/{}", name("streamed")));
    }
}
