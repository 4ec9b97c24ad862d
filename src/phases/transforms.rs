//! What the transforms of a backfill rest on, for loading, proving and sampling alike: which are for an index, their
//! identity, and the types that the translated mapping gives to fields.
//!
//! An index is meant by every name that a user has for it: that of its data stream, and where mapping types made several of
//! one, that of the source. The types are those of the translation and of nothing else: what a target learns of its own while
//! it is loaded must not change what a document becomes. Deliberately absent: the steps, which are the engine's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::common;
use super::existing::SnapshotView;
use super::kind::PhaseError;
use super::live::SourceView;
use super::metadata::source::index_body;
use super::metadata::streams::MARK;
use super::streams::{by_name, ordinary_name};
use super::types::{self, Way};
use crate::base::Fingerprint;
use crate::base::version::ProductVersion;
use crate::diff::change::{Item, LeftOut};
use crate::diff::observation::{ObjectKey, ObjectKind, SnapshotIndexFacts};
use crate::engines::metadata::{Versions, translate};
use crate::engines::transform::{Index, Transforms, mappings};
use crate::plan::codes::documents::TRANSFORM_UNUSED;
use crate::plan::diagnostics::did_you_mean;
use crate::plan::model::{BackfillSpec, DataStreams, StepKind, Transform};
use crate::plan::selector::Selector;

/// The names that an index goes by where transforms choose it.
pub(super) struct Names(Vec<String>);

impl Names {
    /// Of an index as the target names it. One behind a data stream goes by the stream's name alone where it stays behind it,
    /// as in every selection of a phase; as an ordinary index it has names of its own, too.
    pub(super) fn of(choice: Option<DataStreams>, index: &str, facts: &SnapshotIndexFacts) -> Self {
        let own = types::of(index, facts);
        Self::new(choice, index, own, facts.data_stream.as_deref())
    }

    /// Of the name on the target, that at the source, and the data stream.
    pub(super) fn new(
        choice: Option<DataStreams>,
        index: &str,
        own: &str,
        stream: Option<&str>,
    ) -> Self {
        let mut names = Vec::with_capacity(3);
        names.extend(stream.map(str::to_owned));
        if stream.is_none() || choice == Some(DataStreams::Indices) {
            names.push(index.to_owned());
            if own != index {
                names.push(own.to_owned());
            }
            if stream.is_some() && ordinary_name(index) != index {
                names.push(ordinary_name(index));
            }
        }
        Self(names)
    }

    /// Whether a selection means the index.
    pub(super) fn are_in(&self, selector: &Selector) -> bool {
        selector.matches_any(&self.0)
    }

    /// The transforms among these that are for the index, with their places, in order.
    pub(super) fn chosen<'s>(
        &self,
        transforms: &'s [Transform],
    ) -> impl Iterator<Item = (usize, &'s Transform)> {
        let all = transforms.iter().enumerate();
        all.filter(|(_, it)| self.are_in(&it.indices))
    }
}

/// The indices that a phase could send through transforms.
#[derive(Default)]
pub(super) struct Candidates {
    /// Those that it takes.
    pub(super) taken: Vec<Names>,
    /// The others of its source.
    pub(super) others: Vec<Names>,
}

impl Candidates {
    /// Of indices that earlier phases have yet to make: nothing is known of them but the name.
    pub(super) fn await_index(&mut self, choice: Option<DataStreams>, name: &str) {
        let stream = by_name(name);
        let names = Names::new(choice, name, name, stream.as_deref());
        self.taken.push(names);
    }

    /// What becomes of transforms that are for none of the indices that a phase takes: a question where they are for no other
    /// index of the source either, since their documents would arrive as they are. `used` says what else they may be for. Nothing
    /// while there is nothing to look at.
    pub(super) fn unused(
        &self,
        transforms: &[Transform],
        used: impl Fn(&Transform) -> bool,
    ) -> (Vec<Item>, Vec<LeftOut>) {
        let (mut questions, mut left_out) = (Vec::new(), Vec::new());
        let all = || self.taken.iter().chain(&self.others);
        if all().next().is_none() {
            return (questions, left_out);
        }
        let known: Vec<&str> = all().flat_map(|it| &it.0).map(String::as_str).collect();
        for transform in transforms {
            let selector = &transform.indices;
            let meant = |names: &[Names]| names.iter().any(|it| it.are_in(selector));
            if meant(&self.taken) || used(transform) {
                let unmatched = selector.unmatched(&known).into_iter();
                let unmatched = unmatched.filter(|it| !["*", ".*"].contains(it));
                left_out.extend(unmatched.map(|pattern| LeftOut {
                    object: "pattern".into(),
                    name: format!("{pattern} of transform {}", transform.name),
                    reason: "no index of the source has such a name".into(),
                }));
            } else if meant(&self.others) {
                left_out.push(LeftOut {
                    object: "transform".into(),
                    name: transform.name.clone(),
                    reason: "for none of the indices that this phase takes".into(),
                });
            } else {
                questions.push(unused_question(transform, &known));
            }
        }
        (questions, left_out)
    }
}

fn unused_question(transform: &Transform, known: &[&str]) -> Item {
    let patterns: Vec<&str> = transform.indices.patterns().collect();
    let near = patterns
        .iter()
        .find_map(|pattern| did_you_mean(pattern, known.iter().copied()));
    let near = near.unwrap_or("…");
    let (name, list) = (&transform.name, patterns.join("`, `"));
    common::question(
        "transform",
        name.clone(),
        &TRANSFORM_UNUSED.to_string(),
        format!(
            "transform {name} is for `{list}`, and no index or data stream of the source has such a name. What is it for?"
        ),
        vec![
            format!("transforms: {{ {name}: {{ indices: [{near}] }} }}"),
            format!("# take {name} out of `transforms` of this phase"),
        ],
    )
}

/// The names of transforms, for people; `None` where there is none.
pub(super) fn told(spec: &BackfillSpec, names: &Names) -> Option<String> {
    let all = names.chosen(&spec.transforms);
    let all: Vec<&str> = all.map(|(_, it)| it.name.as_str()).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Identity of what an index's documents go through; `None` where that is nothing.
pub(super) fn identity(spec: &BackfillSpec, names: &Names) -> Option<Fingerprint> {
    let all = names.chosen(&spec.transforms);
    let steps: Vec<_> = all.map(|(_, it)| (&it.steps, coerces(it))).collect();
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

/// Indices of the source before translation, by the names of the target.
pub(super) type Bodies = BTreeMap<String, Value>;

/// Those of a source, for these indices. One that mapping types made of another has its route with it, by which the
/// translation gives it the fields of its own types.
pub(super) fn bodies<'i>(
    view: &SourceView,
    way: Way<'_>,
    indices: impl IntoIterator<Item = (&'i str, &'i SnapshotIndexFacts)>,
) -> Bodies {
    let live: BTreeMap<&str, &Value> = match view {
        SourceView::Live(live) => objects(&live.objects),
        SourceView::Wider(wider) => objects(&wider.live.objects),
        SourceView::Snapshot(_) | SourceView::Nothing => BTreeMap::new(),
    };
    let taken = |name: &str| match view {
        SourceView::Snapshot(view) => body_in(view, name),
        SourceView::Wider(wider) => body_in(&wider.taken, name),
        SourceView::Live(_) | SourceView::Nothing => None,
    };
    let mut bodies = Bodies::new();
    for (name, facts) in indices {
        let own = types::of(name, facts);
        if let Some(body) = taken(own).or_else(|| live.get(own).map(|body| (*body).clone())) {
            bodies.insert(name.to_owned(), routed(way, name, facts, body));
        }
    }
    bodies
}

/// The same of a snapshot.
pub(super) fn bodies_in<'i>(
    view: &SnapshotView,
    way: Way<'_>,
    indices: impl IntoIterator<Item = (&'i str, &'i SnapshotIndexFacts)>,
) -> Bodies {
    let found = indices.into_iter().filter_map(|(name, facts)| {
        let body = body_in(view, types::of(name, facts))?;
        Some((name.to_owned(), routed(way, name, facts, body)))
    });
    found.collect()
}

fn objects(objects: &[(ObjectKey, Value)]) -> BTreeMap<&str, &Value> {
    let indices = objects
        .iter()
        .filter(|(key, _)| key.kind == ObjectKind::Index);
    indices
        .map(|(key, body)| (key.name.as_str(), body))
        .collect()
}

fn body_in(view: &SnapshotView, name: &str) -> Option<Value> {
    view.metadata.get(name).map(index_body)
}

fn routed(way: Way<'_>, name: &str, facts: &SnapshotIndexFacts, mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        // Neither says anything of fields.
        fields.remove(MARK);
        fields.remove("closed");
        if let Some(route) = way.route(name, facts) {
            fields.insert("types".to_owned(), json!(route));
        }
    }
    body
}

/// The transforms of a backfill, ready for documents of these indices.
pub(super) fn ready<'i>(
    spec: &BackfillSpec,
    choice: Option<DataStreams>,
    indices: impl IntoIterator<Item = (&'i str, &'i SnapshotIndexFacts)>,
    bodies: &Bodies,
    versions: Versions,
) -> Result<Transforms, PhaseError> {
    let indices = indices.into_iter().map(|(name, facts)| {
        let names = Names::of(choice, name, facts);
        let chosen: Vec<(usize, &Transform)> = names.chosen(&spec.transforms).collect();
        let coerce = chosen.iter().any(|(_, it)| coerces(it).is_some());
        let types = match bodies.get(name).filter(|_| coerce) {
            Some(body) => {
                let translated = translated(name, body, versions);
                let all = chosen.iter().map(|(_, it)| *it);
                mappings::types_for_coerce(&translated, all)
            }
            None => Vec::new(),
        };
        Index {
            name: name.to_owned(),
            transforms: chosen.into_iter().map(|(at, _)| at).collect(),
            types,
        }
    });
    Transforms::new(&spec.transforms, indices).map_err(|message| PhaseError::Failed {
        message,
        help: Some("`mig validate` says where".into()),
    })
}

fn translated(name: &str, body: &Value, versions: Versions) -> Value {
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: name.to_owned(),
    };
    translate(&key, body, versions, &BTreeSet::new()).body
}

/// From the server of the source to that of the target.
pub(super) fn versions(source: Option<ProductVersion>, target: ProductVersion) -> Versions {
    Versions {
        source: source.unwrap_or(target),
        target,
    }
}
