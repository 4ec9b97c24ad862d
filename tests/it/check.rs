//! `mig check` and `mig reset` without a network: on a directory, in words, and through kills.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use mig::plan::model::StateLocation;
use mig::state::{Holder, open};
use serde_json::Value;

use super::support::{PHASES, Place, Ran};

/// Every file and folder of a place, but for the state.
fn files(place: &Place) -> Vec<String> {
    fn walk(directory: &Path, root: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if name == "state" {
                continue;
            }
            into.push(name);
            if path.is_dir() {
                walk(&path, root, into);
            }
        }
    }
    let (root, mut found) = (place.path(""), Vec::new());
    walk(&root, &root, &mut found);
    found.sort();
    found
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

fn outcome<'a>(report: &'a Value, phase: &str, probe: &str) -> &'a str {
    let phases = report["check"]["phases"].as_array().unwrap();
    let phase = phases.iter().find(|it| it["address"] == phase).unwrap();
    let probes = phase["probes"].as_array().unwrap();
    let probe = probes.iter().find(|it| it["name"] == probe);
    probe.unwrap_or_else(|| panic!("{phase:#}"))["outcome"]
        .as_str()
        .unwrap()
}

#[test]
fn a_directory_is_probed_beside_it_and_nothing_stays() {
    let place = Place::new();
    let before = files(&place);
    let ran = place.mig(&["check"]).ends_with(0);
    ran.says("`nightly-1` can be read: 11 indices")
        .says("5 documents equal to their sources")
        .says("no probe: it only reads")
        .says("All that was made is removed.");
    assert_eq!(before, files(&place));
    let json = place.mig(&["check", "plan.yaml", "--format", "json"]);
    let json = report(&json.ends_with(0));
    assert_eq!(outcome(&json, "mappings", "index"), "ok");
    assert_eq!(outcome(&json, "docs", "read back"), "ok");
    assert_eq!(json["summary"]["failed"], 0);
    assert_eq!(before, files(&place));
    // A check begins no state: a lost one may be there to adopt.
    place.mig(&["state", "show"]).ends_with(1);
    let one = place.mig(&["check", "--only", "docs", "--format", "json"]);
    let one = report(&one.ends_with(0));
    assert_eq!(one["check"]["phases"].as_array().unwrap().len(), 1);
    place.mig(&["check", "--only", "nobody"]).ends_with(1);
    place.apply().ends_with(0);
    place.mig(&["check"]).ends_with(0);
    place.is_finished();
}

#[test]
fn what_fails_ends_with_8_and_says_how_to_mend_it() {
    let place = Place::with(&PHASES.replace("nightly-1", "nightly-9"));
    place
        .mig(&["check"])
        .ends_with(8)
        .says("nightly-9")
        .says("help:");

    // A target that can't be one.
    let place = Place::new();
    std::fs::create_dir(place.path("out")).unwrap();
    std::fs::write(place.path("out/theirs.txt"), "x").unwrap();
    let ran = place.mig(&["check", "--format", "json"]).ends_with(8);
    let failed = report(&ran);
    assert_eq!(outcome(&failed, "docs", "target"), "failed");
    assert_eq!(outcome(&failed, "base", "snapshot"), "ok");
    assert!(place.path("out/theirs.txt").exists());

    // A transform that fails on the documents there are.
    let fails = PHASES.replace(
        "docs:     { backfill: { from: base, to: os",
        "docs:     { backfill: { from: base, to: os, transforms: [never]",
    ) + "transforms: { never: { indices: [\"*\"], steps: [{ jq: { file: never.jq } }] } }\n";
    assert!(fails.contains("[never]"), "{fails}");
    let place = Place::with(&fails);
    std::fs::write(place.path("never.jq"), "error(\"no\")").unwrap();
    let ran = place.mig(&["check", "--format", "json"]).ends_with(8);
    let failed = report(&ran);
    assert_eq!(outcome(&failed, "docs", "source"), "failed");
}

#[test]
fn lines_fit_the_terminal() {
    let place = Place::new();
    for columns in [80, 160] {
        let mut command = place.command(&["check"]);
        command.env("COLUMNS", columns.to_string());
        let ran = Ran::of(&command.output().unwrap()).ends_with(0);
        let long = |line: &&str| {
            // A path stands whole, so that it can be copied, and is as long as
            // the place where the tests run.
            line.chars().count() > columns
                && !line.contains("/mig-check-")
                && !line.contains(env!("CARGO_MANIFEST_DIR"))
        };
        assert_eq!(ran.out.lines().find(long), None);
    }
}

#[test]
fn the_state_is_waited_for_and_a_run_that_holds_it_is_left_alone() {
    let place = Place::new();
    let state = open(&StateLocation::Directory(place.path("state"))).unwrap();
    let holder = Holder {
        pid: 1,
        host: "h".into(),
        who: "w".into(),
        operation: "apply".into(),
        since: Timestamp::now(),
    };
    let held = state.lock(&holder, Duration::ZERO, &mut |_| ()).unwrap();
    place.mig(&["check"]).ends_with(7);
    place.mig(&["reset", "--auto-approve"]).ends_with(7);
    drop(held);
    place.mig(&["check"]).ends_with(0);
    place
        .mig(&["reset", "--auto-approve"])
        .ends_with(0)
        .says("Nothing to reset");
}

#[test]
#[cfg(feature = "failpoints")]
fn what_a_killed_check_left_is_removed_by_the_next_one_and_by_a_reset() {
    for (point, by) in [
        ("check.announced:1", "check"),
        ("check.probed:6", "check"),
        ("check.before-clean:2", "check"),
        ("check.before-clean:3", "reset"),
    ] {
        let place = Place::new();
        let before = files(&place);
        let mut command = place.command(&["check"]);
        let killed = command.env("MIG_FAILPOINT", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point}: it was not killed");
        assert!(place.path("state/check.json").exists(), "{point}");
        match by {
            "check" => place
                .mig(&["check"])
                .ends_with(0)
                .says("left by a check that was killed"),
            _ => place
                .mig(&["reset", "--auto-approve"])
                .ends_with(0)
                .says("which a check left"),
        };
        assert_eq!(before, files(&place), "{point}");
        assert!(!place.path("state/check.json").exists(), "{point}");
    }
}

#[test]
fn a_reset_keeps_what_was_made_and_an_apply_begins_anew() {
    let place = Place::new();
    place
        .mig(&["reset", "--auto-approve"])
        .ends_with(0)
        .says("Nothing to reset");
    place.apply().ends_with(0);
    let documents = place.ndjson();
    place
        .mig(&["reset"])
        .ends_with(1)
        .says("no terminal to ask on");
    place.is_finished();
    let ran = place.mig(&["reset", "--auto-approve"]).ends_with(0);
    ran.says("removes the work store of docs on os")
        .says("docs begins anew")
        .says("documents of 10 indices on os: the next apply removes them")
        .says("evidence files")
        .says("state/archive/state-");
    assert_eq!(documents, place.ndjson(), "documents stay");
    assert!(
        place.path("evidence/same.json").exists()
            || place.path("state/evidence/same.json").exists()
    );
    place
        .mig(&["reset", "--auto-approve"])
        .ends_with(0)
        .says("Nothing to reset");
    let journal = place.mig(&["state", "journal"]).ends_with(0);
    journal.says("reset: base, docs, same begin anew");
    // Nothing is proved any more, and what is there is known as its own.
    let planned = place.mig(&["plan", "--detailed-exitcode"]).ends_with(3);
    planned.says("holds documents of another snapshot or an earlier run");
    place.apply().ends_with(0).says("7 560 of 7 560 documents");
    place.is_finished();
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    assert!(place.ndjson().is_empty(), "it is still known who made what");
}

#[test]
fn one_phase_is_reset_alone() {
    let place = Place::new();
    place.apply().ends_with(0);
    let ran = place.mig(&["reset", "--only", "docs", "--auto-approve"]);
    ran.ends_with(0).says("2 phases begin anew");
    let state = place.mig(&["state", "show"]).ends_with(0).out;
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["phases"]["docs"]["status"], "reset");
    // What rests on it is proved no more.
    assert_eq!(state["phases"]["same"]["status"], "reset");
    assert_eq!(state["phases"]["base"]["status"], "done");
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
#[cfg(feature = "failpoints")]
fn a_reset_that_was_killed_goes_on_and_an_interrupted_apply_can_be_reset() {
    for point in [
        "reset.remove:1",
        "reset.archived:1",
        "journal.append.before:1",
    ] {
        let place = Place::new();
        let mut apply = place.command(&["apply", "--auto-approve"]);
        let killed = apply
            .env("MIG_FAILPOINT", "bulk-before-complete:3")
            .output()
            .unwrap();
        assert_eq!(killed.status.code(), None, "the apply was not killed");
        let mut reset = place.command(&["reset", "--auto-approve"]);
        let killed = reset.env("MIG_FAILPOINT", point).output().unwrap();
        assert_eq!(
            killed.status.code(),
            None,
            "{point}: the reset was not killed"
        );
        place
            .mig(&["reset", "--auto-approve"])
            .ends_with(0)
            .says("docs begins anew");
        place.apply().ends_with(0).says("7 560 of 7 560 documents");
        place.is_finished();
    }
}
