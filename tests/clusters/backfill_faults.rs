//! Kills, losses and rivals of a load into a real cluster that the random ones of `kills` would meet too seldom: each is
//! followed by a plain apply, and all documents stand there.

use std::path::Path;

use serde_json::json;

use super::load::{Load, ends, kill};
use super::place::{Place, Ran};
use super::support::{Options, Server, opensearch2, opensearch3};

/// The most that the document of one item's progress has.
#[cfg(feature = "failpoints")]
const PROGRESS_BYTES: usize = 1500;
/// Slow enough to be caught in the middle.
const SLOW: &str = "limits: { docs: 500/s, batch: 4KiB }";

/// A server that answers before anything is on its disk loses what it answered when it is killed: progress is noted only
/// behind a flush.
#[test]
fn an_asynchronous_translog_that_is_lost_with_the_server_costs_no_document() {
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let settings = [
        ("index.translog.durability", json!("async")),
        // By itself it never syncs: what no flush wrote is lost for sure.
        ("index.translog.sync_interval", json!("1h")),
    ];
    let load = Load::new(&target, "async", 6000, &settings, SLOW);
    // Behind a checkpoint and in the middle of what the next one is for.
    let child = load.begin(2600);
    assert_eq!(load.setting("index.translog.durability"), "async");
    kill(child);
    let before = target.count(&load.index);
    target.kill();
    target.restart();
    let after = target.count(&load.index);
    assert!(after < before, "nothing was lost: {before} then {after}");
    load.place.apply().ends_with(0);
    load.is_whole();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The lock of the state does not help where there are two copies of it: the leases do.
#[test]
fn two_processes_with_two_copies_of_a_state_spoil_nothing() {
    let load = Load::new(opensearch2(), "rivals", 4000, &[], SLOW);
    let first = load.begin(300);
    let text = std::fs::read_to_string(load.place.path("plan.yaml")).unwrap();
    let other = Place::of_plan(&text);
    copy(&load.place.path("state"), &other.path("state"));
    let second = other.apply();
    let first = ends(first);
    for ran in [&first, &second] {
        assert!(
            [0, 1, 6, 9].contains(&ran.code),
            "{}\n{}\n{}",
            ran.code,
            ran.out,
            ran.err
        );
    }
    // Whoever goes on with either copy of the state comes to the same end.
    load.place.apply().ends_with(0);
    load.is_whole();
    other.apply().ends_with(0);
    load.is_whole();
}

#[test]
fn dropped_versions_begin_anew_and_kept_ones_do_not() {
    for (fields, version) in [("workers: 2", 3), ("versions: drop", 1)] {
        let load = Load::new(opensearch3(), "versions", 50, &[], fields);
        load.send(0..50);
        load.send(0..50);
        load.place.apply().ends_with(0);
        assert_eq!(load.document(7).unwrap().0, version, "{fields}");
        load.is_whole();
    }
}

#[test]
fn a_redo_writes_anew_what_is_there() {
    let load = Load::new(opensearch2(), "redo", 300, &[], "workers: 2");
    load.place.apply().ends_with(0);
    let uuid = load.setting("index.uuid");
    load.target.put(
        &format!("/{}/_doc/more", load.index),
        &json!({"n": 1, "t": "more"}),
    );
    load.place
        .mig(&["apply", "--auto-approve", "--redo", "docs"])
        .ends_with(0);
    load.is_whole();
    let other = load.setting("index.uuid");
    assert_ne!(uuid, other, "a cluster is emptied by making the index anew");
}

#[test]
fn a_redo_without_a_proof_is_no_question_afterwards() {
    let load = Load::new(opensearch2(), "unproved", 300, &[], "workers: 2");
    load.replace(
        "  same: { verify: { source: base, target: os, content: full } }\n",
        "",
    );
    load.place.apply().ends_with(0);
    for _ in 0..2 {
        load.place
            .mig(&["apply", "--auto-approve", "--redo", "docs"])
            .ends_with(0);
        load.is_whole();
    }
}

#[test]
fn an_index_that_was_removed_after_all_was_proved_is_made_and_loaded_again() {
    let load = Load::new(opensearch2(), "again", 300, &[], "workers: 2");
    load.place.apply().ends_with(0);
    load.target.delete(&format!("/{}", load.index));
    load.place.apply().ends_with(0);
    load.is_whole();
}

#[test]
fn a_finished_load_whose_state_is_lost_is_not_written_again() {
    let load = Load::new(opensearch2(), "lost", 300, &[], "workers: 2");
    load.place.apply().ends_with(0);
    let writes = load.writes();
    let uuid = load.setting("index.uuid");
    std::fs::remove_dir_all(load.place.path("state")).unwrap();
    load.place.apply().ends_with(0);
    assert_eq!(load.writes(), writes);
    assert_eq!(load.setting("index.uuid"), uuid);
    load.is_whole();
}

#[test]
fn a_rollback_removes_the_documents_and_the_index() {
    let load = Load::new(opensearch2(), "back", 300, &[], "workers: 2");
    load.place.apply().ends_with(0);
    load.place
        .mig(&["rollback", "--auto-approve", "--only", "docs"])
        .ends_with(0);
    assert_eq!(load.visible(), 0);
    load.place.apply().ends_with(0);
    load.is_whole();
    load.place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    let gone = load.target.try_get(&format!("/{}", load.index));
    assert!(gone.is_err(), "the index is there yet");
}

#[cfg(feature = "failpoints")]
mod points {
    use super::*;

    #[track_caller]
    fn dies_at(place: &Place, point: &str, arguments: &[&str]) {
        let ran = place
            .command(arguments)
            .env("MIG_FAILPOINT", point)
            .output()
            .unwrap();
        assert_eq!(
            ran.status.code(),
            None,
            "{point} was not passed: {}\n{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    #[test]
    fn a_kill_before_a_checkpoint_is_noted_costs_nothing() {
        let load = Load::new(opensearch2(), "point", 4000, &[], SLOW);
        for point in ["bulk-before-checkpoint", "bulk-after-checkpoint"] {
            dies_at(&load.place, point, &["apply", "--auto-approve"]);
            assert!(load.visible() > 0, "{point}");
        }
        // However many steps were read, what is noted of them is as small as of one.
        let plan = load.scope.prefix();
        let path = format!("/.migrations_working_state/_search?size=100&q=plan:%22{plan}%22");
        load.target
            .post("/.migrations_working_state/_refresh", &json!({}));
        let found = load.target.get(&path);
        let sizes: Vec<usize> = found["hits"]["hits"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|hit| hit["_source"]["kind"] == "work-item")
            .map(|hit| hit["_source"].to_string().len())
            .collect();
        println!("bytes of the documents of progress: {sizes:?}");
        assert!(!sizes.is_empty(), "{found}");
        assert!(sizes.iter().all(|bytes| *bytes < PROGRESS_BYTES), "{found}");
        load.place.apply().ends_with(0);
        load.is_whole();
    }

    /// Otherwise an idle worker takes the item, begins it anew and loses it again in the same way: for ever.
    #[test]
    fn an_item_that_takes_longer_than_a_lease_is_not_taken_away() {
        let load = Load::new(opensearch2(), "lease", 900, &[], SLOW);
        load.replace("docs: 500/s", "docs: 150/s");
        let ran = load
            .place
            .command(&["apply", "--auto-approve"])
            .env("MIG_SHORTENED_LEASE_S", "2")
            .output()
            .unwrap();
        Ran::of(&ran).ends_with(0);
        assert_eq!(load.writes(), 899, "documents were written twice");
        load.is_whole();
    }

    #[test]
    fn a_kill_while_documents_are_taken_away_for_a_redo_is_finished_by_a_plain_apply() {
        for point in [
            "backfill.reset.before",
            "work-after-reset",
            "backfill.reset.after",
            "bulk-item-taken",
            "bulk-before-complete",
            "backfill.loaded",
        ] {
            let load = Load::new(opensearch2(), "reset", 300, &[], "workers: 2");
            load.place.apply().ends_with(0);
            let redo = ["apply", "--auto-approve", "--redo", "docs"];
            dies_at(&load.place, point, &redo);
            let ran = load.place.apply();
            assert_eq!(ran.code, 0, "after {point}: {}\n{}", ran.out, ran.err);
            load.place
                .mig(&["plan", "--detailed-exitcode"])
                .ends_with(0);
            load.stands();
            // Before anything is taken away, what was proved still is, so that nothing is left to do.
            if !["backfill.reset.before", "work-after-reset"].contains(&point) {
                load.is_whole();
            }
        }
    }

    #[test]
    fn a_kill_between_the_header_and_the_items_of_removed_work_is_finished() {
        let load = Load::new(opensearch2(), "removed", 300, &[], "workers: 2");
        load.place.apply().ends_with(0);
        let back = ["rollback", "--auto-approve"];
        dies_at(&load.place, "work-after-remove", &back);
        load.place.mig(&back).ends_with(0);
        load.place.apply().ends_with(0);
        load.is_whole();
    }
}
