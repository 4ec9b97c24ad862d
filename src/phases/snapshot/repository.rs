//! How a store is registered as a repository of a cluster, and the calls that are made through it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::common;
use super::super::kind::{PerformContext, PhaseError};
use super::bucket_words;
use super::series::part;
use crate::base::units::ByteRate;
use crate::base::version::Product;
use crate::base::{Address, S3Uri, failpoint};
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::plan::model::{Plan, StoreAt};

/// The cap that servers hold where the plan gives none.
pub(super) const DEFAULT_RATE: &str = "40mb/s, the server's own cap";

/// The name under which a store is registered: the calls that `access: read-only` allows are those on such names.
pub(super) fn name(plan: &str, store: &Address) -> String {
    format!("mig-{}-{}", part(plan), part(store.as_str()))
}

/// A store as the cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// A repository of type `fs`.
    Directory(PathBuf),
    /// A repository of type `s3`. The cluster has credentials of its own.
    Bucket {
        bucket: String,
        base_path: String,
        region: Option<String>,
        endpoint: Option<String>,
        path_style: Option<bool>,
    },
}

/// Where a cluster is to write the snapshots of a store.
pub(in super::super) fn place(plan: &Plan, store: &Address) -> Option<Place> {
    match &plan.stores.get(store)?.at {
        StoreAt::Directory { path, on_cluster } => on_cluster
            .clone()
            .or_else(|| std::path::absolute(path).ok())
            .map(Place::Directory),
        StoreAt::S3 {
            uri,
            region,
            endpoint,
            path_style,
            role: _,
        } => {
            let uri = S3Uri::parse(uri).ok()?;
            Some(Place::Bucket {
                bucket: uri.bucket,
                base_path: uri.prefix,
                region: region.clone(),
                endpoint: endpoint.clone(),
                path_style: path_style.or(endpoint.as_ref().map(|_| true)),
            })
        }
    }
}

impl Place {
    pub(in super::super) fn kind(&self) -> &'static str {
        match self {
            Self::Directory(_) => "fs",
            Self::Bucket { .. } => "s3",
        }
    }

    /// Whether a repository that is registered (its type and settings) is this place.
    pub(in super::super) fn is(&self, registered: &Value) -> bool {
        if common::text(registered, "/type") != Some(self.kind()) {
            return false;
        }
        let setting = |name: &str| common::text(registered, &format!("/settings/{name}"));
        match self {
            Self::Directory(path) => setting("location")
                .is_some_and(|there| Path::new(there).components().eq(path.components())),
            Self::Bucket {
                bucket, base_path, ..
            } => {
                let there = setting("base_path").unwrap_or_default();
                setting("bucket") == Some(bucket) && there.trim_matches('/') == base_path
            }
        }
    }

    pub(in super::super) fn settings(&self, rate: Option<ByteRate>) -> Value {
        let mut settings = serde_json::Map::new();
        let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
        match self {
            Self::Directory(path) => {
                set("location", json!(path));
            }
            Self::Bucket {
                bucket,
                base_path,
                region,
                endpoint,
                path_style,
            } => {
                set("bucket", json!(bucket));
                if !base_path.is_empty() {
                    set("base_path", json!(base_path));
                }
                if let Some(region) = region {
                    set("region", json!(region));
                }
                if let Some(endpoint) = endpoint {
                    set("endpoint", json!(endpoint));
                }
                if let Some(path_style) = path_style {
                    set("path_style_access", json!(path_style.to_string()));
                }
            }
        }
        set("compress", json!("true"));
        if let Some(rate) = rate {
            set("max_snapshot_bytes_per_sec", json!(format!("{}b", rate.0)));
        }
        Value::Object(settings)
    }

    /// For effects: what an undo and a person need to know.
    pub(in super::super) fn detail(&self) -> Value {
        match self {
            Self::Directory(path) => json!(path),
            Self::Bucket { .. } => json!(self.to_string()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket {
                bucket, base_path, ..
            } if base_path.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket {
                bucket, base_path, ..
            } => write!(f, "s3://{bucket}/{base_path}"),
        }
    }
}

/// What stands under our name and is not ours: another kind, or another place that this phase never registered.
pub(super) fn foreign(
    registered: &Value,
    place: &Place,
    effects: &[crate::state::model::SideEffect],
) -> Option<String> {
    let kind = common::text(registered, "/type").unwrap_or("?");
    let setting = |name: &str| common::text(registered, &format!("/settings/{name}"));
    let there = match (setting("location"), setting("bucket")) {
        (Some(location), _) => location.to_owned(),
        (None, Some(bucket)) => match setting("base_path") {
            Some(base_path) => format!("s3://{bucket}/{base_path}"),
            None => format!("s3://{bucket}"),
        },
        (None, None) => "?".to_owned(),
    };
    let ours = effects
        .iter()
        .any(|effect| effect.what == "register-repository");
    (!place.is(registered) && !ours).then(|| format!("of type `{kind}` over {there}"))
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
    let place = place(cx.plan, to).ok_or_else(|| PhaseError::Failed {
        message: format!("the plan has no store `{to}`, or no place for it"),
        help: None,
    })?;
    let wanted = place.settings(rate);
    let path = format!("/_snapshot/{}", Request::part(&name));
    let before = client
        .found(Request::get(path.clone()))
        .map_err(|error| super::look::failed(of, &error))?
        .and_then(|all| all.get(&name).cloned());
    if let Some(registered) = &before {
        let effects = common::record(cx.state, &cx.phase.address)
            .map(|record| record.effects.as_slice())
            .unwrap_or_default();
        if let Some(what) = foreign(registered, &place, effects) {
            return Err(PhaseError::Stale(format!(
                "repository `{name}` of {of} is {what}"
            )));
        }
        if common::text(registered, "/type") == Some(place.kind())
            && registered.get("settings") == Some(&wanted)
        {
            return Ok(name);
        }
    }
    let detail = json!({"existed": before.is_some(), "before": before, "location": place.detail()});
    (cx.announce)(common::effect_with(
        of,
        "register-repository",
        &name,
        detail,
    ))?;
    failpoint::hit("snapshot.register.before");
    let body = json!({"type": place.kind(), "settings": wanted});
    let registered = client.send(Request::put(path.clone()).json(&body));
    failpoint::hit("snapshot.register.after");
    if let Err(error) = registered {
        // The server keeps a registration that it could not verify.
        if before.is_none() && error.status().is_some() {
            drop(client.send(Request::delete(path)));
        }
        return Err(not_registered(client, of, &place, &error));
    }
    Ok(name)
}

/// Why a store could not be registered or verified, and how that is mended.
pub(in super::super) fn not_registered(
    client: &ClusterClient,
    of: &Address,
    location: &Place,
    error: &ClusterError,
) -> PhaseError {
    let reason = error.reason();
    let file = match client.about().map(|about| about.version.product) {
        Ok(Product::OpenSearch) => "opensearch.yml",
        _ => "elasticsearch.yml",
    };
    let in_bucket = matches!(location, Place::Bucket { .. });
    let (message, help) = if in_bucket && reason.contains("type [s3] does not exist") {
        (
            format!(
                "cluster `{of}` can't write to {location}: it has no plugin `repository-s3`{}",
                without_plugin(client)
            ),
            "install it on every node (`bin/elasticsearch-plugin install repository-s3`, or \
             `bin/opensearch-plugin install repository-s3`), give the nodes credentials (their role, or `s3.client.default.*` in \
             the keystore) and restart them"
                .to_owned(),
        )
    } else if in_bucket && error.kind() == "repository_verification_exception" {
        (
            format!("cluster `{of}` can't write to {location}: {reason}"),
            bucket_words::help(reason).to_owned(),
        )
    } else if reason.contains("path.repo") {
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

/// The nodes that lack the plugin, where the cluster tells what its nodes have: ` (nodes a, b)`.
fn without_plugin(client: &ClusterClient) -> String {
    let fields = "nodes.*.name,nodes.*.plugins.name,nodes.*.modules.name";
    let path = format!("/_nodes/plugins?filter_path={fields}");
    let answer = client.json(Request::get(path)).unwrap_or_default();
    let nodes = answer.get("nodes").and_then(Value::as_object);
    let has = |node: &Value, list: &str| {
        let parts = node.get(list).and_then(Value::as_array);
        let mut names = parts.into_iter().flatten();
        names.any(|part| part.get("name").and_then(Value::as_str) == Some("repository-s3"))
    };
    let lacking: Vec<&str> = nodes
        .into_iter()
        .flatten()
        .filter(|(_, node)| !has(node, "plugins") && !has(node, "modules"))
        .filter_map(|(_, node)| node.get("name").and_then(Value::as_str))
        .collect();
    match lacking.as_slice() {
        [] => String::new(),
        [one] => format!(" on node {one}"),
        many => format!(" on nodes {}", common::few(many)),
    }
}

/// What a cluster says of a snapshot; `None` where there is none.
pub(in super::super) fn snapshot(
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
    match place(plan, store) {
        Some(Place::Directory(there)) => format!(
            "the cluster wrote snapshot `{name}` to {}, and {here} on this machine does not show it: they are not the \
             same directory. Mount it here, or tell where the cluster mounts it: `on-cluster:` of store `{store}`",
            there.display()
        ),
        there => format!(
            "the cluster wrote snapshot `{name}` to {}, and store `{here}` does not show it: see that both mean the \
             same server (`endpoint:`, `region:`)",
            there.map_or_else(String::new, |there| there.to_string())
        ),
    }
}

#[cfg(test)]
#[path = "repository_tests.rs"]
mod tests;
