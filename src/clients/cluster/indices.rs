//! The indices of a live cluster with what tells whether they were written to: uuids and sequence numbers. Reads only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::ClusterClient;
use super::error::ClusterError;
use super::request::Request;

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
    let path = "/_cat/indices?format=json&expand_wildcards=all&h=index,uuid,status,pri";
    let list = client.json(Request::get(path))?;
    let path = "/_stats/docs,store?level=shards&forbid_closed_indices=false&expand_wildcards=all\
                &filter_path=indices.*.uuid,indices.*.shards.*.routing.primary,\
                indices.*.shards.*.seq_no.max_seq_no,indices.*.shards.*.store.size_in_bytes";
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
