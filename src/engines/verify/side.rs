//! The two sides of a comparison behind one trait: a source of documents, or what a target (a live cluster too) holds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use crate::clients::target::{FetchedDocument, Partition, Target, TargetError};
use crate::engines::bulk::DocumentSource;
use crate::engines::bulk::source::{SourceError, StepError, VisitStopped};
use crate::engines::bulk::work_store::ItemSpec;
use crate::engines::snapshot::source_format::one_line;

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
#[error("{text}")]
pub struct SideError {
    /// What and where, with how to mend it.
    pub text: String,
    /// What it means.
    pub fault: Fault,
}

/// What a failed reading means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What is there is not what it should be.
    Damaged,
    /// It can't be told what is there: a later try may go well.
    Unreachable,
    /// This partition has to be read again from its beginning.
    Again,
}

impl SideError {
    fn damaged(text: String) -> Self {
        Self {
            text,
            fault: Fault::Damaged,
        }
    }
}

/// A document looked up by its identity.
pub type Fetched = Option<FetchedDocument>;

/// What can be compared.
pub trait DocumentSide: Send + Sync {
    /// For people.
    fn name(&self) -> String;

    /// What to read to see every document of an index once.
    fn partitions(&self, index: &str) -> Result<Vec<Partition>, SideError>;

    /// Documents of an index by another path than reading them; `None` where there is none that is exact.
    fn count(&self, index: &str) -> Result<Option<u64>, SideError>;

    /// Whether documents may change while they are read.
    fn moves(&self) -> bool {
        false
    }

    /// Documents as they stand now, by `_id` and routing; `None` where the side can't look one up.
    fn fetch(
        &self,
        _index: &str,
        _wanted: &[(&str, Option<&str>)],
    ) -> Result<Option<Vec<Fetched>>, SideError> {
        Ok(None)
    }

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
    source: &'a dyn DocumentSource,
    name: String,
    /// Items by index and name, listed once.
    items: OnceLock<BTreeMap<String, BTreeMap<String, ItemSpec>>>,
}

impl<'a> SourceSide<'a> {
    /// Over a source; `name` is for people: `snapshot nightly-1 in snapshots`.
    pub fn new(source: &'a dyn DocumentSource, name: impl Into<String>) -> Self {
        Self {
            source,
            name: name.into(),
            items: OnceLock::new(),
        }
    }

    fn items(&self) -> Result<&BTreeMap<String, BTreeMap<String, ItemSpec>>, SideError> {
        if let Some(items) = self.items.get() {
            return Ok(items);
        }
        let mut items: BTreeMap<String, BTreeMap<String, ItemSpec>> = BTreeMap::new();
        for item in self.source.items().map_err(side_error)? {
            items
                .entry(item.key.index.clone())
                .or_default()
                .insert(item.key.to_string(), item);
        }
        Ok(self.items.get_or_init(|| items))
    }
}

fn side_error(SourceError { place, reason }: SourceError) -> SideError {
    SideError::damaged(format!("{place}: {reason}"))
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn target_error(error: TargetError) -> SideError {
    SideError {
        text: format!("{error}; {}", error.help()),
        fault: match error {
            TargetError::ReadAgain { .. } => Fault::Again,
            TargetError::Cluster(_) => Fault::Unreachable,
            _ => Fault::Damaged,
        },
    }
}

impl DocumentSide for SourceSide<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn partitions(&self, index: &str) -> Result<Vec<Partition>, SideError> {
        let items = self.items()?.get(index).into_iter().flatten();
        Ok(items
            .map(|(key, item)| Partition {
                key: key.clone(),
                bytes: item.bytes,
                stamp: String::new(),
            })
            .collect())
    }

    fn count(&self, index: &str) -> Result<Option<u64>, SideError> {
        if self.source.leaves_out(index) {
            return Ok(None);
        }
        let expected = self.source.expected().map_err(side_error)?;
        Ok(expected
            .iter()
            .filter(|(segment, _)| segment.index == index)
            .map(|(_, count)| *count)
            .sum())
    }

    fn read(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(SideDocument<'_>) -> ControlFlow<()>,
    ) -> Result<(), SideError> {
        let item = self
            .items()?
            .get(index)
            .and_then(|items| items.get(&partition.key))
            .ok_or_else(|| SideError::damaged(format!("{}: no such item", partition.key)))?;
        let mut reader = self
            .source
            .open(&item.key, item.key.from)
            .map_err(side_error)?;
        loop {
            let step = reader.step(u32::MAX, &mut |document| {
                // What the plan leaves out is on neither side.
                if document.source.is_err_and(|unusable| unusable.skip) {
                    return Ok(());
                }
                let side = SideDocument {
                    id: document.id,
                    routing: document.routing,
                    version: document.version,
                    // A document that can't be written can't be on the target either: it will be found missing.
                    source: document.source.unwrap_or_else(|unusable| unusable.raw),
                };
                match visit(side) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(VisitStopped),
                }
            });
            match step {
                Ok(Some(_)) => {}
                Ok(None) | Err(StepError::Stopped) => return Ok(()),
                Err(StepError::Source(error)) => return Err(side_error(error)),
            }
        }
    }
}

/// The documents of a target.
pub struct TargetSide<'a> {
    target: &'a dyn Target,
}

impl DocumentSide for TargetSide<'_> {
    fn name(&self) -> String {
        self.target.location()
    }

    fn partitions(&self, index: &str) -> Result<Vec<Partition>, SideError> {
        self.target.partitions(index).map_err(target_error)
    }

    fn count(&self, index: &str) -> Result<Option<u64>, SideError> {
        match self.target.count(index).map_err(target_error)? {
            Some(docs) => Ok(Some(docs)),
            None => Err(SideError::damaged(format!(
                "{}: no index `{index}`",
                self.target.location()
            ))),
        }
    }

    fn moves(&self) -> bool {
        self.target.capabilities().searches
    }

    fn fetch(
        &self,
        index: &str,
        wanted: &[(&str, Option<&str>)],
    ) -> Result<Option<Vec<Fetched>>, SideError> {
        let fetched = self.target.fetch(index, wanted).map_err(target_error)?;
        Ok(fetched.map(|mut fetched| {
            for document in fetched.iter_mut().flatten() {
                if let Cow::Owned(line) = one_line(&document.source) {
                    document.source = line;
                }
            }
            fetched
        }))
    }

    fn read(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(SideDocument<'_>) -> ControlFlow<()>,
    ) -> Result<(), SideError> {
        let read = self
            .target
            .read_partition(index, partition, &mut |document| {
                visit(SideDocument {
                    id: document.id,
                    routing: document.routing,
                    version: document.version,
                    // The source's side has its line breaks as spaces, as a request of lines needs it.
                    source: &one_line(document.source),
                })
            });
        read.map(drop).map_err(target_error)
    }
}

impl<'a> TargetSide<'a> {
    /// Over a target.
    pub fn new(target: &'a dyn Target) -> Self {
        Self { target }
    }
}
