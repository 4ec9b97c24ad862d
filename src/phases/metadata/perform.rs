//! Creates what is missing. Each object is looked at again just before it is written.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::super::common;
use super::super::kind::{PerformContext, Performed, PhaseError, Progress};
use super::decide::{Fate, Seen, fate, only_adds, seen};
use super::{Desired, desired, spec};
use crate::base::{Address, failpoint};
use crate::clients::cluster::ClusterError;
use crate::clients::target::{Target, TargetError};
use crate::diff::change::Edit;
use crate::diff::observation::{ObjectKey, ObjectKind, Observation};
use crate::engines::metadata::{core_fingerprint, differences, held_back};
use crate::plan::model::MetadataSpec;

/// Objects of one kind that are made at once: a cluster makes one after the other, and is kept busy.
const AT_ONCE: usize = 8;

/// How many objects of a kind are made at once. Plugins keep policies, roles and who has them in an index of their own,
/// which the first one makes; all roles are one document there, and of two changes at once one is refused.
fn at_once(kind: ObjectKind) -> usize {
    match kind {
        ObjectKind::LifecyclePolicy
        | ObjectKind::SnapshotPolicy
        | ObjectKind::Role
        | ObjectKind::RoleMapping => 1,
        _ => AT_ONCE,
    }
}

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
    let mut waiting = serde_json::Map::new();
    for object in &wanted {
        let held = held_back(&object.body);
        if !held.is_empty() {
            let label = label(&object.key);
            waiting.insert(label, serde_json::Value::Object(held));
        }
    }
    let seen = seen(observed);
    let work = Work {
        cx,
        spec,
        target: &*target,
        seen: &seen,
        total,
        done: AtomicU64::new(0),
    };
    let mut made = Vec::new();
    let mut created = 0;
    // What stands on another kind comes after it.
    for group in wanted.chunk_by(|left, right| left.key.kind == right.key.kind) {
        let Some(outcomes) = work.make(group)? else {
            return Ok(Performed::Interrupted);
        };
        for (object, outcome) in group.iter().zip(outcomes) {
            created += usize::from(outcome == Outcome::Made);
            if outcome != Outcome::Untouched {
                made.push(object);
            }
        }
    }
    prove(on, &*target, &made)?;
    let names = |chosen: &dyn Fn(&Desired) -> bool| -> Vec<&str> {
        let chosen = wanted.iter().filter(|object| chosen(object));
        chosen.map(|object| object.key.name.as_str()).collect()
    };
    let indices = names(&|object| object.key.kind == ObjectKind::Index);
    let evidence = vec![format!(
        "{} of {} on {on} made, all equal to the snapshot's after translation",
        created,
        crate::base::units::plural(total, "object"),
    )];
    Ok(Performed::Done {
        outputs: json!({
            "snapshot-uuid": observed.snapshot_uuid,
            "indices": indices,
            "held-back": waiting,
            "closed-last": names(&|object| object.closed),
        }),
        evidence,
    })
}

fn label(key: &ObjectKey) -> String {
    format!("{} {}", key.kind.as_str(), key.name)
}

/// What became of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The plan has nothing to do with it.
    Untouched,
    /// An earlier run got so far.
    There,
    /// It was written.
    Made,
}

/// What all objects are made with.
struct Work<'a> {
    cx: &'a PerformContext<'a>,
    spec: &'a MetadataSpec,
    target: &'a dyn Target,
    seen: &'a Seen<'a>,
    total: u64,
    done: AtomicU64,
}

impl Work<'_> {
    /// Makes objects of one kind, several at once; `None` when asked to stop.
    fn make(&self, group: &[Desired]) -> Result<Option<Vec<Outcome>>, PhaseError> {
        let target_error = |error| common::target_error(&self.spec.to.value, &error);
        let indices: Vec<&str> = group
            .iter()
            .filter(|object| object.key.kind == ObjectKind::Index)
            .filter(|object| matches!(fate(self.spec, self.seen, object), Fate::Create))
            .map(|object| object.key.name.as_str())
            .collect();
        if indices.len() > 1 {
            failpoint::hit("metadata.shield.before");
            self.target.shield(&indices).map_err(target_error)?;
            failpoint::hit("metadata.shield.after");
        }
        let made = self.make_at_once(group);
        if indices.len() > 1 {
            self.target.unshield().map_err(target_error)?;
        }
        made
    }

    fn make_at_once(&self, group: &[Desired]) -> Result<Option<Vec<Outcome>>, PhaseError> {
        let at_once = group.first().map_or(1, |object| at_once(object.key.kind));
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let outcomes = Mutex::new(vec![None; group.len()]);
        let lock = |error: PhaseError| {
            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert(error);
        };
        let work = || {
            while !self.cx.interrupt.draining() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(object) = group.get(at) else { return };
                match self.make_one(object) {
                    Ok(outcome) => {
                        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        outcomes[at] = Some(outcome);
                    }
                    Err(error) => {
                        lock(error);
                        // The others end with what they have in hand.
                        next.fetch_add(group.len(), Ordering::Relaxed);
                        return;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..at_once.min(group.len()) {
                scope.spawn(work);
            }
            work();
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let outcomes = outcomes.into_inner();
        let outcomes = outcomes.unwrap_or_else(PoisonError::into_inner);
        Ok(outcomes.into_iter().collect())
    }

    fn make_one(&self, object: &Desired) -> Result<Outcome, PhaseError> {
        let (cx, on) = (self.cx, &self.spec.to.value);
        let target_error = |error| common::target_error(on, &error);
        (cx.progress)(Progress {
            unit: "objects".into(),
            done: self.done.fetch_add(1, Ordering::Relaxed),
            total: self.total,
            bytes: 0,
            failed: 0,
            workers: 1,
            paused_by: None,
        });
        let label = label(&object.key);
        let replace = match fate(self.spec, self.seen, object) {
            Fate::Equal => return Ok(Outcome::Untouched),
            Fate::Ask(_) => return Err(PhaseError::Stale(format!("{label} needs a decision"))),
            Fate::Create => false,
            Fate::Replace(_) => true,
        };
        let before = self.target.get(&object.key).map_err(target_error)?;
        let edits: Option<Vec<Edit>> = before
            .as_ref()
            .map(|before| differences(object.key.kind, &object.body, before));
        let adds = edits
            .as_ref()
            .is_none_or(|edits| only_adds(&object.key, edits));
        if edits.is_some_and(|edits| edits.is_empty()) {
            return Ok(Outcome::There);
        }
        if !adds && !replace {
            return Err(PhaseError::Stale(format!(
                "{label} appeared on {on} since the plan was made"
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
        (cx.announce)(common::effect_with(on, what, &label, detail))?;
        failpoint::hit("metadata.put.before");
        self.target
            .put(&object.key, &object.body)
            .map_err(|error| not_made(on, &label, &error))?;
        failpoint::hit("metadata.put.after");
        Ok(Outcome::Made)
    }
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
