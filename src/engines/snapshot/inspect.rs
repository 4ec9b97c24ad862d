//! What is in a repository, as typed values: snapshots, indices, shards, segments, counts of documents.
//!
//! Counts come from the metadata of segments; no document is read. What can't be read is told in its place and does
//! not hide the rest: this is what one looks at when a repository is damaged.
//!
//! Deliberately absent: any rendering, which is in `ui`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::error::SnapshotError;
use super::global_metadata::DataStream;
use super::index_metadata::IndexState;
use super::info::SnapshotInfo;
use super::parallel;
use super::repository::Repository;
use super::repository_data::SnapshotEntry;
use super::shard::ShardSnapshot;
use super::snapshot::Snapshot;
use super::state::SnapshotState;
use super::version_id::IndexVersion;
use crate::engines::lucene::{Commit, LuceneError, Segment, SegmentCommit, SegmentFiles};

/// Snapshots that are asked for their state where the repository does not list it.
const ASKED_MAX: usize = 200;

/// A repository, and one of its snapshots in detail.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryReport {
    /// Where it is.
    pub location: String,
    /// The N of `index-N`; 0 for repositories of Elasticsearch 1.x and 2.x.
    pub generation: u64,
    /// Name of the blob that lists the snapshots.
    pub index_blob: String,
    /// All snapshots.
    pub snapshots: Vec<SnapshotEntry>,
    /// The one that was asked for, or the only one.
    pub detail: Option<SnapshotReport>,
}

/// One snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotReport {
    /// What it says of itself.
    pub info: SnapshotInfo,
    /// Its indices, sorted by name.
    pub indices: Vec<IndexReport>,
    /// Its data streams, with their backing indices; `None` where the metadata of the cluster can't be read.
    pub data_streams: Option<Vec<DataStream>>,
    /// Sums over all indices.
    pub totals: Counts,
}

/// One index.
#[derive(Clone, Debug, Serialize)]
pub struct IndexReport {
    /// Its name.
    pub name: String,
    /// Its id in the repository.
    pub id: String,
    /// Open or closed; `None` when the metadata can't be read.
    pub state: Option<IndexState>,
    /// The version that created it.
    pub created: Option<IndexVersion>,
    /// Its shards, by number.
    pub shards: Vec<ShardReport>,
    /// Sums over its shards.
    pub totals: Counts,
    /// Why its metadata can't be read.
    pub error: Option<String>,
}

/// One shard.
#[derive(Clone, Debug, Serialize)]
pub struct ShardReport {
    /// Its number.
    pub shard: u32,
    /// The largest sequence number, from the commit.
    pub max_seq_no: Option<i64>,
    /// Its segments in the order of the commit.
    pub segments: Vec<SegmentReport>,
    /// Sums over its segments.
    pub totals: Counts,
    /// Why it, or its commit, can't be read.
    pub error: Option<String>,
}

/// One segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    /// `_0`.
    pub name: String,
    /// Name of its codec, as the commit states it.
    pub codec: String,
    /// The version of Lucene that wrote it.
    pub lucene_version: Option<String>,
    /// Format of the stored fields, as their file states it.
    pub stored_format: Option<String>,
    /// Counts.
    pub totals: Counts,
    /// Why it can't be read.
    pub error: Option<String>,
}

/// Counts of documents and bytes of a segment, or sums of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Shards.
    pub shards: u64,
    /// Segments.
    pub segments: u64,
    /// Lucene documents, dead and nested ones too.
    pub max_doc: u64,
    /// Lucene documents that are not deleted; nested ones too.
    pub live: u64,
    /// Documents as users count them: live and not nested. `None` where only reading would tell.
    pub documents: Option<u64>,
    /// Deleted in `.liv` files.
    pub hard_deleted: u64,
    /// Deleted by the soft-deletes field alone.
    pub soft_deleted: u64,
    /// Bytes of the files as Lucene sees them.
    pub bytes: u64,
    /// Things below this that can't be read: the sums lack them.
    pub errors: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            shards: 0,
            segments: 0,
            max_doc: 0,
            live: 0,
            documents: Some(0),
            hard_deleted: 0,
            soft_deleted: 0,
            bytes: 0,
            errors: 0,
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.shards += other.shards;
        self.segments += other.segments;
        self.max_doc += other.max_doc;
        self.live += other.live;
        self.documents = self
            .documents
            .zip(other.documents)
            .map(|(left, right)| left + right);
        self.hard_deleted += other.hard_deleted;
        self.soft_deleted += other.soft_deleted;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.errors += other.errors;
    }

    fn failed() -> Self {
        Self {
            documents: None,
            errors: 1,
            ..Self::default()
        }
    }

    fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut total = Self::default();
        for part in parts {
            total.add(part);
        }
        total
    }
}

impl SnapshotReport {
    /// Formats of stored fields with the number of segments that have them.
    pub fn formats(&self) -> BTreeMap<String, u64> {
        let segments = self
            .indices
            .iter()
            .flat_map(|index| &index.shards)
            .flat_map(|shard| &shard.segments);
        let mut formats = BTreeMap::new();
        for segment in segments {
            let version = segment.lucene_version.as_deref().unwrap_or("unknown");
            let format = segment.stored_format.as_deref().unwrap_or("not read");
            let name = format!("Lucene {version}, {}, {format}", segment.codec);
            *formats.entry(name).or_default() += 1;
        }
        formats
    }
}

/// Inspects a repository; in detail the snapshot `name`, or the only one when no name is given.
///
/// # Errors
/// Only what keeps everything from being read; all else is told within the report.
pub fn inspect(
    repository: &Repository,
    name: Option<&str>,
) -> Result<RepositoryReport, SnapshotError> {
    let name = match (name, repository.snapshots()) {
        (Some(name), _) => Some(name),
        (None, [only]) => Some(only.name.as_str()),
        (None, _) => None,
    };
    let detail = name
        .map(|name| repository.snapshot(name).map(|snapshot| detail(&snapshot)))
        .transpose()?;
    Ok(RepositoryReport {
        location: repository.location(),
        generation: repository.generation(),
        index_blob: repository.index_blob(),
        snapshots: listed(repository),
        detail,
    })
}

/// The snapshots with their states: repositories of Elasticsearch 1.x and 2.x list names alone, so that there each of the
/// newest is asked.
fn listed(repository: &Repository) -> Vec<SnapshotEntry> {
    let mut entries = repository.snapshots().to_vec();
    let unknown = |entry: &&mut SnapshotEntry| entry.state == SnapshotState::Unknown;
    let asked: Vec<&mut SnapshotEntry> = entries
        .iter_mut()
        .rev()
        .filter(unknown)
        .take(ASKED_MAX)
        .collect();
    let infos = parallel::map(&asked, |entry| repository.info(entry).ok());
    for (entry, info) in asked.into_iter().zip(infos) {
        if let Some(info) = info.flatten() {
            entry.state = info.state;
            entry.version = info
                .version
                .map(|version| version.line().version.to_string());
        }
    }
    entries
}

fn detail(snapshot: &Snapshot) -> SnapshotReport {
    let indices: Vec<IndexReport> = snapshot
        .indices()
        .iter()
        .map(|index| {
            let metadata = snapshot.index_metadata(&index.name);
            let shards: Vec<ShardReport> = (0..index.shards)
                .map(|shard| inspect_shard(snapshot, &index.name, shard))
                .collect();
            let mut totals = Counts::sum(shards.iter().map(|shard| &shard.totals));
            totals.errors += u64::from(metadata.is_err());
            let (metadata, error) = split(metadata);
            IndexReport {
                name: index.name.clone(),
                id: index.id.clone(),
                state: metadata.as_ref().map(|metadata| metadata.state),
                created: metadata.and_then(|metadata| metadata.created),
                shards,
                totals,
                error,
            }
        })
        .collect();
    SnapshotReport {
        info: snapshot.info().clone(),
        totals: Counts::sum(indices.iter().map(|index| &index.totals)),
        data_streams: snapshot
            .global_metadata()
            .ok()
            .map(|global| global.data_streams()),
        indices,
    }
}

fn split<T, E: std::fmt::Display>(result: Result<T, E>) -> (Option<T>, Option<String>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn inspect_shard(snapshot: &Snapshot, index: &str, number: u32) -> ShardReport {
    let mut report = ShardReport {
        shard: number,
        max_seq_no: None,
        segments: Vec::new(),
        totals: Counts::failed(),
        error: None,
    };
    match snapshot.shard(index, number) {
        Err(error) => report.error = Some(error.to_string()),
        Ok(shard) => {
            match Commit::read(&**shard.files()) {
                Err(error) => report.error = Some(error.to_string()),
                Ok(commit) => {
                    report.max_seq_no = commit.max_seq_no;
                    report.segments = commit
                        .segments
                        .iter()
                        .map(|segment| inspect_segment(&shard, segment))
                        .collect();
                    report.totals =
                        Counts::sum(report.segments.iter().map(|segment| &segment.totals));
                }
            }
            // More than the sum of the segments: the commit itself has a file.
            report.totals.bytes = shard.total_bytes();
        }
    }
    report.totals.shards = 1;
    report
}

fn inspect_segment(shard: &ShardSnapshot, commit: &SegmentCommit) -> SegmentReport {
    let files: Arc<dyn SegmentFiles> = Arc::clone(shard.files()) as Arc<dyn SegmentFiles>;
    let opened: Result<Segment, LuceneError> = Segment::open(files, commit);
    let mut totals = opened.as_ref().map_or_else(
        |_| Counts::failed(),
        |segment| {
            let counts = segment.counts();
            Counts {
                max_doc: u64::from(counts.max_doc),
                live: u64::from(counts.live),
                documents: counts.roots_live,
                hard_deleted: u64::from(counts.hard_deleted),
                soft_deleted: u64::from(counts.soft_deleted),
                ..Counts::default()
            }
        },
    );
    totals.segments = 1;
    totals.bytes = segment_bytes(shard, &commit.name);
    let (segment, error) = split(opened);
    SegmentReport {
        name: commit.name.clone(),
        codec: commit.codec.clone(),
        lucene_version: segment
            .as_ref()
            .map(|segment| segment.lucene_version().to_string()),
        stored_format: segment.map(|segment| segment.stored_format().to_owned()),
        totals,
        error,
    }
}

/// Files of a segment are `_0.…` and `_0_….…`.
fn segment_bytes(shard: &ShardSnapshot, segment: &str) -> u64 {
    shard
        .files()
        .iter()
        .filter(|file| {
            file.name
                .strip_prefix(segment)
                .is_some_and(|rest| rest.starts_with(['.', '_']))
        })
        .fold(0, |total, file| total.saturating_add(file.length))
}
