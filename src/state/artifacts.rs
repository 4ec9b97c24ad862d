//! What is kept beside the journal: evidence, observations. None of it is the truth, so losing it loses no work.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::StateError;
use crate::clients::objects::ConditionalObjects;

/// Named values beside the journal of a state. Names are paths with `/`, such as `evidence/same.json`.
pub trait Artifacts: Send + Sync {
    /// Keeps a value under a name, in place of the one before: durable and whole when this returns.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StateError>;

    /// The value; `None` where there is none.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StateError>;

    /// Forgets the value; nothing where there is none.
    fn remove(&self, name: &str) -> Result<(), StateError>;

    /// Where people find it.
    fn locate(&self, name: &str) -> String;

    /// A directory of this machine, there when this returns, for what a run takes up again where it was stopped and for
    /// what is too large to be kept. On another machine the work is only done again.
    fn scratch(&self) -> Result<PathBuf, StateError>;

    /// The bucket that the values are in, and the prefix there that ends without `/`, for what is written in pieces by many
    /// machines; `None` where they are files of this machine.
    fn objects(&self) -> Option<(Arc<dyn ConditionalObjects>, String)> {
        None
    }
}

/// The name without what would lead out of the state.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn names_stay_within() {
        assert!(is_plain("evidence/same.json"));
        for name in [
            "",
            "/etc/passwd",
            "a/../b",
            "..",
            "a//b",
            "a/",
            "./a",
            "a\\b",
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
