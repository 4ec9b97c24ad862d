//! A live cluster as the source of a verification.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::kind::{Interrupt, ObserveContext, PhaseError};
use super::super::streams::{by_name, number_generations, takes};
use crate::base::Address;
use crate::clients::cluster::{ClusterClient, ClusterError, Request, indices};
use crate::diff::observation::SnapshotIndexFacts;
use crate::plan::selector::Selector;

/// Indices whose documents are counted for the plan at most; the figures of a larger selection are left out.
const COUNTED_MAX: usize = 200;
/// How long a source may take to refresh what was written to it. A shard that nobody searches refreshes with the first
/// search, and others within their interval, which is a second where nothing is set.
const REFRESH_PATIENCE: Duration = Duration::from_secs(40);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Indices of one look.
const LOOKED_AT_ONCE: usize = 100;

/// The cluster's uuid and its indices.
pub(super) fn observe(
    cx: &ObserveContext<'_>,
    cluster: &Address,
    selector: &Selector,
) -> Result<(String, BTreeMap<String, SnapshotIndexFacts>), PhaseError> {
    let client = cx.connections.open_cluster(cluster)?;
    let failed = |error: ClusterError| PhaseError::Failed {
        message: format!("cluster `{cluster}`: {error}"),
        help: Some(error.help()),
    };
    let uuid = client.about().map_err(failed)?.uuid;
    let found = indices(&client).map_err(failed)?;
    let chosen = |name: &str| takes(selector, name);
    let countable = found.keys().filter(|name| chosen(name)).count() <= COUNTED_MAX;
    let mut facts = BTreeMap::new();
    for (name, index) in found {
        let docs = if countable && chosen(&name) && !index.closed {
            let path = format!("/{}/_count", Request::part(&name));
            let counted = client.found(Request::get(path)).map_err(failed)?;
            counted.and_then(|it| it.get("count")?.as_u64())
        } else {
            None
        };
        facts.insert(
            name.clone(),
            SnapshotIndexFacts {
                data_stream: by_name(&name),
                id: index.uuid.clone(),
                uuid: index.uuid,
                shards: index.shards,
                closed: index.closed,
                docs,
                bytes: index.bytes,
                ..SnapshotIndexFacts::default()
            },
        );
    }
    number_generations(&mut facts, &BTreeMap::new());
    Ok((uuid, facts))
}

/// One primary shard: bytes of documents that no search sees yet, and how often it was refreshed.
#[derive(Clone, Copy)]
struct Shard {
    buffered_bytes: u64,
    refreshes: u64,
}

/// Waits until everything that was written to the indices before this call can be seen by searches; a read-only cluster is
/// never refreshed by `mig`. Findings name what can't be seen; empty: all can.
pub(super) fn wait_until_seen(
    client: &ClusterClient,
    names: &[String],
    on: &Address,
    interrupt: &Interrupt,
) -> Result<Vec<String>, PhaseError> {
    let began = Instant::now();
    let start = shards(client, names, on)?;
    let mut hidden: BTreeMap<(String, String), Shard> = start;
    hidden.retain(|_, shard| shard.buffered_bytes > 0);
    while !hidden.is_empty() && began.elapsed() < REFRESH_PATIENCE && !interrupt.draining() {
        std::thread::sleep(LOOK_EVERY);
        let now = shards(client, names, on)?;
        hidden.retain(|key, before| {
            now.get(key).is_some_and(|shard| {
                shard.buffered_bytes > 0 && shard.refreshes == before.refreshes
            })
        });
    }
    Ok(hidden
        .into_keys()
        .map(|(index, shard)| {
            format!(
                "{index}: shard {shard} on {on} holds documents that it has not refreshed for {} s, so that no search sees them, and mig \
                 changes nothing there: `POST {index}/_refresh` (or give it a `refresh_interval`), then run the same command again",
                REFRESH_PATIENCE.as_secs()
            )
        })
        .collect())
}

fn shards(
    client: &ClusterClient,
    names: &[String],
    on: &Address,
) -> Result<BTreeMap<(String, String), Shard>, PhaseError> {
    let failed = |error: ClusterError| PhaseError::Failed {
        message: format!("cluster `{on}`: {error}"),
        help: Some(error.help()),
    };
    let mut found = BTreeMap::new();
    for chunk in names.chunks(LOOKED_AT_ONCE) {
        let list: Vec<String> = chunk.iter().map(|name| Request::part(name)).collect();
        let path = format!("/{}/_stats/segments,refresh?level=shards", list.join(","));
        let answer = client.json(Request::get(path)).map_err(failed)?;
        let indices = answer.get("indices").and_then(Value::as_object);
        for (index, stats) in indices.into_iter().flatten() {
            let shards = stats.get("shards").and_then(Value::as_object);
            for (shard, copies) in shards.into_iter().flatten() {
                let primary = copies.as_array().into_iter().flatten().find(|copy| {
                    copy.pointer("/routing/primary").and_then(Value::as_bool) == Some(true)
                });
                let number = |pointer: &str| {
                    primary
                        .and_then(|copy| copy.pointer(pointer))
                        .and_then(Value::as_u64)
                        .unwrap_or(0)
                };
                let facts = Shard {
                    buffered_bytes: number("/segments/index_writer_memory_in_bytes"),
                    refreshes: number("/refresh/total"),
                };
                found.insert((index.clone(), shard.clone()), facts);
            }
        }
    }
    Ok(found)
}
