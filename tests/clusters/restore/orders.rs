//! What operators order while a target restores: a pause, a stop and a reset are heard within the restores, not after them.

use std::collections::BTreeSet;

use mig::clients::target::cluster::WorkingState;
use mig::engines::bulk::fleet::{Board as _, Control, Doing, IndexBoard};

use super::*;
use crate::commands::noise;
use crate::load::until;
use crate::place::Ran;

/// Indices beside the first one: more than are restored at once.
const OTHERS: usize = 16;
/// Documents of each, of text that no codec makes much smaller, so that a rate of bytes makes restores slow.
const DOCS: u64 = 100;

fn many<'a>(target: &'a Server, what: &str) -> (Load<'a>, BTreeSet<String>) {
    let fields = "workers: 1, strategy: restore, limits: { bytes: 100KiB/s }";
    let load = Load::new(target, what, 10, &[], fields);
    let mut names: BTreeSet<String> = [load.index.clone()].into();
    for other in 0..OTHERS {
        let name = load.scope.name(&format!("b{other:02}"));
        let body = json!({
            "settings": {"number_of_shards": 1, "number_of_replicas": 0},
            "mappings": {"properties": {"t": {"type": "keyword", "index": false, "doc_values": false}}},
        });
        load.source.put(&format!("/{name}"), &body);
        let mut lines = String::new();
        for n in 0..DOCS {
            let text = noise(other as u64 * DOCS + n + 1, 2400);
            lines.push_str(&format!(
                "{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"t\":\"{text}\"}}\n"
            ));
        }
        load.source.bulk(&name, &lines);
        load.source.post(&format!("/{name}/_refresh"), &json!({}));
        names.insert(name);
    }
    (load, names)
}

/// The indices of which such a note stands on the target.
fn noted(load: &Load<'_>, kind: &str) -> BTreeSet<String> {
    let notes = notes(load.target, load.scope.prefix());
    let notes = notes.iter().map(|note| &note["_source"]);
    let notes = notes.filter(|note| note["kind"] == kind);
    let names = notes.map(|note| note["body"]["index"].as_str().unwrap().to_owned());
    names.collect()
}

/// An apply whose target is at some indices, while others wait: it is asked for all of the first ones before one is counted.
#[track_caller]
fn at_work(load: &Load<'_>) -> std::process::Child {
    let child = load.place.spawn(&["apply", "--auto-approve"]);
    until("it never restored", || !noted(load, "restored").is_empty());
    child
}

/// How many indices the target restores just now.
fn restoring(load: &Load<'_>) -> u64 {
    let status = load
        .place
        .mig(&["backfill", "status", "--json"])
        .ends_with(0);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    status["phases"][0]["restoring"].as_u64().unwrap_or(0)
}

fn board(load: &Load<'_>) -> IndexBoard {
    let state = WorkingState::new(load.target.client());
    IndexBoard::new(&state, load.scope.prefix(), "docs", "")
}

fn ordered(load: &Load<'_>, arguments: &[&str]) -> Ran {
    let mut command = load.place.command(arguments);
    Ran::of(&command.env("MIG_USER", "ann").output().unwrap())
}

#[test]
fn a_pause_is_heard_while_a_target_restores_and_a_start_goes_on() {
    if !is_its_day(0, 3) {
        return;
    }
    let (load, names) = many(opensearch2(), "rpause");
    let mut child = at_work(&load);
    // At once, however long a command takes to start on a machine that has other work.
    board(&load).change("ann", &mut Control::pause).unwrap();
    let paused = ordered(&load, &["backfill", "pause"]).ends_with(0);
    let begun: BTreeSet<String> = &noted(&load, "restoring") | &noted(&load, "restored");
    assert!(begun.len() < names.len(), "all were begun: {begun:?}");
    if restoring(&load) > 0 {
        paused.says("no server lets that rest");
        load.place
            .mig(&["backfill", "status"])
            .says("No server lets a restore rest");
    }
    // What the target is at comes to its end, and is counted: nothing else is begun.
    until("the target never came to an end", || restoring(&load) == 0);
    std::thread::sleep(Duration::from_secs(2));
    let restored = noted(&load, "restored");
    load.place
        .mig(&["backfill", "status"])
        .ends_with(0)
        .says("BackfillStatus.PAUSED")
        .says("Paused by ann");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(noted(&load, "restored"), restored);
    assert_eq!(&noted(&load, "restoring") | &restored, begun);
    assert_eq!(restoring(&load), 0);
    assert!(child.try_wait().unwrap().is_none(), "the apply waits");
    load.place.mig(&["backfill", "start"]).ends_with(0);
    ends(child).ends_with(0).says("paused by ann");
    assert_eq!(noted(&load, "restored"), names);
    load.is_whole();

    // A pause from before it begins holds back the first one.
    load.place
        .mig(&["rollback", "--auto-approve", "--only", "docs"])
        .ends_with(0);
    ordered(&load, &["backfill", "pause"]).ends_with(0);
    load.replace(", limits: { bytes: 100KiB/s }", "");
    let child = load.place.spawn(&["apply", "--auto-approve"]);
    let board = board(&load);
    until("it never rests", || {
        let beats = board.beats().unwrap();
        beats.iter().any(|beat| beat.doing == Doing::Paused)
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(notes(load.target, load.scope.prefix()).is_empty());
    assert_eq!(
        repositories(load.target, load.scope.prefix()),
        Vec::<String>::new()
    );
    load.place.mig(&["backfill", "scale", "2"]).ends_with(0);
    ends(child).ends_with(0);
    load.is_whole();
}

#[test]
fn a_stop_is_heard_while_a_target_restores_and_what_is_half_done_is_taken_back() {
    if !is_its_day(1, 3) {
        return;
    }
    let (load, names) = many(opensearch2(), "rstop");
    let child = at_work(&load);
    board(&load).change("ann", &mut Control::stop).unwrap();
    let stopped = ordered(&load, &["backfill", "stop", "--auto-approve", "--json"]).ends_with(0);
    let stopped: Value = serde_json::from_str(&stopped.out).unwrap();
    ends(child).ends_with(9).says("stopped by ann");
    let totals = &stopped["totals"];
    let number = |name: &str| totals[name].as_u64().unwrap();
    let (restored, taken_back) = (number("restored"), number("taken-back"));
    assert!(taken_back > 0, "{stopped:#}");
    assert!(
        restored > 0 && restored + taken_back < names.len() as u64,
        "{stopped:#}"
    );
    // Nothing is left at work, and every index is either whole or as it was made.
    assert!(notes(load.target, load.scope.prefix()).is_empty());
    assert_eq!(
        repositories(load.target, load.scope.prefix()),
        Vec::<String>::new()
    );
    let counts: Vec<u64> = names
        .iter()
        .filter(|name| **name != load.index)
        .map(|name| load.target.count(name))
        .collect();
    assert!(counts.iter().all(|it| [0, DOCS].contains(it)), "{counts:?}");
    load.place
        .mig(&["backfill", "status"])
        .ends_with(0)
        .says("BackfillStatus.STOPPED")
        .says(&format!("Shards completed: {restored}\n"));
    load.place.apply().ends_with(4).says("MIG360");
    load.place
        .mig(&["backfill", "reset", "--auto-approve"])
        .ends_with(0);

    // A reset of what a killed apply left finds the target at work.
    kill(at_work(&load));
    assert!(!noted(&load, "restoring").is_empty());
    load.place
        .mig(&["reset", "--auto-approve"])
        .ends_with(0)
        .says("what is restored of index");
    assert!(notes(load.target, load.scope.prefix()).is_empty());
    assert_eq!(
        repositories(load.target, load.scope.prefix()),
        Vec::<String>::new()
    );
    load.replace(", limits: { bytes: 100KiB/s }", "");
    load.place.apply().ends_with(0);
    assert_eq!(noted(&load, "restored"), names);
    load.is_whole();
}
