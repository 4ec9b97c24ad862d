//! Data streams of a cluster.
//!
//! A template of `mig`'s own for this one stream, above all others, stands there while a generation is made, so that each has
//! the settings and fields that its counterpart at the source has, whatever the stream's own template says by now. What the
//! generations are to be like is kept in the working state ([`PlannedStream`]) before the first is made. A server refuses
//! to remove a template whose pattern means a stream: the pattern is changed first.
//!
//! Which backing indices there are is read from the cluster's state, which servers without the interface of data streams
//! have as well.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::objects::{guard_of_stream, in_place};
use super::working_state::{Condition, Tag};
use super::{ClusterTarget, tune};
use crate::base::failpoint;
use crate::clients::cluster::Request;
use crate::clients::target::stream::{PlannedStream, generations, no_stream, timestamp_field};
use crate::clients::target::{StreamState, TargetError};

/// What such a document is in the working state.
const KIND: &str = "stream";
/// How long bulk requests of a stream that are still at work are waited for before it is rolled over.
const SETTLED: Duration = Duration::from_mins(2);
/// Between two looks at them.
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn id(name: &str) -> String {
    format!("{KIND}:{name}")
}

/// All data streams by name, as the cluster's state has them.
pub(super) fn all(target: &ClusterTarget) -> Result<Vec<(String, StreamState)>, TargetError> {
    let path = "/_cluster/state/metadata?filter_path=metadata.data_stream";
    let answer = target.client.json(Request::get(path))?;
    let streams = answer
        .pointer("/metadata/data_stream/data_stream")
        .and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, stream) in streams.into_iter().flatten() {
        let field = stream
            .pointer("/timestamp_field/name")
            .and_then(Value::as_str);
        let indices = stream.get("indices").and_then(Value::as_array);
        let indices = indices
            .into_iter()
            .flatten()
            .filter_map(|index| index.get("index_name")?.as_str())
            .map(str::to_owned);
        let state = StreamState {
            timestamp_field: field.unwrap_or(super::super::stream::TIMESTAMP).to_owned(),
            indices: indices.collect(),
        };
        found.push((name.clone(), state));
    }
    Ok(found)
}

pub(super) fn find(target: &ClusterTarget, name: &str) -> Result<Option<StreamState>, TargetError> {
    let mut found = all(target)?.into_iter().filter(|(it, _)| it == name);
    Ok(found.next().map(|(_, state)| state))
}

fn planned(target: &ClusterTarget, name: &str) -> Result<Option<PlannedStream>, TargetError> {
    let stored = target.state.get::<PlannedStream>(&id(name))?;
    Ok(stored.map(|stored| stored.body))
}

/// Remembers what the generations are to be like.
fn keep(target: &ClusterTarget, name: &str, body: &Value) -> Result<(), TargetError> {
    let earlier = planned(target, name)?;
    let wanted = PlannedStream::new(name, body, earlier.clone());
    if earlier.as_ref() == Some(&wanted) {
        return Ok(());
    }
    let tag = Tag {
        kind: KIND,
        plan: &target.plan,
        lineage: &target.lineage,
    };
    target.state.ensure()?;
    let state = &target.state;
    state.put(&id(name), tag, &wanted, Condition::Always, true)?;
    Ok(())
}

/// Makes the stream with its first generation; brings the generations of one that is there to what is wanted.
pub(super) fn put(target: &ClusterTarget, name: &str, body: &Value) -> Result<(), TargetError> {
    keep(target, name, body)?;
    failpoint::hit("target.stream.planned");
    let Some(there) = find(target, name)? else {
        return create(
            target,
            name,
            timestamp_field(body),
            generations(body).first(),
        );
    };
    for (index, wanted) in there.indices.iter().zip(generations(body)) {
        if let Some(why) = in_place(target, index, &wanted)? {
            return Err(TargetError::Refused {
                location: target.client.location().to_owned(),
                what: format!(
                    "backing index `{index}` of data stream `{name}` can't become what is wanted while it is there: {why}"
                ),
            });
        }
    }
    Ok(())
}

fn create(
    target: &ClusterTarget,
    name: &str,
    timestamp_field: &str,
    first: Option<&Value>,
) -> Result<(), TargetError> {
    let guarded = raise(target, name, timestamp_field, first)?;
    let request = Request::put(format!("/_data_stream/{}", Request::part(name)));
    let made = target.client.send(request);
    failpoint::hit("target.stream.made");
    if guarded {
        guard_of_stream::lower(target, name)?;
    }
    match made {
        Ok(_) => Ok(()),
        // Sent twice after an answer that was lost.
        Err(_) if find(target, name)?.is_some() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn raise(
    target: &ClusterTarget,
    name: &str,
    timestamp_field: &str,
    body: Option<&Value>,
) -> Result<bool, TargetError> {
    let Some(body) = body else {
        return Ok(false);
    };
    guard_of_stream::raise(target, name, timestamp_field, body)?;
    failpoint::hit("target.stream.guarded");
    Ok(true)
}

/// See [`crate::clients::target::Target::roll_over`].
pub(super) fn roll_over(
    target: &ClusterTarget,
    name: &str,
    have: usize,
) -> Result<(), TargetError> {
    let count = || -> Result<usize, TargetError> {
        let found = find(target, name)?;
        let found = found.ok_or_else(|| no_stream(target.client.location().to_owned(), name))?;
        Ok(found.indices.len())
    };
    wait_until_settled(target, name)?;
    if count()? > have {
        return Ok(());
    }
    let planned = planned(target, name)?;
    let field = planned.as_ref().map(|it| it.timestamp_field.clone());
    let body = planned.as_ref().and_then(|it| it.generations.get(have));
    let guarded = raise(target, name, field.as_deref().unwrap_or_default(), body)?;
    let request = Request::post(format!("/{}/_rollover", Request::part(name)));
    let rolled = target.client.send(request);
    failpoint::hit("target.stream.rolled-over");
    if guarded {
        guard_of_stream::lower(target, name)?;
    }
    match (rolled, count()?) {
        // Its answer may have been lost.
        (_, now) if now == have + 1 => Ok(()),
        (Err(error), _) => Err(error.into()),
        (Ok(_), now) => Err(TargetError::OtherGeneration {
            location: target.client.location().to_owned(),
            stream: name.to_owned(),
            wanted: have + 1,
            found: now,
        }),
    }
}

/// Waits until the server is through with every bulk request and every rollover of the stream: one of a run that was killed may
/// still be at work, and must not find the next generation.
fn wait_until_settled(target: &ClusterTarget, name: &str) -> Result<(), TargetError> {
    let path = "/_tasks?detailed=true&actions=indices:data/write/bulk*,indices:admin/rollover*";
    let began = Instant::now();
    let ours = [
        format!("[{name}]"),
        format!("[{name},"),
        format!(" {name}]"),
    ];
    loop {
        let answer = target.client.json(Request::get(path))?;
        let nodes = answer.get("nodes").and_then(Value::as_object);
        let busy = nodes
            .into_iter()
            .flatten()
            .filter_map(|(_, node)| node.get("tasks")?.as_object())
            .flatten()
            .filter_map(|(_, task)| task.get("description")?.as_str())
            .any(|description| ours.iter().any(|ours| description.contains(ours.as_str())));
        if !busy {
            return Ok(());
        }
        if began.elapsed() >= SETTLED {
            return Err(TargetError::Unavailable {
                location: target.client.location().to_owned(),
                after: SETTLED,
                reason: format!(
                    "bulk requests for data stream `{name}` are still at work, and it is not rolled over under them"
                ),
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Removes the stream with its documents; says whether there was one.
pub(super) fn delete(target: &ClusterTarget, name: &str) -> Result<bool, TargetError> {
    let there = remove(target, name)?;
    guard_of_stream::lower(target, name)?;
    if planned(target, name)?.is_some() {
        target.state.delete(&id(name))?;
    }
    Ok(there)
}

fn remove(target: &ClusterTarget, name: &str) -> Result<bool, TargetError> {
    let Some(there) = find(target, name)? else {
        return Ok(false);
    };
    for index in &there.indices {
        // What waited to be put back on an index that goes.
        if let Some(tuned) = tune::find(target, index)? {
            tune::restore(target, &tuned)?;
        }
    }
    let path = format!("/_data_stream/{}", Request::part(name));
    match target.client.send(Request::delete(path)) {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes the stream anew with its first generation as it was planned, or as it is where nobody planned it.
pub(super) fn remake(target: &ClusterTarget, name: &str) -> Result<(), TargetError> {
    let planned = planned(target, name)?;
    let field = planned.as_ref().map(|it| it.timestamp_field.clone());
    wait_until_settled(target, name)?;
    remove(target, name)?;
    failpoint::hit("target.stream.removed");
    let first = planned.as_ref().and_then(|it| it.generations.first());
    create(target, name, field.as_deref().unwrap_or_default(), first)
}

/// What the guard's template says of the field of time.
pub(super) fn data_stream(timestamp_field: &str) -> Value {
    if timestamp_field.is_empty() || timestamp_field == super::super::stream::TIMESTAMP {
        json!({})
    } else {
        json!({"timestamp_field": {"name": timestamp_field}})
    }
}
