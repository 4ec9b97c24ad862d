//! Several processes load one backfill: workers join, rest, are killed and come back, and so does the apply that leads them;
//! everything arrives, once, and every process ends by itself.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mig::clients::target::cluster::WorkingState;
use mig::engines::bulk::fleet::{
    Beat, Board as _, Control, Doing, IndexBoard, Muster, Role, muster,
};
use rustix::process::Signal;

use super::load::{Load, ends, kill, signal};
use super::place::Ran;
use super::support::{is_its_day, opensearch2};

/// How long anything is waited for.
const LONGEST: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(200);

/// The board of the load's plan, as operators and workers have it.
fn board(load: &Load<'_>) -> IndexBoard {
    let text = std::fs::read_to_string(load.place.path("plan.yaml")).unwrap();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("plan: "))
        .unwrap();
    IndexBoard::new(
        &WorkingState::new(load.target.client()),
        name.trim(),
        "docs",
        "",
    )
}

fn fleet(load: &Load<'_>) -> Muster {
    let board = board(load);
    muster(
        &board.control().unwrap(),
        board.beats().unwrap(),
        board.now(),
    )
}

/// Waits until the fleet is as it should be.
#[track_caller]
fn until(load: &Load<'_>, what: &str, mut is: impl FnMut(&Muster) -> bool) {
    let began = Instant::now();
    loop {
        let fleet = fleet(load);
        if is(&fleet) {
            return;
        }
        assert!(began.elapsed() < LONGEST, "{what}: {fleet:#?}");
        thread::sleep(LOOK);
    }
}

/// What a killed process held is free after this time, and not after minutes.
const SHORT_LEASE: (&str, &str) = ("MIG_SHORTENED_LEASE_S", "8");

/// Starts `mig` for a load, with short leases.
pub(crate) fn start(load: &Load<'_>, arguments: &[&str]) -> Child {
    let mut command = load.place.command(arguments);
    command.env(SHORT_LEASE.0, SHORT_LEASE.1);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn worker(load: &Load<'_>) -> Child {
    start(load, &["worker"])
}

fn apply(load: &Load<'_>, least: u64) -> Child {
    load.begun(start(load, &["apply", "--auto-approve"]), least)
}

fn at_work(beats: &[Beat], role: Role) -> usize {
    let works = |beat: &&Beat| beat.role == role && beat.doing == Doing::Working;
    beats.iter().filter(works).count()
}

#[test]
fn workers_join_rest_and_are_killed_and_all_arrives() {
    let fields = "workers: 1, limits: { docs: 300/s, batch: 4KiB }";
    let load = Load::new(opensearch2(), "fleet", 9000, &[], fields);
    // A worker may be there before there is anything to do.
    let first = worker(&load);
    let leader = apply(&load, 100);
    until(&load, "two work", |fleet| {
        at_work(&fleet.there, Role::Worker) == 1 && at_work(&fleet.there, Role::Coordinator) == 1
    });
    let second = worker(&load);
    until(&load, "three work", |fleet| {
        fleet.running == 3 && fleet.desired == 3
    });
    // One is killed: it is told as lost, and what it held is taken over.
    kill(first);
    let third = worker(&load);
    until(&load, "another takes its place", |fleet| {
        at_work(&fleet.there, Role::Worker) >= 2
    });
    // All rest, and nothing is written meanwhile.
    board(&load).change("ann", &mut Control::pause).unwrap();
    until(&load, "all rest", |fleet| {
        fleet.running == 0 && fleet.there.iter().any(|beat| beat.doing == Doing::Paused)
    });
    let before = load.visible();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(load.visible(), before, "a document was written in a pause");
    assert!(before < 9000, "{before}: all was loaded before the pause");
    // One alone is wanted: the worker that joined first.
    board(&load)
        .change("ann", &mut |control| control.scale(1))
        .unwrap();
    until(&load, "one works", |fleet| {
        fleet.running == 1 && at_work(&fleet.there, Role::Worker) == 1 && fleet.pending == 0
    });
    board(&load)
        .change("ann", &mut |control| control.scale(4))
        .unwrap();
    until(
        &load,
        "the apply makes up for those that are missing",
        |fleet| {
            let apply = fleet
                .there
                .iter()
                .find(|beat| beat.role == Role::Coordinator);
            apply.is_some_and(|beat| beat.working >= 2)
        },
    );
    // The one that leads is killed: the workers go on with what was given out.
    kill(leader);
    signal(&second, Signal::STOP);
    let leader = apply(&load, 1);
    thread::sleep(Duration::from_secs(1));
    signal(&second, Signal::CONT);
    let ended = [leader.id(), second.id(), third.id()];
    ends(leader).ends_with(0);
    for worker in [second, third] {
        ends(worker).ends_with(0).says("all is loaded");
    }
    load.is_whole();
    // Those that ended by themselves left the board; of those that were killed their last words stay a while.
    let left: Vec<u32> = board(&load)
        .beats()
        .unwrap()
        .iter()
        .filter(|beat| !beat.left)
        .map(|beat| beat.pid)
        .collect();
    assert!(ended.iter().all(|pid| !left.contains(pid)), "{left:?}");
}

#[test]
fn a_worker_that_is_stopped_gives_back_what_it_holds_and_one_of_another_plan_is_refused() {
    let fields = "workers: 1, limits: { docs: 200/s, batch: 4KiB }";
    let load = Load::new(opensearch2(), "helper", 3000, &[], fields);
    let leader = apply(&load, 50);
    let helper = worker(&load);
    until(&load, "it works", |fleet| {
        at_work(&fleet.there, Role::Worker) == 1
    });
    signal(&helper, Signal::INT);
    ends(helper).ends_with(130);
    until(&load, "it has left", |fleet| {
        fleet.there.len() == 1 && fleet.lost.is_empty()
    });
    // What would write other documents is not let in.
    let text = std::fs::read_to_string(load.place.path("plan.yaml")).unwrap();
    load.replace("limits: {", "versions: drop, limits: {");
    load.place
        .mig(&["worker"])
        .ends_with(1)
        .says("is not this plan's");
    std::fs::write(load.place.path("plan.yaml"), text).unwrap();
    board(&load).change("ann", &mut Control::stop).unwrap();
    ends(leader).ends_with(9).says("stopped by ann");
    load.place
        .mig(&["worker"])
        .ends_with(1)
        .says("stopped by ann");
    load.nothing_is_left();
}

#[test]
fn a_backfill_that_is_stopped_leaves_an_archive_and_nobody_begins_until_it_is_reset() {
    if !is_its_day(0, 3) {
        return;
    }
    let fields = "workers: 1, limits: { docs: 200/s, batch: 4KiB }";
    let load = Load::new(opensearch2(), "stopped", 12_000, &[], fields);
    let leader = apply(&load, 50);
    let helper = worker(&load);
    until(&load, "it works", |fleet| {
        at_work(&fleet.there, Role::Worker) == 1
    });
    // One that is killed has a lease that is waited for.
    let lost = worker(&load);
    until(&load, "another works", |fleet| {
        at_work(&fleet.there, Role::Worker) == 2
    });
    kill(lost);
    let stop = |arguments: &[&str]| {
        let mut command = load.place.command(arguments);
        Ran::of(&command.env("MIG_USER", "ann").output().unwrap())
    };
    let stopped = stop(&["backfill", "stop", "--auto-approve", "--json"]).ends_with(0);
    let stopped: serde_json::Value = serde_json::from_str(&stopped.out).unwrap();
    ends(leader).ends_with(9).says("stopped by ann");
    ends(helper).ends_with(1).says("stopped by ann");
    load.nothing_is_left();
    let archive = load.place.path(stopped["archive"].as_str().unwrap());
    let archive: serde_json::Value =
        serde_json::from_slice(&std::fs::read(archive).unwrap()).unwrap();
    let written = archive["totals"]["written"].as_u64().unwrap();
    assert!((50..12_000).contains(&written), "{archive:#}");
    // Of the working state the orders alone are left.
    let path = "/.migrations_working_state/_search?size=1000";
    load.target.post(
        "/.migrations_working_state/_refresh",
        &serde_json::json!({}),
    );
    let left = load.target.get(path);
    let ours = left["hits"]["hits"].as_array().unwrap().iter();
    let ours = ours.filter(|hit| hit.to_string().contains(load.scope.prefix()));
    let kinds: Vec<&str> = ours
        .filter_map(|it| it["_source"]["kind"].as_str())
        .collect();
    assert!(kinds.contains(&"work-control"), "{kinds:?}");
    let of_loads = ["work", "work-item", "work-brief", "work-beat", "work-tally"];
    assert!(!kinds.iter().any(|it| of_loads.contains(it)), "{kinds:?}");

    for refused in [&["worker"][..], &["backfill", "start", "--auto-approve"]] {
        load.place.mig(refused).ends_with(1).says("stopped by ann");
    }
    load.place.apply().ends_with(4).says("MIG360");
    load.place
        .mig(&["backfill", "status"])
        .ends_with(0)
        .says("BackfillStatus.STOPPED");
    load.replace("limits: { docs: 200/s, batch: 4KiB }", "limits: {}");
    load.place
        .mig(&["backfill", "reset", "--auto-approve"])
        .ends_with(0)
        .says("loads it anew");
    load.place.apply().ends_with(0);
    load.is_whole();
}
