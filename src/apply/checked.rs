//! What the last `mig check` showed, kept beside the state so that reports tell it.
//!
//! One artifact, `checked.json`, put anew as a whole at the end of each check, under the lock of the state: the last one counts. It is no
//! part of the state, since a check begins none, and nothing is decided by it. Bounded; losing it loses no work. Deliberately absent: how
//! it looks (`ui::report_html`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::check::Checked;
use crate::base::{Address, Fingerprint};
use crate::phases::check::{Outcome, Probe};
use crate::state::{Artifacts, StateError};

/// Limits with names.
pub mod limits {
    /// Probes that are kept, those that failed first.
    pub const PROBES: usize = 500;
    /// Characters of what a probe said, and of each line of its help.
    pub const WORDS: usize = 2_000;
}

/// The version of what is kept.
const RECORD_VERSION: u32 = 1;
/// The artifact.
const ARTIFACT: &str = "checked.json";

/// What the last check showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckRecord {
    /// The version of this form.
    pub version: u32,
    /// When it ended.
    pub at: Timestamp,
    /// Who ran it.
    pub who: String,
    /// The version of `mig`.
    pub mig: String,
    /// The plan's name.
    pub plan: String,
    /// The plan's digest.
    pub plan_digest: Fingerprint,
    /// Whether the user stopped it.
    pub interrupted: bool,
    /// The phases that were checked.
    pub phases: Vec<Address>,
    /// Probes that went well.
    pub ok: u64,
    /// Probes that failed.
    pub failed: u64,
    /// Probes that were not tried.
    pub left_out: u64,
    /// The probes, those that failed first, then those that were not tried; [`limits::PROBES`] at most.
    pub probes: Vec<CheckedProbe>,
    /// What is left of probes and could not be removed, with the reason.
    pub stays: Vec<String>,
}

/// A probe as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckedProbe {
    /// The phase.
    pub phase: Address,
    /// A word or two.
    pub name: String,
    /// The cluster or store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Address>,
    /// `ok`, `failed`, `left out`.
    pub outcome: String,
    /// What was seen, or why it failed or was not tried.
    pub said: String,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

fn words(text: &str) -> String {
    let mut cut: String = text.chars().take(limits::WORDS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

impl CheckRecord {
    /// Of a check of this plan.
    pub fn of(
        (plan, digest): (&str, &Fingerprint),
        checked: &Checked,
        who: &str,
        at: Timestamp,
    ) -> Self {
        let count = |outcome| checked.count(outcome) as u64;
        let all = checked
            .phases
            .iter()
            .flat_map(|phase| phase.probes.iter().map(|probe| (&phase.address, probe)));
        let mut all: Vec<(&Address, &Probe)> = all.collect();
        let rank = |outcome| match outcome {
            Outcome::Failed => 0,
            Outcome::LeftOut => 1,
            Outcome::Ok => 2,
        };
        // In the order of the phases within each.
        all.sort_by_key(|(_, probe)| rank(probe.outcome));
        let probes = all.into_iter().take(limits::PROBES);
        Self {
            version: RECORD_VERSION,
            at,
            who: who.to_owned(),
            mig: env!("CARGO_PKG_VERSION").to_owned(),
            plan: plan.to_owned(),
            plan_digest: digest.clone(),
            interrupted: checked.interrupted,
            phases: checked.phases.iter().map(|it| it.address.clone()).collect(),
            ok: count(Outcome::Ok),
            failed: count(Outcome::Failed),
            left_out: count(Outcome::LeftOut),
            probes: probes
                .map(|(phase, probe)| CheckedProbe {
                    phase: phase.clone(),
                    name: probe.name.clone(),
                    on: probe.on.clone(),
                    outcome: probe.outcome.to_string(),
                    said: words(&probe.said),
                    help: probe.help.iter().map(|it| words(it)).collect(),
                })
                .collect(),
            stays: checked
                .stays
                .iter()
                .take(limits::PROBES)
                .map(|it| words(&it.said))
                .collect(),
        }
    }

    /// Whether nothing failed.
    pub fn is_well(&self) -> bool {
        self.failed == 0 && self.stays.is_empty() && !self.interrupted
    }

    /// Keeps it in the place of the one before.
    pub fn keep(&self, artifacts: &dyn Artifacts) -> Result<(), StateError> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        artifacts.put(ARTIFACT, &bytes)
    }

    /// The one that was kept last of this plan; one that can't be read, or is of another version, says nothing.
    pub fn last(plan: &str, artifacts: &dyn Artifacts) -> Result<Option<Self>, StateError> {
        let kept = artifacts.get(ARTIFACT)?;
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        Ok(kept.filter(|it| it.version == RECORD_VERSION && it.plan == plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phases::check::PhaseChecks;
    use crate::plan::model::PhaseKindName;

    #[test]
    fn a_record_is_bounded_and_keeps_what_failed() {
        let probe = |outcome, said: &str| Probe {
            name: "index".into(),
            on: None,
            outcome,
            said: said.into(),
            touched: Vec::new(),
            help: vec!["mend it".into()],
        };
        let mut probes = vec![probe(Outcome::Ok, "well"); limits::PROBES + 40];
        probes.push(probe(Outcome::LeftOut, "not tried"));
        probes.push(probe(Outcome::Failed, &"ü".repeat(limits::WORDS * 2)));
        let checked = Checked {
            phases: vec![PhaseChecks {
                address: Address::new("docs"),
                kind: PhaseKindName::Backfill,
                none: None,
                probes,
            }],
            removed: Vec::new(),
            stays: Vec::new(),
            interrupted: false,
        };
        let digest = Fingerprint::of(&"p");
        let record = CheckRecord::of(("p", &digest), &checked, "ann", Timestamp::UNIX_EPOCH);
        assert_eq!((record.ok, record.failed, record.left_out), (540, 1, 1));
        assert_eq!(record.probes.len(), limits::PROBES);
        assert_eq!(record.probes[0].outcome, "failed");
        assert_eq!(record.probes[0].said.chars().count(), limits::WORDS + 1);
        assert_eq!(record.probes[1].outcome, "left out");
        assert!(!record.is_well());
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<CheckRecord>(&text).unwrap(), record);
    }
}
