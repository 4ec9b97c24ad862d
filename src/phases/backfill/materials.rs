//! What moves documents, the same for `mig apply` and for each worker that joins it: where they come from, what changes
//! them on the way, and how they are written.
//!
//! Deliberately absent: whose turn it is, and anything that is written.

use std::path::{Path, PathBuf};

use super::super::existing::SnapshotView;
use super::super::kind::PhaseError;
use super::super::{streams, transforms};
use super::failed;
use crate::base::Address;
use crate::clients::target::{Target, WorkPlace};
use crate::diff::observation::SnapshotIndexFacts;
use crate::engines::bulk::delta::DeltaSource;
use crate::engines::bulk::failed::FailedPlace;
use crate::engines::bulk::joined::JoinedSource;
use crate::engines::bulk::snapshot_source::SnapshotSource;
use crate::engines::bulk::typed_source::TypedSource;
use crate::engines::bulk::{Identity, Options, Rates, Transform};
use crate::engines::transform::Transforms;
use crate::plan::model::{BackfillSpec, Plan, Versions};
use crate::state::Artifacts;

/// See the module.
pub(super) struct Materials {
    pub(super) source: JoinedSource<TypedSource<SnapshotSource>>,
    transforms: Option<Transforms>,
}

impl Materials {
    /// For these indices of the snapshot as the target names them, of which some are moved by their changes alone.
    pub(super) fn gather(
        plan: &Plan,
        spec: &BackfillSpec,
        view: &SnapshotView,
        target: &dyn Target,
        wanted: &[(&str, &SnapshotIndexFacts)],
        changes: DeltaSource,
    ) -> Result<Self, PhaseError> {
        let way = super::way(plan, spec);
        let by_changes = changes.indices();
        let whole: Vec<(&str, &SnapshotIndexFacts)> = wanted
            .iter()
            .copied()
            .filter(|(name, _)| !by_changes.contains_key(*name))
            .collect();
        let whole = way.source(view, &whole, &|_| spec.without_source)?;
        let source = JoinedSource { whole, changes };
        if spec.transforms.is_empty() {
            return Ok(Self {
                source,
                transforms: None,
            });
        }
        let bodies = transforms::bodies_in(view, way, wanted.iter().copied());
        let made_by = view.facts.as_ref().and_then(|facts| facts.made_by);
        let versions = transforms::versions(made_by, target.version());
        let choice = streams::choice(spec.data_streams, target.version());
        let transforms =
            transforms::ready(spec, choice, wanted.iter().copied(), &bodies, versions)?;
        Ok(Self {
            source,
            transforms: Some(transforms),
        })
    }

    pub(super) fn transform(&self) -> &dyn Transform {
        match &self.transforms {
            None => &Identity,
            Some(transforms) => transforms,
        }
    }
}

/// Where the failed documents are: beside the documents of a directory; of a cluster, beside the state: in its bucket, where
/// all processes write to one place, or on this machine.
pub(in super::super) fn failed_place(
    phase: &Address,
    artifacts: &dyn Artifacts,
    target: &dyn Target,
) -> Result<FailedPlace, PhaseError> {
    let folder = match target.work_place() {
        WorkPlace::Directory(place) => place,
        WorkPlace::Index(_) => {
            if let Some((objects, prefix)) = artifacts.objects() {
                let prefix = format!("{prefix}/failed/{}", phase.file_name());
                return Ok(FailedPlace::Objects { objects, prefix });
            }
            let scratch = artifacts.scratch();
            scratch.map_err(|error| failed(error.to_string(), &error.help()))?
        }
    };
    Ok(failed_folder_in(&folder, phase).into())
}

/// The folder of the failed documents of a phase, below the place where they are kept.
pub(in super::super) fn failed_folder_in(place: &Path, phase: &Address) -> PathBuf {
    place.join("failed").join(phase.file_name())
}

/// How documents are written; `holder` tells processes of several machines apart.
pub(super) fn options(
    spec: &BackfillSpec,
    target: &dyn Target,
    failed: FailedPlace,
    holder: String,
) -> Options {
    let mut options = Options::new(holder, failed);
    let elsewhere = matches!(options.failed, FailedPlace::Folder(_));
    options.failed_may_be_gone = target.cluster().is_some() && elsewhere;
    options.keep_versions = spec.versions == Versions::Keep;
    options.max_failed = Some(spec.max_failed);
    options.rates = rates(spec);
    options
}

/// What a plan allows, as the engine takes it.
pub(super) fn rates(spec: &BackfillSpec) -> Rates {
    let limits = &spec.limits;
    let none = Rates::default();
    let batch = limits.batch.map(|batch| usize::try_from(batch.0));
    Rates {
        docs: limits.docs.map(|rate| rate.0),
        bytes: limits.bytes.map(|rate| rate.0),
        in_flight: limits.in_flight.unwrap_or(none.in_flight),
        batch_bytes: batch.map_or(none.batch_bytes, |batch| batch.unwrap_or(usize::MAX)),
        target_cpu: limits.target_cpu,
    }
}
