//! The derived state and the entries of the journal that it is derived from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Address, Fingerprint};
use crate::plan::model::PhaseKindName;

/// The state of one plan, derived from its journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Format version of this value.
    pub version: u32,
    /// Made once for a state and never changed: tells states of the same plan name apart.
    pub lineage: String,
    /// Number of journal entries it is derived from.
    pub serial: u64,
    /// The plan's name.
    pub plan: String,
    /// One record a phase.
    pub phases: BTreeMap<Address, PhaseRecord>,
    /// Approvals in force, by phase.
    pub approvals: BTreeMap<Address, Approval>,
    /// Targets that a switchover made live: no phase writes documents there any more.
    pub live_targets: BTreeMap<Address, Timestamp>,
    /// The last apply.
    #[serde(default)]
    pub last_run: Option<LastRun>,
}

/// The last apply, for `mig status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it began.
    pub started_at: Timestamp,
    /// Who ran it.
    pub who: String,
    /// The digest of its plan.
    pub plan_digest: Fingerprint,
    /// How it ended; absent while it runs, or when it was killed.
    pub outcome: Option<String>,
}

/// What is known of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Its kind.
    pub kind: PhaseKindName,
    /// How far it got.
    pub status: PhaseStatus,
    /// The phase as it was applied (its `Serialize` form), for the comparison field by field.
    pub spec: Value,
    /// Identity of what the last run rested on.
    pub inputs: Fingerprint,
    /// What later phases and later plans need of it; the shape is the kind's.
    pub outputs: Value,
    /// Statements of what was proved; one a line.
    pub evidence: Vec<String>,
    /// When the last run began.
    pub started_at: Timestamp,
    /// When it ended well.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// Side effects in the order in which they were announced.
    pub effects: Vec<SideEffect>,
    /// That an operator ended it for good, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// An operator's word that a phase is over: a backfill was stopped, the snapshots of a phase were deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What is left to know; the shape is the kind's.
    pub detail: Value,
}

/// How far a phase got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseStatus {
    /// Begun and not ended: interrupted, or running now.
    Started,
    /// Ended well.
    Done,
    /// Ended with an error.
    Failed,
    /// Taken back by a rollback.
    RolledBack,
    /// To begin anew, by a reset. What it made is there and still known to be its own.
    Reset,
}

/// The effect of a phase that takes documents away to write them anew: it stands in the record until the phase is done.
pub const REMOVE_DOCUMENTS: &str = "remove-documents";
/// The effect of sending documents again that failed: it stands in the record until the phase is done with the new counts.
pub const RETRY_DOCUMENTS: &str = "retry-documents";
/// Effects whose traces a reset removes: the others are of things that stay.
pub const REMOVED_BY_RESET: &[&str] = &[
    "register-repository",
    "tune-index",
    "reset-work",
    RETRY_DOCUMENTS,
];
/// Within the details of an effect: identity of the transforms that documents go through.
pub const TRANSFORMS: &str = "transforms";
/// Within the details of an effect: the snapshot that documents stand of already, where changes alone are written.
pub const SINCE: &str = "since";

/// A side effect, announced in the journal before it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideEffect {
    /// The cluster, store or directory.
    pub on: Address,
    /// `create-index`, `write-documents`, …
    pub what: String,
    /// The name of the object.
    pub name: String,
    /// What an undo needs to know (whether it existed before, for one).
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// A person's word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// The digest of the plan they saw.
    pub plan_digest: Fingerprint,
    /// The inputs of the phase they approved; when these change, the approval lapses.
    pub inputs: Fingerprint,
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// The first entry: a state is born, or adopted from what a lost one left.
    Opened {
        /// Journal format.
        version: u32,
        /// Its lineage.
        lineage: String,
        /// The plan's name.
        plan: String,
        /// Whether it was rebuilt from what a lost state left.
        adopted: bool,
    },
    /// An apply begins.
    RunStarted {
        /// The plan's digest.
        plan_digest: Fingerprint,
        /// Who runs it.
        who: String,
        /// The version of `mig`.
        mig_version: String,
    },
    /// A phase begins.
    PhaseStarted {
        /// The phase.
        address: Address,
        /// Its kind.
        kind: PhaseKindName,
        /// As it is applied.
        spec: Value,
        /// What it rests on.
        inputs: Fingerprint,
    },
    /// A side effect is about to happen.
    Effect {
        /// The phase.
        address: Address,
        /// The effect.
        effect: SideEffect,
    },
    /// A phase ended well.
    PhaseDone {
        /// The phase.
        address: Address,
        /// What later phases need.
        outputs: Value,
        /// What was proved.
        evidence: Vec<String>,
    },
    /// A phase ended with an error.
    PhaseFailed {
        /// The phase.
        address: Address,
        /// Why.
        error: String,
        /// What it found before it failed, kept as evidence.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        outputs: Value,
    },
    /// A phase that was up to date has new values of fields that take effect live.
    SpecUpdated {
        /// The phase.
        address: Address,
        /// As it is now.
        spec: Value,
        /// What it rests on, with the new values.
        inputs: Fingerprint,
    },
    /// An index is about to be made for a moment, to see whether a target takes it; it is removed at once.
    Probed {
        /// The target.
        on: Address,
        /// The index.
        index: String,
    },
    /// A person approved.
    Approved {
        /// The phase.
        address: Address,
        /// The approval.
        approval: Approval,
    },
    /// A target went live.
    WentLive {
        /// The target.
        target: Address,
    },
    /// A phase was renamed in the plan.
    Renamed {
        /// Old address.
        from: Address,
        /// New address.
        to: Address,
    },
    /// A rollback of a phase begins.
    RollbackStarted {
        /// The phase.
        address: Address,
    },
    /// A phase was taken back.
    RolledBack {
        /// The phase.
        address: Address,
    },
    /// An operator ended a phase for good; what it left is about to be removed.
    EndedForGood {
        /// The phase.
        address: Address,
        /// Who.
        by: String,
        /// What is left to know.
        detail: Value,
    },
    /// These phases are to begin anew: what they left beside what they made was removed.
    Reset {
        /// The phases.
        addresses: Vec<Address>,
    },
    /// A phase was adopted from what a lost state left.
    Adopted {
        /// The phase.
        address: Address,
        /// Its record.
        record: Box<PhaseRecord>,
    },
    /// An apply ended.
    RunEnded {
        /// How.
        outcome: String,
    },
}
