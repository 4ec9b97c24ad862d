//! The documents of a snapshot as the pipeline reads them: the adapter between the `snapshot` and `lucene` engines and
//! [`super::source`].
//!
//! Every segment of the chosen indices is opened once to count and to divide it: items are runs of chunks of about equal
//! bytes. What is held of a segment are its counts and where its items end; it is opened again for its items, and shared by
//! the workers on it. Sources are rendered by `rendering`, so that a load and a verification see the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::open_segments::OpenSegments;
use super::rendering::{Beside, GiveError, Renderer, Rendering, SourceRule};
use super::source::{
    DocumentSource, ItemReader, SegmentKey, SourceError, Step, StepError, Visit, VisitStopped,
};
use super::work_store::{ItemKey, ItemSpec};
use crate::diff::observation::MissingShard;
use crate::engines::lucene::{
    ChecksumSpan, ChunkTable, Commit, DocSet, LuceneError, ReadError, Scratch, Segment,
    SegmentCommit, SegmentFiles,
};
use crate::engines::snapshot::Snapshot;

/// Compressed bytes of one work item at the most, where nothing else is asked for.
pub const ITEM_BYTES: u64 = 32 << 20;
/// Items that a shard is divided into at least, so that workers end at about the same time ...
const ITEMS_PER_SHARD: u64 = 8;
/// ... unless they became smaller than this: each item costs a few requests of its own.
const ITEM_BYTES_MIN: u64 = 4 << 20;
/// Compressed bytes of one step: between two of them a stop is heard and a checkpoint can be made.
const STEP_BYTES: u64 = 1 << 20;
/// Compressed bytes by which a segment is looked at to divide it: items are equal within so much.
const GRANULE_BYTES: u64 = 512 << 10;

/// One index that is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The snapshot that it is read from.
    pub snapshot: &'a Snapshot,
    /// Its name.
    pub index: &'a str,
    /// What becomes of documents without a source.
    pub rule: SourceRule,
    /// Shards that are left out since the snapshot has no copy of them.
    pub without_shards: &'a [MissingShard],
    /// What is told besides the source.
    pub beside: &'a Beside,
}

/// See the module.
pub struct SnapshotSource {
    segments: BTreeMap<SegmentKey, Held>,
    rendering: BTreeMap<String, Rendering>,
    snapshots: Vec<Snapshot>,
    open: OpenSegments,
}

/// What is held of a segment that is not open.
struct Held {
    /// Which of the snapshots it stands in.
    snapshot: usize,
    live: u32,
    roots_live: Option<u64>,
    /// The documents that are given, where not all are.
    chosen: Option<Arc<DocSet>>,
    /// Its items in order; the first begins with document 0.
    items: Box<[Run]>,
}

/// A run of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// The document behind the last.
    to: u32,
    /// Compressed bytes.
    bytes: u64,
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "names and errors, by reference or not, become text here"
)]
fn failed(place: impl ToString, reason: impl ToString) -> SourceError {
    SourceError {
        place: place.to_string(),
        reason: reason.to_string(),
    }
}

fn place(segment: &SegmentKey) -> String {
    format!("{}/{}/{}", segment.index, segment.shard, segment.segment)
}

impl SnapshotSource {
    /// Opens every segment of the indices: reads metadata, no document.
    pub fn open(
        snapshot: &Snapshot,
        indices: &[String],
        item_bytes: u64,
    ) -> Result<Self, SourceError> {
        let each = indices.iter().map(|index| Wanted {
            snapshot,
            index,
            rule: SourceRule::default(),
            without_shards: &[],
            beside: Beside::NOTHING,
        });
        Self::open_each(each, item_bytes)
    }

    /// As [`Self::open`], for indices that stand in several snapshots: each with the one that it is read from.
    pub fn open_each<'a>(
        indices: impl IntoIterator<Item = Wanted<'a>>,
        item_bytes: u64,
    ) -> Result<Self, SourceError> {
        let mut source = Self {
            segments: BTreeMap::new(),
            rendering: BTreeMap::new(),
            snapshots: Vec::new(),
            open: OpenSegments::default(),
        };
        for wanted in indices {
            let Wanted {
                snapshot, index, ..
            } = wanted;
            let rendering = Rendering::of(snapshot, index, wanted.rule, wanted.beside)
                .map_err(|error| failed(index, error))?;
            source.rendering.insert(index.to_owned(), rendering);
            let listed = snapshot
                .index(index)
                .map_err(|error| failed(index, error))?;
            let known = source.snapshots.iter();
            let known = known
                .rev()
                .take(1)
                .any(|last| last.uuid() == snapshot.uuid());
            if !known {
                source.snapshots.push(snapshot.clone());
            }
            for shard in 0..listed.shards {
                if wanted.without_shards.iter().any(|it| it.shard == shard) {
                    continue;
                }
                source.add_shard(index, shard, item_bytes.max(1))?;
            }
        }
        Ok(source)
    }

    /// Counts and divides the segments of one shard of the last snapshot.
    fn add_shard(&mut self, index: &str, shard: u32, item_bytes: u64) -> Result<(), SourceError> {
        let number = self.snapshots.len() - 1;
        let here = format!("{index}/{shard}");
        let (files, commit) = read_commit(&self.snapshots[number], index, shard)?;
        let mut divided = Vec::new();
        for info in &commit.segments {
            let key = SegmentKey {
                index: index.to_owned(),
                shard,
                segment: info.name.clone(),
            };
            let segment = self.open.get(&key, || open_segment(&files, info, &key))?;
            let counts = segment.counts();
            let granules = if counts.live == 0 {
                Vec::new()
            } else {
                granules(segment.chunks())
                    .map_err(|error| failed(format!("{here}/{}", info.name), error))?
            };
            divided.push((key, counts, segment.chunks().bytes(), granules));
        }
        // The size of items is a property of the shard alone, so that they are the same at every run.
        let total: u64 = divided.iter().map(|(_, _, bytes, _)| bytes).sum();
        let size = (total / ITEMS_PER_SHARD)
            .max(ITEM_BYTES_MIN)
            .min(item_bytes);
        for (key, counts, _, granules) in divided {
            let held = Held {
                snapshot: number,
                live: counts.live,
                roots_live: counts.roots_live,
                chosen: None,
                items: cut(&granules, size).into(),
            };
            self.segments.insert(key, held);
        }
        Ok(())
    }

    /// Leaves out all documents but these; segments without any are not read.
    pub(super) fn restrict(&mut self, mut chosen: BTreeMap<SegmentKey, DocSet>) {
        self.segments.retain(|key, held| {
            let Some(set) = chosen.remove(key).filter(|set| !set.is_empty()) else {
                return false;
            };
            held.roots_live = Some(set.count());
            held.chosen = Some(Arc::new(set));
            true
        });
    }

    fn held(&self, key: &SegmentKey) -> Result<&Held, SourceError> {
        self.segments
            .get(key)
            .ok_or_else(|| failed(place(key), "the snapshot has no such segment"))
    }

    /// The segment, opened where it is not open.
    fn segment(&self, key: &SegmentKey) -> Result<Arc<Segment>, SourceError> {
        let held = self.held(key)?;
        self.open.get(key, || {
            let snapshot = &self.snapshots[held.snapshot];
            let (files, commit) = read_commit(snapshot, &key.index, key.shard)?;
            let mut segments = commit.segments.iter();
            let info = segments
                .find(|info| info.name == key.segment)
                .ok_or_else(|| failed(place(key), "the commit has no such segment any more"))?;
            open_segment(&files, info, key)
        })
    }
}

type Files = Arc<dyn SegmentFiles>;

fn read_commit(
    snapshot: &Snapshot,
    index: &str,
    shard: u32,
) -> Result<(Files, Commit), SourceError> {
    let here = || format!("{index}/{shard}");
    let found = snapshot
        .shard(index, shard)
        .map_err(|error| failed(here(), error))?;
    let files: Files = Arc::clone(found.files()) as _;
    let commit = Commit::read(&*files).map_err(|error| failed(here(), error))?;
    Ok((files, commit))
}

fn open_segment(
    files: &Files,
    info: &SegmentCommit,
    key: &SegmentKey,
) -> Result<Segment, SourceError> {
    Segment::open(Arc::clone(files), info).map_err(|error| failed(place(key), error))
}

/// Runs of chunks of at least [`GRANULE_BYTES`] each, but the last.
fn granules(chunks: &ChunkTable) -> Result<Vec<Run>, LuceneError> {
    let mut granules = Vec::new();
    let mut open = Run { to: 0, bytes: 0 };
    for chunk in chunks {
        let chunk = chunk?;
        open.to = chunk.first_doc + chunk.docs;
        open.bytes += u64::from(chunk.length);
        if open.bytes >= GRANULE_BYTES {
            granules.push(open);
            open.bytes = 0;
        }
    }
    if open.bytes > 0 {
        granules.push(open);
    }
    Ok(granules)
}

/// Joins runs to such of about `bytes` each, none of them much smaller than the others.
fn cut(granules: &[Run], bytes: u64) -> Vec<Run> {
    let total: u64 = granules.iter().map(|run| run.bytes).sum();
    let runs = total.div_ceil(bytes).max(1);
    let share = total.div_ceil(runs).max(1);
    let mut cut = Vec::new();
    let mut open = Run { to: 0, bytes: 0 };
    for granule in granules {
        open.to = granule.to;
        open.bytes += granule.bytes;
        if open.bytes >= share {
            cut.push(open);
            open.bytes = 0;
        }
    }
    if open.bytes > 0 {
        cut.push(open);
    }
    cut
}

impl DocumentSource for SnapshotSource {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        let mut items = Vec::new();
        for (key, held) in &self.segments {
            let mut from = 0;
            for run in &held.items {
                items.push(ItemSpec {
                    key: ItemKey {
                        index: key.index.clone(),
                        shard: key.shard,
                        segment: key.segment.clone(),
                        from,
                        to: run.to,
                    },
                    bytes: run.bytes,
                    expected: held.roots_live.filter(|_| held.items.len() == 1),
                });
                from = run.to;
            }
        }
        Ok(items)
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        let count = |held: &Held| {
            if held.live == 0 {
                Some(0)
            } else {
                held.roots_live
            }
        };
        let segments = self.segments.iter();
        Ok(segments
            .map(|(key, held)| (key.clone(), count(held)))
            .collect())
    }

    fn leaves_out(&self, index: &str) -> bool {
        self.rendering.get(index).is_some_and(Rendering::leaves_out)
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        let segment = self.segment(&SegmentKey::of(item))?;
        let rendering = self.rendering.get(&item.index);
        let rendering = rendering.ok_or_else(|| failed(item, "the index is not read here"))?;
        let chunk = |doc| {
            let chunk = segment.chunks().beginning_with(doc);
            chunk.map_err(|error| failed(item, error))
        };
        let (Some(next), Some(end)) = (chunk(from)?, chunk(item.to)?) else {
            return Err(failed(
                item,
                format!(
                    "no chunk begins with document {from}, or none ends before {}",
                    item.to
                ),
            ));
        };
        segment.expect(next..end);
        Ok(Box::new(ChunkReader {
            chosen: self.held(&SegmentKey::of(item))?.chosen.clone(),
            renderer: rendering.of_segment(Arc::clone(&segment)),
            segment,
            item: item.clone(),
            next,
            end,
            scratch: Scratch::default(),
        }))
    }

    fn step_with(&self, item: &ItemKey, doc: u32) -> Result<u32, SourceError> {
        let segment = self.segment(&SegmentKey::of(item))?;
        let begin = segment.chunks().first_of_chunk_with(doc);
        let begin = begin.map_err(|error| failed(item, error))?;
        Ok(begin.unwrap_or(item.from).max(item.from))
    }

    fn fold(&self, item: &ItemKey, proofs: &mut Vec<Value>, proof: Value) {
        let span = |proof: &Value| serde_json::from_value::<ChecksumSpan>(proof.clone()).ok();
        let joined = proofs
            .last()
            .and_then(span)
            .zip(span(&proof))
            .zip(self.segment(&SegmentKey::of(item)).ok())
            .and_then(|((before, next), segment)| segment.join_spans(before, next))
            .and_then(|joined| serde_json::to_value(joined).ok());
        match (proofs.last_mut(), joined) {
            (Some(last), Some(joined)) => *last = joined,
            _ => proofs.push(proof),
        }
    }

    fn check_segment(&self, segment: &SegmentKey, proofs: &[Value]) -> Result<(), SourceError> {
        let opened = self.segment(segment)?;
        let spans: Result<Vec<ChecksumSpan>, _> = proofs
            .iter()
            .map(|proof| serde_json::from_value(proof.clone()))
            .collect();
        let mut spans = spans.map_err(|error| failed(place(segment), error))?;
        spans.sort_unstable_by_key(|span| span.first_chunk);
        opened
            .check_spans(&spans)
            .map_err(|error| failed(place(segment), error))
    }
}

/// Reads an item by runs of chunks.
struct ChunkReader<'s> {
    chosen: Option<Arc<DocSet>>,
    segment: Arc<Segment>,
    renderer: Renderer<'s>,
    item: ItemKey,
    next: usize,
    end: usize,
    scratch: Scratch,
}

impl ItemReader for ChunkReader<'_> {
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        let mut run = self.next..self.next;
        let (mut bytes, mut read, mut behind) = (0, 0, 0);
        for chunk in self.segment.chunks().range(self.next..self.end) {
            let chunk = chunk.map_err(|error| StepError::Source(failed(&self.item, error)))?;
            run.end += 1;
            bytes += u64::from(chunk.length);
            read += chunk.docs;
            behind = chunk.first_doc + chunk.docs;
            if bytes >= STEP_BYTES || read >= docs {
                break;
            }
        }
        if run.is_empty() {
            return Ok(None);
        }
        let renderer = &mut self.renderer;
        let mut broken = None;
        let stats = self.segment.read_chosen(
            run.clone(),
            self.chosen.as_deref(),
            &mut self.scratch,
            |document| {
                let given = renderer.give(&document, visit);
                given.map_err(|error| match error {
                    GiveError::Stopped => VisitStopped,
                    GiveError::Lucene(error) => {
                        broken = Some(error);
                        VisitStopped
                    }
                })
            },
        );
        let stats = match (stats, broken) {
            (_, Some(error)) | (Err(ReadError::Lucene(error)), None) => {
                return Err(StepError::Source(failed(&self.item, error)));
            }
            (Err(ReadError::Visitor(VisitStopped)), None) => return Err(StepError::Stopped),
            (Ok(stats), None) => stats,
        };
        self.next = run.end;
        let proof = serde_json::to_value(stats.span)
            .map_err(|error| StepError::Source(failed(&self.item, error)))?;
        Ok(Some(Step {
            next: behind,
            delivered: stats.live_roots,
            bytes: stats.compressed_bytes,
            proof: Some(proof),
            ..Step::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granules(count: u32) -> Vec<Run> {
        (1..=count)
            .map(|at| Run {
                to: at * 3,
                bytes: 10,
            })
            .collect()
    }

    #[test]
    fn cuts_into_runs_of_about_equal_bytes() {
        let runs = cut(&granules(25), 100);
        let runs: Vec<(u32, u64)> = runs.iter().map(|run| (run.to, run.bytes)).collect();
        assert_eq!(runs, [(27, 90), (54, 90), (75, 70)]);
        assert_eq!(cut(&granules(25), 1 << 20).len(), 1);
        assert_eq!(cut(&[], 100), []);
    }
}
