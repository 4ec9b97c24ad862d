//! Entries for the fuzz targets of `tests/fuzz`. Checksums are made right here where the damage shall get past them.
//!
//! Every function takes any bytes; that it returns, and soon, is what is tested. Only built with `--cfg fuzzing`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::codec::{self, BlobKind, CODEC_MAGIC, FOOTER_BYTES, FOOTER_MAGIC};
use super::content::Content;
use super::export::{ExportForm, ExportRequest, to_writer};
use super::info::SnapshotInfo;
use super::inspect::inspect;
use super::paths::{self, Companions, IndexPaths};
use super::repository_data::RepositoryData;
use super::source_format::to_json_line;
use super::{
    GlobalMetadata, IndexMetadata, Repository, ShardSnapshot, Snapshot, cbor, lzf, smile, yaml,
};
use crate::base::json::canonical;
use crate::clients::objects::{DirectoryStore, MemoryStore, ObjectStore};
use crate::engines::lucene::{Commit, SegmentFiles, fuzzing as lucene};

/// Longer blobs make no seeds.
const SEED_BYTES: usize = 64 << 10;

/// What is written is JSON.
fn written(content: &Content) {
    let mut out = Vec::new();
    content.write_json(&mut out);
    if let Err(error) = canonical(&out, &mut Vec::new()) {
        panic!("{error}: {}", String::from_utf8_lossy(&out));
    }
    let _ = content.to_json();
}

/// A SMILE document, and the same bytes as a `_source`.
pub fn smile(data: &[u8]) {
    drop(smile::decode_metadata(data));
    if let Ok(content) = smile::decode(data) {
        written(&content);
    }
    let _ = to_json_line(data);
}

/// A CBOR document, and the same bytes as a `_source`.
pub fn cbor(data: &[u8]) {
    if let Ok(content) = cbor::decode(data) {
        written(&content);
    }
    let _ = to_json_line(data);
}

/// A YAML document, and the same bytes as a `_source`.
pub fn yaml(data: &[u8]) {
    if let Ok(content) = yaml::decode(data) {
        written(&content);
    }
    let _ = to_json_line(&[b"---\n", data].concat());
}

/// A stream of LZF, and the same bytes as a `_source`.
pub fn lzf(data: &[u8]) {
    const LIMIT_BYTES: u64 = 16 << 20;
    if let Ok(plain) = lzf::decode(data, LIMIT_BYTES) {
        assert!(plain.len() as u64 <= LIMIT_BYTES);
    }
    let _ = to_json_line(data);
}

/// Blobs of a repository of Elasticsearch 1.x by a first byte; then the same bytes as the list of one that is opened.
pub fn old_repository(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    if let Ok(content) = codec::decode_bare("blob", data) {
        match kind % 3 {
            0 => drop(SnapshotInfo::from_content("blob", &content)),
            1 => drop(GlobalMetadata::from_content("blob", &content)),
            _ => {
                for (name, _) in content.as_object().unwrap_or_default().iter().take(4) {
                    let _ = IndexMetadata::from_content("blob", name, &content);
                }
                let store = Arc::new(MemoryStore::default());
                let (directory, list) = ("shard".to_owned(), "blob".to_owned());
                let shard = ShardSnapshot::new(store, "i", 0, directory, list, &content);
                if let Ok(shard) = shard {
                    let _ = Commit::read(&**shard.files());
                }
            }
        }
    }
    let store = MemoryStore::default().with("index", data.to_vec());
    if let Ok(repository) = Repository::open(Arc::new(store.clone())) {
        for entry in repository.snapshots().iter().take(4) {
            let blob = format!("snapshot-{}", entry.name);
            let store = store.clone().with(&blob, data.to_vec());
            if let Ok(repository) = Repository::open(Arc::new(store)) {
                let _ = repository.snapshot(&entry.name);
            }
        }
    }
}

/// A companion file with the paths of shards; its type is a first byte.
pub fn shard_paths(data: &[u8]) {
    let Some((path_type, data)) = data.split_first() else {
        return;
    };
    let index = IndexPaths {
        name: "i",
        id: "2CS94Ld6S8q4ooRUD8hj9w",
        path_type: i64::from(path_type % 4),
    };
    let _ = paths::parse("blob", data, index);
    let blob = format!("snapshot_shard_paths/snapshot_path_{}.i.1.1.1", index.id);
    let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::default().with(&blob, data.to_vec()));
    let companions = Companions::default();
    for shard in [0, 1, u32::MAX] {
        if let Ok(place) = companions.place(&store, index, shard) {
            assert!(!place.directory.split('/').any(|part| part == ".."));
        }
    }
}

/// `index-N`, and the lookups that opening a snapshot makes in it.
pub fn repository_data(data: &[u8]) {
    let Ok(parsed) = RepositoryData::parse("index-1", data) else {
        return;
    };
    for snapshot in &parsed.snapshots {
        for index in parsed.indices.values() {
            let _ = parsed.index_metadata_id("index-1", &snapshot.uuid, &index.id);
        }
    }
    let store = MemoryStore::default().with("index-1", data.to_vec());
    if let Ok(repository) = Repository::open(Arc::new(store)) {
        for snapshot in repository.snapshots() {
            let _ = repository.snapshot(&snapshot.name);
        }
    }
}

fn name_of(kind: BlobKind) -> &'static str {
    match kind {
        BlobKind::GlobalMetadata => "metadata",
        BlobKind::Snapshot => "snapshot",
        BlobKind::IndexMetadata => "index-metadata",
    }
}

/// `body` between header and footer.
fn wrapped(kind: BlobKind, body: &[u8]) -> Bytes {
    let name = name_of(kind);
    let mut bytes = CODEC_MAGIC.to_be_bytes().to_vec();
    bytes.push(name.len() as u8);
    bytes.extend(name.bytes());
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(body);
    bytes.extend([0; FOOTER_BYTES]);
    footed(&mut bytes);
    bytes.into()
}

/// Makes the last bytes a footer that fits.
fn footed(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len().saturating_sub(FOOTER_BYTES));
    bytes.extend(FOOTER_MAGIC.to_be_bytes());
    bytes.extend([0; 4]);
    let checksum = crc32fast::hash(bytes);
    bytes.extend(u64::from(checksum).to_be_bytes());
}

/// The first byte says how the rest becomes a blob: as it is, as a body, as a deflated body, as a body to deflate.
fn blob(kind: BlobKind, data: &[u8]) -> Option<Content> {
    let (how, body) = data.split_first()?;
    let bytes = match how % 4 {
        0 => Bytes::copy_from_slice(body),
        1 => wrapped(kind, body),
        2 => wrapped(kind, &[b"DFL\0", body].concat()),
        _ => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::DeflateEncoder::new(b"DFL\0".to_vec(), level);
            encoder.write_all(body).ok()?;
            wrapped(kind, &encoder.finish().ok()?)
        }
    };
    codec::decode("blob", kind, &bytes).ok()
}

/// `snap-*.dat` of a shard, and its files as far as they stand in the list; the same bytes as a snapshot's own words.
pub fn shard_metadata(data: &[u8]) {
    let Some(content) = blob(BlobKind::Snapshot, data) else {
        return;
    };
    if let Ok(info) = SnapshotInfo::from_content("blob", &content) {
        for index in &info.indices {
            let _ = info.failure(index, 0);
        }
    }
    let store = MemoryStore::default().with("shard/__a.part0", vec![0; 64]);
    let (directory, list) = ("shard".to_owned(), "blob".to_owned());
    let shard = ShardSnapshot::new(Arc::new(store), "i", 0, directory, list, &content);
    let Ok(shard) = shard else {
        return;
    };
    let files = shard.files();
    let _ = shard.total_bytes();
    for file in files.iter() {
        let _ = (file.parts(), files.key_of(file), files.verify(&file.name));
        if let Ok(reader) = files.open_file(&file.name) {
            for length in [0, 1, 1 << 10, 1 << 40] {
                let _ = reader.read_at(0, length);
                let _ = reader.read_at(file.length.saturating_sub(1), length);
                let _ = reader.read_at(u64::MAX, length);
            }
        }
    }
    let _ = Commit::read(&**files);
}

/// `meta-*.dat` of an index and of the root, by a first byte.
pub fn index_metadata(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    if kind % 2 == 1 {
        if let Some(content) = blob(BlobKind::GlobalMetadata, data) {
            let _ = GlobalMetadata::from_content("blob", &content);
        }
        return;
    }
    let Some(content) = blob(BlobKind::IndexMetadata, data) else {
        return;
    };
    for (name, _) in content.as_object().unwrap_or_default().iter().take(4) {
        if let Ok(metadata) = IndexMetadata::from_content("blob", name, &content) {
            let _ = (
                metadata.mapping(),
                metadata.legacy_type().map(str::len),
                metadata.is_mounted_snapshot(),
            );
        }
    }
}

/// A real repository: keys with their blobs, in order.
static REPOSITORY: LazyLock<Vec<(String, Bytes)>> = LazyLock::new(|| {
    let root = fixtures().join("edge");
    let mut blobs = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for path in listed(&directory) {
            if path.is_dir() {
                open.push(path);
            } else if let (Ok(key), Ok(bytes)) = (path.strip_prefix(&root), std::fs::read(&path)) {
                blobs.push((key.to_string_lossy().into_owned(), bytes.into()));
            }
        }
    }
    assert!(!blobs.is_empty(), "no repository in {}", root.display());
    blobs.sort();
    blobs
});

fn fixtures() -> PathBuf {
    all_fixtures().join("es-7.10.2")
}

fn all_fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn listed(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn kind_of(key: &str) -> Option<BlobKind> {
    let name = key.rsplit('/').next().unwrap_or_default();
    let dat = name.ends_with(".dat");
    match (dat, name.starts_with("snap-"), key.contains('/')) {
        (true, true, _) => Some(BlobKind::Snapshot),
        (true, false, true) => Some(BlobKind::IndexMetadata),
        (true, false, false) => Some(BlobKind::GlobalMetadata),
        _ => None,
    }
}

/// One blob of a real repository is another: its number in two bytes, how in one; then all that is read of it is read.
pub fn snapshot_store(data: &[u8]) {
    let Some(([low, high, how], rest)) = data.split_first_chunk::<3>() else {
        return;
    };
    let number = usize::from(u16::from_le_bytes([*low, *high])) % REPOSITORY.len();
    let (key, old) = &REPOSITORY[number];
    let new = match (how % 3, kind_of(key)) {
        (0, _) => Bytes::copy_from_slice(rest),
        (1, Some(kind)) => wrapped(kind, rest),
        _ => {
            // Bytes at offsets; a footer that fits where there was one.
            let mut bytes = old.to_vec();
            for patch in rest.chunks_exact(4) {
                let at = u32::from_le_bytes([patch[0], patch[1], patch[2], 0]) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = patch[3];
                }
            }
            if old.len() >= FOOTER_BYTES
                && old[old.len() - FOOTER_BYTES..][..4] == FOOTER_MAGIC.to_be_bytes()
            {
                footed(&mut bytes);
            }
            bytes.into()
        }
    };
    let mut store = MemoryStore::default();
    for (key, bytes) in &*REPOSITORY {
        store = store.with(key, bytes.clone());
    }
    let store: Arc<dyn ObjectStore> = Arc::new(store.with(key, new));
    let Ok(repository) = Repository::open(store) else {
        return;
    };
    // Of a blob of one index only that index is read.
    let id = key
        .strip_prefix("indices/")
        .and_then(|rest| rest.split('/').next());
    for entry in repository.snapshots() {
        let Ok(snapshot) = repository.snapshot(&entry.name) else {
            continue;
        };
        if id.is_none() {
            let _ = snapshot.global_metadata();
            let _ = inspect(&repository, Some(&entry.name));
            continue;
        }
        for index in snapshot.indices() {
            if id.is_none_or(|id| id == index.id) {
                read_index(&snapshot, &index.name);
            }
        }
    }
}

fn read_index(snapshot: &Snapshot, index: &str) {
    let request = ExportRequest {
        indices: vec![index.to_owned()],
        form: ExportForm::Bulk,
        ids: Vec::new(),
        limit: Some(200),
    };
    let _ = to_writer(snapshot, &request, &mut std::io::sink());
    let shards = snapshot.index(index).map_or(0, |index| index.shards);
    for shard in 0..shards.min(8) {
        if let Ok(shard) = snapshot.shard(index, shard) {
            for file in shard.files().iter() {
                let _ = shard.files().verify(&file.name);
            }
        }
    }
}

/// The blobs of a real repository of 1.7.6, companion files of a real OpenSearch 3.3, and sources in YAML.
fn old_seeds(visit: &mut dyn FnMut(&str, &[u8])) {
    let root = all_fixtures().join("es-1.7.6/repository");
    let mut open = vec![root];
    while let Some(directory) = open.pop() {
        for path in listed(&directory) {
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("__") || bytes.len() > SEED_BYTES {
                continue;
            }
            for kind in 0..3 {
                visit("old_repository", &[&[kind], &bytes[..]].concat());
            }
            visit("lzf", &bytes);
        }
    }
    let paths = all_fixtures().join("versions/opensearch-3.3.0/repository/snapshot_shard_paths");
    for path in listed(&paths).iter().take(4) {
        if let Ok(bytes) = std::fs::read(path) {
            visit("shard_paths", &[&[1], &bytes[..]].concat());
        }
    }
    for path in listed(&all_fixtures().join("../../plans")) {
        if let Ok(bytes) = std::fs::read(path) {
            visit("yaml", &[b"---\n", &bytes[..]].concat());
        }
    }
    for text in [
        "---\na: &x [1, 2.50, 1e3, 007, 0x1f, ~, yes, 'q', \"\\u00e9\"]\nb: *x\n<<: *x\n",
        "--- {a: !!str 1, ? b : |\n  text\n}",
        "---\nt: >-\n  folded\n  text\nn: -12345678901234567890123.5\n...\n---\n",
    ] {
        visit("yaml", text.as_bytes());
    }
}

/// What the targets begin with: the parts of the real repositories, as `visit(target, bytes)`.
pub fn seeds(visit: &mut dyn FnMut(&str, &[u8])) {
    for (number, (key, bytes)) in (0_u16..).zip(&*REPOSITORY) {
        let [low, high] = number.to_le_bytes();
        if bytes.len() < SEED_BYTES {
            visit("snapshot_store", &[&[low, high, 0], &bytes[..]].concat());
        }
        visit("snapshot_store", &[low, high, 2, 60, 0, 0, 0xff]);
        let Some(kind) = kind_of(key) else {
            continue;
        };
        let Ok(content) = codec::unwrap(key, kind, bytes) else {
            continue;
        };
        let body = match content.1.strip_prefix(b"DFL\0") {
            Some(deflated) => codec::inflate(key, deflated, 0).unwrap_or_default(),
            None => content.1.to_vec(),
        };
        visit("smile", &body);
        visit("snapshot_store", &[&[low, high, 1], &body[..]].concat());
        match kind {
            BlobKind::Snapshot => {
                visit("shard_metadata", &[&[0], &bytes[..]].concat());
                visit("shard_metadata", &[&[1], &body[..]].concat());
                visit("shard_metadata", &[&[3], &body[..]].concat());
            }
            BlobKind::IndexMetadata => {
                visit("index_metadata", &[&[0, 0], &bytes[..]].concat());
                visit("index_metadata", &[&[0, 1], &body[..]].concat());
            }
            BlobKind::GlobalMetadata => {
                visit("index_metadata", &[&[1, 0], &bytes[..]].concat());
                visit("index_metadata", &[&[1, 1], &body[..]].concat());
            }
        }
    }
    old_seeds(visit);
    for cbor in [
        &[0xd9, 0xd9, 0xf7, 0xa1, 0x61, b'a', 0x82, 0x18, 0x20, 0xf6][..],
        &[
            0xbf, 0x61, b'a', 0x9f, 0xf9, 0x3e, 0, 0xff, 0x61, b'b', 0x7f, 0x61, b'c', 0xff, 0xff,
        ],
        &[
            0xa2, 0x61, b'a', 0xc3, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x61, b'b', 0xc4, 0x82, 0x21,
            0x19, 0x6a, 0xb3,
        ],
    ] {
        visit("cbor", cbor);
    }
    let mut roots = vec![fixtures().join("edge"), fixtures().join("shop")];
    let all = fixtures().join("..");
    roots.push(all.join("es-1.7.6/repository"));
    let versions = std::fs::read_dir(all.join("versions"));
    let versions = versions.into_iter().flatten().flatten();
    roots.extend(versions.map(|version| version.path().join("repository")));
    for root in roots.iter().filter(|root| root.is_dir()) {
        let store = DirectoryStore::new(root);
        let Ok(repository) = Repository::open(Arc::new(store)) else {
            continue;
        };
        for blob in listed(root) {
            let index = blob
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("index-"));
            if let (true, Ok(bytes)) = (index, std::fs::read(blob)) {
                visit("repository_data", &bytes);
            }
        }
        for entry in repository.snapshots() {
            let Ok(snapshot) = repository.snapshot(&entry.name) else {
                continue;
            };
            for index in snapshot.indices() {
                for shard in 0..index.shards {
                    if let Ok(shard) = snapshot.shard(&index.name, shard) {
                        let files: Arc<dyn SegmentFiles> = Arc::clone(shard.files()) as _;
                        lucene::seeds(&files, visit);
                    }
                }
            }
        }
    }
}
