//! The documents of a snapshot as the server that made it answered them, and as the reader gives them: read, and held
//! against each other.
//!
//! Used by the tests over committed snapshots and by those that make their own on running servers. Relies on the engines
//! alone. Deliberately absent: how the answers were had.

use std::collections::BTreeMap;
use std::sync::Arc;

use mig::engines::lucene::{Commit, ParentIds, ReadError, Scratch, Segment, SegmentFiles};
use mig::engines::snapshot::{Snapshot, source_format};
use serde::Deserialize;
use serde_json::Value;

/// A document of the server's answer to a scroll.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    /// Not `_doc`.
    #[serde(rename = "_type")]
    pub(crate) mapping_type: Option<String>,
    #[serde(rename = "_routing")]
    pub(crate) routing: Option<String>,
    /// The id of its parent, before 6.
    #[serde(rename = "_parent")]
    pub(crate) parent: Option<String>,
    #[serde(rename = "_version")]
    pub(crate) version: Option<i64>,
    /// Servers know it from 6.0 on, and tell it from 6.6 on.
    #[serde(rename = "_seq_no")]
    pub(crate) seq_no: Option<i64>,
    #[serde(rename = "_primary_term")]
    pub(crate) primary_term: Option<i64>,
    /// The text that the server gave; none where it has no source.
    #[serde(rename = "_source")]
    pub(crate) source: Option<String>,
    /// How it is stored where that is not JSON: then `source` is the server's rendering.
    pub(crate) format: Option<String>,
    /// What was sent, where the server does not keep that as the source.
    pub(crate) sent: Option<String>,
}

/// Servers take comments in JSON, store them and return them, and so does `mig` on a line; this is one of the corpus.
const COMMENT: &str = "/* a note */";

/// What becomes of `_source` in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kept {
    /// As it was sent.
    Stored,
    /// Not at all.
    Disabled,
    /// Some fields, written anew.
    Includes,
    /// All but some fields, written anew.
    Excludes,
    /// Made up from other files when asked for.
    Synthetic,
    /// The same, by the mode of the index.
    Logsdb,
    /// The same.
    TimeSeries,
    /// Made up likewise, by OpenSearch.
    Derived,
}

impl Kept {
    fn is_stored(self) -> bool {
        matches!(self, Self::Stored | Self::Includes | Self::Excludes)
    }
}

/// A document as the reader gives it.
#[derive(Clone, Debug)]
struct Read {
    mapping_type: Option<String>,
    parent: Option<String>,
    version: Option<i64>,
    seq_no: Option<i64>,
    primary_term: Option<i64>,
    source: Option<Vec<u8>>,
    recovery_source: Option<Vec<u8>>,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Documents equal to the server's in everything that it told.
    pub(crate) documents: u64,
    /// Of these, sources equal byte for byte.
    pub(crate) sources: u64,
    /// Of these, without a source, with the original beside it.
    pub(crate) originals: u64,
    /// Of these, with a parent.
    pub(crate) parents: u64,
    /// Nested documents below them.
    pub(crate) nested: u64,
    /// Documents that are deleted and still there.
    pub(crate) dead: u64,
}

impl std::ops::AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.documents += other.documents;
        self.sources += other.sources;
        self.originals += other.originals;
        self.parents += other.parents;
        self.nested += other.nested;
        self.dead += other.dead;
    }
}

type Key = (String, Option<String>, Option<String>);

/// Reads an index of a snapshot, every segment proven by its checksums and counts, and compares it with the server's
/// documents; the first difference is an error that names it.
pub(crate) fn compare(
    snapshot: &Snapshot,
    index: &str,
    kept: Kept,
    answers: &[Answer],
) -> Result<Compared, String> {
    let (mut read, mut compared) = read(snapshot, index)?;
    for answer in answers {
        let what = format!("{index}: {:?} of routing {:?}", answer.id, answer.routing);
        // Types before 6 are a part of the identity and of what is stored; later they are the index's.
        let key = |mapping_type: Option<&String>| {
            (
                answer.id.clone(),
                answer.routing.clone(),
                mapping_type.cloned(),
            )
        };
        let found = read
            .remove(&key(answer.mapping_type.as_ref()))
            .or_else(|| read.remove(&key(None)))
            .ok_or_else(|| format!("{what} is missing"))?;
        for (name, found, wanted) in [
            ("version", found.version, answer.version),
            ("seq_no", found.seq_no, answer.seq_no),
            ("primary_term", found.primary_term, answer.primary_term),
        ] {
            if wanted.is_some() && found != wanted {
                return Err(format!("{what}: {name} is {found:?}, not {wanted:?}"));
            }
        }
        if found.parent != answer.parent {
            return Err(format!(
                "{what}: its parent is {:?}, not {:?}",
                found.parent, answer.parent
            ));
        }
        compared.parents += u64::from(found.parent.is_some());
        same_source(&found, answer, kept, &mut compared)
            .map_err(|why| format!("{what} ({:?}): {why}", found.mapping_type))?;
        compared.documents += 1;
    }
    read.keys().next().map_or(Ok(compared), |extra| {
        Err(format!("{index}: {extra:?} is extra"))
    })
}

fn same_source(
    found: &Read,
    answer: &Answer,
    kept: Kept,
    compared: &mut Compared,
) -> Result<(), String> {
    if !kept.is_stored() {
        if let Some(source) = &found.source {
            return Err(format!("has a source of {} bytes", source.len()));
        }
        if let (Some(original), Some(sent)) = (&found.recovery_source, &answer.sent) {
            if original.trim_ascii() != sent.trim().as_bytes() {
                return Err(differ("the original", original, sent));
            }
            compared.originals += 1;
        }
        return Ok(());
    }
    let (Some(source), Some(wanted)) = (&found.source, &answer.source) else {
        return Err("one of both has no source".to_owned());
    };
    let line = source_format::to_json_line(source).map_err(|error| error.to_string())?;
    let strict = String::from_utf8_lossy(&line).replace(COMMENT, " ");
    let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&strict);
    is_json.map_err(|error| format!("the line is no JSON: {error}"))?;
    if line.contains(&b'\n') || line.contains(&b'\r') {
        return Err("the line has several lines".to_owned());
    }
    if answer.format.is_some() {
        let value = |text: &[u8]| serde_json::from_slice::<Value>(text).map_err(|e| e.to_string());
        if value(&line)? != value(wanted.as_bytes())? {
            return Err(differ("the rendering", &line, wanted));
        }
        return Ok(());
    }
    if source.trim_ascii() != wanted.trim().as_bytes() {
        return Err(differ("the source", source, wanted));
    }
    compared.sources += 1;
    Ok(())
}

fn differ(what: &str, found: &[u8], wanted: &str) -> String {
    const SHOWN: usize = 400;
    let found: String = String::from_utf8_lossy(found).chars().take(SHOWN).collect();
    let wanted: String = wanted.chars().take(SHOWN).collect();
    format!("{what} differs\n  read:   {found}\n  server: {wanted}")
}

/// All live documents of an index by what identifies them.
fn read(snapshot: &Snapshot, index: &str) -> Result<(BTreeMap<Key, Read>, Compared), String> {
    let mut documents = BTreeMap::new();
    let mut compared = Compared::default();
    let listed = snapshot.index(index).map_err(|error| error.to_string())?;
    let metadata = snapshot.index_metadata(index);
    let metadata = metadata.map_err(|error| error.to_string())?;
    let parent_types: BTreeMap<&str, &str> = metadata
        .types
        .iter()
        .filter_map(|it| {
            let parent = it.mapping.pointer("/_parent/type")?.as_str()?;
            Some((it.type_name.as_str(), parent))
        })
        .collect();
    for shard in 0..listed.shards {
        let place = format!("{index}/{shard}");
        let told = |error: &dyn std::error::Error| format!("{place}: {error}");
        let files: Arc<dyn SegmentFiles> = snapshot
            .shard(index, shard)
            .map_err(|error| told(&error))?
            .files()
            .clone();
        let commit = Commit::read(&*files).map_err(|error| told(&error))?;
        for info in &commit.segments {
            let mut twice = None;
            let segment = Segment::open(Arc::clone(&files), info).map_err(|error| told(&error))?;
            let mut parents: BTreeMap<&str, ParentIds> = BTreeMap::new();
            for parent in parent_types.values() {
                let ids = segment.parent_ids(parent).map_err(|error| told(&error))?;
                parents.insert(parent, ids);
            }
            let read = segment.read_documents(0..usize::MAX, &mut Scratch::new(), |document| {
                let ids = document.legacy_type.and_then(|it| parent_types.get(it));
                let parent = match ids.and_then(|parent| parents.get_mut(parent)) {
                    Some(ids) => ids.of(&document).expect("a parent"),
                    None => None,
                };
                let parent = parent.map(str::to_owned);
                let key = (
                    document.id.to_owned(),
                    document.routing.map(str::to_owned),
                    document.legacy_type.map(str::to_owned),
                );
                let read = Read {
                    mapping_type: document.legacy_type.map(str::to_owned),
                    parent,
                    version: document.version,
                    seq_no: document.seq_no,
                    primary_term: document.primary_term,
                    source: document.source.map(<[u8]>::to_vec),
                    recovery_source: document.recovery_source.map(<[u8]>::to_vec),
                };
                if documents.insert(key.clone(), read).is_some() {
                    twice = Some(key);
                }
                Ok::<(), ()>(())
            });
            let stats = read.map_err(|error| match error {
                ReadError::Lucene(error) => told(&error),
                ReadError::Visitor(()) => unreachable!("the visitor takes every document"),
            })?;
            if let Some(key) = twice {
                return Err(format!("{place}: {key:?} is there twice"));
            }
            segment
                .check_spans(&[stats.span])
                .map_err(|error| told(&error))?;
            for file in segment.unverified_files() {
                segment
                    .verify_checksum(file)
                    .map_err(|error| told(&error))?;
            }
            let counts = segment.counts();
            let live = stats.live_roots + stats.nested;
            if (stats.docs, live) != (u64::from(counts.max_doc), u64::from(counts.live)) {
                return Err(format!("{place}/{}: {stats:?} of {counts:?}", info.name));
            }
            if !segment.values_unread().is_empty() {
                return Err(format!("{place}: unread {:?}", segment.values_unread()));
            }
            compared.nested += stats.nested;
            compared.dead += stats.dead;
        }
    }
    Ok((documents, compared))
}
