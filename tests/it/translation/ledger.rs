//! What runs of pairs of servers proved (`tests/clusters/pairs`), against what cases and the README say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mig::sandbox::Server;
use serde::Deserialize;

use super::cases;

/// What came of a pair.
#[derive(Deserialize)]
struct Proved {
    date: String,
    objects: usize,
    queried: usize,
    cases: Vec<String>,
}

/// By `source -> target`.
fn ledger() -> BTreeMap<String, Proved> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(root.join("tests/fixtures/translation/proved.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Each case that says `target` stood on one in a run of pairs, whose ledger names it.
#[test]
fn a_case_that_says_target_is_in_the_ledger_of_pairs() {
    let ledger = ledger();
    let stood = ledger.values().flat_map(|pair| &pair.cases);
    let stood: BTreeSet<&str> = stood.map(String::as_str).collect();
    let all = cases::files();
    let all: Vec<&cases::Case> = all.iter().flat_map(|(_, cases)| cases).collect();
    let said: BTreeSet<&str> = all
        .iter()
        .filter(|case| case.has_met_a_target())
        .map(|case| case.name())
        .collect();
    let claimed: Vec<_> = said.difference(&stood).collect();
    assert!(claimed.is_empty(), "no pair has proved {claimed:?}");
    let gone: Vec<_> = stood.difference(&said).collect();
    assert!(
        gone.is_empty(),
        "the ledger names {gone:?}: run the pairs again"
    );
}

/// `MIG_BLESS=1` writes the table.
#[test]
fn the_table_of_the_readme_is_what_the_pairs_proved() {
    let mut table = "| from | to | proved on |\n|---|---|---|\n".to_owned();
    for (pair, run) in ledger() {
        let (from, to) = pair.split_once(" -> ").unwrap();
        let [from, to] = [from, to].map(|server| Server::parse(server).unwrap().version());
        table.push_str(&format!(
            "| {from} | {to} | {} objects made, {} of their documents found by their fields on both, {} |\n",
            run.objects, run.queried, run.date
        ));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let parts = readme.split_once("<!-- pairs -->\n");
    let (before, rest) = parts.expect("the README lost a marker");
    let (found, after) = rest
        .split_once("<!-- / -->\n")
        .expect("the README lost a marker");
    if std::env::var_os("MIG_BLESS").is_some() {
        let readme = format!("{before}<!-- pairs -->\n{table}<!-- / -->\n{after}");
        std::fs::write(path, readme).unwrap();
    } else {
        assert_eq!(found, table, "MIG_BLESS=1 writes it");
    }
}
