//! The operator's commands for backfills, by the program itself on directories.

use serde_json::Value;

use crate::support::{Place, Ran};

/// Times and places that differ from run to run, as words.
fn settled(text: &str) -> String {
    let mut settled = String::new();
    for line in text.lines() {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches([',', '.', ':']);
            if bare.len() == 20 && bare.ends_with('Z') && bare.starts_with("20") {
                word.replace(bare, "<time>")
            } else {
                word.to_owned()
            }
        });
        let words: Vec<String> = words.collect();
        settled.push_str(&words.join(" "));
        settled.push('\n');
    }
    settled
}

fn status(place: &Place) -> Ran {
    place.mig(&["backfill", "status"]).ends_with(0)
}

fn deep(place: &Place, columns: &str) -> String {
    let mut command = place.command(&["backfill", "status", "--deep-check"]);
    let ran = Ran::of(&command.env("COLUMNS", columns).output().unwrap());
    settled(&ran.ends_with(0).out)
}

fn order(place: &Place, arguments: &[&str]) -> Ran {
    let mut all = vec!["backfill"];
    all.extend_from_slice(arguments);
    let mut command = place.command(&all);
    Ran::of(&command.env("MIG_USER", "ann").output().unwrap())
}

#[test]
fn the_status_of_one_that_was_not_begun_says_what_to_type() {
    let place = Place::new();
    insta::assert_snapshot!("backfill_not_begun", status(&place).out);
    // Asking leaves nothing behind.
    assert!(!place.path("state").exists() && !place.path("out").exists());
    order(&place, &["scale", "3"])
        .ends_with(1)
        .says("nothing of `docs` was begun")
        .says("`mig backfill start` begins");
}

#[test]
#[cfg(feature = "failpoints")]
fn the_status_of_one_that_was_killed_counts_what_is_done() {
    let place = Place::new();
    let mut command = place.command(&["apply", "--auto-approve"]);
    let killed = command.env("MIG_FAILPOINT", "bulk-after-complete:9");
    assert_eq!(killed.output().unwrap().status.code(), None);
    let text = status(&place).out;
    assert!(
        text.starts_with("BackfillStatus.PAUSED\nRunning=0\n"),
        "{text}"
    );
    assert!(text.contains("Shards total: 15\n"), "{text}");
    assert!(text.contains("Nobody works on it"), "{text}");
    let answer = place
        .mig(&["backfill", "status", "--json", "--deep-check"])
        .ends_with(0);
    let answer: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let phase = &answer["phases"][0];
    let number = |name: &str| phase[name].as_u64().unwrap();
    assert_eq!(phase["status"], "PAUSED");
    assert!(number("shard_complete") > 0, "{phase:#}");
    let sum = number("shard_complete") + number("shard_in_progress") + number("shard_waiting");
    assert_eq!(sum, number("shard_total"));
    assert!((1..7560).contains(&number("docs_done")), "{phase:#}");
    let percent = phase["percentage_completed"].as_f64().unwrap();
    assert!(percent > 0.0 && percent < 100.0, "{percent}");
    place.apply().ends_with(0);
    assert!(status(&place).out.starts_with("BackfillStatus.COMPLETED\n"));
}

#[test]
fn the_status_of_one_that_is_done_is_complete() {
    let place = Place::new();
    place.apply().ends_with(0);
    insta::assert_snapshot!("backfill_completed_80", deep(&place, "80"));
    insta::assert_snapshot!("backfill_completed_160", deep(&place, "160"));
    // One that watches ends by itself.
    place
        .mig(&["backfill", "status", "--watch"])
        .ends_with(0)
        .says("Shards completed: 15");
}

#[test]
fn orders_to_nobody_stand_until_somebody_comes() {
    let place = Place::new();
    place.apply().ends_with(0);
    let scaled = order(&place, &["scale", "5"]).ends_with(0).out;
    let limited = order(&place, &["limits", "--docs", "500/s", "--in-flight", "3"]);
    let limited = limited.ends_with(0).out;
    let shown = order(&place, &["limits", "--docs", "off"]).ends_with(0).out;
    let paused = order(&place, &["pause"]).ends_with(0).out;
    let text = format!(
        "{scaled}\n{limited}\n{shown}\n{paused}\n{}",
        deep(&place, "80")
    );
    insta::assert_snapshot!("backfill_orders", text);
    // Nobody is there and nobody answers: what was ordered stands.
    place.mig(&["reset", "--auto-approve"]).ends_with(0);
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    order(&place, &["pause"]).ends_with(0);
    order(&place, &["start"])
        .ends_with(1)
        .says("nothing was started");
    let told = order(&place, &["status", "--deep-check", "--json"]).ends_with(0);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["phases"][0]["control"]["paused"], true, "{told}");
    order(&place, &["scale", "4097"]).ends_with(1).says("4096");
    order(&place, &["limits", "--docs", "500"])
        .ends_with(1)
        .says("500/s");
}

#[test]
fn of_several_backfills_orders_name_one() {
    let phases = "  base:     { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  mappings: { metadata: { from: base, to: os } }
  docs:     { backfill: { from: base, to: os, indices: [\"*\", \"!customers\"] } }
  people:   { backfill: { from: base, to: os, indices: [customers] } }
";
    let place = Place::with(phases);
    let text = status(&place).out;
    insta::assert_snapshot!("backfill_several", text);
    order(&place, &["pause"])
        .ends_with(1)
        .says("the plan has 2 backfill phases")
        .says("`--phase`: docs, people");
    order(&place, &["pause", "--phase", "dosc"])
        .ends_with(1)
        .says("it has docs, people");
    place.apply().ends_with(0);
    order(&place, &["pause", "--phase", "people"])
        .ends_with(0)
        .says("`mig backfill start --phase people`");
}

#[test]
fn one_is_started_in_the_background_and_says_how_far_it_is() {
    let place = Place::new();
    order(&place, &["start", "--auto-approve"])
        .ends_with(1)
        .says("`docs` needs `base`");
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    order(&place, &["start"])
        .ends_with(1)
        .says("there is no terminal to ask on");
    let ran = order(&place, &["start", "--auto-approve"]).ends_with(0);
    assert!(ran.out.starts_with("BackfillStatus."), "{ran:?}");
    let ran = ran
        .says("Started as process")
        .says("7 560 documents of 10 indices");
    assert!(
        !ran.out.contains("STOPPED") && !ran.out.contains("NOT_STARTED"),
        "{ran:?}"
    );
    // Whether it was still at work or through, it comes to its end by itself.
    place
        .mig(&["backfill", "status", "--watch"])
        .ends_with(0)
        .says("BackfillStatus.COMPLETED");
    place
        .mig(&["apply", "--auto-approve", "--lock-timeout", "60s"])
        .ends_with(0);
    place.is_finished();
    // Nothing is left to do: nothing is started.
    let ran = order(&place, &["start", "--auto-approve"]).ends_with(0);
    assert!(ran.out.starts_with("BackfillStatus.COMPLETED"), "{ran:?}");
    assert!(!ran.err.contains("Started"), "{ran:?}");
}

#[test]
#[cfg(feature = "failpoints")]
fn what_ends_badly_in_the_background_is_told() {
    let place = Place::new();
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    let mut command = place.command(&["backfill", "start", "--auto-approve"]);
    // The background inherits it and is killed; the command itself does not load.
    let output = command
        .env("MIG_FAILPOINT", "bulk-after-complete:2")
        .output();
    let ran = Ran::of(&output.unwrap());
    assert!([0, 1].contains(&ran.code), "{ran:?}");
    if ran.code == 1 {
        ran.says("ended by a signal").says("all that it said is in");
    }
    order(&place, &["start", "--foreground", "--auto-approve"])
        .ends_with(0)
        .says("7 560 of 7 560 documents");
    assert!(status(&place).out.starts_with("BackfillStatus.COMPLETED\n"));
}

/// The status as JSON, of the one backfill.
fn seen(place: &Place) -> serde_json::Value {
    let answer = place
        .mig(&["backfill", "status", "--deep-check", "--json"])
        .ends_with(0);
    let mut answer: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    answer["phases"][0].take()
}

#[test]
fn one_that_runs_is_paused_scaled_and_resumed() {
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
    let ran = order(&place, &["start", "--auto-approve"]).ends_with(0);
    assert!(
        ran.out.starts_with("BackfillStatus.RUNNING")
            || ran.out.starts_with("BackfillStatus.STARTING"),
        "{ran:?}"
    );
    let paused = order(&place, &["pause"]).ends_with(0);
    assert!(
        paused
            .out
            .contains("is paused and nobody works; waiting: mig apply ("),
        "{paused:?}"
    );
    let before = seen(&place);
    assert_eq!(
        (&before["status"], &before["running"]),
        (&"PAUSED".into(), &0.into())
    );
    assert!(before["docs_done"].as_u64().unwrap() < 7560, "{before:#}");
    assert_eq!(before["shard_in_progress"], 0, "{before:#}");
    assert_eq!(before["processes"][0]["role"], "coordinator");
    assert!(status(&place).out.contains("Paused by ann at 20"));
    // Nothing moves while it rests.
    assert_eq!(seen(&place)["docs_done"], before["docs_done"]);
    let scaled = order(&place, &["scale", "3"]).ends_with(0);
    assert!(
        scaled.out.contains("set to 3 desired count. Currently"),
        "{scaled:?}"
    );
    order(&place, &["limits", "--docs", "1000000/s"]).ends_with(0);
    order(&place, &["start"]).ends_with(0);
    place
        .mig(&["backfill", "status", "--watch"])
        .ends_with(0)
        .says("Desired=3")
        .says("BackfillStatus.COMPLETED");
    place
        .mig(&["apply", "--auto-approve", "--lock-timeout", "60s"])
        .ends_with(0);
    place.is_finished();
}
