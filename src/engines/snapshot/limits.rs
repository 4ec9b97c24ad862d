//! Limits on what hostile or damaged bytes can make this engine do. Each is far above anything real.

/// Bytes of `index-N`: a repository of 10 000 snapshots of 1000 indices stays below.
pub const MAX_REPOSITORY_INDEX_BYTES: u64 = 1 << 30;

/// Bytes of one `.dat` blob as it is stored.
pub const MAX_METADATA_BLOB_BYTES: u64 = 512 << 20;

/// Bytes of one `.dat` blob's body after inflating.
pub const MAX_INFLATED_BYTES: u64 = 1 << 30;

/// Bytes that the decoded tree of one blob or document may take in memory.
pub const MAX_TREE_BYTES: u64 = 2 << 30;

/// Nesting of objects and arrays in SMILE, CBOR or JSON. Elasticsearch itself stops at 1000 in new versions, and its
/// mappings at 20; recursion at this depth stays well within a thread's stack.
pub const MAX_DEPTH: usize = 256;

/// Bytes of one arbitrary-precision number (about 2400 decimal digits).
pub const MAX_BIG_NUMBER_BYTES: usize = 1024;

/// Digits of the scale of a decimal number: a hostile scale must not become a text of gigabytes.
pub const MAX_DECIMAL_SCALE: i64 = 4096;

/// Files of one shard.
pub const MAX_SHARD_FILES: usize = 1 << 20;

/// Shards of one index (Elasticsearch allows 1024).
pub const MAX_SHARDS: u32 = 1 << 16;

/// Bytes of the file with the paths of an index's shards (OpenSearch 2.17 and later).
pub const MAX_COMPANION_BYTES: u64 = 16 << 20;

/// Bytes of one decompressed `_source`. A server takes requests of 100 MB where nothing else is configured.
pub const MAX_SOURCE_BYTES: u64 = 512 << 20;
