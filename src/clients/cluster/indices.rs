//! The indices of a live cluster with what tells whether they were written to: uuids and sequence numbers, and segments where a
//! server has no such numbers (Elasticsearch before 6.0). Reads only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::ClusterClient;
use super::error::ClusterError;
use super::request::Request;
use crate::base::version::Product;

/// An index of a live cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveIndex {
    /// Its uuid.
    pub uuid: String,
    /// Whether it is closed.
    pub closed: bool,
    /// Its primary shards.
    pub shards: u32,
    /// Bytes of its primaries.
    pub bytes: u64,
    /// The last sequence number of each primary; `None` where the shard does not say. It rises with each write and each
    /// delete; the cluster's own housekeeping (refreshes, merges, syncing of checkpoints) leaves it as it is.
    pub seq_nos: Vec<Option<i64>>,
}

/// All indices, hidden and closed ones too.
pub fn indices(client: &ClusterClient) -> Result<BTreeMap<String, LiveIndex>, ClusterError> {
    let version = client.about()?.version;
    let newer = |since| version.product == Product::OpenSearch || version.version.floor() >= since;
    let mut path = "/_cat/indices?format=json&h=index,uuid,status,pri".to_owned();
    if newer((7, 7, 0)) {
        path.push_str("&expand_wildcards=all");
    }
    let list = client.json(Request::get(path))?;
    // Statistics of closed indices came with their replication.
    let closed = if newer((7, 2, 0)) {
        "&forbid_closed_indices=false&expand_wildcards=all"
    } else {
        ""
    };
    let path = format!(
        "/_stats/docs,store?level=shards{closed}&filter_path=indices.*.uuid,indices.*.shards.*.routing.primary,\
                indices.*.shards.*.seq_no.max_seq_no,indices.*.shards.*.store.size_in_bytes"
    );
    let stats = client.json(Request::get(path))?;
    let mut found = BTreeMap::new();
    for line in list.as_array().into_iter().flatten() {
        let text = |key: &str| line.get(key).and_then(Value::as_str);
        let (Some(name), Some(uuid)) = (text("index"), text("uuid")) else {
            continue;
        };
        let shards = text("pri").and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut index = LiveIndex {
            uuid: uuid.to_owned(),
            closed: text("status") == Some("close"),
            shards,
            bytes: 0,
            seq_nos: vec![None; shards as usize],
        };
        let told = stats.get("indices").and_then(|indices| indices.get(name));
        // Another index of this name may have been made between the two calls: then nothing is known of it.
        if let Some(told) =
            told.filter(|told| told.get("uuid").and_then(Value::as_str) == Some(uuid))
        {
            index.add_shards(told);
        }
        found.insert(name.to_owned(), index);
    }
    Ok(found)
}

/// What the primary of a shard is made of: for servers without sequence numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardPieces {
    /// Deleted documents by segment.
    pub segments: BTreeMap<String, u64>,
    /// Operations that are in the translog alone.
    pub waiting: u64,
}

/// The pieces of the primaries of an open index, by shard; a shard whose primary does not answer is left out.
pub fn pieces(
    client: &ClusterClient,
    index: &str,
) -> Result<BTreeMap<u32, ShardPieces>, ClusterError> {
    let name = Request::part(index);
    let mut found: BTreeMap<u32, ShardPieces> = BTreeMap::new();
    let answer = client.json(Request::get(format!("/{name}/_segments")))?;
    each_primary(&answer, index, &mut |shard, primary| {
        let segments = primary.get("segments").and_then(Value::as_object);
        let deleted = |it: &Value| it.get("deleted_docs").and_then(Value::as_u64).unwrap_or(0);
        let segments = segments
            .into_iter()
            .flatten()
            .map(|(name, segment)| (name.clone(), deleted(segment)));
        found.entry(shard).or_default().segments = segments.collect();
    });
    let path = format!("/{name}/_stats/translog?level=shards");
    let answer = client.json(Request::get(path))?;
    let mut told = BTreeMap::new();
    each_primary(&answer, index, &mut |shard, primary| {
        // From 6.0 on a translog keeps what is committed for a while.
        let waiting = ["uncommitted_operations", "operations"]
            .iter()
            .find_map(|name| primary.get("translog")?.get(name)?.as_u64());
        told.extend(waiting.map(|waiting| (shard, waiting)));
    });
    found.retain(|shard, pieces| match told.get(shard) {
        Some(waiting) => {
            pieces.waiting = *waiting;
            true
        }
        None => false,
    });
    Ok(found)
}

fn each_primary(answer: &Value, index: &str, visit: &mut dyn FnMut(u32, &Value)) {
    let shards = answer
        .get("indices")
        .and_then(|indices| indices.get(index)?.get("shards")?.as_object());
    for (number, copies) in shards.into_iter().flatten() {
        let Ok(number) = number.parse() else { continue };
        let primary =
            copies.as_array().into_iter().flatten().find(|copy| {
                copy.pointer("/routing/primary").and_then(Value::as_bool) == Some(true)
            });
        if let Some(primary) = primary {
            visit(number, primary);
        }
    }
}

impl LiveIndex {
    fn add_shards(&mut self, told: &Value) {
        for (number, last) in self.seq_nos.iter_mut().enumerate() {
            let copies = told
                .pointer(&format!("/shards/{number}"))
                .and_then(Value::as_array);
            let primary = copies.into_iter().flatten().find(|copy| {
                copy.pointer("/routing/primary").and_then(Value::as_bool) == Some(true)
            });
            let Some(primary) = primary else { continue };
            *last = primary
                .pointer("/seq_no/max_seq_no")
                .and_then(Value::as_i64);
            let bytes = primary
                .pointer("/store/size_in_bytes")
                .and_then(Value::as_u64);
            self.bytes += bytes.unwrap_or(0);
        }
    }
}
