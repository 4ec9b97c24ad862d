//! Opened stores, snapshots and targets, shared by all phases of a run; each is opened once.
//!
//! Relies on `clients` and `engines` for the opening. Deliberately absent: any decision about what is read or written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::common;
use super::existing::SnapshotView;
use super::kind::PhaseError;
use super::live::{LiveView, SourceView, Wider};
use super::snapshot::series::{Owner, Series, selector_mark};
use super::streams::takes;
use crate::base::version::{Product, ProductVersion};
use crate::base::{Address, S3Uri};
use crate::clients::cluster::{ClusterClient, ClusterError};
use crate::clients::objects::{BucketProbe, DirectoryStore, ObjectStore, open_s3, open_s3_probe};
use crate::clients::target::{ClusterTarget, DirectoryTarget, Target};
use crate::diff::observation::Observation;
use crate::engines::snapshot::{Repository, Snapshot, SnapshotError};
use crate::plan::model::{Cluster, ClusterAt, PhaseSpec, Plan, SnapshotSpec, Store, StoreAt};

/// The longest that a look at a live source serves the phases of one plan.
const LIVE_FOR: Duration = Duration::from_secs(15);

/// What the phases of one run have opened, or the saved observations that stand in their place.
#[derive(Default)]
pub struct Connections {
    plan: String,
    lineage: String,
    stores: BTreeMap<Address, Store>,
    clusters: BTreeMap<Address, Cluster>,
    snapshots: BTreeMap<Address, SnapshotSpec>,
    recorded: BTreeMap<Address, Observation>,
    opened_objects: Slots<Arc<dyn ObjectStore>>,
    opened_stores: Slots<Arc<Repository>>,
    opened_clusters: Slots<ClusterClient>,
    opened_targets: Slots<Arc<dyn Target>>,
    opened_snapshots: Slots<Arc<SnapshotView>>,
    looked_live: Slots<(Arc<LiveView>, Instant)>,
    renamed: BTreeMap<Address, Address>,
    probing: Option<Announcing>,
}

/// Writes down that an index is about to be made on a target for a moment.
pub type Announcing = Box<dyn Fn(&Address, &str) -> Result<(), PhaseError> + Send + Sync>;

/// A cluster that may be down.
pub enum Reach {
    /// It answers, and is who the plan says.
    Up(ClusterClient),
    /// It does not: why.
    Down(String),
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
            renamed: plan.renamed.clone(),
            ..Self::default()
        }
    }

    /// Where observations come from a saved value: `observe` of these phases answers it and opens nothing.
    #[must_use]
    pub fn recorded(mut self, observations: BTreeMap<Address, Observation>) -> Self {
        self.recorded = observations;
        self
    }

    /// Lets phases make indices for a moment to see what a target refuses; `announce` writes each down before.
    #[must_use]
    pub fn probing(mut self, announce: Announcing) -> Self {
        self.probing = Some(announce);
        self
    }

    /// How a probe is announced; `None` where nothing may be written.
    pub fn announcing(&self) -> Option<&Announcing> {
        self.probing.as_ref()
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
        self.repository_of(address)?
            .map_err(|error| store_error(address, &error))
    }

    /// As [`Self::open_store`]; `None` where nothing was ever written there.
    pub fn repository(&self, address: &Address) -> Result<Option<Arc<Repository>>, PhaseError> {
        match self.repository_of(address)? {
            Ok(repository) => Ok(Some(repository)),
            Err(SnapshotError::NoRepository { .. }) => Ok(None),
            Err(SnapshotError::Store { blob, source, .. })
                if blob.is_empty() && source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(store_error(address, &error)),
        }
    }

    fn repository_of(
        &self,
        address: &Address,
    ) -> Result<Result<Arc<Repository>, SnapshotError>, PhaseError> {
        let store = self.stores.get(address).ok_or_else(|| PhaseError::Failed {
            message: format!("the plan has no store `{address}`"),
            help: None,
        })?;
        let now = if let Some(opened) = self.opened_stores.peek(address) {
            match opened.moved() {
                Ok(None) => return Ok(Ok(opened)),
                Ok(Some(now)) => Ok(now),
                Err(error) => Err(error),
            }
        } else {
            let objects = || objects(address, store);
            Repository::open(self.opened_objects.get(address, objects)?)
        };
        let now = now.map(Arc::new);
        self.opened_stores.set(address, now.as_ref().ok().cloned());
        Ok(now)
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
        if fresh {
            return Ok(view);
        }
        if let Some(error) = view.vanished() {
            return Err(error);
        }
        if self.is_longer(phase, &view)? {
            self.opened_snapshots.set(phase, None);
            return self.open_snapshot(phase);
        }
        Ok(view)
    }

    /// Whether a snapshot was added to a phase's list since it was opened.
    fn is_longer(&self, phase: &Address, view: &SnapshotView) -> Result<bool, PhaseError> {
        let Some(SnapshotSpec::Take { to, .. }) = self.snapshots.get(phase) else {
            return Ok(false);
        };
        let Some(repository) = self.repository(&to.value)? else {
            return Ok(false);
        };
        let series = Series::look(&repository, &self.owner(phase)?)
            .map_err(|error| super::existing::failed(&to.value, &error))?;
        let current = series.current();
        let now = current.iter().map(Snapshot::uuid);
        Ok(!now.eq(view.snapshots().iter().map(Snapshot::uuid)))
    }

    fn find_snapshot(&self, phase: &Address) -> Result<SnapshotView, PhaseError> {
        match self.snapshots.get(phase) {
            Some(SnapshotSpec::Existing {
                store,
                name,
                partial,
                ..
            }) => {
                let repository = self.open_store(&store.value)?;
                SnapshotView::open(&store.value, &repository, name, *partial)
            }
            Some(SnapshotSpec::Take { to, .. }) => {
                let Some(repository) = self.repository(&to.value)? else {
                    return SnapshotView::of(&to.value, Vec::new());
                };
                let series = Series::look(&repository, &self.owner(phase)?)
                    .map_err(|error| super::existing::failed(&to.value, &error))?;
                SnapshotView::of(&to.value, series.current())
            }
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
        let taken = self.usable_snapshot(phase)?;
        let nothing_more = |taken: Option<Arc<SnapshotView>>| {
            taken.map_or(SourceView::Nothing, SourceView::Snapshot)
        };
        let Some(SnapshotSpec::Take {
            of,
            indices,
            include_global_state,
            ..
        }) = self.snapshots.get(phase)
        else {
            return Ok(nothing_more(taken));
        };
        if let Some(taken) = &taken
            && taken
                .taken_for()
                .is_none_or(|it| it == selector_mark(indices))
        {
            return Ok(SourceView::Snapshot(Arc::clone(taken)));
        }
        // One that can't be reached is told by the snapshot's own phase.
        let Reach::Up(client) = self.reach(&of.value)? else {
            return Ok(nothing_more(taken));
        };
        let held = taken.as_ref().and_then(|taken| taken.facts.as_ref());
        let wanted = |name: &str| {
            takes(indices, name) && !held.is_some_and(|held| held.indices.contains_key(name))
        };
        let fresh = |(_, at): &(Arc<LiveView>, Instant)| at.elapsed() < LIVE_FOR;
        if !self.looked_live.peek(phase).as_ref().is_some_and(fresh) {
            self.looked_live.set(phase, None);
        }
        let (live, _) = self.looked_live.get(phase, || {
            let live = LiveView::open(&client, wanted, *include_global_state)
                .map_err(|error| cluster_error(&of.value, &error))?;
            Ok((Arc::new(live), Instant::now()))
        })?;
        Ok(match taken {
            Some(taken) if live.indices.is_empty() => SourceView::Snapshot(taken),
            Some(taken) => SourceView::Wider(Box::new(Wider::new(taken, live))),
            None => SourceView::Live(live),
        })
    }

    /// Whose snapshots a snapshot phase takes.
    pub fn owner(&self, phase: &Address) -> Result<Owner, PhaseError> {
        let Some(SnapshotSpec::Take { name, .. }) = self.snapshots.get(phase) else {
            return Err(PhaseError::Failed {
                message: format!("the plan has no phase `{phase}` that takes snapshots"),
                help: None,
            });
        };
        Ok(Owner {
            plan: self.plan.clone(),
            lineage: self.lineage.clone(),
            phase: phase.clone(),
            before: self.renamed.get(phase).cloned(),
            name: name.clone(),
        })
    }

    /// A cluster, or why it can't be reached just now; one that is not what the plan says is an error.
    pub fn reach(&self, address: &Address) -> Result<Reach, PhaseError> {
        match self.client(address)? {
            Ok(client) => Ok(Reach::Up(client)),
            Err(error) if is_down(&error) => {
                Ok(Reach::Down(format!("cluster `{address}`: {error}")))
            }
            Err(error) => Err(cluster_error(address, &error)),
        }
    }

    /// A snapshot that phase `from` takes of a cluster is not to be loaded into the same cluster, which the plan then has
    /// under two names.
    pub fn refuse_itself(&self, from: &Address, to: &Address) -> Result<(), PhaseError> {
        let Some(SnapshotSpec::Take { of, .. }) = self.snapshots.get(from) else {
            return Ok(());
        };
        let of = &of.value;
        if !matches!(self.cluster(to)?.at, ClusterAt::Endpoint(_)) {
            return Ok(());
        }
        // What is wrong with the source is told by its own phase: a snapshot that was taken is enough for the others.
        let Ok(Reach::Up(source)) = self.reach(of) else {
            return Ok(());
        };
        let uuid = |address: &Address, client: &ClusterClient| {
            let about = client.about();
            let about = about.map_err(|error| cluster_error(address, &error))?;
            // A cluster that has not formed yet has none to compare.
            let named = !about.uuid.is_empty() && about.uuid != "_na_";
            Ok(named.then_some(about.uuid))
        };
        let there = uuid(of, &source)?;
        let Some(here) = uuid(to, &self.open_cluster(to)?)?.filter(|it| Some(it) == there.as_ref())
        else {
            return Ok(());
        };
        Err(PhaseError::Failed {
            message: format!(
                "`{of}` and `{to}` are one cluster (uuid {here}): nothing can be moved from it to itself"
            ),
            help: Some(format!(
                "look at `endpoint` of both under `clusters`, and name the cluster that `{to}` is meant to be"
            )),
        })
    }

    fn cluster(&self, address: &Address) -> Result<&Cluster, PhaseError> {
        self.clusters
            .get(address)
            .ok_or_else(|| PhaseError::Failed {
                message: format!("the plan has no cluster `{address}`"),
                help: None,
            })
    }

    /// A target.
    pub fn open_target(&self, address: &Address) -> Result<Arc<dyn Target>, PhaseError> {
        self.opened_targets.get(address, || {
            let cluster = self.cluster(address)?;
            match &cluster.at {
                ClusterAt::Directory(path) => {
                    let version = version_of(address, cluster)?;
                    let target = DirectoryTarget::open(path.clone(), version)
                        .map_err(|error| common::target_error(address, &error))?;
                    Ok(Arc::new(target) as Arc<dyn Target>)
                }
                ClusterAt::Endpoint(_) => {
                    let client = self.open_cluster(address)?;
                    let about = client
                        .about()
                        .map_err(|error| cluster_error(address, &error))?;
                    refuse_unsupported(address, about.version)?;
                    let target = ClusterTarget::open(client, &self.plan, &self.lineage)
                        .map_err(|error| common::target_error(address, &error))?;
                    Ok(Arc::new(target) as Arc<dyn Target>)
                }
            }
        })
    }

    /// The client of a cluster that has an address; it was asked who it is.
    pub fn open_cluster(&self, address: &Address) -> Result<ClusterClient, PhaseError> {
        self.client(address)?
            .map_err(|error| cluster_error(address, &error))
    }

    fn client(&self, address: &Address) -> Result<Result<ClusterClient, ClusterError>, PhaseError> {
        let cluster = self.cluster(address)?;
        let mut why = None;
        let opened = self.opened_clusters.get(address, || {
            let opened =
                ClusterClient::open(cluster).and_then(|client| client.about().map(|_| client));
            opened.map_err(|error| {
                let told = cluster_error(address, &error);
                why = Some(error);
                told
            })
        });
        match (opened, why) {
            (Ok(client), _) => Ok(Ok(client)),
            (Err(_), Some(error)) => Ok(Err(error)),
            (Err(error), None) => Err(error),
        }
    }

    /// The bucket of a store as a check looks at it; an error where the store is no bucket.
    pub fn open_probe(&self, address: &Address) -> Result<Box<dyn BucketProbe>, PhaseError> {
        let store = self.stores.get(address).map(|store| &store.at);
        let Some(StoreAt::S3 { role, .. }) = store else {
            return Err(PhaseError::Failed {
                message: format!("the plan has no store `{address}` in a bucket"),
                help: None,
            });
        };
        let place = bucket(address, store)?;
        open_s3_probe(&place, role.as_deref()).map_err(|fault| PhaseError::Failed {
            message: format!("store `{address}`: {fault}"),
            help: Some(fault.help),
        })
    }

    /// The version that a cluster is asserted to have.
    pub fn version_of(&self, address: &Address) -> Result<ProductVersion, PhaseError> {
        let cluster = self.cluster(address)?;
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

/// A plan that asserts no version is told by the server's own word what [`crate::plan::why_no_target`] says.
fn refuse_unsupported(address: &Address, version: ProductVersion) -> Result<(), PhaseError> {
    match crate::plan::why_no_target(Some(version.product), version.version) {
        None => Ok(()),
        Some(why) => Err(PhaseError::Failed {
            message: format!("cluster `{address}`: mig does not write to {version}"),
            help: Some(why.to_owned()),
        }),
    }
}

fn is_down(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::Unreachable { .. }
            | ClusterError::Timeout { .. }
            | ClusterError::Broken { .. }
    )
}

pub(super) fn cluster_error(address: &Address, error: &ClusterError) -> PhaseError {
    let message = format!("cluster `{address}`: {error}");
    if is_down(error) {
        return PhaseError::Unreachable {
            message,
            help: error.help(),
        };
    }
    PhaseError::Failed {
        message,
        help: Some(error.help()),
    }
}

/// The objects of a store; nothing is asked of it yet.
fn objects(address: &Address, store: &Store) -> Result<Arc<dyn ObjectStore>, PhaseError> {
    match &store.at {
        StoreAt::Directory { path, .. } => Ok(Arc::new(DirectoryStore::new(path.clone()))),
        StoreAt::S3 { role, .. } => {
            let place = bucket(address, Some(&store.at))?;
            open_s3(&place, role.as_deref()).map_err(|error| PhaseError::Failed {
                message: format!("store `{address}`: {error}"),
                help: None,
            })
        }
    }
}

/// Where a store in a bucket is.
fn bucket(address: &Address, store: Option<&StoreAt>) -> Result<S3Uri, PhaseError> {
    let Some(StoreAt::S3 {
        uri,
        region,
        endpoint,
        path_style,
        role: _,
    }) = store
    else {
        return Ok(S3Uri::default());
    };
    Ok(S3Uri {
        region: region.clone(),
        endpoint: endpoint.clone(),
        path_style: *path_style,
        ..S3Uri::parse(uri).map_err(|problem| PhaseError::Failed {
            message: format!("store `{address}`: `{uri}` {problem}"),
            help: None,
        })?
    })
}

fn store_error(address: &Address, error: &SnapshotError) -> PhaseError {
    let denied = matches!(error, SnapshotError::Store { source, location, .. }
        if source.kind() == std::io::ErrorKind::PermissionDenied && !location.starts_with("s3://"));
    PhaseError::Failed {
        message: format!("store `{address}`: {error}"),
        help: Some(if denied {
            "the server wrote it with the rights of its own user: run mig as a user that may read it (the server's \
             group, or an ACL), and give the server a umask that lets that user in"
                .to_owned()
        } else {
            super::existing::where_to_look(address, error)
        }),
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
