//! Opened stores, snapshots and targets, shared by all phases of a run; each is opened once.
//!
//! Relies on `clients` and `engines` for the opening. Deliberately absent: any decision about what is read or written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::existing::SnapshotView;
use super::kind::PhaseError;
use super::live::SourceView;
use crate::base::Address;
use crate::base::version::{Product, ProductVersion};
use crate::clients::cluster::{ClusterClient, ClusterError};
use crate::clients::objects::DirectoryStore;
use crate::clients::target::{ClusterTarget, DirectoryTarget, Target};
use crate::diff::observation::Observation;
use crate::engines::snapshot::{Repository, SnapshotError};
use crate::plan::model::{Cluster, ClusterAt, PhaseSpec, Plan, SnapshotSpec, Store, StoreAt};

/// What the phases of one run have opened, or the saved observations that stand in their place.
#[derive(Default)]
pub struct Connections {
    plan: String,
    lineage: String,
    stores: BTreeMap<Address, Store>,
    clusters: BTreeMap<Address, Cluster>,
    snapshots: BTreeMap<Address, SnapshotSpec>,
    recorded: BTreeMap<Address, Observation>,
    opened_stores: Slots<Arc<Repository>>,
    opened_clusters: Slots<ClusterClient>,
    opened_targets: Slots<Arc<dyn Target>>,
    opened_snapshots: Slots<Arc<SnapshotView>>,
}

impl Connections {
    /// For the stores and clusters of a plan; nothing is opened before it is asked for.
    pub fn new(plan: &Plan, lineage: &str) -> Self {
        let snapshots = plan
            .phases
            .iter()
            .filter_map(|(address, phase)| match &phase.spec {
                PhaseSpec::Snapshot(spec) => Some((address.clone(), spec.clone())),
                _ => None,
            })
            .collect();
        Self {
            plan: plan.name.clone(),
            lineage: lineage.to_owned(),
            stores: plan.stores.clone(),
            clusters: plan.clusters.clone(),
            snapshots,
            ..Self::default()
        }
    }

    /// Where observations come from a saved value: `observe` of these phases answers it and opens nothing.
    #[must_use]
    pub fn recorded(mut self, observations: BTreeMap<Address, Observation>) -> Self {
        self.recorded = observations;
        self
    }

    /// The saved observation of a phase.
    pub fn recorded_for(&self, address: &Address) -> Option<&Observation> {
        self.recorded.get(address)
    }

    /// The plan's name.
    pub fn plan_name(&self) -> &str {
        &self.plan
    }

    /// The lineage of the state.
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    /// The repository of a store, as it is now.
    pub fn open_store(&self, address: &Address) -> Result<Arc<Repository>, PhaseError> {
        let failed = |error: &SnapshotError| PhaseError::Failed {
            message: format!("store `{address}`: {error}"),
            help: Some(format!("check the directory of `stores.{address}`")),
        };
        let opened = self.opened_stores.get(address, || {
            let store = self.stores.get(address).ok_or_else(|| PhaseError::Failed {
                message: format!("the plan has no store `{address}`"),
                help: None,
            })?;
            match &store.at {
                StoreAt::Directory { path, .. } => {
                    let objects = Arc::new(DirectoryStore::new(path.clone()));
                    Repository::open(objects)
                        .map(Arc::new)
                        .map_err(|error| failed(&error))
                }
                StoreAt::S3 { uri, .. } => Err(PhaseError::NotYet {
                    message: format!(
                        "store `{address}`: this version does not read `{uri}` by itself"
                    ),
                    help: "copy the repository to a directory and give `directory:`".into(),
                }),
            }
        })?;
        match opened.moved() {
            Ok(None) => Ok(opened),
            Ok(Some(now)) => {
                let now = Arc::new(now);
                self.opened_stores.set(address, Some(Arc::clone(&now)));
                Ok(now)
            }
            Err(error) => {
                self.opened_stores.set(address, None);
                Err(failed(&error))
            }
        }
    }

    /// The snapshot that a snapshot phase names, with what it holds. One that can't be used says so in
    /// [`SnapshotView::problem`]. One that was usable in this run and was deleted since is an error.
    pub fn open_snapshot(&self, phase: &Address) -> Result<Arc<SnapshotView>, PhaseError> {
        let mut fresh = false;
        // What is not there yet is looked for again.
        let keep = |view: &Arc<SnapshotView>| view.facts.is_some();
        let view = self.opened_snapshots.get_and(phase, keep, || {
            fresh = true;
            self.find_snapshot(phase).map(Arc::new)
        })?;
        match view.vanished() {
            Some(error) if !fresh => Err(error),
            _ => Ok(view),
        }
    }

    fn find_snapshot(&self, phase: &Address) -> Result<SnapshotView, PhaseError> {
        match self.snapshots.get(phase) {
            Some(SnapshotSpec::Existing { store, name, .. }) => {
                let repository = self.open_store(&store.value)?;
                SnapshotView::open(&store.value, &repository, name)
            }
            Some(SnapshotSpec::Take { of, .. }) => Err(cluster_not_yet(&of.value)),
            None => Err(PhaseError::Failed {
                message: format!("the plan has no snapshot phase `{phase}`"),
                help: None,
            }),
        }
    }

    /// The snapshot of a phase where it can be used; `None` where it can't, which its own phase says.
    pub fn usable_snapshot(
        &self,
        phase: &Address,
    ) -> Result<Option<Arc<SnapshotView>>, PhaseError> {
        let used = self.opened_snapshots.peek(phase).is_some();
        match self.open_snapshot(phase) {
            Ok(view) if view.problem.is_none() => Ok(Some(view)),
            Err(error) if used => Err(error),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// What a phase reads: the snapshot, or the live source as long as there is none.
    pub fn source(&self, phase: &Address) -> Result<SourceView, PhaseError> {
        Ok(match self.usable_snapshot(phase)? {
            Some(view) => SourceView::Snapshot(view),
            None => SourceView::Nothing,
        })
    }

    /// A target.
    pub fn open_target(&self, address: &Address) -> Result<Arc<dyn Target>, PhaseError> {
        self.opened_targets.get(address, || {
            let cluster = self
                .clusters
                .get(address)
                .ok_or_else(|| PhaseError::Failed {
                    message: format!("the plan has no cluster `{address}`"),
                    help: None,
                })?;
            match &cluster.at {
                ClusterAt::Directory(path) => {
                    let version = version_of(address, cluster)?;
                    let target = DirectoryTarget::open(path.clone(), version).map_err(|error| {
                        PhaseError::Failed {
                            message: format!("target `{address}`: {error}"),
                            help: Some(error.help()),
                        }
                    })?;
                    Ok(Arc::new(target) as Arc<dyn Target>)
                }
                ClusterAt::Endpoint(_) => {
                    let client = self.open_cluster(address)?;
                    let target = ClusterTarget::open(client, &self.plan, &self.lineage).map_err(
                        |error| PhaseError::Failed {
                            message: format!("target `{address}`: {error}"),
                            help: Some(error.help()),
                        },
                    )?;
                    Ok(Arc::new(target) as Arc<dyn Target>)
                }
            }
        })
    }

    /// The client of a cluster that has an address; it was asked who it is.
    pub fn open_cluster(&self, address: &Address) -> Result<ClusterClient, PhaseError> {
        self.opened_clusters.get(address, || {
            let cluster = self
                .clusters
                .get(address)
                .ok_or_else(|| PhaseError::Failed {
                    message: format!("the plan has no cluster `{address}`"),
                    help: None,
                })?;
            let failed = |error: &ClusterError| PhaseError::Failed {
                message: format!("cluster `{address}`: {error}"),
                help: Some(error.help()),
            };
            let client = ClusterClient::open(cluster).map_err(|error| failed(&error))?;
            client.about().map_err(|error| failed(&error))?;
            Ok(client)
        })
    }

    /// The version that a cluster is asserted to have.
    pub fn version_of(&self, address: &Address) -> Result<ProductVersion, PhaseError> {
        let cluster = self
            .clusters
            .get(address)
            .ok_or_else(|| PhaseError::Failed {
                message: format!("the plan has no cluster `{address}`"),
                help: None,
            })?;
        version_of(address, cluster)
    }
}

/// A version without a product is of the product that had it: OpenSearch numbers from 1 to 3, where Elasticsearch is no
/// target any more.
fn version_of(address: &Address, cluster: &Cluster) -> Result<ProductVersion, PhaseError> {
    let version = cluster.version.ok_or_else(|| PhaseError::Failed {
        message: format!("cluster `{address}` has no version"),
        help: Some("give `as: \"2.19\"` beside `directory:`".into()),
    })?;
    let product = cluster.product.unwrap_or(if version.major <= 3 {
        Product::OpenSearch
    } else {
        Product::Elasticsearch
    });
    Ok(ProductVersion { product, version })
}

fn cluster_not_yet(address: &Address) -> PhaseError {
    PhaseError::NotYet {
        message: format!("cluster `{address}`: this version does not reach clusters over the network yet"),
        help: "use an existing snapshot (`snapshot: { existing: { store, name } }`) as the source, and a directory \
               (`directory: ./preview, as: \"2.19\"`) as the target"
            .into(),
    }
}

/// Things that are opened once each. A failure is not kept: the next one who asks tries again.
struct Slots<T>(Mutex<BTreeMap<Address, Slot<T>>>);

type Slot<T> = Arc<Mutex<Option<T>>>;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<T: Clone> Slots<T> {
    /// What is open, opened where it is not.
    fn get(
        &self,
        address: &Address,
        open: impl FnOnce() -> Result<T, PhaseError>,
    ) -> Result<T, PhaseError> {
        self.get_and(address, |_| true, open)
    }

    /// As [`Self::get`]; kept open only where `keep` says so.
    fn get_and(
        &self,
        address: &Address,
        keep: impl FnOnce(&T) -> bool,
        open: impl FnOnce() -> Result<T, PhaseError>,
    ) -> Result<T, PhaseError> {
        let slot = self.slot(address);
        // Only those that want the same thing wait for its opening.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*slot {
            return Ok(opened.clone());
        }
        let opened = open()?;
        if keep(&opened) {
            *slot = Some(opened.clone());
        }
        Ok(opened)
    }

    /// What is open.
    fn peek(&self, address: &Address) -> Option<T> {
        let slot = self.slot(address);
        slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another one in the place of what is open; `None`: the next one who asks opens it again.
    fn set(&self, address: &Address, opened: Option<T>) {
        let slot = self.slot(address);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = opened;
    }

    fn slot(&self, address: &Address) -> Slot<T> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(address.clone()).or_default())
    }
}
