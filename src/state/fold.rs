//! The derivation: one journal entry after another changes the state. Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::model::{
    Ended, Entry, LastRun, PhaseRecord, PhaseStatus, REMOVE_DOCUMENTS, REMOVED_BY_RESET,
    RETRY_DOCUMENTS, SINCE, SideEffect, State, TRANSFORMS,
};
use crate::base::Address;
use crate::plan::model::PhaseKindName;

/// The format of the journal and of the state that this version writes.
pub(super) const FORMAT: u32 = 1;

impl State {
    /// Takes one entry in. An error says why the entry can't follow what came before it.
    pub(crate) fn fold(&mut self, at: Timestamp, entry: &Entry) -> Result<(), String> {
        let first = self.serial == 0;
        if first != matches!(entry, Entry::Opened { .. }) {
            return Err(if first {
                "the first entry does not open a state".into()
            } else {
                "a second entry opens a state".into()
            });
        }
        self.serial += 1;
        match entry {
            Entry::Opened {
                version,
                lineage,
                plan,
                adopted: _,
            } => {
                self.version = *version;
                self.lineage.clone_from(lineage);
                self.plan.clone_from(plan);
            }
            Entry::RunStarted {
                plan_digest, who, ..
            } => {
                self.last_run = Some(LastRun {
                    started_at: at,
                    who: who.clone(),
                    plan_digest: plan_digest.clone(),
                    outcome: None,
                });
            }
            Entry::RunEnded { outcome } => {
                if let Some(run) = &mut self.last_run {
                    run.outcome = Some(outcome.clone());
                }
            }
            Entry::PhaseStarted {
                address,
                kind,
                spec,
                inputs,
            } => {
                let before = self
                    .phases
                    .remove(address)
                    .filter(|record| record.kind == *kind);
                let (outputs, effects) = before.map_or((Value::Null, Vec::new()), |record| {
                    (record.outputs, record.effects)
                });
                let record = PhaseRecord {
                    kind: *kind,
                    status: PhaseStatus::Started,
                    spec: spec.clone(),
                    inputs: inputs.clone(),
                    outputs,
                    evidence: Vec::new(),
                    started_at: at,
                    finished_at: None,
                    error: None,
                    effects,
                    ended: None,
                };
                self.phases.insert(address.clone(), record);
            }
            Entry::Effect { address, effect } => {
                let record = self.record(address)?;
                // The first announcement knows what was there before; a repetition after a crash would not. On an index
                // that was made anew it is another effect.
                let target = |effect: &SideEffect| effect.detail.get("target-uuid").cloned();
                let known = record.effects.iter_mut().find(|known| {
                    (&known.on, &known.what, &known.name)
                        == (&effect.on, &effect.what, &effect.name)
                        && target(known) == target(effect)
                });
                match known {
                    None => record.effects.push(effect.clone()),
                    // But what documents are written through, and upon what, is what the last announcement says.
                    Some(known) => {
                        for key in [TRANSFORMS, SINCE] {
                            match (&mut known.detail, effect.detail.get(key)) {
                                (Value::Object(detail), Some(now)) => {
                                    detail.insert(key.to_owned(), now.clone());
                                }
                                (Value::Object(detail), None) => drop(detail.remove(key)),
                                _ => {}
                            }
                        }
                    }
                }
            }
            Entry::PhaseDone {
                address,
                outputs,
                evidence,
            } => {
                let record = self.record(address)?;
                record.status = PhaseStatus::Done;
                // What was taken away is there again, and what was sent again is counted.
                let passing = [REMOVE_DOCUMENTS, RETRY_DOCUMENTS];
                record
                    .effects
                    .retain(|effect| !passing.contains(&effect.what.as_str()));
                record.outputs.clone_from(outputs);
                record.evidence.clone_from(evidence);
                record.finished_at = Some(at);
                record.error = None;
            }
            Entry::PhaseFailed {
                address,
                error,
                outputs,
            } => {
                let record = self.record(address)?;
                record.status = PhaseStatus::Failed;
                record.error = Some(error.clone());
                if !outputs.is_null() {
                    record.outputs.clone_from(outputs);
                }
            }
            Entry::SpecUpdated {
                address,
                spec,
                inputs,
            } => {
                let record = self.record(address)?;
                record.spec.clone_from(spec);
                record.inputs.clone_from(inputs);
            }
            // Whatever came of it, nothing of it stays.
            Entry::Probed { .. } => {}
            Entry::Approved { address, approval } => {
                self.approvals.insert(address.clone(), approval.clone());
            }
            Entry::WentLive { target } => {
                self.live_targets.entry(target.clone()).or_insert(at);
            }
            Entry::Renamed { from, to } => {
                if let Some(record) = self.phases.remove(from) {
                    self.phases.insert(to.clone(), record);
                }
                if let Some(approval) = self.approvals.remove(from) {
                    self.approvals.insert(to.clone(), approval);
                }
            }
            Entry::RollbackStarted { address } => {
                let record = self.record(address)?;
                record.status = PhaseStatus::Failed;
                record.error = Some("a rollback began and did not end".into());
            }
            Entry::RolledBack { address } => {
                let record = self.record(address)?;
                record.status = PhaseStatus::RolledBack;
                record.outputs = Value::Null;
                record.evidence.clear();
                record.effects.clear();
                record.error = None;
                record.ended = None;
                record.finished_at = Some(at);
                let went_live = (record.kind == PhaseKindName::Switchover)
                    .then(|| switchover_target(&record.spec))
                    .flatten();
                if let Some(target) = went_live {
                    self.live_targets.remove(target.as_str());
                }
                self.approvals.remove(address);
            }
            Entry::EndedForGood {
                address,
                by,
                detail,
            } => {
                self.record(address)?.ended = Some(Ended {
                    by: by.clone(),
                    at,
                    detail: detail.clone(),
                });
            }
            Entry::Reset { addresses } => {
                for address in addresses {
                    let record = self.record(address)?;
                    record.status = PhaseStatus::Reset;
                    record.outputs = Value::Null;
                    record.evidence.clear();
                    record.error = None;
                    record.ended = None;
                    record.finished_at = None;
                    record
                        .effects
                        .retain(|effect| !REMOVED_BY_RESET.contains(&effect.what.as_str()));
                    self.approvals.remove(address);
                }
            }
            Entry::Adopted { address, record } => {
                self.phases.insert(address.clone(), (**record).clone());
            }
        }
        Ok(())
    }

    fn record(&mut self, address: &Address) -> Result<&mut PhaseRecord, String> {
        self.phases
            .get_mut(address)
            .ok_or_else(|| format!("it speaks of the phase `{address}`, which never began"))
    }
}

/// The target that a switchover names, from its recorded form.
fn switchover_target(spec: &Value) -> Option<String> {
    let body = spec
        .get("switchover")
        .or_else(|| spec.pointer("/spec/switchover"))?;
    Some(body.get("to")?.as_str()?.to_owned())
}
