//! Writes the documents of one part by `_bulk`, some batches at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::bulk::{Delivered, Sender};
use super::facts::{self, IndexState};
use super::packer::Packer;
use super::{ClusterTarget, dialect};
use crate::base::Fingerprint;
use crate::clients::cluster::{ClusterError, Request, runtime};
use crate::clients::target::{
    Batch, InFlight, PartKey, PartMark, PartWriter, Settled, TargetError,
};

/// Batches of one part on their way at once, at most. How many there are over all parts is for their budget to say.
pub(super) const PART_IN_FLIGHT: usize = 4;
/// How long one look at a batch on its way takes at most.
const LOOK: Duration = Duration::from_millis(100);
/// Buffers that are kept for the next batches of any part.
const SPARE_BATCHES: usize = 8;
/// What the answer of `_bulk` is cut down to.
const ANSWER_FIELDS: &str =
    "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by";
/// What the alias of an index that is being loaded begins with.
/// No index may have a capital letter in its name, so that a server that would make an index for documents by itself refuses
/// them instead when the alias is gone: one that can't be told that an alias is required, and any for a delete with a version,
/// which makes an index all the same.
const ALIAS: &str = "MIG-writes-";
/// As earlier versions of `mig` called it, where a server could be told.
const EARLIER_ALIAS: &str = "mig-writes-";

/// The alias through which an index is loaded: named after its uuid, so that no other index ever has it.
pub(super) fn alias(uuid: &str) -> String {
    let hash = Fingerprint::of(&uuid);
    format!("{ALIAS}{}", hash.as_str().get(..16).unwrap_or_default())
}

/// Whether an alias is such a one: they go with the load, and are no objects of a plan.
pub(super) fn is_alias(name: &str) -> bool {
    name.starts_with(ALIAS) || name.starts_with(EARLIER_ALIAS)
}

pub(super) fn open(
    target: &ClusterTarget,
    part: &PartKey,
    expected_uuid: Option<&str>,
    resume: Option<&PartMark>,
) -> Result<Box<dyn PartWriter>, TargetError> {
    let index = &part.index;
    let state = checked(target, index, expected_uuid)?;
    let to = alias(&state.uuid);
    if !state.aliases.contains(&to) {
        add_alias(target, index, &to)?;
        // It may have been made anew just now.
        checked(target, index, Some(&state.uuid))?;
    }
    let require = if dialect::requires_aliases(target.about.version) {
        "&require_alias=true"
    } else {
        ""
    };
    let path = format!(
        "/{}/{}?pipeline=_none{require}&filter_path={ANSWER_FIELDS}",
        Request::part(&to),
        dialect::bulk(target.about.version)
    );
    let runtime = runtime::handle().map_err(|error| no_thread(target, &error))?;
    Ok(Box::new(ClusterPart {
        target: target.clone(),
        sender: Arc::new(Sender {
            client: target.client.clone(),
            nodes: target.nodes(),
            packer: Packer::new(&target.client),
            index: index.clone(),
            path,
            presence: format!("/_alias/{}", Request::part(&to)),
            stream: None,
        }),
        runtime,
        way: VecDeque::new(),
        settled: Settled::default(),
        docs: resume.map_or(0, |mark| mark.docs),
    }))
}

/// A writer of documents that are created through a data stream, whose last backing index `part` names. The name of a stream
/// can't be asked for to be one (`require_alias` refuses it), so that whoever writes looks at the stream after each checkpoint.
pub(super) fn open_of_stream(
    target: &ClusterTarget,
    stream: &str,
    part: &PartKey,
    expected_uuid: Option<&str>,
    resume: Option<&PartMark>,
) -> Result<Box<dyn PartWriter>, TargetError> {
    checked(target, &part.index, expected_uuid)?;
    let path = format!(
        "/{}/_bulk?pipeline=_none&filter_path={ANSWER_FIELDS}",
        Request::part(stream)
    );
    let runtime = runtime::handle().map_err(|error| no_thread(target, &error))?;
    Ok(Box::new(ClusterPart {
        target: target.clone(),
        sender: Arc::new(Sender {
            client: target.client.clone(),
            nodes: target.nodes(),
            packer: Packer::new(&target.client),
            index: part.index.clone(),
            path,
            presence: format!("/_data_stream/{}", Request::part(stream)),
            stream: Some(stream.to_owned()),
        }),
        runtime,
        way: VecDeque::new(),
        settled: Settled::default(),
        docs: resume.map_or(0, |mark| mark.docs),
    }))
}

/// The index as it is, if it is the one that is meant and is open.
fn checked(
    target: &ClusterTarget,
    index: &str,
    expected_uuid: Option<&str>,
) -> Result<IndexState, TargetError> {
    let location = || target.client.location().to_owned();
    let state = facts::index_state(target, index)?.ok_or_else(|| TargetError::NoIndex {
        location: location(),
        index: index.to_owned(),
    })?;
    if let Some(wanted) = expected_uuid
        && wanted != state.uuid
    {
        return Err(TargetError::OtherIndex {
            location: location(),
            index: index.to_owned(),
            found: state.uuid,
            wanted: wanted.to_owned(),
        });
    }
    if state.closed {
        return Err(TargetError::ClosedIndex {
            location: location(),
            index: index.to_owned(),
        });
    }
    Ok(state)
}

fn add_alias(target: &ClusterTarget, index: &str, alias: &str) -> Result<(), TargetError> {
    let mut add = serde_json::json!({"index": index, "alias": alias});
    if dialect::hides(target.about.version) {
        add["is_hidden"] = true.into();
    }
    let body = serde_json::json!({ "actions": [{ "add": add }] });
    let request = Request::post("/_aliases").json(&body).idempotent();
    target.client.send(request)?;
    Ok(())
}

/// Takes the alias away again, where it is there.
pub(super) fn remove_alias(
    target: &ClusterTarget,
    index: &str,
    alias: &str,
) -> Result<(), TargetError> {
    // Servers refuse any word of aliases of an index behind a data stream, which has none.
    let state = facts::index_state(target, index)?;
    if state.is_none_or(|state| !state.aliases.iter().any(|it| it == alias)) {
        return Ok(());
    }
    let path = format!("/{}/_alias/{}", Request::part(index), Request::part(alias));
    match target.client.send(Request::delete(path)) {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(404) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn no_thread(target: &ClusterTarget, error: &std::io::Error) -> TargetError {
    TargetError::Cluster(ClusterError::Setup {
        location: target.client.location().to_owned(),
        reason: format!("no thread could be started: {error}"),
        help: "raise the limit of processes of this user".to_owned(),
    })
}

/// Buffers of batches that are settled, for the next ones of any part: memory that is new costs a fifth of all that a load does.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Batch>>);

impl Spare {
    fn batches(&self) -> MutexGuard<'_, Vec<Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Batch {
        self.batches().pop().unwrap_or_default()
    }

    fn put(&self, batch: Batch) {
        let mut batches = self.batches();
        // One whose buffer the connection still has is none.
        if batch.bytes() > 0 && batches.len() < SPARE_BATCHES {
            batches.push(batch);
        }
    }
}

/// See the module.
struct ClusterPart {
    target: ClusterTarget,
    sender: Arc<Sender>,
    runtime: tokio::runtime::Handle,
    /// Batches on their way, the oldest first.
    way: VecDeque<JoinHandle<Result<Delivered, TargetError>>>,
    settled: Settled,
    docs: u64,
}

impl Drop for ClusterPart {
    fn drop(&mut self) {
        // What a server takes of these after all is written again later, which changes nothing.
        for batch in &self.way {
            batch.abort();
        }
    }
}

impl ClusterPart {
    /// Looks a short while at the oldest batch; says whether it is settled.
    fn look(&mut self, longest: Duration) -> Result<bool, TargetError> {
        let Some(oldest) = self.way.front_mut() else {
            return Ok(true);
        };
        let waited = runtime::block_on(async { tokio::time::timeout(longest, oldest).await })
            .map_err(|error| no_thread(&self.target, &error))?;
        let Ok(joined) = waited else {
            return Ok(false);
        };
        self.way.pop_front();
        let delivered = joined.map_err(|error| TargetError::Refused {
            location: self.target.client.location().to_owned(),
            what: format!(
                "a batch for index {} ended unexpectedly: {error}",
                self.sender.index
            ),
        })??;
        let Settled {
            written,
            newer_present,
            deleted,
            failed,
        } = delivered.settled;
        self.docs += written;
        self.settled.written += written;
        self.settled.newer_present += newer_present;
        self.settled.deleted += deleted;
        self.settled.failed.extend(failed);
        self.target.spare.put(delivered.batch);
        Ok(true)
    }

    fn settle_all(&mut self) -> Result<(), TargetError> {
        while !self.way.is_empty() {
            self.look(LOOK)?;
        }
        Ok(())
    }

    /// What was answered is durable, unless the index defers that.
    fn make_durable(&self) -> Result<(), TargetError> {
        let index = &self.sender.index;
        if facts::index_state(&self.target, index)?.is_some_and(|state| state.deferred) {
            let path = format!("/{}/_flush?wait_if_ongoing=true", Request::part(index));
            self.target.client.send(Request::post(path).idempotent())?;
        }
        Ok(())
    }
}

impl PartWriter for ClusterPart {
    fn names_index(&self) -> bool {
        false
    }

    fn ready(&mut self, most: usize) -> Result<bool, TargetError> {
        while self.way.len() > most {
            if !self.look(LOOK)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn capacity(&self) -> usize {
        PART_IN_FLIGHT
    }

    fn submit(&mut self, batch: Batch, in_flight: InFlight) -> Result<Batch, TargetError> {
        while self.way.len() >= PART_IN_FLIGHT {
            self.look(LOOK)?;
        }
        let sender = Arc::clone(&self.sender);
        // Here and not on the way: it takes longer than all that connections do.
        let packed = sender.packer.pack(batch.body());
        self.way.push_back(self.runtime.spawn(async move {
            let delivered = sender.deliver(batch, packed, &*in_flight).await;
            drop(in_flight);
            delivered
        }));
        Ok(self.target.spare.take())
    }

    fn checkpoint(&mut self) -> Result<(PartMark, Settled), TargetError> {
        self.settle_all()?;
        self.make_durable()?;
        let mark = PartMark {
            bytes: 0,
            docs: self.docs,
            ..PartMark::default()
        };
        Ok((mark, std::mem::take(&mut self.settled)))
    }

    fn finish(mut self: Box<Self>) -> Result<(PartMark, Settled), TargetError> {
        self.checkpoint()
    }
}
