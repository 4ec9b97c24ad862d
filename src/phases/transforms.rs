//! What the transforms of a backfill rest on, for loading, proving and sampling alike: which are for an index, their
//! identity, and the types that the translated mapping gives to fields.
//!
//! The types are those of the translation and of nothing else: what a target learns of its own while it is loaded must not
//! change what a document becomes. Deliberately absent: the steps, which are the engine's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::existing::SnapshotView;
use super::kind::PhaseError;
use crate::base::Fingerprint;
use crate::base::version::ProductVersion;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::metadata::{Versions, translate};
use crate::engines::transform::{FieldTypes, Transforms, mappings};
use crate::plan::model::{BackfillSpec, StepKind, Transform};

/// The transforms of a backfill that are for an index, in their order.
pub(super) fn of<'s>(
    spec: &'s BackfillSpec,
    index: &'s str,
) -> impl Iterator<Item = &'s Transform> + 's {
    let is_for = move |it: &&Transform| it.indices.matches(index);
    spec.transforms.iter().filter(is_for)
}

/// Their names, for people; `None` where there is none.
pub(super) fn names(spec: &BackfillSpec, index: &str) -> Option<String> {
    let names: Vec<&str> = of(spec, index).map(|it| it.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Identity of what an index's documents go through; `None` where that is nothing.
pub(super) fn identity(spec: &BackfillSpec, index: &str) -> Option<Fingerprint> {
    let steps: Vec<_> = of(spec, index).map(|it| (&it.steps, coerces(it))).collect();
    (!steps.is_empty()).then(|| Fingerprint::of(&steps))
}

/// What changes the types that `coerce` goes by.
fn coerces(transform: &Transform) -> Option<&crate::plan::model::MappingEdits> {
    let coerces = |step: &crate::plan::model::Step| matches!(step.kind, StepKind::Coerce { .. });
    transform
        .steps
        .iter()
        .any(coerces)
        .then_some(&transform.mappings)
}

/// The mappings of indices before translation.
pub(super) type Mappings = BTreeMap<String, Value>;

/// The mappings of indices of a snapshot.
pub(super) fn mappings_of(view: &SnapshotView, names: &[String]) -> Mappings {
    let indices = names.iter().filter_map(|name| {
        let index = view.metadata.get(name)?;
        let mapping = match index.legacy_type() {
            Some(type_name) => json!({ type_name: index.mapping() }),
            None => index.mapping(),
        };
        Some((name.clone(), mapping))
    });
    indices.collect()
}

/// The transforms of a backfill, ready for documents of indices with these mappings.
pub(super) fn ready(
    spec: &BackfillSpec,
    mappings: &Mappings,
    versions: Versions,
) -> Result<Transforms, PhaseError> {
    let typed = mappings
        .iter()
        .map(|(name, mapping)| (name.clone(), types(spec, name, mapping, versions)));
    Transforms::new(&spec.transforms, typed).map_err(|message| PhaseError::Failed {
        message,
        help: Some("`mig validate` says where".into()),
    })
}

fn types(spec: &BackfillSpec, name: &str, mapping: &Value, versions: Versions) -> FieldTypes {
    let coerces = |transform: &Transform| coerces(transform).is_some();
    if !of(spec, name).any(coerces) {
        return FieldTypes::default();
    }
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: name.to_owned(),
    };
    let body = json!({ "mappings": mapping });
    let mut body = translate(&key, &body, versions, &BTreeSet::new()).body;
    mappings::apply(&mut body, of(spec, name));
    FieldTypes::of_mappings(body.get("mappings").unwrap_or(&Value::Null))
}

/// From the server of the source to that of the target.
pub(super) fn versions(source: Option<ProductVersion>, target: ProductVersion) -> Versions {
    Versions {
        source: source.unwrap_or(target),
        target,
    }
}
