//! Compresses the requests of a part, as long as the target takes them so.
//!
//! By the fastest level: of log entries full of random ids it leaves a third (348 MB to 120 MB), at 350 MB for each second of
//! a processor (`benches/peers`, `gzip`), which is more than all else that a load does to a document. Deliberately absent: when compressing pays, which the cluster's client knows ([`ClusterClient::compresses`]).

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::clients::cluster::ClusterClient;

/// Smaller requests are sent as they are.
const LEAST_BYTES: usize = 1024;
/// Room that is made at first: this part of the request.
const ROOM_SHARE: usize = 4;

/// See the module.
pub(super) struct Packer {
    packs: AtomicBool,
}

impl Packer {
    pub(super) fn new(client: &ClusterClient) -> Self {
        Self {
            packs: AtomicBool::new(client.compresses()),
        }
    }

    pub(super) fn packs(&self) -> bool {
        self.packs.load(Ordering::Relaxed)
    }

    /// The target does not understand it: no more.
    pub(super) fn give_up(&self) {
        tracing::debug!("the target does not take compressed requests");
        self.packs.store(false, Ordering::Relaxed);
    }

    /// The body, compressed; `None` where it is sent as it is.
    pub(super) fn pack(&self, body: &[u8]) -> Option<Bytes> {
        if !self.packs() || body.len() < LEAST_BYTES {
            return None;
        }
        let packed = Vec::with_capacity(body.len() / ROOM_SHARE);
        let mut packer = GzEncoder::new(packed, Compression::fast());
        // Writing to memory does not fail; if it did, the body would go as it is.
        packer.write_all(body).ok()?;
        packer.finish().ok().map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_packed_is_the_same_and_smaller_and_stops_when_it_is_refused() {
        let packer = Packer {
            packs: AtomicBool::new(true),
        };
        let body = "{\"index\":{\"_id\":\"1\"}}\n{\"n\":1}\n".repeat(100);
        let packed = packer.pack(body.as_bytes()).unwrap();
        assert!(packed.len() < body.len() / 5);
        let mut text = String::new();
        let mut reader = flate2::read::GzDecoder::new(&packed[..]);
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, body);
        assert_eq!(packer.pack(b"{}\n"), None);
        packer.give_up();
        assert_eq!(packer.pack(body.as_bytes()), None);
    }
}
