//! Rules over several versions at once: one step from the oldest to the newest comes to what a way over servers in between
//! comes to. Where it doesn't, the difference stands here with its reason.

use std::collections::BTreeSet;

use mig::base::version::{Product, ProductVersion, Version};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Level, Versions, rules, translate};
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

/// Rules and cases whose result differs by way, and why. A rule of one step that a server in between makes needless is none.
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

/// What the cases of translation are about: their names, kinds, bodies and the servers that they are made on.
fn cases() -> Vec<(String, ObjectKind, Value, ProductVersion)> {
    let directory =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/translation");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|it| it != "json") || path.ends_with("proved.json") {
            continue;
        }
        let text = std::fs::read(entry.path()).unwrap();
        let all: Vec<Value> = serde_json::from_slice(&text).unwrap();
        for case in &all {
            let kind = match case["object"].as_str().unwrap() {
                "index" => ObjectKind::Index,
                "legacy-template" => ObjectKind::LegacyTemplate,
                "index-template" => ObjectKind::IndexTemplate,
                "component-template" => ObjectKind::ComponentTemplate,
                _ => continue,
            };
            for made_on in case["made-on"].as_array().unwrap() {
                let (product, version) = made_on.as_str().unwrap().split_once(' ').unwrap();
                let version: Version = version.parse().unwrap();
                let product = match product {
                    "elasticsearch" => Product::Elasticsearch,
                    _ => Product::OpenSearch,
                };
                let name = case["name"].as_str().unwrap().to_owned();
                let server = ProductVersion { product, version };
                found.push((name, kind, case["body"].clone(), server));
            }
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

/// A translation that loses something is a decision of a person, and a way may ask for another one than a step does: cases
/// are compared as far as no rule stands as `deny`.
fn is_denied(kind: ObjectKind, body: &Value, servers: &[ProductVersion]) -> bool {
    let key = ObjectKey {
        kind,
        name: "x".into(),
    };
    let mut body = body.clone();
    servers.windows(2).any(|pair| {
        let versions = Versions {
            source: pair[0],
            target: pair[1],
        };
        let made = translate(&key, &body, versions, &BTreeSet::new());
        body = settled(made.body);
        let denies = |it: &mig::engines::metadata::Finding| it.rule.level == Level::Deny;
        made.findings.iter().any(denies)
    })
}

#[test]
fn cases_come_to_the_same_by_a_way() {
    let mut differs = Vec::new();
    for (name, kind, body, first) in cases() {
        for between in [ES710, OS219] {
            let is_older = first.product == Product::Elasticsearch
                && (between.product == Product::OpenSearch
                    || first.version.floor() < between.version.floor());
            let servers = [first, between, OS33];
            if !is_older
                || is_denied(kind, &body, &servers)
                || is_denied(kind, &body, &[first, OS33])
                || DIFFERS.iter().any(|(known, _)| *known == name)
            {
                continue;
            }
            let direct = settled(step(kind, &body, first, OS33));
            let over = way(kind, &body, &servers);
            if direct != over {
                differs.push(format!(
                    "{name} of {first} over {between}:\n  at once {direct}\n  by steps {over}"
                ));
            }
        }
    }
    assert!(differs.is_empty(), "{}", differs.join("\n"));
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
