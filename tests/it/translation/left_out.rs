//! Each rule has a test that fails without it.

use std::collections::BTreeSet;

use mig::base::version::{Product, ProductVersion, Version};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Proof, Rule, Versions, rules, translate_without};
use serde_json::Value;

use super::cases;

/// Rules that no case can show: what they need is not in a body, or nearly every object meets them.
const BY_EXAMPLE_ALONE: [&str; 3] = ["MIG101", "MIG102", "MIG116"];

/// Rules of the indices behind data streams, which nobody can put to a server: their cases are whole runs
/// (`tests/it/streams.rs`).
const OF_BACKING_INDICES: [&str; 2] = ["MIG270", "MIG271"];

/// What the rules of mapping types begin with: they need the plan's word on how types are taken, and their cases are whole
/// runs (`tests/it/types.rs`).
const OF_TYPES: [&str; 2] = ["MIG20", "MIG21"];

/// Cases are objects with settings and mappings. Rules for pipelines, policies and the like do one thing each, which their
/// examples show as a whole; those of templates made of legacy ones begin with what only a plan's choice brings about.
fn is_beside_indices(rule: &Rule) -> bool {
    !rule.objects.iter().any(|kind| kind.has_index_settings()) || OF_CHOICE.contains(&rule.code)
}

/// Rules of legacy templates that became composable ones.
const OF_CHOICE: [&str; 2] = ["MIG265", "MIG266"];

fn versions_of(rule: &Rule) -> Versions {
    let servers = [
        (Product::Elasticsearch, 1, 7),
        (Product::Elasticsearch, 6, 8),
        (Product::Elasticsearch, 7, 10),
        (Product::Elasticsearch, 8, 17),
        (Product::Elasticsearch, 9, 0),
        (Product::OpenSearch, 1, 3),
        (Product::OpenSearch, 2, 4),
        (Product::OpenSearch, 2, 19),
        (Product::OpenSearch, 3, 3),
    ]
    .map(|(product, major, minor)| ProductVersion {
        product,
        version: Version::new(major, minor, 0),
    });
    Versions {
        source: *servers.iter().find(|it| rule.source.hold(**it)).unwrap(),
        target: *servers
            .iter()
            .rev()
            .find(|it| rule.target.hold(**it))
            .unwrap(),
    }
}

#[test]
fn the_example_of_each_rule_comes_out_otherwise_without_it() {
    let unknown = BTreeSet::from(["index.unheard_of.setting".to_owned()]);
    for rule in rules() {
        let body: Value = serde_json::from_str(rule.before).unwrap();
        let key = ObjectKey {
            kind: if rule.objects.contains(&ObjectKind::Index) {
                ObjectKind::Index
            } else {
                rule.objects[0]
            },
            name: "example".to_owned(),
        };
        let with = translate_without(&key, &body, versions_of(rule), &unknown, &[]);
        let without = translate_without(&key, &body, versions_of(rule), &unknown, &[rule.code]);
        assert_ne!(with.edits, without.edits, "{}", rule.code);
    }
}

/// Rules that say `target` for what whole runs on real servers show (`tests/clusters`), and no case.
const BY_RUNS: [&str; 28] = [
    // Nearly every object that is moved meets them; what a target does not know is asked of it (`metadata`).
    "MIG101", "MIG102", "MIG103", "MIG116", // `types`
    "MIG200", "MIG201", "MIG203", "MIG204", "MIG205", "MIG206", "MIG207", "MIG208", "MIG210",
    "MIG211", // `other_objects`
    "MIG220", "MIG221", "MIG222", "MIG223", "MIG224", "MIG225", "MIG226", "MIG235", "MIG237",
    "MIG260", "MIG261", "MIG265", // `streams`
    "MIG270", "MIG271",
];

#[test]
fn what_is_said_to_have_met_a_target_has_a_case_for_one() {
    let all = cases::files();
    let met: BTreeSet<&str> = all
        .iter()
        .flat_map(|(_, cases)| cases)
        .filter(|case| case.has_met_a_target())
        .flat_map(cases::Case::codes)
        .collect();
    let unproved: Vec<&str> = rules()
        .iter()
        .filter(|rule| rule.proof == Proof::Target)
        .map(|rule| rule.code)
        .filter(|code| !met.contains(code) && !BY_RUNS.contains(code))
        .collect();
    assert!(unproved.is_empty(), "{unproved:?} have met no target");
}

#[test]
fn a_case_fails_without_each_rule() {
    // One that is wrong anyway shows nothing.
    let all: Vec<cases::Case> = cases::files()
        .into_iter()
        .flat_map(|(_, cases)| cases)
        .filter(|case| case.wrong(&[]).is_none())
        .collect();
    let mut missed = Vec::new();
    for rule in rules() {
        let fails = all.iter().any(|case| case.wrong(&[rule.code]).is_some());
        let shown_elsewhere = BY_EXAMPLE_ALONE.contains(&rule.code)
            || OF_BACKING_INDICES.contains(&rule.code)
            || OF_TYPES.iter().any(|begin| rule.code.starts_with(begin))
            || is_beside_indices(rule);
        if !fails && !shown_elsewhere {
            missed.push(rule.code);
        }
    }
    assert!(missed.is_empty(), "no case fails without {missed:?}");
}
