//! The segments of a shard in two snapshots: which of them are the same, and what reading the others takes.

use std::sync::Arc;

use super::compare::{Compared, Limits, Part, PartError, Seen, compare};
use crate::engines::bulk::snapshot_source::Wanted;
use crate::engines::bulk::source::SourceError;
use crate::engines::bulk::stop::{Stop, StopFn};
use crate::engines::lucene::{
    Commit, DocSet, ReadError, Scratch, Segment, SegmentCommit, SegmentFiles,
};
use crate::engines::snapshot::{ShardFile, ShardFiles};

/// What the commit of a shard calls its history: operations of another one may have the same numbers.
const HISTORY: &str = "history_uuid";

/// One index in both snapshots: with one uuid and the same number of shards, none of which is missing.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// In the snapshot that stands on the target.
    pub base: Wanted<'a>,
    /// In the one that is to stand there.
    pub later: Wanted<'a>,
}

/// Why documents of an index can't be told apart, so that it has to be moved whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `_version` stands in a format that is not known, or is lacking.
    NoVersion,
}

/// What the segments of an index tell beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Segments that stand in both.
    pub shared: u64,
    /// Segments of the later one that the base does not have.
    pub replaced: u64,
    /// Documents that are written at the most.
    pub writes_max: u64,
    /// Documents that are deleted at the most.
    pub deletes_max: u64,
    /// Compressed bytes of stored fields that are read at the most.
    pub bytes_max: u64,
    /// The counts themselves, where all was read.
    pub exact: Option<Exact>,
}

/// What a comparison found, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exact {
    /// Documents to write.
    pub writes: u64,
    /// Documents to delete.
    pub deletes: u64,
    /// Compressed bytes of stored fields that comparing and loading read.
    pub bytes: u64,
}

/// One open segment.
pub(super) struct Opened<'s> {
    pub(super) segment: Segment,
    place: String,
    stop: StopFn<'s>,
}

/// The segments of one shard in both snapshots.
pub(super) struct Shard<'s> {
    pub(super) base: Vec<Opened<'s>>,
    pub(super) later: Vec<Opened<'s>>,
    /// For each later segment the one of the base that it is.
    same: Vec<Option<usize>>,
    one_history: bool,
}

#[allow(clippy::needless_pass_by_value, reason = "errors become text here")]
fn failed(place: &str, reason: impl ToString) -> SourceError {
    SourceError {
        place: place.to_owned(),
        reason: reason.to_string(),
    }
}

type Side<'s> = (Arc<ShardFiles>, Commit, Vec<Opened<'s>>);

fn open_side<'s>(
    wanted: &Wanted<'_>,
    shard: u32,
    stop: StopFn<'s>,
) -> Result<Side<'s>, SourceError> {
    let here = format!("{}/{shard}", wanted.index);
    let found = wanted.snapshot.shard(wanted.index, shard);
    let found = found.map_err(|error| failed(&here, error))?;
    let files = Arc::clone(found.files());
    let commit = Commit::read(&*files).map_err(|error| failed(&here, error))?;
    let mut opened = Vec::new();
    for info in &commit.segments {
        let place = format!("{here}/{} of {}", info.name, wanted.snapshot.name());
        let files: Arc<dyn SegmentFiles> = Arc::clone(&files) as _;
        let segment = Segment::open(files, info).map_err(|error| failed(&place, error))?;
        opened.push(Opened {
            segment,
            place,
            stop,
        });
    }
    Ok((files, commit, opened))
}

impl<'s> Shard<'s> {
    pub(super) fn open(pair: &Pair<'_>, shard: u32, stop: StopFn<'s>) -> Result<Self, SourceError> {
        let (base_files, base_commit, base) = open_side(&pair.base, shard, stop)?;
        let (files, commit, later) = open_side(&pair.later, shard, stop)?;
        let same = commit.segments.iter().map(|info| {
            let mut others = base_commit.segments.iter();
            others.position(|other| same_segment((&base_files, other), (&files, info)))
        });
        let same = same.collect();
        let history = |commit: &Commit| commit.user_data.get(HISTORY).cloned();
        let one_history = history(&commit).is_some() && history(&commit) == history(&base_commit);
        Ok(Self {
            base,
            later,
            same,
            one_history,
        })
    }

    fn is_shared(&self, base: usize) -> bool {
        self.same.contains(&Some(base))
    }

    /// What both hold alike has no version to tell; of all others it is needed.
    fn reason(&self) -> Option<Reason> {
        let unversioned = |opened: &Opened<'_>| {
            opened.segment.counts().live > 0 && opened.segment.values_unread().contains(&"_version")
        };
        let base = self.base.iter().enumerate();
        let base = base.filter(|(at, opened)| !self.is_shared(*at) && unversioned(opened));
        let later = self.later.iter().zip(&self.same);
        let later = later.filter(|(opened, same)| same.is_none() && unversioned(opened));
        (base.count() + later.count() > 0).then_some(Reason::NoVersion)
    }

    pub(super) fn compare(&self, limits: &Limits) -> Result<Compared, PartError> {
        let compared = compare(
            &self.base,
            &self.later,
            &self.same,
            self.one_history,
            limits,
        )?;
        self.check(&compared)?;
        Ok(compared)
    }

    /// The live roots of both, which the segments' bitmaps count, have to differ by what was found.
    fn check(&self, compared: &Compared) -> Result<(), PartError> {
        let roots = |side: &[Opened<'_>]| -> Option<u64> {
            side.iter()
                .map(|opened| match opened.segment.counts() {
                    counts if counts.live == 0 => Some(0),
                    counts => counts.roots_live,
                })
                .sum()
        };
        let (Some(base), Some(later)) = (roots(&self.base), roots(&self.later)) else {
            return Ok(());
        };
        if base + compared.inserts == later + compared.deletes {
            return Ok(());
        }
        Err(PartError::Damaged(format!(
            "{base} live documents, {} new and {} gone make {later}, which does not come out",
            compared.inserts, compared.deletes
        )))
    }

    /// Adds what the segments tell.
    fn look(&self, outlook: &mut Outlook) {
        for (later, same) in self.later.iter().zip(&self.same) {
            let base = same.and_then(|at| self.base.get(at));
            match base {
                Some(_) => outlook.shared += 1,
                None => outlook.replaced += 1,
            }
            let come = only_here(later, base);
            if come > 0 {
                outlook.writes_max += come;
                outlook.bytes_max += 2 * later.segment.chunks().bytes();
            }
        }
        for (at, base) in self.base.iter().enumerate() {
            let twin = self.same.iter().position(|same| *same == Some(at));
            let gone = only_here(base, twin.and_then(|at| self.later.get(at)));
            if gone > 0 {
                outlook.deletes_max += gone;
                // To compare, and to delete by.
                outlook.bytes_max += 2 * base.segment.chunks().bytes();
            }
        }
    }
}

/// Live roots that are not live in the same segment of the other snapshot, at the most.
fn only_here(opened: &Opened<'_>, other: Option<&Opened<'_>>) -> u64 {
    let counts = opened.segment.counts();
    let roots = counts.roots_live.unwrap_or(u64::from(counts.live));
    match other {
        None => roots,
        Some(other) => (0..counts.max_doc)
            .filter(|doc| opened.segment.lives(*doc) && !other.segment.lives(*doc))
            .count() as u64,
    }
}

/// Whether two commits name the same segment: by its id and by its files.
fn same_segment(
    (base_files, base): (&ShardFiles, &SegmentCommit),
    (files, later): (&ShardFiles, &SegmentCommit),
) -> bool {
    if base.name != later.name || base.id != later.id {
        return false;
    }
    let same_file = |end: &str| {
        let name = format!("{}{end}", later.name);
        match (base_files.get(&name), files.get(&name)) {
            (None, None) => None,
            (Some(base), Some(later)) => Some(same_bytes(base, later)),
            _ => Some(false),
        }
    };
    let documents = same_file(".fdt").or_else(|| same_file(".cfs"));
    same_file(".si") == Some(true) && documents == Some(true)
}

fn same_bytes(base: &ShardFile, later: &ShardFile) -> bool {
    base.length == later.length
        && ((base.checksum.is_some() && base.checksum == later.checksum)
            || (!base.is_virtual() && base.blob == later.blob))
}

impl Part for Opened<'_> {
    fn max_doc(&self) -> u32 {
        self.segment.counts().max_doc
    }

    fn lives(&self, doc: u32) -> bool {
        self.segment.lives(doc)
    }

    fn has_operations(&self) -> bool {
        self.segment.has_operations()
    }

    fn operations(&self, visit: &mut dyn FnMut(u32, i64, i64)) -> Result<(), PartError> {
        self.go_on()?;
        self.segment
            .operations(visit)
            .map_err(|error| PartError::Read(format!("{}: {error}", self.place)))
    }

    fn documents(
        &self,
        chosen: &DocSet,
        visit: &mut dyn FnMut(u32, Seen<'_>),
    ) -> Result<(), PartError> {
        let broken = |error: &dyn ToString| {
            PartError::Read(format!("{}: {}", self.place, error.to_string()))
        };
        let chunks = self.segment.chunks().len();
        self.segment.expect(0..chunks);
        let mut scratch = Scratch::new();
        let read = self
            .segment
            .read_chosen(0..chunks, Some(chosen), &mut scratch, |document| {
                self.go_on()?;
                visit(
                    document.doc,
                    Seen {
                        id: document.id,
                        routing: document.routing,
                        mapping_type: document.legacy_type,
                        version: document.version,
                        source: document.source.unwrap_or_default(),
                    },
                );
                Ok(())
            });
        let stats = read.map_err(|error| match error {
            ReadError::Visitor(stopped) => stopped,
            ReadError::Lucene(error) => broken(&error),
        })?;
        let proved = self.segment.check_spans(&[stats.span]);
        proved.map_err(|error| broken(&error))
    }
}

impl Opened<'_> {
    fn go_on(&self) -> Result<(), PartError> {
        match (self.stop)() {
            Stop::No => Ok(()),
            Stop::Drain | Stop::Now => Err(PartError::Stopped),
        }
    }
}

/// What has to be done for an index, as far as it is told by metadata of the segments; to the document where reading takes no
/// more than so many bytes and documents.
pub fn outlook(
    pair: &Pair<'_>,
    shards: u32,
    (bytes_most, docs_most): (u64, u64),
) -> Result<Result<Outlook, Reason>, SourceError> {
    let never: StopFn<'_> = &|| Stop::No;
    let mut outlook = Outlook::default();
    for shard in 0..shards {
        let opened = Shard::open(pair, shard, never)?;
        if let Some(reason) = opened.reason() {
            return Ok(Err(reason));
        }
        opened.look(&mut outlook);
    }
    let affordable =
        outlook.bytes_max <= bytes_most && outlook.writes_max + outlook.deletes_max <= docs_most;
    if affordable {
        let mut exact = Exact::default();
        for shard in 0..shards {
            let opened = Shard::open(pair, shard, never)?;
            let compared = match opened.compare(&Limits::default()) {
                Ok(compared) => compared,
                Err(PartError::NoVersion(_)) => return Ok(Err(Reason::NoVersion)),
                Err(error) => {
                    return Err(failed(&format!("{}/{shard}", pair.later.index), error));
                }
            };
            exact.writes += compared.inserts + compared.updates;
            exact.deletes += compared.deletes;
            let bytes = |side: &[Opened<'_>], read: &[bool]| -> u64 {
                let read = side.iter().zip(read).filter(|(_, read)| **read);
                read.map(|(opened, _)| opened.segment.chunks().bytes())
                    .sum()
            };
            let written: Vec<bool> = compared.writes.iter().map(Option::is_some).collect();
            let removed: Vec<bool> = compared.removals.iter().map(Option::is_some).collect();
            exact.bytes += bytes(&opened.base, &compared.read_of_base)
                + bytes(&opened.later, &compared.read_of_later)
                + bytes(&opened.base, &removed)
                + bytes(&opened.later, &written);
        }
        outlook.exact = Some(exact);
    }
    Ok(Ok(outlook))
}
