//! Paths over clusters, without one: those that can't be gone or lead nowhere are told by `mig validate`, and what an early hop
//! that is done again means for the hops behind it is told by the plan.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use mig::base::{Address, Fingerprint};
use mig::diff::change::{Action, PhaseChange};
use mig::diff::observation::{Listed, LiveSource, Observation, SnapshotFacts, SnapshotObservation};
use mig::phases::kind::DecideContext;
use mig::phases::kind_of;
use mig::phases::snapshot::series::selector_mark;
use mig::plan::LoadOptions;
use mig::plan::load::load;
use mig::plan::model::{PhaseSpec, Plan, SnapshotSpec};
use mig::state::model::{PhaseRecord, PhaseStatus, State};
use serde_json::{Value, json};

use super::support::Place;

/// A plan over clusters that are given as `NAME=VERSION`.
fn plan(path: &[&str]) -> String {
    let mut text = "mig: 1\nplan: way\nstate: state\nallow: [MIG060]\nclusters:\n".to_owned();
    let named: BTreeMap<&str, &str> = path.iter().map(|it| it.split_once('=').unwrap()).collect();
    for (name, version) in &named {
        text.push_str(&format!(
            "  {name}: {{ endpoint: \"http://{name}:9200\", version: \"{version}\" }}\n"
        ));
    }
    let names: Vec<&str> = path
        .iter()
        .map(|it| it.split_once('=').unwrap().0)
        .collect();
    text.push_str("stores:\n");
    let sources: std::collections::BTreeSet<&&str> = names[..names.len() - 1].iter().collect();
    for name in sources {
        text.push_str(&format!("  s-{name}: {{ directory: /s/{name} }}\n"));
    }
    let fragment = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/backfill-hop.yaml");
    text.push_str(&format!(
        "hops: [{}]\neach-hop:\n  use: {}\n  with: {{ from: \"${{hop.from}}\", to: \"${{hop.to}}\", store: \"s-${{hop.from}}\" }}\n",
        names.join(", "),
        fragment.display()
    ));
    text
}

#[test]
fn a_path_that_can_t_be_gone_is_told_before_anything_else() {
    for (path, words) in [
        // Written to, and no target.
        (&["a=7.10", "es8=8.11", "b=opensearch:2.19"][..], "MIG021"),
        (&["a=5.6", "es67=6.7", "b=opensearch:2.19"], "MIG021"),
        (&["a=5.6", "es56=5.6", "b=7.10"], "MIG021"),
        (&["a=7.10", "b=opensearch:4.0"], "there is no version 4.0"),
        // The same cluster again, at once and by a cycle.
        (&["a=7.10", "a=7.10"], "`a` is on the way twice"),
        (
            &["a=7.10", "b=opensearch:2.19", "a=7.10"],
            "`a` is on the way twice",
        ),
    ] {
        let place = Place::of_plan(&plan(path));
        let ran = place.mig(&["validate"]).ends_with(4).says(words);
        // Told at the cluster and once, and not within the fragment, which is right.
        let said = ran.out + &ran.err;
        assert!(!said.contains("backfill-hop.yaml:"), "{said}");
        assert_eq!(said.matches("error[").count(), 1, "{said}");
    }
}

#[test]
fn a_path_that_leads_back_is_told() {
    for path in [
        &["a=7.10", "b=opensearch:2.19", "c=opensearch:1.3"][..],
        &["a=opensearch:2.19", "b=7.17"],
        &["a=7.17", "b=7.10", "c=opensearch:2.19"],
        &["a=8.11", "b=7.17"],
    ] {
        let place = Place::of_plan(&plan(path));
        place.mig(&["validate"]).ends_with(0).says("MIG067");
        place.mig(&["validate", "--deny-warnings"]).ends_with(4);
    }
}

#[test]
fn a_path_may_leave_versions_out() {
    for path in [
        &["a=5.6", "b=opensearch:3.3"][..],
        &["a=elasticsearch:2.4", "b=opensearch:3.3"],
        &[
            "a=5.6",
            "b=6.8",
            "c=7.17",
            "d=opensearch:2.19",
            "e=opensearch:3.3",
        ],
        &["a=8.17", "b=opensearch:2.19", "c=opensearch:3.3"],
    ] {
        let place = Place::of_plan(&plan(path));
        place.mig(&["validate", "--deny-warnings"]).ends_with(0);
        place.mig(&["graph"]).ends_with(0).says("docs");
    }
}

/// The order of keys is no change: the digest of the plan, which approvals and saved plans rest on, stays.
#[test]
fn the_order_of_keys_is_no_change_and_an_appended_cluster_adds_its_hop_alone() {
    let digest = |text: &str| {
        let place = Place::of_plan(text);
        let plan = loaded(&place);
        let phases: BTreeMap<String, Value> = plan
            .phases
            .iter()
            .map(|(address, phase)| {
                (
                    address.as_str().to_owned(),
                    serde_json::to_value(&phase.spec).unwrap(),
                )
            })
            .collect();
        (plan.digest(), phases)
    };
    let three = plan(&["a=7.10", "b=opensearch:2.19", "c=opensearch:3.3"]);
    let (before, phases) = digest(&three);
    let lines: Vec<&str> = three.lines().collect();
    let at = |word: &str| {
        lines
            .iter()
            .position(|line| line.starts_with(word))
            .unwrap()
    };
    let (clusters, stores, hops) = (at("clusters:"), at("stores:"), at("hops:"));
    let mut turned: Vec<&str> = vec![lines[0]];
    turned.extend(&lines[hops..]);
    turned.push("stores:");
    turned.extend(lines[stores + 1..hops].iter().rev());
    turned.push("clusters:");
    turned.extend(lines[clusters + 1..stores].iter().rev());
    turned.extend(lines[1..clusters].iter().rev());
    assert_eq!(
        digest(&(turned.join("\n") + "\n")),
        (before.clone(), phases.clone())
    );
    let (after, longer) = digest(&plan(&[
        "a=7.10",
        "b=opensearch:2.19",
        "c=opensearch:3.3",
        "d=opensearch:3.3",
    ]));
    assert_ne!(before, after);
    let new: Vec<&String> = longer
        .keys()
        .filter(|it| !phases.contains_key(*it))
        .collect();
    assert_eq!(
        new,
        ["c->d/base", "c->d/docs", "c->d/mappings", "c->d/same"]
    );
    assert!(
        phases
            .iter()
            .all(|(address, spec)| longer[address] == *spec)
    );
}

fn loaded(place: &Place) -> Plan {
    let outcome = load(&place.path("plan.yaml"), &LoadOptions::default());
    outcome
        .plan
        .unwrap_or_else(|| panic!("{:#?}", outcome.diagnostics))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A record of a phase that began at some second and ended well.
fn done(plan: &Plan, address: &str, began: i64, outputs: Value) -> (Address, PhaseRecord) {
    let phase = &plan.phases[address];
    let record = PhaseRecord {
        kind: phase.spec.kind(),
        status: PhaseStatus::Done,
        spec: serde_json::to_value(&phase.spec).unwrap(),
        inputs: Fingerprint::of(&"then"),
        outputs,
        evidence: Vec::new(),
        started_at: at(began),
        finished_at: Some(at(began + 1)),
        error: None,
        effects: Vec::new(),
        ended: None,
    };
    (phase.address.clone(), record)
}

#[test]
fn an_early_hop_that_is_done_again_is_told_at_the_snapshot_behind_it() {
    let place = Place::of_plan(&plan(&["a=7.10", "b=opensearch:2.19", "c=opensearch:3.3"]));
    let plan = loaded(&place);
    let base = &plan.phases["b->c/base"];
    let PhaseSpec::Snapshot(SnapshotSpec::Take { indices, .. }) = &base.spec else {
        panic!("{base:?}");
    };
    let cluster = "cluster-b";
    let observation = Observation::Snapshot(SnapshotObservation {
        found: Some(SnapshotFacts {
            store: Address::new("s-b"),
            name: "one".into(),
            uuid: "u1".into(),
            state: "SUCCESS".into(),
            made_by: None,
            repository_generation: 1,
            indices: BTreeMap::new(),
            failures: Vec::new(),
            further: Vec::new(),
        }),
        problem: None,
        live: Some(Box::new(LiveSource {
            cluster: cluster.into(),
            list: vec![Listed {
                name: "one".into(),
                uuid: "u1".into(),
                first: 1,
                cluster: cluster.into(),
                selector: selector_mark(indices),
                global: true,
                indices: Vec::new(),
            }],
            next: 2,
            ..LiveSource::default()
        })),
    });
    let change = |address: &str, action: Action| {
        let phase = &plan.phases[address];
        PhaseChange::new(
            phase,
            action,
            "test",
            String::new(),
            Fingerprint::of(&"now"),
        )
    };
    let decide = |docs_began: i64, docs: Action| {
        let state = State {
            phases: [
                done(&plan, "a->b/mappings", 1, Value::Null),
                done(&plan, "a->b/docs", docs_began, Value::Null),
                done(&plan, "b->c/base", 5, json!({"uuid": "u1", "further": []})),
            ]
            .into(),
            ..State::default()
        };
        let earlier = [
            change("a->b/mappings", Action::UpToDate),
            change("a->b/docs", docs),
        ];
        kind_of(base.spec.kind()).decide(&DecideContext {
            plan: &plan,
            phase: base,
            state: &state,
            observation: &observation,
            earlier: &earlier,
            redo: false,
            now: at(100),
        })
    };
    // Written before the snapshot and not again: nothing to say.
    let still = decide(2, Action::UpToDate);
    assert_eq!(still.action, Action::UpToDate, "{still:#?}");
    assert!(still.items.is_empty());
    // To be written now; and written since.
    for (began, docs, words) in [
        (
            2,
            Action::Replace,
            "is written by `a->b/docs` after this snapshot",
        ),
        (
            9,
            Action::UpToDate,
            "was written by `a->b/docs` after this snapshot",
        ),
    ] {
        let told = decide(began, docs);
        assert_eq!(told.action, Action::Decide);
        assert!(!told.has_work(), "told, and nothing is taken by itself");
        let note = &told.items[0].note;
        assert!(note.starts_with(words), "{note}");
        assert!(note.contains("--redo b->c/base"), "{note}");
    }
}
