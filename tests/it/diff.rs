//! Putting together, choosing, ageing and comparing results of planning.

use mig::base::{Address, ExitCode};
use mig::diff::change::{Action, ChangeClass};
use mig::diff::{
    Selection, beyond_approved, exit_code, fields, overlaps, select, spec_changes, staleness,
};
use mig::graph::compile;
use mig::plan::model::PhaseKindName;
use serde_json::json;

use crate::graph::{HEAD, plan_of};
use crate::sample::{change, changes, edit, item, plan, planned, planned_with, up_to_date};

#[test]
fn results_are_in_the_order_of_execution() {
    let planned = planned(3, true);
    let names: Vec<&str> = planned
        .phases()
        .map(|phase| phase.address.as_str())
        .collect();
    assert_eq!(names, ["base", "mappings", "docs", "same", "live"]);
    assert_eq!(planned.summary.decisions_missing, 1);
    assert_eq!(planned.undo.point_of_no_return, Some(Address::from("live")));
    assert!(
        planned
            .phase_changes
            .iter()
            .all(|phase| !phase.action_reason.is_empty())
    );
}

#[test]
fn exit_codes_follow_the_table() {
    assert_eq!(exit_code(&planned(1, true), false), ExitCode::PlanInvalid);
    assert_eq!(exit_code(&planned(1, false), false), ExitCode::Success);
    assert_eq!(
        exit_code(&planned(1, false), true),
        ExitCode::DestructiveChanges
    );
    assert_eq!(exit_code(&up_to_date(), true), ExitCode::Success);
    let plan = plan();
    let mut some = changes(&plan, 1, false);
    some.retain(|change| change.address.as_str() != "live");
    assert_eq!(
        exit_code(&planned_with(&plan, some), true),
        ExitCode::Changes
    );
}

#[test]
fn only_a_phase_with_work_can_be_stale_and_it_says_what_moved() {
    let plan = plan();
    let saved = planned(3, false);
    assert_eq!(staleness(&saved, &planned(3, false), |_| true), []);
    let mut moved = changes(&plan, 3, false);
    for change in &mut moved {
        if change.address.as_str() == "mappings" {
            change.inputs = mig::base::Fingerprint::of(&"another snapshot");
            change.items[1].action = Action::UpToDate;
        }
    }
    let fresh = planned_with(&plan, moved);
    let stale = staleness(&saved, &fresh, |_| true);
    assert_eq!(stale.len(), 1, "{stale:#?}");
    assert_eq!(stale[0].address, Address::from("mappings"));
    assert_eq!(stale[0].what_moved, ["index logs-2019-00000 differs"]);
    assert_eq!(
        staleness(&saved, &fresh, |address| address.as_str() == "docs"),
        []
    );
    assert_eq!(
        staleness(&up_to_date(), &fresh, |_| true),
        [],
        "a phase without work is never stale"
    );
}

#[test]
fn a_decision_taken_again_may_do_less_and_never_more() {
    let plan = plan();
    let with = |rules: &[&str], names: &[&str]| {
        let mut change = change(&plan, "mappings", Action::Create, "x", "y");
        for name in names {
            let mut item = item(Action::Create, "index", name);
            item.edits = rules
                .iter()
                .map(|rule| edit("a", json!(1), json!(2), rule, ""))
                .collect();
            change.items.push(item);
        }
        change
    };
    let approved = with(&["MD001", "MD002"], &["a", "b"]);
    assert!(beyond_approved(&approved, &with(&["MD001"], &["a"]), false).is_empty());
    assert_eq!(
        beyond_approved(&approved, &with(&["MD003"], &["a"]), false),
        ["rule MD003"]
    );
    assert_eq!(
        beyond_approved(&approved, &with(&["MD001"], &["c"]), false),
        ["index c"]
    );
    assert!(beyond_approved(&approved, &with(&["MD001"], &["c"]), true).is_empty());
}

#[test]
fn selections_narrow_each_other_and_name_what_was_meant() {
    let (graph, _) = compile(&plan());
    let chosen = |selection: Selection| -> Vec<String> {
        let selected = select(&graph, &selection).unwrap();
        selected.phases.iter().map(ToString::to_string).collect()
    };
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(chosen(Selection::default()).len(), 5);
    assert_eq!(
        chosen(Selection {
            until: names(&["docs"]),
            ..Selection::default()
        }),
        ["base", "mappings", "docs"]
    );
    assert_eq!(
        chosen(Selection {
            from: names(&["docs"]),
            ..Selection::default()
        }),
        ["docs", "same", "live"]
    );
    assert_eq!(
        chosen(Selection {
            from: names(&["docs"]),
            until: names(&["same"]),
            ..Selection::default()
        }),
        ["docs", "same"]
    );
    let only = select(
        &graph,
        &Selection {
            only: names(&["docs"]),
            ..Selection::default()
        },
    )
    .unwrap();
    assert_eq!(only.unmet.len(), 2);
    let error = select(
        &graph,
        &Selection {
            redo: names(&["dosc"]),
            ..Selection::default()
        },
    )
    .unwrap_err();
    assert_eq!(
        error,
        "--redo: the plan has no phase or hop `dosc`: did you mean `docs`?"
    );
}

#[test]
fn fields_of_a_spec_come_with_what_the_change_does() {
    let plan = plan();
    let spec = |name: &str| serde_json::to_value(&plan.phases[name].spec).unwrap();
    let mut recorded = spec("docs");
    recorded["backfill"]["workers"] = json!(8);
    let found = spec_changes(
        PhaseKindName::Backfill,
        &recorded,
        &spec("docs"),
        fields::class_of,
    );
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&*found[0].path, found[0].class),
        ("workers", ChangeClass::Live)
    );
    let mut recorded = spec("base");
    recorded["snapshot"]["take"]["indices"] = json!(["x"]);
    let found = spec_changes(
        PhaseKindName::Snapshot,
        &recorded,
        &spec("base"),
        fields::class_of,
    );
    assert_eq!(found[0].path, "indices");
}

#[test]
fn an_index_of_two_phases_is_found_once_indices_are_known() {
    let plan = plan_of(&format!(
        "{HEAD}  base: {{ snapshot: {{ of: es, to: snapshots }} }}\n  \
         m1: {{ metadata: {{ from: base, to: os, include: {{ indices: [\"logs-*\"] }} }} }}\n  \
         m2: {{ metadata: {{ from: base, to: os, include: {{ indices: [\"*-2019\"] }} }} }}\n"
    ));
    let (_, findings) = compile(&plan);
    assert_eq!(findings, [], "patterns alone don't tell");
    let mut first = change(&plan, "m1", Action::Create, "x", "y");
    first.items = ["logs-2018", "logs-2019", "logs-x-2019"]
        .map(|name| item(Action::Create, "index", name))
        .into();
    let mut second = change(&plan, "m2", Action::Create, "x", "y");
    second.items = ["logs-2019", "logs-x-2019", "shop-2019"]
        .map(|name| item(Action::Create, "index", name))
        .into();
    let found = overlaps(&plan, &[first, second]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].message,
        "index `logs-2019` and 1 more belongs to `m1` and to `m2`"
    );
}
