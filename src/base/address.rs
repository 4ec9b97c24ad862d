//! Addresses: the stable names of the things in a plan (`docs`, `es56->es710/docs`).
//!
//! An address keys the state, so it never depends on the order of things in a file.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a cluster, store or phase; within a hop it carries the hop as a prefix: `a->b/docs`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// Takes the text as it is; the plan layer has checked its form.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the name of a file or a folder.
    pub fn file_name(&self) -> String {
        self.0.replace(['/', '>'], "_")
    }

    /// The hop part (`a->b`) of a phase that a hop expanded to.
    pub fn hop(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(hop, _)| hop)
    }

    /// The name without the hop part.
    pub fn leaf(&self) -> &str {
        self.0
            .rsplit_once('/')
            .map_or(self.0.as_str(), |(_, leaf)| leaf)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}
