//! The stream of failed documents: lines of JSON, one stream an item and pass, made with the first failure.
//!
//! A line holds `index, shard, segment, doc, id, routing, class, reason` and the request as it was or would have been sent:
//! `request` (a text of two lines) or, where that is no UTF-8, `request-base64`. Pass 0 is the load; each trying again
//! ([`super::retry`]) is a pass of its own, so that nothing that was written is ever changed. The length of a stream is part
//! of the item's checkpoint: what an item that is done again wrote beyond it is cut off or never read. Which lines are of
//! documents that still fail is told by the item's progress alone ([`read()`]).
//!
//! Deliberately absent: whether a document is to be tried again.

pub mod causes;
mod place;
mod read;
mod stream;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

pub use place::FailedPlace;
pub use read::{Seen, classes, read, read_item};
pub(super) use stream::{FailedStream, Failure};

/// The largest line that is read: a request of the largest document, escaped.
pub const LINE_BYTES: u64 = 1 << 30;

/// The class of a document that a transform could not change.
pub const BY_TRANSFORM: &str = "transform";
/// What the classes of documents without a usable source begin with.
pub const OF_SOURCE: &str = "source-";

/// One failed document, as a line of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailedDocument<'a> {
    /// The index.
    pub index: Cow<'a, str>,
    /// The shard.
    pub shard: u32,
    /// The segment.
    pub segment: Cow<'a, str>,
    /// Lucene document number within the segment.
    pub doc: u32,
    /// `_id`.
    pub id: Cow<'a, str>,
    /// `_routing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Cow<'a, str>>,
    /// A class for counting.
    pub class: Cow<'a, str>,
    /// Why.
    pub reason: Cow<'a, str>,
    /// The request's lines, where they are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Cow<'a, str>>,
    /// The request's lines otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_base64: Option<String>,
}

impl FailedDocument<'_> {
    /// Whether its request is what a target is to get: those that failed before hold the document as it came.
    pub fn was_ready(&self) -> bool {
        self.class != BY_TRANSFORM && !self.class.starts_with(OF_SOURCE)
    }

    /// The request's two lines; `None` where they can't be read back.
    pub fn request_bytes(&self) -> Option<Vec<u8>> {
        match (&self.request, &self.request_base64) {
            (Some(text), _) => Some(text.as_bytes().to_vec()),
            (None, Some(text)) => STANDARD.decode(text).ok(),
            (None, None) => None,
        }
    }
}
