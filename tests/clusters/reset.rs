//! `mig reset` on real servers: what a plan left goes, what it made stays, and nothing of anybody else is touched.

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::check::plan_of;
use super::place::Place;
use super::support::{Options, Scope, Server, elasticsearch};

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
