//! Takes back the documents that a backfill wrote, where nobody changed them since.

use std::collections::{BTreeMap, BTreeSet};

use super::super::common;
use super::super::kind::{PhaseError, UndoContext, UndoPlan};
use super::{cluster, restore, store, work_error};
use crate::base::{Address, Fingerprint};
use crate::clients::target::{Landed, Landing};
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::state::model::{PhaseRecord, SINCE};

fn written(record: &PhaseRecord) -> Vec<(&Address, &str)> {
    let mut written: Vec<_> = record
        .effects
        .iter()
        .filter(|effect| effect.what == "write-documents")
        .map(|effect| (&effect.on, effect.name.as_str()))
        .collect();
    written.sort_unstable();
    written.dedup();
    written
}

/// Where the documents of each index went, as the effects tell.
fn landings(record: &PhaseRecord, on: &Address) -> BTreeMap<String, Landing> {
    let effects = record.effects.iter();
    let effects = effects.filter(|effect| effect.what == "write-documents" && effect.on == *on);
    effects
        .filter_map(|effect| {
            let landing = effect.detail.get("landing")?.clone();
            Some((effect.name.clone(), serde_json::from_value(landing).ok()?))
        })
        .collect()
}

/// The data stream that the documents of an index went through.
fn stream_of(record: &PhaseRecord, index: &str) -> Option<String> {
    let effects = record.effects.iter();
    let mut effects = effects.filter(|effect| effect.name == index);
    effects.find_map(|effect| {
        common::text(&effect.detail, "/landing/generation/stream").map(str::to_owned)
    })
}

/// The layer of an index into which changes alone were written.
fn layer(record: &PhaseRecord, on: &Address, index: &str) -> Option<u32> {
    let mut effects = record.effects.iter().rev();
    let last = effects.find(|effect| {
        effect.what == "write-documents" && effect.on == *on && effect.name == index
    })?;
    last.detail.get(SINCE).filter(|since| !since.is_null())?;
    let layer = last.detail.get("layer").and_then(serde_json::Value::as_u64);
    Some(
        layer
            .and_then(|layer| u32::try_from(layer).ok())
            .unwrap_or(1),
    )
}

pub(super) fn undo_plan(record: &PhaseRecord) -> UndoPlan {
    let mut plan = UndoPlan::default();
    for (on, index) in written(record) {
        match layer(record, on, index) {
            None => plan
                .removes
                .push(format!("removes the documents of index {index} on {on}")),
            // What they were is kept nowhere, but where changes are files of their own.
            Some(_) => plan.cannot.push(format!(
                "what was changed or deleted of index {index} on {on}: only a directory keeps what stood there before (a cluster: load \
                 the base again with `mig apply --redo`)"
            )),
        }
    }
    plan
}

pub(super) fn undo(cx: &UndoContext<'_>) -> Result<(), PhaseError> {
    let (mut refused, mut changed) = (Vec::new(), Vec::new());
    let mut targets: Vec<&Address> = Vec::new();
    let mut clear = Vec::new();
    for (on, index) in written(cx.record) {
        let target = Landed::over(cx.connections.open_target(on)?, landings(cx.record, on));
        let error = |error| common::target_error(on, &error);
        if target.live().map_err(error)?.is_some() {
            return Err(PhaseError::Failed {
                message: format!("{on} is live: its documents are not removed"),
                help: Some("roll back the switchover first".into()),
            });
        }
        if !targets.contains(&on) {
            targets.push(on);
        }
        let key = ObjectKey {
            kind: ObjectKind::Index,
            name: index.to_owned(),
        };
        if target.get(&key).map_err(error)?.is_none() {
            continue;
        }
        cluster::restore(on, &*target, std::iter::once(&index.to_owned()))?;
        if let Some(layer) = layer(cx.record, on, index) {
            if !target.clear_layers(index, layer).map_err(error)? {
                changed.push(index.to_owned());
            }
            continue;
        }
        let facts = target.index_facts(index, 0).map_err(error)?;
        let content: Option<Fingerprint> = cx
            .record
            .outputs
            .get("indices")
            .and_then(|indices| indices.get(index))
            .and_then(|index| index.get("content"))
            .and_then(|content| serde_json::from_value(content.clone()).ok());
        if let Some(facts) = facts {
            let changed = content.is_some() && facts.content != content;
            // A cluster does not tell its users' documents from others, but their number tells that there are some.
            let written = cx
                .record
                .outputs
                .pointer("/indices")
                .and_then(|indices| indices.get(index)?.get("written")?.as_u64());
            let exact = target.capabilities().exact_parts;
            let more = !exact && written.is_some_and(|written| facts.docs > written);
            if facts.docs > 0 && (facts.foreign_docs > 0 || changed || more) {
                refused.push(index.to_owned());
                continue;
            }
        }
        clear.push((target, index));
    }
    // The generations of a stream go together, so that none may have changed.
    let kept: BTreeSet<String> = refused
        .iter()
        .filter_map(|index| stream_of(cx.record, index))
        .collect();
    let mut cleared = BTreeSet::new();
    for (target, index) in clear {
        if let Some(stream) = stream_of(cx.record, index)
            && (kept.contains(&stream) || !cleared.insert((target.location(), stream)))
        {
            continue;
        }
        let cleared = target.clear_documents(index);
        cleared.map_err(|error| PhaseError::Failed {
            message: format!("{}: {error}", target.location()),
            help: Some(error.help()),
        })?;
    }
    if !changed.is_empty() {
        return Err(PhaseError::Failed {
            message: format!(
                "what was changed and deleted can't be brought back: {}",
                changed.join(", ")
            ),
            help: Some(
                "`mig apply --redo` with the phase that it builds upon loads that snapshot anew"
                    .into(),
            ),
        });
    }
    if !refused.is_empty() {
        return Err(PhaseError::Failed {
            message: format!(
                "not removed, because the documents changed since: {}",
                refused.join(", ")
            ),
            help: Some("remove them by hand if they are not needed, then roll back again".into()),
        });
    }
    for on in targets {
        let target = cx.connections.open_target(on)?;
        store::remove(&*target, cx.plan, cx.address).map_err(|error| work_error(&error))?;
    }
    restore::undo(cx)
}
