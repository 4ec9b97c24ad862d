//! What an open segment takes in memory, of a size that no test has on disk: a shard of a terabyte in one segment, whose index
//! is made up as it is read.

use std::io;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use mig::base::ReadAt;
use mig::engines::lucene::{LuceneError, Segment, SegmentCommit, SegmentFiles};

/// What opening may take, and going through all chunks.
const MEMORY_KIB: u64 = 24 << 10;

const ID: [u8; 16] = [7; 16];
const PAGE: u64 = 1024;
/// Documents of 1 KB and chunks of 16 KiB, as before Lucene 8.7.
const DOCS_PER_CHUNK: u64 = 16;
const CHUNK_BYTES: u64 = 8000;
/// Bits of each packed difference, and bytes of each packed list.
const BITS: u64 = 13;
const PACKED: u64 = PAGE * BITS / 8;

fn header(codec: &str, suffix: &str) -> Vec<u8> {
    let mut out = 0x3fd7_6c17_u32.to_be_bytes().to_vec();
    out.push(u8::try_from(codec.len()).unwrap());
    out.extend(codec.as_bytes());
    out.extend([0, 0, 0, 1]);
    out.extend(ID);
    out.push(u8::try_from(suffix.len()).unwrap());
    out.extend(suffix.as_bytes());
    out
}

fn footer(crc: u32) -> Vec<u8> {
    let mut out = 0xc028_93e8_u32.to_be_bytes().to_vec();
    out.extend([0; 4]);
    out.extend(u64::from(crc).to_be_bytes());
    out
}

fn framed(mut bytes: Vec<u8>) -> Bytes {
    bytes.extend(0xc028_93e8_u32.to_be_bytes());
    bytes.extend([0; 4]);
    let crc = crc32fast::hash(&bytes);
    bytes.extend(u64::from(crc).to_be_bytes());
    bytes.into()
}

/// In as many bytes as are asked for.
fn vlong(out: &mut Vec<u8>, mut value: u64, width: usize) {
    for at in 1..=width {
        let more = u8::from(at < width) << 7;
        out.push((value & 0x7f) as u8 | more);
        value >>= 7;
    }
}

/// `.fdx` of full blocks, each made when it is read. All differences are 1, which as a zigzag is -1.
#[derive(Clone)]
struct Index {
    head: Vec<u8>,
    blocks: u64,
    start: u64,
    packed: Vec<u8>,
    tail: Vec<u8>,
}

/// Count, and twice base, mean and bits in front of a packed list.
const BLOCK: u64 = 2 + (5 + 1 + 1 + PACKED) + (9 + 2 + 1 + PACKED);

impl Index {
    fn new(blocks: u64, start: u64) -> Self {
        let mut head = header("Lucene50StoredFieldsFastIndex", "");
        head.push(2);
        let mut packed = vec![0; usize::try_from(PACKED).unwrap()];
        for value in 0..usize::try_from(PAGE).unwrap() {
            // Each pointer is 0 or 1 bytes off the mean.
            let bit = (value + 1) * 13 - 2;
            if value % 3 == 1 {
                packed[bit / 8] |= 0x80 >> (bit % 8);
            }
        }
        let mut index = Self {
            head,
            blocks,
            start,
            packed,
            tail: vec![0],
        };
        vlong(&mut index.tail, start + blocks * PAGE * CHUNK_BYTES, 9);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&index.head);
        for block in 0..blocks {
            hasher.update(&index.block(block));
        }
        hasher.update(&index.tail);
        let end = footer(0);
        hasher.update(&end[..8]);
        index.tail.extend(footer(hasher.finalize()));
        index
    }

    fn block(&self, number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        vlong(&mut out, PAGE, 2);
        vlong(&mut out, number * PAGE * DOCS_PER_CHUNK, 5);
        vlong(&mut out, DOCS_PER_CHUNK, 1);
        vlong(&mut out, BITS, 1);
        out.resize(out.len() + self.packed.len(), 0);
        vlong(&mut out, self.start + number * PAGE * CHUNK_BYTES, 9);
        vlong(&mut out, CHUNK_BYTES, 2);
        vlong(&mut out, BITS, 1);
        out.extend(&self.packed);
        out
    }
}

impl ReadAt for Index {
    fn len(&self) -> u64 {
        self.head.len() as u64 + self.blocks * BLOCK + self.tail.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset + length as u64;
        let mut out = Vec::with_capacity(length);
        let head = self.head.len() as u64;
        let mut take = |start: u64, part: &[u8]| {
            let from = offset.saturating_sub(start).min(part.len() as u64);
            let to = end.saturating_sub(start).min(part.len() as u64);
            let cut = |at: u64| usize::try_from(at).unwrap();
            out.extend(&part[cut(from)..cut(to.max(from))]);
        };
        take(0, &self.head);
        let first = offset.saturating_sub(head) / BLOCK;
        let last = (end.saturating_sub(head)).div_ceil(BLOCK);
        for block in first.min(self.blocks)..last.min(self.blocks) {
            take(head + block * BLOCK, &self.block(block));
        }
        take(head + self.blocks * BLOCK, &self.tail);
        assert_eq!(out.len(), length);
        Ok(out.into())
    }
}

/// `.fdt` of which only the ends are ever read.
struct Data {
    head: Vec<u8>,
    length: u64,
}

impl ReadAt for Data {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut out = vec![0; length];
        if offset == 0 {
            let head = self.head.len().min(length);
            out[..head].copy_from_slice(&self.head[..head]);
        }
        if offset + length as u64 == self.length && length >= 16 {
            out[length - 16..].copy_from_slice(&footer(0));
        }
        Ok(out.into())
    }
}

struct Files {
    index: Index,
    chunks: u64,
}

impl SegmentFiles for Files {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, LuceneError> {
        let docs = u32::try_from(self.chunks * DOCS_PER_CHUNK).unwrap();
        Ok(match name {
            "_0.si" => {
                let mut bytes = header("Lucene50SegmentInfo", "");
                bytes.extend([0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 4]);
                bytes.extend(docs.to_be_bytes());
                bytes.extend([0xff, 0, 0, 0]);
                Arc::new(framed(bytes))
            }
            "_0.fnm" => {
                let mut bytes = header("Lucene50FieldInfos", "");
                bytes.push(0);
                Arc::new(framed(bytes))
            }
            "_0.fdx" => Arc::new(self.index.clone()),
            "_0.fdt" => {
                let mut head = header("Lucene50StoredFieldsFastData", "");
                vlong(&mut head, 16384, 3);
                head.push(2);
                assert_eq!(head.len() as u64, self.index.start);
                let length = self.index.start + self.chunks * CHUNK_BYTES + 16;
                Arc::new(Data { head, length })
            }
            _ => {
                return Err(LuceneError::Missing {
                    file: name.to_owned(),
                });
            }
        })
    }
}

fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

#[test]
fn a_segment_of_any_size_takes_little_memory() {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([
            "segment_memory::open_it",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
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
fn open_it() {
    let all = std::env::var_os("MIG_TEST_ALL").is_some();
    let blocks = if all { 110_000 } else { 3000 };
    let chunks = blocks * PAGE;
    let start = header("Lucene50StoredFieldsFastData", "").len() as u64 + 4;
    let files = Arc::new(Files {
        index: Index::new(blocks, start),
        chunks,
    });
    let commit = SegmentCommit {
        name: "_0".to_owned(),
        id: Some(ID),
        codec: "Lucene54".to_owned(),
        del_gen: None,
        del_count: 0,
        field_infos_gen: None,
        doc_values_gen: None,
        soft_del_count: 0,
    };
    let before = resident("VmRSS:");
    let segment = Segment::open(files, &commit).unwrap();
    let opened = resident("VmRSS:") - before;
    let mut bytes = 0;
    let mut docs = 0;
    for chunk in segment.chunks() {
        let chunk = chunk.unwrap();
        assert_eq!(u64::from(chunk.first_doc), docs);
        bytes += u64::from(chunk.length);
        docs += u64::from(chunk.docs);
    }
    assert_eq!(segment.chunks().len() as u64, chunks);
    assert_eq!(
        (bytes, docs),
        (chunks * CHUNK_BYTES, chunks * DOCS_PER_CHUNK)
    );
    assert_eq!(segment.chunks().bytes(), bytes);
    let middle = segment.chunks().get(usize::try_from(chunks / 2).unwrap());
    let middle = middle.unwrap().unwrap();
    let found = segment.chunks().beginning_with(middle.first_doc).unwrap();
    assert_eq!(found, Some(usize::try_from(chunks / 2).unwrap()));
    let peak = resident("VmHWM:") - before;
    println!(
        "{chunks} chunks, {bytes} bytes, {docs} documents: {opened} KiB open, {peak} KiB at the most, {} by its own account",
        segment.memory()
    );
    assert!(peak < MEMORY_KIB, "{peak} KiB of {MEMORY_KIB}");
}
