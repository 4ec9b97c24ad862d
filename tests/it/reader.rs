//! The reader against real servers: every document of the fixtures as the server answered it, and no damage that goes
//! unseen.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mig::base::ReadAt;
use mig::clients::objects::DirectoryStore;
use mig::engines::lucene::{
    ChecksumSpan, Commit, LuceneError, ReadError, ReadStats, Scratch, Segment, SegmentFiles,
};
use mig::engines::snapshot::{Repository, Snapshot};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

const SNAPSHOTS: [(&str, &str, &str); 3] = [
    ("shop", "quickstart", "nightly-1"),
    ("edge", "edge", "first"),
    ("edge", "edge", "second"),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/es-7.10.2")
}

fn snapshot(directory: &str, name: &str) -> Snapshot {
    let store = DirectoryStore::new(fixtures().join(directory));
    let repository = Repository::open(Arc::new(store)).unwrap();
    repository.snapshot(name).unwrap()
}

/// One line of the server's answer.
#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_routing")]
    routing: Option<String>,
    #[serde(rename = "_version")]
    version: i64,
    #[serde(rename = "_seq_no")]
    seq_no: i64,
    #[serde(rename = "_primary_term")]
    primary_term: i64,
    #[serde(rename = "_source")]
    source: Box<RawValue>,
    #[serde(rename = "_source_text")]
    source_text: Option<String>,
    #[serde(rename = "_source_format")]
    source_format: Option<String>,
}

/// One document as it was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Read {
    id: String,
    routing: Option<String>,
    version: Option<i64>,
    seq_no: Option<i64>,
    primary_term: Option<i64>,
    source: Vec<u8>,
}

fn read(
    segment: &Segment,
    chunks: Range<usize>,
    scratch: &mut Scratch,
    out: &mut Vec<Read>,
) -> Result<ReadStats, LuceneError> {
    let read = segment.read_documents(chunks, scratch, |document| {
        out.push(Read {
            id: document.id.to_owned(),
            routing: document.routing.map(str::to_owned),
            version: document.version,
            seq_no: document.seq_no,
            primary_term: document.primary_term,
            source: document.source.unwrap_or_default().to_vec(),
        });
        Ok::<(), ()>(())
    });
    read.map_err(|error| match error {
        ReadError::Lucene(error) => error,
        ReadError::Visitor(()) => unreachable!("the visitor takes every document"),
    })
}

/// All documents of a shard, proven by their checksums.
fn read_shard(files: &Arc<dyn SegmentFiles>) -> Result<Vec<Read>, LuceneError> {
    let commit = Commit::read(files.as_ref())?;
    let mut scratch = Scratch::new();
    let mut documents = Vec::new();
    for info in &commit.segments {
        let segment = Segment::open(Arc::clone(files), info)?;
        let stats = read(&segment, 0..usize::MAX, &mut scratch, &mut documents)?;
        segment.check_spans(&[stats.span])?;
    }
    documents.sort();
    Ok(documents)
}

fn expected(repository: &str, snapshot: &str, index: &str) -> Vec<Expected> {
    let path = format!("expected/{repository}.{snapshot}.{index}.ndjson.gz");
    let packed = std::fs::read(fixtures().join(path)).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_document_is_as_the_server_answered() {
    for (directory, repository, name) in SNAPSHOTS {
        let snapshot = snapshot(directory, name);
        for index in snapshot.indices() {
            let context = format!("{repository}.{name}.{}", index.name);
            let mut documents = Vec::new();
            for shard in 0..index.shards {
                let shard = snapshot.shard(&index.name, shard).unwrap();
                let files: Arc<dyn SegmentFiles> = shard.files().clone();
                documents.extend(read_shard(&files).unwrap());
            }
            let mut by_key: BTreeMap<_, _> = BTreeMap::new();
            for document in documents {
                let key = (document.id.clone(), document.routing.clone());
                assert!(by_key.insert(key, document).is_none(), "{context}: twice");
            }
            for expected in expected(repository, name, &index.name) {
                let key = (expected.id, expected.routing);
                let document = by_key
                    .remove(&key)
                    .unwrap_or_else(|| panic!("{context}: {key:?} is missing"));
                assert_eq!(
                    document.version,
                    Some(expected.version),
                    "{context} {key:?}"
                );
                assert_eq!(document.seq_no, Some(expected.seq_no), "{context} {key:?}");
                let term = Some(expected.primary_term);
                assert_eq!(document.primary_term, term, "{context} {key:?}");
                if expected.source_format.is_some() {
                    assert!(!document.source.is_empty(), "{context} {key:?}");
                    continue;
                }
                let text = expected.source_text.as_deref();
                let text = text.unwrap_or(expected.source.get()).trim();
                assert!(
                    document.source.trim_ascii() == text.as_bytes(),
                    "{context} {key:?}"
                );
            }
            assert!(
                by_key.is_empty(),
                "{context}: {:?} is extra",
                by_key.keys().next()
            );
        }
    }
}

#[test]
fn counts_by_metadata_are_those_of_reading_and_of_the_server() {
    for (directory, repository, name) in SNAPSHOTS {
        let path = format!("expected/{repository}.{name}.json");
        let server: Value =
            serde_json::from_slice(&std::fs::read(fixtures().join(path)).unwrap()).unwrap();
        let snapshot = snapshot(directory, name);
        for index in snapshot.indices() {
            let mut of_server = BTreeMap::new();
            let segments = &server["indices"][&index.name]["segments"];
            for segment in segments.as_array().into_iter().flatten() {
                let text = |key: &str| segment[key].as_str().unwrap().to_owned();
                let live: u32 = text("docs.count").parse().unwrap();
                of_server.insert((text("shard"), text("segment")), live);
            }
            for shard in 0..index.shards {
                let files = snapshot.shard(&index.name, shard).unwrap().files().clone();
                let commit = Commit::read(files.as_ref()).unwrap();
                for info in &commit.segments {
                    let segment = Segment::open(files.clone(), info).unwrap();
                    let context = format!("{name}.{}.{shard}.{}", index.name, info.name);
                    let counts = segment.counts();
                    let chunks = segment.chunks().iter();
                    let docs: u32 = chunks.map(|chunk| chunk.unwrap().docs).sum();
                    assert_eq!(docs, counts.max_doc, "{context}");
                    let stats = read(
                        &segment,
                        0..usize::MAX,
                        &mut Scratch::new(),
                        &mut Vec::new(),
                    );
                    let stats = stats.unwrap();
                    assert_eq!(stats.docs, u64::from(counts.max_doc), "{context}");
                    assert_eq!(counts.roots_live, Some(stats.live_roots), "{context}");
                    let live = stats.live_roots + stats.nested;
                    assert_eq!(u64::from(counts.live), live, "{context}");
                    let dead = counts.hard_deleted + counts.soft_deleted;
                    assert_eq!(u64::from(dead), stats.dead, "{context}");
                    assert!(segment.values_unread().is_empty(), "{context}");
                    let key = (shard.to_string(), info.name.clone());
                    if let Some(live) = of_server.get(&key) {
                        assert_eq!(counts.live, *live, "{context}");
                    }
                }
            }
        }
    }
}

#[test]
fn parts_of_a_segment_are_the_whole_and_prove_it_together() {
    let snapshot = snapshot("edge", "first");
    let mut most = 0;
    for index in ["deep-nested", "random-bytes", "sorted"] {
        let files = snapshot.shard(index, 0).unwrap().files().clone();
        for info in Commit::read(files.as_ref()).unwrap().segments {
            let segment = Segment::open(files.clone(), &info).unwrap();
            let mut scratch = Scratch::new();
            let mut whole = Vec::new();
            let all = read(&segment, 0..usize::MAX, &mut scratch, &mut whole).unwrap();
            let chunks = segment.chunks().len();
            most = most.max(chunks);
            let mut spans = Vec::new();
            let mut parts = vec![Vec::new(); chunks];
            // Backwards, so that nothing rests on what was read before.
            for chunk in (0..chunks).rev() {
                let part = &mut parts[chunk];
                let stats = read(&segment, chunk..chunk + 1, &mut scratch, part).unwrap();
                spans.push(stats.span);
            }
            assert_eq!(parts.concat(), whole);
            segment.check_spans(&spans).unwrap();
            segment.check_spans(&[all.span]).unwrap();
            // Joined in order they are the span of the whole, wherever the line between them is; out of order they are none.
            spans.reverse();
            for (before, next) in spans.iter().zip(spans.iter().skip(1)) {
                assert!(segment.join_spans(*before, *next).is_some());
                assert_eq!(segment.join_spans(*next, *before), None);
            }
            let join = |spans: &[ChecksumSpan]| {
                let first = spans.iter().copied().map(Some);
                first.reduce(|before, next| segment.join_spans(before?, next?))
            };
            assert_eq!(join(&spans), Some(Some(all.span)));
            for line in 1..chunks {
                let first = join(&spans[..line]).unwrap().unwrap();
                let rest = join(&spans[line..]).unwrap().unwrap();
                assert_eq!(segment.join_spans(first, rest), Some(all.span));
            }
            let broken = ChecksumSpan {
                crc: spans[0].crc ^ 1,
                ..spans[0]
            };
            if chunks > 1 {
                let joined = segment.join_spans(broken, spans[1]).unwrap();
                let rest = [&[joined][..], &spans[2..]].concat();
                assert!(segment.check_spans(&rest).is_err());
            }
            spans.reverse();
            segment.verify_stored_fields_checksum().unwrap();
            for file in segment.unverified_files() {
                segment.verify_checksum(file).unwrap();
            }
            let wrong = ChecksumSpan {
                crc: all.span.crc ^ 1,
                ..all.span
            };
            for spans in [&[wrong][..], &spans[1..], &[all.span, all.span], &[]] {
                assert!(segment.check_spans(spans).is_err());
            }
        }
    }
    assert!(most > 2, "no segment has several chunks");
}

/// A shard one bit of which is not as it was written.
struct Flipped {
    files: BTreeMap<String, Bytes>,
}

impl SegmentFiles for Flipped {
    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, LuceneError> {
        let file = self.files.get(name).ok_or_else(|| LuceneError::Missing {
            file: name.to_owned(),
        })?;
        Ok(Arc::new(file.clone()))
    }
}

#[test]
fn no_flipped_bit_gives_another_document() {
    let snapshot = snapshot("edge", "first");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut found, mut harmless) = (0, 0);
    for index in [
        "ids",
        "merged",
        "deep-nested",
        "sources",
        "deep-nested-deflate",
    ] {
        let shard = snapshot.shard(index, 0).unwrap();
        let names = shard.files().names();
        let whole = names.iter().map(|name| {
            let file = shard.files().open(name).unwrap();
            let length = usize::try_from(file.len()).unwrap();
            (name.clone(), file.read_at(0, length).unwrap())
        });
        let whole: BTreeMap<_, _> = whole.collect();
        let intact: Arc<dyn SegmentFiles> = Arc::new(Flipped {
            files: whole.clone(),
        });
        let intact = read_shard(&intact).unwrap();
        for name in &names {
            for _ in 0..60 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let mut bytes = whole[name].to_vec();
                let bit = usize::try_from(state >> 20).unwrap() % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                let mut files = whole.clone();
                files.insert(name.clone(), Bytes::from(bytes));
                let flipped: Arc<dyn SegmentFiles> = Arc::new(Flipped { files });
                match read_shard(&flipped) {
                    Err(_) => found += 1,
                    // In files that the reader never opens: postings, points, norms.
                    Ok(documents) => {
                        assert!(documents == intact, "{index} {name}, bit {bit}");
                        harmless += 1;
                    }
                }
            }
        }
    }
    assert!(found > 500, "{found} flips found, {harmless} harmless");
}
