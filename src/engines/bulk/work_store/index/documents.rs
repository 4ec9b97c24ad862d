//! What a store asks of the place that its documents are in, and of time: small enough that a simulated server can stand in
//! for a real one.
//!
//! A call that fails because the target can't take anything now is made again here, with the same bytes and the same
//! condition; so a store sees an answer or an error that will not go by. Deliberately absent: what a document means.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clients::target::TargetError;
use crate::clients::target::cluster::WorkingState;
use crate::clients::target::cluster::patience::patiently;
use crate::clients::target::cluster::working_state::{Condition, Stored, Tag, Written};
use crate::engines::bulk::stop::{Stop, StopFn};
use crate::engines::bulk::work_store::WorkError;

/// Documents that one request reads or writes.
const DOCS_OF_A_REQUEST: usize = 1000;

/// Documents with conditional writes. Reads see what was written before.
pub(in super::super) trait Documents: Send + Sync {
    /// Makes what the documents are kept in, where it is not there.
    fn ensure(&self) -> Result<(), TargetError>;

    /// One document.
    fn get(&self, id: &str) -> Result<Option<Stored<Value>>, TargetError>;

    /// Several, in the order of the ids; those that are not there are left out.
    fn get_many(&self, ids: &[String]) -> Result<Vec<Stored<Value>>, TargetError>;

    /// Writes one if the condition holds.
    fn put(
        &self,
        id: &str,
        tag: Tag<'_>,
        body: &Value,
        condition: Condition,
        visible: bool,
    ) -> Result<Written, TargetError>;

    /// Writes each whose condition holds.
    fn put_many(
        &self,
        tag: Tag<'_>,
        documents: &[(String, Value, Condition)],
    ) -> Result<Vec<Written>, TargetError>;

    /// Removes one; says whether it was there.
    fn delete(&self, id: &str) -> Result<bool, TargetError>;

    /// Removes several, whether they are there or not.
    fn delete_many(&self, ids: &[String]) -> Result<(), TargetError>;

    /// The server's clock, asked once; `None` where this server does not tell it.
    fn server_time(&self) -> Result<Option<Timestamp>, TargetError>;

    /// Where they are, for messages.
    fn place(&self) -> PathBuf;
}

/// Time as a process has it.
pub(in super::super) trait Time: Send + Sync {
    /// Since any instant; never goes back.
    fn monotonic(&self) -> Duration;

    /// By the machine's clock.
    fn wall(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, time: Duration);
}

/// The machine's time: what its clock said at an instant of the monotonic one.
pub(super) struct SystemTime {
    wall: Timestamp,
    at: Instant,
}

impl SystemTime {
    pub(super) fn from(wall: Timestamp) -> Self {
        Self {
            wall,
            at: Instant::now(),
        }
    }
}

impl Time for SystemTime {
    fn monotonic(&self) -> Duration {
        self.at.elapsed()
    }

    fn wall(&self) -> Timestamp {
        self.wall + self.at.elapsed()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// The working state of a cluster.
pub(super) struct OnCluster<'a> {
    state: WorkingState,
    /// `None`: a target that is down is not waited for.
    stop: Option<StopFn<'a>>,
}

impl<'a> OnCluster<'a> {
    pub(super) fn new(state: &WorkingState, stop: Option<StopFn<'a>>) -> Self {
        Self {
            state: state.clone(),
            stop,
        }
    }

    fn patiently<T>(
        &self,
        mut call: impl FnMut() -> Result<T, TargetError>,
    ) -> Result<T, TargetError> {
        match self.stop {
            Some(stop) => patiently(&|| stop() == Stop::Now, call),
            None => call(),
        }
    }
}

impl Documents for OnCluster<'_> {
    fn ensure(&self) -> Result<(), TargetError> {
        self.patiently(|| self.state.ensure())
    }

    fn get(&self, id: &str) -> Result<Option<Stored<Value>>, TargetError> {
        self.patiently(|| self.state.get(id))
    }

    fn get_many(&self, ids: &[String]) -> Result<Vec<Stored<Value>>, TargetError> {
        self.patiently(|| self.state.get_many(ids))
    }

    fn put(
        &self,
        id: &str,
        tag: Tag<'_>,
        body: &Value,
        condition: Condition,
        visible: bool,
    ) -> Result<Written, TargetError> {
        self.patiently(|| self.state.put(id, tag, body, condition, visible))
    }

    fn put_many(
        &self,
        tag: Tag<'_>,
        documents: &[(String, Value, Condition)],
    ) -> Result<Vec<Written>, TargetError> {
        self.patiently(|| self.state.put_many(tag, documents))
    }

    fn delete(&self, id: &str) -> Result<bool, TargetError> {
        self.patiently(|| self.state.delete(id))
    }

    fn delete_many(&self, ids: &[String]) -> Result<(), TargetError> {
        self.patiently(|| self.state.delete_many(ids))
    }

    fn server_time(&self) -> Result<Option<Timestamp>, TargetError> {
        self.state.server_time()
    }

    fn place(&self) -> PathBuf {
        PathBuf::from(self.state.location())
    }
}

/// Documents with types, and a count of the requests for them.
pub(super) struct Server<'a> {
    documents: Box<dyn Documents + 'a>,
    place: PathBuf,
    requests: AtomicU64,
}

impl<'a> Server<'a> {
    pub(super) fn new(documents: Box<dyn Documents + 'a>) -> Self {
        Self {
            place: documents.place(),
            documents,
            requests: AtomicU64::new(0),
        }
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Requests so far; one that is made again counts once.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn count(&self, documents: usize) {
        let requests = documents.div_ceil(DOCS_OF_A_REQUEST).max(1) as u64;
        self.requests.fetch_add(requests, Ordering::Relaxed);
    }

    pub(super) fn corrupt(&self, what: impl Into<String>) -> WorkError {
        WorkError::Corrupt {
            path: self.place.clone(),
            offset: 0,
            what: what.into(),
        }
    }

    fn typed<T: DeserializeOwned>(&self, stored: Stored<Value>) -> Result<Stored<T>, WorkError> {
        let body = serde_json::from_value(stored.body)
            .map_err(|error| self.corrupt(format!("document {}: {error}", stored.id)))?;
        Ok(Stored {
            id: stored.id,
            body,
            seq_no: stored.seq_no,
            primary_term: stored.primary_term,
        })
    }

    fn json<T: Serialize>(&self, body: &T) -> Result<Value, WorkError> {
        serde_json::to_value(body).map_err(|error| self.corrupt(error.to_string()))
    }

    pub(super) fn ensure(&self) -> Result<(), WorkError> {
        self.count(1);
        Ok(self.documents.ensure()?)
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        id: &str,
    ) -> Result<Option<Stored<T>>, WorkError> {
        self.count(1);
        let found = self.documents.get(id)?;
        found.map(|found| self.typed(found)).transpose()
    }

    pub(super) fn get_many<T: DeserializeOwned>(
        &self,
        ids: &[String],
    ) -> Result<Vec<Stored<T>>, WorkError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.count(ids.len());
        let found = self.documents.get_many(ids)?;
        found.into_iter().map(|found| self.typed(found)).collect()
    }

    pub(super) fn put<T: Serialize>(
        &self,
        id: &str,
        tag: Tag<'_>,
        body: &T,
        condition: Condition,
        visible: bool,
    ) -> Result<Written, WorkError> {
        self.count(1);
        let body = self.json(body)?;
        Ok(self.documents.put(id, tag, &body, condition, visible)?)
    }

    pub(super) fn put_many<T: Serialize>(
        &self,
        tag: Tag<'_>,
        documents: &[(String, T, Condition)],
    ) -> Result<Vec<Written>, WorkError> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        self.count(documents.len());
        let bodies: Result<Vec<_>, WorkError> = documents
            .iter()
            .map(|(id, body, condition)| Ok((id.clone(), self.json(body)?, *condition)))
            .collect();
        Ok(self.documents.put_many(tag, &bodies?)?)
    }

    pub(super) fn delete(&self, id: &str) -> Result<bool, WorkError> {
        self.count(1);
        Ok(self.documents.delete(id)?)
    }

    pub(super) fn delete_many(&self, ids: &[String]) -> Result<(), WorkError> {
        self.count(ids.len());
        Ok(self.documents.delete_many(ids)?)
    }

    pub(super) fn server_time(&self) -> Result<Option<Timestamp>, TargetError> {
        self.count(1);
        self.documents.server_time()
    }
}
