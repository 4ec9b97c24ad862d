//! Damage to real files of every version, bit by bit: never a panic, never a document that is not as it was, never more
//! memory than is stated.
//!
//! A sample of the bits; many more with `MIG_TEST_ALL=1`. The flips are made in a process of its own, whose memory is then
//! looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use mig::base::ReadAt;
use mig::clients::objects::DirectoryStore;
use mig::engines::lucene::{Commit, LuceneError, ReadError, Scratch, Segment, SegmentFiles};
use mig::engines::snapshot::Repository;

/// What the process may take at the most, the fixtures among it: an uncompressed shard of them has 11 MB.
const MEMORY_KIB: u64 = 160 << 10;

/// Files that the reader opens, by extension.
const READ: [&str; 12] = [
    "si", "cfe", "cfs", "fnm", "fdt", "fdx", "fdm", "liv", "del", "dvm", "dvd", "commit",
];

fn repositories() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found = vec![
        fixtures.join("es-1.7.6/repository"),
        fixtures.join("es-7.10.2/edge"),
    ];
    for entry in std::fs::read_dir(fixtures.join("versions")).unwrap() {
        let path = entry.unwrap().path().join("repository");
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[derive(Clone)]
struct Files(BTreeMap<String, Bytes>);

impl SegmentFiles for Files {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, LuceneError> {
        let file = self.0.get(name).ok_or_else(|| LuceneError::Missing {
            file: name.to_owned(),
        })?;
        Ok(Arc::new(file.clone()))
    }
}

/// One document: everything by which two can differ.
type Read = (
    String,
    [Option<String>; 2],
    [Option<i64>; 3],
    [Option<Vec<u8>>; 2],
);

fn read_shard(files: &Arc<dyn SegmentFiles>) -> Result<Vec<Read>, LuceneError> {
    let mut documents = Vec::new();
    let mut scratch = Scratch::new();
    for info in &Commit::read(files.as_ref())?.segments {
        let segment = Segment::open(Arc::clone(files), info)?;
        // Of files that are too large to be verified when they are opened there are none here.
        assert_eq!(segment.unverified_files().len(), 1);
        let read = segment.read_documents(0..usize::MAX, &mut scratch, |document| {
            documents.push((
                document.id.to_owned(),
                [document.routing, document.legacy_type].map(|text| text.map(str::to_owned)),
                [document.version, document.seq_no, document.primary_term],
                [document.source, document.recovery_source].map(|bytes| bytes.map(<[u8]>::to_vec)),
            ));
            // All fields are parsed; that those which nobody asked for are damaged is found by the checksum.
            for field in &document.stored {
                if field.is_err() {
                    break;
                }
            }
            Ok::<(), ()>(())
        });
        let stats = read.map_err(|error| match error {
            ReadError::Lucene(error) => error,
            ReadError::Visitor(()) => unreachable!("the visitor takes every document"),
        })?;
        segment.check_spans(&[stats.span])?;
        let counts = segment.counts();
        assert_eq!(stats.docs, u64::from(counts.max_doc));
        assert_eq!(stats.live_roots + stats.nested, u64::from(counts.live));
    }
    documents.sort();
    Ok(documents)
}

fn shards(repository: &Path) -> Vec<(String, Files)> {
    let opened = Repository::open(Arc::new(DirectoryStore::new(repository))).unwrap();
    let mut shards = Vec::new();
    for entry in opened.snapshots() {
        let snapshot = opened.snapshot(&entry.name).unwrap();
        for index in snapshot.indices() {
            for number in 0..index.shards {
                // One index has a shard that was not taken.
                let Ok(shard) = snapshot.shard(&index.name, number) else {
                    continue;
                };
                let whole = shard.files().names().into_iter().map(|name| {
                    let file = shard.files().open(&name).unwrap();
                    let bytes = file.read_at(0, usize::try_from(file.len()).unwrap());
                    (name, bytes.unwrap())
                });
                let context = format!("{}/{}/{number}", entry.name, index.name);
                shards.push((context, Files(whole.collect())));
            }
        }
    }
    shards
}

fn is_read(name: &str) -> bool {
    name.starts_with("segments_")
        || name
            .rsplit_once('.')
            .is_some_and(|(_, extension)| READ.contains(&extension))
}

/// `segments` for the commit, which has none.
fn extension(name: &str) -> &str {
    name.rsplit_once('.')
        .map_or("segments", |(_, extension)| extension)
}

/// A file's last 16 bytes as a footer that fits; files of Lucene 4 before 4.8 have none.
fn footed(mut bytes: Vec<u8>) -> Option<Bytes> {
    let covered = bytes.len().checked_sub(8)?;
    if bytes.get(covered - 8..covered - 4)? != 0xc028_93e8_u32.to_be_bytes() {
        return None;
    }
    let checksum = u64::from(crc32fast::hash(&bytes[..covered]));
    bytes[covered..].copy_from_slice(&checksum.to_be_bytes());
    Some(bytes.into())
}

/// What no checksum finds, since it was made to fit, is found by counts: the documents of the chunks are as many as the
/// segment has, deletions as many as the commit says, chunks follow each other without a gap. Every bit of the files that
/// say so, in the segments of every version that have deletions.
#[test]
fn what_is_changed_with_its_checksum_is_found_by_counts() {
    const COUNTED: [&str; 5] = ["si", "fdx", "fdm", "liv", "del"];
    let all = std::env::var_os("MIG_TEST_ALL").is_some();
    let mut hard = 0;
    for repository in repositories() {
        let mut outcomes: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        let has = |files: &Files, is: fn(&str) -> bool| files.0.keys().any(|name| is(name));
        let is_hard = |name: &str| matches!(extension(name), "liv" | "del");
        // Doc values of a later generation.
        let is_soft = |name: &str| extension(name) == "dvd" && name.matches('_').count() == 4;
        let mut all_shards = shards(&repository);
        all_shards.sort_by_key(|(_, files)| files.0.values().map(Bytes::len).sum::<usize>());
        let mut chosen = Vec::new();
        for kind in [is_hard as fn(&str) -> bool, is_soft, |name| {
            extension(name) == "fdx"
        }] {
            chosen.extend(all_shards.iter().find(|(_, files)| has(files, kind)));
        }
        if all {
            chosen = all_shards.iter().collect();
        }
        for (context, whole) in chosen {
            let files: Arc<dyn SegmentFiles> = Arc::new(whole.clone());
            let intact = read_shard(&files).unwrap();
            for (name, bytes) in &whole.0 {
                let extension = extension(name);
                if extension != "segments" && !COUNTED.contains(&extension) {
                    continue;
                }
                // Headers are the concern of the test above.
                let bits = 40 * 8..bytes.len().saturating_sub(16) * 8;
                let step = if all { 1 } else { (bits.len() / 250).max(1) };
                for bit in bits.step_by(step) {
                    let mut changed = bytes.to_vec();
                    changed[bit / 8] ^= 1 << (bit % 8);
                    let Some(changed) = footed(changed) else {
                        break;
                    };
                    let mut files = whole.clone();
                    files.0.insert(name.clone(), changed);
                    let files: Arc<dyn SegmentFiles> = Arc::new(files);
                    let outcome = outcomes.entry(extension.to_owned()).or_default();
                    match read_shard(&files) {
                        Err(_) => outcome.0 += 1,
                        Ok(documents) => {
                            let here =
                                format!("{} {context} {name}, bit {bit}", repository.display());
                            assert!(documents == intact, "{here}");
                            assert!(extension != "liv" && extension != "del", "{here}");
                            outcome.1 += 1;
                        }
                    }
                }
            }
        }
        println!("{}: (found, harmless) {outcomes:?}", repository.display());
        for file in ["segments", "si"] {
            assert!(outcomes[file].0 > 0, "{}: {file}", repository.display());
        }
        hard += u32::from(outcomes.contains_key("liv") || outcomes.contains_key("del"));
    }
    assert!(hard >= 7, "hard deletions in {hard} repositories alone");
}

#[test]
fn no_flipped_bit_in_files_of_any_version_gives_another_document() {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["flips::flip_bits", "--exact", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{out}\n{error}");
    assert!(out.contains("1 passed"), "{out}");
    println!("{out}");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn flip_bits() {
    let all = std::env::var_os("MIG_TEST_ALL").is_some();
    let each = if all { 40 } else { 2 };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 20).unwrap() % below
    };
    let (mut found, mut harmless) = (0, 0);
    for repository in repositories() {
        let before = (found, harmless);
        for (context, whole) in shards(&repository) {
            let files: Arc<dyn SegmentFiles> = Arc::new(whole.clone());
            let intact = read_shard(&files).unwrap_or_else(|error| panic!("{context}: {error}"));
            for (name, bytes) in whole.0.iter().filter(|(name, _)| is_read(name)) {
                for flip in 0..each {
                    // Half of them where headers, lists and footers stand.
                    let edge = 96.min(bytes.len());
                    let at = match flip % 4 {
                        0 => random(edge),
                        1 => bytes.len() - 1 - random(edge),
                        _ => random(bytes.len()),
                    };
                    let mut flipped = bytes.to_vec();
                    flipped[at] ^= 1 << random(8);
                    let mut files = whole.clone();
                    files.0.insert(name.clone(), flipped.into());
                    let files: Arc<dyn SegmentFiles> = Arc::new(files);
                    match read_shard(&files) {
                        Err(_) => found += 1,
                        // In files within a compound file that the reader does not open.
                        Ok(documents) => {
                            assert!(
                                documents == intact,
                                "{} {context} {name}, byte {at}",
                                repository.display()
                            );
                            harmless += 1;
                        }
                    }
                }
            }
        }
        println!(
            "{}: {} flips found, {} harmless",
            repository.display(),
            found - before.0,
            harmless - before.1
        );
        assert!(found > before.0 + 20, "{}", repository.display());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    println!("{found} flips found, {harmless} harmless, {peak} KiB at the most");
    assert!(peak < MEMORY_KIB, "{peak} KiB of {MEMORY_KIB}");
}
