//! Limits of the client, with names.

use std::time::Duration;

/// The longest that making a connection may take.
pub const CONNECT: Duration = Duration::from_secs(10);
/// The longest that an answer may take where a request says nothing else.
pub const ANSWER: Duration = Duration::from_secs(90);
/// The largest answer that is taken.
pub const ANSWER_BYTES: usize = 256 << 20;
/// The largest answer to the question who a cluster is.
pub const ABOUT_BYTES: usize = 1 << 20;
/// So much of an answer that is an error is read.
pub const ERROR_BYTES: usize = 1 << 20;
/// Room that is made at once for an answer that says how large it is.
pub const ROOM_BYTES: usize = 16 << 20;
/// Times that a request without an answer in time is sent at most.
pub const TIMEOUT_TRIES: u32 = 3;
/// Times that a cluster is called at most that never answered yet, and can't be reached or breaks off.
pub const FIRST_TRIES: u32 = 2;
/// So long a cluster that answered before may be away, or too busy, before it is an error.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// The first wait between two tries; doubled each time, and shortened by chance by up to a half.
pub const BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait between two tries.
pub const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// The longest wait that a server may ask for with `Retry-After`.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Nodes that requests are spread over at most.
pub const NODES: usize = 64;
/// The longest that a node may take to say which cluster it belongs to.
pub const NODE_ANSWER: Duration = Duration::from_secs(3);
/// How long a node that failed is left out at first; doubled each time.
pub const NODE_REST: Duration = Duration::from_secs(5);
/// How long it is left out at most.
pub const NODE_REST_MAX: Duration = Duration::from_mins(1);
/// The nodes are asked for anew so often, where somebody asks.
pub const NODES_FOR: Duration = Duration::from_mins(5);
