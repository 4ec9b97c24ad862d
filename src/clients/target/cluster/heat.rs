//! How busy the processors of a cluster are, and how large a request its nodes take.
//!
//! Deliberately absent: what follows from either (the `bulk` engine's).

use std::time::Duration;

use serde_json::Value;

use super::ClusterTarget;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;

/// The longest that a look at the processors may take: the next one comes soon.
const LOOK: Duration = Duration::from_secs(5);
/// Servers' own default of `http.max_content_length`.
const REQUEST_BYTES: usize = 100 << 20;

/// Of the busiest node that holds data, in percent: of its machine, or of its process where the machine is not measured.
/// `None`: the cluster does not tell.
pub(super) fn cpu_percent(target: &ClusterTarget) -> Result<Option<u8>, TargetError> {
    let path = "/_nodes/data:true/stats/os,process?filter_path=nodes.*.os.cpu.percent,nodes.*.process.cpu.percent";
    let request = Request::get(path).once().within(LOOK);
    match target.client.json(request) {
        Ok(answer) => Ok(busiest(&answer)),
        // Not allowed, or not known: so it stays.
        Err(error) if matches!(error.status(), Some(400..=405 | 410)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn busiest(answer: &Value) -> Option<u8> {
    let percent = |node: &Value, of: &str| {
        let value = node.pointer(of)?.as_i64()?;
        // Where it can't be measured it is -1.
        u8::try_from(value).ok().map(|it| it.min(100))
    };
    let nodes = answer.get("nodes")?.as_object()?;
    nodes
        .values()
        .filter_map(|node| {
            percent(node, "/os/cpu/percent").or_else(|| percent(node, "/process/cpu/percent"))
        })
        .max()
}

/// The least `http.max_content_length` of the nodes that speak HTTP.
pub(super) fn request_bytes(target: &ClusterTarget) -> usize {
    let path = "/_nodes/http?filter_path=nodes.*.http.max_content_length_in_bytes";
    let told: Result<Value, ClusterError> = target.client.json(Request::get(path));
    match told {
        Ok(answer) => least(&answer).unwrap_or(REQUEST_BYTES),
        // Whatever is wrong with it is told by the load itself, which waits for what goes by.
        Err(error) => {
            tracing::debug!(%error, "the default of `http.max_content_length` is taken");
            REQUEST_BYTES
        }
    }
}

fn least(answer: &Value) -> Option<usize> {
    let nodes = answer.get("nodes")?.as_object()?;
    nodes
        .values()
        .filter_map(|node| node.pointer("/http/max_content_length_in_bytes")?.as_u64())
        .filter(|bytes| *bytes > 0)
        .filter_map(|bytes| usize::try_from(bytes).ok())
        .min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_busiest_node_counts_and_what_is_not_measured_does_not() {
        let node = |os: i64, process: i64| json!({"os": {"cpu": {"percent": os}}, "process": {"cpu": {"percent": process}}});
        let nodes = |nodes: &[Value]| {
            let named = nodes.iter().enumerate();
            let named = named.map(|(number, node)| (number.to_string(), node.clone()));
            json!({"nodes": named.collect::<serde_json::Map<_, _>>()})
        };
        assert_eq!(busiest(&nodes(&[node(12, 3), node(70, 90)])), Some(70));
        assert_eq!(busiest(&nodes(&[node(-1, 31)])), Some(31));
        assert_eq!(busiest(&nodes(&[node(-1, -1)])), None);
        assert_eq!(busiest(&nodes(&[json!({})])), None);
        assert_eq!(busiest(&json!({})), None);
    }

    #[test]
    fn the_smallest_node_says_how_large_a_request_may_be() {
        let node = |bytes: i64| json!({"http": {"max_content_length_in_bytes": bytes}});
        let answer = json!({"nodes": {"a": node(104_857_600), "b": node(1_048_576), "c": {}}});
        assert_eq!(least(&answer), Some(1_048_576));
        assert_eq!(least(&json!({"nodes": {"a": node(-1)}})), None);
        assert_eq!(least(&json!({"nodes": {}})), None);
    }
}
