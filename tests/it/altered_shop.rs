//! The shop's repository with one thing changed that no server here can bring about: bytes made by hand, in wrappers and
//! with checksums as a server would have written them. Everything else in it is real.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mig::clients::objects::DirectoryStore;
use mig::engines::snapshot::{GlobalMetadata, Repository, Snapshot};
use serde_json::{Map, Value, json};

use super::support::fixture;

/// The index that is changed: one shard, ten documents.
pub(crate) const INDEX: &str = "catalog-attachments";

/// A copy of the shop's repository.
pub(crate) struct AlteredShop {
    root: PathBuf,
    snapshot: Snapshot,
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Makes the last bytes a footer that fits.
fn footed(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() - 16);
    bytes.extend(0xc028_93e8_u32.to_be_bytes());
    bytes.extend([0; 4]);
    let checksum = crc32fast::hash(bytes);
    bytes.extend(u64::from(checksum).to_be_bytes());
}

/// A `.dat` blob with a JSON body.
pub(crate) fn dat(codec: &str, body: &Value) -> Vec<u8> {
    dat_of(codec, &body.to_string())
}

fn dat_of(codec: &str, body: &str) -> Vec<u8> {
    let mut bytes = 0x3fd7_6c17_u32.to_be_bytes().to_vec();
    bytes.push(u8::try_from(codec.len()).unwrap());
    bytes.extend(codec.bytes());
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(body.bytes());
    bytes.extend([0; 16]);
    footed(&mut bytes);
    bytes
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).unwrap());
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

impl AlteredShop {
    /// Copies it to a place that is not there yet.
    pub(crate) fn at(root: &Path) -> Self {
        copy(&fixture("shop"), root);
        let repository = Repository::open(Arc::new(DirectoryStore::new(root))).unwrap();
        Self {
            root: root.to_owned(),
            snapshot: repository.snapshot("nightly-1").unwrap(),
        }
    }

    fn folder(&self) -> PathBuf {
        let id = &self.snapshot.index(INDEX).unwrap().id;
        self.root.join("indices").join(id)
    }

    fn list(&self, prefix: &str) -> PathBuf {
        let name = format!("{prefix}snap-{}.dat", self.snapshot.uuid());
        self.folder().join("0").join(name)
    }

    /// The shard's list of files is one of a shallow copy.
    pub(crate) fn shallow(&self) {
        fs::remove_file(self.list("")).unwrap();
        let body = json!({"version": "1", "remote_store_repository": "segments"});
        fs::write(self.list("shallow-"), dat("snapshot", &body)).unwrap();
    }

    /// The shard has no list of files.
    pub(crate) fn without_list(&self) {
        fs::remove_file(self.list("")).unwrap();
    }

    /// One bit of the list is not what was written.
    pub(crate) fn damaged(&self) {
        let mut bytes = fs::read(self.list("")).unwrap();
        bytes[60] ^= 4;
        fs::write(self.list(""), bytes).unwrap();
    }

    /// The snapshot says that it could not take the shard.
    pub(crate) fn partial(&self) {
        let info = self.snapshot.info();
        let body = json!({"snapshot": {
            "name": info.name, "uuid": info.uuid, "version_id": info.version_id, "state": "PARTIAL",
            "indices": info.indices, "total_shards": info.total_shards,
            "successful_shards": info.total_shards.unwrap() - 1,
            "failures": [{"index": INDEX, "shard_id": 0, "reason": "primary shard is not allocated"}],
        }});
        let blob = self.root.join(format!("snap-{}.dat", info.uuid));
        fs::write(blob, dat("snapshot", &body)).unwrap();
        self.without_list();
    }

    /// The metadata of the index with other settings and another mapping.
    pub(crate) fn metadata(&self, settings: &Value, mapping: &Value) {
        let found = self.snapshot.index_metadata(INDEX).unwrap();
        let mut mapped = found.mapping().as_object().unwrap().clone();
        mapped.extend(mapping.as_object().unwrap().clone());
        self.types(settings, &json!({"_doc": mapped}));
    }

    /// The metadata of the index with other settings and these mappings by type.
    pub(crate) fn types(&self, settings: &Value, mappings: &Value) {
        let found = self.snapshot.index_metadata(INDEX).unwrap();
        let mut all = found.settings.clone();
        all.extend(settings.as_object().unwrap().clone());
        self.index(&all, mappings, &json!({}));
    }

    /// The metadata of the index with a mapping that is a text, however deep.
    pub(crate) fn mapping_text(&self, mapping: &str) {
        let found = self.snapshot.index_metadata(INDEX).unwrap();
        let mark = json!({"_doc": "MAPPING"});
        self.index_with(&found.settings, &mark, &json!({}), ("\"MAPPING\"", mapping));
    }

    fn index(&self, settings: &Map<String, Value>, mappings: &Value, aliases: &Value) {
        self.index_with(settings, mappings, aliases, ("", ""));
    }

    fn index_with(
        &self,
        settings: &Map<String, Value>,
        mappings: &Value,
        aliases: &Value,
        (mark, text): (&str, &str),
    ) {
        let found = self.snapshot.index_metadata(INDEX).unwrap();
        let body = json!({INDEX: {
            "state": "open", "settings": settings, "mappings": [mappings], "aliases": aliases,
            "routing_num_shards": found.routing_num_shards, "primary_terms": found.primary_terms,
        }});
        let blob = fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some())
            .unwrap();
        let body = body.to_string();
        let body = if mark.is_empty() {
            body
        } else {
            body.replace(mark, text)
        };
        fs::write(blob, dat_of("index-metadata", &body)).unwrap();
    }

    /// The metadata of the index with these aliases.
    pub(crate) fn aliases(&self, aliases: &Value) {
        let found = self.snapshot.index_metadata(INDEX).unwrap();
        let mapping = json!({"_doc": found.mapping()});
        self.index(&found.settings, &mapping, aliases);
    }

    /// The templates of the snapshot changed; what else the cluster had is not in it any more.
    pub(crate) fn templates(&self, change: impl FnOnce(&mut GlobalMetadata)) {
        let mut global = self.snapshot.global_metadata().unwrap();
        change(&mut global);
        let body = json!({"meta-data": {
            "templates": global.templates,
            "index_template": {"index_template": global.index_templates},
            "component_template": {"component_template": global.component_templates},
        }});
        let blob = self.root.join(format!("meta-{}.dat", self.snapshot.uuid()));
        fs::write(blob, dat("metadata", &body)).unwrap();
    }

    /// The index is mounted from a snapshot of the same repository.
    pub(crate) fn mounted(&self) {
        let settings = json!({
            "index.store.type": "snapshot",
            "index.store.snapshot.repository_name": "quickstart",
            "index.store.snapshot.snapshot_name": self.snapshot.name(),
            "index.store.snapshot.snapshot_uuid": self.snapshot.uuid(),
            "index.store.snapshot.index_name": "catalog-2019",
        });
        self.metadata(&settings, &json!({}));
        let body = json!({"name": "nightly-1", "index_version": 1, "files": []});
        fs::write(self.list(""), dat("snapshot", &body)).unwrap();
    }

    /// The infos of every segment are changed; their list is written anew.
    pub(crate) fn segment_infos(&self, change: impl Fn(&mut Vec<u8>)) {
        let shard = self.snapshot.shard(INDEX, 0).unwrap();
        let files: Vec<Value> = shard
            .files()
            .iter()
            .map(|file| {
                let mut listed = json!({
                    "name": file.blob, "physical_name": file.name, "length": file.length,
                    "checksum": file.checksum.map(base36), "written_by": file.written_by,
                });
                if let Some(part_bytes) = file.part_bytes {
                    listed["part_size"] = json!(part_bytes);
                }
                if let Some(content) = &file.content {
                    let mut content = content.to_vec();
                    if Path::new(&file.name)
                        .extension()
                        .is_some_and(|it| it == "si")
                    {
                        change(&mut content);
                        footed(&mut content);
                        let checksum = crc32fast::hash(&content[..content.len() - 8]);
                        listed["checksum"] = json!(base36(checksum));
                        listed["length"] = json!(content.len());
                    }
                    listed["meta_hash"] = json!(STANDARD.encode(&content));
                }
                listed
            })
            .collect();
        assert!(!files.is_empty());
        let body = json!({"name": "nightly-1", "index_version": 1, "files": files});
        fs::write(self.list(""), dat("snapshot", &body)).unwrap();
    }

    /// The segments say what OpenSearch's k-NN plugin says of masked vectors.
    pub(crate) fn masked(&self) {
        self.segment_infos(|info| {
            let mode = b"\x01\x1fLucene87StoredFieldsFormat.mode";
            let at = info.windows(mode.len()).position(|bytes| bytes == mode);
            let at = at.unwrap();
            info[at] = 2;
            let more = b"\x15derived_vector_fields\x06vector";
            let rest = info.split_off(at + 1);
            info.extend(more);
            info.extend(rest);
        });
    }

    /// The segments are of a codec that nobody knows.
    pub(crate) fn of_another_codec(&self) {
        self.segment_infos(|info| {
            let known = b"Lucene86SegmentInfo";
            let at = info.windows(known.len()).position(|bytes| bytes == known);
            let at = at.unwrap();
            info[at..at + known.len()].copy_from_slice(b"Plugin86SegmentInfo");
        });
    }
}
