//! `mig reset` on real servers: what a plan left goes, what it made stays, and nothing of anybody else is touched.

use std::thread;
use std::time::Duration;

use mig::clients::cluster::Request;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::check::plan_of;
use super::fleet::start;
use super::load::{Load, ends, kill, signal, until};
use super::place::{Place, Ran};
use super::support::{Options, Scope, Server, elasticsearch, is_its_day};

/// Documents of the working state that are of one plan.
fn notes(target: &Server, plan: &str) -> Vec<String> {
    drop(
        target
            .client()
            .send(Request::post("/.migrations_working_state/_refresh")),
    );
    let path = "/.migrations_working_state/_search?size=1000&ignore_unavailable=true";
    let found = target.get(path);
    let hits = found["hits"]["hits"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let own = hits.iter().filter(|hit| hit["_source"]["plan"] == plan);
    let mut ids: Vec<String> = own.map(|hit| hit["_id"].to_string()).collect();
    ids.sort();
    ids
}

fn aliases_of_loads(target: &Server) -> usize {
    let rows = target.get("/_cat/aliases?format=json&h=alias&expand_wildcards=all");
    let rows = rows.as_array().unwrap().iter();
    rows.filter(|row| {
        row["alias"]
            .as_str()
            .unwrap()
            .to_ascii_lowercase()
            .starts_with("mig-writes-")
    })
    .count()
}

fn repositories(server: &Server, plan: &str) -> usize {
    let all = server.get("/_snapshot");
    let names = all.as_object().unwrap().keys();
    names.filter(|name| name.contains(plan)).count()
}

#[cfg(feature = "failpoints")]
fn killed(place: &Place, arguments: &[&str], point: &str) {
    let mut command = place.command(arguments);
    let ran = command.env("MIG_FAILPOINT", point).output().unwrap();
    assert_eq!(ran.status.code(), None, "{point}: it was not killed");
}

#[test]
#[cfg(feature = "failpoints")]
fn an_interrupted_apply_is_reset_beside_another_plan_and_applied_anew() {
    let source = elasticsearch();
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let (ours, theirs) = (Scope::on(&[source], "reset"), Scope::on(&[source], "other"));
    let (place, other) = (plan_of(&ours, &target), plan_of(&theirs, &target));
    other.apply().ends_with(0);
    killed(
        &place,
        &["apply", "--auto-approve"],
        "bulk-before-complete:1",
    );
    assert!(!notes(&target, ours.prefix()).is_empty());
    assert_eq!(aliases_of_loads(&target), 1);
    let before = notes(&target, theirs.prefix());
    assert!(!before.is_empty());

    killed(&place, &["reset", "--auto-approve"], "reset.remove:2");
    let ran = place.mig(&["reset", "--auto-approve"]).ends_with(0);
    ran.says("docs begins anew")
        .says("removes the work stores of this plan")
        .says("the next apply goes on with it");
    assert_eq!(notes(&target, ours.prefix()), Vec::<String>::new());
    assert_eq!(
        before,
        notes(&target, theirs.prefix()),
        "another plan's stay"
    );
    assert_eq!(aliases_of_loads(&target), 0);
    assert_eq!(repositories(source, ours.prefix()), 0);
    assert_eq!(repositories(source, theirs.prefix()), 1);
    let index = ours.name("few");
    let settings = target.get(&format!("/{index}/_settings"));
    let interval = &settings[&index]["settings"]["index"]["refresh_interval"];
    assert_eq!(*interval, Value::Null, "settings are put back");
    place
        .mig(&["reset", "--auto-approve"])
        .ends_with(0)
        .says("Nothing to reset");

    place.apply().ends_with(0);
    place.is_finished();
    assert_eq!(target.count(&index), 2);
    other.is_finished();

    // When nobody has anything there any more, the index of the working state goes.
    place.mig(&["reset", "--auto-approve"]).ends_with(0);
    assert!(!notes(&target, theirs.prefix()).is_empty());
    other.mig(&["reset", "--auto-approve"]).ends_with(0);
    let gone = target
        .client()
        .send(Request::head("/.migrations_working_state"));
    assert_eq!(gone.unwrap_err().status(), Some(404));
    assert_eq!(target.count(&index), 2, "documents stay");
}

#[test]
fn the_working_state_of_another_tool_is_left_alone() {
    let source = elasticsearch();
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let scope = Scope::on(&[source], "foreign");
    let place = plan_of(&scope, &target);
    let theirs = json!({"lease": "held", "plan": scope.prefix()});
    target.put("/.migrations_working_state/_doc/1?refresh=true", &theirs);
    place
        .mig(&["check"])
        .ends_with(8)
        .says("is another tool's: it is not touched");
    place.mig(&["reset", "--auto-approve"]).ends_with(0);
    let there = target.get("/.migrations_working_state/_doc/1");
    assert_eq!(there["_source"], theirs);
    assert_eq!(
        super::check::everything(&target)
            .iter()
            .filter(|it| it.contains("mig-"))
            .count(),
        0
    );
}

/// A worker goes on where the apply that led it was killed: a reset is refused while it is there, and one that only fell silent finds
/// afterwards neither an index to write to nor one that its words make anew.
#[test]
fn a_reset_beside_workers_is_refused_and_one_that_wakes_afterwards_does_no_harm() {
    if !is_its_day(0, 3) {
        return;
    }
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let fields = "workers: 1, limits: { docs: 100/s, batch: 4KiB }";
    let load = Load::new(&target, "busy", 12_000, &[], fields);
    let leader = load.begun(start(&load, &["apply", "--auto-approve"]), 50);
    let helper = start(&load, &["worker"]);
    let reset = || {
        let mut command = load.place.command(&["reset", "--auto-approve"]);
        Ran::of(&command.output().unwrap())
    };
    let status = || {
        let ran = load
            .place
            .mig(&["backfill", "status", "--json"])
            .ends_with(0);
        let status: Value = serde_json::from_str(&ran.out).unwrap();
        status["phases"][0]["running"].as_u64().unwrap()
    };
    until("two never worked", || status() == 2);
    // Whoever leads has the lock.
    reset().ends_with(7).says("locked by `mig apply`");
    kill(leader);
    let before = notes(&target, load.scope.prefix());
    let process = format!("process {}", helper.id());
    reset()
        .ends_with(1)
        .says("`docs` is being loaded by")
        .says(&process)
        .says("nothing was removed");
    assert!(before.len() <= notes(&target, load.scope.prefix()).len() + 1);
    assert_eq!(aliases_of_loads(&target), 1);
    let written = load.visible();
    until("the worker does not go on", || load.visible() > written);

    // It falls silent, in the middle of whatever it does.
    signal(&helper, Signal::STOP);
    let mut ran = reset();
    until("it is never taken for lost", || {
        ran = reset();
        ran.code == 0
    });
    ran.says("docs begins anew")
        .says(&process)
        .says("may come back");
    assert_eq!(notes(&target, load.scope.prefix()), Vec::<String>::new());
    assert_eq!(aliases_of_loads(&target), 0);
    let writes = load.writes();
    signal(&helper, Signal::CONT);
    thread::sleep(Duration::from_secs(8));
    assert_eq!(load.writes(), writes, "it wrote after the reset");
    // The working state is what it was made as, and an apply takes the worker along.
    let mapping = target.get("/.migrations_working_state/_mapping");
    let meta = &mapping[".migrations_working_state"]["mappings"]["_meta"]["mig"];
    assert_eq!(meta["schema"], 1, "{mapping}");
    load.replace("limits: { docs: 100/s, batch: 4KiB }", "limits: {}");
    load.place.apply().ends_with(0);
    load.is_whole();
    let helped = ends(helper);
    assert!([0, 1].contains(&helped.code), "{helped:?}");
    reset().ends_with(0);
    let gone = || {
        let asked = Request::head("/.migrations_working_state");
        target.client().send(asked).unwrap_err().status()
    };
    assert_eq!(gone(), Some(404));

    // What a server makes of a write that comes later still is told as that.
    let late = Request::put("/.migrations_working_state/_doc/x?if_seq_no=7&if_primary_term=1");
    let late = target
        .client()
        .send(late.json(&json!({"kind": "work-item"})));
    assert_eq!(late.unwrap_err().status(), Some(409));
    load.place
        .apply()
        .ends_with(1)
        .says("the server made it of a write that came after a reset")
        .says("remove it by hand");
    target.delete("/.migrations_working_state");
    load.place.apply().ends_with(0);
    load.is_whole();
}
