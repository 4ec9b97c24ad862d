//! Transforms and tests as the resolved plan has them.
//!
//! A transform serialises with the content of its scripts, so that every digest over a phase changes with a script.
//! Deliberately absent: what a step does to a document, which is the engine's.

use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::Selector;
use crate::base::version::ProductVersion;
use crate::plan::location::Location;

/// A named list of steps over documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Transform {
    /// Its name under `transforms:`.
    pub name: String,
    /// The indices that it is for.
    pub indices: Selector,
    /// What is done to each document, in order.
    pub steps: Vec<Step>,
    /// What is done to the translated mapping beyond what the steps say.
    pub mappings: MappingEdits,
    /// The place of its name.
    #[serde(skip)]
    pub location: Location,
}

/// One step with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Where it is written.
    #[serde(skip)]
    pub location: Location,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum StepKind {
    /// Old path → new path, in the order of the plan.
    Rename(Vec<(String, String)>),
    /// Paths to take out.
    Drop(Vec<String>),
    /// Gives a field a value.
    Set {
        /// Its path.
        field: String,
        /// From where.
        value: SetValue,
        /// Whether a value that is there stays.
        only_if_missing: bool,
    },
    /// Writes dates in another format.
    Date {
        /// Paths.
        fields: Vec<String>,
        /// Formats to read, the first that fits counts.
        from: Vec<String>,
        /// The format to write.
        to: String,
    },
    /// Gives values the type that the mapping of the target says.
    Coerce {
        /// Paths; `None`: every field that the mapping has.
        fields: Option<Vec<String>>,
        /// What becomes of a value that can't be given its type.
        on_failure: OnFailure,
    },
    /// Runs a script.
    Jq {
        /// The script.
        script: Script,
        /// Name without `$` → text.
        args: Vec<(String, String)>,
    },
}

/// Where the value of `set` comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetValue {
    /// JSON text, digits as they are written.
    Constant(String),
    /// The path of another field; nothing is set where that is not there.
    CopyOf(String),
}

/// What becomes of a value that can't be given its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The document fails.
    Fail,
    /// It stays as it is.
    Keep,
}

/// A script with its content.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Script {
    /// Where it is. No part of its identity: moving a script is no change.
    #[serde(skip)]
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its number among the files of the plan.
    #[serde(skip)]
    pub file: u32,
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Script {}

/// Changes of a translated mapping. Paths are those of fields, without `properties`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MappingEdits {
    /// Path → definition of a field that is added.
    pub add: Vec<(String, Value)>,
    /// Old path → new path.
    pub rename: Vec<(String, String)>,
    /// Paths that are taken out.
    pub drop: Vec<String>,
}

/// What is wrong with a transform in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformFault {
    /// The step, from 0.
    pub step: usize,
    /// Bytes of the script that are wrong, where it is the script.
    pub script: Option<Range<usize>>,
    /// What kind of fault.
    pub kind: FaultKind,
    /// In words, without a full stop.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

/// The kinds of faults; each has a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A script does not compile.
    Script,
    /// A format of dates is none.
    DateFormat,
    /// A path of a field is none, or two of a step contradict each other.
    Path,
}

/// Looks for faults of a transform. Given to the loader, since compiling scripts is the engine's.
pub type CheckTransform = fn(&Transform) -> Vec<TransformFault>;

/// A test of the plan.
#[derive(Clone, Debug)]
pub struct PlanTest {
    /// Its name under `tests:`.
    pub name: String,
    /// What it is about.
    pub kind: TestKind,
    /// The place of its name.
    pub location: Location,
}

/// What a test is about.
#[derive(Clone, Debug)]
pub enum TestKind {
    /// A document through transforms.
    Document(DocumentTest),
    /// Settings and mappings through the translation rules.
    Mapping(Box<MappingTest>),
}

/// A document through transforms.
#[derive(Clone, Debug)]
pub struct DocumentTest {
    /// The transforms in their order.
    pub transforms: Vec<Transform>,
    /// The index that it is in.
    pub index: String,
    /// `_id`.
    pub id: String,
    /// `_routing`.
    pub routing: Option<String>,
    /// Path → type, for `coerce`.
    pub types: Vec<(String, String)>,
    /// The source: JSON text.
    pub document: String,
    /// What has to become of it.
    pub expected: Expected,
}

/// What has to become of a document.
#[derive(Clone, Debug)]
pub enum Expected {
    /// This: JSON text.
    Document(String),
    /// It is left out.
    Dropped,
    /// It fails, and the reason holds this text.
    Fails(String),
}

/// Settings and mappings through the translation rules.
#[derive(Clone, Debug)]
pub struct MappingTest {
    /// The server of the original.
    pub from: ProductVersion,
    /// The server that is to take it.
    pub to: ProductVersion,
    /// The name of the index: transforms are chosen by it.
    pub index: String,
    /// Transforms whose `rename`, `drop` and `mappings` are applied after the rules.
    pub transforms: Vec<Transform>,
    /// `settings` and `mappings` of the original.
    pub input: Value,
    /// Those parts of the translation that are compared.
    pub output: Option<Value>,
    /// The rules that have to find something, sorted; `None`: not compared.
    pub codes: Option<Vec<String>>,
}
