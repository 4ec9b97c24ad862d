//! `mig check` on real servers: what it finds, and that nothing of it stays anywhere.

use std::io::{BufRead as _, BufReader, Read as _};

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus;
use super::place::{Place, Ran};
use super::support::{Options, Scope, Server, elasticsearch, opensearch2};

/// Everything on a server that a probe could leave, by its name.
pub(crate) fn everything(server: &Server) -> Vec<String> {
    let client = server.client();
    let mut found = Vec::new();
    let get = |path: &str| client.json(Request::get(path)).unwrap_or(Value::Null);
    for row in get("/_cat/indices?format=json&h=index,uuid&expand_wildcards=all")
        .as_array()
        .unwrap()
    {
        found.push(format!("index {} {}", row["index"], row["uuid"]));
    }
    for row in get("/_cat/aliases?format=json&h=alias,index&expand_wildcards=all")
        .as_array()
        .unwrap()
    {
        found.push(format!("alias {} {}", row["alias"], row["index"]));
    }
    for path in ["/_template", "/_snapshot", "/_ingest/pipeline"] {
        let all = get(path);
        let names = all.as_object().into_iter().flatten();
        found.extend(names.map(|(name, body)| format!("{path} {name} {body}")));
    }
    for kind in ["index_template", "component_template"] {
        let all = get(&format!("/_{kind}"));
        for one in all[format!("{kind}s")].as_array().into_iter().flatten() {
            found.push(format!("{kind} {}", one["name"]));
        }
    }
    let scripts = get("/_cluster/state/metadata?filter_path=metadata.stored_scripts");
    found.push(format!("scripts {scripts}"));
    let notes = get("/.migrations_working_state/_search?size=1000&_source=false");
    for hit in notes["hits"]["hits"].as_array().into_iter().flatten() {
        found.push(format!("note {}", hit["_id"]));
    }
    found.sort();
    found
}

/// The same of a server that other tests use at the same time: what has this test's names, or a place of them.
fn of_test(server: &Server, scope: &Scope<'_>) -> Vec<String> {
    let mut all = everything(server);
    all.retain(|line| line.contains(scope.prefix()));
    all
}

fn probe<'a>(report: &'a Value, phase: &str, name: &str) -> &'a Value {
    let phases = report["check"]["phases"].as_array().unwrap();
    let phase = phases.iter().find(|it| it["address"] == phase).unwrap();
    let probes = phase["probes"].as_array().unwrap();
    probes
        .iter()
        .find(|it| it["name"] == name)
        .unwrap_or_else(|| panic!("no probe {name} in {phase:#}"))
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

#[test]
fn a_plan_that_will_do_is_well_and_nothing_of_the_check_stays() {
    let (source, target) = (
        elasticsearch(),
        Server::start("opensearch:2.19.1", &Options::default()),
    );
    let scope = Scope::on(&[source], "check");
    corpus::make(&source.client(), scope.prefix());
    let place = Place::of_plan(&super::whole::plan(&scope, source, (&target, "2.19"), ""));
    let before = (of_test(source, &scope), everything(&target));
    let checked = place.mig(&["check"]).ends_with(0);
    checked.says("All that was made is removed.");
    assert_eq!(before, (of_test(source, &scope), everything(&target)));
    let again = place.mig(&["check", "--format", "json"]).ends_with(0);
    let report = report(&again);
    assert_eq!(before, (of_test(source, &scope), everything(&target)));
    for (phase, name) in [
        ("base", "source"),
        ("base", "store"),
        ("base", "repository"),
        ("base", "same place"),
        ("base", "snapshots"),
        ("base", "clock"),
        ("mappings", "objects"),
        ("mappings", "index"),
        ("mappings", "alias"),
        ("mappings", "index template"),
        ("mappings", "component template"),
        ("mappings", "legacy template"),
        ("docs", "working state"),
        ("docs", "source"),
        ("docs", "index"),
        ("docs", "documents"),
        ("docs", "read back"),
        ("docs", "settings"),
    ] {
        assert_eq!(probe(&report, phase, name)["outcome"], "ok", "{report:#}");
    }
    assert_eq!(report["summary"]["failed"], 0);
    assert!(!place.path("state/check.json").exists());
    // No state was begun by it, and what it did is in no one's way.
    place.mig(&["state", "show"]).ends_with(1);
    place.apply().ends_with(0);
    // A plan that is done can be checked again.
    let before = (of_test(source, &scope), everything(&target));
    place.mig(&["check"]).ends_with(0);
    assert_eq!(before, (of_test(source, &scope), everything(&target)));
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
}

/// A place with the plan of one test, and the scope that its names are of.
pub(crate) fn plan_of(scope: &Scope<'_>, target: &Server) -> Place {
    let source = elasticsearch();
    let name = scope.name("few");
    source.put(
        &format!("/{name}"),
        &json!({"settings": {"index.number_of_shards": 1, "index.number_of_replicas": 0},
            "mappings": {"properties": {"n": {"type": "long"}}}}),
    );
    source.bulk(
        &name,
        "{\"index\":{\"_id\":\"1\"}}\n{\"n\":1}\n{\"index\":{\"_id\":\"2\"}}\n{\"n\":2}\n",
    );
    Place::of_plan(&super::whole::plan(scope, source, (target, "2.19"), ""))
}

#[test]
#[cfg(feature = "failpoints")]
fn killed_anywhere_the_next_check_leaves_nothing() {
    let source = elasticsearch();
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let scope = Scope::on(&[source], "checkkill");
    let place = plan_of(&scope, &target);
    let own = |server: &Server| {
        let mut all = everything(server);
        all.retain(|line| line.contains("mig-check-") || line.contains("migrations"));
        if std::ptr::eq(server, source) {
            all.retain(|line| line.contains(scope.prefix()));
        }
        all
    };
    let log = place.path("points");
    let mut command = place.command(&["check"]);
    command.env("MIG_FAILPOINT_LOG", &log);
    Ran::of(&command.output().unwrap()).ends_with(0);
    let before = (own(source), own(&target));
    assert_eq!(before, (Vec::new(), Vec::new()));
    let points = std::fs::read_to_string(&log).unwrap().lines().count();
    assert!(points > 20, "{points}");
    let every = if super::support::is_its_day(0, 5) {
        1
    } else {
        6
    };
    let mut left_something = 0;
    for hit in (1..=points).step_by(every) {
        let mut command = place.command(&["check"]);
        let killed = command.env("MIG_FAILPOINT", format!("*:{hit}")).output();
        assert_eq!(killed.unwrap().status.code(), None, "{hit}: not killed");
        left_something += usize::from((own(source), own(&target)) != before);
        place.mig(&["check"]).ends_with(0);
        assert_eq!(before, (own(source), own(&target)), "after hit {hit}");
    }
    assert!(left_something > 0, "no kill left anything");
    // An apply goes on where the index of the working state was about to go.
    let mut command = place.command(&["check"]);
    let killed = command
        .env("MIG_FAILPOINT", "target.working-state.blocked")
        .output();
    assert_eq!(killed.unwrap().status.code(), None);
    assert_ne!(before, (own(source), own(&target)));
    place
        .mig(&["apply", "--auto-approve", "--until", "mappings"])
        .ends_with(0);
    place.mig(&["check"]).ends_with(0);
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    place.mig(&["reset", "--auto-approve"]).ends_with(0);
    assert_eq!(before, (own(source), own(&target)));
    // The last word may be that of a reset.
    let mut command = place.command(&["check"]);
    let killed = command
        .env("MIG_FAILPOINT", "check.before-clean:3")
        .output();
    assert_eq!(killed.unwrap().status.code(), None);
    place
        .mig(&["reset", "--auto-approve"])
        .ends_with(0)
        .says("which a check left");
    assert_eq!(before, (own(source), own(&target)));
    // Whatever was left never is in the way of the thing itself.
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn an_interrupt_ends_it_and_nothing_stays() {
    let source = elasticsearch();
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let scope = Scope::on(&[source], "checkstop");
    let place = plan_of(&scope, &target);
    let before = everything(&target);
    target.pause();
    let mut child = place.spawn(&["check"]);
    // Where it waits for the target that says nothing.
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("checking mappings") {
        line.clear();
        assert_ne!(told.read_line(&mut line).unwrap(), 0, "it ended");
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    target.resume();
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("interrupted"), "{rest}");
    Ran::of(&child.wait_with_output().unwrap()).ends_with(130);
    assert_eq!(before, everything(&target));
}

#[test]
fn a_place_outside_of_path_repo_and_a_cluster_that_is_read_only_are_named() {
    let source = elasticsearch();
    let scope = Scope::on(&[source], "checkpath");
    let elsewhere = tempfile::tempdir().unwrap();
    let target = opensearch2();
    let text = super::whole::plan(&scope, source, (target, "2.19"), "").replace(
        &scope.repository(source).display().to_string(),
        &elsewhere.path().display().to_string(),
    );
    let place = Place::of_plan(&text);
    let ran = place.mig(&["check", "--only", "base"]).ends_with(8);
    ran.says("it is in no `path.repo`")
        .says(&format!("path.repo: [\"{}\"]", elsewhere.path().display()));
    // The report tells it, with how to mend it, and that there is more to check.
    let told = |place: &Place| -> Value {
        let ran = place.mig(&["report", "--json"]).ends_with(0);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        report["check"].clone()
    };
    let check = told(&place);
    assert_eq!(check["phases"], json!(["base"]), "{check:#}");
    assert_eq!(check["plan_changed"], json!(false));
    assert!(check["phases_left_out"].as_u64() > Some(0), "{check:#}");
    let first = &check["probes"][0];
    assert_eq!(first["outcome"], json!("failed"));
    assert!(first["help"].to_string().contains("path.repo"), "{first:#}");
    let page = place.mig(&["report"]).ends_with(0).out;
    assert!(page.contains("The last check") && page.contains("it is in no "));
    let place_of_it = elsewhere.path().display().to_string();
    let left = everything(source);
    assert!(
        !left.iter().any(|line| line.contains(&place_of_it)),
        "{left:?}"
    );

    // A directory of this machine that is another than the cluster's.
    let text = super::whole::plan(&scope, source, (target, "2.19"), "").replace(
        &format!(
            "{{ directory: \"{}\" }}",
            scope.repository(source).display()
        ),
        &format!(
            "{{ directory: \"{}\", on-cluster: \"{}\" }}",
            elsewhere.path().display(),
            scope.repository(source).display()
        ),
    );
    assert!(text.contains("on-cluster"));
    std::fs::write(place.path("plan.yaml"), text).unwrap();
    place
        .mig(&["check", "--only", "base"])
        .ends_with(8)
        .says("they are not the same directory");

    // A cluster that takes no changes.
    let blocked = Server::start("opensearch:2.19.1", &Options::default());
    let block = |on: Value| {
        let body = json!({"persistent": {"cluster.blocks.read_only": on}});
        blocked.put("/_cluster/settings", &body);
    };
    let text = format!(
        "mig: 1\nplan: {}\nstate: state\nclusters:\n  es: {{ endpoint: \"{}\", version: \"2.19\", access: read-only }}\n\
         stores:\n  snapshots: {{ directory: \"{}\" }}\nphases:\n  base: {{ snapshot: {{ of: es, to: snapshots }} }}\n",
        scope.prefix(),
        blocked.url(),
        scope.repository(source).display(),
    );
    std::fs::write(place.path("plan.yaml"), text).unwrap();
    block(json!(true));
    place
        .mig(&["check"])
        .ends_with(8)
        .says("cluster.blocks.read_only");
    assert_eq!(told(&place)["failed"], json!(1));
    block(Value::Null);
    place.mig(&["check"]).ends_with(0);
    // The last one counts.
    let check = told(&place);
    assert_eq!(check["failed"], json!(0), "{check:#}");
    assert!(check["ok"].as_u64() > Some(0), "{check:#}");
}
