//! Targets: what documents and metadata are written to and read back from: a directory, or a cluster behind HTTP.
//!
//! Everything that a phase or an engine needs of a target goes through [`Target`]; nothing above this module knows how a
//! target keeps its data. Documents are written in *parts*: the run of documents of one work item, written by one writer
//! at a time, whose [`PartMark`] says up to where the data is durable. Relies on `base` and on the types of observed
//! facts. Deliberately absent: which documents to write, retries of whole items, leases (the `bulk` engine's).

pub mod batch;
pub mod cluster;
pub mod directory;
mod error;
pub mod landing;
pub mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::version::ProductVersion;
use crate::diff::observation::{ObjectKey, ObjectKind, ShardRoom, TargetIndexFacts};

pub use batch::{Batch, BatchDocument};
pub use cluster::ClusterTarget;
pub use directory::DirectoryTarget;
pub use error::TargetError;
pub use landing::{Landed, Landing};
pub use stream::StreamState;

/// A place that takes metadata and documents.
pub trait Target: Send + Sync {
    /// Where it is, for messages: never with credentials.
    fn location(&self) -> String;

    /// The version whose dialect it takes.
    fn version(&self) -> ProductVersion;

    /// Who it is; `None` while nothing has been made there. Reads only.
    fn identity(&self) -> Result<Option<TargetIdentity>, TargetError>;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes it ready to be written to (a directory with its marker); nothing to do where it is ready. Refuses a place
    /// that holds what is not ours.
    fn prepare(&self, made_by_plan: &str) -> Result<TargetIdentity, TargetError>;

    /// Names of the objects of a kind, sorted.
    fn list(&self, kind: ObjectKind) -> Result<Vec<String>, TargetError>;

    /// An object's body, where it exists.
    fn get(&self, key: &ObjectKey) -> Result<Option<Value>, TargetError>;

    /// Those of several objects that exist, in the order of the keys. A cluster answers with a few calls.
    fn get_many(&self, keys: &[ObjectKey]) -> Result<Vec<(ObjectKey, Value)>, TargetError> {
        let mut found = Vec::new();
        for key in keys {
            found.extend(self.get(key)?.map(|body| (key.clone(), body)));
        }
        Ok(found)
    }

    /// Which of these settings it does not know. Changes nothing.
    fn unknown_settings(
        &self,
        _settings: &Map<String, Value>,
    ) -> Result<BTreeSet<String>, TargetError> {
        Ok(BTreeSet::new())
    }

    /// The objects that it would refuse, with its words. Changes nothing.
    fn refusals(
        &self,
        _objects: &[(ObjectKey, Value)],
    ) -> Result<Vec<(ObjectKey, String)>, TargetError> {
        Ok(Vec::new())
    }

    /// How many shards it takes, where it limits them and tells. Changes nothing.
    fn shard_room(&self) -> Result<Option<ShardRoom>, TargetError> {
        Ok(None)
    }

    /// Makes an index for each kind of body and removes it again, to see what it would refuse. Each name is announced
    /// before; nothing more is made once that fails.
    fn probe(
        &self,
        _objects: &[(ObjectKey, Value)],
        _announce: Announce<'_>,
    ) -> Result<ProbeOutcome, TargetError> {
        Ok(ProbeOutcome::default())
    }

    /// Keeps templates of the target out of indices that are about to be made, all at once; without it each is kept from
    /// them by itself. What a killed run left is taken away by the next [`Self::prepare`].
    fn shield(&self, _indices: &[&str]) -> Result<(), TargetError> {
        Ok(())
    }

    /// Takes the shield away.
    fn unshield(&self) -> Result<(), TargetError> {
        Ok(())
    }

    /// Creates or replaces an object. Replacing an index keeps its uuid and its documents; one that holds nothing may be
    /// made anew. An alias is set for the indices that are named, `null` takes one out, and others stay as they are.
    fn put(&self, key: &ObjectKey, body: &Value) -> Result<(), TargetError>;

    /// Removes an object (an index with its documents); says whether there was one.
    fn delete(&self, key: &ObjectKey) -> Result<bool, TargetError>;

    /// Closes or opens an index; idempotent.
    fn set_closed(&self, index: &str, closed: bool) -> Result<(), TargetError>;

    /// Whether an index is closed.
    fn is_closed(&self, index: &str) -> Result<bool, TargetError>;

    /// Identity and quantities of an index, where it exists. `written_docs` is what the work store says that this phase
    /// wrote there: a cluster counts as foreign what goes beyond; a directory knows by itself.
    fn index_facts(
        &self,
        index: &str,
        written_docs: u64,
    ) -> Result<Option<TargetIndexFacts>, TargetError>;

    /// As [`Self::index_facts`], of many indices at once; those that are not there are left out. `written_docs` counts for
    /// each of them.
    fn index_facts_many(
        &self,
        indices: &[&str],
        written_docs: u64,
    ) -> Result<BTreeMap<String, TargetIndexFacts>, TargetError> {
        let mut found = BTreeMap::new();
        for index in indices {
            if let Some(facts) = self.index_facts(index, written_docs)? {
                found.insert((*index).to_owned(), facts);
            }
        }
        Ok(found)
    }

    /// Opens the writer of one part, cut back to `resume` (to nothing where that is `None`). One writer a part at a
    /// time; a second one gets [`TargetError::Busy`].
    fn open_part(
        &self,
        part: &PartKey,
        expected_uuid: Option<&str>,
        resume: Option<&PartMark>,
    ) -> Result<Box<dyn PartWriter>, TargetError>;

    /// The largest request that it takes, in bytes of documents with their action lines; `None` where there is no such limit.
    fn request_bytes(&self) -> Option<usize> {
        None
    }

    /// How busy the processors of its busiest node are, in percent; `None` where it does not say.
    fn cpu_percent(&self) -> Result<Option<u8>, TargetError> {
        Ok(None)
    }

    /// Removes all documents of an index that were written in parts, and keeps the index.
    fn clear_documents(&self, index: &str) -> Result<(), TargetError>;

    /// Removes the parts of a layer ([`LAYER`]) and those above, so that what they went over stands there again; `false` where
    /// the target does not keep that.
    fn clear_layers(&self, index: &str, from: u32) -> Result<bool, TargetError> {
        let _ = (index, from);
        Ok(false)
    }

    /// What to read one after the other (or in parallel) to see every document of an index once.
    fn partitions(&self, index: &str) -> Result<Vec<Partition>, TargetError>;

    /// Gives every document of a partition to `visit`, which may break off.
    fn read_partition(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(TargetDocument<'_>) -> ControlFlow<()>,
    ) -> Result<PartitionRead, TargetError>;

    /// Documents of an index, counted by the target itself once all that was written can be seen; `None` where there is
    /// no such index.
    fn count(&self, index: &str) -> Result<Option<u64>, TargetError> {
        Ok(self.index_facts(index, 0)?.map(|facts| facts.docs))
    }

    /// Single documents as they stand now, by `_id` and routing and in that order; `None` where the target can't look one
    /// up.
    fn fetch(
        &self,
        _index: &str,
        _wanted: &[(&str, Option<&str>)],
    ) -> Result<Option<Vec<Option<FetchedDocument>>>, TargetError> {
        Ok(None)
    }

    /// A data stream with its backing indices, where there is one.
    fn stream(&self, _name: &str) -> Result<Option<StreamState>, TargetError> {
        Ok(None)
    }

    /// Gives a data stream that has `have` generations the next one, as it was planned when the stream was made; nothing to
    /// do where it has more.
    fn roll_over(&self, name: &str, have: usize) -> Result<(), TargetError> {
        let _ = have;
        Err(stream::without_streams(self.location(), name))
    }

    /// Makes a data stream anew with its first generation: all its documents go.
    fn remake_stream(&self, name: &str) -> Result<(), TargetError> {
        Err(stream::without_streams(self.location(), name))
    }

    /// As [`Self::open_part`], for documents that are created through a data stream; `part` names the backing index that takes
    /// them now.
    fn open_part_of_stream(
        &self,
        stream: &str,
        part: &PartKey,
        expected_uuid: Option<&str>,
        resume: Option<&PartMark>,
    ) -> Result<Box<dyn PartWriter>, TargetError> {
        let _ = (part, expected_uuid, resume);
        Err(stream::without_streams(self.location(), stream))
    }

    /// The name that an index has on the target itself; another one only where documents land elsewhere ([`Landed`]).
    fn name_there(&self, index: &str) -> Result<String, TargetError> {
        Ok(index.to_owned())
    }

    /// The mark of a switchover, where there is one.
    fn live(&self) -> Result<Option<LiveMark>, TargetError>;

    /// Marks the target live; replaces an older mark.
    fn mark_live(&self, mark: &LiveMark) -> Result<(), TargetError>;

    /// Lifts the mark; says whether there was one.
    fn lift_live(&self) -> Result<bool, TargetError>;

    /// Where the work store of this target's loads is kept.
    fn work_place(&self) -> WorkPlace;

    /// The target as a cluster, for what only clusters have; `None` where it is none.
    fn cluster(&self) -> Option<&ClusterTarget> {
        None
    }
}

/// Told the name of an index that is about to be made for a moment; an error keeps it from being made.
pub type Announce<'a> = &'a dyn Fn(&str) -> Result<(), NotAnnounced>;

/// What was announced could not be written down. Why, the one who announces knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnnounced;

/// What probes showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// Indices that were made and removed again, or refused.
    pub made: usize,
    /// Objects that were not probed, since there were too many kinds of them.
    pub not_probed: usize,
    /// What the target refused, with its words.
    pub refused: Vec<(ObjectKey, String)>,
}

/// Who a target is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TargetIdentity {
    /// Made once; a directory that was removed and made again has another.
    pub uuid: String,
    /// The version it was made for.
    pub version: ProductVersion,
    /// The plan that made it, where the target keeps that.
    pub made_by_plan: Option<String>,
}

/// What a target can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// A part that is cut back to its mark holds exactly the documents up to the mark: no document twice, none of a dead
    /// worker. Where this is false, writing again has to be idempotent by `_id` and version.
    pub exact_parts: bool,
    /// Tells cheaply whether the content is still what was written.
    pub content_identity: bool,
    /// Refuses older versions (`external_gte`) by itself.
    pub checks_versions: bool,
    /// Says beforehand what it would refuse.
    pub checks_bodies: bool,
    /// Holds closed indices.
    pub closes_indices: bool,
    /// Documents can be searched there.
    pub searches: bool,
    /// Gets slower, rejects and times out, and says so by [`OnTheWay`]: what is sent is steered by it.
    pub pushes_back: bool,
}

/// Where a work store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkPlace {
    /// Log files in this directory.
    Directory(PathBuf),
    /// Documents in this index of the target.
    Index(String),
}

/// What the names of parts begin with whose documents go over those of other parts, and a number that says over which: all
/// parts without it, and those of lower numbers. Only a target that keeps parts as files has to know.
pub const LAYER: &str = "delta-";

/// Names one part of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartKey {
    /// The index on the target.
    pub index: String,
    /// Unique within the index, stable over restarts: `0-_3-1024` (shard, segment, first document).
    pub part: String,
}

/// Up to where a part is durable. Opaque to the engine, which keeps it in the work store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartMark {
    /// Bytes of the part's file (zero where the target has none).
    pub bytes: u64,
    /// Documents in it.
    pub docs: u64,
    /// Order-independent digest of the lines, hexadecimal.
    pub digest: String,
    /// Documents of earlier parts that its lines take the place of, or delete.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replaced: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What became of one request with documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Bytes of its body, before any compression.
    pub bytes: u64,
    /// From the first byte sent to the last one answered.
    pub took: Duration,
    /// What it means for the next ones.
    pub outcome: Outcome,
}

/// What the answer to a request says about sending more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of its documents were dealt with.
    Taken,
    /// The target had no room for it, or for some of its documents.
    Rejected,
    /// It timed out, or the connection broke: it may have been too much.
    Lost,
    /// Nobody was there to take it.
    Away,
    /// It was larger than the target takes.
    TooLarge,
}

/// A request with documents that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Documents in it.
    pub docs: u64,
    /// Bytes of its body, before any compression.
    pub bytes: u64,
    /// Bytes of its body as it goes out.
    pub wire_bytes: u64,
    /// Whether these documents were sent before.
    pub again: bool,
}

/// What a target did not take just now, and is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Documents of a request that it answered.
    pub docs: u64,
    /// Whether the whole request was answered 429.
    pub throttled: bool,
    /// Whether no writes are allowed there.
    pub blocked: bool,
}

/// A batch on its way, for who counts and steers them. Dropped once the batch is settled.
pub trait OnTheWay: Send + Sync {
    /// One of its requests was answered, or failed.
    fn answered(&self, answer: Answered);

    /// One of its requests is sent.
    fn sent(&self, sent: Sent) {
        let _ = sent;
    }

    /// Something of it was not taken.
    fn rejected(&self, rejected: Rejected) {
        let _ = rejected;
    }
}

/// For who does neither.
impl OnTheWay for () {
    fn answered(&self, _: Answered) {}
}

/// See [`OnTheWay`].
pub type InFlight = Box<dyn OnTheWay>;

/// Writes the documents of one part in order.
pub trait PartWriter: Send {
    /// Whether the index's name belongs into each action line; it does not where the place that they go to says it.
    fn names_index(&self) -> bool {
        true
    }

    /// How the action lines name and write the documents, where that is not as usual.
    fn written_as(&self) -> Option<&WrittenAs> {
        None
    }

    /// Batches of the part that may be on their way at once.
    fn capacity(&self) -> usize {
        1
    }

    /// Waits a short while until at most `on_their_way` batches are not settled yet; says whether that is so. For callers
    /// that want to do something else meanwhile, such as to stop.
    fn ready(&mut self, on_their_way: usize) -> Result<bool, TargetError> {
        let _ = on_their_way;
        Ok(true)
    }

    /// Takes a batch and gives back an empty one to fill. May return before the batch is settled; `in_flight` is dropped
    /// once it is.
    fn submit(&mut self, batch: Batch, in_flight: InFlight) -> Result<Batch, TargetError>;

    /// Waits until all that was submitted is settled and durable; says up to where, and what became of the documents
    /// since the last call.
    fn checkpoint(&mut self) -> Result<(PartMark, Settled), TargetError>;

    /// As [`Self::checkpoint`], and closes the part.
    fn finish(self: Box<Self>) -> Result<(PartMark, Settled), TargetError>;
}

/// How documents are written whose action lines differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenAs {
    /// `_index` of an action line that has one.
    pub index: String,
    /// Whether they are created, without a version: a data stream takes nothing else.
    pub create: bool,
}

/// What became of documents that were submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Written.
    pub written: u64,
    /// Not written or deleted because the target holds a newer version.
    pub newer_present: u64,
    /// Deleted, or gone already.
    pub deleted: u64,
    /// Refused for good.
    pub failed: Vec<Refused>,
}

/// A document that the target refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Lucene document number as given in [`BatchDocument::doc`].
    pub doc: u32,
    /// `_id`.
    pub id: String,
    /// A class for counting: `mapper_parsing_exception`.
    pub class: String,
    /// The target's words.
    pub reason: String,
    /// The request's lines: two, or one of a deletion.
    pub request: Vec<u8>,
}

/// A part of an index that is read in one go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Partition {
    /// Unique within the index.
    pub key: String,
    /// Bytes that reading it takes.
    pub bytes: u64,
    /// Changes when its content may have changed; empty where the target can't tell.
    pub stamp: String,
}

/// A document read back.
#[derive(Clone, Copy, Debug)]
pub struct TargetDocument<'a> {
    /// `_id`.
    pub id: &'a str,
    /// `routing`, where given.
    pub routing: Option<&'a str>,
    /// `version`, where kept.
    pub version: Option<i64>,
    /// The source as it stands there, line breaks and all; empty where the target keeps none.
    pub source: &'a [u8],
}

/// A document that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedDocument {
    /// `version`, where kept.
    pub version: Option<i64>,
    /// As [`TargetDocument::source`].
    pub source: Vec<u8>,
}

/// What reading a partition did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionRead {
    /// Documents given to the visitor.
    pub docs: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Says that a switchover made the target live: no phase of the plan writes documents there any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveMark {
    /// The plan.
    pub plan: String,
    /// The lineage of its state.
    pub lineage: String,
    /// The switchover phase.
    pub phase: String,
    /// When.
    pub at: Timestamp,
}
