//! The plan language from outside: whole files in, plans and messages out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mig::plan::LoadOptions;
use mig::plan::load::load_with;

#[test]
fn the_quickstart_loads_without_a_word() {
    let outcome = mig::plan::load(Path::new("plans/quickstart.yaml"), &LoadOptions::default());
    assert_eq!(outcome.diagnostics, [], "{:#?}", outcome.diagnostics);
    let plan = outcome.plan.unwrap();
    let addresses: Vec<&str> = plan.phases.keys().map(mig::base::Address::as_str).collect();
    assert_eq!(addresses, ["docs", "mappings", "nightly", "same"]);
    assert_eq!(plan.directory, PathBuf::from("plans"));
    insta::assert_json_snapshot!(plan);
}

#[test]
fn files_may_come_from_memory() {
    let files: BTreeMap<PathBuf, Vec<u8>> =
        [(PathBuf::from("p.yaml"), b"mig: 2\n".to_vec())].into();
    let outcome = load_with(&files, Path::new("p.yaml"), &LoadOptions::default());
    assert!(outcome.plan.is_none());
    assert_eq!(outcome.diagnostics[0].code.to_string(), "MIG004");
}
