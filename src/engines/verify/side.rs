//! The two sides of a comparison behind one trait: a source of documents, a target, later a live cluster.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::clients::target::{Partition, Target};
use crate::engines::bulk::DocumentSource;
use crate::engines::bulk::source::{SegmentKey, StepError, VisitStopped};
use crate::engines::bulk::work_store::ItemKey;

/// A document of a side.
#[derive(Clone, Copy, Debug)]
pub struct SideDocument<'a> {
    /// `_id`.
    pub id: &'a str,
    /// Routing.
    pub routing: Option<&'a str>,
    /// Version, where the side has it.
    pub version: Option<i64>,
    /// The source on one line; where it could not be made one, the bytes as they are.
    pub source: &'a [u8],
}

/// Why a side can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SideError(pub String);

/// What can be compared.
pub trait DocumentSide: Send + Sync {
    /// For people.
    fn name(&self) -> String;

    /// What to read to see every document of an index once.
    fn partitions(&self, index: &str) -> Result<Vec<Partition>, SideError>;

    /// Documents of an index by another path than reading them; `None` where there is none that is exact.
    fn count(&self, index: &str) -> Result<Option<u64>, SideError>;

    /// Gives every document of a partition to `visit`, which may break off.
    fn read(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(SideDocument<'_>) -> ControlFlow<()>,
    ) -> Result<(), SideError>;
}

/// The documents that a snapshot (or any other source of the bulk engine) has to give.
pub struct SourceSide<'a> {
    pub(super) source: &'a dyn DocumentSource,
    pub(super) name: String,
}

impl<'a> SourceSide<'a> {
    /// Over a source; `name` is for people: `snapshot nightly-1 in snapshots`.
    pub fn new(source: &'a dyn DocumentSource, name: impl Into<String>) -> Self {
        Self {
            source,
            name: name.into(),
        }
    }
}

/// The documents of a target.
pub struct TargetSide<'a> {
    pub(super) target: &'a dyn Target,
}

impl<'a> TargetSide<'a> {
    /// Over a target.
    pub fn new(target: &'a dyn Target) -> Self {
        Self { target }
    }
}
