//! Entries for the fuzz targets of `tests/fuzz`, past the checksums: those keep damage out, and here it is let in.
//!
//! Every function takes any bytes; that it returns, and soon, is what is tested. Only built with `--cfg fuzzing`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::directory::Directory;
use super::{
    Commit, FieldFound, LuceneError, ReadAt, Scratch, Segment, SegmentCommit, SegmentFiles,
};

const ID: [u8; 16] = [1; 16];

struct Files(BTreeMap<String, Bytes>);

impl SegmentFiles for Files {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, LuceneError> {
        let file = self.0.get(name).cloned();
        let file = file.ok_or_else(|| LuceneError::Missing {
            file: name.to_owned(),
        })?;
        Ok(Arc::new(file))
    }
}

/// A format as targets pick it: codec and version of its header.
type Format = (&'static str, u8);

const SEGMENT_INFO: [Format; 7] = [
    ("Lucene46SegmentInfo", 1),
    ("Lucene50SegmentInfo", 0),
    ("Lucene50SegmentInfo", 1),
    ("Lucene62SegmentInfo", 1),
    ("Lucene70SegmentInfo", 0),
    ("Lucene86SegmentInfo", 0),
    ("Lucene90SegmentInfo", 0),
];

const FIELD_INFOS: [Format; 10] = [
    ("Lucene46FieldInfos", 2),
    ("Lucene50FieldInfos", 0),
    ("Lucene50FieldInfos", 1),
    ("Lucene60FieldInfos", 0),
    ("Lucene60FieldInfos", 1),
    ("Lucene60FieldInfos", 2),
    ("Lucene90FieldInfos", 0),
    ("Lucene94FieldInfos", 0),
    ("Lucene94FieldInfos", 1),
    ("Lucene94FieldInfos", 2),
];

const COMPOUND: [Format; 3] = [
    ("CompoundFileWriterEntries", 1),
    ("Lucene50CompoundEntries", 0),
    ("Lucene90CompoundEntries", 0),
];

const LIVE_DOCS: [Format; 3] = [
    ("BitVector", 2),
    ("Lucene50LiveDocs", 0),
    ("Lucene90LiveDocs", 0),
];

/// Of `.dvm`, with the format's name and the codec of `.dvd`.
const DOC_VALUES: [(Format, &str, &str); 9] = [
    (
        ("Lucene49ValuesMetadata", 0),
        "Lucene49",
        "Lucene49DocValuesData",
    ),
    (
        ("Lucene410ValuesMetadata", 0),
        "Lucene410",
        "Lucene410DocValuesData",
    ),
    (
        ("Lucene50ValuesMetadata", 0),
        "Lucene50",
        "Lucene50DocValuesData",
    ),
    (
        ("Lucene54DocValuesMetadata", 0),
        "Lucene54",
        "Lucene54DocValuesData",
    ),
    (
        ("Lucene70DocValuesMetadata", 0),
        "Lucene70",
        "Lucene70DocValuesData",
    ),
    (
        ("Lucene80DocValuesMetadata", 0),
        "Lucene80",
        "Lucene80DocValuesData",
    ),
    (
        ("Lucene80DocValuesMetadata", 1),
        "Lucene80",
        "Lucene80DocValuesData",
    ),
    (
        ("Lucene80DocValuesMetadata", 2),
        "Lucene80",
        "Lucene80DocValuesData",
    ),
    (
        ("Lucene90DocValuesMetadata", 0),
        "Lucene90",
        "Lucene90DocValuesData",
    ),
];

/// With the bits of flags in a chunk's header.
const STORED_FIELDS: [(Format, u32); 11] = [
    (("Lucene41StoredFieldsData", 2), 0),
    (("Lucene50StoredFieldsFastData", 3), 1),
    (("Lucene50StoredFieldsHighData", 3), 1),
    (("Lucene87StoredFieldsFastData", 3), 1),
    (("Lucene87StoredFieldsHighData", 3), 1),
    (("Lucene87StoredFieldsFastData", 4), 2),
    (("Lucene90StoredFieldsFastData", 1), 2),
    (("Lucene90StoredFieldsHighData", 1), 2),
    (("ZstdStoredFields814", 1), 2),
    (("CustomStoredFieldsZstd", 1), 2),
    (("CustomStoredFieldsZstdNoDict", 1), 2),
];

fn header(codec: &str, version: u8, suffix: &str) -> Vec<u8> {
    let mut out = 0x3fd7_6c17_u32.to_be_bytes().to_vec();
    out.push(codec.len() as u8);
    out.extend(codec.as_bytes());
    out.extend([0, 0, 0, version]);
    let before_ids = codec == "segments" && version < 4
        || codec == "BitVector"
        || codec == "CompoundFileWriterEntries"
        || codec.starts_with("Lucene4");
    if before_ids {
        return out;
    }
    out.extend(ID);
    out.push(suffix.len() as u8);
    out.extend(suffix.as_bytes());
    out
}

fn framed(mut bytes: Vec<u8>, body: &[u8]) -> Bytes {
    bytes.extend(body);
    bytes.extend(0xc028_93e8_u32.to_be_bytes());
    bytes.extend([0; 4]);
    let crc = crc32fast::hash(&bytes);
    bytes.extend(u64::from(crc).to_be_bytes());
    bytes.into()
}

/// The first byte picks one of `of`; the rest is left.
fn pick<'d, T: Copy>(data: &'d [u8], of: &[T]) -> Option<(T, &'d [u8])> {
    let (first, rest) = data.split_first()?;
    Some((of[usize::from(*first) % of.len()], rest))
}

/// Two files out of one input, by a length in two bytes.
fn halves(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    Some(rest.split_at(length.min(rest.len())))
}

fn directory<N: Into<String>>(files: impl IntoIterator<Item = (N, Bytes)>) -> Directory {
    let files = files.into_iter();
    let files = files.map(|(name, bytes)| (name.into(), bytes)).collect();
    Directory::new(Arc::new(Files(files)), "_0", Some(ID))
}

fn commit() -> SegmentCommit {
    SegmentCommit {
        name: "_0".to_owned(),
        id: Some(ID),
        codec: String::new(),
        del_gen: None,
        del_count: 0,
        field_infos_gen: None,
        doc_values_gen: None,
        soft_del_count: 0,
    }
}

/// `segments_1`, by a format and its body.
pub fn segments_n(data: &[u8]) {
    let Some((format, body)) = pick(data, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) else {
        return;
    };
    let mut bytes = header("segments", format, "1");
    let file = if format < 2 {
        bytes.extend(body);
        let crc = u64::from(crc32fast::hash(&bytes));
        bytes.extend(crc.to_be_bytes());
        bytes.into()
    } else {
        framed(bytes, body)
    };
    let _ = Commit::read(&Files(BTreeMap::from([("segments_1".to_owned(), file)])));
}

/// `.si`, by a format and its body.
pub fn segment_info(data: &[u8]) {
    if let Some(((codec, version), body)) = pick(data, &SEGMENT_INFO) {
        let mut bytes = header(codec, version, "");
        bytes.extend(body);
        let _ = super::segment_info::parse("_0.si", &bytes, Some(ID));
    }
}

/// `.fnm`, by a format and its body.
pub fn field_infos(data: &[u8]) {
    if let Some(((codec, version), body)) = pick(data, &FIELD_INFOS) {
        let file = framed(header(codec, version, ""), body);
        let directory = directory([("_0.fnm", file)]);
        let _ = super::field_infos::FieldInfos::read(&directory, None);
    }
}

/// `.cfe`, by a format and its body.
pub fn compound(data: &[u8]) {
    if let Some(((codec, version), body)) = pick(data, &COMPOUND) {
        let mut bytes = header(codec, version, "");
        bytes.extend(body);
        let _ = super::compound::entries("_0.cfe", &bytes, Some(ID), 1 << 20);
    }
}

/// `.liv` or `.del` of up to 65,535 documents, by a format.
pub fn live_docs(data: &[u8]) {
    let Some(((codec, version), data)) = pick(data, &LIVE_DOCS) else {
        return;
    };
    let Some((sizes, body)) = data.split_first_chunk::<4>() else {
        return;
    };
    let max_doc = u32::from(u16::from_le_bytes([sizes[0], sizes[1]]));
    let mut commit = commit();
    commit.del_gen = Some(1);
    commit.del_count = u32::from(u16::from_le_bytes([sizes[2], sizes[3]]));
    let mut bytes = Vec::new();
    let mut name = "_0_1.liv";
    if codec == "BitVector" {
        bytes.extend((-2_i32).to_be_bytes());
        name = "_0_1.del";
    }
    bytes.extend(header(codec, version, "1"));
    let directory = directory([(name, framed(bytes, body))]);
    let _ = super::live_docs::read(&directory, &commit, max_doc);
}

/// Fields `_id`, `_source`, `_routing` with doc values of `_version` in format `dv`.
fn fields(dv: &str) -> Vec<u8> {
    let mut out = vec![4];
    for (number, (name, kind)) in
        (0_u8..).zip([("_id", 0), ("_source", 0), ("_routing", 0), ("_version", 1)])
    {
        field(&mut out, name, number, kind, dv);
    }
    out
}

/// One field of `.fnm`, with doc values of type `kind` in format `dv`.
fn field(out: &mut Vec<u8>, name: &str, number: u8, kind: u8, dv: &str) {
    out.push(name.len() as u8);
    out.extend(name.as_bytes());
    out.extend([number, 0, 0, kind]);
    out.extend([0xff; 8]);
    let attributes = [
        ("PerFieldDocValuesFormat.format", dv),
        ("PerFieldDocValuesFormat.suffix", "0"),
    ];
    out.push(attributes.len() as u8);
    for text in attributes.iter().flat_map(|(key, value)| [key, value]) {
        out.push(text.len() as u8);
        out.extend(text.as_bytes());
    }
    out.push(0);
}

/// `.dvm` and `.dvd` of a segment of 100,000 documents: opens `_version` and reads it.
pub fn doc_values(data: &[u8]) {
    let Some((((codec, version), format, data_codec), data)) = pick(data, &DOC_VALUES) else {
        return;
    };
    let Some((meta, values)) = halves(data) else {
        return;
    };
    let suffix = format!("{format}_0");
    let fnm = framed(header("Lucene60FieldInfos", 2, ""), &fields(format));
    let directory = directory([
        ("_0.fnm".to_owned(), fnm),
        (
            format!("_0_{suffix}.dvm"),
            framed(header(codec, version, &suffix), meta),
        ),
        (
            format!("_0_{suffix}.dvd"),
            framed(header(data_codec, version, &suffix), values),
        ),
    ]);
    let Ok(fields) = super::field_infos::FieldInfos::read(&directory, None) else {
        return;
    };
    let max_doc = 100_000;
    let mut values = super::doc_values::DocValues::new(&directory, &fields, max_doc);
    if let Ok(Some(field)) = values.numeric("_version") {
        let (mut window, mut column) = Default::default();
        for start in (0..max_doc).step_by(10_000) {
            if field
                .read(start..start + 10_000, &mut window, &mut column)
                .is_ok()
            {
                let _ = field.get(&column, start + 7);
            }
        }
    }
}

/// The chunks of a `.fdt` file of one chunk, in every format: the index is made to fit.
pub fn stored_fields(data: &[u8]) {
    let Some((((codec, version), flag_bits), data)) = pick(data, &STORED_FIELDS) else {
        return;
    };
    let Some((head, body)) = data.split_first_chunk::<3>() else {
        return;
    };
    let docs = u32::from(u16::from_le_bytes([head[0], head[1]]) % 4096) + 1;
    let sliced = u32::from(head[2] & 1) & u32::from(flag_bits > 0);
    let files = segment(codec, version, docs << flag_bits | sliced, docs, body);
    let files = Files(files.into_iter().collect());
    let segment = match Segment::open(Arc::new(files), &commit()) {
        Ok(segment) => segment,
        Err(error) => panic!("the frame of the target: {error}"),
    };
    let mut bytes = 0;
    let _ = segment.read_documents(0..1, &mut Scratch::new(), |document| {
        bytes += document.id.len() + document.source.map_or(0, <[u8]>::len);
        bytes += document.stored.iter().filter(Result::is_ok).count();
        Ok::<(), ()>(())
    });
}

/// The files of a segment of one chunk, which begins with `token`.
fn segment(codec: &str, version: u8, token: u32, docs: u32, body: &[u8]) -> Vec<(String, Bytes)> {
    let old = codec.starts_with("Lucene41");
    let little = !(old || codec.starts_with("Lucene50") || codec.starts_with("Lucene87"));
    let mut fdt = header(codec, version, "");
    if old {
        // Chunk size and version of packed integers.
        fdt.extend([0x80, 0x01, 2]);
    }
    let start = fdt.len() as u64;
    fdt.push(0);
    vint(&mut fdt, u64::from(token));
    fdt.extend(body);
    let end = fdt.len() as u64;
    let int = |value: u32| {
        if little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    let long = |value: u64| {
        if little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    let mut files = Vec::new();
    if old {
        let mut fdx = header("Lucene41StoredFieldsIndex", 2, "");
        fdx.extend([2, 1, 0, 0, 0]);
        vint(&mut fdx, start);
        fdx.extend([0, 0, 0]);
        vint(&mut fdx, end);
        files.push(("_0.fdx", framed(fdx, &[])));
    } else {
        let (meta, index) = if little {
            (("Lucene90FieldsIndexMeta", 1), "Lucene90FieldsIndexIdx")
        } else {
            (("Lucene85FieldsIndexMeta", 3), "Lucene85FieldsIndexIdx")
        };
        let mut fdm = header(meta.0, meta.1, "");
        fdm.extend([0x80, 0x01]);
        if !little {
            fdm.push(2);
        }
        fdm.extend([docs, 10, 2].into_iter().flat_map(int));
        for (first, slope) in [(0, u64::from(docs)), (start, end - start)] {
            fdm.extend([0; 8]);
            fdm.extend(long(first));
            fdm.extend(int((slope as f32).to_bits()));
            fdm.extend([0; 9]);
        }
        fdm.extend([0; 8]);
        fdm.extend(long(end));
        files.push(("_0.fdm", framed(fdm, &[])));
        files.push(("_0.fdx", framed(header(index, 0, ""), &[])));
    }
    let mut si = header("Lucene86SegmentInfo", 0, "");
    si.extend([0; 13]);
    si.extend(docs.to_be_bytes());
    si.extend([0xff, 0, 0, 0]);
    files.push(("_0.si", framed(si, &[])));
    let fnm = framed(header("Lucene60FieldInfos", 2, ""), &stored_only());
    files.push(("_0.fnm", fnm));
    files.push(("_0.fdt", framed(fdt, &[])));
    let files = files.into_iter();
    files
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect()
}

fn vint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The values of a field of each type of doc values of a segment of 1000 documents, by a format, `.dvm` and `.dvd`.
pub fn field_values(data: &[u8]) {
    let Some((((codec, version), format, data_codec), data)) = pick(data, &DOC_VALUES[4..]) else {
        return;
    };
    let Some((meta, values)) = halves(data) else {
        return;
    };
    // All documents without fields, in one LZ4 block without bytes.
    let chunk = [0, 0, 0, 0, 0];
    let mut files = segment("Lucene50StoredFieldsFastData", 3, 1000 << 1, 1000, &chunk);
    let suffix = format!("{format}_0");
    let mut fnm = vec![KINDS.len() as u8];
    for (number, name) in (0_u8..).zip(KINDS) {
        field(&mut fnm, name, number, number + 1, format);
    }
    files.retain(|(name, _)| name != "_0.fnm");
    files.extend([
        (
            "_0.fnm".to_owned(),
            framed(header("Lucene60FieldInfos", 2, ""), &fnm),
        ),
        (
            format!("_0_{suffix}.dvm"),
            framed(header(codec, version, &suffix), meta),
        ),
        (
            format!("_0_{suffix}.dvd"),
            framed(header(data_codec, version, &suffix), values),
        ),
    ]);
    let files = Files(files.into_iter().collect());
    let segment = match Segment::open(Arc::new(files), &commit()) {
        Ok(segment) => segment,
        Err(error) => panic!("the frame of the target: {error}"),
    };
    for name in KINDS {
        let Ok(found) = segment.values([name], 512) else {
            continue;
        };
        for found in found {
            let FieldFound::Values(mut values) = found else {
                continue;
            };
            for doc in (0..1000).step_by(7) {
                let read = values.of(doc, |value| {
                    std::hint::black_box(value);
                    Ok::<(), LuceneError>(())
                });
                if read.is_err() {
                    break;
                }
            }
        }
    }
}

/// Fields by type of doc values, from NUMERIC on.
const KINDS: [&str; 5] = ["n", "b", "s", "ss", "sn"];

/// Fields without doc values.
fn stored_only() -> Vec<u8> {
    let mut out = vec![3];
    for (number, name) in (0_u8..).zip(["_id", "_source", "_routing"]) {
        out.push(name.len() as u8);
        out.extend(name.as_bytes());
        out.extend([number, 0, 0, 0]);
        out.extend([0xff; 8]);
        out.extend([0, 0]);
    }
    out
}

/// What the targets begin with: the parts of the segments of `files` behind their headers, as `visit(target, bytes)`.
pub fn seeds(files: &Arc<dyn SegmentFiles>, visit: &mut dyn FnMut(&str, &[u8])) {
    let Ok(commit) = Commit::read(&**files) else {
        return;
    };
    let numbered = files.names().into_iter();
    for name in numbered.filter(|name| name.starts_with("segments_")) {
        if let Some((format, body)) = behind_header(&name, files.open(&name)) {
            visit("segments_n", &[&[format.1], &body[..]].concat());
        }
    }
    for commit in &commit.segments {
        let mut directory = Directory::new(Arc::clone(files), &commit.name, commit.id);
        let open = |directory: &Directory, middle: &str, extension| {
            let (name, file) = directory.open(middle, extension).ok()?;
            behind_header(&name, Ok(file))
        };
        if let Some((format, body)) = open(&directory, "", ".cfe") {
            seed("compound", &COMPOUND, &format, &body, visit);
            let _ = directory.use_compound();
        }
        if let Some((format, body)) = open(&directory, "", ".si") {
            seed("segment_info", &SEGMENT_INFO, &format, &body, visit);
        }
        if let Some((format, body)) = open(&directory, "", ".fnm") {
            seed("field_infos", &FIELD_INFOS, &format, &body, visit);
        }
        if let Some(generation) = commit.del_gen {
            let middle = format!("_{}", super::directory::base36(generation));
            for extension in [".liv", ".del"] {
                let Some((format, body)) = open(&directory, &middle, extension) else {
                    continue;
                };
                let docs = (body.len() * 8).min(0xffff) as u16;
                let (docs, deleted) = (docs.to_le_bytes(), (commit.del_count as u16).to_le_bytes());
                let body = [&docs[..], &deleted, &body].concat();
                seed("live_docs", &LIVE_DOCS, &format, &body, visit);
            }
        }
        for (number, (_, name, _)) in (0..).zip(DOC_VALUES) {
            let middle = format!("_{name}_0");
            if let (Some((format, meta)), Some((_, values))) = (
                open(&directory, &middle, ".dvm"),
                open(&directory, &middle, ".dvd"),
            ) && (format.0.as_str(), format.1) == DOC_VALUES[number].0
            {
                let length = (meta.len().min(0xffff) as u16).to_le_bytes();
                let body = [&length[..], &meta, &values].concat();
                visit("doc_values", &[&[number as u8], &body[..]].concat());
                if number >= 4 {
                    visit("field_values", &[&[number as u8 - 4], &body[..]].concat());
                }
            }
        }
        let Ok(segment) = Segment::open(Arc::clone(files), commit) else {
            continue;
        };
        if let (Some(chunk), Ok((_, file))) = (
            segment.chunks().get(0).ok().flatten(),
            directory.open("", ".fdt"),
        ) && let Ok(bytes) = file.read_at(chunk.pointer, chunk.length as usize)
        {
            // Base and token are the target's own.
            let mut input = super::input::Input::new("", &bytes);
            if input.vint().is_ok() && input.vint().is_ok() {
                let [low, high, ..] = chunk.docs.saturating_sub(1).to_le_bytes();
                let body = &bytes[bytes.len() - input.remaining()..];
                let body = [&[low, high, 0], body].concat();
                let name = segment.stored_format();
                let known = STORED_FIELDS
                    .iter()
                    .position(|((codec, version), _)| name == format!("{codec} {version}"));
                if let Some(number) = known {
                    visit("stored_fields", &[&[number as u8], &body[..]].concat());
                }
            }
        }
    }
}

/// Codec and version of a file, and the bytes between header and footer.
fn behind_header(
    name: &str,
    file: Result<Arc<dyn ReadAt>, LuceneError>,
) -> Option<((String, u8), Bytes)> {
    let file = file.ok().filter(|file| file.len() < 64 << 10)?;
    let bytes = file.read_at(0, file.len() as usize).ok()?;
    let mut input = super::input::Input::new(name, &bytes);
    if name.ends_with(".del") {
        input.be_u32().ok()?;
    }
    let header = super::codec::header(&mut input).ok()?;
    let start = bytes.len() - input.remaining();
    let end = bytes.len().checked_sub(16).filter(|end| *end >= start)?;
    Some((
        (header.codec.to_owned(), header.version as u8),
        bytes.slice(start..end),
    ))
}

/// The body behind the number of its format.
fn seed(
    target: &str,
    formats: &[Format],
    format: &(String, u8),
    body: &[u8],
    visit: &mut dyn FnMut(&str, &[u8]),
) {
    let known = formats
        .iter()
        .position(|(codec, version)| format.0 == *codec && format.1 == *version);
    if let Some(number) = known {
        visit(target, &[&[number as u8], body].concat());
    }
}
