//! What was observed of each phase's surroundings: typed, serialisable, so that plans can be saved and replayed.
//!
//! Identity (uuids, generations, hashes) is kept apart from quantities (documents, bytes): only identity enters a
//! fingerprint.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::LeftOut;
use crate::base::version::ProductVersion;
use crate::base::{Address, Fingerprint};

/// What was observed for one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observation {
    /// For `snapshot:`.
    Snapshot(SnapshotObservation),
    /// For `metadata:`.
    Metadata(MetadataObservation),
    /// For `backfill:`.
    Backfill(BackfillObservation),
    /// For `verify:`.
    Verify(VerifyObservation),
    /// For `gate:` that proves something.
    Gate(GateObservation),
    /// For `gate:` that asks a person alone, and for what has nothing outside to look at.
    Nothing,
    /// For `switchover:`.
    Switchover(SwitchoverObservation),
}

impl Observation {
    /// The identity of what was observed: of all its parts.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.parts())
    }

    /// The identity of its parts, by names that people understand: what moved is told by them.
    pub fn parts(&self) -> BTreeMap<String, Fingerprint> {
        let mut parts = BTreeMap::new();
        let mut add = |name: &str, identity: Fingerprint| {
            parts.insert(name.to_owned(), identity);
        };
        match self {
            Self::Snapshot(it) => {
                add("the snapshot", Fingerprint::of(&it.identity()));
                if let Some(source) = it.source_identity() {
                    add("the source", Fingerprint::of(&source));
                }
            }
            Self::Metadata(it) => {
                add("the snapshot", Fingerprint::of(&it.snapshot_uuid));
                add("the target's version", Fingerprint::of(&it.target));
                add("metadata of the source", in_order(&it.source_objects));
                add("metadata of the target", in_order(&it.target_objects));
            }
            Self::Backfill(it) => {
                let source: Vec<_> = it
                    .source
                    .iter()
                    .map(|(name, facts)| (name, &facts.uuid))
                    .collect();
                add("the snapshot", Fingerprint::of(&it.snapshot_uuid));
                add("indices of the snapshot", in_order(&source));
                add("indices of the target", targets(&it.target));
                if let Some(since) = &it.since {
                    add("the snapshot before", Fingerprint::of(&since.snapshot_uuid));
                }
            }
            Self::Verify(it) => {
                match &it.source_cluster {
                    Some(cluster) => {
                        let source: Vec<_> = it
                            .source
                            .iter()
                            .map(|(name, facts)| (name, &facts.uuid))
                            .collect();
                        add("the source", Fingerprint::of(cluster));
                        add("indices of the source", in_order(&source));
                    }
                    None => add("the snapshot", Fingerprint::of(&it.snapshot_uuid)),
                }
                add("indices of the target", targets(&it.target));
            }
            Self::Gate(it) => add("the source", Fingerprint::of(&it.cluster)),
            Self::Nothing => {}
            Self::Switchover(it) => {
                add("the target", Fingerprint::of(&it.target));
                add("whether the target is live", Fingerprint::of(&it.live));
            }
        }
        parts
    }
}

fn targets(indices: &BTreeMap<String, TargetIndexFacts>) -> Fingerprint {
    let identity: Vec<_> = indices
        .iter()
        .map(|(name, facts)| (name, &facts.uuid, &facts.content))
        .collect();
    in_order(&identity)
}

/// As [`Fingerprint::of`], for values whose keys are in order already: `serde_json` keeps the maps of its values sorted, so
/// the detour by a second tree, which costs most with ten thousand indices, changes nothing.
fn in_order(value: &impl Serialize) -> Fingerprint {
    match serde_json::to_vec(value) {
        Ok(bytes) => Fingerprint::of_bytes(&bytes),
        Err(_) => Fingerprint::of(value),
    }
}

/// A snapshot as it stands in its repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// The store's name in the plan.
    pub store: Address,
    /// The snapshot's name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// `SUCCESS`, `PARTIAL`, …
    pub state: String,
    /// The server that made it.
    pub made_by: Option<ProductVersion>,
    /// The generation of the repository when it was looked at (shown, no part of the identity: later snapshots move it).
    pub repository_generation: u64,
    /// All its indices by name.
    pub indices: BTreeMap<String, SnapshotIndexFacts>,
    /// `index/shard: reason` of what the server failed to take.
    pub failures: Vec<String>,
    /// Further snapshots of the same phase, each of indices that the earlier ones lack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<FurtherSnapshot>,
}

/// A snapshot that was taken when the selector of its phase was widened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherSnapshot {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
}

/// One index of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotIndexFacts {
    /// The repository's id of the index.
    pub id: String,
    /// The index's uuid on its cluster.
    pub uuid: String,
    /// Primary shards.
    pub shards: u32,
    /// Whether it was closed.
    pub closed: bool,
    /// Live root documents by the second path (bitmaps of the segments, not the documents), where it was looked at.
    pub docs: Option<u64>,
    /// Bytes of stored fields that a reader will fetch.
    pub bytes: u64,
    /// The uuid of the snapshot that it stands in, where that is not the first of its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The data stream that it is a backing index of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_stream: Option<String>,
    /// Its place among the generations of that stream that are here, from 1, the oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<usize>,
    /// Why its documents have no `_source`, or not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_gap: Option<SourceGap>,
    /// What of it can't be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// Shards that the snapshot lacks, where the plan takes what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<MissingShard>,
    /// Its mapping types, where they are more than a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<TypesFacts>,
    /// The index of the source, where this one has another name on the target since only some types go there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

/// The mapping types of an index made before Elasticsearch 6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TypesFacts {
    /// By name.
    pub types: Vec<TypeFacts>,
    /// Whether the identities of all documents were read, so that `shared_ids` is the whole truth.
    pub read: IdsRead,
    /// A name that no type has a field of, for the join field that stands for `_parent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_field: Option<String>,
    /// Ids that stand in several types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_ids: Vec<SharedIds>,
}

/// Whether the identities of an index's documents were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdsRead {
    /// All of them.
    All,
    /// They are more than are read when planning, or some can't be read.
    TooMany,
    /// There is no snapshot yet that they could be read from.
    #[default]
    NotYet,
}

/// One type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TypeFacts {
    /// Its name.
    pub name: String,
    /// Its documents, where they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<u64>,
    /// The type of its documents' parents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// Ids that stand in the same several types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SharedIds {
    /// In these.
    pub types: Vec<String>,
    /// So many.
    pub ids: u64,
    /// The first of them.
    pub example: String,
}

/// Why documents have no `_source` as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceGapKind {
    /// None is stored.
    Disabled,
    /// The server makes one up when it is asked for it.
    Synthetic,
    /// The same, as OpenSearch calls it.
    Derived,
    /// One is stored that lacks some fields.
    Reduced,
}

/// That documents have no `_source` as it was sent, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceGap {
    /// What is lacking.
    pub kind: SourceGapKind,
    /// The setting or the part of the mapping that says so.
    pub by: String,
    /// Fields that can't be had again by rebuilding a source, or come back otherwise: `field: reason`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// Something of an index that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The code of the finding.
    pub code: String,
    /// The shard, where it is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// What it is, as a sentence without its end.
    pub what: String,
    /// How to mend it, as a sentence without its end.
    pub mend: String,
}

/// A shard that the snapshot lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingShard {
    /// Its number.
    pub shard: u32,
    /// What the server said.
    pub reason: String,
}

impl SnapshotIndexFacts {
    /// Stands in the place of a snapshot's uuid as long as the snapshot is not taken.
    pub const AWAITED: &str = "not taken yet";

    /// Whether its snapshot is still to be taken, so that all that is told of it is provisional.
    pub fn is_awaited(&self) -> bool {
        self.snapshot.as_deref() == Some(Self::AWAITED)
    }
}

/// What was observed for `snapshot:`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotObservation {
    /// The snapshot, where it exists.
    pub found: Option<SnapshotFacts>,
    /// Why it can't be used, where that is known.
    pub problem: Option<String>,
    /// The cluster that it is taken of, where the phase takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Box<LiveSource>>,
}

/// What a snapshot phase knows of the cluster that its snapshots are taken of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveSource {
    /// The cluster's uuid; empty where it can't be reached.
    pub cluster: String,
    /// Its product and version.
    pub version: Option<ProductVersion>,
    /// Why it can't be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
    /// Nodes that hold data.
    pub data_nodes: u64,
    /// Its indices by name.
    pub indices: BTreeMap<String, LiveIndexFacts>,
    /// The repository that `mig` writes through, by its name there.
    pub repository: String,
    /// How that is registered, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<Value>,
    /// Another repository of the cluster over the same place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_place: Option<String>,
    /// The generation of the repository in the store, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The snapshots of the list that holds now, with their marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Listed>,
    /// A snapshot of this phase that the cluster is taking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Listed>,
    /// The number of the next snapshot.
    pub next: u32,
    /// The name of the next snapshot; `None` as long as there is no state that it is derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_name: Option<String>,
}

/// A snapshot with what its mark says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// The number of the snapshot that begins its list.
    pub first: u32,
    /// The uuid of the cluster that it was taken of.
    pub cluster: String,
    /// Identity of the selector that it was taken for.
    pub selector: String,
    /// Whether templates and settings are in it.
    pub global: bool,
    /// Its indices.
    pub indices: Vec<String>,
}

/// One index of a live cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveIndexFacts {
    /// Its uuid.
    pub uuid: String,
    /// Primary shards.
    pub shards: u32,
    /// Whether it is closed.
    pub closed: bool,
    /// Root documents, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<u64>,
    /// Bytes of its primary shards, where the cluster tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether a primary shard is missing.
    #[serde(default)]
    pub red: bool,
    /// Whether the phase chooses it.
    #[serde(default)]
    pub chosen: bool,
}

impl SnapshotObservation {
    fn identity(&self) -> impl Serialize {
        self.found.as_ref().map(|found| {
            (
                &found.store,
                &found.name,
                &found.uuid,
                &found.state,
                &found.further,
            )
        })
    }

    /// Identity of the snapshots alone.
    pub fn snapshot_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.identity())
    }

    /// Of what is still to be taken: the cluster, and the chosen indices that no snapshot holds.
    fn source_identity(&self) -> Option<impl Serialize> {
        let live = self.live.as_ref()?;
        let held = |name: &String| {
            let found = self.found.as_ref();
            found.is_some_and(|found| found.indices.contains_key(name))
        };
        let open: Vec<_> = live
            .indices
            .iter()
            .filter(|(name, facts)| facts.chosen && !held(name))
            .map(|(name, facts)| (name, &facts.uuid, facts.closed))
            .collect();
        Some((&live.cluster, &live.version, open))
    }
}

/// An object of metadata by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

/// The kinds of metadata objects, in the order in which they are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// The persistent settings of the cluster: one object, `persistent`.
    ClusterSettings,
    /// A stored script, or a template of a search.
    Script,
    /// An ingest pipeline.
    IngestPipeline,
    /// A search pipeline (OpenSearch).
    SearchPipeline,
    /// A component template.
    ComponentTemplate,
    /// A composable index template.
    IndexTemplate,
    /// A legacy template.
    LegacyTemplate,
    /// An index with its settings and mappings.
    Index,
    /// A data stream with what each of its generations is to be like.
    DataStream,
    /// An alias over all its indices.
    Alias,
    /// A policy that moves indices through phases: of ILM, or of Index State Management. After the indices, so that it
    /// takes up none that is being loaded.
    LifecyclePolicy,
    /// A policy that takes snapshots: of SLM, or of Snapshot Management.
    SnapshotPolicy,
    /// A role of the security plugin.
    Role,
    /// Who has a role.
    RoleMapping,
}

impl ObjectKind {
    /// As people say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterSettings => "cluster settings",
            Self::Script => "script",
            Self::IngestPipeline => "pipeline",
            Self::SearchPipeline => "search pipeline",
            Self::ComponentTemplate => "component template",
            Self::IndexTemplate => "index template",
            Self::LegacyTemplate => "legacy template",
            Self::Index => "index",
            Self::DataStream => "data stream",
            Self::Alias => "alias",
            Self::LifecyclePolicy => "lifecycle policy",
            Self::SnapshotPolicy => "snapshot policy",
            Self::Role => "role",
            Self::RoleMapping => "role mapping",
        }
    }

    /// Whether it has settings and mappings of indices; a data stream has those of its generations.
    pub fn has_index_settings(self) -> bool {
        matches!(
            self,
            Self::ComponentTemplate
                | Self::IndexTemplate
                | Self::LegacyTemplate
                | Self::Index
                | Self::DataStream
        )
    }
}

/// What was observed for `metadata:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetadataObservation {
    /// The snapshot's uuid; absent while there is none.
    pub snapshot_uuid: Option<String>,
    /// The version of the source.
    pub source: Option<ProductVersion>,
    /// The version of the target.
    pub target: ProductVersion,
    /// Objects of the source, body as the source has it (normalised to JSON).
    pub source_objects: Vec<(ObjectKey, Value)>,
    /// Objects of the target that the source has too, body as the target has it.
    pub target_objects: Vec<(ObjectKey, Value)>,
    /// Settings of the source that the target said it does not know.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unknown_settings: BTreeSet<String>,
    /// Objects that the target would refuse, with its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<(ObjectKey, String)>,
    /// Composable templates of the target, looked at where the source has such or data streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_templates: Vec<(String, Value)>,
    /// What came of making indices for a moment, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed: Option<ProbeFacts>,
    /// Mapping types by index, where they are more than a name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, TypesFacts>,
    /// What the source has beside these, which no plan moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_moved: Vec<LeftOut>,
    /// Objects that those of the source name and it does not hold, as far as the target has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_has: Vec<ObjectKey>,
    /// Indices, aliases and data streams of the target whose name something of another kind has at the source, or an alias that
    /// a template gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_names: Vec<ObjectKey>,
    /// Room for shards on the target, where it limits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_room: Option<ShardRoom>,
}

/// How many shards a target takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRoom {
    /// At most, on all its nodes, copies too.
    pub limit: u64,
    /// Of indices that are open there now.
    pub open: u64,
}

/// What came of making indices for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFacts {
    /// Kinds of bodies that were made, or refused.
    pub made: usize,
    /// Objects that were not probed, since there were too many kinds of them.
    pub not_probed: usize,
}

/// What was observed for `backfill:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackfillObservation {
    /// The snapshot's uuid; absent while there is none.
    pub snapshot_uuid: Option<String>,
    /// Indices of the snapshot by name.
    pub source: BTreeMap<String, SnapshotIndexFacts>,
    /// Indices of the target by name, where they exist.
    pub target: BTreeMap<String, TargetIndexFacts>,
    /// What the work store says of this (plan, phase, snapshot).
    pub work: Option<WorkFacts>,
    /// Whose work store it is where it is another state's; that one is never touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_work: Option<String>,
    /// Whether the target is marked live.
    #[serde(default)]
    pub live: bool,
    /// The data streams of the target that are to be loaded, with the number of their generations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub streams: BTreeMap<String, usize>,
    /// The server whose dialect the target takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_version: Option<ProductVersion>,
    /// Of a backfill that builds upon another one: what changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<SinceObservation>,
    /// Indices that the target restores, or restored, for this phase: whether each is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restored: BTreeMap<String, bool>,
    /// What tells whether indices can be restored, where the plan asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Box<RestoreGround>>,
}

/// What tells whether a target can restore indices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestoreGround {
    /// Whether the target is a cluster at all.
    pub cluster: bool,
    /// The server that took the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<ProductVersion>,
    /// The store as the target's nodes would see it.
    pub place: String,
    /// Why the target's nodes don't reach it, or may not, as a sentence without its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<Unreached>,
    /// By the name of the index at the source.
    pub indices: BTreeMap<String, RestoreFacts>,
}

/// Why a store is not reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unreached {
    /// What is known, as a sentence without its end.
    pub what: String,
    /// Whether it is certain; otherwise the target does not tell.
    pub certain: bool,
}

/// What tells whether one index can be restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestoreFacts {
    /// The version that made it, whatever it was on since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<ProductVersion>,
    /// Where what the target has differs from the snapshot, by paths; `None` where the target has no such index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<Vec<String>>,
}

/// What changed since the snapshot that a backfill builds upon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SinceObservation {
    /// The uuid of that snapshot; absent while there is none.
    pub snapshot_uuid: Option<String>,
    /// By the indices of the target; those of which nothing is known yet are absent.
    pub indices: BTreeMap<String, Changes>,
    /// Indices that were loaded of that snapshot and that the later one does not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
}

/// What changed of one index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changes {
    /// The base does not have it.
    New,
    /// What changed can't be told for certain.
    Whole {
        /// Why, as a sentence without its end.
        reason: String,
    },
    /// Nothing.
    Same,
    /// Something.
    Some(ChangeFacts),
}

/// How much changed of one index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFacts {
    /// Segments that stand in both snapshots.
    pub shared: u64,
    /// Segments of the later one that the base does not have.
    pub replaced: u64,
    /// Documents to write.
    pub writes: u64,
    /// Documents to delete.
    pub deletes: u64,
    /// Whether these counts are exact, rather than the most that can be.
    pub exact: bool,
    /// Bytes of stored fields that finding and moving the changes read.
    pub bytes: u64,
    /// Bytes that moving the index whole would read.
    pub whole_bytes: u64,
}

/// An index of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetIndexFacts {
    /// Its identity on the target.
    pub uuid: String,
    /// Documents there.
    pub docs: u64,
    /// Identity of the content where the target can tell it cheaply (a directory can, a cluster can't).
    pub content: Option<Fingerprint>,
    /// Documents there that this phase's work store knows nothing of.
    pub foreign_docs: u64,
}

/// What a work store says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkFacts {
    /// The plan that made it.
    pub plan: String,
    /// The lineage of the state that made it.
    pub lineage: String,
    /// Work items in all.
    pub items: u64,
    /// Work items that are done.
    pub items_done: u64,
    /// Work items that could not be done, so that the rest went on without them.
    #[serde(default)]
    pub items_set_aside: u64,
    /// Documents written.
    pub docs_done: u64,
    /// Documents that failed.
    pub docs_failed: u64,
    /// Per index: whether all its items are done.
    pub complete: BTreeMap<String, bool>,
}

/// What was observed for `verify:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyObservation {
    /// The snapshot's uuid; absent while there is none.
    pub snapshot_uuid: Option<String>,
    /// The uuid of the live cluster that stands in the place of a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_cluster: Option<String>,
    /// Indices of the source by name.
    pub source: BTreeMap<String, SnapshotIndexFacts>,
    /// Indices of the target by name.
    pub target: BTreeMap<String, TargetIndexFacts>,
    /// Objects of the target with the number of their settings that wait for the proof.
    #[serde(default)]
    pub held_back: Vec<(ObjectKey, u64)>,
    /// Indices that were closed at the source and are still open on the target.
    #[serde(default)]
    pub to_close: Vec<String>,
    /// Whether the target is marked live.
    #[serde(default)]
    pub live: bool,
    /// The server whose dialect the target takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_version: Option<ProductVersion>,
}

/// What was observed for `gate:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateObservation {
    /// The uuid of the cluster that has to be quiet.
    pub cluster: String,
    /// Its indices that have to be quiet, with the last sequence number of each shard.
    pub indices: BTreeMap<String, Vec<Option<i64>>>,
    /// Its other indices.
    pub others: Vec<String>,
}

/// What was observed for `switchover:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwitchoverObservation {
    /// Identity of the target.
    pub target: String,
    /// Whether the target is marked live already.
    pub live: bool,
}
