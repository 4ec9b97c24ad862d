//! `mig plan --probe`: what no simulation tells is found before anything is applied, and nothing of it stays.

use serde_json::json;

use super::place::Place;
use super::support::{Options, Scope, Server, elasticsearch};

/// A plan of one index with two shards to a target of the test's own, which the test may limit.
fn plan(scope: &Scope<'_>, target: &Server) -> Place {
    let source = elasticsearch();
    let name = scope.name("wide");
    source.put(
        &format!("/{name}"),
        &json!({"settings": {"index.number_of_shards": 2, "index.number_of_replicas": 0},
            "mappings": {"properties": {"n": {"type": "long"}}}}),
    );
    let text = super::whole::plan(scope, source, (target, "2.19"), "");
    Place::of_plan(&text)
}

fn probes(target: &Server) -> Vec<String> {
    let rows = target.get("/_cat/indices/mig-probe-*?format=json&h=index&expand_wildcards=all");
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["index"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_probe_finds_what_no_simulation_tells_and_leaves_nothing() {
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let scope = Scope::on(&[elasticsearch()], "probe");
    let place = plan(&scope, &target);

    let taken = place.mig(&["plan", "--probe"]).ends_with(0);
    assert!(
        taken
            .out
            .contains("probed: 1 index made on os for a moment and removed again"),
        "{}",
        taken.out
    );
    assert_eq!(probes(&target), Vec::<String>::new());

    // The limit is looked at where an index is made, and nowhere else by the server.
    let limit = |shards: serde_json::Value| {
        let settings = json!({"persistent": {"cluster.max_shards_per_node": shards}});
        target.put("/_cluster/settings", &settings);
    };
    limit(json!(1));
    place.mig(&["plan"]).ends_with(4).says("MIG344");
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let accepted = plan.replace("decide: {", "decide: { \"shards os\": accept");
    std::fs::write(place.path("plan.yaml"), accepted).unwrap();
    place.mig(&["plan"]).ends_with(0);
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
    let refused = place.mig(&["plan", "--probe"]).ends_with(4);
    assert!(refused.out.contains("MIG089"), "{}", refused.out);
    assert!(
        refused.out.contains("[0]/[1] maximum shards"),
        "{}",
        refused.out
    );
    assert_eq!(probes(&target), Vec::<String>::new());

    limit(json!(null));
    place.mig(&["plan", "--probe"]).ends_with(0);
    let told = place.mig(&["state", "journal"]);
    assert!(
        told.out.contains("made and removed for a probe"),
        "{}{}",
        told.out,
        told.err
    );
    place.apply().ends_with(0);
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
}

#[test]
#[cfg(feature = "failpoints")]
fn a_probe_that_was_killed_is_removed_by_the_next_run() {
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let scope = Scope::on(&[elasticsearch()], "probe-kill");
    let place = plan(&scope, &target);
    let killed = |place: &Place| {
        let ran = place
            .command(&["plan", "--probe"])
            .env("MIG_FAILPOINT", "target.probe.made:1")
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), None, "it was not killed");
        assert_eq!(probes(&target).len(), 1);
    };
    killed(&place);
    place.mig(&["plan", "--probe"]).ends_with(0);
    assert_eq!(probes(&target), Vec::<String>::new());
    killed(&place);
    place.apply().ends_with(0);
    assert_eq!(probes(&target), Vec::<String>::new());
}
