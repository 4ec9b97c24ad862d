//! The values of a plan's result: changes of phases, their items, effects, estimates, evidence.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Address, Fingerprint};
use crate::plan;
use crate::plan::model::{Phase, PhaseKindName};

/// What will be done. One symbol each, the same in text, markdown and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// `+`
    Create,
    /// `~`
    Change,
    /// `-/+`
    Replace,
    /// `-`
    Delete,
    /// `>` run once.
    Run,
    /// `>>` run until stopped.
    RunUntilStopped,
    /// `||` wait for approval.
    Wait,
    /// `?` check.
    Check,
    /// `=` up to date.
    UpToDate,
    /// `!` needs a decision, or drift that is reported and not acted on.
    Decide,
}

impl Action {
    /// In the order of the legend.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Change,
        Self::Replace,
        Self::Delete,
        Self::Run,
        Self::RunUntilStopped,
        Self::Wait,
        Self::Check,
        Self::UpToDate,
        Self::Decide,
    ];

    /// As printed.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Change => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Run => ">",
            Self::RunUntilStopped => ">>",
            Self::Wait => "||",
            Self::Check => "?",
            Self::UpToDate => "=",
            Self::Decide => "!",
        }
    }

    /// As the legend says it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Run => "run",
            Self::RunUntilStopped => "run until stopped",
            Self::Wait => "wait for approval",
            Self::Check => "check",
            Self::UpToDate => "up to date",
            Self::Decide => "needs a decision",
        }
    }

    /// Whether an apply has nothing to do for it.
    pub fn is_noop(self) -> bool {
        self == Self::UpToDate
    }
}

impl ChangeClass {
    /// As shown behind a change.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Live => "live, nothing is done again",
            Self::Gated => "needs a new approval",
            Self::Redo => "runs again",
            Self::Never => "can't be changed once applied",
        }
    }
}

/// What changing a field does to a phase that was already applied (`x-mig-change` in the schema).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeClass {
    /// Takes effect at the next apply, nothing is done again.
    Live,
    /// Takes effect after an approval lapses and is given anew.
    Gated,
    /// The phase runs again.
    Redo,
    /// Refused for a phase that was applied.
    Never,
}

/// What one phase would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseChange {
    /// The phase.
    pub address: Address,
    /// Its address before `renamed:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_address: Option<Address>,
    /// Its kind.
    pub kind: PhaseKindName,
    /// The hop it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop: Option<String>,
    /// What will be done.
    pub action: Action,
    /// A stable code such as `not-applied-yet`, `verified`, `drift`, `input-changed`; never empty.
    pub action_reason: String,
    /// One line for people: what it does, or why nothing is to do. No times, no rounded counts.
    pub title: String,
    /// The fields of the phase that differ from what was applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The things it works on, one by one, in a stable order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// What is left out, with the reason; nothing is skipped in silence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What each cluster or store will see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// How long it will take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// How it is taken back.
    pub undo: Undo,
    /// Why nothing is to do, or what an earlier run proved: one statement a line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Whether values rest on an input that does not exist yet.
    #[serde(default)]
    pub provisional: bool,
    /// Identity of all that the decision rests on (spec and observed identities).
    pub inputs: Fingerprint,
}

impl PhaseChange {
    /// A change of `phase` with nothing but what every change has; the rest by `PhaseChange { items, ..new }`.
    pub fn new(
        phase: &Phase,
        action: Action,
        reason: &str,
        title: impl Into<String>,
        inputs: Fingerprint,
    ) -> Self {
        Self {
            address: phase.address.clone(),
            previous_address: None,
            kind: phase.spec.kind(),
            hop: phase.address.hop().map(str::to_owned),
            action,
            action_reason: reason.to_owned(),
            title: title.into(),
            fields: Vec::new(),
            items: Vec::new(),
            left_out: Vec::new(),
            effects: Vec::new(),
            estimate: None,
            undo: Undo::Nothing,
            evidence: Vec::new(),
            provisional: false,
            inputs,
        }
    }

    /// Whether it needs a decision by a person before it can be applied.
    pub fn undecided(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.decision.is_some())
    }

    /// Whether an apply has something to do, or a person to decide; drift that is only reported is neither.
    pub fn has_work(&self) -> bool {
        !matches!(self.action, Action::UpToDate | Action::Decide)
            || self.undecided().next().is_some()
    }

    /// Whether applying it destroys something that exists or can't be undone.
    pub fn is_destructive(&self) -> bool {
        self.has_work()
            && (matches!(self.action, Action::Delete | Action::Replace)
                || self.undo == Undo::Impossible
                || self.effects.iter().any(|effect| effect.destroys))
    }
}

/// One field of a phase that differs from what was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// As in the plan, dotted: `limits.docs`.
    pub path: String,
    /// What was applied.
    pub before: Value,
    /// What the plan says.
    pub after: Value,
    /// What the change does.
    pub class: ChangeClass,
}

/// One thing that a phase works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What will be done.
    pub action: Action,
    /// `index`, `template`, `component template`, `alias`, `documents`, …
    pub object: String,
    /// Its name.
    pub name: String,
    /// What is said behind the name; empty when the name says all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The structural difference, in the order of the paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// Documents it stands for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<u64>,
    /// Bytes it stands for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The question that a person has to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// One edit within an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Dotted path: `mappings.properties.title.type`.
    pub path: String,
    /// Before; absent when it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// After; absent when it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The rule that asks for it; absent when the source simply has it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Whether something of the source is lost by it.
    #[serde(default)]
    pub lossy: bool,
}

/// A question for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The code that stands as `deny`, or of the question.
    pub code: String,
    /// The question.
    pub question: String,
    /// What can be written into the plan, each as one line of YAML.
    pub answers: Vec<String>,
}

/// A thing that is not touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// `index`, `template`, …
    pub object: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What one cluster or store will see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The cluster or store.
    pub on: Address,
    /// `creates 14 indices`, `writes 8 412 documents`, `nothing is written`.
    pub text: String,
    /// Whether something that exists there is destroyed or overwritten.
    #[serde(default)]
    pub destroys: bool,
}

/// How long something will take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// At best, in seconds.
    pub low_s: u64,
    /// At worst, in seconds.
    pub high_s: u64,
    /// What it rests on: `at 50 MB/s, measured in the last run`.
    pub basis: String,
}

/// How a phase is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// There is nothing to take back.
    Nothing,
    /// `mig rollback` does it: what it removes.
    Rollback(String),
    /// It can't be taken back.
    Impossible,
}

impl From<plan::ChangeClass> for ChangeClass {
    fn from(class: plan::ChangeClass) -> Self {
        match class {
            plan::ChangeClass::Live => Self::Live,
            plan::ChangeClass::Gated => Self::Gated,
            plan::ChangeClass::Redo => Self::Redo,
            plan::ChangeClass::Never => Self::Never,
        }
    }
}
