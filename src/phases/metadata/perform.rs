//! Creates what is missing. Each object is looked at again just before it is written.

use serde_json::json;

use super::super::common;
use super::super::kind::{PerformContext, Performed, PhaseError, Progress};
use super::decide::{Fate, fate, only_adds, seen};
use super::{Desired, desired, spec};
use crate::base::{Address, failpoint};
use crate::clients::cluster::ClusterError;
use crate::clients::target::{Target, TargetError};
use crate::diff::change::Edit;
use crate::diff::observation::{ObjectKey, ObjectKind, Observation};
use crate::engines::metadata::{core_fingerprint, differences, held_back};

pub(super) fn perform(cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
    let Observation::Metadata(observed) = cx.observation else {
        return Err(PhaseError::Stale(
            "the observation is of another kind".into(),
        ));
    };
    let spec = spec(cx.phase)?;
    let on = &spec.to.value;
    let target = cx.connections.open_target(on)?;
    let target_error = |error| common::target_error(on, &error);
    target
        .prepare(cx.connections.plan_name())
        .map_err(target_error)?;
    let (wanted, _) = desired(spec, observed);
    let total = wanted.len() as u64;
    let mut created = Vec::new();
    let mut waiting = serde_json::Map::new();
    let mut closed_last = Vec::new();
    let seen = seen(observed);
    let mut made = Vec::new();
    for (done, object) in wanted.iter().enumerate() {
        if cx.interrupt.draining() {
            return Ok(Performed::Interrupted);
        }
        (cx.progress)(Progress {
            unit: "objects".into(),
            done: done as u64,
            total,
            bytes: 0,
            failed: 0,
            workers: 1,
        });
        let kind = object.key.kind.as_str();
        let name = object.key.name.as_str();
        let held = held_back(&object.body);
        if !held.is_empty() {
            waiting.insert(format!("{kind} {name}"), serde_json::Value::Object(held));
        }
        if object.closed {
            closed_last.push(name);
        }
        let replace = match fate(spec, &seen, object) {
            Fate::Equal => continue,
            Fate::Ask(_) => {
                return Err(PhaseError::Stale(format!("{kind} {name} needs a decision")));
            }
            Fate::Create => false,
            Fate::Replace(_) => true,
        };
        let before = target.get(&object.key).map_err(target_error)?;
        let edits: Option<Vec<Edit>> = before
            .as_ref()
            .map(|before| differences(object.key.kind, &object.body, before));
        let adds = edits
            .as_ref()
            .is_none_or(|edits| only_adds(&object.key, edits));
        if edits.is_some_and(|edits| edits.is_empty()) {
            made.push(object);
            continue; // an earlier run got so far
        }
        if !adds && !replace {
            return Err(PhaseError::Stale(format!(
                "{kind} {name} appeared on {on} since the plan was made"
            )));
        }
        let what = if replace {
            "replace-object"
        } else {
            "create-object"
        };
        let detail = json!({
            "object": object.key,
            "existed": before.is_some(),
            "before": before,
            "core": core_fingerprint(object.key.kind, &object.body),
            "body": object.body,
        });
        let label = format!("{kind} {name}");
        (cx.announce)(common::effect_with(on, what, &label, detail))?;
        failpoint::hit("metadata.put.before");
        target
            .put(&object.key, &object.body)
            .map_err(|error| not_made(on, &label, &error))?;
        failpoint::hit("metadata.put.after");
        made.push(object);
        created.push(label);
    }
    prove(on, &*target, &made)?;
    let indices: Vec<&str> = wanted
        .iter()
        .filter(|object| object.key.kind == ObjectKind::Index)
        .map(|object| object.key.name.as_str())
        .collect();
    let evidence = vec![format!(
        "{} of {} on {on} made, all equal to the snapshot's after translation",
        created.len(),
        crate::base::units::plural(total, "object"),
    )];
    Ok(Performed::Done {
        outputs: json!({
            "snapshot-uuid": observed.snapshot_uuid,
            "indices": indices,
            "held-back": waiting,
            "closed-last": closed_last,
        }),
        evidence,
    })
}

/// Names the object: a server's words do not always.
fn not_made(on: &Address, label: &str, error: &TargetError) -> PhaseError {
    let help = match error {
        TargetError::Cluster(ClusterError::Status { status: 400, .. }) => {
            "change it at the source or leave it out by `include:`, then run the same command again: it goes on where it was"
                .to_owned()
        }
        other => other.help(),
    };
    PhaseError::Failed {
        message: format!("target `{on}`: {label}: {error}"),
        help: Some(help),
    }
}

/// Reads back what was made: it has to be what was wanted.
fn prove(on: &Address, target: &dyn Target, made: &[&Desired]) -> Result<(), PhaseError> {
    let keys: Vec<ObjectKey> = made.iter().map(|object| object.key.clone()).collect();
    let found = target
        .get_many(&keys)
        .map_err(|error| common::target_error(on, &error))?;
    let mut wrong = Vec::new();
    for object in made {
        let label = format!("{} {}", object.key.kind.as_str(), object.key.name);
        match found.iter().find(|(key, _)| *key == object.key) {
            None => wrong.push(format!("{label} is not there any more")),
            Some((key, body)) => {
                let edits = differences(key.kind, &object.body, body);
                let paths: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
                if !paths.is_empty() {
                    wrong.push(format!("{label} differs at {}", common::few(&paths)));
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(PhaseError::Failed {
        message: format!(
            "target `{on}`: what was made is not what is wanted: {}",
            wrong.join("; ")
        ),
        help: Some(
            "plan again: it shows the differences and asks what is to become of them".into(),
        ),
    })
}
