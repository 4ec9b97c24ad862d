//! An index just before it is loaded: reached, announced, and emptied where it is written anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::common;
use super::super::kind::{PerformContext, PhaseError};
use super::super::transforms;
use super::fate::{TYPES, transforms_of, written_to};
use super::{cluster, failed, generations, since, work_error};
use crate::base::{Address, Fingerprint, failpoint};
use crate::clients::target::{Landing, Target};
use crate::diff::change::Action;
use crate::diff::observation::{SnapshotIndexFacts, TargetIndexFacts};
use crate::engines::bulk::work_store::WorkStore;
use crate::plan::model::{BackfillSpec, DataStreams};
use crate::state::model::{REMOVE_DOCUMENTS, SINCE, TRANSFORMS};

/// Where indices are loaded to.
pub(super) struct Ground<'a> {
    pub(super) cx: &'a PerformContext<'a>,
    pub(super) target: &'a dyn Target,
    pub(super) store: &'a dyn WorkStore,
    pub(super) on: &'a Address,
    pub(super) spec: &'a BackfillSpec,
    pub(super) snapshot_uuid: &'a str,
    pub(super) landings: &'a BTreeMap<String, Landing>,
    /// How the mapping types of indices are taken, where that makes other documents.
    pub(super) marks: &'a BTreeMap<&'a str, Fingerprint>,
    /// What is known of the indices.
    pub(super) source: &'a BTreeMap<String, SnapshotIndexFacts>,
    /// How data streams are taken.
    pub(super) choice: Option<DataStreams>,
    /// The indices of which changes alone are written.
    pub(super) changes: &'a BTreeSet<&'a str>,
    /// The uuid of the snapshot that these build upon.
    pub(super) since: Option<&'a str>,
}

impl Ground<'_> {
    /// Announces what will be written into an index, and removes first what is to be written anew; says which index it is.
    pub(super) fn prepare(&self, name: &str, action: Action) -> Result<String, PhaseError> {
        let Self { cx, target, on, .. } = self;
        let error = |error| common::target_error(on, &error);
        let landing = self.landings.get(name);
        let by_changes = self.changes.contains(name);
        // The later generations went with the first one, where a stream is written again.
        let first = generations::reach(cx, *target, on, landing)?;
        let found = self.facts(name)?;
        let there = target.name_there(name).map_err(error)?;
        let known = self.source.get(name);
        let now = known.and_then(|facts| {
            let names = transforms::Names::of(self.choice, name, facts);
            transforms::identity(self.spec, &names).map(|it| json!(it))
        });
        let then = transforms_of(cx.state, &cx.phase.address, on, name);
        let announce_with = |uuid: &str, transforms: Option<&Value>| {
            let mut detail = json!({
                "snapshot-uuid": self.snapshot_uuid,
                "target-uuid": uuid,
                TYPES: self.marks.get(name),
            });
            if let Some(landing) = landing {
                detail["landing"] = json!(landing);
            }
            if let Some(transforms) = transforms {
                detail[TRANSFORMS] = transforms.clone();
            }
            if by_changes {
                detail[SINCE] = json!(self.since);
                detail["layer"] = json!(cx.plan.depth_of(self.spec));
            }
            (cx.announce)(common::effect_with(on, "write-documents", name, detail))
        };
        let announce = |uuid: &str| announce_with(uuid, now.as_ref());
        // What went into an index that was made anew since is not there any more. Before the new one is announced: a kill in
        // between must not leave it with the progress of the old one.
        let anew =
            written_to(cx.state, &cx.phase.address, on, name).is_some_and(|it| it != found.uuid);
        if anew {
            self.reset(name)?;
        }
        if by_changes {
            return self.build_upon(name, &found, &|| announce(&found.uuid));
        }
        if action != Action::Replace || !first {
            cluster::refuse_foreign(cx, *target, on, (name, &there, &found.uuid))?;
            announce(&found.uuid)?;
            return Ok(found.uuid);
        }
        if !anew {
            // What is there until it is removed went through the transforms of then.
            announce_with(&found.uuid, then.as_ref())?;
        }
        let detail = json!({"documents": found.docs, "target-uuid": found.uuid});
        (cx.announce)(common::effect_with(on, REMOVE_DOCUMENTS, name, detail))?;
        failpoint::hit("backfill.reset.before");
        let together = self.together(name);
        for name in &together {
            self.reset(name)?;
        }
        cluster::restore(on, *target, together.iter())?;
        target.clear_documents(name).map_err(error)?;
        failpoint::hit("backfill.reset.after");
        // The proof closes again what was closed at the source.
        if target.cluster().is_some() && target.is_closed(name).map_err(error)? {
            (cx.announce)(common::effect(on, "open-index", name))?;
            target.set_closed(name, false).map_err(error)?;
        }
        // A cluster makes the index anew.
        let cleared = self.facts(name)?;
        if anew || cleared.uuid != found.uuid || then != now {
            announce(&cleared.uuid)?;
        }
        Ok(cleared.uuid)
    }

    /// Announces that changes are written over what stands in an index.
    fn build_upon(
        &self,
        name: &str,
        found: &TargetIndexFacts,
        announce: &dyn Fn() -> Result<(), PhaseError>,
    ) -> Result<String, PhaseError> {
        let Self { cx, target, on, .. } = self;
        let error = |error| common::target_error(on, &error);
        let of_this = (cx.plan, cx.state, &cx.phase.address);
        let facts = self.source.get(name);
        if facts.is_some_and(|facts| since::is_fresh(of_this, self.spec, (name, facts), found)) {
            self.reset(name)?;
        }
        announce()?;
        // The proof of the base may have closed it; the proof of this load closes it again.
        if target.cluster().is_some() && target.is_closed(name).map_err(error)? {
            (cx.announce)(common::effect(on, "open-index", name))?;
            target.set_closed(name, false).map_err(error)?;
        }
        Ok(found.uuid.clone())
    }

    fn facts(&self, name: &str) -> Result<TargetIndexFacts, PhaseError> {
        let found = self
            .target
            .index_facts(name, 0)
            .map_err(|error| common::target_error(self.on, &error))?;
        found.ok_or_else(|| {
            failed(
                format!(
                    "index {name} is not on {}: a target never makes one by itself",
                    self.on
                ),
                "run the metadata phase first, or leave the index out",
            )
        })
    }

    fn reset(&self, name: &str) -> Result<(), PhaseError> {
        let reset = self.store.reset(Some(name));
        reset.map(drop).map_err(|error| work_error(&error))
    }

    /// The indices whose documents go together: the generations of one stream.
    fn together(&self, name: &str) -> Vec<String> {
        let Some(Landing::Generation { stream, .. }) = self.landings.get(name) else {
            return vec![name.to_owned()];
        };
        let same = |landing: &Landing| matches!(landing, Landing::Generation { stream: other, .. } if other == stream);
        let all = self.landings.iter().filter(|(_, landing)| same(landing));
        all.map(|(name, _)| name.clone()).collect()
    }
}
