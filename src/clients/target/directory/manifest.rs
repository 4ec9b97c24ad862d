//! What was written to each part, so that a later look tells cheaply whether it is still that.

use std::fs::{File, Metadata};
use std::io::{self, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::layers;
use super::layout::{self, Layout};
use super::read::{self, PairReader};
use crate::base::Fingerprint;
use crate::base::failpoint;
use crate::clients::target::TargetError;
use crate::diff::observation::TargetIndexFacts;

/// The entry of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Entry {
    /// Whether the part is finished; while it is not, the other fields say nothing.
    pub(super) complete: bool,
    pub(super) content: Sum,
    pub(super) file: Option<Stamp>,
}

/// Bytes, documents, and the digest of the documents' lines: added modulo 2^128, so that the order does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) docs: u64,
    #[serde(with = "hex")]
    pub(super) digest: u128,
    /// Documents of lower layers that the part deletes or takes the place of.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) replaced: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Sum {
    /// Adds a document by its two lines, or a deletion by its line.
    pub(super) fn add(&mut self, lines: &[u8]) {
        self.bytes += lines.len() as u64;
        self.docs += u64::from(!read::deletes(lines));
        self.digest = self.digest.wrapping_add(xxh3_128(lines));
    }

    fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.docs += other.docs;
        self.digest = self.digest.wrapping_add(other.digest);
        self.replaced += other.replaced;
    }
}

pub(super) mod hex {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &u128,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:032x}"))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

/// What the file system says of a file that nobody touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Stamp {
    size: u64,
    modified_s: i64,
    modified_ns: i64,
    inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
            inode: metadata.ino(),
        }
    }

    pub(super) fn text(&self) -> String {
        format!(
            "{}-{}.{:09}-{}",
            self.size, self.modified_s, self.modified_ns, self.inode
        )
    }
}

/// Says that a part is being written. Not forced to disk: it is made before the part's file, and an entry that is
/// unreadable after a power cut means the same.
pub(super) fn begin(path: &Path) -> Result<(), TargetError> {
    let entry = Entry {
        complete: false,
        content: Sum::default(),
        file: None,
    };
    let bytes = serde_json::to_vec(&entry).unwrap_or_default();
    std::fs::write(path, bytes).map_err(|error| TargetError::io(path, error))?;
    failpoint::hit("target-after-manifest-begin");
    Ok(())
}

fn read_entry(path: &Path) -> Result<Option<Entry>, TargetError> {
    match layout::read_json(path) {
        Err(TargetError::Corrupt { .. }) => Ok(Some(Entry {
            complete: false,
            content: Sum::default(),
            file: None,
        })),
        other => other,
    }
}

/// Reads a part from end to end. A tail without a line break counts as a document: it is content.
pub(super) fn sum_file(path: &Path, limit_bytes: u64) -> Result<Sum, TargetError> {
    let mut sum = Sum::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(sum),
        Err(error) => return Err(TargetError::io(path, error)),
    };
    let reader = BufReader::with_capacity(1 << 20, io::Read::take(file, limit_bytes));
    let mut pairs = PairReader::new(reader, path);
    while let Some(pair) = pairs.next_pair()? {
        sum.add(pair.lines);
    }
    Ok(sum)
}

/// What stands in an index, read as far as needed to be sure.
pub(super) fn index_facts(
    layout: &Layout,
    index: &str,
    uuid: String,
) -> Result<TargetIndexFacts, TargetError> {
    let docs = layout.docs(index)?;
    let manifests = layout.manifests(index)?;
    let mut total = Sum::default();
    let mut foreign_docs = 0_u64;
    for name in layout::names(&docs)? {
        if layout::is_temporary(&name) {
            continue;
        }
        let path = docs.join(&name);
        let part = name.strip_suffix(".ndjson").unwrap_or(&name);
        let entry = read_entry(&manifests.join(format!("{part}.json")))?;
        let metadata = path
            .metadata()
            .map_err(|error| TargetError::io(&path, error))?;
        if let Some(entry) = &entry
            && entry.complete
            && entry.file == Some(Stamp::of(&metadata))
        {
            total.merge(entry.content);
            continue;
        }
        let mut found = sum_file(&path, u64::MAX)?;
        // Where the lines are what was written, they take the place of as many.
        found.replaced = entry.as_ref().map_or(0, |entry| entry.content.replaced);
        foreign_docs += match &entry {
            None => found.docs,
            Some(entry) if entry.complete => found.docs.saturating_sub(entry.content.docs),
            Some(_) => 0,
        };
        total.merge(found);
    }
    Ok(TargetIndexFacts {
        content: Some(Fingerprint::of(&(&uuid, total))),
        uuid,
        docs: total.docs.saturating_sub(total.replaced),
        foreign_docs,
    })
}

/// Removes all parts that have an entry.
pub(super) fn clear(layout: &Layout, index: &str) -> Result<(), TargetError> {
    clear_layers(layout, index, 0)
}

/// Removes the parts of a layer and those above that have an entry. The entry goes last, so that a kill leaves no part without
/// one.
pub(super) fn clear_layers(layout: &Layout, index: &str, from: u32) -> Result<(), TargetError> {
    let docs = layout.docs(index)?;
    let manifests = layout.manifests(index)?;
    for name in layout::names(&manifests)? {
        if layers::layer_of(&name) < from {
            continue;
        }
        if let Some(part) = name.strip_suffix(".json") {
            layout::remove_file(&docs.join(format!("{part}.ndjson")))?;
        }
        layout::remove_file(&manifests.join(&name))?;
    }
    Ok(())
}
