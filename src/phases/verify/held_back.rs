//! Settings and closings that wait until the documents are proved.

use super::super::common;
use super::super::kind::{PerformContext, PhaseError, UndoContext, UndoPlan};
use crate::base::{Address, failpoint};
use crate::clients::target::Target;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::metadata::{held_back, release};
use crate::state::model::PhaseRecord;

/// The kinds of objects that have settings.
const KINDS: [ObjectKind; 5] = [
    ObjectKind::ComponentTemplate,
    ObjectKind::IndexTemplate,
    ObjectKind::LegacyTemplate,
    ObjectKind::Index,
    ObjectKind::DataStream,
];

/// Objects of a target with the number of settings that wait.
pub(super) fn waiting(
    target: &dyn Target,
    on: &Address,
) -> Result<Vec<(ObjectKey, u64)>, PhaseError> {
    let error = |error| common::target_error(on, &error);
    let mut found = Vec::new();
    if target.identity().map_err(error)?.is_none() {
        return Ok(found);
    }
    for kind in KINDS {
        let names = target.list(kind).map_err(error)?;
        let keys: Vec<ObjectKey> = names
            .into_iter()
            .map(|name| ObjectKey { kind, name })
            .collect();
        for (key, body) in target.get_many(&keys).map_err(error)? {
            let waiting = held_back(&body).len() as u64;
            if waiting > 0 {
                found.push((key, waiting));
            }
        }
    }
    Ok(found)
}

/// Puts in force what waits on the objects, and closes indices; says what was done.
pub(super) fn put_in_force(
    cx: &PerformContext<'_>,
    target: &dyn Target,
    on: &Address,
    objects: &[&ObjectKey],
    to_close: &[&str],
) -> Result<Vec<String>, PhaseError> {
    let error = |error| common::target_error(on, &error);
    let mut settings = 0;
    for key in objects {
        let Some(body) = target.get(key).map_err(error)? else {
            continue;
        };
        let waiting = held_back(&body);
        if waiting.is_empty() {
            continue;
        }
        let label = format!("{} {}", key.kind.as_str(), key.name);
        let detail = serde_json::json!({"object": key, "settings": waiting});
        (cx.announce)(common::effect_with(on, "apply-held-back", &label, detail))?;
        failpoint::hit("verify.held-back.before");
        target.put(key, &release(key.kind, &body)).map_err(error)?;
        failpoint::hit("verify.held-back.after");
        settings += waiting.len();
    }
    for index in to_close {
        (cx.announce)(common::effect(on, "close-index", index))?;
        target.set_closed(index, true).map_err(error)?;
        failpoint::hit("verify.close.after");
    }
    let mut done = Vec::new();
    if settings > 0 {
        let noun = if settings == 1 { "setting" } else { "settings" };
        done.push(format!(
            "{settings} {noun} that had been held back are in force on {on}"
        ));
    }
    if !to_close.is_empty() {
        done.push(format!(
            "{} closed on {on}, as at the source",
            common::few(to_close)
        ));
    }
    Ok(done)
}

pub(super) fn undo_plan(record: &PhaseRecord) -> UndoPlan {
    let removes = record
        .effects
        .iter()
        .filter_map(|effect| match effect.what.as_str() {
            "apply-held-back" => Some(format!(
                "holds back the settings of {} on {} again",
                effect.name, effect.on
            )),
            "close-index" => Some(format!(
                "opens index {} on {} again",
                effect.name, effect.on
            )),
            _ => None,
        })
        .collect();
    UndoPlan {
        removes,
        cannot: Vec::new(),
    }
}

pub(super) fn undo(cx: &UndoContext<'_>) -> Result<(), PhaseError> {
    for effect in cx.record.effects.iter().rev() {
        let target = cx.connections.open_target(&effect.on)?;
        let error = |error| common::target_error(&effect.on, &error);
        let exists = |key: &ObjectKey| target.get(key).map_err(error);
        match effect.what.as_str() {
            "close-index" => {
                let key = ObjectKey {
                    kind: ObjectKind::Index,
                    name: effect.name.clone(),
                };
                if exists(&key)?.is_some() {
                    target.set_closed(&effect.name, false).map_err(error)?;
                }
            }
            "apply-held-back" => {
                let key = effect.detail.get("object").cloned().unwrap_or_default();
                let Ok(key) = serde_json::from_value::<ObjectKey>(key) else {
                    continue;
                };
                if let Some(body) = exists(&key)?
                    && let Some(settings) = effect.detail.get("settings")
                {
                    let body = crate::engines::metadata::withhold(key.kind, &body, settings);
                    target.put(&key, &body).map_err(error)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
