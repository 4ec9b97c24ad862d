//! The plan language from outside: whole files in, plans and messages out.
//!
//! `MIG_BLESS=1` writes the expected texts anew; look at the difference before committing it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mig::plan::codes;
use mig::plan::diagnostics::Severity;
use mig::plan::load::load_with;
use mig::plan::{LoadOptions, LoadOutcome};
use mig::ui::diagnostics::{TextStyle, json, sarif, text};

const RULES: &[&str] = &["MIG112", "MIG120"];
const FIXTURES: &str = "tests/fixtures/plans";

fn with_suffix(directory: &str, suffix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Loads a fixture with what its first lines ask for: `# var: k=v`, `# env: K=V`.
fn load_fixture(path: &Path) -> LoadOutcome {
    let mut options = LoadOptions {
        rules: Some(RULES),
        check_transform: Some(mig::engines::transform::check),
        ..LoadOptions::default()
    };
    for line in fs::read_to_string(path).unwrap().lines() {
        let pair = |rest: &str| {
            let (key, value) = rest.trim().split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        if let Some(rest) = line.strip_prefix("# var:") {
            options.vars.push(pair(rest));
        } else if let Some(rest) = line.strip_prefix("# env:") {
            options.env.extend([pair(rest)]);
        }
    }
    let mut outcome = mig::plan::load(path, &options);
    if let Some(plan) = &outcome.plan {
        outcome.diagnostics.extend(mig::graph::compile(plan).1);
        mig::plan::diagnostics::sort(&mut outcome.diagnostics);
    }
    outcome
}

fn same_as_file(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("MIG_BLESS").is_some() {
        fs::write(path, actual).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        Ok(())
    } else {
        Err(format!(
            "--- {}\n{expected}\n+++ now\n{actual}",
            path.display()
        ))
    }
}

#[test]
fn each_failing_plan_says_exactly_this() {
    let mut differences = Vec::new();
    for path in with_suffix(FIXTURES, ".yaml") {
        let outcome = load_fixture(&path);
        let shown = text(&outcome.diagnostics, &outcome.files, TextStyle::default());
        for secret in ["hunter2", "aHVudGVyMg"] {
            assert!(!shown.contains(secret), "{}: {shown}", path.display());
        }
        let code = &path.file_name().unwrap().to_string_lossy()[..6];
        let found: BTreeSet<String> = outcome
            .diagnostics
            .iter()
            .map(|diagnostic| diagnostic.code.to_string())
            .collect();
        assert!(found.contains(code), "{}: {shown}", path.display());
        let failed = outcome
            .diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error);
        assert!(
            !failed || outcome.plan.is_none() || code >= "MIG040",
            "{}",
            path.display()
        );
        differences.extend(same_as_file(&path.with_extension("txt"), &shown).err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_code_of_the_language_has_a_fixture() {
    let fixtures: BTreeSet<String> = with_suffix(FIXTURES, ".yaml")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy()[..6].to_owned())
        .collect();
    let rows = [
        codes::language::ROWS,
        codes::graph::ROWS,
        codes::lints::ROWS,
        codes::documents::ROWS,
    ];
    let missing: Vec<String> = rows
        .into_iter()
        .flatten()
        .map(|row| row.code.to_string())
        // Found once indices are resolved, or a snapshot is looked at: `planning_codes` has them.
        .filter(|code| code != "MIG049" && code.as_str() < "MIG310" && !fixtures.contains(code))
        .collect();
    assert!(missing.is_empty(), "no fixture for {missing:?}");
}

#[test]
fn every_example_loads_without_a_word() {
    for path in with_suffix("plans", ".yaml") {
        let outcome = load_fixture(&path);
        assert_eq!(
            outcome.diagnostics,
            [],
            "{}",
            text(&outcome.diagnostics, &outcome.files, TextStyle::default())
        );
        let plan = outcome.plan.unwrap();
        let name = format!("example-{}", path.file_stem().unwrap().to_string_lossy());
        insta::assert_json_snapshot!(name, plan);
    }
}

#[test]
fn the_schema_is_checked_in_and_judges_as_the_loader_does() {
    let schema = mig::plan::schema::schema_text();
    same_as_file(Path::new("schemas/plan-v1.json"), &schema).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for path in with_suffix("plans", ".yaml") {
        let instance = mig::plan::schema::instance(&fs::read_to_string(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&instance)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
    // Errors of shape, which a schema can see; the others need names and values.
    for code in [
        "MIG004", "MIG005", "MIG007", "MIG008", "MIG009", "MIG010", "MIG011", "MIG012", "MIG017",
        "MIG034",
    ] {
        for path in with_suffix(FIXTURES, ".yaml") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with(code) {
                let instance =
                    mig::plan::schema::instance(&fs::read_to_string(&path).unwrap()).unwrap();
                assert!(!validator.is_valid(&instance), "{name}");
            }
        }
    }
}

#[test]
fn every_field_of_the_schema_says_what_changing_it_does() {
    fn walk(value: &serde_json::Value, path: &str, count: &mut usize) {
        if let Some(properties) = value.get("properties").and_then(|value| value.as_object()) {
            let choice = value.get("maxProperties").is_some();
            for (name, field) in properties {
                *count += 1;
                let class = field.get("x-mig-change").and_then(|class| class.as_str());
                assert!(
                    matches!(class, Some("live" | "gated" | "redo" | "never")),
                    "{path}/{name}"
                );
                let description = field.get("description").and_then(|text| text.as_str());
                assert!(
                    description.is_some_and(|text| text.len() > 4),
                    "{path}/{name}"
                );
                assert!(choice || !name.contains('_'), "{path}/{name}");
            }
        }
        if let Some(definitions) = value.get("$defs").and_then(|value| value.as_object()) {
            for (name, definition) in definitions {
                walk(definition, name, count);
            }
        }
    }
    let mut count = 0;
    walk(&mig::plan::schema::schema(), "", &mut count);
    assert!(count > 80, "{count}");
}

#[test]
fn json_and_sarif_hold_the_same_findings() {
    let outcome = load_fixture(Path::new(FIXTURES).join("MIG014-name-clash.yaml").as_path());
    let mut sarif = sarif(&outcome.diagnostics, &outcome.files);
    sarif["runs"][0]["tool"]["driver"]["version"] = "…".into();
    let json = json(&outcome.diagnostics, &outcome.files);
    insta::assert_json_snapshot!("name-clash-json", json);
    insta::assert_json_snapshot!("name-clash-sarif", sarif);
}

fn memory(files: &[(&str, &str)], options: &LoadOptions) -> LoadOutcome {
    let files: BTreeMap<PathBuf, Vec<u8>> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
        .collect();
    load_with(&files, Path::new("p/plan.yaml"), options)
}

#[test]
fn variables_take_the_first_value_that_is_given() {
    let plan = "mig: 1\nplan: x\nvars: { n: { type: int, default: 1 } }\nphases: { g: { gate: { title: \"n is ${vars.n}, $${vars.n} is not\" } } }\n";
    let files = [("p/plan.yaml", plan), ("v.yaml", "n: 3\n")];
    let mut options = LoadOptions::default();
    let mut titles = Vec::new();
    for step in 0..4 {
        match step {
            1 => options
                .env
                .extend([("MIG_VAR_N".to_owned(), "2".to_owned())]),
            2 => options.var_files.push("v.yaml".into()),
            3 => options.vars.push(("n".to_owned(), "4".to_owned())),
            _ => {}
        }
        let outcome = memory(&files, &options);
        let plan = outcome
            .plan
            .unwrap_or_else(|| panic!("{:#?}", outcome.diagnostics));
        titles.push(plan.vars["n"].clone());
        let spec = &plan.phases["g"].spec;
        let mig::plan::model::PhaseSpec::Gate(gate) = spec else {
            panic!("{spec:?}")
        };
        assert_eq!(gate.title, format!("n is {}, ${{vars.n}} is not", step + 1));
    }
    assert_eq!(titles, ["1", "2", "3", "4"]);
}

#[test]
fn a_fragment_is_merged_under_the_file_that_uses_it() {
    let plan = "mig: 1\nplan: x\nvars: { where: { default: 'http://mine:9200' } }\nuse: ../f/base.yaml\nwith: { target: \"${vars.where}\" }\nphases: { docs: { backfill: { workers: 9 } } }\n";
    let fragment = "vars: { target: {}, where: { default: unseen } }\nuse: below.yaml\nclusters: { os: { endpoint: \"${vars.target}\" } }\nphases: { docs: { backfill: { from: base, to: os, workers: 1 } } }\n";
    let below = "stores: { s: { directory: data } }\nclusters: { os: { directory: out, as: '2.19' } }\nphases: { base: { snapshot: { existing: { store: s, name: n } } }, same: { verify: { source: base, target: os } } }\n";
    let files = [
        ("p/plan.yaml", plan),
        ("f/base.yaml", fragment),
        ("f/below.yaml", below),
    ];
    let outcome = memory(&files, &LoadOptions::default());
    let plan = outcome
        .plan
        .unwrap_or_else(|| panic!("{:#?}", outcome.diagnostics));
    insta::assert_json_snapshot!("merged-fragments", plan);
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    fn survive(bytes: Vec<u8>) {
        let files: BTreeMap<PathBuf, Vec<u8>> = [(PathBuf::from("plan.yaml"), bytes)].into();
        let outcome = load_with(&files, Path::new("plan.yaml"), &LoadOptions::default());
        let shown = text(&outcome.diagnostics, &outcome.files, TextStyle::default());
        assert!(shown.ends_with('\n'));
        sarif(&outcome.diagnostics, &outcome.files);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            survive(bytes);
        }

        #[test]
        fn damaged_plans_never_panic(
            cut in 0usize..1900, length in 0usize..40, with in "[\\PC\\n\\t:{}\\[\\]&*!'\"$é]{0,8}",
        ) {
            let mut bytes = fs::read("plans/quickstart.yaml").unwrap();
            let start = cut.min(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, with.into_bytes());
            survive(bytes);
        }
    }
}
