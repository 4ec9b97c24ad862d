//! How many shards a cluster takes: it refuses the index that goes beyond, when half of a plan is done.

use serde_json::Value;

use super::{ClusterTarget, dialect};
use crate::base::version::Product;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;
use crate::diff::observation::ShardRoom;

/// The limit by nodes that hold data, and what counts towards it; `None` where nothing is limited or the cluster does not
/// tell. Elasticsearch before 7 warns alone.
pub(super) fn shard_room(target: &ClusterTarget) -> Result<Option<ShardRoom>, TargetError> {
    let version = target.about.version;
    if version.product == Product::Elasticsearch && version.version.floor() < (7, 0, 0) {
        return Ok(None);
    }
    let settings = "/_cluster/settings?include_defaults=true&filter_path=**.max_shards_per_node,**.max_shards_per_cluster";
    let all = dialect::listed_all(version);
    let listed = format!("/_cat/indices?format=json&h=status,pri,rep{all}");
    let (Some(settings), Some(health), Some(listed)) = (
        told(target, settings)?,
        told(target, "/_cluster/health?filter_path=number_of_data_nodes")?,
        told(target, &listed)?,
    ) else {
        return Ok(None);
    };
    let nodes = health.get("number_of_data_nodes").and_then(Value::as_u64);
    let per_node = setting(&settings, "max_shards_per_node").and_then(|it| u64::try_from(it).ok());
    let (Some(nodes), Some(per_node)) = (nodes, per_node) else {
        return Ok(None);
    };
    // Below nothing, there is no second limit.
    let of_all = setting(&settings, "max_shards_per_cluster").and_then(|it| u64::try_from(it).ok());
    let limit = per_node.saturating_mul(nodes);
    Ok(Some(ShardRoom {
        limit: of_all.map_or(limit, |of_all| of_all.min(limit)),
        open: open(&listed),
    }))
}

/// An answer, where the user may ask and the server knows what.
fn told(target: &ClusterTarget, path: &str) -> Result<Option<Value>, TargetError> {
    let refused = |error: &ClusterError| matches!(error.status(), Some(400..=405));
    match target.client.found(Request::get(path)) {
        Ok(answer) => Ok(answer),
        Err(error) if refused(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The value that holds: what was set for now, for good, or by itself.
fn setting(settings: &Value, name: &str) -> Option<i64> {
    ["transient", "persistent", "defaults"]
        .iter()
        .find_map(|of| {
            let value = settings.get(of)?.get("cluster")?.get(name)?;
            value.as_i64().or_else(|| value.as_str()?.parse().ok())
        })
}

/// Shards of open indices with their copies: of a list of `{status, pri, rep}`.
fn open(listed: &Value) -> u64 {
    let number = |row: &Value, name: &str| -> u64 {
        let text = row.get(name).and_then(Value::as_str);
        text.and_then(|it| it.parse().ok()).unwrap_or(0)
    };
    let rows = listed.as_array().into_iter().flatten();
    rows.filter(|row| row.get("status").and_then(Value::as_str) == Some("open"))
        .map(|row| number(row, "pri").saturating_mul(number(row, "rep").saturating_add(1)))
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn closed_indices_do_not_count_and_copies_do() {
        let listed = json!([{"status": "open", "pri": "2", "rep": "1"}, {"status": "close", "pri": "5", "rep": "1"},
            {"status": "open", "pri": "1", "rep": "0"}]);
        assert_eq!(open(&listed), 5);
        assert_eq!(open(&json!({})), 0);
    }

    #[test]
    fn what_was_set_last_holds() {
        let settings = json!({"persistent": {"cluster": {"max_shards_per_node": "7"}}, "transient": {},
            "defaults": {"cluster": {"max_shards_per_node": "1000", "max_shards_per_cluster": "-1"}}});
        assert_eq!(setting(&settings, "max_shards_per_node"), Some(7));
        assert_eq!(setting(&settings, "max_shards_per_cluster"), Some(-1));
    }
}
