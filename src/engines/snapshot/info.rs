//! `snap-<uuid>.dat` at the root: what a snapshot says of itself.

use serde::Serialize;
use serde_json::Value;

use super::content::Content;
use super::error::SnapshotError;
use super::state::SnapshotState;
use super::version_id::{IndexVersion, decode_version_id};

/// What a snapshot says of itself (Elasticsearch 5–9, OpenSearch 1–3).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotInfo {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// How it ended.
    pub state: SnapshotState,
    /// Why, where it failed.
    pub reason: Option<String>,
    /// The version that took it.
    pub version: Option<IndexVersion>,
    /// The id behind `version`.
    pub version_id: Option<u64>,
    /// When it began, in milliseconds since 1970.
    pub start_time_millis: Option<i64>,
    /// When it ended, in milliseconds since 1970.
    pub end_time_millis: Option<i64>,
    /// Shards that were asked for.
    pub total_shards: Option<u64>,
    /// Shards that are in it.
    pub successful_shards: Option<u64>,
    /// Shards that are not in it, with the reason.
    pub failures: Vec<ShardFailure>,
    /// Names of its indices, as it lists them.
    pub indices: Vec<String>,
    /// Names of its data streams.
    pub data_streams: Vec<String>,
    /// Whether it holds templates, pipelines and persistent settings. `None` where it does not say (before 7.0).
    pub include_global_state: Option<bool>,
    /// What whoever took it wrote beside it (from 7.3 on).
    pub metadata: Option<Value>,
    /// OpenSearch: its segments stand in a remote store and not here.
    pub remote_store_shallow_copy: bool,
}

/// One shard that is not in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardFailure {
    /// The index.
    pub index: String,
    /// The shard.
    pub shard: u32,
    /// What the node said.
    pub reason: String,
}

impl SnapshotInfo {
    /// From the decoded blob; the fields stand under `snapshot`.
    pub(crate) fn from_content(blob: &str, root: &Content) -> Result<Self, SnapshotError> {
        let fields = root.get("snapshot").unwrap_or(root);
        let field_error = |field: &str, reason: &str| SnapshotError::Field {
            blob: blob.to_owned(),
            field: format!("snapshot.{field}"),
            reason: reason.to_owned(),
        };
        let text = |name: &str| {
            fields
                .get(name)
                .and_then(Content::as_str)
                .map(str::to_owned)
        };
        let name = text("name").ok_or_else(|| field_error("name", "is missing or no text"))?;
        let uuid = text("uuid").unwrap_or_else(|| name.clone());
        let version_id = fields.get("version_id").and_then(Content::as_u64);
        let mut failures = Vec::new();
        for failure in items(fields.get("failures")) {
            let index = failure.get("index").and_then(Content::as_str);
            let shard = failure
                .get("shard_id")
                .and_then(Content::as_u64)
                .and_then(|shard| u32::try_from(shard).ok());
            let (Some(index), Some(shard)) = (index, shard) else {
                return Err(field_error(
                    "failures",
                    "has an item without index or shard_id",
                ));
            };
            let reason = failure.get("reason").and_then(Content::as_str);
            failures.push(ShardFailure {
                index: index.to_owned(),
                shard,
                reason: reason.unwrap_or("no reason given").to_owned(),
            });
        }
        let state = text("state").ok_or_else(|| field_error("state", "is missing or no text"))?;
        let pinned = fields.get("pinned_timestamp").and_then(Content::as_i64);
        let shallow = fields
            .get("remote_store_index_shallow_copy")
            .and_then(Content::as_bool);
        Ok(Self {
            name,
            uuid,
            state: SnapshotState::from_word(&state),
            reason: text("reason"),
            version: version_id.and_then(decode_version_id),
            version_id,
            start_time_millis: fields.get("start_time").and_then(Content::as_i64),
            end_time_millis: fields.get("end_time").and_then(Content::as_i64),
            total_shards: fields.get("total_shards").and_then(Content::as_u64),
            successful_shards: fields.get("successful_shards").and_then(Content::as_u64),
            failures,
            indices: texts(fields.get("indices"))
                .ok_or_else(|| field_error("indices", "is missing or no list of names"))?,
            data_streams: texts(fields.get("data_streams")).unwrap_or_default(),
            include_global_state: fields
                .get("include_global_state")
                .and_then(Content::as_bool),
            metadata: fields.get("metadata").map(Content::to_json),
            remote_store_shallow_copy: shallow == Some(true) || pinned.is_some_and(|at| at > 0),
        })
    }

    /// Why this shard is not in the snapshot, if it says so.
    pub fn failure(&self, index: &str, shard: u32) -> Option<&ShardFailure> {
        self.failures
            .iter()
            .find(|failure| failure.index == index && failure.shard == shard)
    }
}

fn items(list: Option<&Content>) -> &[Content] {
    list.and_then(Content::as_array).unwrap_or_default()
}

fn texts(list: Option<&Content>) -> Option<Vec<String>> {
    list?
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}
