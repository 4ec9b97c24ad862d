//! The whole result of planning: what `mig plan` shows, `--out` saves and `mig apply plan.json` reads again.
//!
//! Names are terraform's where the meaning is equal. The same plan, state and clusters give the same bytes: no times of
//! observation are in here. `format_version`: a new minor adds fields, a new major must be refused by older readers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::{Action, PhaseChange};
use crate::base::{Address, Fingerprint};
use crate::graph::Graph;

/// The format that this version writes.
pub const FORMAT_VERSION: &str = "1.0";

/// The whole result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedChanges {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The version of `mig` that planned.
    pub mig_version: String,
    /// Which plan.
    pub plan: PlanIdentity,
    /// Against which state.
    pub state: StateIdentity,
    /// Values of the variables; secrets can't be variables.
    pub variables: BTreeMap<String, Variable>,
    /// Clusters and stores, as the header shows them.
    pub clusters: Vec<ClusterLine>,
    /// What was chosen on the command line; absent when all of the plan is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<SelectionNote>,
    /// Identity of what was observed for each phase.
    pub observations: BTreeMap<Address, Observed>,
    /// One change a phase, in the order of execution.
    pub phase_changes: Vec<PlannedPhase>,
    /// What moved on the outside and is not acted on.
    pub drift: Vec<Drift>,
    /// Verifications, and what is known of them.
    pub checks: Vec<Check>,
    /// Where a person's word is needed.
    pub gates: Vec<Gate>,
    /// Findings about the plan.
    pub diagnostics: Vec<Finding>,
    /// Order and edges.
    pub graph: Graph,
    /// Per cluster or store: what it will see.
    pub touches: Vec<Touch>,
    /// How long it takes.
    pub time: TimeNeeded,
    /// How it is taken back.
    pub undo: UndoSummary,
    /// Counts of phases.
    pub summary: Summary,
}

/// Which plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanIdentity {
    /// Its name.
    pub name: String,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Over its resolved values.
    pub digest: Fingerprint,
    /// The files it was read from; the first is the plan file.
    pub files: Vec<String>,
}

/// Against which state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateIdentity {
    /// Where it lives.
    pub location: String,
    /// Empty while there is none.
    pub lineage: String,
    /// Entries of its journal.
    pub serial: u64,
}

/// One variable, in terraform's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its value in text form.
    pub value: String,
}

/// One line of the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLine {
    /// Its name.
    pub address: Address,
    /// `Elasticsearch 7.10.2`, `directory as OpenSearch 2.19`, `store`.
    pub what: String,
    /// `source, read-only`, `target`.
    pub role: String,
    /// Facts, each a few words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionNote {
    /// As given: `--only docs`.
    pub asked: Vec<String>,
    /// What is thereby in.
    pub selected: Vec<Address>,
    /// What is thereby out.
    pub left_out: Vec<Address>,
}

/// Identity of what was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Of all of it.
    pub fingerprint: Fingerprint,
    /// Of its parts, so that a stale plan can say what moved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, Fingerprint>,
}

/// One phase: what was decided, and the same in terraform's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedPhase {
    /// The phase.
    pub address: Address,
    /// Its address before `renamed:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_address: Option<Address>,
    /// The values before and after.
    pub change: Change,
    /// A stable code; never empty.
    pub action_reason: String,
    /// All of the decision.
    pub decided: PhaseChange,
}

/// terraform's `change`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `no-op`, `create`, `read`, `update`, `delete`; beside terraform's `run`, `wait`, `decide`.
    pub actions: Vec<String>,
    /// The phase as it was applied; `null` when it wasn't.
    pub before: Value,
    /// The phase as the plan has it; `null` when it was removed.
    pub after: Value,
    /// Values that are known once earlier phases are done.
    pub after_unknown: BTreeMap<String, bool>,
}

impl Change {
    /// terraform's words for an action.
    pub fn actions_of(action: Action) -> Vec<String> {
        let words: &[&str] = match action {
            Action::Create => &["create"],
            Action::Change => &["update"],
            Action::Replace => &["delete", "create"],
            Action::Delete => &["delete"],
            Action::Run => &["run"],
            Action::RunUntilStopped => &["run-until-stopped"],
            Action::Wait => &["wait"],
            Action::Check => &["read"],
            Action::UpToDate => &["no-op"],
            Action::Decide => &["decide"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}

/// Something that moved on the outside and is not acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The phase that saw it.
    pub address: Address,
    /// What moved: `index logs-2019`; empty when it is the phase as a whole.
    pub object: String,
    /// How.
    pub text: String,
}

/// A verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The phase.
    pub address: Address,
    /// `pass`, `fail` or `unknown`, as terraform says it.
    pub status: String,
    /// What was proved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// Where a person's word is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The phase.
    pub address: Address,
    /// What is asked.
    pub title: String,
    /// Who gave it, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
}

/// A finding, in terraform's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `error`, `warning` or `advice`.
    pub severity: String,
    /// The code.
    pub code: String,
    /// What is wrong.
    pub summary: String,
    /// The fix.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The file.
    pub filename: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
}

/// What one cluster or store will see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The cluster or store.
    pub on: Address,
    /// What happens there, in the order of execution.
    pub effects: Vec<String>,
    /// Whether something that exists there is destroyed or overwritten.
    pub destroys: bool,
}

/// How long it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeNeeded {
    /// At best, in seconds, one phase after another.
    pub low_s: u64,
    /// At worst.
    pub high_s: u64,
    /// Phases with something to do whose time is not known.
    pub unknown: Vec<Address>,
    /// Approvals still to give.
    pub approvals: usize,
}

/// How it is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoSummary {
    /// What `mig rollback` removes: phase and what.
    pub removes: Vec<(Address, String)>,
    /// The first phase that can't be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_of_no_return: Option<Address>,
}

/// Counts of phases by action, and of open decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `=`
    pub up_to_date: usize,
    /// `+`
    pub create: usize,
    /// `~`
    pub change: usize,
    /// `-/+`
    pub replace: usize,
    /// `-`
    pub delete: usize,
    /// `>` and `>>`
    pub run: usize,
    /// `?`
    pub check: usize,
    /// `||`
    pub wait: usize,
    /// `!` with an open question.
    pub decide: usize,
    /// `!` that only reports what moved outside.
    #[serde(default)]
    pub drifted: usize,
    /// Items that need a decision.
    pub decisions_missing: usize,
}

impl PlannedChanges {
    /// The decisions, in order.
    pub fn phases(&self) -> impl Iterator<Item = &PhaseChange> {
        self.phase_changes.iter().map(|phase| &phase.decided)
    }

    /// The decision for one phase.
    pub fn phase(&self, address: &Address) -> Option<&PhaseChange> {
        self.phases().find(|phase| phase.address == *address)
    }

    /// Whether an apply would do nothing.
    pub fn is_empty(&self) -> bool {
        !self.phases().any(PhaseChange::has_work)
    }

    /// Whether something is destroyed or can't be undone.
    pub fn is_destructive(&self) -> bool {
        self.phases().any(PhaseChange::is_destructive)
    }

    /// Reads a saved plan; a newer major version is refused with words.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format_version: Option<String>,
        }
        let head: Head =
            serde_json::from_str(text).map_err(|error| format!("not a saved plan: {error}"))?;
        let version = head
            .format_version
            .ok_or("not a saved plan: it has no `format_version`")?;
        if version.split('.').next() != FORMAT_VERSION.split('.').next() {
            return Err(format!(
                "the saved plan has format {version}; this mig reads {FORMAT_VERSION}: plan again with one version"
            ));
        }
        serde_json::from_str(text).map_err(|error| format!("the saved plan is damaged: {error}"))
    }

    /// The saved form.
    pub fn to_json(&self) -> String {
        // Every map has strings for keys, so this can't fail; an empty text would be refused on reading.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Identity of what would be done: quantities and estimates, which move by themselves on a living source, don't count.
    pub fn digest(&self) -> Fingerprint {
        let phases: Vec<_> = self
            .phases()
            .map(|phase| {
                let items: Vec<_> = phase
                    .items
                    .iter()
                    .map(|item| (item.action, &item.object, &item.name, &item.edits))
                    .collect();
                (
                    &phase.address,
                    phase.action,
                    &phase.action_reason,
                    items,
                    &phase.inputs,
                )
            })
            .collect();
        Fingerprint::of(&(&self.plan.digest, &self.state.lineage, phases))
    }
}
