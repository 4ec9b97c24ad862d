//! What of a comparison survives a kill: reports of indices that are through, and for the one in work the buckets of the
//! partitions that were read to their end.
//!
//! One file, replaced whole: a line of JSON, the buckets of both sides as 24 bytes each, a CRC-32. A file that is damaged,
//! or of another comparison, is as good as none: everything is read again.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::buckets::{Bucket, Table};
use super::report::IndexReport;
use crate::base::Fingerprint;
use crate::base::failpoint;
use crate::base::fs::write_atomic;
use crate::clients::target::Partition;

/// The file's schema.
const SCHEMA: u32 = 1;
/// The largest file that is read.
const FILE_BYTES: u64 = 256 << 20;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Kept {
    schema: u32,
    /// Of the whole comparison.
    pub(super) identity: Fingerprint,
    /// Reports of indices that are through, each with the identity of what was read.
    pub(super) reports: BTreeMap<String, (Fingerprint, IndexReport)>,
    /// The index in work.
    pub(super) index: Option<Current>,
}

/// The index in work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Current {
    pub(super) name: String,
    /// Partitions of each side whose documents are in the buckets.
    pub(super) done: [Vec<Partition>; 2],
    #[serde(skip)]
    pub(super) tables: Option<[Table; 2]>,
    buckets: usize,
}

impl Current {
    pub(super) fn new(name: String, done: [Vec<Partition>; 2], tables: [Table; 2]) -> Self {
        Self {
            name,
            done,
            buckets: tables[0].buckets.len(),
            tables: Some(tables),
        }
    }
}

impl Kept {
    pub(super) fn new(identity: Fingerprint) -> Self {
        Self {
            schema: SCHEMA,
            identity,
            reports: BTreeMap::new(),
            index: None,
        }
    }

    /// What the file holds, if it is whole and of this comparison; else nothing.
    pub(super) fn load(path: Option<&Path>, identity: &Fingerprint) -> Self {
        path.filter(|path| {
            path.metadata()
                .is_ok_and(|metadata| metadata.len() <= FILE_BYTES)
        })
        .and_then(|path| std::fs::read(path).ok())
        .and_then(|bytes| Self::decode(&bytes))
        .filter(|kept| kept.schema == SCHEMA && kept.identity == *identity)
        .unwrap_or_else(|| Self::new(identity.clone()))
    }

    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        for table in self.index.iter().flat_map(|index| &index.tables).flatten() {
            for bucket in &table.buckets {
                bytes.extend_from_slice(&bucket.docs.to_le_bytes());
                bytes.extend_from_slice(&bucket.sum.to_le_bytes());
            }
        }
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        failpoint::hit("verify-before-checkpoint");
        write_atomic(path, &bytes)?;
        failpoint::hit("verify-after-checkpoint");
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32fast::hash(body) {
            return None;
        }
        let line = memchr::memchr(b'\n', body)?;
        let mut kept: Self = serde_json::from_slice(&body[..line]).ok()?;
        if let Some(index) = &mut kept.index {
            let mut buckets = body[line + 1..].chunks_exact(24).map(|bytes| {
                let (docs, sum) = bytes.split_first_chunk::<8>()?;
                Some(Bucket {
                    docs: u64::from_le_bytes(*docs),
                    sum: u128::from_le_bytes(sum.try_into().ok()?),
                })
            });
            let mut table = || {
                let buckets: Option<Vec<_>> = buckets.by_ref().take(index.buckets).collect();
                buckets
                    .filter(|buckets| buckets.len() == index.buckets)
                    .map(|buckets| Table { buckets })
            };
            index.tables = Some([table()?, table()?]);
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_and_refuses_what_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests");
        let identity = Fingerprint::of(&"one");
        let mut kept = Kept::new(identity.clone());
        let mut table = Table::new(16);
        table.buckets[3] = Bucket {
            docs: 2,
            sum: u128::MAX,
        };
        kept.index = Some(Current::new(
            "shop".to_owned(),
            [Vec::new(), Vec::new()],
            [table, Table::new(16)],
        ));
        kept.save(&path).unwrap();
        assert_eq!(Kept::load(Some(&path), &identity), kept);
        assert!(
            Kept::load(Some(&path), &Fingerprint::of(&"two"))
                .index
                .is_none()
        );
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(Kept::load(Some(&path), &identity).index.is_none());
        }
    }
}
