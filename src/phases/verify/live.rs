//! A live cluster as the source of a verification.

use std::collections::BTreeMap;

use super::super::kind::{ObserveContext, PhaseError};
use crate::base::Address;
use crate::clients::cluster::{ClusterError, Request, indices};
use crate::diff::observation::SnapshotIndexFacts;
use crate::plan::selector::Selector;

/// Indices whose documents are counted for the plan at most; the figures of a larger selection are left out.
const COUNTED_MAX: usize = 200;

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
    let chosen = |name: &str| selector.matches(name);
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
            name,
            SnapshotIndexFacts {
                snapshot: None,
                id: index.uuid.clone(),
                uuid: index.uuid,
                shards: index.shards,
                closed: index.closed,
                docs,
                bytes: index.bytes,
            },
        );
    }
    Ok((uuid, facts))
}
