//! Every bound of the S3 client, in one place.
//!
//! Memory in all: [`AHEAD_BYTES_MAX`] and [`PAGES_MAX`] × [`PAGE_BYTES`] (64 MiB together) for each opened store, and for
//! each range that is being read at the moment twice its length (the parts as they came, and their join) and at most two
//! parts of [`PART_BYTES_MAX`] at its ends.

use std::time::Duration;

/// Requests for ranges that one store has in flight.
pub(super) const REQUESTS_MAX: usize = 16;

/// How often one request is sent in all. A range that broke off goes on where it broke.
pub(super) const ATTEMPTS_MAX: u32 = 10;

/// After this no request is sent again.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// The wait before the second attempt; it doubles from there, and half of it is chance.
pub(super) const BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait between two attempts.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// For a connection.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// From sending a request to the headers of its answer. Looking up credentials is part of it.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The longest silence within a body.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Small reads fetch an aligned page of this size, which is kept; opening fetches the first.
pub(super) const PAGE_BYTES: u64 = 256 << 10;

/// Pages that a store keeps.
pub(super) const PAGES_MAX: usize = 64;

/// Bytes that a store fetches before anybody asked for them.
pub(super) const AHEAD_BYTES_MAX: u64 = 48 << 20;

/// The smallest part that a range is fetched in.
pub(super) const PART_BYTES_MIN: u64 = 1 << 20;

/// The smallest of the last parts of what a reader said it would read.
pub(super) const PART_BYTES_LAST: u64 = 256 << 10;

/// The largest part that a range is fetched in.
pub(super) const PART_BYTES_MAX: u64 = 8 << 20;

/// Sequential readers that are told apart.
pub(super) const STREAMS_MAX: usize = 128;

/// A first read of this size is taken for the beginning of a sequential one: nothing else asks for as much at once.
pub(super) const SPECULATE_BYTES: u64 = 6 << 20;

/// Names in one folder.
pub(super) const NAMES_MAX: usize = 1_000_000;
