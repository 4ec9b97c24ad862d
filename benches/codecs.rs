//! The reader by codec on one thread: each format of stored fields, over the same documents, against plain decompression of
//! the same chunks in the same run.
//!
//!     cargo bench --bench codecs
//!
//! The segments are made here, in memory, as Lucene lays them out: no server at hand writes all of these formats. The
//! compressors are those of this package's own libraries, at about the levels that Lucene uses. `reader` measures what
//! servers wrote. Rounds alternate; CPU seconds are those of the thread. `MIG_BENCH_ROUNDS` sets how many (5),
//! `MIG_BENCH_MIB` how many MiB of documents (64).

#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mig::base::ReadAt;
use mig::engines::lucene::{LuceneError, Scratch, Segment, SegmentCommit, SegmentFiles};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ID: [u8; 16] = [1; 16];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pack {
    Lz4,
    Deflate,
    Lz4Dictionary,
    DeflateDictionary,
    Zstd,
    ZstdDictionary,
    ZstdBlocks,
}

/// One format: what the header says, how chunks are made, and what a reader finds them by.
struct Codec {
    name: &'static str,
    version: u8,
    label: &'static str,
    pack: Pack,
    chunk_bytes: usize,
    chunk_docs: usize,
}

const CODECS: [Codec; 10] = [
    codec(
        "Lucene41StoredFieldsData",
        2,
        "LZ4, Lucene 4.x",
        Pack::Lz4,
        16 << 10,
        128,
    ),
    codec(
        "Lucene50StoredFieldsFastData",
        1,
        "LZ4, Lucene 5 to 8.6",
        Pack::Lz4,
        16 << 10,
        128,
    ),
    codec(
        "Lucene50StoredFieldsHighData",
        1,
        "DEFLATE, Lucene 5 to 8.6",
        Pack::Deflate,
        60 << 10,
        512,
    ),
    codec(
        "Lucene87StoredFieldsFastData",
        4,
        "LZ4, Lucene 8.7 on",
        Pack::Lz4Dictionary,
        80 << 10,
        1024,
    ),
    codec(
        "Lucene87StoredFieldsHighData",
        4,
        "DEFLATE, Lucene 8.7 on",
        Pack::DeflateDictionary,
        480 << 10,
        4096,
    ),
    codec(
        "Lucene90StoredFieldsFastData",
        1,
        "LZ4, Lucene 9 on",
        Pack::Lz4Dictionary,
        80 << 10,
        1024,
    ),
    codec(
        "Lucene90StoredFieldsHighData",
        1,
        "DEFLATE, Lucene 9 on",
        Pack::DeflateDictionary,
        480 << 10,
        4096,
    ),
    codec(
        "ZstdStoredFields814",
        1,
        "zstd, Elasticsearch 8.14 on",
        Pack::Zstd,
        240 << 10,
        2048,
    ),
    codec(
        "CustomStoredFieldsZstd",
        1,
        "zstd, OpenSearch",
        Pack::ZstdDictionary,
        480 << 10,
        4096,
    ),
    codec(
        "CustomStoredFieldsZstdNoDict",
        1,
        "zstd_no_dict, OpenSearch",
        Pack::ZstdBlocks,
        480 << 10,
        4096,
    ),
];

const fn codec(
    name: &'static str,
    version: u8,
    label: &'static str,
    pack: Pack,
    chunk_bytes: usize,
    chunk_docs: usize,
) -> Codec {
    Codec {
        name,
        version,
        label,
        pack,
        chunk_bytes,
        chunk_docs,
    }
}

impl Codec {
    fn before_ids(&self) -> bool {
        self.name.starts_with("Lucene41")
    }

    fn little(&self) -> bool {
        !(self.name.starts_with("Lucene41")
            || self.name.starts_with("Lucene50")
            || self.name.starts_with("Lucene87"))
    }

    /// Bits of flags in a chunk's header.
    fn flags(&self) -> u32 {
        match self.name {
            "Lucene41StoredFieldsData" => 0,
            name if name.starts_with("Lucene50") => 1,
            _ => 2,
        }
    }
}

fn main() -> Result<()> {
    let number = |name, default| std::env::var(name).map_or(Ok(default), |text| text.parse());
    let rounds: usize = number("MIG_BENCH_ROUNDS", 5)?;
    let mib: usize = number("MIG_BENCH_MIB", 64)?;
    let documents = documents(mib << 20);
    println!(
        "{} documents, {rounds} rounds, CPU seconds of one thread, best (median)",
        documents.len()
    );
    println!(
        "{:<30} {:>21} {:>17} {:>13} {:>6}",
        "codec", "documents/s", "MB/s", "of plain", "ratio"
    );
    for codec in &CODECS {
        measure(codec, &documents, rounds)?;
    }
    Ok(())
}

/// Log lines of about 0.8 KB, as they are stored: `_id` and `_source`.
fn documents(bytes: usize) -> Vec<Vec<u8>> {
    let words = [
        "request", "accepted", "from", "upstream", "cache", "miss", "retry", "user", "session",
        "closed",
    ];
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut documents = Vec::new();
    let mut total = 0;
    while total < bytes {
        let at = documents.len();
        let mut source = format!(
            "{{\"@timestamp\":\"2020-11-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\"host\":\"web-{:02}\",\"status\":{},\"bytes\":{},\"client\":\"10.{}.{}.{}\",\"trace\":\"{:016x}{:016x}\",\"message\":\"",
            1 + at / 100_000 % 28,
            at / 3600 % 24,
            at / 60 % 60,
            at % 60,
            random(1000),
            random(40),
            [200, 200, 200, 304, 404, 500][random(6) as usize],
            random(100_000),
            random(256),
            random(256),
            random(256),
            random(u64::MAX),
            random(u64::MAX),
        );
        while source.len() < 790 {
            source.push_str(words[random(10) as usize]);
            source.push(' ');
            if random(4) == 0 {
                source.push_str(&random(100_000).to_string());
                source.push(' ');
            }
        }
        source.push_str("\"}");
        let mut document = vec![1, 16, 0x11];
        for _ in 0..15 {
            document.push(random(200) as u8);
        }
        document.push(1 << 3 | 1);
        vlong(&mut document, source.len() as u64);
        document.extend(source.into_bytes());
        total += document.len();
        documents.push(document);
    }
    documents
}

fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    Duration::from_nanos(first.and_then(|text| text.parse().ok()).unwrap_or_default())
}

fn measure(codec: &Codec, documents: &[Vec<u8>], rounds: usize) -> Result<()> {
    let files = Arc::new(Files(segment(codec, documents)?));
    let commit = SegmentCommit {
        name: "_0".to_owned(),
        id: Some(ID),
        codec: String::new(),
        del_gen: None,
        del_count: 0,
        field_infos_gen: None,
        doc_values_gen: None,
        soft_del_count: 0,
    };
    let segment = Segment::open(files, &commit)?;
    let mut scratch = Scratch::new();
    let (mut reading, mut plain) = (Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..rounds {
        let start = cpu();
        let stats = segment.read_documents(0..usize::MAX, &mut scratch, |document| {
            black_box(document);
            Ok::<(), std::convert::Infallible>(())
        })?;
        segment.check_spans(&[stats.span])?;
        reading.push(cpu().saturating_sub(start).as_secs_f64());
        let start = cpu();
        black_box(segment.decompress(0..usize::MAX, &mut scratch)?);
        plain.push(cpu().saturating_sub(start).as_secs_f64());
        if stats.live_roots != documents.len() as u64 {
            return Err("not every document was read".into());
        }
        last = Some(stats);
    }
    let stats = last.ok_or("no round")?;
    reading.sort_unstable_by(f64::total_cmp);
    plain.sort_unstable_by(f64::total_cmp);
    let middle = rounds / 2;
    let docs = stats.live_roots as f64;
    let megabytes = stats.decompressed_bytes as f64 / 1e6;
    println!(
        "{:<30} {:>10.0} ({:>8.0}) {:>8.0} ({:>6.0}) {:>6.2} ({:>4.2}) {:>6.2}",
        codec.label,
        docs / reading[0],
        docs / reading[middle],
        megabytes / reading[0],
        megabytes / reading[middle],
        plain[0] / reading[0],
        plain[middle] / reading[middle],
        stats.decompressed_bytes as f64 / stats.compressed_bytes as f64,
    );
    Ok(())
}

struct Files(BTreeMap<&'static str, Bytes>);

impl SegmentFiles for Files {
    fn names(&self) -> Vec<String> {
        self.0.keys().map(|name| (*name).to_owned()).collect()
    }

    fn open(&self, name: &str) -> std::result::Result<Arc<dyn ReadAt>, LuceneError> {
        let file = self.0.get(name).cloned();
        let file = file.ok_or_else(|| LuceneError::Missing {
            file: name.to_owned(),
        })?;
        Ok(Arc::new(file))
    }
}

fn vlong(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn header(codec: &str, version: u8, id: bool) -> Vec<u8> {
    let mut out = 0x3fd7_6c17_u32.to_be_bytes().to_vec();
    vlong(&mut out, codec.len() as u64);
    out.extend(codec.as_bytes());
    out.extend([0, 0, 0, version]);
    if id {
        out.extend(ID);
        out.push(0);
    }
    out
}

fn framed(mut bytes: Vec<u8>) -> Bytes {
    bytes.extend(0xc028_93e8_u32.to_be_bytes());
    bytes.extend([0; 4]);
    let crc = crc32fast::hash(&bytes);
    bytes.extend(u64::from(crc).to_be_bytes());
    bytes.into()
}

/// The files of one segment of these documents.
fn segment(codec: &Codec, documents: &[Vec<u8>]) -> Result<BTreeMap<&'static str, Bytes>> {
    let mut fdt = header(codec.name, codec.version, !codec.before_ids());
    let legacy = codec.flags() < 2;
    if legacy {
        vlong(&mut fdt, codec.chunk_bytes as u64);
        fdt.push(2);
    }
    let mut chunks: Vec<(u64, u64)> = Vec::new();
    let mut first = 0;
    while first < documents.len() {
        let mut bytes = 0;
        let rest = documents[first..].iter().take(codec.chunk_docs);
        let docs = rest
            .take_while(|document| {
                let fits = bytes < codec.chunk_bytes;
                bytes += document.len();
                fits
            })
            .count();
        chunks.push((first as u64, fdt.len() as u64));
        vlong(&mut fdt, first as u64);
        vlong(&mut fdt, (docs as u64) << codec.flags());
        let chunk = &documents[first..first + docs];
        let lengths: Vec<u32> = chunk.iter().map(|document| document.len() as u32).collect();
        integers(&mut fdt, codec.little(), &vec![2; docs]);
        integers(&mut fdt, codec.little(), &lengths);
        compress(&mut fdt, codec.pack, &chunk.concat())?;
        first += docs;
    }
    let end = (documents.len() as u64, fdt.len() as u64);
    let mut files = BTreeMap::from([("_0.fdt", framed(fdt))]);
    let order = codec.little();
    let int = |value: u32| {
        if order {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    let long = |value: u64| {
        if order {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    if legacy {
        let name = codec.name.replace("Data", "Index");
        let mut fdx = header(&name, codec.version, !codec.before_ids());
        fdx.push(2);
        for block in chunks.chunks(1024) {
            vlong(&mut fdx, block.len() as u64);
            for of in [|chunk: &(u64, u64)| chunk.0, |chunk: &(u64, u64)| chunk.1] {
                vlong(&mut fdx, of(&block[0]));
                fdx.extend([0, 64]);
                let deltas = block.iter().map(|chunk| (of(chunk) - of(&block[0])) << 1);
                fdx.extend(deltas.flat_map(u64::to_be_bytes));
            }
        }
        fdx.push(0);
        vlong(&mut fdx, end.1);
        files.insert("_0.fdx", framed(fdx));
    } else {
        chunks.push(end);
        let (meta, index) = if order {
            (("Lucene90FieldsIndexMeta", 1), "Lucene90FieldsIndexIdx")
        } else {
            (("Lucene85FieldsIndexMeta", 4), "Lucene85FieldsIndexIdx")
        };
        let mut fdm = header(meta.0, meta.1, true);
        let mut fdx = header(index, 0, true);
        vlong(&mut fdm, codec.chunk_bytes as u64);
        if !order {
            fdm.push(2);
        }
        fdm.extend(
            [end.0 as u32, 10, chunks.len() as u32]
                .into_iter()
                .flat_map(int),
        );
        for of in [|chunk: &(u64, u64)| chunk.0, |chunk: &(u64, u64)| chunk.1] {
            fdm.extend(long(fdx.len() as u64));
            let start = fdx.len();
            for block in chunks.chunks(1024) {
                fdm.extend([0; 12]);
                fdm.extend(long((fdx.len() - start) as u64));
                fdm.push(64);
                fdx.extend(block.iter().map(of).flat_map(long));
            }
        }
        fdm.extend(long(fdx.len() as u64));
        fdm.extend(long(end.1));
        files.insert("_0.fdm", framed(fdm));
        files.insert("_0.fdx", framed(fdx));
    }
    let mut si = header("Lucene86SegmentInfo", 0, true);
    si.extend([0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 0, 0]);
    si.extend((documents.len() as u32).to_be_bytes());
    si.extend([0xff, 0, 0, 0]);
    files.insert("_0.si", framed(si));
    let mut fnm = header("Lucene60FieldInfos", 2, true);
    fnm.push(2);
    for (number, name) in (0..).zip(["_id", "_source"]) {
        vlong(&mut fnm, name.len() as u64);
        fnm.extend(name.as_bytes());
        fnm.extend([number, 0, 0, 0]);
        fnm.extend([0xff; 8]);
        fnm.extend([0, 0]);
    }
    files.insert("_0.fnm", framed(fnm));
    Ok(files)
}

/// One number a document, as the header of a chunk has them.
fn integers(out: &mut Vec<u8>, blocks: bool, values: &[u32]) {
    let equal = values.iter().all(|value| *value == values[0]);
    if values.len() == 1 || equal {
        if values.len() > 1 {
            out.push(0);
        }
        return vlong(out, u64::from(values[0]));
    }
    if !blocks {
        let bits = 32 - values.iter().copied().max().unwrap_or(1).leading_zeros();
        out.push(bits as u8);
        let (mut word, mut held) = (0_u64, 0);
        for value in values {
            word = word << bits | u64::from(*value);
            held += bits;
            while held >= 8 {
                held -= 8;
                out.push((word >> held) as u8);
            }
        }
        if held > 0 {
            out.push((word << (8 - held)) as u8);
        }
        return;
    }
    out.push(16);
    let whole = values.chunks_exact(128);
    let rest = whole.remainder();
    for block in whole {
        for word in 0..32 {
            let parts = block[word..].iter().step_by(32);
            let joined = parts.fold(0_u64, |joined, part| joined << 16 | u64::from(*part));
            out.extend(joined.to_le_bytes());
        }
    }
    out.extend(rest.iter().flat_map(|value| (*value as u16).to_le_bytes()));
}

fn compress(out: &mut Vec<u8>, pack: Pack, data: &[u8]) -> Result<()> {
    let framed = |out: &mut Vec<u8>, packed: Vec<u8>| {
        vlong(out, packed.len() as u64);
        out.extend(packed);
    };
    let dictionary = match pack {
        Pack::Lz4Dictionary => (data.len() / 20).min(64 << 10),
        Pack::DeflateDictionary | Pack::ZstdDictionary => data.len() / 60,
        _ => 0,
    };
    let (head, rest) = data.split_at(dictionary);
    let step = rest.len().div_ceil(10).max(1);
    match pack {
        Pack::Lz4 => out.extend(lz4_flex::block::compress(data)),
        Pack::Deflate => framed(out, deflate(b"", data)?),
        Pack::Zstd => framed(out, zstd(b"", data)?),
        Pack::ZstdBlocks => {
            vlong(out, step as u64);
            for block in rest.chunks(step) {
                framed(out, zstd(b"", block)?);
            }
        }
        Pack::Lz4Dictionary => {
            vlong(out, dictionary as u64);
            vlong(out, step as u64);
            let mut blocks = vec![lz4_flex::block::compress(head)];
            let packed = |block| lz4_flex::block::compress_with_dict(block, head);
            blocks.extend(rest.chunks(step).map(packed));
            for block in &blocks {
                vlong(out, block.len() as u64);
            }
            out.extend(blocks.concat());
        }
        Pack::DeflateDictionary | Pack::ZstdDictionary => {
            let one = if pack == Pack::ZstdDictionary {
                zstd
            } else {
                deflate
            };
            vlong(out, dictionary as u64);
            vlong(out, step as u64);
            framed(out, one(b"", head)?);
            for block in rest.chunks(step) {
                framed(out, one(head, block)?);
            }
        }
    }
    Ok(())
}

fn zstd(dictionary: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    Ok(zstd::bulk::Compressor::with_dictionary(3, dictionary)?.compress(data)?)
}

fn deflate(dictionary: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    let level = flate2::Compression::new(6);
    if dictionary.is_empty() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
        encoder.write_all(data)?;
        return Ok(encoder.finish()?);
    }
    let mut packer = flate2::Compress::new(level, false);
    packer.set_dictionary(dictionary)?;
    let mut out = Vec::with_capacity(data.len() + 1000);
    packer.compress_vec(data, &mut out, flate2::FlushCompress::Finish)?;
    Ok(out)
}
