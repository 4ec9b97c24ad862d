//! What several kinds of phases need: their records, what changed in their fields, and why names are left out.

use serde_json::{Value, json};

use super::kind::{DecideContext, Interrupt, PhaseError};
pub(super) use crate::base::units::indices;
use crate::base::units::some_of;
use crate::base::{Address, Fingerprint};
use crate::clients::target::TargetError;
use crate::diff::change::{Action, ChangeClass, Decision, FieldChange, Item, LeftOut, PhaseChange};
use crate::diff::spec_changes;
use crate::engines::bulk::Stop;
use crate::plan::model::{Phase, PhaseSpec, Plan, SnapshotSpec};
use crate::plan::selector::{LeftOutReason, Selector};
use crate::state::model::{PhaseRecord, PhaseStatus, SideEffect, State};

/// The reason of a snapshot phase whose snapshots an operator deleted.
pub(crate) const DELETED: &str = "deleted";

/// The record of a phase that was not taken back.
pub(super) fn record<'a>(state: &'a State, address: &Address) -> Option<&'a PhaseRecord> {
    state
        .phases
        .get(address)
        .filter(|record| record.status != PhaseStatus::RolledBack)
}

/// The record of a phase that ended well.
pub(super) fn done<'a>(state: &'a State, address: &Address) -> Option<&'a PhaseRecord> {
    record(state, address).filter(|record| record.status == PhaseStatus::Done)
}

/// The fields that differ from what was applied.
pub(super) fn fields(cx: &DecideContext<'_>) -> Vec<FieldChange> {
    let Some(record) = record(cx.state, &cx.phase.address) else {
        return Vec::new();
    };
    let recorded = record.spec.get("spec").unwrap_or(&record.spec);
    spec_changes(cx.phase.spec.kind(), recorded, &spec(cx.phase), class_of)
}

/// The phase's own fields as JSON.
pub(super) fn spec(phase: &Phase) -> Value {
    serde_json::to_value(&phase.spec).unwrap_or(Value::Null)
}

/// Identity of what a decision rests on: the phase's own fields and what was observed.
pub(super) fn inputs(cx: &DecideContext<'_>, observed: &impl serde::Serialize) -> Fingerprint {
    Fingerprint::of(&(spec(cx.phase), observed))
}

/// Why a name is not chosen, in words; `None` when it is.
pub(super) fn left_out(selector: &Selector, object: &str, name: &str) -> Option<LeftOut> {
    let reason = match selector.left_out(name)? {
        LeftOutReason::SystemIndex => "system index: name it (or `.*`) to take it along".to_owned(),
        LeftOutReason::Excluded(pattern) => format!("excluded by `{pattern}`"),
        LeftOutReason::NotSelected => "no pattern chooses it".to_owned(),
    };
    Some(LeftOut {
        object: object.to_owned(),
        name: name.to_owned(),
        reason,
    })
}

/// An item with nothing but what every item has.
pub(super) fn item(action: Action, object: &str, name: impl Into<String>) -> Item {
    Item {
        action,
        object: object.to_owned(),
        name: name.into(),
        note: String::new(),
        edits: Vec::new(),
        docs: None,
        bytes: None,
        decision: None,
    }
}

/// Whether a phase has work that this run has not done yet.
pub(super) fn is_pending(cx: &DecideContext<'_>, change: &PhaseChange) -> bool {
    change.has_work()
        && done(cx.state, &change.address).is_none_or(|record| record.inputs != change.inputs)
}

/// Indices that the snapshot of phase `from` will hold and that can't be looked at yet, since earlier phases make them.
pub(super) fn awaited<'a>(
    cx: &DecideContext<'a>,
    from: &Address,
    is_there: &dyn Fn(&str) -> bool,
) -> Vec<&'a Item> {
    let snapshot = cx.earlier.iter().find(|change| change.address == *from);
    snapshot
        .filter(|change| change.provisional)
        .into_iter()
        .flat_map(|change| &change.items)
        .filter(|item| item.object == "index" && item.decision.is_none() && !is_there(&item.name))
        .collect()
}

/// What is said behind the name of such an index.
pub(super) const AWAITED: &str = "comes with an earlier phase";

/// An item that asks.
pub(crate) fn question(
    object: &str,
    name: impl Into<String>,
    code: &str,
    question: impl Into<String>,
    answers: Vec<String>,
) -> Item {
    let mut item = item(Action::Decide, object, name);
    item.decision = Some(Decision {
        code: code.to_owned(),
        question: question.into(),
        answers,
    });
    item
}

/// An error of a target, with its help.
pub(super) fn target_error(address: &Address, error: &TargetError) -> PhaseError {
    PhaseError::Failed {
        message: format!("target `{address}`: {error}"),
        help: Some(error.help()),
    }
}

/// The store that the snapshot of phase `snapshot` stands in; the phase itself where it is none of this plan.
pub(super) fn store_behind(plan: &Plan, snapshot: &Address) -> Address {
    match plan.phases.get(snapshot).map(|phase| &phase.spec) {
        Some(PhaseSpec::Snapshot(SnapshotSpec::Existing { store, .. })) => store.value.clone(),
        Some(PhaseSpec::Snapshot(SnapshotSpec::Take { to, .. })) => to.value.clone(),
        _ => snapshot.clone(),
    }
}

/// A side effect without details.
pub(super) fn effect(on: &Address, what: &str, name: &str) -> SideEffect {
    SideEffect {
        on: on.clone(),
        what: what.to_owned(),
        name: name.to_owned(),
        detail: Value::Null,
    }
}

/// A side effect with details.
pub(super) fn effect_with(on: &Address, what: &str, name: &str, detail: Value) -> SideEffect {
    SideEffect {
        detail,
        ..effect(on, what, name)
    }
}

/// A text field of a record's outputs.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// What engines are asked to do when a run is interrupted.
pub(super) fn stop(interrupt: &Interrupt) -> Stop {
    if interrupt.stopping() {
        Stop::Now
    } else if interrupt.draining() {
        Stop::Drain
    } else {
        Stop::No
    }
}

/// The first names of many, as the lines of a plan have room for.
pub(super) fn few(names: &[&str]) -> String {
    const NAMED_MAX: usize = 3;
    some_of(names, NAMED_MAX)
}

/// Identity of the fields of all phases that were decided before: what an approval is given for.
pub(super) fn ground_of_approval(cx: &DecideContext<'_>, plan: &Plan) -> Fingerprint {
    let earlier: Vec<Value> = cx
        .earlier
        .iter()
        .filter_map(|change| {
            let phase = plan.phases.get(&change.address)?;
            // Inputs of an existing snapshot are its identity and never move by what mig does itself; those of one that
            // mig takes do.
            let existing = matches!(
                phase.spec,
                PhaseSpec::Snapshot(SnapshotSpec::Existing { .. })
            );
            let identity = existing.then(|| change.inputs.clone());
            Some(json!([change.address, spec(phase), identity]))
        })
        .collect();
    Fingerprint::of(&(spec(cx.phase), earlier))
}

/// The class of a field, as `diff` knows it.
fn class_of(kind: crate::plan::model::PhaseKindName, path: &str) -> ChangeClass {
    use crate::plan::ChangeClass as Declared;
    match crate::plan::change_class(kind, path) {
        Declared::Live => ChangeClass::Live,
        Declared::Gated => ChangeClass::Gated,
        Declared::Redo => ChangeClass::Redo,
        Declared::Never => ChangeClass::Never,
    }
}
