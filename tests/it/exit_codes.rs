//! Every exit code of the table, and their precedence, through the real binary.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use mig::base::ExitCode;

use crate::support::{PHASES, Place};

#[test]
fn the_table_is_printed() {
    let ran = Place::empty().mig(&["help", "exit-codes"]).ends_with(0);
    for code in ExitCode::ALL {
        assert!(
            ran.out
                .contains(&format!("{:>3}  {}", code as u8, code.meaning())),
            "{code:?}"
        );
    }
}

#[test]
fn success_0_and_changes_2() {
    let place = Place::new();
    place.mig(&["plan"]).ends_with(0);
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(2);
    place.apply().ends_with(0);
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
}

#[test]
fn error_1() {
    let place = Place::new();
    place.mig(&["aply"]).ends_with(1).says("apply");
    std::fs::write(
        place.path("plan.yaml"),
        std::fs::read_to_string(place.path("plan.yaml"))
            .unwrap()
            .replace("/shop", "/nowhere"),
    )
    .unwrap();
    place.mig(&["plan"]).ends_with(1);
}

#[test]
fn destructive_changes_3() {
    let place = Place::with(&format!(
        "{PHASES}  live: {{ switchover: {{ to: os, approve: none }} }}\n"
    ));
    let code = place.mig(&["plan", "--detailed-exitcode"]).code;
    // A switchover of a directory can be taken back; a redo of documents overwrites what is there.
    assert!([2, 3].contains(&code));
    place.apply().ends_with(0);
    let place = Place::new();
    place.apply().ends_with(0);
    place
        .mig(&["plan", "--detailed-exitcode", "--redo", "docs"])
        .ends_with(3);
}

#[test]
fn plan_invalid_4_goes_before_all() {
    let place = Place::with("  docs: { backfil: {} }\n");
    place.mig(&["plan"]).ends_with(4).says("backfill");
    place.mig(&["apply", "--auto-approve"]).ends_with(4);
}

#[test]
fn locked_7_goes_before_stale_6() {
    let place = Place::new();
    place.mig(&["plan", "--out", "plan.json"]).ends_with(0);
    place.apply().ends_with(0);
    place.lose_a_document();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(place.path("state/lock"))
        .unwrap();
    file.lock().unwrap();
    place
        .mig(&["apply", "--auto-approve", "plan.json"])
        .ends_with(7)
        .says("locked");
    drop(file);
    place
        .mig(&["apply", "plan.json"])
        .ends_with(6)
        .says("stale");
}

#[test]
fn a_lock_names_its_holder_and_ends_with_the_process() {
    let place = Place::with(&PHASES.replace("workers: 2", "workers: 1, limits: { docs: 100/s }"));
    let mut child = place
        .command(&["apply", "--auto-approve", "--events", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("phase_start"))
        .unwrap();
    let told = place.mig(&["apply", "--auto-approve"]).ends_with(7);
    assert!(
        told.err.contains(&format!("process {}", child.id())),
        "{}",
        told.err
    );
    child.kill().unwrap();
    child.wait().unwrap();
    place.write_plan(PHASES);
    place.apply().ends_with(0);
}

#[test]
fn check_failed_8() {
    let place = Place::new();
    place.apply().ends_with(0);
    place.lose_a_document();
    // The plan leaves alone what was proved once, so the loss is told, and the proof fails.
    place
        .apply()
        .ends_with(8)
        .says("1 missing")
        .says("mig apply --redo docs");
    place.mig(&["status"]).ends_with(0).says("failed");
}

#[test]
fn waiting_5_yields_to_a_failed_check_8() {
    let gate =
        format!("{PHASES}  go: {{ gate: {{ title: Well, approve: manual, after: [base] }} }}\n");
    let place = Place::with(&gate);
    place.apply().ends_with(5);
    place.lose_a_document();
    place
        .mig(&["apply", "--auto-approve", "--only", "go"])
        .ends_with(5);
    place.apply().ends_with(8).says("mig approve go");
}

#[test]
fn partial_9_and_interrupted_130() {
    let slow = PHASES.replace("workers: 2", "workers: 1, limits: { docs: 100/s }");
    let place = Place::with(&slow.replace("limits:", "timeout: 200ms, limits:"));
    place.apply().ends_with(9).says("timeout");
    // 130 is in `apply::an_interrupt_stops_at_a_checkpoint_and_the_next_apply_goes_on`.
}
