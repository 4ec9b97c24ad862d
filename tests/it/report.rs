//! `mig report`: what a run leaves beside the state, and what is told of it afterwards, by the real binary.

use serde_json::Value;

use super::support::Place;

fn json(place: &Place) -> Value {
    let ran = place.mig(&["report", "--json"]).ends_with(0);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn an_apply_leaves_a_report_that_says_what_the_state_says() {
    let place = Place::new();
    place
        .mig(&["report"])
        .ends_with(0)
        .says("Nothing of this plan was applied yet.");
    assert!(!place.path("state").exists(), "a report begins no state");
    let ran = place.apply().ends_with(0).says("state/report.html");
    assert!(ran.out.contains("Report"), "{}", ran.out);
    let page = std::fs::read_to_string(place.path("state/report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(page.contains("done and proved"), "{page}");
    let state: Value =
        serde_json::from_slice(&std::fs::read(place.path("state/state.json")).unwrap()).unwrap();
    let told = json(&place);
    assert_eq!(told["standing"], "proved");
    let indices = state["phases"]["docs"]["outputs"]["indices"]
        .as_object()
        .unwrap();
    assert_eq!(told["indices"].as_array().unwrap().len(), indices.len());
    for index in told["indices"].as_array().unwrap() {
        let name = index["index"].as_str().unwrap();
        assert_eq!(index["written"], indices[name]["written"], "{name}");
        assert_eq!(index["verified"]["verdict"], "pass", "{name}");
        let (source, target) = (
            &index["verified"]["source_digest"],
            &index["verified"]["target_digest"],
        );
        assert_eq!(source, target, "{name}");
        assert!(page.contains(name), "{name}");
    }
    assert!(!told["accepted"].as_array().unwrap().is_empty());
    // The last figure over time is what was written.
    let docs = told["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["address"] == "docs")
        .unwrap();
    let points = docs["series"][0]["series"]["points"].as_array().unwrap();
    let written: u64 = indices
        .values()
        .map(|it| it["written"].as_u64().unwrap())
        .sum();
    assert_eq!(points.last().unwrap()[1].as_u64(), Some(written));

    place
        .mig(&["report", "--out", "r.html"])
        .ends_with(0)
        .says("r.html");
    let again = std::fs::read_to_string(place.path("r.html")).unwrap();
    let without_its_time = |page: &str| {
        let (before, after) = page.split_once("<dt>Report made</dt>").unwrap();
        format!("{before}{}", after.split_once("</dd>").unwrap().1)
    };
    assert_eq!(without_its_time(&again), without_its_time(&page));
}

#[test]
fn several_applies_stand_one_after_the_other_and_a_broken_record_takes_only_its_plots() {
    let place = Place::new();
    place
        .mig(&["apply", "--auto-approve", "--until", "docs"])
        .ends_with(0);
    place.apply().ends_with(0);
    place
        .mig(&["apply", "--auto-approve", "--redo", "same"])
        .ends_with(0);
    let told = json(&place);
    let runs = told["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert!(
        runs.iter().all(|run| run["outcome"] == "success"),
        "{runs:?}"
    );
    let spans = |told: &Value, phase: &str| {
        let phases = told["phases"].as_array().unwrap();
        let phase = phases
            .iter()
            .find(|it| it["address"] == phase)
            .unwrap()
            .clone();
        (
            phase["spans"].as_array().unwrap().len(),
            phase["series"].as_array().unwrap().len(),
        )
    };
    assert_eq!(spans(&told, "docs"), (1, 1));
    assert_eq!(spans(&told, "same"), (2, 2));
    let mut records: Vec<_> = std::fs::read_dir(place.path("state/runs"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    assert_eq!(records.len(), 3);
    records.sort();
    for (record, text) in records.iter().zip(["", "{\"version\":1}", "[1,2"]) {
        std::fs::write(record, text).unwrap();
    }
    let told = json(&place);
    assert_eq!(spans(&told, "same"), (2, 0));
    assert_eq!(told["runs"].as_array().unwrap().len(), 3);
    place.mig(&["report"]).ends_with(0).says("done and proved");
}

#[test]
#[cfg(feature = "failpoints")]
fn a_kill_leaves_a_report_of_what_was_done_before() {
    let place = Place::new();
    let mut command = place.command(&["apply", "--auto-approve"]);
    command.env("MIG_FAILPOINT", "bulk-before-complete:2");
    command.output().unwrap();
    let told = json(&place);
    assert_eq!(told["standing"], "unfinished");
    let run = &told["runs"].as_array().unwrap()[0];
    assert_eq!(run["outcome"], Value::Null, "{run}");
    place
        .mig(&["report"])
        .ends_with(0)
        .says("running, or it was killed");
    place.apply().ends_with(0);
    let told = json(&place);
    assert_eq!(told["standing"], "proved");
    let docs = told["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["address"] == "docs")
        .unwrap()
        .clone();
    let ends: Vec<&str> = docs["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["end"].as_str().unwrap())
        .collect();
    assert_eq!(ends, ["interrupted", "done"]);
}
