//! What `mig check` asks of a bucket: whether each right is there that is needed, and what time it is there.
//!
//! Every fault says which right was asked for and how it is given. Deliberately absent: any key that the caller does not name, and
//! long retries: a check is there to say what is wrong.

use std::time::Duration;

use bytes::Bytes;

/// A place in a bucket, with the credentials that a store is read with.
pub trait BucketProbe: Send + Sync {
    /// For messages: never with credentials.
    fn location(&self) -> String;

    /// Up to a thousand names below a folder (`""`: of the place itself), sorted.
    fn list(&self, folder: &str) -> Result<Vec<String>, BucketFault>;

    /// Writes an object.
    fn put(&self, key: &str, bytes: Bytes) -> Result<(), BucketFault>;

    /// Reads an object of a few bytes.
    fn get(&self, key: &str) -> Result<Bytes, BucketFault>;

    /// Removes an object; nothing where there is none.
    fn remove(&self, key: &str) -> Result<(), BucketFault>;

    /// The clock of the server beside that of this machine, by the last answer that had a date.
    fn clock(&self) -> Option<ClockSeen>;
}

/// Another clock beside the one of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSeen {
    /// How far it is ahead, in milliseconds; negative: behind.
    pub ahead_ms: i64,
    /// How far this may be off.
    pub within: Duration,
}

/// Why a bucket does not do what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BucketFault {
    /// What, where and why.
    pub message: String,
    /// How to mend it.
    pub help: String,
    /// Whether it is a right that is missing (403), and not anything else.
    pub denied: bool,
}
