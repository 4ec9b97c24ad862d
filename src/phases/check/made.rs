//! What probes make, and how it goes again. Nothing is removed whose name is not of this lineage's checks, and no index that does not
//! carry their mark.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::PhaseError;
use super::mark::Mark;
use crate::base::Address;
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;
use crate::clients::target::cluster::{leftovers, tune};
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::plan::model::{ClusterAt, Plan};

/// One thing that a probe made, or was about to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Made {
    /// The cluster or store.
    pub on: Address,
    /// What it is.
    pub thing: Thing,
    /// Its name there.
    pub name: String,
}

/// Kinds of such things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// An object of a cluster.
    Object(ObjectKind),
    /// A registered repository.
    Repository,
    /// An object of a bucket.
    Blob,
    /// A folder of this machine, by its whole path.
    Folder,
    /// The index of the working state, which was not there.
    WorkingState,
    /// A document of the working state.
    Note,
}

impl Thing {
    /// Whether it is removed by itself, whatever is in it.
    pub(super) fn goes_at_once(self) -> bool {
        !matches!(self, Self::WorkingState | Self::Folder)
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on, thing, name } = self;
        match thing {
            Thing::Object(kind) => write!(f, "{} {name} on {on}", kind.as_str()),
            Thing::Repository => write!(f, "repository {name} on {on}"),
            Thing::Blob => write!(f, "object {name} in {on}"),
            Thing::Folder => {
                let folder = Path::new(name).file_name().unwrap_or_default();
                write!(f, "folder {}", folder.display())
            }
            Thing::WorkingState => write!(f, "index {name} on {on}, as long as it is empty"),
            Thing::Note => write!(f, "document {name} of the working state of {on}"),
        }
    }
}

/// Kinds of objects that probes make, in the order in which they can be removed.
const KINDS: &[ObjectKind] = &[
    ObjectKind::Index,
    ObjectKind::IndexTemplate,
    ObjectKind::LegacyTemplate,
    ObjectKind::ComponentTemplate,
    ObjectKind::SearchPipeline,
    ObjectKind::IngestPipeline,
    ObjectKind::Script,
];

/// Removes a thing where it is there. Idempotent.
pub fn remove(connections: &Connections, mark: &Mark, made: &Made) -> Result<(), PhaseError> {
    let Made { on, thing, name } = made;
    let own = name.starts_with(&mark.prefix());
    let target_error = |error| common::target_error(on, &error);
    match thing {
        Thing::Object(kind) if own => object(connections, mark, on, (*kind, name)),
        Thing::Repository if own => {
            let client = connections.open_cluster(on)?;
            let path = format!("/_snapshot/{}", Request::part(name));
            match client.send(Request::delete(path)) {
                Err(error) if error.status() != Some(404) => {
                    Err(super::super::connections::cluster_error(on, &error))
                }
                _ => Ok(()),
            }
        }
        Thing::Blob if own => {
            connections
                .open_probe(on)?
                .remove(name)
                .map_err(|fault| PhaseError::Failed {
                    message: format!("store `{on}`: {fault}"),
                    help: Some(fault.help),
                })
        }
        Thing::Folder => folder(mark, Path::new(name)),
        Thing::WorkingState => {
            let target = connections.open_target(on)?;
            match target.cluster() {
                // An apply makes it, and no phase removes it: a role need not allow that.
                Some(cluster) => match leftovers::remove_working_state_if_empty(cluster) {
                    Err(TargetError::Cluster(error)) if error.status() == Some(403) => Ok(()),
                    gone => gone.map(drop).map_err(target_error),
                },
                None => Ok(()),
            }
        }
        Thing::Note if own => {
            let target = connections.open_target(on)?;
            match target.cluster() {
                Some(cluster) => leftovers::remove_note(cluster, name).map_err(target_error),
                None => Ok(()),
            }
        }
        // A name that no probe has is nothing of ours, whatever wrote it down.
        Thing::Object(_) | Thing::Repository | Thing::Blob | Thing::Note => Ok(()),
    }
}

fn object(
    connections: &Connections,
    mark: &Mark,
    on: &Address,
    (kind, name): (ObjectKind, &str),
) -> Result<(), PhaseError> {
    let target = connections.open_target(on)?;
    let target_error = |error| common::target_error(on, &error);
    if let (ObjectKind::Index, Some(cluster)) = (kind, target.cluster()) {
        let found = cluster.mapping(name).map_err(target_error)?;
        let is_other = |(_, mapping): &(String, Value)| !mark.is_in(mapping.get("_meta"));
        if found.as_ref().is_some_and(is_other) {
            return Err(PhaseError::Failed {
                message: format!(
                    "index {name} on {on} does not carry the mark of a check: it stays"
                ),
                help: Some("look who made it, and remove it by hand if it is not needed".into()),
            });
        }
        // Its settings go with it; the note of what they were would stay.
        if found.is_some() && tune::find(cluster, name).map_err(target_error)?.is_some() {
            tune::forget(cluster, name).map_err(target_error)?;
        }
    }
    let key = ObjectKey {
        kind,
        name: name.to_owned(),
    };
    target.delete(&key).map(drop).map_err(target_error)
}

fn folder(mark: &Mark, path: &Path) -> Result<(), PhaseError> {
    let own = path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(&mark.prefix()));
    if !own {
        return Ok(());
    }
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PhaseError::Failed {
            message: format!("{}: {error}", path.display()),
            help: Some("remove it by hand".into()),
        }),
        _ => Ok(()),
    }
}

/// What checks of this lineage left on the clusters and stores of a plan, by their names. What can't be looked at has its
/// announcements to go by.
pub fn left(plan: &Plan, connections: &Connections, mark: &Mark) -> Vec<Made> {
    let mut found = Vec::new();
    let prefix = mark.prefix();
    for (on, cluster) in &plan.clusters {
        if let ClusterAt::Directory(path) = &cluster.at {
            found.extend(folders(on, path, &prefix));
            continue;
        }
        let Ok(client) = connections.open_cluster(on) else {
            continue;
        };
        let made = |thing, name: &str| Made {
            on: on.clone(),
            thing,
            name: name.to_owned(),
        };
        let request = Request::get(format!("/_snapshot/{prefix}*"));
        if let Ok(Some(all)) = client.found(request) {
            let names = all.as_object().into_iter().flatten();
            let names = names.filter(|(name, _)| name.starts_with(&prefix));
            found.extend(names.map(|(name, _)| made(Thing::Repository, name)));
        }
        // Nothing else is made on a cluster that is only read.
        if client.access() == crate::plan::model::Access::ReadOnly {
            continue;
        }
        let Ok(target) = connections.open_target(on) else {
            continue;
        };
        for kind in KINDS {
            let names = target.list(*kind).unwrap_or_default();
            let names = names.iter().filter(|name| name.starts_with(&prefix));
            found.extend(names.map(|name| made(Thing::Object(*kind), name)));
        }
    }
    found
}

/// Folders of probes of a directory target.
fn folders(on: &Address, target: &Path, prefix: &str) -> Vec<Made> {
    let beside = beside(target);
    let entries = std::fs::read_dir(&beside).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let own = names.filter(|name| name.starts_with(prefix));
    own.map(|name| Made {
        on: on.clone(),
        thing: Thing::Folder,
        name: beside.join(name).display().to_string(),
    })
    .collect()
}

/// The nearest folder above a directory target that is there: what is made in it goes through the same rights and the same
/// file system, and the target itself stays as it is.
pub(super) fn beside(target: &Path) -> PathBuf {
    let whole = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    let mut above = whole.ancestors().skip(1);
    above
        .find(|path| path.is_dir())
        .map_or_else(|| PathBuf::from("/"), Path::to_owned)
}
