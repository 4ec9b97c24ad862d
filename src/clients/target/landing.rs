//! A target on which documents of some indices land elsewhere than under the index's own name: in a generation of a data
//! stream, or in an index of another name. Whoever loads or compares goes on calling them by their source's name.
//!
//! A generation is found by its place among the backing indices of the stream there. Documents go in through the stream, which
//! gives them to its last backing index alone: a generation that is not the last takes no more. Reading gives no versions of
//! documents of a stream, since each begins anew. What stands in generations beyond the last one of the source is read as the
//! last one's, so that a comparison names it. Deliberately absent: rolling over by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::stream::no_stream;
use super::{
    Batch, Capabilities, ClusterTarget, FetchedDocument, InFlight, LiveMark, PartKey, PartMark,
    PartWriter, Partition, PartitionRead, Settled, StreamState, Target, TargetDocument,
    TargetError, TargetIdentity, WorkPlace, WrittenAs,
};
use crate::base::Fingerprint;
use crate::base::version::ProductVersion;
use crate::diff::observation::{ObjectKey, ObjectKind, ShardRoom, TargetIndexFacts};

/// Between the name of a later generation and the key of its partition.
const BEYOND: char = '/';

/// Where the documents of an index land.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Landing {
    /// In an index of this name.
    Index(String),
    /// In a generation of a data stream.
    Generation {
        /// The stream.
        stream: String,
        /// Which of its generations there, from 1.
        number: usize,
        /// Whether the source has none after it.
        last: bool,
    },
}

/// See the module.
pub struct Landed {
    inner: Arc<dyn Target>,
    landings: BTreeMap<String, Landing>,
}

impl Landed {
    /// Over a target; indices that are not named land under their own names.
    pub fn over(inner: Arc<dyn Target>, landings: BTreeMap<String, Landing>) -> Arc<dyn Target> {
        if landings.is_empty() {
            return inner;
        }
        Arc::new(Self { inner, landings })
    }

    /// The backing indices of an index's generation there: its own, and those beyond the source's last.
    fn generation(&self, index: &str) -> Result<Option<(String, Vec<String>)>, TargetError> {
        let Some(Landing::Generation {
            stream,
            number,
            last,
        }) = self.landings.get(index)
        else {
            return Ok(None);
        };
        let found = self.inner.stream(stream)?;
        let indices = found.map(|it| it.indices).unwrap_or_default();
        let mut from = indices.into_iter().skip(number.saturating_sub(1));
        let Some(own) = from.next() else {
            return Ok(None);
        };
        let beyond = if *last { from.collect() } else { Vec::new() };
        Ok(Some((own, beyond)))
    }

    /// The name of an index there; `None`: a generation that the stream has not got yet.
    fn there(&self, index: &str) -> Result<Option<String>, TargetError> {
        Ok(match self.landings.get(index) {
            None => Some(index.to_owned()),
            Some(Landing::Index(name)) => Some(name.clone()),
            Some(Landing::Generation { .. }) => self.generation(index)?.map(|(own, _)| own),
        })
    }

    fn name(&self, index: &str) -> Result<String, TargetError> {
        self.there(index)?.ok_or_else(|| TargetError::NoIndex {
            location: self.inner.location(),
            index: index.to_owned(),
        })
    }

    fn key(&self, key: &ObjectKey) -> Result<Option<ObjectKey>, TargetError> {
        if key.kind != ObjectKind::Index {
            return Ok(Some(key.clone()));
        }
        let name = self.there(&key.name)?;
        Ok(name.map(|name| ObjectKey {
            kind: key.kind,
            name,
        }))
    }
}

impl Target for Landed {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn version(&self) -> ProductVersion {
        self.inner.version()
    }

    fn identity(&self) -> Result<Option<TargetIdentity>, TargetError> {
        self.inner.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn prepare(&self, made_by_plan: &str) -> Result<TargetIdentity, TargetError> {
        self.inner.prepare(made_by_plan)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<String>, TargetError> {
        self.inner.list(kind)
    }

    fn get(&self, key: &ObjectKey) -> Result<Option<Value>, TargetError> {
        match self.key(key)? {
            Some(key) => self.inner.get(&key),
            None => Ok(None),
        }
    }

    fn get_many(&self, keys: &[ObjectKey]) -> Result<Vec<(ObjectKey, Value)>, TargetError> {
        if keys
            .iter()
            .all(|key| !self.landings.contains_key(&key.name))
        {
            return self.inner.get_many(keys);
        }
        let mut found = Vec::new();
        for key in keys {
            found.extend(self.get(key)?.map(|body| (key.clone(), body)));
        }
        Ok(found)
    }

    fn unknown_settings(
        &self,
        settings: &Map<String, Value>,
    ) -> Result<BTreeSet<String>, TargetError> {
        self.inner.unknown_settings(settings)
    }

    fn refusals(
        &self,
        objects: &[(ObjectKey, Value)],
    ) -> Result<Vec<(ObjectKey, String)>, TargetError> {
        self.inner.refusals(objects)
    }

    fn shard_room(&self) -> Result<Option<ShardRoom>, TargetError> {
        self.inner.shard_room()
    }

    fn put(&self, key: &ObjectKey, body: &Value) -> Result<(), TargetError> {
        match self.key(key)? {
            Some(key) => self.inner.put(&key, body),
            None => Err(TargetError::NoIndex {
                location: self.inner.location(),
                index: key.name.clone(),
            }),
        }
    }

    fn delete(&self, key: &ObjectKey) -> Result<bool, TargetError> {
        match self.key(key)? {
            Some(key) => self.inner.delete(&key),
            None => Ok(false),
        }
    }

    fn set_closed(&self, index: &str, closed: bool) -> Result<(), TargetError> {
        self.inner.set_closed(&self.name(index)?, closed)
    }

    fn is_closed(&self, index: &str) -> Result<bool, TargetError> {
        self.inner.is_closed(&self.name(index)?)
    }

    fn index_facts(
        &self,
        index: &str,
        written_docs: u64,
    ) -> Result<Option<TargetIndexFacts>, TargetError> {
        let mut found = self.index_facts_many(&[index], written_docs)?;
        Ok(found.remove(index))
    }

    fn index_facts_many(
        &self,
        indices: &[&str],
        written_docs: u64,
    ) -> Result<BTreeMap<String, TargetIndexFacts>, TargetError> {
        let mut own: BTreeMap<&str, String> = BTreeMap::new();
        let mut beyond: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for index in indices {
            if let Some((name, more)) = self.generation(index)? {
                own.insert(index, name);
                beyond.insert(index, more);
            } else if let Some(name) = self.there(index)? {
                own.insert(index, name);
            }
        }
        let names: Vec<&str> = own
            .values()
            .chain(beyond.values().flatten())
            .map(String::as_str)
            .collect();
        let there = self.inner.index_facts_many(&names, written_docs)?;
        let mut found = BTreeMap::new();
        for (index, name) in own {
            let Some(mut facts) = there.get(&name).cloned() else {
                continue;
            };
            let mut more = Vec::new();
            for name in beyond.remove(index).into_iter().flatten() {
                if let Some(later) = there.get(&name).filter(|later| later.docs > 0) {
                    facts.docs += later.docs;
                    facts.foreign_docs += later.docs;
                    more.push(later.content.clone());
                }
            }
            if !more.is_empty() {
                facts.content = facts.content.map(|own| Fingerprint::of(&(own, more)));
            }
            found.insert(index.to_owned(), facts);
        }
        Ok(found)
    }

    fn open_part(
        &self,
        part: &PartKey,
        expected_uuid: Option<&str>,
        resume: Option<&PartMark>,
    ) -> Result<Box<dyn PartWriter>, TargetError> {
        let Some(landing) = self.landings.get(&part.index) else {
            return self.inner.open_part(part, expected_uuid, resume);
        };
        let there = PartKey {
            index: self.name(&part.index)?,
            part: part.part.clone(),
        };
        let (inner, index, place) = match landing {
            Landing::Index(_) => (
                self.inner.open_part(&there, expected_uuid, resume)?,
                there.index,
                None,
            ),
            Landing::Generation { stream, number, .. } => {
                let place = Place {
                    target: Arc::clone(&self.inner),
                    stream: stream.clone(),
                    number: *number,
                    index: there.index.clone(),
                };
                place.check()?;
                (
                    self.inner
                        .open_part_of_stream(stream, &there, expected_uuid, resume)?,
                    stream.clone(),
                    Some(place),
                )
            }
        };
        let create = place.is_some();
        Ok(Box::new(LandedPart {
            inner,
            as_written: WrittenAs { index, create },
            place,
        }))
    }

    /// Of a generation: the whole stream is made anew, since documents only go into its last one.
    fn clear_documents(&self, index: &str) -> Result<(), TargetError> {
        match self.landings.get(index) {
            Some(Landing::Generation { stream, .. }) => self.inner.remake_stream(stream),
            _ => self.inner.clear_documents(&self.name(index)?),
        }
    }

    fn clear_layers(&self, index: &str, from: u32) -> Result<bool, TargetError> {
        self.inner.clear_layers(&self.name(index)?, from)
    }

    fn partitions(&self, index: &str) -> Result<Vec<Partition>, TargetError> {
        let mut partitions = self.inner.partitions(&self.name(index)?)?;
        let beyond = self.generation(index)?.map(|(_, beyond)| beyond);
        for name in beyond.into_iter().flatten() {
            for partition in self.inner.partitions(&name)? {
                partitions.push(Partition {
                    key: format!("{name}{BEYOND}{}", partition.key),
                    ..partition
                });
            }
        }
        Ok(partitions)
    }

    fn read_partition(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(TargetDocument<'_>) -> ControlFlow<()>,
    ) -> Result<PartitionRead, TargetError> {
        let versions = !matches!(self.landings.get(index), Some(Landing::Generation { .. }));
        let mut each = |document: TargetDocument<'_>| {
            visit(TargetDocument {
                version: document.version.filter(|_| versions),
                ..document
            })
        };
        if let Some((name, key)) = partition.key.split_once(BEYOND).filter(|_| !versions) {
            let partition = Partition {
                key: key.to_owned(),
                ..partition.clone()
            };
            return self.inner.read_partition(name, &partition, &mut each);
        }
        let name = self.name(index)?;
        self.inner.read_partition(&name, partition, &mut each)
    }

    fn count(&self, index: &str) -> Result<Option<u64>, TargetError> {
        let Some(name) = self.there(index)? else {
            return Ok(None);
        };
        let Some(mut docs) = self.inner.count(&name)? else {
            return Ok(None);
        };
        let beyond = self.generation(index)?.map(|(_, beyond)| beyond);
        for name in beyond.into_iter().flatten() {
            docs += self.inner.count(&name)?.unwrap_or(0);
        }
        Ok(Some(docs))
    }

    fn fetch(
        &self,
        index: &str,
        wanted: &[(&str, Option<&str>)],
    ) -> Result<Option<Vec<Option<FetchedDocument>>>, TargetError> {
        let versions = !matches!(self.landings.get(index), Some(Landing::Generation { .. }));
        let mut found = self.inner.fetch(&self.name(index)?, wanted)?;
        for document in found.iter_mut().flatten().flatten() {
            document.version = document.version.filter(|_| versions);
        }
        Ok(found)
    }

    fn stream(&self, name: &str) -> Result<Option<StreamState>, TargetError> {
        self.inner.stream(name)
    }

    fn roll_over(&self, name: &str, have: usize) -> Result<(), TargetError> {
        self.inner.roll_over(name, have)
    }

    fn remake_stream(&self, name: &str) -> Result<(), TargetError> {
        self.inner.remake_stream(name)
    }

    fn name_there(&self, index: &str) -> Result<String, TargetError> {
        self.name(index)
    }

    fn request_bytes(&self) -> Option<usize> {
        self.inner.request_bytes()
    }

    fn cpu_percent(&self) -> Result<Option<u8>, TargetError> {
        self.inner.cpu_percent()
    }

    fn live(&self) -> Result<Option<LiveMark>, TargetError> {
        self.inner.live()
    }

    fn mark_live(&self, mark: &LiveMark) -> Result<(), TargetError> {
        self.inner.mark_live(mark)
    }

    fn lift_live(&self) -> Result<bool, TargetError> {
        self.inner.lift_live()
    }

    fn work_place(&self) -> WorkPlace {
        self.inner.work_place()
    }

    fn cluster(&self) -> Option<&ClusterTarget> {
        self.inner.cluster()
    }
}

/// The generation that documents have to go to.
struct Place {
    target: Arc<dyn Target>,
    stream: String,
    number: usize,
    index: String,
}

impl Place {
    /// Whether the stream still gives its documents to this generation.
    fn check(&self) -> Result<(), TargetError> {
        let location = || self.target.location();
        let found = self
            .target
            .stream(&self.stream)?
            .ok_or_else(|| no_stream(location(), &self.stream))?;
        let is_last = found.indices.len() == self.number;
        if is_last && found.indices.last() == Some(&self.index) {
            return Ok(());
        }
        Err(TargetError::OtherGeneration {
            location: location(),
            stream: self.stream.clone(),
            wanted: self.number,
            found: found.indices.len(),
        })
    }
}

/// See [`Landed`].
struct LandedPart {
    inner: Box<dyn PartWriter>,
    as_written: WrittenAs,
    place: Option<Place>,
}

impl LandedPart {
    /// After what was sent is settled and before it is noted: nothing of it may have gone elsewhere.
    fn check(&self) -> Result<(), TargetError> {
        self.place.as_ref().map_or(Ok(()), Place::check)
    }
}

impl PartWriter for LandedPart {
    fn names_index(&self) -> bool {
        self.inner.names_index()
    }

    fn written_as(&self) -> Option<&WrittenAs> {
        Some(&self.as_written)
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    fn ready(&mut self, on_their_way: usize) -> Result<bool, TargetError> {
        self.inner.ready(on_their_way)
    }

    fn submit(&mut self, batch: Batch, in_flight: InFlight) -> Result<Batch, TargetError> {
        self.inner.submit(batch, in_flight)
    }

    fn checkpoint(&mut self) -> Result<(PartMark, Settled), TargetError> {
        let settled = self.inner.checkpoint()?;
        self.check()?;
        Ok(settled)
    }

    fn finish(self: Box<Self>) -> Result<(PartMark, Settled), TargetError> {
        let Self { inner, place, .. } = *self;
        let settled = inner.finish()?;
        place.as_ref().map_or(Ok(()), Place::check)?;
        Ok(settled)
    }
}
