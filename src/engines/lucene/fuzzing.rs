//! Entries for the fuzz targets of `tests/fuzz`, past the checksums: those keep damage out, and here it is let in.
//!
//! Every function takes any bytes; that it returns, and soon, is what is tested. Only built with `--cfg fuzzing`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::directory::Directory;
use super::{Commit, LuceneError, ReadAt, Scratch, Segment, SegmentCommit, SegmentFiles};

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

fn header(codec: &str, version: u8, suffix: &str) -> Vec<u8> {
    let mut out = 0x3fd7_6c17_u32.to_be_bytes().to_vec();
    out.push(codec.len() as u8);
    out.extend(codec.as_bytes());
    out.extend([0, 0, 0, version]);
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

fn directory(files: impl IntoIterator<Item = (&'static str, Bytes)>) -> Directory {
    let files = files.into_iter();
    let files = files
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect();
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
    let Some((format, body)) = pick(data, &[5, 6, 7, 8, 9, 10]) else {
        return;
    };
    let file = framed(header("segments", format, "1"), body);
    let _ = Commit::read(&Files(BTreeMap::from([("segments_1".to_owned(), file)])));
}

/// `.si`, by a format and its body.
pub fn segment_info(data: &[u8]) {
    let formats = [
        ("Lucene50SegmentInfo", 1),
        ("Lucene62SegmentInfo", 1),
        ("Lucene70SegmentInfo", 0),
        ("Lucene86SegmentInfo", 0),
    ];
    if let Some(((codec, version), body)) = pick(data, &formats) {
        let mut bytes = header(codec, version, "");
        bytes.extend(body);
        let _ = super::segment_info::parse("_0.si", &bytes, Some(ID));
    }
}

/// `.fnm`, by a format and its body.
pub fn field_infos(data: &[u8]) {
    let formats = [
        ("Lucene50FieldInfos", 1),
        ("Lucene60FieldInfos", 0),
        ("Lucene60FieldInfos", 1),
        ("Lucene60FieldInfos", 2),
    ];
    if let Some(((codec, version), body)) = pick(data, &formats) {
        let file = framed(header(codec, version, ""), body);
        let directory = directory([("_0.fnm", file)]);
        let _ = super::field_infos::FieldInfos::read(&directory, None);
    }
}

/// `.cfe`.
pub fn compound(data: &[u8]) {
    let mut bytes = header("Lucene50CompoundEntries", 0, "");
    bytes.extend(data);
    let _ = super::compound::entries("_0.cfe", &bytes, Some(ID), 1 << 20);
}

/// `.liv` of up to 65,535 documents.
pub fn live_docs(data: &[u8]) {
    let Some((sizes, body)) = data.split_first_chunk::<4>() else {
        return;
    };
    let max_doc = u32::from(u16::from_le_bytes([sizes[0], sizes[1]]));
    let mut commit = commit();
    commit.del_gen = Some(1);
    commit.del_count = u32::from(u16::from_le_bytes([sizes[2], sizes[3]]));
    let file = framed(header("Lucene50LiveDocs", 0, "1"), body);
    let _ = super::live_docs::read(&directory([("_0_1.liv", file)]), &commit, max_doc);
}

/// Fields `_id`, `_source`, `_routing` with doc values of `_version` in format `dv`.
fn fields(dv: &str) -> Vec<u8> {
    let mut out = vec![4];
    for (number, (name, kind)) in
        (0_u8..).zip([("_id", 0), ("_source", 0), ("_routing", 0), ("_version", 1)])
    {
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
    out
}

/// `.dvm` and `.dvd` of a segment of 100,000 documents: opens `_version` and reads it.
pub fn doc_values(data: &[u8]) {
    let Some((version, data)) = pick(data, &[0_u8, 1, 2, 70]) else {
        return;
    };
    let Some((meta, values)) = halves(data) else {
        return;
    };
    let (format, version) = match version {
        70 => ("Lucene70", 0),
        version => ("Lucene80", version),
    };
    let codec = |kind| format!("{format}DocValues{kind}");
    let suffix = format!("{format}_0");
    let file = |kind, body| framed(header(&codec(kind), version, &suffix), body);
    let (dvm, dvd) = match format {
        "Lucene70" => ("_0_Lucene70_0.dvm", "_0_Lucene70_0.dvd"),
        _ => ("_0_Lucene80_0.dvm", "_0_Lucene80_0.dvd"),
    };
    let directory = directory([
        (
            "_0.fnm",
            framed(header("Lucene60FieldInfos", 2, ""), &fields(format)),
        ),
        (dvm, file("Metadata", meta)),
        (dvd, file("Data", values)),
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
    let formats = [
        ("Lucene50StoredFieldsFastData", 3, 1),
        ("Lucene50StoredFieldsHighData", 3, 1),
        ("Lucene87StoredFieldsFastData", 3, 1),
        ("Lucene87StoredFieldsHighData", 3, 1),
        ("Lucene87StoredFieldsFastData", 4, 2),
    ];
    let Some(((codec, version, flag_bits), data)) = pick(data, &formats) else {
        return;
    };
    let Some((head, body)) = data.split_first_chunk::<3>() else {
        return;
    };
    let docs = u32::from(u16::from_le_bytes([head[0], head[1]]) % 4096) + 1;
    let mut fdt = header(codec, version, "");
    let start = fdt.len() as u64;
    fdt.push(0);
    let mut token = docs << flag_bits | u32::from(head[2] & 1);
    while token > 0x7f {
        fdt.push(token as u8 | 0x80);
        token >>= 7;
    }
    fdt.push(token as u8);
    fdt.extend(body);
    let end = fdt.len() as u64;
    let mut fdm = header("Lucene85FieldsIndexMeta", 3, "");
    fdm.extend([0x80, 0x01, 2]);
    fdm.extend(docs.to_be_bytes());
    fdm.extend([0, 0, 0, 10, 0, 0, 0, 2]);
    for (first, slope) in [(0, u64::from(docs)), (start, end - start)] {
        fdm.extend([0; 8]);
        fdm.extend(first.to_be_bytes());
        fdm.extend((slope as f32).to_bits().to_be_bytes());
        fdm.extend([0; 9]);
    }
    fdm.extend([0; 8]);
    fdm.extend(end.to_be_bytes());
    let mut si = header("Lucene86SegmentInfo", 0, "");
    si.extend([0; 13]);
    si.extend(docs.to_be_bytes());
    si.push(0xff);
    let files = [
        ("_0.si", framed(si, &[])),
        (
            "_0.fnm",
            framed(header("Lucene60FieldInfos", 2, ""), &stored_only()),
        ),
        ("_0.fdt", framed(fdt, &[])),
        ("_0.fdm", framed(fdm, &[])),
        (
            "_0.fdx",
            framed(header("Lucene85FieldsIndexIdx", 0, ""), &[]),
        ),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes));
    let segment = Segment::open(Arc::new(Files(files.into())), &commit());
    let segment = match segment {
        Ok(segment) => segment,
        Err(error) => panic!("the frame of the target: {error}"),
    };
    let mut bytes = 0;
    let _ = segment.read_documents(0..1, &mut Scratch::new(), |document| {
        bytes += document.id.len() + document.source.map_or(0, <[u8]>::len);
        Ok::<(), ()>(())
    });
}

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
            let first = format.1.saturating_sub(5);
            visit("segments_n", &[&[first], &body[..]].concat());
        }
    }
    for commit in &commit.segments {
        let mut directory = Directory::new(Arc::clone(files), &commit.name, commit.id);
        let open = |directory: &Directory, middle: &str, extension| {
            let (name, file) = directory.open(middle, extension).ok()?;
            behind_header(&name, Ok(file))
        };
        if let Some((_, body)) = open(&directory, "", ".cfe") {
            visit("compound", &body);
            let _ = directory.use_compound();
        }
        if let Some((format, body)) = open(&directory, "", ".si") {
            let formats = ["Lucene50", "Lucene62", "Lucene70", "Lucene86"];
            seed("segment_info", &formats, &format.0, &body, visit);
        }
        if let Some((format, body)) = open(&directory, "", ".fnm") {
            let codec = format!("{} {}", format.0, format.1);
            let formats = [
                "Lucene50FieldInfos 1",
                "Lucene60FieldInfos 0",
                "Lucene60FieldInfos 1",
                "Lucene60FieldInfos 2",
            ];
            seed("field_infos", &formats, &codec, &body, visit);
        }
        if let Some(generation) = commit.del_gen
            && let Some((_, body)) = open(&directory, &format!("_{generation}"), ".liv")
        {
            let docs = (body.len() * 8).min(0xffff) as u16;
            let (docs, deleted) = (docs.to_le_bytes(), (commit.del_count as u16).to_le_bytes());
            visit("live_docs", &[&docs[..], &deleted, &body].concat());
        }
        for middle in ["_Lucene80_0", "_Lucene70_0"] {
            if let (Some((format, meta)), Some((_, values))) = (
                open(&directory, middle, ".dvm"),
                open(&directory, middle, ".dvd"),
            ) {
                let first = if middle == "_Lucene70_0" { 3 } else { format.1 };
                let length = (meta.len().min(0xffff) as u16).to_le_bytes();
                visit(
                    "doc_values",
                    &[&[first], &length[..], &meta, &values].concat(),
                );
            }
        }
        let Ok(segment) = Segment::open(Arc::clone(files), commit) else {
            continue;
        };
        let formats = [
            "Lucene50StoredFieldsFastData 3",
            "Lucene50StoredFieldsHighData 3",
            "Lucene87StoredFieldsFastData 3",
            "Lucene87StoredFieldsHighData 3",
            "Lucene87StoredFieldsFastData 4",
        ];
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
                seed(
                    "stored_fields",
                    &formats,
                    segment.stored_format(),
                    &body,
                    visit,
                );
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
    formats: &[&str],
    format: &str,
    body: &[u8],
    visit: &mut dyn FnMut(&str, &[u8]),
) {
    let known = formats.iter().position(|known| format.starts_with(known));
    if let Some(number) = known {
        visit(target, &[&[number as u8], body].concat());
    }
}
