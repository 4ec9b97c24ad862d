//! Rules over several versions at once: one step from the oldest to the newest comes to what a way over servers in between
//! comes to. Where it doesn't, the difference stands here with its reason.

use std::collections::BTreeSet;

use mig::base::version::{Product, ProductVersion, Version};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Versions, rules, translate};
use serde_json::{Value, json};

const fn server(product: Product, major: u16, minor: u16) -> ProductVersion {
    ProductVersion {
        product,
        version: Version::new(major, minor, 0),
    }
}

const ES56: ProductVersion = server(Product::Elasticsearch, 5, 6);
const ES68: ProductVersion = server(Product::Elasticsearch, 6, 8);
const ES710: ProductVersion = server(Product::Elasticsearch, 7, 10);
const ES717: ProductVersion = server(Product::Elasticsearch, 7, 17);
const OS219: ProductVersion = server(Product::OpenSearch, 2, 19);
const OS33: ProductVersion = server(Product::OpenSearch, 3, 3);

/// Ways that are taken, first and last in one step beside step by step.
const WAYS: &[&[ProductVersion]] = &[
    &[ES56, ES710, OS33],
    &[ES56, ES68, OS33],
    &[ES68, ES717, OS33],
    &[ES710, OS219, OS33],
    &[ES56, ES710, OS219, OS33],
];

/// Rules whose result differs by way, and why. A rule of one step that a server in between makes needless is none.
const DIFFERS: &[(&str, &str)] = &[];

fn step(kind: ObjectKind, body: &Value, source: ProductVersion, target: ProductVersion) -> Value {
    let key = ObjectKey {
        kind,
        name: "x".into(),
    };
    let versions = Versions { source, target };
    translate(&key, body, versions, &BTreeSet::new()).body
}

/// What was held back is in force before the next server reads it.
fn settled(mut body: Value) -> Value {
    let held = body.as_object_mut().and_then(|it| it.remove("held_back"));
    if let Some(Value::Object(held)) =
        held.and_then(|mut it| it.get_mut("settings").map(Value::take))
        && let Some(settings) = body.get_mut("settings").and_then(Value::as_object_mut)
    {
        settings.extend(held);
    }
    body
}

fn way(kind: ObjectKind, body: &Value, servers: &[ProductVersion]) -> Value {
    let mut body = body.clone();
    for pair in servers.windows(2) {
        body = settled(step(kind, &body, pair[0], pair[1]));
    }
    body
}

#[test]
fn one_step_comes_to_what_a_way_comes_to() {
    let mut compared = 0;
    let mut differs = Vec::new();
    let whole = json!({
        "settings": {"index.number_of_shards": "2", "index.uuid": "u", "index.version.created": "5061699",
            "index.blocks.write": "true", "index.soft_deletes.enabled": "true", "index.refresh_interval": "7s"},
        "mappings": {"doc": {"dynamic": "strict", "properties": {
            "title": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 256}}},
            "at": {"type": "date"}, "lines": {"type": "nested", "properties": {"n": {"type": "long"}}}}}},
        "routing_num_shards": 2,
    });
    let examples = rules()
        .iter()
        .map(|rule| (rule.code, rule.objects[0], rule.before))
        .map(|(code, kind, before)| (code, kind, serde_json::from_str(before).unwrap()));
    let all: Vec<(&str, ObjectKind, Value)> = examples
        .chain([("whole", ObjectKind::Index, whole)])
        .collect();
    for servers in WAYS {
        let (first, last) = (servers[0], servers[servers.len() - 1]);
        for (code, kind, body) in &all {
            let is_source = |rule: &&&mig::engines::metadata::Rule| rule.code == *code;
            let rule = rules().iter().find(is_source);
            if rule.is_some_and(|rule| !rule.source.hold(first)) {
                continue; // no server of this version makes such a thing
            }
            let direct = settled(step(*kind, body, first, last));
            let over = way(*kind, body, servers);
            compared += 1;
            if direct != over && !DIFFERS.iter().any(|(known, _)| known == code) {
                let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
                differs.push(format!(
                    "{code} over {}:\n  at once {direct}\n  by steps {over}",
                    names.join(", ")
                ));
            }
        }
    }
    assert!(compared > 40, "{compared}");
    assert!(differs.is_empty(), "{}", differs.join("\n"));
}
