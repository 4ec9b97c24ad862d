//! The documents of a snapshot as the pipeline reads them: the adapter between the `snapshot` and `lucene` engines and
//! [`super::source`].
//!
//! Every segment of the chosen indices is opened once; items are runs of chunks of about equal bytes. A source is rendered
//! as one line of JSON here, so that a load and a verification see the same bytes: also where a source was not stored as it
//! was sent and the plan says what becomes of such documents.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::source::{
    DocumentSource, ItemReader, SegmentKey, SourceDocument, SourceError, Step, StepError, Unusable,
    Visit, VisitStopped,
};
use super::work_store::{ItemKey, ItemSpec};
use crate::diff::observation::{MissingShard, SourceGap, SourceGapKind};
use crate::engines::lucene::{
    ChecksumSpan, ChunkRef, Commit, Document, ReadError, Scratch, Segment, SegmentFiles,
};
use crate::engines::snapshot::{Snapshot, source_format};
use crate::plan::model::WithoutSource;

/// Compressed bytes of one work item at the most, where nothing else is asked for.
pub const ITEM_BYTES: u64 = 32 << 20;
/// Items that a shard is divided into at least, so that workers end at about the same time ...
const ITEMS_PER_SHARD: u64 = 8;
/// ... unless they became smaller than this: each item costs a few requests of its own.
const ITEM_BYTES_MIN: u64 = 4 << 20;
/// Compressed bytes of one step: between two of them a stop is heard and a checkpoint can be made.
const STEP_BYTES: u64 = 1 << 20;

/// What becomes of documents of an index whose source was not stored as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceRule {
    /// As the plan says.
    pub choice: WithoutSource,
    /// Whether the source that is stored lacks fields.
    pub reduced: bool,
}

impl SourceRule {
    /// Of an index, by what its mapping and settings say. Where they promise a source, a document without one is damage
    /// and no matter of choice.
    pub fn of(gap: Option<&SourceGap>, choice: WithoutSource) -> Self {
        let Some(gap) = gap else {
            return Self::default();
        };
        let reduced = gap.kind == SourceGapKind::Reduced;
        Self {
            choice: match choice {
                WithoutSource::AsStored if !reduced => WithoutSource::Refuse,
                choice => choice,
            },
            reduced,
        }
    }
}

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
}

/// See the module.
pub struct SnapshotSource {
    segments: BTreeMap<SegmentKey, Segment>,
    rules: BTreeMap<String, SourceRule>,
    item_bytes: u64,
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
        });
        Self::open_each(each, item_bytes)
    }

    /// As [`Self::open`], for indices that stand in several snapshots: each with the one that it is read from.
    pub fn open_each<'a>(
        indices: impl IntoIterator<Item = Wanted<'a>>,
        item_bytes: u64,
    ) -> Result<Self, SourceError> {
        let mut segments = BTreeMap::new();
        let mut rules = BTreeMap::new();
        for wanted in indices {
            let Wanted {
                snapshot, index, ..
            } = wanted;
            rules.insert(index.to_owned(), wanted.rule);
            let listed = snapshot
                .index(index)
                .map_err(|error| failed(index, error))?;
            for shard in 0..listed.shards {
                if wanted.without_shards.iter().any(|it| it.shard == shard) {
                    continue;
                }
                let here = format!("{index}/{shard}");
                let shard_files = snapshot
                    .shard(index, shard)
                    .map_err(|error| failed(&here, error))?;
                let files: Arc<dyn SegmentFiles> = Arc::clone(shard_files.files()) as _;
                let commit = Commit::read(&*files).map_err(|error| failed(&here, error))?;
                for segment in &commit.segments {
                    let opened = Segment::open(Arc::clone(&files), segment)
                        .map_err(|error| failed(format!("{here}/{}", segment.name), error))?;
                    let key = SegmentKey {
                        index: index.to_owned(),
                        shard,
                        segment: segment.name.clone(),
                    };
                    segments.insert(key, opened);
                }
            }
        }
        Ok(Self {
            segments,
            rules,
            item_bytes: item_bytes.max(1),
        })
    }

    /// The size of items by shard: a property of the shard alone, so that items are the same at every run.
    fn item_bytes(&self) -> BTreeMap<(&str, u32), u64> {
        let mut shards: BTreeMap<(&str, u32), u64> = BTreeMap::new();
        for (key, segment) in &self.segments {
            let bytes: u64 = segment
                .chunks()
                .iter()
                .map(|chunk| u64::from(chunk.length))
                .sum();
            *shards.entry((key.index.as_str(), key.shard)).or_default() += bytes;
        }
        for bytes in shards.values_mut() {
            *bytes = (*bytes / ITEMS_PER_SHARD)
                .max(ITEM_BYTES_MIN)
                .min(self.item_bytes);
        }
        shards
    }

    fn rule(&self, index: &str) -> SourceRule {
        self.rules.get(index).copied().unwrap_or_default()
    }

    fn segment(&self, key: &SegmentKey) -> Result<&Segment, SourceError> {
        self.segments
            .get(key)
            .ok_or_else(|| failed(place(key), "the snapshot has no such segment"))
    }
}

/// Cuts chunks into runs of about `bytes` each, none of them much smaller than the others.
fn cut(chunks: &[ChunkRef], bytes: u64) -> Vec<Range<usize>> {
    let total: u64 = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
    let runs = total.div_ceil(bytes).max(1);
    let share = total.div_ceil(runs).max(1);
    let mut cut = Vec::new();
    let mut start = 0;
    let mut sum = 0;
    for (number, chunk) in chunks.iter().enumerate() {
        sum += u64::from(chunk.length);
        if sum >= share {
            cut.push(start..number + 1);
            start = number + 1;
            sum = 0;
        }
    }
    if start < chunks.len() {
        cut.push(start..chunks.len());
    }
    cut
}

/// The chunk that begins with a document; the end of the chunks for the end of the documents.
fn chunk_at(chunks: &[ChunkRef], doc: u32) -> Option<usize> {
    let number = chunks.partition_point(|chunk| chunk.first_doc < doc);
    let end = chunks.last().map_or(0, |last| last.first_doc + last.docs);
    let begins = chunks.get(number).map_or(end, |chunk| chunk.first_doc);
    (begins == doc).then_some(number)
}

impl DocumentSource for SnapshotSource {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        let mut items = Vec::new();
        let sizes = self.item_bytes();
        for (key, segment) in &self.segments {
            let size = sizes
                .get(&(key.index.as_str(), key.shard))
                .copied()
                .unwrap_or(self.item_bytes);
            let counts = segment.counts();
            if counts.live == 0 {
                continue;
            }
            let chunks = segment.chunks();
            let runs = cut(chunks, size);
            let whole = runs.len() == 1;
            for run in runs {
                let (Some(first), Some(last)) = (chunks.get(run.start), chunks.get(run.end - 1))
                else {
                    continue;
                };
                items.push(ItemSpec {
                    key: ItemKey {
                        index: key.index.clone(),
                        shard: key.shard,
                        segment: key.segment.clone(),
                        from: first.first_doc,
                        to: last.first_doc + last.docs,
                    },
                    bytes: chunks[run]
                        .iter()
                        .map(|chunk| u64::from(chunk.length))
                        .sum(),
                    expected: counts.roots_live.filter(|_| whole),
                });
            }
        }
        Ok(items)
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        let count = |segment: &Segment| {
            let counts = segment.counts();
            if counts.live == 0 {
                Some(0)
            } else {
                counts.roots_live
            }
        };
        Ok(self
            .segments
            .iter()
            .map(|(key, segment)| (key.clone(), count(segment)))
            .collect())
    }

    fn leaves_out(&self, index: &str) -> bool {
        self.rule(index).choice == WithoutSource::Skip
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        let segment = self.segment(&SegmentKey::of(item))?;
        let chunks = segment.chunks();
        let (Some(next), Some(end)) = (chunk_at(chunks, from), chunk_at(chunks, item.to)) else {
            return Err(failed(
                item,
                format!(
                    "no chunk begins with document {from}, or none ends before {}",
                    item.to
                ),
            ));
        };
        Ok(Box::new(ChunkReader {
            segment,
            item: item.clone(),
            rule: self.rule(&item.index),
            next,
            end,
            scratch: Scratch::default(),
        }))
    }

    fn fold(&self, item: &ItemKey, proofs: &mut Vec<Value>, proof: Value) {
        let span = |proof: &Value| serde_json::from_value::<ChecksumSpan>(proof.clone()).ok();
        let joined = self
            .segments
            .get(&SegmentKey::of(item))
            .zip(proofs.last().and_then(span).zip(span(&proof)))
            .and_then(|(segment, (before, next))| segment.join_spans(before, next))
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
struct ChunkReader<'a> {
    segment: &'a Segment,
    item: ItemKey,
    rule: SourceRule,
    next: usize,
    end: usize,
    scratch: Scratch,
}

impl ItemReader for ChunkReader<'_> {
    fn step(&mut self, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        let chunks = &self.segment.chunks()[self.next..self.end];
        if chunks.is_empty() {
            return Ok(None);
        }
        let mut bytes = 0;
        let within = chunks.iter().take_while(|chunk| {
            let fits = bytes < STEP_BYTES;
            bytes += u64::from(chunk.length);
            fits
        });
        let run = self.next..self.next + within.count().max(1);
        let rule = self.rule;
        let stats = self
            .segment
            .read_documents(run.clone(), &mut self.scratch, |document| {
                give(&document, rule, visit)
            })
            .map_err(|error| match error {
                ReadError::Lucene(error) => StepError::Source(failed(&self.item, error)),
                ReadError::Visitor(VisitStopped) => StepError::Stopped,
            })?;
        self.next = run.end;
        let last = self.segment.chunks()[run.end - 1];
        let proof = serde_json::to_value(stats.span)
            .map_err(|error| StepError::Source(failed(&self.item, error)))?;
        Ok(Some(Step {
            next: last.first_doc + last.docs,
            delivered: stats.live_roots,
            bytes: stats.compressed_bytes,
            proof: Some(proof),
        }))
    }
}

/// The bytes that a source is rendered from, or why there are none.
fn stored<'a>(document: &Document<'a>, rule: SourceRule) -> Result<&'a [u8], Unusable<'a>> {
    let whole = document.source.filter(|_| !rule.reduced);
    if let Some(source) = whole {
        return Ok(source);
    }
    let lacking = |class, reason, skip| Unusable {
        class,
        reason,
        raw: document
            .source
            .or(document.recovery_source)
            .unwrap_or_default(),
        skip,
    };
    match (rule.choice, document.source) {
        (WithoutSource::Skip, _) => Err(lacking("source-skipped", "the plan leaves it out", true)),
        (WithoutSource::AsStored, Some(source)) => Ok(source),
        // What the server keeps for a while to bring a copy of the shard up to date is the source as it was sent.
        (WithoutSource::Reconstruct, _) if document.recovery_source.is_some() => {
            Ok(document.recovery_source.unwrap_or_default())
        }
        (_, None) => Err(lacking(
            "source-missing",
            "its _source was not stored",
            false,
        )),
        (_, Some(_)) => Err(lacking(
            "source-reduced",
            "its _source was stored without some fields, and nothing else has them",
            false,
        )),
    }
}

fn give(
    document: &Document<'_>,
    rule: SourceRule,
    visit: &mut Visit<'_>,
) -> Result<(), VisitStopped> {
    let give = |visit: &mut Visit<'_>, source| {
        visit(SourceDocument {
            doc: document.doc,
            id: document.id,
            routing: document.routing,
            version: document.version,
            source,
        })
    };
    let raw = match stored(document, rule) {
        Ok(raw) => raw,
        Err(unusable) => return give(visit, Err(unusable)),
    };
    match source_format::to_json_line(raw) {
        Ok(line) => give(visit, Ok(&line)),
        Err(error) => give(
            visit,
            Err(Unusable {
                class: "source-invalid",
                reason: &error.to_string(),
                raw,
                skip: false,
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::lucene::StoredDocument;

    fn chunks(lengths: &[u32]) -> Vec<ChunkRef> {
        let mut first_doc = 0;
        lengths
            .iter()
            .map(|length| {
                let chunk = ChunkRef {
                    pointer: 0,
                    length: *length,
                    first_doc,
                    docs: 3,
                };
                first_doc += 3;
                chunk
            })
            .collect()
    }

    #[test]
    fn cuts_into_runs_of_about_equal_bytes() {
        let chunks = chunks(&[10; 25]);
        let runs = cut(&chunks, 100);
        assert_eq!(runs, [0..9, 9..18, 18..25]);
        assert_eq!(cut(&chunks, 1 << 20), vec![Range { start: 0, end: 25 }]);
        assert_eq!(cut(&[], 100), Vec::<Range<usize>>::new());
    }

    #[test]
    fn finds_chunks_by_their_first_document() {
        let chunks = chunks(&[10; 4]);
        assert_eq!(chunk_at(&chunks, 0), Some(0));
        assert_eq!(chunk_at(&chunks, 9), Some(3));
        assert_eq!(chunk_at(&chunks, 12), Some(4));
        assert_eq!(chunk_at(&chunks, 4), None);
    }

    #[test]
    fn the_plan_says_what_becomes_of_documents_without_a_source() {
        use WithoutSource::{AsStored, Reconstruct, Refuse, Skip};
        let document = |source, recovery_source| Document {
            doc: 0,
            id: "1",
            routing: None,
            source,
            recovery_source,
            version: None,
            seq_no: None,
            primary_term: None,
            legacy_type: None,
            stored: StoredDocument::EMPTY,
        };
        let (all, part) = (Some(&b"{\"a\":1,\"b\":2}"[..]), Some(&b"{\"a\":1}"[..]));
        let given = |document: &Document<'_>, choice, reduced| {
            let kind = if reduced {
                SourceGapKind::Reduced
            } else {
                SourceGapKind::Disabled
            };
            let gap = SourceGap {
                kind,
                by: String::new(),
                lost: Vec::new(),
            };
            let mut told = String::new();
            give(
                document,
                SourceRule::of(Some(&gap), choice),
                &mut |document| {
                    told = match document.source {
                        Ok(source) => String::from_utf8(source.to_vec()).unwrap(),
                        Err(unusable) => format!("{} {}", unusable.class, unusable.skip),
                    };
                    Ok(())
                },
            )
            .unwrap();
            told
        };
        for (source, recovery, reduced, choice, wanted) in [
            (None, None, false, Refuse, "source-missing false"),
            (None, None, false, Skip, "source-skipped true"),
            (None, None, false, Reconstruct, "source-missing false"),
            (None, all, false, Refuse, "source-missing false"),
            (None, all, false, AsStored, "source-missing false"),
            (None, all, false, Reconstruct, "{\"a\":1,\"b\":2}"),
            (all, None, false, Skip, "{\"a\":1,\"b\":2}"),
            (part, all, true, Refuse, "source-reduced false"),
            (part, all, true, Skip, "source-skipped true"),
            (part, all, true, AsStored, "{\"a\":1}"),
            (part, all, true, Reconstruct, "{\"a\":1,\"b\":2}"),
            (part, None, true, Reconstruct, "source-reduced false"),
        ] {
            let found = given(&document(source, recovery), choice, reduced);
            assert_eq!(found, wanted, "{choice:?}, reduced: {reduced}");
        }
        // Without a gap no choice matters: a document without a source is damage.
        let rule = SourceRule::of(None, Skip);
        assert_eq!(rule, SourceRule::default());
        assert!(stored(&document(None, all), rule).is_err_and(|unusable| !unusable.skip));
    }
}
