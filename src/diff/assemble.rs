//! Puts the decisions of all phases together into the whole result of planning.
//!
//! Pure. Relies on the types of `plan`, `graph` and `state`. Deliberately absent: deciding; here decisions are only
//! counted, grouped by cluster and put in order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::{Action, PhaseChange, Undo};
use super::observation::Observation;
use super::planned::{
    Change, Check, ClusterLine, Drift, FORMAT_VERSION, Finding, Gate, Observed, PlanIdentity,
    PlannedChanges, PlannedPhase, Range, SelectionNote, StateIdentity, Summary, TimeNeeded, Touch,
    UndoSummary, Variable,
};
use super::selection::Selected;
use crate::base::{Address, Fingerprint};
use crate::graph::Graph;
use crate::plan::diagnostics::{Diagnostic, Severity};
use crate::plan::model::{
    Access, Approve, ClusterAt, Phase, PhaseKindName, PhaseSpec, Plan, SnapshotSpec, StateLocation,
    StoreAt,
};
use crate::state::model::{PhaseStatus, State};

/// All that a result is made of.
pub struct Assembling<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its graph.
    pub graph: &'a Graph,
    /// What is remembered.
    pub state: &'a State,
    /// What was observed, by phase.
    pub observations: &'a BTreeMap<Address, Observation>,
    /// What was decided; phases that were not selected may be missing.
    pub changes: Vec<PhaseChange>,
    /// Findings about the plan.
    pub diagnostics: &'a [Diagnostic],
    /// What was chosen on the command line.
    pub selected: Option<&'a Selected>,
}

/// Puts a result together.
pub fn assemble(from: Assembling<'_>) -> PlannedChanges {
    let Assembling {
        plan,
        graph,
        state,
        observations,
        mut changes,
        diagnostics,
        selected,
    } = from;
    let place: BTreeMap<&Address, usize> = graph
        .order
        .iter()
        .enumerate()
        .map(|(at, address)| (address, at))
        .collect();
    // Phases that the plan no longer has come last.
    changes.sort_by(|left, right| {
        let key = |change: &PhaseChange| place.get(&change.address).copied().unwrap_or(usize::MAX);
        key(left)
            .cmp(&key(right))
            .then_with(|| left.address.cmp(&right.address))
    });
    let selection: Option<SelectionNote> = selected.and_then(|it| it.note.clone());
    PlannedChanges {
        format_version: FORMAT_VERSION.to_owned(),
        mig_version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: PlanIdentity {
            name: plan.name.clone(),
            description: plan.description.clone(),
            digest: plan.digest(),
            files: plan.files.iter().map(|file| file.name.clone()).collect(),
        },
        state: StateIdentity {
            location: match &plan.state {
                StateLocation::Directory(path) => path.display().to_string(),
                StateLocation::S3(uri) => uri.clone(),
            },
            lineage: state.lineage.clone(),
            serial: state.serial,
        },
        variables: plan
            .vars
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    Variable {
                        value: value.clone(),
                    },
                )
            })
            .collect(),
        clusters: cluster_lines(plan, observations),
        selection,
        observations: observations
            .iter()
            .map(|(address, observation)| {
                let parts = observation.parts();
                let observed = Observed {
                    fingerprint: Fingerprint::of(&parts),
                    parts,
                };
                (address.clone(), observed)
            })
            .collect(),
        drift: drift(&changes),
        checks: checks(&changes, state),
        gates: gates(plan, &changes, state),
        diagnostics: diagnostics.iter().map(|it| finding(plan, it)).collect(),
        graph: graph.clone(),
        touches: touches(&changes),
        time: time(&changes),
        undo: undo(&changes),
        summary: summary(&changes),
        phase_changes: changes
            .into_iter()
            .map(|change| planned_phase(plan, state, change))
            .collect(),
    }
}

fn planned_phase(plan: &Plan, state: &State, decided: PhaseChange) -> PlannedPhase {
    let previous = plan.renamed.get(&decided.address);
    let record = state
        .phases
        .get(&decided.address)
        .or_else(|| state.phases.get(previous?));
    let spec = |phase: &Phase| serde_json::to_value(&phase.spec).unwrap_or_default();
    let after_unknown = if decided.provisional {
        BTreeMap::from([("items".to_owned(), true), ("estimate".to_owned(), true)])
    } else {
        BTreeMap::new()
    };
    PlannedPhase {
        address: decided.address.clone(),
        previous_address: decided.previous_address.clone().or_else(|| {
            // Once the state knows the new address the rename is history.
            let moved = state.phases.contains_key(&decided.address);
            previous.filter(|_| !moved).cloned()
        }),
        change: Change {
            actions: Change::actions_of(decided.action),
            // The record holds the whole phase; the change is about its own fields.
            before: record.map_or(Value::Null, |record| {
                record.spec.get("spec").unwrap_or(&record.spec).clone()
            }),
            after: plan.phases.get(&decided.address).map_or(Value::Null, spec),
            after_unknown,
        },
        action_reason: decided.action_reason.clone(),
        decided,
    }
}

fn cluster_lines(plan: &Plan, observations: &BTreeMap<Address, Observation>) -> Vec<ClusterLine> {
    let mut lines = Vec::new();
    for (address, cluster) in &plan.clusters {
        let asserted = match (cluster.product, cluster.version) {
            (Some(product), Some(version)) => format!("{product} {version}"),
            (None, Some(version)) => format!("version {version}"),
            (Some(product), None) => product.to_string(),
            (None, None) => "version not asserted".to_owned(),
        };
        let told = observed_version(plan, address, observations);
        let version = told.unwrap_or(asserted);
        let what = match &cluster.at {
            ClusterAt::Endpoint(_) => version,
            ClusterAt::Directory(_) => format!("directory as {version}"),
        };
        let access = match cluster.access {
            Access::ReadOnly => "read-only",
            Access::ReadWrite => "read-write",
        };
        let role = match (is_source(plan, address), is_target(plan, address)) {
            (true, true) => "source and target",
            (true, false) => "source",
            (false, true) => "target",
            (false, false) => "not used",
        };
        let at = match &cluster.at {
            ClusterAt::Endpoint(endpoint) => endpoint.clone(),
            ClusterAt::Directory(path) => path.display().to_string(),
        };
        lines.push(ClusterLine {
            address: address.clone(),
            what,
            role: format!("{role}, {access}"),
            facts: vec![at],
        });
    }
    // Sources first: the way the documents go.
    lines.sort_by_key(|line| !line.role.starts_with("source"));
    for (address, store) in &plan.stores {
        let at = match &store.at {
            StoreAt::Directory { path, .. } => path.display().to_string(),
            StoreAt::S3 { uri, .. } => uri.clone(),
        };
        lines.push(ClusterLine {
            address: address.clone(),
            what: "snapshot store".to_owned(),
            role: String::new(),
            facts: vec![at],
        });
    }
    lines
}

fn observed_version(
    plan: &Plan,
    cluster: &Address,
    observations: &BTreeMap<Address, Observation>,
) -> Option<String> {
    plan.phases.values().find_map(|phase| {
        let observation = observations.get(&phase.address)?;
        match (&phase.spec, observation) {
            (PhaseSpec::Metadata(spec), Observation::Metadata(it)) => {
                if spec.to.value == *cluster {
                    return Some(it.target.to_string());
                }
                let of = snapshot_source(plan.phases.get(&spec.from.value)?)?;
                (of == cluster).then_some(it.source?.to_string())
            }
            (PhaseSpec::Snapshot(_), Observation::Snapshot(it)) => {
                let made_by = it.found.as_ref()?.made_by?;
                (snapshot_source(phase)? == cluster).then(|| made_by.to_string())
            }
            _ => None,
        }
    })
}

fn snapshot_source(phase: &Phase) -> Option<&Address> {
    match &phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. }) => Some(&of.value),
        PhaseSpec::Snapshot(SnapshotSpec::Existing { of, .. }) => of.as_ref().map(|of| &of.value),
        _ => None,
    }
}

fn is_source(plan: &Plan, cluster: &Address) -> bool {
    plan.phases.values().any(|phase| match &phase.spec {
        PhaseSpec::Verify(it) => it.source.value == *cluster,
        _ => snapshot_source(phase) == Some(cluster),
    })
}

fn is_target(plan: &Plan, cluster: &Address) -> bool {
    plan.phases.values().any(|phase| match &phase.spec {
        PhaseSpec::Metadata(it) => it.to.value == *cluster,
        PhaseSpec::Backfill(it) => it.to.value == *cluster,
        PhaseSpec::Verify(it) => it.target.value == *cluster,
        PhaseSpec::Switchover(it) => it.to.value == *cluster,
        PhaseSpec::Snapshot(_) | PhaseSpec::Gate(_) => false,
    })
}

fn drift(changes: &[PhaseChange]) -> Vec<Drift> {
    let mut found = Vec::new();
    for change in changes {
        let moved = |text: &str, object: String| Drift {
            address: change.address.clone(),
            object,
            text: text.to_owned(),
        };
        let before = found.len();
        let items = change.items.iter();
        found.extend(
            items
                .filter(|item| item.action == Action::Decide && item.decision.is_none())
                .map(|item| moved(&item.note, format!("{} {}", item.object, item.name))),
        );
        let whole = change.action == Action::Decide && change.undecided().next().is_none();
        if whole && found.len() == before {
            found.push(moved(&change.title, String::new()));
        }
    }
    found
}

fn checks(changes: &[PhaseChange], state: &State) -> Vec<Check> {
    changes
        .iter()
        .filter(|change| change.kind == PhaseKindName::Verify)
        .map(|change| {
            let record = state.phases.get(&change.address);
            let status = match record.map(|record| record.status) {
                Some(PhaseStatus::Done) if change.action.is_noop() => "pass",
                Some(PhaseStatus::Failed) => "fail",
                _ => "unknown",
            };
            Check {
                address: change.address.clone(),
                status: status.to_owned(),
                evidence: change.evidence.clone(),
            }
        })
        .collect()
}

fn gates(plan: &Plan, changes: &[PhaseChange], state: &State) -> Vec<Gate> {
    changes
        .iter()
        .filter_map(|change| {
            let phase = plan.phases.get(&change.address)?;
            let title = match &phase.spec {
                PhaseSpec::Gate(it) if it.approve == Approve::Manual => it.title.clone(),
                PhaseSpec::Switchover(it) if it.approve == Approve::Manual => {
                    format!("make {} live", it.to.value)
                }
                _ => return None,
            };
            let approval = state
                .approvals
                .get(&change.address)
                .filter(|approval| approval.inputs == change.inputs || change.action.is_noop());
            Some(Gate {
                address: change.address.clone(),
                title,
                approved_by: approval.map(|approval| approval.who.clone()),
            })
        })
        .collect()
}

fn finding(plan: &Plan, diagnostic: &Diagnostic) -> Finding {
    let range = diagnostic.location.and_then(|location| {
        let file = plan.files.get(location.file as usize)?;
        let (line, column) = file.line_column(location.start);
        Some(Range {
            filename: file.name.clone(),
            line,
            column,
        })
    });
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "advice",
    };
    Finding {
        severity: severity.to_owned(),
        code: diagnostic.code.to_string(),
        summary: diagnostic.message.clone(),
        detail: diagnostic.help.clone().unwrap_or_default(),
        range,
    }
}

fn touches(changes: &[PhaseChange]) -> Vec<Touch> {
    let mut touches: Vec<Touch> = Vec::new();
    for change in changes.iter().filter(|change| change.has_work()) {
        for effect in &change.effects {
            let at = touches.iter().position(|touch| touch.on == effect.on);
            let at = at.unwrap_or_else(|| {
                touches.push(Touch {
                    on: effect.on.clone(),
                    effects: Vec::new(),
                    destroys: false,
                });
                touches.len() - 1
            });
            let touch = &mut touches[at];
            touch.destroys |= effect.destroys;
            if !touch.effects.contains(&effect.text) {
                touch.effects.push(effect.text.clone());
            }
        }
    }
    touches
}

fn time(changes: &[PhaseChange]) -> TimeNeeded {
    let mut time = TimeNeeded::default();
    for change in changes.iter().filter(|change| change.has_work()) {
        match (&change.estimate, change.action) {
            (Some(estimate), _) => {
                time.low_s += estimate.low_s;
                time.high_s += estimate.high_s;
            }
            (None, Action::Run | Action::RunUntilStopped | Action::Check | Action::Create) => {
                time.unknown.push(change.address.clone());
            }
            _ => {}
        }
        time.approvals += usize::from(change.action == Action::Wait);
    }
    time
}

fn undo(changes: &[PhaseChange]) -> UndoSummary {
    let mut summary = UndoSummary::default();
    for change in changes.iter().filter(|change| change.has_work()) {
        match &change.undo {
            Undo::Nothing => {}
            Undo::Rollback(text) => summary.removes.push((change.address.clone(), text.clone())),
            Undo::Impossible => {
                summary
                    .point_of_no_return
                    .get_or_insert_with(|| change.address.clone());
            }
        }
    }
    summary
}

fn summary(changes: &[PhaseChange]) -> Summary {
    let mut summary = Summary::default();
    for change in changes {
        let count = match change.action {
            Action::UpToDate => &mut summary.up_to_date,
            Action::Create => &mut summary.create,
            Action::Change => &mut summary.change,
            Action::Replace => &mut summary.replace,
            Action::Delete => &mut summary.delete,
            Action::Run | Action::RunUntilStopped => &mut summary.run,
            Action::Check => &mut summary.check,
            Action::Wait => &mut summary.wait,
            Action::Decide if change.has_work() => &mut summary.decide,
            Action::Decide => &mut summary.drifted,
        };
        *count += 1;
        summary.decisions_missing += change.undecided().count();
    }
    summary
}
