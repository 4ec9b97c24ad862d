//! Transforms put together: those of an index, and a document through all of their steps.
//!
//! Which transforms are for an index is said by the caller, who knows what else the index is called. Of an index that nobody
//! spoke of, its own name decides.

use std::collections::BTreeMap;

use super::coerce;
use super::date::Dates;
use super::drop;
use super::fault::Fault;
use super::field_types::FieldTypes;
use super::jq::{self, Made};
use super::json::Json;
use super::{rename, set};
use crate::engines::bulk::{DocumentView, Scratch, Transform as InPipeline, Transformed};
use crate::plan::model::{OnFailure, SetValue, StepKind, Transform};
use crate::plan::selector::Selector;

/// What a step does, ready to be done.
enum Ready {
    Rename(Vec<(String, String)>),
    Drop(Vec<String>),
    Set {
        field: String,
        value: SetValue,
        only_if_missing: bool,
    },
    Date(Vec<String>, Dates),
    Coerce {
        fields: Option<Vec<String>>,
        on_failure: OnFailure,
    },
    Jq(Box<jq::Script>),
}

/// A step with what messages need.
struct Step {
    /// The transform, by its place.
    of: usize,
    /// From 1, within its transform.
    number: usize,
    word: &'static str,
    ready: Ready,
}

struct One {
    name: String,
    indices: Selector,
    /// Whether a script may leave documents out.
    may_drop: bool,
}

/// An index whose documents go through transforms.
#[derive(Clone, Debug)]
pub struct Index {
    /// As documents name it.
    pub name: String,
    /// The transforms that are for it, by their places, in order.
    pub transforms: Vec<usize>,
    /// Types of its fields for each `coerce` among their steps, in order; the last ones are for all that are left.
    pub types: Vec<FieldTypes>,
}

/// What is known of an index.
#[derive(Default)]
struct Known {
    transforms: Vec<usize>,
    steps: Vec<Due>,
    types: Vec<FieldTypes>,
}

impl Known {
    fn types(&self, coerce: usize) -> Option<&FieldTypes> {
        self.types.get(coerce).or(self.types.last())
    }
}

/// A step that documents of an index go through.
#[derive(Clone, Copy)]
struct Due {
    /// By its place.
    step: usize,
    /// How many `coerce` stand before it.
    coerces: usize,
}

/// Transforms in their order, for documents of any index.
pub struct Transforms {
    all: Vec<One>,
    steps: Vec<Step>,
    indices: BTreeMap<String, Known>,
}

/// What became of a document; what [`Transforms::apply_to`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stays byte for byte.
    Same,
    /// Its new source.
    Changed(Vec<u8>),
    /// A script of this transform left it out.
    Dropped(String),
    /// It can't be changed as asked.
    Failed(String),
}

enum Stop {
    Drop(usize),
    Fail(String),
}

impl Transforms {
    /// Of the transforms of a phase, for these indices. The error: a transform that [`check()`](super::check()) finds fault
    /// with.
    pub fn new(
        transforms: &[Transform],
        indices: impl IntoIterator<Item = Index>,
    ) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut all = Vec::new();
        for (of, transform) in transforms.iter().enumerate() {
            for (at, step) in transform.steps.iter().enumerate() {
                let (word, ready) = ready(&step.kind)
                    .map_err(|why| format!("transform `{}`: {why}", transform.name))?;
                steps.push(Step {
                    of,
                    number: at + 1,
                    word,
                    ready,
                });
            }
            let is_script =
                |step: &crate::plan::model::Step| matches!(step.kind, StepKind::Jq { .. });
            all.push(One {
                name: transform.name.clone(),
                indices: transform.indices.clone(),
                may_drop: transform.steps.iter().any(is_script),
            });
        }
        let mut made = Self {
            all,
            steps,
            indices: BTreeMap::new(),
        };
        for Index {
            name,
            transforms,
            types,
        } in indices
        {
            let known = made.known(transforms, types);
            made.indices.insert(name, known);
        }
        Ok(made)
    }

    fn known(&self, transforms: Vec<usize>, types: Vec<FieldTypes>) -> Known {
        let mut steps = Vec::new();
        let mut coerces = 0;
        let all = self.steps.iter().enumerate();
        for (step, what) in all.filter(|(_, step)| transforms.contains(&step.of)) {
            steps.push(Due { step, coerces });
            coerces += usize::from(matches!(what.ready, Ready::Coerce { .. }));
        }
        Known {
            transforms,
            steps,
            types,
        }
    }

    /// Of an index that nobody spoke of.
    fn by_name(&self, index: &str) -> Vec<usize> {
        let all = self.all.iter().enumerate();
        let fits = all.filter(|(_, it)| it.indices.matches(index));
        fits.map(|(at, _)| at).collect()
    }

    fn of(&self, index: &str) -> impl Iterator<Item = &One> {
        let transforms = match self.indices.get(index) {
            Some(known) => known.transforms.clone(),
            None => self.by_name(index),
        };
        transforms.into_iter().filter_map(|at| self.all.get(at))
    }

    /// The transforms that are for an index, by name and in their order.
    pub fn names_for(&self, index: &str) -> Vec<&str> {
        self.of(index).map(|it| it.name.as_str()).collect()
    }

    /// Whether documents of an index may be left out by a script.
    pub fn may_drop(&self, index: &str) -> bool {
        self.of(index).any(|it| it.may_drop)
    }

    /// One document, for tests and samples.
    pub fn apply_to(&self, document: DocumentView<'_>) -> Outcome {
        let mut out = Vec::new();
        match self.run(document, &mut out) {
            Ok(false) => Outcome::Same,
            Ok(true) => Outcome::Changed(out),
            Err(Stop::Drop(of)) => Outcome::Dropped(self.all[of].name.clone()),
            Err(Stop::Fail(reason)) => Outcome::Failed(reason),
        }
    }

    /// Whether the document changed; `out` holds its new source then.
    fn run(&self, document: DocumentView<'_>, out: &mut Vec<u8>) -> Result<bool, Stop> {
        let found;
        let index = if let Some(index) = self.indices.get(document.index) {
            index
        } else {
            found = self.known(self.by_name(document.index), Vec::new());
            &found
        };
        self.go(&index.steps, document.source, document, index, out)
    }

    fn go(
        &self,
        steps: &[Due],
        source: &[u8],
        document: DocumentView<'_>,
        index: &Known,
        out: &mut Vec<u8>,
    ) -> Result<bool, Stop> {
        let mut json = Json::of(source);
        let mut changed = false;
        for (done, due) in steps.iter().enumerate() {
            let step = &self.steps[due.step];
            let Ready::Jq(script) = &step.ready else {
                changed |= built_in(&step.ready, &mut json, index.types(due.coerces))
                    .map_err(|fault| self.failed(step, &fault.to_string()))?;
                continue;
            };
            let mut written = Vec::new();
            let before = if changed {
                json.write(&mut written);
                written.as_slice()
            } else {
                source
            };
            let made = script.run(before, document);
            match made.map_err(|reason| self.failed(step, &reason))? {
                Made::Same => {}
                Made::Nothing => return Err(Stop::Drop(step.of)),
                Made::Source(after) => {
                    // As deep as there are scripts.
                    if !self.go(&steps[done + 1..], &after, document, index, out)? {
                        out.extend_from_slice(&after);
                    }
                    return Ok(true);
                }
            }
        }
        if changed {
            json.write(out);
        }
        Ok(changed)
    }

    fn failed(&self, step: &Step, reason: &str) -> Stop {
        Stop::Fail(format!(
            "transform `{}`, step {} ({}): {reason}",
            self.all[step.of].name, step.number, step.word
        ))
    }
}

fn ready(kind: &StepKind) -> Result<(&'static str, Ready), String> {
    Ok(match kind {
        StepKind::Rename(renames) => ("rename", Ready::Rename(renames.clone())),
        StepKind::Drop(fields) => ("drop", Ready::Drop(fields.clone())),
        StepKind::Set {
            field,
            value,
            only_if_missing,
        } => (
            "set",
            Ready::Set {
                field: field.clone(),
                value: value.clone(),
                only_if_missing: *only_if_missing,
            },
        ),
        StepKind::Date { fields, from, to } => {
            let dates = Dates::new(from, to)
                .map_err(|format| format!("`{format}` is no format of dates"))?;
            ("date", Ready::Date(fields.clone(), dates))
        }
        StepKind::Coerce { fields, on_failure } => (
            "coerce",
            Ready::Coerce {
                fields: fields.clone(),
                on_failure: *on_failure,
            },
        ),
        StepKind::Jq { script, args } => {
            let script = jq::compile(&script.text, args).map_err(|errors| {
                let first = errors.first().map(|error| error.message.clone());
                first.unwrap_or_default()
            })?;
            ("jq", Ready::Jq(Box::new(script)))
        }
    })
}

fn built_in<'a>(
    ready: &'a Ready,
    json: &mut Json<'a>,
    types: Option<&FieldTypes>,
) -> Result<bool, Fault> {
    let mut changed = false;
    match ready {
        Ready::Rename(renames) => {
            for (from, to) in renames {
                changed |= rename::apply(json, from, to)?;
            }
        }
        Ready::Drop(fields) => {
            for field in fields {
                changed |= drop::apply(json, field)?;
            }
        }
        Ready::Set {
            field,
            value,
            only_if_missing,
        } => changed |= set::apply(json, field, value, *only_if_missing)?,
        Ready::Date(fields, dates) => {
            for field in fields {
                changed |= dates.apply(json, field)?;
            }
        }
        Ready::Coerce { fields, on_failure } => {
            if let Some(types) = types {
                changed |= coerce::apply(json, fields.as_deref(), types, *on_failure)?;
            }
        }
        Ready::Jq(_) => {}
    }
    Ok(changed)
}

impl InPipeline for Transforms {
    fn apply<'a>(
        &'a self,
        document: DocumentView<'a>,
        scratch: &'a mut Scratch,
    ) -> Transformed<'a> {
        match self.run(document, &mut scratch.source) {
            Ok(false) => Transformed::Write(document),
            Ok(true) => Transformed::Write(DocumentView {
                source: &scratch.source,
                ..document
            }),
            Err(Stop::Drop(of)) => Transformed::Drop {
                by: &self.all[of].name,
            },
            Err(Stop::Fail(reason)) => {
                scratch.text = reason;
                Transformed::Fail {
                    reason: &scratch.text,
                }
            }
        }
    }
}
