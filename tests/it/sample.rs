//! A made-up result of planning with realistic values, for looking at renderers.

use std::collections::BTreeMap;

use mig::base::{Address, Fingerprint};
use mig::diff::change::{
    Action, ChangeClass, Decision, Edit, Effect, Estimate, FieldChange, Item, LeftOut, PhaseChange,
    Undo,
};
use mig::diff::{Assembling, PlannedChanges, assemble};
use mig::graph::compile;
use mig::plan::model::Plan;
use mig::state::model::State;
use serde_json::{Value, json};

use crate::graph::{HEAD, PHASES, plan_of};

pub(crate) fn item(action: Action, object: &str, name: &str) -> Item {
    Item {
        action,
        object: object.to_owned(),
        name: name.to_owned(),
        note: String::new(),
        edits: Vec::new(),
        docs: None,
        bytes: None,
        decision: None,
    }
}

pub(crate) fn edit(path: &str, before: Value, after: Value, rule: &str, why: &str) -> Edit {
    Edit {
        path: path.to_owned(),
        before: (!before.is_null()).then_some(before),
        after: (!after.is_null()).then_some(after),
        rule: (!rule.is_empty()).then(|| rule.to_owned()),
        why: why.to_owned(),
        lossy: false,
    }
}

pub(crate) fn plan() -> Plan {
    plan_of(&format!("{HEAD}{}", PHASES.concat()))
}

pub(crate) fn change(
    plan: &Plan,
    name: &str,
    action: Action,
    reason: &str,
    title: &str,
) -> PhaseChange {
    let phase = &plan.phases[name];
    PhaseChange::new(phase, action, reason, title, Fingerprint::of(&phase.spec))
}

fn effect(on: &str, text: &str) -> Effect {
    Effect {
        on: Address::from(on),
        text: text.to_owned(),
        destroys: false,
    }
}

fn mappings(plan: &Plan, indices: usize, open: bool) -> PhaseChange {
    let mut items = vec![Item {
        edits: vec![edit("version", Value::Null, json!(3), "", "")],
        ..item(Action::Create, "index template", "logs")
    }];
    for number in 0..indices {
        items.push(Item {
            note: "5 shards".to_owned(),
            edits: vec![edit(
                "settings.index.soft_deletes.enabled",
                json!("false"),
                Value::Null,
                "MD021",
                "always on since 2.0",
            )],
            ..item(Action::Create, "index", &format!("logs-2019-{number:05}"))
        });
    }
    let mut dropped = edit(
        "mappings._all",
        json!({"enabled": false}),
        Value::Null,
        "MD008",
        "`_all` is gone since 7.0",
    );
    dropped.lossy = true;
    items.push(Item {
        note: "1 shard, held back: final_pipeline".to_owned(),
        edits: vec![
            dropped,
            edit(
                "mappings.properties.title.type",
                json!("string"),
                json!("text"),
                "MD012",
                "string was split in 5.0",
            ),
            edit(
                "settings.index.codec",
                Value::Null,
                json!("zstd_no_dict"),
                "MD031",
                "smaller at the same speed",
            ),
        ],
        ..item(Action::Create, "index", "logs-products")
    });
    if open {
        items.push(Item {
            decision: Some(Decision {
                code: "MD040".to_owned(),
                question: "field `area`: geo_shape.tree is gone in OpenSearch 1.0".to_owned(),
                answers: vec![
                    "decide: { logs-geo: drop-tree }".to_owned(),
                    "include: { indices: [\"logs-*\", \"!logs-geo\"] }".to_owned(),
                ],
            }),
            ..item(Action::Decide, "index", "logs-geo")
        });
    }
    items.push(item(Action::Create, "alias", "logs"));
    let count = indices + 1 + usize::from(open);
    PhaseChange {
        items,
        left_out: [
            ".kibana_1",
            ".tasks",
            ".security-7",
            ".apm-agent-configuration",
        ]
        .map(|name| LeftOut {
            object: "index".into(),
            name: name.into(),
            reason: "system index".into(),
        })
        .into_iter()
        .chain([LeftOut {
            object: "index".into(),
            name: "logs-tmp-1".into(),
            reason: "excluded by `!logs-tmp-*`".into(),
        }])
        .collect(),
        effects: vec![effect(
            "os",
            &format!("creates {count} indices, 1 template, 1 alias"),
        )],
        undo: Undo::Rollback(format!(
            "removes {count} indices, 1 template, 1 alias from os"
        )),
        estimate: Some(Estimate {
            low_s: 20,
            high_s: 50,
            basis: String::new(),
        }),
        provisional: true,
        ..change(
            plan,
            "mappings",
            Action::Create,
            "not-applied-yet",
            &format!("{count} indices, 1 template and 1 alias of base to os"),
        )
    }
}

pub(crate) fn changes(plan: &Plan, indices: usize, open: bool) -> Vec<PhaseChange> {
    let base = PhaseChange {
        effects: vec![
            effect(
                "es",
                "registers repository mig-logs, takes 1 snapshot, writes nothing else",
            ),
            effect("snapshots", "gets about 2.9 TiB"),
        ],
        estimate: Some(Estimate {
            low_s: 18_000,
            high_s: 25_200,
            basis: "2.9 TiB at 40MiB/s a node, 4 nodes".into(),
        }),
        undo: Undo::Rollback(
            "deletes snapshot logs-to-opensearch-base and its registration".into(),
        ),
        ..change(
            plan,
            "base",
            Action::Run,
            "not-applied-yet",
            "takes a snapshot of 214 indices of es into snapshots",
        )
    };
    let docs = PhaseChange {
        items: (0..indices)
            .map(|number| Item {
                note: format!("{} documents in 5 shards", 4_000_000 + number),
                docs: Some(4_000_000 + number as u64),
                bytes: Some(9_000_000_000),
                ..item(Action::Run, "documents", &format!("logs-2019-{number:05}"))
            })
            .collect(),
        fields: vec![FieldChange {
            path: "workers".into(),
            before: json!(2),
            after: json!(12),
            class: ChangeClass::Live,
        }],
        effects: vec![effect(
            "os",
            "writes 1 210 331 904 documents into these indices alone",
        )],
        estimate: Some(Estimate {
            low_s: 21_000,
            high_s: 24_600,
            basis: "12 workers at 52 000 docs/s, measured by the last run".into(),
        }),
        undo: Undo::Rollback("deletes the documents with their indices".into()),
        provisional: true,
        ..change(
            plan,
            "docs",
            Action::Run,
            "not-applied-yet",
            "loads the documents of base into os",
        )
    };
    let same = PhaseChange {
        effects: vec![effect("os", "is read once more, all of it")],
        ..change(
            plan,
            "same",
            Action::Check,
            "not-verified-yet",
            "compares identity and content of every document with base",
        )
    };
    let live = PhaseChange {
        undo: Undo::Impossible,
        ..change(
            plan,
            "live",
            Action::Wait,
            "approval-needed",
            "marks os as live: after it no phase writes documents there",
        )
    };
    vec![live, same, docs, mappings(plan, indices, open), base]
}

pub(crate) fn planned_with(plan: &Plan, changes: Vec<PhaseChange>) -> PlannedChanges {
    let (graph, diagnostics) = compile(plan);
    let mut planned = assemble(Assembling {
        plan,
        graph: &graph,
        state: &State {
            lineage: "5f0c".into(),
            ..State::default()
        },
        observations: &BTreeMap::new(),
        changes,
        diagnostics: &diagnostics,
        selected: None,
    });
    planned.mig_version = String::from("0.0.0");
    planned
}

pub(crate) fn planned(indices: usize, open: bool) -> PlannedChanges {
    let plan = plan();
    planned_with(&plan, changes(&plan, indices, open))
}

pub(crate) fn up_to_date() -> PlannedChanges {
    let plan = plan();
    let changes = plan
        .phases
        .values()
        .map(|phase| {
            let mut change = change(
                &plan,
                phase.address.as_str(),
                Action::UpToDate,
                "verified",
                "nothing to do",
            );
            if phase.address.as_str() == "same" {
                change.evidence =
                    vec!["1 210 331 904 of 1 210 331 904 documents equal, evidence 9d2f1c0".into()];
            }
            change
        })
        .collect();
    let mut planned = planned_with(&plan, changes);
    planned.checks[0].status = "pass".into();
    planned.state.serial = 41;
    planned
}
