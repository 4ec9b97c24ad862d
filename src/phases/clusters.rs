//! What the clusters of a plan say of themselves, by their roles: for `mig clusters`.
//!
//! Reads only, but for a refresh of targets that is asked for by name. Deliberately absent: anything of a phase.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::connections::{Connections, Reach, cluster_error};
use super::kind::PhaseError;
use super::live;
use crate::base::Address;
use crate::base::version::Product;
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::plan::model::{Access, Auth, Cluster, ClusterAt, PhaseSpec, Plan, SnapshotSpec};

/// The columns of `_cat/indices` that are shown, in this order.
pub const COLUMNS: [&str; 10] = [
    "health",
    "status",
    "index",
    "uuid",
    "pri",
    "rep",
    "docs.count",
    "docs.deleted",
    "store.size",
    "pri.store.size",
];

/// Clusters by what the plan has them for; one may be both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Snapshots are taken of them.
    pub sources: Vec<Address>,
    /// Documents and metadata go to them.
    pub targets: Vec<Address>,
    /// The source of each target.
    pub source_of: BTreeMap<Address, Address>,
}

/// Which cluster has which role.
pub fn roles(plan: &Plan) -> Roles {
    let (mut sources, mut targets) = (BTreeSet::new(), BTreeSet::new());
    let mut source_of = BTreeMap::new();
    let taken_of = |from: &Address| match &plan.phases.get(from)?.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. }) => Some(of.value.clone()),
        PhaseSpec::Snapshot(SnapshotSpec::Existing { of, .. }) => {
            of.as_ref().map(|of| of.value.clone())
        }
        _ => None,
    };
    for phase in plan.phases.values() {
        let (from, to) = match &phase.spec {
            PhaseSpec::Metadata(spec) => (&spec.from.value, &spec.to.value),
            PhaseSpec::Backfill(spec) => (&spec.from.value, &spec.to.value),
            PhaseSpec::Snapshot(_) => {
                sources.extend(taken_of(&phase.address));
                continue;
            }
            _ => continue,
        };
        targets.insert(to.clone());
        if let Some(of) = taken_of(from) {
            source_of.insert(to.clone(), of);
        }
    }
    Roles {
        sources: sources.into_iter().collect(),
        targets: targets.into_iter().collect(),
        source_of,
    }
}

/// An index as its cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IndexRow {
    /// What `_cat/indices` says, by [`COLUMNS`]; what it leaves out is missing.
    #[serde(flatten)]
    pub listed: BTreeMap<String, String>,
    /// Root documents, as users count them: Lucene counts nested ones too. `None` for a closed index.
    pub documents: Option<u64>,
}

impl IndexRow {
    /// Its name.
    pub fn name(&self) -> &str {
        self.listed.get("index").map_or("", String::as_str)
    }
}

/// The indices of a cluster, hidden and closed ones too, sorted by name; `None` of a directory, which lists none.
pub fn indices(
    plan: &Plan,
    connections: &Connections,
    cluster: &Address,
    refresh: bool,
) -> Result<Option<Vec<IndexRow>>, PhaseError> {
    let is_directory = plan
        .clusters
        .get(cluster)
        .is_none_or(|it| matches!(it.at, ClusterAt::Directory(_)));
    if is_directory {
        return Ok(None);
    }
    let client = connections.open_cluster(cluster)?;
    let failed = |error: ClusterError| cluster_error(cluster, &error);
    if refresh {
        let request = Request::post("/_refresh").idempotent();
        client.send(request).map_err(failed)?;
    }
    listed(&client).map(Some).map_err(failed)
}

fn listed(client: &ClusterClient) -> Result<Vec<IndexRow>, ClusterError> {
    let mut facts = live::indices(client)?;
    live::count(client, &mut facts)?;
    let version = client.about()?.version;
    let mut path = format!("/_cat/indices?format=json&h={}", COLUMNS.join(","));
    if version.product == Product::OpenSearch || version.version.floor() >= (7, 7, 0) {
        path.push_str("&expand_wildcards=all");
    }
    let answer = client.json(Request::get(path))?;
    let mut rows: Vec<IndexRow> = answer
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let cell = |key: &&str| {
                let text = row.get(*key).and_then(Value::as_str)?;
                Some(((*key).to_owned(), text.to_owned()))
            };
            IndexRow {
                listed: COLUMNS.iter().filter_map(cell).collect(),
                documents: None,
            }
        })
        .collect();
    for row in &mut rows {
        row.documents = facts.get(row.name()).and_then(|facts| facts.docs);
    }
    rows.sort_by(|left, right| left.name().cmp(right.name()));
    Ok(rows)
}

/// How a cluster answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// Its name in the plan.
    pub cluster: Address,
    /// Whether it answers and is who the plan says.
    pub successful: bool,
    /// What was found, or why not.
    pub message: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where it is.
    pub location: String,
    /// Its name, by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its uuid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Product and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How `mig` says who it is.
    pub auth: &'static str,
    /// Who it is there, where the server tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What may be asked of it.
    pub access: &'static str,
}

/// Asks a cluster of the plan who it is.
pub fn connection(plan: &Plan, connections: &Connections, cluster: &Address) -> Connection {
    let found = plan.clusters.get(cluster);
    let mut answer = Connection {
        cluster: cluster.clone(),
        successful: true,
        message: String::new(),
        help: None,
        location: match found.map(|it| &it.at) {
            Some(ClusterAt::Endpoint(endpoint)) => endpoint.clone(),
            Some(ClusterAt::Directory(path)) => path.display().to_string(),
            None => String::new(),
        },
        name: None,
        uuid: None,
        version: None,
        auth: found.map_or("", auth_word),
        user: None,
        access: match found.map(|it| it.access) {
            Some(Access::ReadOnly) => "read-only",
            _ => "read-write",
        },
    };
    let looked = if found.is_some_and(|it| matches!(it.at, ClusterAt::Directory(_))) {
        directory(connections, cluster, &mut answer)
    } else {
        endpoint(connections, cluster, &mut answer)
    };
    if let Err(error) = looked {
        answer.successful = false;
        answer.message = error.to_string();
        answer.help = match error {
            PhaseError::Failed { help, .. } => help,
            PhaseError::Unreachable { help, .. } | PhaseError::NotYet { help, .. } => Some(help),
            PhaseError::Stale(_) => None,
        };
    }
    answer
}

fn directory(
    connections: &Connections,
    cluster: &Address,
    answer: &mut Connection,
) -> Result<(), PhaseError> {
    let target = connections.open_target(cluster)?;
    let identity = target
        .identity()
        .map_err(|error| super::common::target_error(cluster, &error))?;
    answer.version = Some(target.version().to_string());
    answer.message = match &identity {
        Some(_) => format!("a directory, written as {}", target.version()),
        None => format!(
            "a directory that nothing was written to yet, as {}",
            target.version()
        ),
    };
    answer.uuid = identity.map(|identity| identity.uuid);
    Ok(())
}

fn endpoint(
    connections: &Connections,
    cluster: &Address,
    answer: &mut Connection,
) -> Result<(), PhaseError> {
    let client = match connections.reach(cluster)? {
        Reach::Up(client) => client,
        Reach::Down(why) => {
            return Err(PhaseError::Failed {
                message: why,
                help: Some(
                    "check that it runs, that `endpoint` is right and that this machine may reach it"
                        .into(),
                ),
            });
        }
    };
    let about = client
        .about()
        .map_err(|error| cluster_error(cluster, &error))?;
    client.location().clone_into(&mut answer.location);
    answer.message = format!("{} `{}` answers", about.version, about.name);
    answer.version = Some(about.version.to_string());
    answer.name = Some(about.name);
    answer.uuid = Some(about.uuid);
    answer.user = user(&client, about.version.product);
    Ok(())
}

/// Who the server takes us for; a server without security has nobody.
fn user(client: &ClusterClient, product: Product) -> Option<String> {
    let (path, pointer) = match product {
        Product::OpenSearch => ("/_plugins/_security/authinfo", "/user_name"),
        Product::Elasticsearch => ("/_security/_authenticate", "/username"),
    };
    let answer = client.json(Request::get(path).once()).ok()?;
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn auth_word(cluster: &Cluster) -> &'static str {
    match &cluster.auth {
        Auth::None if cluster.tls.certificate.is_some() => "client certificate",
        Auth::None => "none",
        Auth::Basic { .. } => "basic",
        Auth::ApiKey(_) => "api-key",
        Auth::Sigv4 { .. } => "sigv4",
    }
}
