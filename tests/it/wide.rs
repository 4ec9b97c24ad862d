//! An index of fifty thousand fields, through the whole program: a plan that a person can read; and mappings that go round in
//! circles or are nested without end.

use serde_json::{Map, Value, json};

use super::altered_shop::AlteredShop;
use super::support::Place;

const META: &str = "  base: { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  meta: { metadata: { from: base, to: os, include: { indices: [catalog-attachments], aliases: none, templates: none, component-templates: none } } }
";

/// A plan over an index with so many fields that a rule changes, and some that it drops.
fn wide(fields: usize) -> Place {
    let place = Place::with(META);
    let shop = AlteredShop::at(&place.path("snapshots"));
    let all: Map<String, Value> = (0..fields)
        .map(|number| {
            let field = match number % 3 {
                0 => json!({"type": "flattened", "ignore_above": 99}),
                1 => json!({"type": "long", "boost": 2.0}),
                _ => json!({"type": "text", "fields": {"k": {"type": "keyword", "boost": 3.0}}}),
            };
            (format!("field_{number:05}"), field)
        })
        .collect();
    shop.metadata(
        &json!({"index.mapping.total_fields.limit": "60000"}),
        &json!({ "properties": all }),
    );
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let store = super::support::fixture("shop").display().to_string();
    std::fs::write(place.path("plan.yaml"), plan.replace(&store, "snapshots")).unwrap();
    place
}

/// Lines of a plan over one index of however many fields that a person reads.
const LINES_MAX: usize = 80;

#[test]
fn fifty_thousand_fields_are_shown_as_groups() {
    let many = wide(50_000);
    for (arguments, in_groups) in [
        (&["plan", "--format", "json"][..], false),
        (&["plan", "--format", "markdown"], true),
        (&["plan"], true),
        (&["metadata", "evaluate", "plan.yaml"], true),
    ] {
        let ran = many.mig(arguments).ends_with(4);
        let lines = ran.out.lines().count();
        assert!(
            !in_groups || lines < LINES_MAX,
            "{arguments:?}: {lines} lines\n{}",
            ran.out
        );
    }
    // What is asked about stands first, and how often.
    let ran = many.mig(&["plan"]);
    let place = |text: &str| {
        let at = ran.out.find(text);
        at.unwrap_or_else(|| panic!("`{text}` is missing in\n{}", ran.out))
    };
    assert!(place("- ignore_above 99") < place("- boost 2.0"));
    place("and 16 666 more alike: field_00003");
    // In full, each stands by itself, and nothing is cut.
    let full = many.mig(&["plan", "--detail", "full"]);
    assert!(full.out.contains("field_49999"));
    assert!(
        full.out
            .contains(r#"{"boost":2.0,"type":"long"} -> {"type":"long"}"#),
        "{:.4000}",
        full.out
    );
    assert!(!full.out.contains('…'));
}

/// What `mig plan` says of the index with this mapping: its code, and the codes of its questions.
fn planned(mapping: &Value) -> (i32, Vec<String>, String) {
    let place = Place::with(META);
    AlteredShop::at(&place.path("snapshots")).metadata(&json!({}), mapping);
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let store = super::support::fixture("shop").display().to_string();
    std::fs::write(place.path("plan.yaml"), plan.replace(&store, "snapshots")).unwrap();
    let ran = place.mig(&["plan", "--format", "json"]);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let items = found["phase_changes"].as_array().unwrap().iter();
    let items = items.flat_map(|it| it["decided"]["items"].as_array().into_iter().flatten());
    let codes = items.filter_map(|item| Some(item["decision"]["code"].as_str()?.to_owned()));
    assert!(!place.path("out").exists(), "planning writes nothing");
    (ran.code, codes.collect(), ran.out)
}

#[test]
fn mappings_that_go_round_in_circles_are_findings_or_end() {
    let aliases = json!({"properties": {"a": {"type": "alias", "path": "b"}, "b": {"type": "alias", "path": "a"}}});
    let (code, codes, _) = planned(&aliases);
    assert_eq!((code, codes), (4, vec!["MIG145".to_owned()]));

    let template = json!({"t": {"match": "t", "match_mapping_type": "object", "mapping": {"type": "object",
        "properties": {"t": {"type": "{dynamic_type}", "fields": {"t": {"type": "{name}"}}}}}}});
    let (code, codes, out) = planned(&json!({"dynamic_templates": [template, template]}));
    assert_eq!((code, codes), (0, Vec::new()), "{out}");

    // A value that holds fields below its own name, and a limit that what dots make goes beyond.
    let clash = json!({"properties": {"n": {"type": "long"}, "n.below": {"type": "long"}}});
    let (code, codes, _) = planned(&clash);
    assert_eq!((code, codes), (4, vec!["MIG139".to_owned()]));
    let dotted: Map<String, Value> = (0..999)
        .map(|number| (format!("o{number}.v"), json!({"type": "long"})))
        .collect();
    let (code, _, out) = planned(&json!({ "properties": dotted }));
    assert_eq!(code, 0);
    assert!(out.contains("MIG195"), "{out:.2000}");

    // So deep that it is not read, and so deep that no stack would hold it.
    for levels in [60, 5_000] {
        let properties = format!(
            "{}{{\"type\":\"long\"}}{}",
            "{\"properties\":{\"a\":".repeat(levels),
            "}}".repeat(levels)
        );
        let place = Place::with(META);
        AlteredShop::at(&place.path("snapshots")).mapping_text(&properties);
        let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
        let store = super::support::fixture("shop").display().to_string();
        std::fs::write(place.path("plan.yaml"), plan.replace(&store, "snapshots")).unwrap();
        place.mig(&["plan"]).ends_with(4).says("MIG343");
    }
}
