//! The compiler from outside: plans in, order, edges and findings out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mig::graph::{Graph, compile};
use mig::plan::LoadOptions;
use mig::plan::load::load_with;
use mig::plan::model::Plan;
use mig::ui::graph_json::{graph_json, name_and_kind};

pub(crate) const HEAD: &str = "
mig: 1
plan: logs-to-opensearch
state: .mig/logs
clusters:
  es: { endpoint: \"http://127.0.0.1:9200\", version: \"7.10\" }
  os: { endpoint: \"http://127.0.0.1:9201\", version: \"2.19\" }
stores:
  snapshots: { directory: /var/lib/es-snapshots }
phases:
";

pub(crate) const PHASES: [&str; 5] = [
    "  base:     { snapshot: { of: es, to: snapshots, indices: [\"logs-*\", \"!logs-tmp-*\"] } }\n",
    "  mappings: { metadata: { from: base, to: os } }\n",
    "  docs:     { backfill: { from: base, to: os, workers: 2 } }\n",
    "  same:     { verify:   { source: base, target: os, content: full } }\n",
    "  live:     { switchover: { to: os, approve: manual } }\n",
];

pub(crate) fn plan_of(text: &str) -> Plan {
    let files: BTreeMap<PathBuf, Vec<u8>> = [(PathBuf::from("plan.yaml"), text.into())].into();
    let outcome = load_with(&files, Path::new("plan.yaml"), &LoadOptions::default());
    outcome
        .plan
        .unwrap_or_else(|| panic!("{:#?}", outcome.diagnostics))
}

fn compiled(phases: &str) -> (Plan, Graph, Vec<String>) {
    let plan = plan_of(&format!("{HEAD}{phases}"));
    let (graph, findings) = compile(&plan);
    let told = findings
        .iter()
        .map(|it| {
            let place = |location: mig::plan::location::Location| {
                plan.files[location.file as usize]
                    .line_column(location.start)
                    .0
            };
            let related: Vec<String> = it
                .related
                .iter()
                .map(|(location, text)| format!("\n  line {}: {text}", place(*location)))
                .collect();
            format!(
                "{} {} (line {}){}\n  help: {}",
                it.code,
                it.message,
                it.location.map_or(0, place),
                related.concat(),
                it.help.as_deref().unwrap_or("-")
            )
        })
        .collect();
    (plan, graph, told)
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.order.iter().map(mig::base::Address::as_str).collect()
}

#[test]
fn the_example_has_the_order_of_the_design() {
    let (_, graph, told) = compiled(&PHASES.concat());
    assert_eq!(names(&graph), ["base", "mappings", "docs", "same", "live"]);
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn the_order_of_keys_changes_no_byte() {
    let (plan, graph, _) = compiled(&PHASES.concat());
    let expected = graph_json(&plan, &graph);
    for turn in 1..PHASES.len() {
        let mut phases = PHASES;
        phases.rotate_left(turn);
        let (plan, graph, _) = compiled(&phases.concat());
        assert_eq!(graph_json(&plan, &graph), expected);
        phases.reverse();
        let (plan, graph, _) = compiled(&phases.concat());
        assert_eq!(graph_json(&plan, &graph), expected);
    }
}

#[test]
fn edges_say_why() {
    let (plan, graph, _) = compiled(&PHASES.concat());
    let label = name_and_kind(&plan);
    insta::assert_snapshot!(
        "mermaid",
        mig::ui::graph_mermaid::graph_mermaid(&graph, &label)
    );
    insta::assert_snapshot!(
        "dot",
        mig::ui::graph_dot::graph_dot(&plan.name, &graph, &label)
    );
    insta::assert_snapshot!("json", graph_json(&plan, &graph));
}

#[test]
fn a_cycle_is_told_with_every_phase_line_and_reason() {
    let (_, graph, told) = compiled(
        "  base:     { snapshot: { of: es, to: snapshots } }\n  \
         mappings: { metadata: { from: base, to: os, after: [same] } }\n  \
         docs:     { backfill: { from: base, to: os } }\n  \
         same:     { verify:   { source: base, target: os } }\n",
    );
    insta::assert_snapshot!("cycle", told.join("\n"));
    assert_eq!(graph.order.len(), 4, "a broken graph can still be shown");
}

#[test]
fn broken_invariants_are_told_all_at_once() {
    let (_, _, told) = compiled(
        "  base:   { snapshot: { of: es, to: snapshots } }\n  \
         older:  { snapshot: { existing: { store: snapshots, name: monday } } }\n  \
         maps:   { metadata: { from: older, to: os, include: { indices: [\"logs-*\"] } } }\n  \
         docs:   { backfill: { from: base, to: os, indices: [\"logs-*\"] } }\n  \
         again:  { backfill: { from: base, to: os, indices: [\"*\", \"!logs-tmp\"], after: [live] } }\n  \
         same:   { verify:   { source: older, target: os, indices: [\"logs-*\"] } }\n  \
         bare:   { backfill: { from: base, to: os, indices: [\"shop\"] } }\n  \
         idle:   { gate: { title: Go on?, after: [base] } }\n  \
         live:   { switchover: { to: os } }\n",
    );
    insta::assert_snapshot!("invariants", told.join("\n"));
}

#[test]
fn phases_on_other_indices_stand_side_by_side() {
    let (_, graph, told) = compiled(
        "  base: { snapshot: { of: es, to: snapshots } }\n  \
         m1: { metadata: { from: base, to: os, include: { indices: [\"logs-*\"] } } }\n  \
         m2: { metadata: { from: base, to: os, include: { indices: [\"shop-*\"] } } }\n  \
         d1: { backfill: { from: base, to: os, indices: [\"logs-*\"] } }\n  \
         d2: { backfill: { from: base, to: os, indices: [\"shop-*\"] } }\n  \
         ready: { gate: { title: Disks grown? } }\n",
    );
    assert!(told.is_empty(), "{told:#?}");
    assert_eq!(names(&graph), ["ready", "base", "m1", "m2", "d1", "d2"]);
    let needs = |name: &str| -> Vec<String> {
        let address = mig::base::Address::from(name);
        graph.needs(&address).map(ToString::to_string).collect()
    };
    assert_eq!(needs("d1"), ["base", "m1"]);
    assert_eq!(needs("d2"), ["base", "m2"]);
    assert_eq!(needs("base"), ["ready"]);
}

#[test]
fn a_gate_that_proves_a_cluster_quiet_comes_before_its_snapshots_unless_told_otherwise() {
    // Of the only cluster that the plan reads; named by `after`, it is no leading gate.
    let quiet = "  quiet: { gate: { title: Quiet?, proves: { source-quiet: { for: 2m } }, approve: none } }\n  \
                 zone: { backfill: { from: base, to: os, after: [quiet] } }\n";
    let (plan, graph, _) = compiled(&[PHASES[0], PHASES[1], quiet].concat());
    assert_eq!(names(&graph)[..2], ["quiet", "base"]);
    let edge = graph.edges.iter().find(|edge| edge.to.as_str() == "base");
    assert_eq!(edge.unwrap().words(), "gate before es is read");
    let gate = serde_json::to_value(&plan.phases[&mig::base::Address::new("quiet")].spec).unwrap();
    assert_eq!(gate["gate"]["proves"]["source-quiet"]["of"], "es");

    let late = "  quiet: { gate: { title: Quiet?, proves: { source-quiet: { of: es, for: 2m } }, after: [same] } }\n";
    let (_, graph, _) = compiled(&[PHASES[..4].concat().as_str(), late].concat());
    assert_eq!(names(&graph), ["base", "mappings", "docs", "same", "quiet"]);
}
