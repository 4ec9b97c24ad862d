//! Gathers what the events of an apply said of each phase, for the summary at its end.

use std::collections::BTreeMap;

use crate::apply::event::{Event, Tally};
use crate::base::{Address, ExitCode};
use crate::diff::PlannedChanges;
use crate::ui::summary::{ApplySummary, Outcome, PhaseSummary};

/// What is known of a phase so far.
#[derive(Default)]
struct Seen {
    did: String,
    docs: Option<u64>,
    bytes: Option<u64>,
    first_done: Option<u64>,
    elapsed_ms: Option<u64>,
    failed_docs: u64,
    proof: Vec<String>,
    check_failed: bool,
}

/// The events of a run, by phase.
#[derive(Default)]
pub(super) struct Aggregate {
    phases: BTreeMap<Address, Seen>,
    commands: Vec<String>,
}

impl Aggregate {
    /// Takes one event.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::PhaseProgress {
                address,
                done,
                unit,
                bytes,
                failed,
                ..
            } => {
                let seen = self.phases.entry(address.clone()).or_default();
                if unit == "docs" || unit == "documents" {
                    // Earlier runs may have done some; a summary tells this run's.
                    let first = *seen.first_done.get_or_insert(*done);
                    seen.docs = Some(done - first.min(*done));
                    seen.bytes = Some(*bytes);
                }
                seen.failed_docs = *failed;
            }
            Event::PhaseComplete {
                address,
                seconds,
                evidence,
                ..
            } => {
                let seen = self.phases.entry(address.clone()).or_default();
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                // a length of time
                let elapsed = (seconds * 1000.0) as u64;
                seen.elapsed_ms = Some(elapsed);
                seen.proof.clone_from(evidence);
            }
            Event::PhaseFailed { address, error, .. } => {
                let seen = self.phases.entry(address.clone()).or_default();
                error
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut seen.did);
            }
            Event::CheckResult {
                address,
                passed: false,
                ..
            } => self.phases.entry(address.clone()).or_default().check_failed = true,
            Event::PhaseSkipped { address, because } => {
                self.phases
                    .entry(address.clone())
                    .or_default()
                    .did
                    .clone_from(because);
            }
            Event::Checkpoint { address, reason } => {
                self.phases
                    .entry(address.clone())
                    .or_default()
                    .did
                    .clone_from(reason);
            }
            Event::GateWaiting {
                address,
                title,
                command,
                ..
            } => {
                self.phases
                    .entry(address.clone())
                    .or_default()
                    .did
                    .clone_from(title);
                self.commands.push(command.clone());
            }
            _ => {}
        }
    }

    /// The summary of the run.
    pub(super) fn summary(
        mut self,
        planned: &PlannedChanges,
        tally: &Tally,
        again: &str,
    ) -> ApplySummary {
        for address in &tally.drifted {
            let seen = self.phases.entry(address.clone()).or_default();
            "changed on the outside since it was proved; left alone".clone_into(&mut seen.did);
        }
        let phases = planned
            .phases()
            .map(|change| {
                let address = &change.address;
                let seen = self.phases.remove(address).unwrap_or_default();
                let outcome = if tally.done.contains(address) {
                    Outcome::Done
                } else if tally.up_to_date.contains(address) || tally.drifted.contains(address) {
                    Outcome::UpToDate
                } else if tally.waiting.contains(address) {
                    Outcome::Waiting
                } else if tally.interrupted.contains(address) {
                    Outcome::Interrupted
                } else if tally.failed.contains(address) {
                    if seen.check_failed {
                        Outcome::CheckFailed
                    } else {
                        Outcome::Failed
                    }
                } else {
                    Outcome::NotReached
                };
                PhaseSummary {
                    docs: seen.docs.filter(|docs| *docs > 0),
                    bytes: seen.bytes.filter(|bytes| *bytes > 0),
                    elapsed_ms: seen.elapsed_ms,
                    estimated_s: change.estimate.as_ref().map(|it| (it.low_s, it.high_s)),
                    proof: seen.proof,
                    failed_docs: seen.failed_docs,
                    ..PhaseSummary::new(address.clone(), change.kind.as_str(), outcome, seen.did)
                }
            })
            .collect();
        let mut next = self.commands;
        match tally.code() {
            ExitCode::Success | ExitCode::WaitingAtGate => {}
            ExitCode::CheckFailed => {
                // Writing again what drifted is the way out; without drift the findings have to be looked at first.
                let redo = tally.drifted.iter();
                next.extend(redo.map(|address| format!("mig apply{again} --redo {address}")));
                next.push(format!("mig plan{again}"));
            }
            ExitCode::Stale => next.push(format!("mig plan{again}")),
            _ => next.push(format!("mig apply{again}")),
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a length of time
        let elapsed_ms = (tally.seconds * 1000.0) as u64;
        ApplySummary {
            plan: planned.plan.name.clone(),
            phases,
            elapsed_ms,
            evidence: None,
            report: None,
            next,
        }
    }
}
