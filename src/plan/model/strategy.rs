//! How a backfill gets the documents of an index onto its target.
//!
//! Relies on nothing. Deliberately absent: where a restore can be done, which only versions and clusters tell.

use serde::Serialize;

/// How the documents of an index get onto the target.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The target restores where that is allowed and of use; the other indices are written document by document.
    Auto,
    /// Each document is read and written.
    #[default]
    Reindex,
    /// The target restores each index from the snapshot; one that can't be restored stops the plan.
    Restore,
}

impl Strategy {
    /// What older states, which do not have the field, stand for.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
    pub fn is_reindex(&self) -> bool {
        *self == Self::Reindex
    }
}
