//! Registers the repository, asks for the snapshot and waits until it is whole. The cluster does the work: whoever stops
//! waiting finds the snapshot again by its name and mark.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::common;
use super::super::kind::{PerformContext, Performed, PhaseError, Progress};
use super::decide::{Spec, spec};
use super::intent::{Intent, Take, Wanted, intent};
use super::name_mark;
use super::series::{Mark, selector_mark};
use super::{found, look, repository};
use crate::base::failpoint;
use crate::base::version::{Product, ProductVersion};
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::diff::change::ChangeClass;
use crate::diff::observation::{LiveSource, SnapshotObservation};

/// Between two questions how far the snapshot is.
const POLL: Duration = Duration::from_millis(500);
/// Between two looks whether to stop.
const TICK: Duration = Duration::from_millis(50);
/// The longest that a finished snapshot may take to show in the store: shared file systems cache.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
/// Failed shards that are named one by one.
const NAMED_FAILURES_MAX: usize = 5;

/// How waiting ended.
enum Waited {
    /// The snapshot is whole.
    Whole,
    /// The run is to stop; the cluster goes on.
    Stopped,
}

pub(super) fn perform(
    cx: &PerformContext<'_>,
    observed: &SnapshotObservation,
) -> Result<Performed, PhaseError> {
    let (Some(spec), Some(source)) = (spec(cx.phase), &observed.live) else {
        return Err(PhaseError::Stale(
            "the observation is of another kind".into(),
        ));
    };
    let wanted = Wanted {
        phase: &cx.phase.address,
        indices: spec.indices,
        global: spec.global,
        respecified: cx
            .change
            .fields
            .iter()
            .any(|field| field.class == ChangeClass::Redo),
    };
    let redo = cx.change.action_reason == "redo";
    let name = match intent(&wanted, observed, source, cx.state, redo) {
        Intent::Keep | Intent::Record => return found::perform(cx, observed),
        Intent::Ask(problem, _) => return Err(PhaseError::Stale(problem)),
        Intent::Follow(running) => running.name.clone(),
        Intent::Take(take) => {
            let client = cx.connections.open_cluster(spec.of)?;
            let plain = source
                .next_name
                .as_ref()
                .ok_or_else(|| PhaseError::Stale("there is no state yet".into()))?;
            repository::register(cx, &client, spec.of, spec.to, spec.rate)?;
            create(cx, &client, &spec, source, &take, plain)?
        }
    };
    let client = cx.connections.open_cluster(spec.of)?;
    match wait(cx, &client, &spec, &source.repository, &name)? {
        Waited::Stopped => return Ok(Performed::Interrupted),
        Waited::Whole => failpoint::hit("snapshot.whole"),
    }
    let now = visible(cx, &spec, &name)?;
    found::perform(cx, &now)
}

fn create(
    cx: &PerformContext<'_>,
    client: &ClusterClient,
    spec: &Spec<'_>,
    source: &LiveSource,
    take: &Take,
    plain: &str,
) -> Result<String, PhaseError> {
    let about = client
        .about()
        .map_err(|error| look::failed(spec.of, &error))?;
    let mark = Mark {
        plan: cx.plan.name.clone(),
        lineage: cx.connections.lineage().to_owned(),
        phase: cx.phase.address.as_str().to_owned(),
        number: source.next,
        first: take.first,
        cluster: about.uuid,
        indices: selector_mark(spec.indices),
        global: spec.global,
    };
    let name = name_mark::name(plain, &mark, Some(about.version));
    let name = name.as_str();
    let repository = source.repository.as_str();
    (cx.announce)(common::effect_with(
        spec.of,
        "create-snapshot",
        name,
        json!({"repository": repository, "store": spec.to, "indices": take.indices}),
    ))?;
    failpoint::hit("snapshot.create.before");
    let path = format!(
        "/_snapshot/{}/{}?wait_for_completion=false",
        Request::part(repository),
        Request::part(name)
    );
    let mut body = json!({
        "indices": take.indices,
        "ignore_unavailable": false,
        "include_global_state": spec.global,
        "partial": false,
    });
    if name_mark::keeps_metadata(about.version)
        && let Value::Object(fields) = &mut body
    {
        fields.insert("metadata".into(), mark.metadata());
    }
    // Where global state brings system indices along, it is told not to.
    if has_feature_states(about.version)
        && let Value::Object(fields) = &mut body
    {
        fields.insert("feature_states".into(), json!(["none"]));
    }
    let made = client.send(Request::put(path).json(&body));
    failpoint::hit("snapshot.create.after");
    match made {
        Ok(_) => Ok(name.to_owned()),
        // An answer that got lost made the client ask again: what is there may be our own.
        Err(error) if error.kind() == "invalid_snapshot_name_exception" => {
            let there = repository::snapshot(client, repository, name)
                .map_err(|error| look::failed(spec.of, &error))?;
            let its = there.and_then(|it| Mark::of(it.get("metadata")));
            // A name with a mark is nobody else's.
            if its == Some(mark) || name != plain {
                Ok(name.to_owned())
            } else {
                Err(look::failed(spec.of, &error))
            }
        }
        Err(error) => Err(not_made(spec, name, &error)),
    }
}

fn not_made(spec: &Spec<'_>, name: &str, error: &ClusterError) -> PhaseError {
    let help = match error.kind() {
        "concurrent_snapshot_execution_exception" => {
            "another snapshot is being taken or deleted there: wait for it (GET _snapshot/_status), then run the same command again"
                .to_owned()
        }
        "index_not_found_exception" => {
            "the index was removed in between: plan again".to_owned()
        }
        _ => error.help(),
    };
    PhaseError::Failed {
        message: format!("cluster `{}`: snapshot `{name}`: {error}", spec.of),
        help: Some(help),
    }
}

/// Feature states came with Elasticsearch 7.12; OpenSearch has none.
fn has_feature_states(version: ProductVersion) -> bool {
    version.product == Product::Elasticsearch && version.version.floor() >= (7, 12, 0)
}

fn wait(
    cx: &PerformContext<'_>,
    client: &ClusterClient,
    spec: &Spec<'_>,
    repository: &str,
    name: &str,
) -> Result<Waited, PhaseError> {
    let failed = |error: &ClusterError| look::failed(spec.of, error);
    loop {
        let found = repository::snapshot(client, repository, name)
            .map_err(|error| failed(&error))?
            .ok_or_else(|| PhaseError::Failed {
                message: format!(
                    "cluster `{}`: snapshot `{name}` was deleted while it was being taken",
                    spec.of
                ),
                help: Some(
                    "find out who deletes snapshots there, then run the same command again".into(),
                ),
            })?;
        match found.get("state").and_then(Value::as_str) {
            Some("SUCCESS") => {
                tell_progress(cx, client, repository, name);
                return Ok(Waited::Whole);
            }
            Some("IN_PROGRESS") => {}
            state => return Err(incomplete(cx, name, state.unwrap_or("UNKNOWN"), &found)),
        }
        tell_progress(cx, client, repository, name);
        let until = Instant::now() + POLL;
        while Instant::now() < until {
            if cx.interrupt.draining() {
                return Ok(Waited::Stopped);
            }
            std::thread::sleep(TICK);
        }
    }
}

/// How far it is, by the cluster's own count; an answer that does not come is only no progress.
fn tell_progress(cx: &PerformContext<'_>, client: &ClusterClient, repository: &str, name: &str) {
    let path = format!(
        "/_snapshot/{}/{}/_status",
        Request::part(repository),
        Request::part(name)
    );
    let Ok(answer) = client.json(Request::get(path)) else {
        return;
    };
    let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_u64);
    let total = number("/snapshots/0/stats/incremental/size_in_bytes").unwrap_or(0);
    let shards = number("/snapshots/0/shards_stats/total").unwrap_or(0);
    let all = shards > 0 && number("/snapshots/0/shards_stats/done") == Some(shards);
    let done =
        number("/snapshots/0/stats/processed/size_in_bytes").unwrap_or(if all { total } else { 0 });
    (cx.progress)(Progress {
        unit: "bytes".into(),
        done,
        total,
        bytes: done,
        failed: number("/snapshots/0/shards_stats/failed").unwrap_or(0),
        workers: 1,
        paused_by: None,
    });
}

/// A snapshot that lacks shards is no ground for a migration.
fn incomplete(cx: &PerformContext<'_>, name: &str, state: &str, found: &Value) -> PhaseError {
    let failures = found.get("failures").and_then(Value::as_array);
    let failures = failures.map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value, key: &str| match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    };
    let mut shards: Vec<String> = failures
        .iter()
        .take(NAMED_FAILURES_MAX)
        .map(|it| {
            format!(
                "{}/{}: {}",
                text(it, "index"),
                text(it, "shard_id"),
                text(it, "reason")
            )
        })
        .collect();
    if failures.len() > NAMED_FAILURES_MAX {
        shards.push(format!("and {} more", failures.len() - NAMED_FAILURES_MAX));
    }
    let reason = found.get("reason").and_then(Value::as_str);
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let shards = if shards.is_empty() {
        String::new()
    } else {
        format!(": {}", shards.join("; "))
    };
    PhaseError::Failed {
        message: format!("snapshot `{name}` is not complete ({state}){reason}{shards}"),
        help: Some(format!(
            "mend the shards that are named, then `mig apply --redo {}` takes another one; this one is never used",
            cx.phase.address
        )),
    }
}

/// The store as it is once the snapshot shows in it.
fn visible(
    cx: &PerformContext<'_>,
    spec: &Spec<'_>,
    name: &str,
) -> Result<SnapshotObservation, PhaseError> {
    let until = Instant::now() + VISIBLE_WITHIN;
    loop {
        let now = look::look(cx.plan, cx.phase, cx.state, cx.connections)?;
        let listed = now.live.as_ref().and_then(|live| live.list.last());
        if listed.is_some_and(|listed| listed.name == name) {
            if let Some(problem) = now.problem {
                return Err(PhaseError::Failed {
                    message: problem,
                    help: Some("look at the store, then run the same command again".into()),
                });
            }
            return Ok(now);
        }
        if Instant::now() >= until {
            return Err(PhaseError::Failed {
                message: repository::not_here(cx.plan, spec.to, name),
                help: Some(
                    "nothing has to be taken again: once the directory is right, the same command goes on".into(),
                ),
            });
        }
        std::thread::sleep(POLL);
    }
}
