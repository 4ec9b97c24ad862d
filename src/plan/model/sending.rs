//! How documents are sent to a cluster: to which of its addresses, and in which form.
//!
//! Relies on nothing. Deliberately absent: what is sent.

use serde::Serialize;

/// Which addresses of a cluster documents are sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nodes {
    /// Those of its nodes that hold data, where they can be reached and prove to be of the same cluster.
    #[default]
    Discover,
    /// The endpoint alone.
    Endpoint,
}

impl Nodes {
    /// What holds where nothing is said is not shown.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether documents are sent compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compress {
    /// By gzip, which every server takes.
    Gzip,
    /// As they are.
    None,
}
