//! `--base OLD`: what this plan file changes against another, the question of a pull request.
//!
//! Compares two resolved plans, so comments and order don't count. Relies on `structural`. Deliberately absent: clusters
//! and state; what the change then does there is the ordinary plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::{Action, ChangeClass, FieldChange};
use super::fields::field_change;
use super::structural;
use crate::base::Address;
use crate::plan::model::{PhaseKindName, Plan};

/// What differs between two plan files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanComparison {
    /// Phases, clusters, stores, variables and settings of the plan itself, in this order.
    pub parts: Vec<PartChange>,
}

/// One thing that was added, removed or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartChange {
    /// Create, delete or change.
    pub action: Action,
    /// `phase`, `cluster`, `store`, `variable`, `plan`.
    pub object: String,
    /// Its name.
    pub name: String,
    /// Its name in the other plan, where it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_name: Option<String>,
    /// The kind of a phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PhaseKindName>,
    /// The fields that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What `new` changes against `old`. `class` says what changing a field of a phase does to one that was applied.
pub fn compare_plans(
    old: &Plan,
    new: &Plan,
    class: fn(PhaseKindName, &str) -> ChangeClass,
) -> PlanComparison {
    let mut parts = phases(old, new, class);
    parts.extend(named("cluster", &old.clusters, &new.clusters));
    parts.extend(named("store", &old.stores, &new.stores));
    parts.extend(named("variable", &old.vars, &new.vars));
    let whole = |plan: &Plan| {
        serde_json::json!({
            "plan": plan.name,
            "description": plan.description,
            "state": plan.state,
            "hops": plan.hops,
            "allow": plan.allow,
        })
    };
    let fields = live_fields(&whole(old), &whole(new));
    if !fields.is_empty() {
        parts.push(PartChange {
            action: Action::Change,
            object: "plan".to_owned(),
            name: new.name.clone(),
            previous_name: None,
            kind: None,
            fields,
        });
    }
    PlanComparison { parts }
}

fn phases(
    old: &Plan,
    new: &Plan,
    class: fn(PhaseKindName, &str) -> ChangeClass,
) -> Vec<PartChange> {
    let mut parts = Vec::new();
    let mut seen = Vec::new();
    for (address, phase) in &new.phases {
        let kind = phase.spec.kind();
        let before = new
            .renamed
            .get(address)
            .filter(|name| old.phases.contains_key(*name));
        let before = before.unwrap_or(address);
        let part = |action, fields| PartChange {
            action,
            object: "phase".to_owned(),
            name: address.to_string(),
            previous_name: (before != address).then(|| before.to_string()),
            kind: Some(kind),
            fields,
        };
        let Some(earlier) = old.phases.get(before) else {
            parts.push(part(Action::Create, Vec::new()));
            continue;
        };
        seen.push(before);
        if earlier.spec.kind() != kind {
            parts.push(part(Action::Replace, Vec::new()));
            continue;
        }
        // `after` and `timeout` stand beside the spec's own fields in the language, so they do here.
        let form = |phase: &crate::plan::model::Phase| {
            let spec = serde_json::to_value(&phase.spec).unwrap_or_default();
            let mut value = spec.get(kind.as_str()).cloned().unwrap_or_default();
            if let Value::Object(map) = &mut value {
                map.insert("after".to_owned(), serde_json::json!(phase.after));
                map.insert("timeout".to_owned(), serde_json::json!(phase.timeout));
            }
            value
        };
        let fields: Vec<FieldChange> = structural::edits(&form(earlier), &form(phase))
            .into_iter()
            .map(|edit| {
                let mut field = field_change(kind, edit, class);
                if matches!(&*field.path, "after" | "timeout") {
                    field.class = ChangeClass::Live;
                }
                field
            })
            .collect();
        if !fields.is_empty() || before != address {
            parts.push(part(Action::Change, fields));
        }
    }
    for (address, phase) in &old.phases {
        if !seen.contains(&address) {
            parts.push(PartChange {
                action: Action::Delete,
                object: "phase".to_owned(),
                name: address.to_string(),
                previous_name: None,
                kind: Some(phase.spec.kind()),
                fields: Vec::new(),
            });
        }
    }
    parts
}

fn named<K: Ord + ToString, V: Serialize>(
    object: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> Vec<PartChange> {
    let mut names: Vec<&K> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let (action, fields) = match (old.get(name), new.get(name)) {
                (None, Some(_)) => (Action::Create, Vec::new()),
                (Some(_), None) => (Action::Delete, Vec::new()),
                (Some(before), Some(after)) => {
                    let value = |it: &V| serde_json::to_value(it).unwrap_or_default();
                    let fields = live_fields(&value(before), &value(after));
                    if fields.is_empty() {
                        return None;
                    }
                    (Action::Change, fields)
                }
                (None, None) => return None,
            };
            Some(PartChange {
                action,
                object: object.to_owned(),
                name: name.to_string(),
                previous_name: None,
                kind: None,
                fields,
            })
        })
        .collect()
}

fn live_fields(before: &Value, after: &Value) -> Vec<FieldChange> {
    structural::edits(before, after)
        .into_iter()
        .map(|edit| FieldChange {
            path: edit.path,
            before: edit.before.unwrap_or(Value::Null),
            after: edit.after.unwrap_or(Value::Null),
            class: ChangeClass::Live,
        })
        .collect()
}

impl PlanComparison {
    /// The phase with this address, where it differs.
    pub fn phase(&self, address: &Address) -> Option<&PartChange> {
        self.parts
            .iter()
            .find(|part| part.object == "phase" && part.name == address.as_str())
    }
}
