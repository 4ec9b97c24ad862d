//! Digests of documents, added up in buckets. Adding modulo 2^128 makes the order indifferent; unlike exclusive-or it
//! also sees a document that is there twice.

use xxhash_rust::xxh3::xxh3_128;

use super::compare::limits;
use super::side::SideDocument;
use crate::base::json;

/// What of a document goes into its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The identity alone.
    Ids,
    /// The source of one in so many.
    Sample(u64),
    /// The source's bytes.
    Raw,
    /// The source's canonical form.
    Canonical,
}

/// Makes digests; holds buffers that are used again.
#[derive(Default)]
pub(super) struct Digester {
    key: Vec<u8>,
    canonical: Vec<u8>,
}

impl Digester {
    /// Of (routing, id): no two pairs give the same bytes.
    pub(super) fn identity(&mut self, document: &SideDocument<'_>) -> u128 {
        self.key.clear();
        match document.routing {
            None => self.key.push(0),
            Some(routing) => {
                self.key.push(1);
                self.key
                    .extend_from_slice(&(routing.len() as u64).to_le_bytes());
                self.key.extend_from_slice(routing.as_bytes());
            }
        }
        self.key.extend_from_slice(document.id.as_bytes());
        xxh3_128(&self.key)
    }

    /// Of the source, as `look` asks. What has no canonical form goes by its bytes.
    pub(super) fn content(&mut self, identity: u128, source: &[u8], look: Look) -> u128 {
        match look {
            Look::Ids => 0,
            Look::Sample(one_in) if !identity.is_multiple_of(u128::from(one_in.max(1))) => 0,
            Look::Sample(_) | Look::Raw => xxh3_128(source),
            Look::Canonical => {
                self.canonical.clear();
                match json::canonical(source, &mut self.canonical) {
                    Ok(()) => xxh3_128(&self.canonical),
                    Err(_) => xxh3_128(source),
                }
            }
        }
    }

    /// Of all of it.
    pub(super) fn document(identity: u128, content: u128, version: Option<i64>) -> u128 {
        let mut bytes = [0; 41];
        bytes[..16].copy_from_slice(&identity.to_le_bytes());
        bytes[16..32].copy_from_slice(&content.to_le_bytes());
        if let Some(version) = version {
            bytes[32] = 1;
            bytes[33..].copy_from_slice(&version.to_le_bytes());
        }
        xxh3_128(&bytes)
    }
}

/// One bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) docs: u64,
    pub(super) sum: u128,
}

impl Bucket {
    pub(super) fn add(&mut self, other: Self) {
        self.docs += other.docs;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// How many buckets for so many documents: a power of two.
pub(super) fn bucket_count(docs: u64) -> usize {
    let wanted = (docs / limits::DOCS_PER_BUCKET).next_power_of_two();
    usize::try_from(wanted)
        .unwrap_or(limits::BUCKETS)
        .clamp(16, limits::BUCKETS)
}

/// The bucket of an identity; `buckets` is a power of two.
pub(super) fn bucket_of(identity: u128, buckets: usize) -> usize {
    // Truncation keeps the low bits, which are as good as any.
    #[allow(clippy::cast_possible_truncation)]
    let low = (identity >> 64) as usize;
    low & (buckets - 1)
}

/// The buckets of one side, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) buckets: Vec<Bucket>,
}

impl Table {
    pub(super) fn new(buckets: usize) -> Self {
        Self {
            buckets: vec![Bucket::default(); buckets],
        }
    }

    pub(super) fn total(&self) -> Bucket {
        let mut total = Bucket::default();
        for bucket in &self.buckets {
            total.add(*bucket);
        }
        total
    }
}

/// A part's digests, gathered by one thread: cheap to empty, since it knows which buckets it used.
pub(super) struct Gathered {
    table: Table,
    used: Vec<usize>,
}

impl Gathered {
    pub(super) fn new(buckets: usize) -> Self {
        Self {
            table: Table::new(buckets),
            used: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, bucket: usize, digest: u128) {
        let entry = &mut self.table.buckets[bucket];
        if entry.docs == 0 {
            self.used.push(bucket);
        }
        entry.add(Bucket {
            docs: 1,
            sum: digest,
        });
    }

    /// Moves everything into `total`.
    pub(super) fn pour(&mut self, total: &mut Table) {
        for bucket in self.used.drain(..) {
            total.buckets[bucket].add(std::mem::take(&mut self.table.buckets[bucket]));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        for bucket in self.used.drain(..) {
            self.table.buckets[bucket] = Bucket::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_do_not_run_into_each_other() {
        let mut digester = Digester::default();
        let mut identity = |routing, id| {
            digester.identity(&SideDocument {
                id,
                routing,
                version: None,
                source: b"",
            })
        };
        let all = [
            identity(None, "ab"),
            identity(Some(""), "ab"),
            identity(Some("a"), "b"),
            identity(Some("ab"), ""),
        ];
        for (number, one) in all.iter().enumerate() {
            assert!(!all[number + 1..].contains(one));
        }
    }

    #[test]
    fn a_document_twice_is_seen() {
        let mut gathered = Gathered::new(16);
        let mut total = Table::new(16);
        gathered.add(3, 7);
        gathered.add(3, 7);
        gathered.pour(&mut total);
        assert_eq!(total.total(), Bucket { docs: 2, sum: 14 });
        gathered.pour(&mut total);
        assert_eq!(total.total().docs, 2);
    }
}
