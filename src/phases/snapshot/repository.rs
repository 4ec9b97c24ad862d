//! How a store is registered as a repository of a cluster, and the calls that are made through it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::common;
use super::super::kind::{PerformContext, PhaseError};
use super::series::part;
use crate::base::units::ByteRate;
use crate::base::version::Product;
use crate::base::{Address, failpoint};
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::plan::model::{Plan, StoreAt};

/// The cap that servers hold where the plan gives none.
pub(super) const DEFAULT_RATE: &str = "40mb/s, the server's own cap";

/// The name under which a store is registered: the calls that `access: read-only` allows are those on such names.
pub(super) fn name(plan: &str, store: &Address) -> String {
    format!("mig-{}-{}", part(plan), part(store.as_str()))
}

/// The store's directory as the cluster sees it.
pub(super) fn location(plan: &Plan, store: &Address) -> Option<PathBuf> {
    match &plan.stores.get(store)?.at {
        StoreAt::Directory { path, on_cluster } => on_cluster
            .clone()
            .or_else(|| std::path::absolute(path).ok()),
        StoreAt::S3 { .. } => None,
    }
}

/// Whether two texts name the same place.
pub(super) fn same_location(one: &str, other: &Path) -> bool {
    Path::new(one).components().eq(other.components())
}

fn settings(location: &Path, rate: Option<ByteRate>) -> Value {
    let mut settings = json!({"location": location, "compress": "true"});
    if let (Some(rate), Value::Object(fields)) = (rate, &mut settings) {
        fields.insert(
            "max_snapshot_bytes_per_sec".into(),
            json!(format!("{}b", rate.0)),
        );
    }
    settings
}

/// What stands under our name and is not ours: another kind, or another place that this phase never registered.
pub(super) fn foreign(
    registered: &Value,
    location: &Path,
    effects: &[crate::state::model::SideEffect],
) -> Option<String> {
    let kind = common::text(registered, "/type").unwrap_or("?");
    let there = common::text(registered, "/settings/location").unwrap_or("?");
    let ours = effects
        .iter()
        .any(|effect| effect.what == "register-repository");
    let same = kind == "fs" && same_location(there, location);
    (!same && !ours).then(|| format!("of type `{kind}` over {there}"))
}

/// Registers the store where it is not registered as the plan has it. The cluster verifies that all its nodes can write
/// there.
pub(super) fn register(
    cx: &PerformContext<'_>,
    client: &ClusterClient,
    of: &Address,
    to: &Address,
    rate: Option<ByteRate>,
) -> Result<String, PhaseError> {
    let name = name(&cx.plan.name, to);
    let location = location(cx.plan, to).ok_or_else(|| PhaseError::NotYet {
        message: format!("store `{to}`: this version takes no snapshots into a bucket"),
        help: "give a `directory:`".into(),
    })?;
    let wanted = settings(&location, rate);
    let path = format!("/_snapshot/{}", Request::part(&name));
    let before = client
        .found(Request::get(path.clone()))
        .map_err(|error| super::look::failed(of, &error))?
        .and_then(|all| all.get(&name).cloned());
    if let Some(registered) = &before {
        let effects = common::record(cx.state, &cx.phase.address)
            .map(|record| record.effects.as_slice())
            .unwrap_or_default();
        if let Some(what) = foreign(registered, &location, effects) {
            return Err(PhaseError::Stale(format!(
                "repository `{name}` of {of} is {what}"
            )));
        }
        if common::text(registered, "/type") == Some("fs")
            && registered.get("settings") == Some(&wanted)
        {
            return Ok(name);
        }
    }
    let detail = json!({"existed": before.is_some(), "before": before, "location": location});
    (cx.announce)(common::effect_with(
        of,
        "register-repository",
        &name,
        detail,
    ))?;
    failpoint::hit("snapshot.register.before");
    let body = json!({"type": "fs", "settings": wanted});
    let registered = client.send(Request::put(path.clone()).json(&body));
    failpoint::hit("snapshot.register.after");
    if let Err(error) = registered {
        // The server keeps a registration that it could not verify.
        if before.is_none() && error.status().is_some() {
            drop(client.send(Request::delete(path)));
        }
        return Err(not_registered(client, of, &location, &error));
    }
    Ok(name)
}

fn not_registered(
    client: &ClusterClient,
    of: &Address,
    location: &Path,
    error: &ClusterError,
) -> PhaseError {
    let location = location.display();
    let reason = error.reason();
    let file = match client.about().map(|about| about.version.product) {
        Ok(Product::OpenSearch) => "opensearch.yml",
        _ => "elasticsearch.yml",
    };
    let (message, help) = if reason.contains("path.repo") {
        (
            format!("cluster `{of}` may not write to {location}: it is in no `path.repo`"),
            format!(
                "write `path.repo: [\"{location}\"]` into {file} of every node (beside what stands there already) and \
                 restart them; or give the store a directory below one of theirs (`on-cluster:` where they mount it \
                 elsewhere)"
            ),
        )
    } else if error.kind() == "repository_verification_exception" {
        (
            format!("cluster `{of}` can't write to {location}: {reason}"),
            "make the directory writable for the user that the server runs as, and the same shared directory on every \
             node"
                .to_owned(),
        )
    } else {
        (format!("cluster `{of}`: {error}"), error.help())
    };
    PhaseError::Failed {
        message,
        help: Some(help),
    }
}

/// What a cluster says of a snapshot; `None` where there is none.
pub(super) fn snapshot(
    client: &ClusterClient,
    repository: &str,
    name: &str,
) -> Result<Option<Value>, ClusterError> {
    let path = format!(
        "/_snapshot/{}/{}",
        Request::part(repository),
        Request::part(name)
    );
    let found = client.found(Request::get(path))?;
    Ok(found.and_then(|found| found.pointer("/snapshots/0").cloned()))
}

/// A snapshot that the cluster has and the store does not show.
pub(super) fn not_here(plan: &Plan, store: &Address, name: &str) -> String {
    let here = match plan.stores.get(store).map(|store| &store.at) {
        Some(StoreAt::Directory { path, .. }) => path.display().to_string(),
        _ => store.to_string(),
    };
    let there = location(plan, store).unwrap_or_default();
    format!(
        "the cluster wrote snapshot `{name}` to {}, and {here} on this machine does not show it: they are not the same \
         directory. Mount it here, or tell where the cluster mounts it: `on-cluster:` of store `{store}`",
        there.display()
    )
}
