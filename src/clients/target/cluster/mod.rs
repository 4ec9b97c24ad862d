//! A cluster as target. Metadata by its own APIs, documents by `_bulk`; what `mig` has to remember beside them stands in
//! an index of its own ([`working_state`]).
//!
//! ```text
//! objects   indices, templates and aliases in the one form that all targets share
//! facts     identity and quantities of indices
//! part      the writer of one part, some batches at once
//! bulk      one batch by `_bulk`, with retries by item
//! packer    compresses batches, where that pays
//! dialect   what only some versions can do, or spell otherwise
//! tune      settings that are changed while an index is loaded
//! patience  how long a target is waited for
//! stream    data streams: made, rolled over, made anew
//! room      how many shards it takes
//! heat      how busy its processors are, and how large a request it takes
//! restore   indices that the cluster restores from a snapshot
//! read      documents read back, shard by shard; hits: the documents of an answer as slices of it
//! marks     who made the target what it is, and whether it is live
//! leftovers what is left of a plan that is to be forgotten
//! ```
//!
//! Relies on `clients::cluster`. Deliberately absent: making an index for documents that come (a target never does), and
//! anything that is not asked for by [`Target`].

mod answer;
mod bulk;
mod dialect;
mod facts;
mod heat;
mod hits;
pub mod leftovers;
mod marks;
mod objects;
mod packer;
mod part;
pub mod patience;
mod read;
pub mod restore;
mod room;
mod stream;
pub mod tune;
pub mod working_state;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value};

use super::{
    Announce, Capabilities, FetchedDocument, LiveMark, PartKey, PartMark, PartWriter, Partition,
    PartitionRead, ProbeOutcome, StreamState, Target, TargetDocument, TargetError, TargetIdentity,
    WorkPlace,
};
use crate::base::version::ProductVersion;
use crate::clients::cluster::{About, ClusterClient, Nodes, limits};
use crate::diff::observation::{ObjectKey, ObjectKind, ShardRoom, TargetIndexFacts};
pub use working_state::{WORKING_STATE, WorkingState};

/// Nodes, and when they were asked for.
type Found = (Instant, Arc<Nodes>);

/// See the module; cheap to clone.
#[derive(Clone)]
pub struct ClusterTarget {
    client: ClusterClient,
    about: About,
    state: WorkingState,
    plan: String,
    lineage: String,
    pages: Arc<read::PageSizes>,
    nodes: Arc<Mutex<Option<Found>>>,
    spare: Arc<part::Spare>,
    shielded: Arc<objects::Shielded>,
}

impl ClusterTarget {
    /// Asks the cluster who it is, and nothing else. `plan` and `lineage` tag what is kept in its working state.
    pub fn open(client: ClusterClient, plan: &str, lineage: &str) -> Result<Self, TargetError> {
        let about = client.about()?;
        Ok(Self {
            state: WorkingState::new(client.clone()),
            client,
            about,
            plan: plan.to_owned(),
            lineage: lineage.to_owned(),
            pages: Arc::default(),
            nodes: Arc::default(),
            spare: Arc::default(),
            shielded: Arc::default(),
        })
    }

    /// The client, for what only clusters have.
    pub fn client(&self) -> &ClusterClient {
        &self.client
    }

    /// The uuid and the mapping of an index as they are now.
    pub fn mapping(&self, index: &str) -> Result<Option<(String, Value)>, TargetError> {
        facts::mapping(self, index)
    }

    /// The nodes that documents are sent to, as they were found lately.
    fn nodes(&self) -> Arc<Nodes> {
        let mut known = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((found, nodes)) = &*known
            && found.elapsed() < limits::NODES_FOR
        {
            return Arc::clone(nodes);
        }
        let nodes = Arc::new(Nodes::discover(&self.client));
        *known = Some((Instant::now(), Arc::clone(&nodes)));
        nodes
    }

    /// Where `mig` remembers things on this target.
    pub fn state(&self) -> &WorkingState {
        &self.state
    }
}

impl Target for ClusterTarget {
    fn location(&self) -> String {
        self.client.location().to_owned()
    }

    fn version(&self) -> ProductVersion {
        self.about.version
    }

    fn identity(&self) -> Result<Option<TargetIdentity>, TargetError> {
        marks::identity(self).map(Some)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            exact_parts: false,
            content_identity: true,
            checks_versions: true,
            checks_bodies: true,
            closes_indices: true,
            searches: true,
            pushes_back: true,
        }
    }

    fn prepare(&self, made_by_plan: &str) -> Result<TargetIdentity, TargetError> {
        marks::prepare(self, made_by_plan)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<String>, TargetError> {
        objects::list(self, kind)
    }

    fn get(&self, key: &ObjectKey) -> Result<Option<Value>, TargetError> {
        objects::get(self, key)
    }

    fn get_many(&self, keys: &[ObjectKey]) -> Result<Vec<(ObjectKey, Value)>, TargetError> {
        objects::get_many(self, keys)
    }

    fn unknown_settings(
        &self,
        settings: &Map<String, Value>,
    ) -> Result<BTreeSet<String>, TargetError> {
        objects::unknown_settings(self, settings)
    }

    fn refusals(
        &self,
        bodies: &[(ObjectKey, Value)],
    ) -> Result<Vec<(ObjectKey, String)>, TargetError> {
        objects::refusals(self, bodies)
    }

    fn shard_room(&self) -> Result<Option<ShardRoom>, TargetError> {
        room::shard_room(self)
    }

    fn probe(
        &self,
        bodies: &[(ObjectKey, Value)],
        announce: Announce<'_>,
    ) -> Result<ProbeOutcome, TargetError> {
        objects::probe(self, bodies, announce)
    }

    fn shield(&self, indices: &[&str]) -> Result<(), TargetError> {
        objects::shield(self, indices)
    }

    fn unshield(&self) -> Result<(), TargetError> {
        objects::unshield(self)
    }

    fn put(&self, key: &ObjectKey, body: &Value) -> Result<(), TargetError> {
        objects::put(self, key, body)
    }

    fn delete(&self, key: &ObjectKey) -> Result<bool, TargetError> {
        objects::delete(self, key)
    }

    fn set_closed(&self, index: &str, closed: bool) -> Result<(), TargetError> {
        objects::set_closed(self, index, closed)
    }

    fn is_closed(&self, index: &str) -> Result<bool, TargetError> {
        objects::is_closed(self, index)
    }

    fn index_facts(
        &self,
        index: &str,
        _written_docs: u64,
    ) -> Result<Option<TargetIndexFacts>, TargetError> {
        facts::index_facts(self, index)
    }

    fn index_facts_many(
        &self,
        indices: &[&str],
        _written_docs: u64,
    ) -> Result<BTreeMap<String, TargetIndexFacts>, TargetError> {
        facts::index_facts_many(self, indices)
    }

    fn open_part(
        &self,
        part: &PartKey,
        expected_uuid: Option<&str>,
        resume: Option<&PartMark>,
    ) -> Result<Box<dyn PartWriter>, TargetError> {
        part::open(self, part, expected_uuid, resume)
    }

    fn stream(&self, name: &str) -> Result<Option<StreamState>, TargetError> {
        stream::find(self, name)
    }

    fn roll_over(&self, name: &str, have: usize) -> Result<(), TargetError> {
        stream::roll_over(self, name, have)
    }

    fn remake_stream(&self, name: &str) -> Result<(), TargetError> {
        stream::remake(self, name)
    }

    fn open_part_of_stream(
        &self,
        stream: &str,
        part: &PartKey,
        expected_uuid: Option<&str>,
        resume: Option<&PartMark>,
    ) -> Result<Box<dyn PartWriter>, TargetError> {
        part::open_of_stream(self, stream, part, expected_uuid, resume)
    }

    fn clear_documents(&self, index: &str) -> Result<(), TargetError> {
        objects::clear_documents(self, index)
    }

    fn request_bytes(&self) -> Option<usize> {
        Some(heat::request_bytes(self))
    }

    fn cpu_percent(&self) -> Result<Option<u8>, TargetError> {
        heat::cpu_percent(self)
    }

    fn partitions(&self, index: &str) -> Result<Vec<Partition>, TargetError> {
        read::partitions(self, index)
    }

    fn read_partition(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(TargetDocument<'_>) -> ControlFlow<()>,
    ) -> Result<PartitionRead, TargetError> {
        read::read(self, index, partition, visit)
    }

    fn count(&self, index: &str) -> Result<Option<u64>, TargetError> {
        match read::count(self, index) {
            Ok(docs) => Ok(Some(docs)),
            Err(TargetError::NoIndex { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fetch(
        &self,
        index: &str,
        wanted: &[(&str, Option<&str>)],
    ) -> Result<Option<Vec<Option<FetchedDocument>>>, TargetError> {
        read::fetch(self, index, wanted).map(Some)
    }

    fn live(&self) -> Result<Option<LiveMark>, TargetError> {
        marks::live(self)
    }

    fn mark_live(&self, mark: &LiveMark) -> Result<(), TargetError> {
        marks::mark_live(self, mark)
    }

    fn lift_live(&self) -> Result<bool, TargetError> {
        marks::lift_live(self)
    }

    fn work_place(&self) -> WorkPlace {
        WorkPlace::Index(WORKING_STATE.to_owned())
    }

    fn cluster(&self) -> Option<&ClusterTarget> {
        Some(self)
    }
}
