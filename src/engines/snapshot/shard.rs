//! The file list of one shard in one snapshot (`snap-<uuid>.dat` in the shard's folder, `snapshot-<name>` before 2.0).
//!
//! The list is complete by itself: the shard's `index-*` blobs, which list all snapshots of it, are never read.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::content::Content;
use super::error::SnapshotError;
use super::keys;
use super::limits::MAX_SHARD_FILES;
use super::shard_files::ShardFiles;
use crate::clients::objects::ObjectStore;

/// Blobs of this prefix do not exist: their bytes stand in the file list (7.6 and later).
const VIRTUAL_PREFIX: &str = "v__";

/// One shard of one index in one snapshot.
#[derive(Clone, Debug)]
pub struct ShardSnapshot {
    index: String,
    shard: u32,
    files: Arc<ShardFiles>,
}

/// One Lucene file of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFile {
    /// Lucene's name, such as `_0.cfs`.
    pub name: String,
    /// Name of the blob in the shard's folder, without `.partN`. Equal names in two snapshots are equal bytes.
    pub blob: String,
    /// Length in bytes.
    pub length: u64,
    /// The CRC-32 that stands in the file's footer.
    pub checksum: Option<u32>,
    /// Bytes of each part but the last; `None` when the file is one blob.
    pub part_bytes: Option<u64>,
    /// The whole content where the list holds it: of virtual blobs always, of small files often.
    pub content: Option<Bytes>,
    /// Version of Lucene that wrote it, as it is written there.
    pub written_by: Option<String>,
}

impl ShardFile {
    /// Whether there is no blob and the content stands in the list.
    pub fn is_virtual(&self) -> bool {
        self.blob.starts_with(VIRTUAL_PREFIX)
    }

    /// How many blobs hold the file: 0 for a virtual one.
    pub fn parts(&self) -> u64 {
        match self.part_bytes {
            _ if self.is_virtual() => 0,
            Some(part_bytes) if part_bytes > 0 => self.length.div_ceil(part_bytes).max(1),
            _ => 1,
        }
    }
}

impl ShardSnapshot {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        index: &str,
        shard: u32,
        directory: String,
        blob: String,
        content: &Content,
    ) -> Result<Self, SnapshotError> {
        let files = parse_files(&blob, content)?;
        if files.is_empty() {
            return Err(SnapshotError::NoFiles {
                blob,
                index: index.to_owned(),
                shard,
            });
        }
        Ok(Self {
            index: index.to_owned(),
            shard,
            files: Arc::new(ShardFiles::new(store, directory, blob, files)),
        })
    }

    /// Name of the index.
    pub fn index(&self) -> &str {
        &self.index
    }

    /// Number of the shard.
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// The files, for the `lucene` engine.
    pub fn files(&self) -> &Arc<ShardFiles> {
        &self.files
    }

    /// Bytes of all files as Lucene sees them.
    pub fn total_bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |total, file| total.saturating_add(file.length))
    }
}

fn parse_files(
    blob: &str,
    content: &Content,
) -> Result<BTreeMap<String, ShardFile>, SnapshotError> {
    let field_error = |field: &str, reason: String| SnapshotError::Field {
        blob: blob.to_owned(),
        field: field.to_owned(),
        reason,
    };
    let items = content
        .get("files")
        .and_then(Content::as_array)
        .ok_or_else(|| field_error("files", "is missing or no list".to_owned()))?;
    if items.len() > MAX_SHARD_FILES {
        return Err(SnapshotError::Limit {
            blob: blob.to_owned(),
            what: "the number of files",
            limit: MAX_SHARD_FILES as u64,
        });
    }
    let mut files = BTreeMap::new();
    for item in items {
        let file = parse_file(blob, item)?;
        let name = file.name.clone();
        if files.insert(name.clone(), file).is_some() {
            return Err(field_error("files", format!("lists `{name}` twice")));
        }
    }
    Ok(files)
}

fn parse_file(blob: &str, item: &Content) -> Result<ShardFile, SnapshotError> {
    let field_error = |field: &str, reason: &str| SnapshotError::Field {
        blob: blob.to_owned(),
        field: format!("files.{field}"),
        reason: reason.to_owned(),
    };
    let text = |field: &str| {
        item.get(field)
            .and_then(Content::as_str)
            .ok_or_else(|| field_error(field, "is missing or no text"))
    };
    let name = keys::part(blob, text("physical_name")?)?.to_owned();
    let blob_name = keys::part(blob, text("name")?)?.to_owned();
    let length = item
        .get("length")
        .and_then(Content::as_u64)
        .ok_or_else(|| field_error("length", "is missing or no length"))?;
    let checksum = match item.get("checksum").and_then(Content::as_str) {
        None => None,
        Some(text) => Some(
            u32::from_str_radix(text, 36)
                .map_err(|_| field_error("checksum", "is no CRC-32 in base 36"))?,
        ),
    };
    // `Long.MAX_VALUE` is how "one part" is written.
    let part_bytes = item
        .get("part_size")
        .and_then(Content::as_u64)
        .filter(|part| *part > 0 && *part < i64::MAX as u64);
    let meta_hash = match item.get("meta_hash") {
        Some(Content::Binary(bytes)) => Some(bytes.clone()),
        // In JSON, as 1.x writes it.
        Some(Content::Text(text)) => Some(Bytes::from(
            STANDARD
                .decode(text)
                .map_err(|_| field_error("meta_hash", "is no base64"))?,
        )),
        _ => None,
    };
    // Of large files some versions keep a hash there and no content.
    let whole = meta_hash.filter(|bytes| bytes.len() as u64 == length);
    let file = ShardFile {
        name,
        blob: blob_name,
        length,
        checksum,
        part_bytes,
        content: whole,
        written_by: item
            .get("written_by")
            .and_then(Content::as_str)
            .map(str::to_owned),
    };
    if file.is_virtual() && file.content.is_none() {
        return Err(field_error(
            "meta_hash",
            &format!("of `{}` must hold all its {length} bytes", file.name),
        ));
    }
    Ok(file)
}
