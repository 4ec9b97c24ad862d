//! What an index of a snapshot holds, and what of it can't be read: looked at when planning, by the small files alone.
//!
//! Of a shard its list of files, its commit, and of each segment the infos, the fields, the bitmaps and the places of its
//! chunks are read; no document, but the identities of an index with several mapping types. Many shards are looked at at once (as many as [`parallel::THREADS_MAX`]). What can't be read
//! becomes a finding with a code, so that an index that nobody moves is in nobody's way; a store that fails stays an error.
//!
//! Deliberately absent: asking what is to be done, which is the backfill's.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::existing::Missing;
use super::types::scan::{READ_BYTES_MAX, READ_DOCS_MAX, read_ids};
use crate::diff::observation::{IdsRead, MissingShard, TypesFacts, Unreadable};
use crate::engines::lucene::{Commit, LuceneError, Segment, SegmentFiles, unread_format};
use crate::engines::mapping_types::facts;
use crate::engines::snapshot::{
    IndexMetadata, IndexVersion, Snapshot, SnapshotError, SnapshotIndex, parallel,
};
use crate::plan::codes::{Code, planning};

/// By this attribute OpenSearch's k-NN plugin says which vectors it took out of `_source`.
const MASKED_ATTRIBUTE: &str = "derived_vector_fields";

/// The first index version of Elasticsearch that leaves vectors out of `_source` where nothing is said (9.2).
const VECTORS_EXCLUDED_SINCE: u64 = 9_035_000;

/// An index as it was looked at.
#[derive(Debug)]
pub(super) struct Scanned {
    /// Its metadata.
    pub(super) metadata: IndexMetadata,
    /// Live root documents by the segments' own bitmaps; `None` where these don't tell.
    pub(super) docs: Option<u64>,
    /// Bytes of stored fields.
    pub(super) bytes: u64,
    /// What can't be read.
    pub(super) unreadable: Vec<Unreadable>,
    /// Shards that the snapshot lacks and that the plan does without.
    pub(super) missing: Vec<MissingShard>,
    /// Fields whose doc values are of a format that is not read, with it: a matter for sources that are made again.
    pub(super) unread_values: BTreeMap<String, String>,
    /// Its mapping types, where they are more than a name.
    pub(super) types: Option<TypesFacts>,
}

/// What one shard added.
struct ShardScan {
    docs: Option<u64>,
    /// Live documents, nested ones too.
    live: u64,
    bytes: u64,
    findings: Vec<Finding>,
    missing: Option<MissingShard>,
    unread_values: BTreeMap<String, String>,
}

/// Something that can't be read.
struct Finding {
    code: Code,
    what: String,
    mend: String,
}

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// The store failed, or metadata can't be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The store failed at a file of a segment.
    #[error("{place}: {source}")]
    Segment {
        /// Index and shard.
        place: String,
        /// What the store said.
        source: LuceneError,
    },
    /// A thread ended without a result.
    #[error("looking at {0} ended unexpectedly")]
    Thread(String),
}

/// Looks at all indices of a snapshot.
pub(super) fn scan(
    snapshot: &Snapshot,
    missing: Missing,
) -> Result<BTreeMap<String, Scanned>, ScanError> {
    let indices = snapshot.indices();
    let mut found = BTreeMap::new();
    let metadata = parallel::map(indices, |index| snapshot.index_metadata(&index.name));
    for (index, metadata) in indices.iter().zip(metadata) {
        let metadata = metadata.ok_or_else(|| ScanError::Thread(index.name.clone()))??;
        let mut scanned = Scanned {
            docs: Some(0),
            bytes: 0,
            unreadable: Vec::new(),
            missing: Vec::new(),
            unread_values: BTreeMap::new(),
            types: facts(types_of(&metadata)),
            metadata,
        };
        let findings = of_metadata(snapshot, &scanned.metadata);
        scanned.unreadable = findings.into_iter().map(|it| it.told(None)).collect();
        found.insert(index.name.clone(), scanned);
    }
    let has_files = |name: &str| {
        let scanned = found.get(name);
        scanned.is_some_and(|it| !it.metadata.is_mounted_snapshot())
    };
    let shards: Vec<(&str, u32)> = indices
        .iter()
        .filter(|index| has_files(&index.name))
        .flat_map(|index| (0..index.shards).map(|shard| (index.name.as_str(), shard)))
        .collect();
    let scans = parallel::map(&shards, |(index, shard)| {
        scan_shard(snapshot, index, *shard, missing)
    });
    let mut live: BTreeMap<&str, u64> = BTreeMap::new();
    for ((index, shard), scan) in shards.iter().zip(scans) {
        let scan = scan.ok_or_else(|| ScanError::Thread(format!("{index}/{shard}")))??;
        let Some(sum) = found.get_mut(*index) else {
            continue;
        };
        sum.docs = sum.docs.zip(scan.docs).map(|(a, b)| a + b);
        sum.bytes += scan.bytes;
        *live.entry(*index).or_default() += scan.live;
        sum.missing.extend(scan.missing);
        sum.unread_values.extend(scan.unread_values);
        for finding in scan.findings {
            sum.unreadable.push(finding.told(Some(*shard)));
        }
    }
    for index in indices {
        let Some(scanned) = found.get_mut(&index.name) else {
            continue;
        };
        let live = live.get(index.name.as_str()).copied().unwrap_or(0);
        identities(snapshot, index, live, scanned)?;
    }
    for scanned in found.values_mut() {
        shorten(&mut scanned.unreadable);
    }
    Ok(found)
}

fn types_of(metadata: &IndexMetadata) -> impl Iterator<Item = (&str, &serde_json::Value)> {
    let types = metadata.types.iter();
    types.map(|it| (it.type_name.as_str(), &it.mapping))
}

/// Reads the identities of an index with several types, as far as that is affordable.
fn identities(
    snapshot: &Snapshot,
    index: &SnapshotIndex,
    live: u64,
    scanned: &mut Scanned,
) -> Result<(), ScanError> {
    let Some(types) = &mut scanned.types else {
        return Ok(());
    };
    if types.types.len() < 2 {
        types.read = IdsRead::All;
        return Ok(());
    }
    types.read = IdsRead::TooMany;
    let readable = scanned.unreadable.is_empty() && scanned.missing.is_empty();
    if !readable || live > READ_DOCS_MAX || scanned.bytes > READ_BYTES_MAX {
        return Ok(());
    }
    read_ids(snapshot, &index.name, index.shards, types).map_err(|source| ScanError::Segment {
        place: index.name.clone(),
        source,
    })
}

impl Finding {
    fn told(self, shard: Option<u32>) -> Unreadable {
        Unreadable {
            code: self.code.to_string(),
            shard,
            what: self.what,
            mend: self.mend,
        }
    }
}

/// The first finding of each code and the number of the others: many segments and shards have one cause.
fn shorten(findings: &mut Vec<Unreadable>) {
    let mut more: BTreeMap<String, usize> = BTreeMap::new();
    let mut told: Vec<Unreadable> = Vec::new();
    for finding in findings.drain(..) {
        if told.iter().any(|it| it.code == finding.code) {
            *more.entry(finding.code).or_default() += 1;
        } else {
            told.push(finding);
        }
    }
    for finding in &mut told {
        if let Some(more) = more.get(&finding.code) {
            finding.what.push_str(&format!(", and {more} more such"));
        }
    }
    *findings = told;
}

/// What the metadata of an index tells already.
fn of_metadata(snapshot: &Snapshot, metadata: &IndexMetadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    if metadata.is_mounted_snapshot() {
        findings.push(mounted(snapshot, metadata));
    }
    let excluded = match metadata.setting("index.mapping.exclude_source_vectors") {
        Some(text) => text == "true",
        None => {
            matches!(metadata.created, Some(IndexVersion::Opaque { id }) if id >= VECTORS_EXCLUDED_SINCE)
        }
    };
    if excluded {
        let mut fields = Vec::new();
        for mapping in &metadata.types {
            vector_fields("", &mapping.mapping, 0, &mut fields);
        }
        if !fields.is_empty() {
            findings.push(Finding {
                code: planning::MASKED_VECTORS,
                what: format!(
                    "the vectors of {} are left out of its documents' _source (index.mapping.exclude_source_vectors)",
                    quoted(&fields)
                ),
                mend: "write it anew at the source with index.mapping.exclude_source_vectors: false".into(),
            });
        }
    }
    findings
}

/// Where the documents of a mounted index are.
fn mounted(snapshot: &Snapshot, metadata: &IndexMetadata) -> Finding {
    let of = |key: &str| {
        let value = metadata.setting(&format!("index.store.snapshot.{key}"));
        value.unwrap_or("unknown")
    };
    let (name, uuid, index) = (of("snapshot_name"), of("snapshot_uuid"), of("index_name"));
    let here = snapshot
        .repository()
        .snapshots()
        .iter()
        .any(|entry| entry.uuid == uuid);
    let mend = if here {
        format!(
            "name `{name}` of this same repository in a snapshot phase of its own (`existing`), and read index {index} from there"
        )
    } else {
        format!(
            "find the repository that was registered as `{}`, and read index {index} of its snapshot `{name}`",
            of("repository_name")
        )
    };
    Finding {
        code: planning::MOUNTED_SNAPSHOT,
        what: format!(
            "it is mounted from index {index} of snapshot `{name}` ({uuid}) and has no files of its own here"
        ),
        mend,
    }
}

/// Fields whose values Elasticsearch 9.2 and later leaves out of `_source`. The depth of mappings is bounded by the reader.
fn vector_fields(
    prefix: &str,
    mapping: &serde_json::Value,
    depth: usize,
    fields: &mut Vec<String>,
) {
    const DEPTH_MAX: usize = 64;
    let Some(properties) = mapping.get("properties").and_then(|it| it.as_object()) else {
        return;
    };
    for (name, field) in properties {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let kind = field.get("type").and_then(|it| it.as_str());
        if matches!(
            kind,
            Some("dense_vector" | "sparse_vector" | "rank_vectors")
        ) {
            fields.push(path.clone());
        }
        if depth < DEPTH_MAX {
            vector_fields(&path, field, depth + 1, fields);
        }
    }
}

fn quoted(fields: &[String]) -> String {
    let names: Vec<&str> = fields.iter().map(String::as_str).collect();
    super::common::few(&names)
}

fn scan_shard(
    snapshot: &Snapshot,
    index: &str,
    shard: u32,
    missing: Missing,
) -> Result<ShardScan, ScanError> {
    let mut scan = ShardScan {
        docs: Some(0),
        live: 0,
        bytes: 0,
        findings: Vec::new(),
        missing: None,
        unread_values: BTreeMap::new(),
    };
    let found = match snapshot.shard(index, shard) {
        Ok(found) => found,
        Err(SnapshotError::ShardFailed { reason, .. }) if missing == Missing::Told => {
            scan.missing = Some(MissingShard { shard, reason });
            return Ok(scan);
        }
        Err(error) => {
            scan.docs = None;
            scan.findings.push(of_snapshot(error)?);
            return Ok(scan);
        }
    };
    let files: Arc<dyn SegmentFiles> = Arc::clone(found.files()) as Arc<dyn SegmentFiles>;
    let place = || format!("{index}/{shard}");
    let commit = match Commit::read(&*files) {
        Ok(commit) => commit,
        Err(error) => {
            scan.docs = None;
            scan.findings.push(of_segment(place, error)?);
            return Ok(scan);
        }
    };
    for segment in &commit.segments {
        let segment = match Segment::open(Arc::clone(&files), segment) {
            Ok(segment) => segment,
            Err(error) => {
                scan.docs = None;
                scan.findings.push(of_segment(place, error)?);
                continue;
            }
        };
        scan.docs = scan
            .docs
            .zip(segment.counts().roots_live)
            .map(|(a, b)| a + b);
        scan.live += u64::from(segment.counts().live);
        scan.bytes += segment.chunks().bytes();
        for field in segment.fields() {
            if let Some(format) = unread_format(field) {
                scan.unread_values
                    .insert(field.name.clone(), format.to_owned());
            }
        }
        let masked = segment.attributes().get(MASKED_ATTRIBUTE);
        if let Some(fields) = masked.filter(|fields| !fields.is_empty()) {
            scan.findings.push(Finding {
                code: planning::MASKED_VECTORS,
                what: format!(
                    "segment {}: the vectors of {fields} are masked in its documents' _source, each stands there as 1",
                    segment.name()
                ),
                mend: "write it anew at the source with index.knn.derived_source.enabled: false".into(),
            });
        }
    }
    Ok(scan)
}

/// What a shard that can't be opened means; an error where the store failed.
fn of_snapshot(error: SnapshotError) -> Result<Finding, ScanError> {
    let code = match &error {
        SnapshotError::Shallow { .. } => planning::SHALLOW_COPY,
        SnapshotError::ShardFailed { .. }
        | SnapshotError::ShardMissing { .. }
        | SnapshotError::NoFiles { .. } => planning::SHARD_MISSING,
        SnapshotError::Unsupported { .. } => planning::UNKNOWN_FORMAT,
        SnapshotError::Store { source, .. } if source.kind() != io::ErrorKind::NotFound => {
            return Err(error.into());
        }
        _ => planning::SHARD_DAMAGED,
    };
    Ok(Finding {
        code,
        what: error.to_string(),
        mend: match code {
            planning::SHALLOW_COPY => "register a repository with remote_store_index_shallow_copy: false and take the snapshot into that",
            planning::SHARD_MISSING => "take the snapshot again, once every shard has a primary",
            planning::UNKNOWN_FORMAT => "take a snapshot into another repository",
            _ => "restore the repository from a copy, or take the snapshot again",
        }
        .to_owned(),
    })
}

/// What a commit or a segment that can't be opened means; an error where the store failed.
fn of_segment(place: impl Fn() -> String, error: LuceneError) -> Result<Finding, ScanError> {
    let (code, mend) = match &error {
        LuceneError::Unsupported { .. } => (
            planning::UNKNOWN_FORMAT,
            "take a newer mig, or write it anew at the source with a codec of the distribution",
        ),
        LuceneError::Missing { file } if file.starts_with("segments") => (
            planning::SHARD_MISSING,
            "take the snapshot again, once every shard has a primary",
        ),
        LuceneError::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => {
            return Err(ScanError::Segment {
                place: place(),
                source: error,
            });
        }
        _ => (
            planning::SHARD_DAMAGED,
            "restore the repository from a copy, or take the snapshot again",
        ),
    };
    Ok(Finding {
        code,
        what: error.to_string(),
        mend: mend.to_owned(),
    })
}
