//! Takes back what a metadata phase made: only what its recorded effects say, and only where nobody changed it since.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::common;
use super::super::kind::{PhaseError, UndoContext, UndoPlan};
use super::global::PERSISTENT;
use crate::base::Address;
use crate::clients::target::Target;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::metadata::{core_fingerprint, differences};
use crate::state::model::{PhaseRecord, SideEffect};

/// An object as an effect tells of it.
struct Made {
    on: Address,
    key: ObjectKey,
    /// What stood there before.
    before: Option<Value>,
    /// Identity of what was written, the last time.
    core: Option<String>,
    /// What was written, the last time.
    body: Option<Value>,
}

fn made(effect: &SideEffect) -> Option<Made> {
    if !matches!(effect.what.as_str(), "create-object" | "replace-object") {
        return None;
    }
    let key = serde_json::from_value(effect.detail.get("object")?.clone()).ok()?;
    let before = effect
        .detail
        .get("before")
        .filter(|it| !it.is_null())
        .cloned();
    let core = common::text(&effect.detail, "/core").map(str::to_owned);
    Some(Made {
        on: effect.on.clone(),
        key,
        before,
        core,
        body: effect.detail.get("body").cloned(),
    })
}

/// Last made first; where an object was written more than once, the first effect knows what was there before and the last
/// what was written.
fn all_made(record: &PhaseRecord) -> Vec<Made> {
    let mut order: Vec<Made> = Vec::new();
    let mut at: BTreeMap<ObjectKey, usize> = BTreeMap::new();
    for made in record.effects.iter().filter_map(made) {
        if let Some(known) = at.get(&made.key) {
            order[*known].core = made.core;
            order[*known].body = made.body;
        } else {
            at.insert(made.key.clone(), order.len());
            order.push(made);
        }
    }
    order.reverse();
    order
}

pub(super) fn undo_plan(record: &PhaseRecord) -> UndoPlan {
    let mut plan = UndoPlan::default();
    for made in all_made(record) {
        let verb = if made.before.is_some() {
            "restores"
        } else {
            "removes"
        };
        plan.removes.push(format!(
            "{verb} {} {} on {}",
            made.key.kind.as_str(),
            made.key.name,
            made.on
        ));
    }
    plan
}

pub(super) fn undo(cx: &UndoContext<'_>) -> Result<(), PhaseError> {
    let mut refused = Vec::new();
    for made in all_made(cx.record) {
        let target = cx.connections.open_target(&made.on)?;
        let error = |error| common::target_error(&made.on, &error);
        let Some(found) = target.get(&made.key).map_err(error)? else {
            match &made.before {
                Some(before) => target.put(&made.key, before).map_err(error)?,
                // What is kept beside it goes as well.
                None => drop(target.delete(&made.key).map_err(error)?),
            }
            continue;
        };
        if made.before.as_ref() == Some(&found) {
            continue; // it was taken back already, or never written
        }
        if let Some(why) = not_ours(&*target, &made, &found)? {
            refused.push(format!(
                "{} {}: {why}",
                made.key.kind.as_str(),
                made.key.name
            ));
            continue;
        }
        if made.key.kind == ObjectKind::Alias
            && let Some(written) = &made.body
        {
            let back = alias_before(made.before.as_ref(), written);
            target.put(&made.key, &back).map_err(error)?;
            continue;
        }
        if made.key.kind == ObjectKind::ClusterSettings
            && let Some(written) = &made.body
        {
            let back = settings_before(made.before.as_ref(), written);
            target.put(&made.key, &back).map_err(error)?;
            continue;
        }
        match &made.before {
            Some(before) => target.put(&made.key, before).map_err(error)?,
            None => {
                target.delete(&made.key).map_err(error)?;
            }
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(PhaseError::Failed {
        message: format!(
            "not removed, because it changed since: {}",
            refused.join("; ")
        ),
        help: Some("remove these by hand if they are not needed, then roll back again".into()),
    })
}

/// The alias as it was: out of the indices that it was put on, whoever else put it on others.
fn alias_before(before: Option<&Value>, written: &Value) -> Value {
    let mut back = before.cloned().unwrap_or_else(|| json!({"indices": {}}));
    let written = written.get("indices").and_then(Value::as_object);
    if let Some(Value::Object(indices)) = back.get_mut("indices") {
        for index in written.into_iter().flat_map(|indices| indices.keys()) {
            indices.entry(index).or_insert(Value::Null);
        }
    }
    back
}

/// The settings that were written, as they were: those that had no value get none again.
fn settings_before(before: Option<&Value>, written: &Value) -> Value {
    let section = |body: &Value| body.get(PERSISTENT).and_then(Value::as_object).cloned();
    let before = before.and_then(section).unwrap_or_default();
    let back: Map<String, Value> = section(written)
        .unwrap_or_default()
        .into_iter()
        .map(|(key, _)| {
            let value = before.get(&key).cloned().unwrap_or(Value::Null);
            (key, value)
        })
        .collect();
    json!({ PERSISTENT: back })
}

fn not_ours(target: &dyn Target, made: &Made, found: &Value) -> Result<Option<String>, PhaseError> {
    let changed = match (&made.body, &made.core) {
        (Some(body), _) => !differences(made.key.kind, body, found).is_empty(),
        (None, Some(core)) => *core != core_fingerprint(made.key.kind, found).as_str(),
        (None, None) => false,
    };
    if changed {
        return Ok(Some(
            "its settings or mappings are not those that were written".into(),
        ));
    }
    let error = |error| common::target_error(&made.on, &error);
    let indices = match made.key.kind {
        ObjectKind::Index => vec![made.key.name.clone()],
        ObjectKind::DataStream => {
            let stream = target.stream(&made.key.name).map_err(error)?;
            stream.map(|it| it.indices).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    if made.before.is_none() {
        let mut docs = 0;
        for index in indices {
            let facts = target.index_facts(&index, 0).map_err(error)?;
            docs += facts.map_or(0, |facts| facts.docs);
        }
        if docs > 0 {
            return Ok(Some(format!(
                "it holds {}: roll back the backfill first",
                crate::base::units::plural(docs, "document")
            )));
        }
    }
    Ok(None)
}
