//! Fingerprints: SHA-256 over the canonical JSON of a value. They hold identity, never counts, health or times.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 in lower-case hexadecimal; shown to people by its first 7 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Over raw bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        Self(text)
    }

    /// Over the JSON of a value. Maps are sorted by key by `serde_json::Value`, so equal values have equal bytes.
    pub fn of(value: &impl Serialize) -> Self {
        // A value that JSON can't hold (a map with keys that are no strings) is a fault of the type, not of input: such
        // types are not given to this function, and the error text still tells values apart.
        let bytes = match serde_json::to_value(value).and_then(|value| serde_json::to_vec(&value)) {
            Ok(bytes) => bytes,
            Err(error) => error.to_string().into_bytes(),
        };
        Self::of_bytes(&bytes)
    }

    /// The first 7 characters.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// All 64 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}
