//! Stopping a backfill for good and letting it begin anew, by the program itself on directories.

use serde_json::Value;

use crate::support::{Place, Ran};

fn mig(place: &Place, arguments: &[&str]) -> Ran {
    let mut all = vec!["backfill"];
    all.extend_from_slice(arguments);
    let mut command = place.command(&all);
    Ran::of(&command.env("MIG_USER", "ann").output().unwrap())
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    serde_json::from_str(&mig(place, &all).ends_with(0).out).unwrap()
}

/// What the work store of a directory is kept in.
fn working_state(place: &Place) -> Vec<String> {
    let folder = place.path("out/.migrations_working_state");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|it| it.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".log"))
        .collect();
    names.sort();
    names
}

fn archive(place: &Place, at: &str) -> Value {
    serde_json::from_slice(&std::fs::read(place.path(at)).unwrap()).unwrap()
}

#[cfg(feature = "failpoints")]
fn killed_in_the_middle() -> Place {
    let place = Place::new();
    let mut command = place.command(&["apply", "--auto-approve"]);
    let killed = command.env("MIG_FAILPOINT", "bulk-after-complete:9");
    assert_eq!(killed.output().unwrap().status.code(), None);
    place
}

#[test]
fn nothing_that_was_not_begun_is_stopped_or_reset() {
    let place = Place::new();
    mig(&place, &["stop", "--auto-approve"])
        .ends_with(1)
        .says("nothing of `docs` was begun")
        .says("`mig backfill start` begins");
    mig(&place, &["reset", "--auto-approve"])
        .ends_with(1)
        .says("nothing of `docs` was begun");
    assert!(!place.path("state").exists() && !place.path("out").exists());
}

#[test]
#[cfg(feature = "failpoints")]
fn one_that_is_stopped_can_not_be_started_until_it_is_reset() {
    let place = killed_in_the_middle();
    mig(&place, &["stop"])
        .ends_with(1)
        .says("there is no terminal to ask on")
        .says("`mig backfill pause` lets it rest");
    let before = json(&place, &["status"]);
    let stopped = json(&place, &["stop", "--auto-approve"]);
    assert_eq!(stopped["stopped"]["by"], "ann");
    let at = stopped["archive"].as_str().unwrap();
    let kept = archive(&place, at);
    assert_eq!(
        (&kept["phase"], &kept["by"]),
        (&"docs".into(), &"ann".into())
    );
    assert_eq!(kept["totals"], stopped["totals"]);
    assert_eq!(
        kept["items"].as_array().unwrap().len() as u64,
        kept["totals"]["items"].as_u64().unwrap()
    );
    assert!(
        kept["totals"]["items-done"].as_u64().unwrap() >= 9,
        "{kept:#}"
    );
    assert!(working_state(&place).is_empty());

    // All refuse, and say what mends it.
    for refused in [
        &["start", "--auto-approve"][..],
        &["scale", "3"],
        &["pause"],
        &["limits", "--docs", "5/s"],
    ] {
        mig(&place, refused)
            .ends_with(1)
            .says("stopped by ann")
            .says("`mig backfill reset` lets `docs` begin anew");
    }
    mig(&place, &["retry-failed", "--auto-approve"])
        .ends_with(1)
        .says("was stopped by ann");
    place.mig(&["plan"]).ends_with(4).says("MIG360");
    place.apply().ends_with(4).says("docs was stopped by ann");
    // A proof claims no more than is there.
    let proof = place.mig(&["apply", "--auto-approve", "--only", "same"]);
    assert!([1, 4, 8].contains(&proof.code), "{proof:?}");
    let status = mig(&place, &["status"]).ends_with(0);
    assert!(
        status.out.starts_with("BackfillStatus.STOPPED\n"),
        "{status:?}"
    );
    let status = status.says("Its working state is archived in");
    status.says("`mig backfill reset` lets it begin anew");
    let after = json(&place, &["status"]);
    assert_eq!(
        after["phases"][0]["shard_complete"],
        before["phases"][0]["shard_complete"]
    );
    place
        .mig(&["status"])
        .ends_with(0)
        .says("ended for good by ann");
    place
        .mig(&["state", "journal"])
        .ends_with(0)
        .says("docs: ended for good by ann");
    // Once more says the same.
    let again = json(&place, &["stop"]);
    assert_eq!(again["archive"], stopped["archive"]);

    mig(&place, &["reset"])
        .ends_with(1)
        .says("docs begins anew")
        .says("removes those of the indices that it loads")
        .says("nothing was reset");
    let reset = json(&place, &["reset", "--auto-approve"]);
    assert_eq!(reset["archive"], stopped["archive"]);
    archive(&place, at);
    place.mig(&["plan"]).ends_with(0).says("-/+");
    mig(&place, &["start", "--auto-approve", "--foreground"]).ends_with(0);
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
#[cfg(feature = "failpoints")]
fn a_stop_that_is_killed_anywhere_is_finished_by_the_next() {
    for at in [
        "backfill.stop.ordered",
        "backfill.stop.archived",
        "backfill.stop.journalled",
        "backfill.stop.clean",
        "work-after-remove",
    ] {
        let place = killed_in_the_middle();
        let mut command = place.command(&["backfill", "stop", "--auto-approve"]);
        let killed = command.env("MIG_USER", "ann").env("MIG_FAILPOINT", at);
        assert_eq!(killed.output().unwrap().status.code(), None, "{at}");
        // Whatever is left of it, nothing begins.
        let refused = mig(&place, &["start", "--auto-approve"]).ends_with(1);
        refused.says("stopped by ann");
        let applied = place.apply();
        assert!([4, 9].contains(&applied.code), "{at}: {applied:?}");
        let stopped = json(&place, &["stop", "--auto-approve"]);
        let kept = archive(&place, stopped["archive"].as_str().unwrap());
        assert!(
            kept["items"].as_array().unwrap().len() > 9,
            "{at}: {kept:#}"
        );
        assert!(working_state(&place).is_empty(), "{at}");
        place.mig(&["plan"]).ends_with(4).says("MIG360");
        mig(&place, &["reset", "--auto-approve"]).ends_with(0);
        place.apply().ends_with(0);
        place.is_finished();
    }
}

#[test]
fn what_was_loaded_in_full_stays_done_when_it_is_stopped() {
    let place = Place::new();
    place
        .mig(&["apply", "--auto-approve", "--until", "docs"])
        .ends_with(0);
    let stopped = mig(&place, &["stop", "--auto-approve"]).ends_with(0);
    let lines: Vec<&str> = stopped.out.lines().collect();
    assert_eq!(lines[0], "Backfill stopped successfully.");
    assert_eq!(
        lines[1],
        "Service docs set to 0 desired count. Currently 0 running and 0 pending."
    );
    assert!(
        lines[2].starts_with("Backfill working state archived to: state/archive/"),
        "{lines:?}"
    );
    let status = json(&place, &["status"]);
    assert_eq!(status["phases"][0]["status"], "STOPPED");
    assert_eq!(
        status["phases"][0]["shard_complete"],
        status["phases"][0]["shard_total"]
    );
    place.apply().ends_with(0);
    place.is_finished();
    // What it would have to load anew is asked about.
    place
        .mig(&["plan", "--redo", "docs"])
        .ends_with(4)
        .says("MIG360");
}

#[test]
fn a_reset_forgets_the_proof_as_well_and_all_is_loaded_and_proved_again() {
    let place = Place::new();
    place.apply().ends_with(0);
    let reset = json(&place, &["reset", "--auto-approve"]);
    assert_eq!(reset["anew"], serde_json::json!(["docs", "same"]));
    let kept = archive(&place, reset["archive"].as_str().unwrap());
    assert_eq!(kept["totals"]["written"], 7560);
    assert!(working_state(&place).is_empty());
    assert!(
        !place.ndjson().is_empty(),
        "documents stay until they are written again"
    );
    mig(&place, &["reset", "--auto-approve"])
        .ends_with(0)
        .says("begins anew already");
    place.apply().ends_with(0).says("7 560 of 7 560 documents");
    place.is_finished();
}

#[test]
fn one_that_runs_is_stopped_and_its_processes_end() {
    let place = Place::new();
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let slow = plan.replace(
        "workers: 2",
        "workers: 2, limits: { docs: 300/s, batch: 4KiB }",
    );
    std::fs::write(place.path("plan.yaml"), slow).unwrap();
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    mig(&place, &["start", "--auto-approve"]).ends_with(0);
    // An apply holds the state.
    mig(&place, &["reset", "--auto-approve"]).ends_with(7);
    let stopped = mig(&place, &["stop", "--auto-approve"]).ends_with(0);
    assert!(
        stopped.err.contains("Workers are still running"),
        "{stopped:?}"
    );
    assert!(working_state(&place).is_empty());
    place.mig(&["plan"]).ends_with(4).says("MIG360");
    mig(&place, &["status"])
        .ends_with(0)
        .says("BackfillStatus.STOPPED");
}
