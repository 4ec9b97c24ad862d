//! What decoding may cost in memory: one byte of hostile input can ask for a text of 64, so the tree is counted.

use super::error::DecodeError;
use super::limits::MAX_TREE_BYTES;

/// What one node of the tree is counted as, without its text: at least what it takes.
const NODE_BYTES: u64 = 64;

/// Counts down what the decoded tree may still take.
#[derive(Debug)]
pub(crate) struct Budget {
    left_bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left_bytes: MAX_TREE_BYTES,
        }
    }
}

impl Budget {
    /// One node with `bytes` of text.
    pub(crate) fn spend(&mut self, bytes: usize, offset: usize) -> Result<(), DecodeError> {
        let cost = (bytes as u64).saturating_add(NODE_BYTES);
        self.left_bytes = self.left_bytes.checked_sub(cost).ok_or_else(|| {
            DecodeError::new(
                offset,
                format!("the decoded tree takes more than {MAX_TREE_BYTES} bytes"),
            )
        })?;
        Ok(())
    }
}
