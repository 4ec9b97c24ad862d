//! Applies from outside: again, resumed, drifted, gated, saved, stopped, taken back, adopted.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{PHASES, Place, Ran};

fn gated() -> String {
    let gate = "  go: { gate: { title: Is the copy good, approve: manual, after: [same] } }\n";
    format!("{PHASES}{gate}")
}

#[test]
fn an_apply_does_all_and_a_second_one_nothing() {
    let place = Place::new();
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(2);
    place
        .mig(&["apply", "--auto-approve", "--events", "events.jsonl"])
        .ends_with(0);
    let events = place.events("events.jsonl");
    assert_eq!(events[0]["type"], "version");
    assert_eq!(events.last().unwrap()["type"], "summary");
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("phase_start"), count("phase_complete")), (4, 4));
    assert!(!place.ndjson().is_empty());
    place.is_finished();
    let serial = place.journal().len();
    place.apply().ends_with(0);
    assert_eq!(
        place.journal().len(),
        serial,
        "an apply with nothing to do writes nothing"
    );
}

#[test]
fn each_side_effect_is_journalled_and_each_phase_ends() {
    let place = Place::new();
    place.apply().ends_with(0);
    let journal = place.journal();
    let kinds = |name: &str| {
        journal
            .iter()
            .filter(|line| line["entry"].get(name).is_some())
            .count()
    };
    assert_eq!(kinds("phase-started"), 4);
    assert_eq!(kinds("phase-done"), 4);
    assert!(kinds("effect") > 0);
    place
        .mig(&["state", "journal"])
        .ends_with(0)
        .says("docs: done");
    place.mig(&["status"]).ends_with(0).says("Next: mig plan");
}

#[test]
fn documents_that_vanish_are_seen_and_a_redo_mends_them() {
    let place = Place::new();
    place.apply().ends_with(0);
    place.lose_a_document();
    let seen = place.mig(&["plan", "--detailed-exitcode"]);
    assert!([2, 3].contains(&seen.code), "{seen:?}");
    place
        .mig(&["apply", "--auto-approve", "--redo", "docs"])
        .ends_with(0);
    place.is_finished();
}

#[test]
fn documents_that_vanish_are_mended_where_the_plan_says_so() {
    let place = Place::with(&PHASES.replace("workers: 2", "workers: 2, on-drift: mend"));
    place.apply().ends_with(0);
    place.lose_a_document();
    let seen = place.mig(&["plan", "--detailed-exitcode"]);
    assert!([2, 3].contains(&seen.code), "{seen:?}");
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn a_gate_waits_for_a_word_and_then_lets_go_on() {
    let place = Place::with(&gated());
    place.apply().ends_with(5).says("mig approve go");
    place
        .mig(&["status"])
        .ends_with(0)
        .says("Next: mig approve go");
    place
        .mig(&["approve", "--list"])
        .ends_with(0)
        .says("go: waits for approval");
    place
        .mig(&["approve", "go", "--as", "ann"])
        .ends_with(0)
        .says("approved by ann");
    place.apply().ends_with(0).says("approved by ann");
    place.is_finished();
    let journal = place.journal();
    let approved = journal
        .iter()
        .find_map(|line| line["entry"].get("approved"))
        .unwrap();
    assert_eq!(approved["approval"]["who"], "ann");
    assert!(approved["approval"]["plan_digest"].is_string());
}

#[test]
fn an_approval_lapses_when_what_it_was_given_for_changes() {
    let place = Place::with(&gated());
    place.apply().ends_with(5);
    place.mig(&["approve", "go"]).ends_with(0);
    place.write_plan(&gated().replace("Is the copy good", "Is the copy very good"));
    place.apply().ends_with(5).says("has lapsed");
    place
        .mig(&["approve", "--list"])
        .ends_with(0)
        .says("lapsed");
}

#[test]
fn auto_approve_is_no_word_at_a_gate_and_needs_no_terminal() {
    let place = Place::with(&gated());
    place
        .mig(&["apply"])
        .ends_with(1)
        .says("--auto-approve")
        .says("no terminal");
    assert!(!place.path("out").exists());
    place.apply().ends_with(5);
}

#[test]
fn a_saved_plan_is_applied_without_asking() {
    let place = Place::new();
    place.mig(&["plan", "--out", "plan.json"]).ends_with(0);
    place.mig(&["apply", "plan.json"]).ends_with(0);
    place.is_finished();
}

#[test]
fn a_saved_plan_is_refused_when_the_plan_or_its_ground_changed() {
    let place = Place::new();
    place.mig(&["plan", "--out", "plan.json"]).ends_with(0);
    place.write_plan(&PHASES.replace("workers: 2", "workers: 3"));
    place
        .mig(&["apply", "plan.json"])
        .ends_with(6)
        .says("the plan itself has changed");
    place.write_plan(PHASES);
    place
        .mig(&["apply", "plan.json", "--only", "docs"])
        .ends_with(1);
    place.apply().ends_with(0);
    place.lose_a_document();
    place.mig(&["plan", "--redo", "docs", "--out", "plan.json"]);
    place.lose_a_document();
    place
        .mig(&["apply", "plan.json"])
        .ends_with(6)
        .says("same: ");
}

#[test]
fn a_change_of_comments_or_order_is_no_change() {
    let place = Place::new();
    place.mig(&["plan", "--out", "plan.json"]).ends_with(0);
    let mut lines: Vec<&str> = PHASES.lines().collect();
    lines.reverse();
    place.write_plan(&format!("  # turned round\n{}\n", lines.join("\n")));
    place.mig(&["apply", "plan.json"]).ends_with(0);
}

#[test]
fn the_same_plan_has_the_same_bytes() {
    let place = Place::new();
    for format in ["json", "markdown"] {
        let first = place.mig(&["plan", "--format", format]).ends_with(0);
        let second = place.mig(&["plan", "--format", format]).ends_with(0);
        assert_eq!(first.out, second.out);
    }
}

#[test]
fn choosing_phases_runs_those_alone() {
    let place = Place::new();
    place
        .mig(&["apply", "--auto-approve", "--only", "docs"])
        .ends_with(1)
        .says("--until docs");
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    assert!(place.mig(&["state", "show"]).out.contains("mappings"));
    assert!(!place.mig(&["state", "show"]).out.contains("\"same\""));
    place
        .mig(&["apply", "--auto-approve", "--from", "docs"])
        .ends_with(0);
    place.is_finished();
    place
        .mig(&["plan", "--only", "dox"])
        .ends_with(1)
        .says("did you mean `docs`");
}

#[test]
fn an_interrupt_stops_at_a_checkpoint_and_the_next_apply_goes_on() {
    let place = Place::with(&PHASES.replace("workers: 2", "workers: 1, limits: { docs: 100/s }"));
    let mut child = place
        .command(&["apply", "--auto-approve", "--events", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in &mut lines {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["type"] == "phase_start" && event["address"] == "docs" {
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
            break;
        }
    }
    let rest: Vec<Value> = lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    let ran = ran.ends_with(130);
    assert!(
        ran.err.contains("Stopping at the next checkpoint"),
        "{}",
        ran.err
    );
    assert!(
        rest.iter().any(|event| event["type"] == "checkpoint"),
        "{rest:#?}"
    );
    place.write_plan(PHASES);
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn a_run_whose_time_is_up_ends_with_9_and_the_next_goes_on() {
    let place = Place::with(&PHASES.replace("workers: 2", "workers: 1, limits: { docs: 100/s }"));
    place
        .mig(&["apply", "--auto-approve", "--max-duration", "300ms"])
        .ends_with(9)
        .says("--max-duration");
    place.write_plan(PHASES);
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn a_rollback_takes_back_what_was_made_and_an_apply_makes_it_again() {
    let place = Place::new();
    place
        .mig(&["rollback", "--auto-approve"])
        .ends_with(0)
        .says("Nothing to roll back");
    place.apply().ends_with(0);
    place
        .mig(&["rollback"])
        .ends_with(1)
        .says("Rolling back, in this order");
    place
        .mig(&["rollback", "--auto-approve"])
        .ends_with(0)
        .says("docs: rolled back");
    assert!(place.ndjson().is_empty(), "{:?}", place.ndjson());
    place
        .mig(&["rollback", "--auto-approve"])
        .ends_with(0)
        .says("Nothing to roll back");
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn a_lost_state_is_adopted_from_what_it_left() {
    let place = Place::new();
    place.apply().ends_with(0);
    let written: Vec<_> = place
        .ndjson()
        .iter()
        .map(|path| path.metadata().unwrap().modified().unwrap())
        .collect();
    std::fs::remove_dir_all(place.path("state")).unwrap();
    place.apply().ends_with(0).says("adopted");
    let after: Vec<_> = place
        .ndjson()
        .iter()
        .map(|path| path.metadata().unwrap().modified().unwrap())
        .collect();
    assert_eq!(
        written, after,
        "documents that are there are not written again"
    );
    place.is_finished();
}

#[test]
fn a_renamed_phase_keeps_its_state() {
    let place = Place::new();
    place.apply().ends_with(0);
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let plan = plan.replace("  docs: ", "  documents: ") + "renamed: { documents: docs }\n";
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
}

#[test]
fn without_a_refresh_the_observations_of_the_last_apply_stand() {
    let place = Place::new();
    let plan = ["plan", "--refresh=false", "--detailed-exitcode"];
    place
        .mig(&plan)
        .ends_with(1)
        .says("nothing was observed for this plan");
    place.apply().ends_with(0);
    place
        .mig(&plan)
        .ends_with(0)
        .says("No changes.")
        .says("not with how things are now");
    place.lose_a_document();
    place.mig(&plan).ends_with(0);
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(2);
}
