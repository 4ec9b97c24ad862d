//! What phases look at as the source: the snapshot, or the live cluster as long as there is none.
//!
//! Deliberately absent: documents; a live cluster is only looked at to plan with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::existing::SnapshotView;
use crate::base::version::ProductVersion;
use crate::diff::observation::{ObjectKey, SnapshotIndexFacts};

static NO_INDICES: BTreeMap<String, SnapshotIndexFacts> = BTreeMap::new();

/// The source of metadata and documents.
pub enum SourceView {
    /// Snapshots that can be used.
    Snapshot(Arc<SnapshotView>),
    /// The cluster that the snapshot will be taken of: everything decided on it is provisional.
    Live(Arc<LiveView>),
    /// Neither; the snapshot's own phase says why.
    Nothing,
}

impl SourceView {
    /// The uuid of the (first) snapshot; `None` while there is none.
    pub fn snapshot_uuid(&self) -> Option<String> {
        match self {
            Self::Snapshot(view) => view.facts.as_ref().map(|facts| facts.uuid.clone()),
            Self::Live(_) | Self::Nothing => None,
        }
    }

    /// The server behind it.
    pub fn made_by(&self) -> Option<ProductVersion> {
        match self {
            Self::Snapshot(view) => view.facts.as_ref().and_then(|facts| facts.made_by),
            Self::Live(live) => Some(live.version),
            Self::Nothing => None,
        }
    }

    /// Its indices by name.
    pub fn indices(&self) -> &BTreeMap<String, SnapshotIndexFacts> {
        match self {
            Self::Snapshot(view) => view
                .facts
                .as_ref()
                .map_or(&NO_INDICES, |facts| &facts.indices),
            Self::Live(live) => &live.indices,
            Self::Nothing => &NO_INDICES,
        }
    }
}

/// A live source, as far as its snapshot would hold it.
pub struct LiveView {
    /// The server.
    pub version: ProductVersion,
    /// The indices that the snapshot will hold.
    pub indices: BTreeMap<String, SnapshotIndexFacts>,
    /// Their metadata and the templates, in the form that snapshots are read in.
    pub objects: Vec<(ObjectKey, Value)>,
}
