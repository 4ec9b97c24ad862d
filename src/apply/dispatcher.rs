//! The dispatcher: a single-threaded state machine over the phases of a run, and the only place that changes the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::approved;
use super::event::{Event, Tally};
use super::executor::{self, Go, Message};
use super::gates::{self, Word};
use super::interrupt::Signals;
use super::nodes::{Node, Nodes};
use super::rate::{LoadMeter, RateMeter};
use super::survey::Ground;
use crate::base::{Address, ExitCode};
use crate::diff::change::{Action, PhaseChange};
use crate::diff::observation::Observation;
use crate::phases::kind::{Interrupt, Performed, PhaseError};
use crate::phases::meters::Meters;
use crate::plan::model::{Phase, PhaseKindName, PhaseSpec};
use crate::state::model::{Entry, State};
use crate::state::{Artifacts, LockedState, StateError};

const TICK: Duration = Duration::from_millis(50);

/// A run that was approved.
pub struct Job<'a> {
    /// The plan and what is needed to look at it.
    pub ground: Ground<'a>,
    /// What was shown and approved, in the order of the graph.
    pub approved: &'a [PhaseChange],
    /// The phases of this run.
    pub selected: &'a BTreeSet<Address>,
    /// The phases that `--redo` names.
    pub redo: &'a BTreeSet<Address>,
    /// How many phases may run at once.
    pub parallelism: usize,
    /// The longest the run may take.
    pub max_duration: Option<Duration>,
    /// Where evidence is kept.
    pub artifacts: &'a dyn Artifacts,
    /// Where phases tell what they measure.
    pub meters: &'a Meters,
    /// The plan file as the user named it, for the commands that are shown.
    pub plan_file: Option<&'a str>,
    /// Who runs it.
    pub who: &'a str,
    /// Asks to stop.
    pub signals: &'a Signals,
}

/// Runs the phases. The state must be open and hold the plan's renames already.
pub fn run(
    job: &Job<'_>,
    state: &mut dyn LockedState,
    report: &mut dyn FnMut(Event),
) -> Result<Tally, StateError> {
    let started = Instant::now();
    state.append(
        Timestamp::now(),
        &Entry::RunStarted {
            plan_digest: job.ground.plan.digest(),
            who: job.who.to_owned(),
            mig_version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    )?;
    let decided: BTreeMap<Address, PhaseChange> = job
        .approved
        .iter()
        .map(|change| (change.address.clone(), change.clone()))
        .collect();
    let nodes = Nodes::new(job.ground.graph, job.selected, &decided);
    let (to, from) = channel();
    let ended = std::thread::scope(|scope| {
        let mut dispatcher = Dispatcher {
            job,
            state,
            report,
            nodes,
            decided,
            active: BTreeMap::new(),
            code: ExitCode::Success,
            drained: None,
            stopped: false,
            started,
            to,
            scope,
        };
        let ended = dispatcher.drive(&from);
        if ended.is_err() {
            // The state can't be written any more: nothing that runs may go on without it.
            for running in dispatcher.active.values() {
                running.interrupt.stop();
            }
        }
        // Refused announcements let the threads end before the scope does.
        drop(from);
        ended.map(|()| (dispatcher.nodes.tally(), dispatcher.code))
    });
    let (mut tally, code) = ended?;
    tally.exit_code = code as u8;
    tally.seconds = started.elapsed().as_secs_f64();
    state.append(
        Timestamp::now(),
        &Entry::RunEnded {
            outcome: outcome(code).to_owned(),
        },
    )?;
    report(Event::Summary(tally.clone()));
    Ok(tally)
}

/// The exit code in the words of the journal.
fn outcome(code: ExitCode) -> &'static str {
    match code {
        ExitCode::Success => "success",
        other => other.meaning(),
    }
}

struct Active {
    interrupt: Arc<Interrupt>,
    started: Instant,
    deadline: Option<Instant>,
    timed_out: bool,
    meter: RateMeter,
    load: LoadMeter,
}

struct Dispatcher<'run, 'scope, 'env> {
    job: &'scope Job<'scope>,
    state: &'run mut dyn LockedState,
    report: &'run mut dyn FnMut(Event),
    nodes: Nodes<'scope>,
    decided: BTreeMap<Address, PhaseChange>,
    active: BTreeMap<Address, Active>,
    code: ExitCode,
    drained: Option<ExitCode>,
    stopped: bool,
    started: Instant,
    to: Sender<Message>,
    scope: &'scope Scope<'scope, 'env>,
}

impl<'scope> Dispatcher<'_, 'scope, '_> {
    fn drive(&mut self, from: &Receiver<Message>) -> Result<(), StateError> {
        loop {
            self.look_at_the_clock_and_signals();
            self.advance()?;
            if self.nodes.active() == 0 {
                return Ok(());
            }
            match from.recv_timeout(TICK) {
                Ok(message) => self.take(message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Begins what may begin, and settles what can't any more.
    fn advance(&mut self) -> Result<(), StateError> {
        if let Some(code) = self.drained {
            let because = if code == ExitCode::Interrupted {
                "the run was interrupted"
            } else {
                "the time was up"
            };
            for address in self.nodes.pending() {
                self.skip(&address, because.to_owned());
                self.code = self.code.worst(code);
            }
            return Ok(());
        }
        loop {
            let (blocked, ready) = self.nodes.advance();
            let nothing_blocked = blocked.is_empty();
            for (address, because) in blocked {
                if because.contains("not part of this run") {
                    self.code = self.code.worst(ExitCode::Partial);
                }
                self.skip(&address, because);
            }
            let mut settled = false;
            for address in ready {
                let untouched = self.decided.get(&address).is_some_and(|change| {
                    change.action.is_noop() && !self.nodes.behind_a_run(&address)
                });
                if untouched {
                    self.up_to_date(&address)?;
                    settled = true;
                } else if self.nodes.active() < self.job.parallelism.max(1) {
                    self.look_again(&address);
                }
            }
            if nothing_blocked && !settled {
                return Ok(());
            }
        }
    }

    fn look_again(&mut self, address: &Address) {
        let Some(phase) = self.job.ground.plan.phases.get(address) else {
            return;
        };
        self.nodes.set(address, Node::Active);
        executor::observe(
            self.scope,
            self.job.ground,
            phase,
            Arc::new(self.state.state().clone()),
            self.to.clone(),
        );
    }

    fn take(&mut self, message: Message) -> Result<(), StateError> {
        match message {
            Message::Observed(address, Ok(observation)) => self.observed(&address, *observation)?,
            Message::Observed(address, Err(error)) => {
                self.code = self.code.worst(ExitCode::Partial);
                self.failed(&address, &error);
            }
            Message::Announce(address, effect, answer) => {
                let appended = self
                    .state
                    .append(Timestamp::now(), &Entry::Effect { address, effect });
                let told = appended.as_ref().copied().map_err(ToString::to_string);
                drop(answer.send(told));
                appended?;
            }
            Message::Progress(address, progress) => {
                if let Some(active) = self.active.get_mut(&address)
                    && let Some((rate, eta_s)) = active.meter.take(Instant::now(), &progress)
                {
                    let measured = self.job.meters.get(&address).map(|meter| meter.look());
                    let load = measured.map(|measured| active.load.take(Instant::now(), &measured));
                    (self.report)(Event::PhaseProgress {
                        address,
                        done: progress.done,
                        total: progress.total,
                        unit: progress.unit,
                        rate,
                        eta_s,
                        bytes: progress.bytes,
                        failed: progress.failed,
                        workers: progress.workers,
                        paused_by: progress.paused_by,
                        load,
                    });
                }
            }
            Message::Ended(address, performed) => self.ended(&address, performed)?,
        }
        Ok(())
    }

    /// Decides again, and lets the phase run when that is within what was approved.
    fn observed(&mut self, address: &Address, observation: Observation) -> Result<(), StateError> {
        let Some(phase) = self.job.ground.plan.phases.get(address) else {
            return Ok(());
        };
        if self.drained.is_some() {
            self.nodes.set(address, Node::Pending);
            return Ok(());
        }
        let earlier: Vec<PhaseChange> = self
            .job
            .ground
            .graph
            .order
            .iter()
            .take_while(|other| *other != address)
            .filter_map(|other| self.decided.get(other).cloned())
            .collect();
        let redo = self.job.redo.contains(address);
        let now = Timestamp::now();
        let state = self.state.state().clone();
        let fresh = self
            .job
            .ground
            .decide(phase, &state, &observation, &earlier, redo, now);
        let beyond = self
            .decided
            .get(address)
            .map(|shown| approved::beyond(shown, &fresh))
            .unwrap_or_default();
        self.decided.insert(address.clone(), fresh.clone());
        if fresh.action.is_noop() {
            return self.up_to_date(address);
        }
        if !beyond.is_empty() {
            self.code = self.code.worst(ExitCode::Stale);
            self.failed(
                address,
                &PhaseError::Failed {
                    message: format!("it goes beyond what was approved: {}", beyond.join("; ")),
                    help: Some("`mig plan` shows it as it is now; `mig apply` asks again".into()),
                },
            );
            return Ok(());
        }
        match fresh.action {
            Action::Decide => {
                let items = fresh
                    .items
                    .iter()
                    .filter(|item| item.action == Action::Decide);
                for item in items {
                    (self.report)(Event::Diagnostic {
                        severity: "warning",
                        message: format!("{address}: {} {} {}", item.object, item.name, item.note),
                    });
                }
                self.nodes.set(address, Node::Drifted);
                return Ok(());
            }
            Action::Wait => match gates::word(&state, &fresh) {
                Word::Given(approval) => (self.report)(Event::GatePassed {
                    address: address.clone(),
                    who: approval.who,
                    approved_at: approval.at,
                }),
                word => {
                    (self.report)(Event::GateWaiting {
                        address: address.clone(),
                        title: gates::title(self.job.ground.plan, &fresh),
                        lapsed: matches!(word, Word::Lapsed(_)),
                        command: gates::command(address, self.job.plan_file),
                    });
                    self.code = self.code.worst(ExitCode::WaitingAtGate);
                    self.nodes.set(address, Node::Waiting);
                    return Ok(());
                }
            },
            _ => {}
        }
        self.begin(phase, fresh, observation, now)
    }

    fn begin(
        &mut self,
        phase: &'scope Phase,
        change: PhaseChange,
        observation: Observation,
        now: Timestamp,
    ) -> Result<(), StateError> {
        // Kinds decide with the record of the last run, so that is what they perform with as well.
        let state: Arc<State> = Arc::new(self.state.state().clone());
        self.state.append(
            now,
            &Entry::PhaseStarted {
                address: phase.address.clone(),
                kind: phase.spec.kind(),
                spec: spec_value(phase),
                inputs: change.inputs.clone(),
            },
        )?;
        (self.report)(Event::PhaseStart {
            address: phase.address.clone(),
            kind: phase.spec.kind(),
            action: change.action,
            title: change.title.clone(),
        });
        let started = Instant::now();
        let interrupt = Arc::new(Interrupt::default());
        let active = Active {
            interrupt: Arc::clone(&interrupt),
            started,
            deadline: phase.timeout.map(|span| started + span.0),
            timed_out: false,
            meter: RateMeter::new(started),
            load: LoadMeter::default(),
        };
        self.active.insert(phase.address.clone(), active);
        let go = Go {
            phase,
            state,
            change,
            observation,
            interrupt,
            artifacts: self.job.artifacts,
            meters: self.job.meters,
            now,
        };
        executor::perform(self.scope, self.job.ground, go, self.to.clone());
        Ok(())
    }

    fn ended(
        &mut self,
        address: &Address,
        performed: Result<Performed, PhaseError>,
    ) -> Result<(), StateError> {
        let Some(phase) = self.job.ground.plan.phases.get(address) else {
            return Ok(());
        };
        let Some(active) = self.active.remove(address) else {
            return Ok(());
        };
        let is_check = phase.spec.kind() == PhaseKindName::Verify;
        match performed {
            Ok(Performed::Done { outputs, evidence }) => {
                self.done(phase, outputs, evidence.clone())?;
                if is_check {
                    (self.report)(Event::CheckResult {
                        address: address.clone(),
                        passed: true,
                        findings: Vec::new(),
                    });
                }
                (self.report)(Event::PhaseComplete {
                    address: address.clone(),
                    kind: phase.spec.kind(),
                    seconds: active.started.elapsed().as_secs_f64(),
                    evidence,
                });
                self.nodes.set(address, Node::Done);
            }
            Ok(Performed::Interrupted) => {
                let reason = match self.drained {
                    Some(ExitCode::Interrupted) => "interrupted",
                    Some(_) => "the time of `--max-duration` was up",
                    None => "its `timeout` was up",
                };
                self.code = self.code.worst(self.drained.unwrap_or(ExitCode::Partial));
                (self.report)(Event::Checkpoint {
                    address: address.clone(),
                    reason: reason.into(),
                });
                self.nodes.set(address, Node::Interrupted);
            }
            Ok(Performed::Partial { reason, outputs }) => {
                self.code = self.code.worst(ExitCode::Partial);
                self.journal_failure(address, &reason, outputs)?;
                self.failed(
                    address,
                    &PhaseError::Failed {
                        message: reason,
                        help: None,
                    },
                );
            }
            Ok(Performed::CheckFailed { findings, outputs }) => {
                self.code = self.code.worst(ExitCode::CheckFailed);
                let first = findings
                    .first()
                    .cloned()
                    .unwrap_or_else(|| "the check failed".into());
                self.journal_failure(address, &first, outputs)?;
                (self.report)(Event::CheckResult {
                    address: address.clone(),
                    passed: false,
                    findings: findings.clone(),
                });
                self.failed(
                    address,
                    &PhaseError::Failed {
                        message: findings.join("\n"),
                        help: None,
                    },
                );
            }
            Err(error) => {
                self.code = self.code.worst(match &error {
                    PhaseError::Failed { .. } | PhaseError::Unreachable { .. } => ExitCode::Partial,
                    PhaseError::Stale(_) => ExitCode::Stale,
                    PhaseError::NotYet { .. } => ExitCode::Error,
                });
                self.journal_failure(address, &error.to_string(), Value::Null)?;
                self.failed(address, &error);
            }
        }
        Ok(())
    }

    fn done(
        &mut self,
        phase: &Phase,
        outputs: Value,
        evidence: Vec<String>,
    ) -> Result<(), StateError> {
        if let PhaseSpec::Switchover(spec) = &phase.spec {
            let target = spec.to.value.clone();
            self.state
                .append(Timestamp::now(), &Entry::WentLive { target })?;
        }
        self.state.append(
            Timestamp::now(),
            &Entry::PhaseDone {
                address: phase.address.clone(),
                outputs,
                evidence,
            },
        )
    }

    fn journal_failure(
        &mut self,
        address: &Address,
        error: &str,
        outputs: Value,
    ) -> Result<(), StateError> {
        self.state.append(
            Timestamp::now(),
            &Entry::PhaseFailed {
                address: address.clone(),
                error: error.to_owned(),
                outputs,
            },
        )
    }

    fn failed(&mut self, address: &Address, error: &PhaseError) {
        let help = match error {
            PhaseError::Failed { help, .. } => help.clone(),
            PhaseError::NotYet { help, .. } | PhaseError::Unreachable { help, .. } => {
                Some(help.clone())
            }
            PhaseError::Stale(_) => Some("`mig plan` shows it as it is now".into()),
        };
        (self.report)(Event::PhaseFailed {
            address: address.clone(),
            error: error.to_string(),
            help,
        });
        self.nodes.set(address, Node::Failed);
    }

    /// Nothing to do, but fields that take effect live may have new values.
    fn up_to_date(&mut self, address: &Address) -> Result<(), StateError> {
        self.nodes.set(address, Node::UpToDate);
        let (Some(phase), Some(change)) = (
            self.job.ground.plan.phases.get(address),
            self.decided.get(address),
        ) else {
            return Ok(());
        };
        let spec = spec_value(phase);
        let state = self.state.state();
        let Some(record) = state.phases.get(address) else {
            return Ok(());
        };
        if record.spec == spec || change.fields.is_empty() {
            return Ok(());
        }
        let entry = Entry::SpecUpdated {
            address: address.clone(),
            spec,
            inputs: change.inputs.clone(),
        };
        self.state.append(Timestamp::now(), &entry)
    }

    fn skip(&mut self, address: &Address, because: String) {
        (self.report)(Event::PhaseSkipped {
            address: address.clone(),
            because: because.clone(),
        });
        self.nodes.set(address, Node::Skipped(because));
    }

    fn look_at_the_clock_and_signals(&mut self) {
        let asked = self.job.signals.count();
        if asked >= 1 && self.drained != Some(ExitCode::Interrupted) {
            self.drain(
                ExitCode::Interrupted,
                "Stopping at the next checkpoint. Press Ctrl-C again to stop now; no data is lost.",
            );
        }
        if asked >= 2 && !self.stopped {
            self.stopped = true;
            self.say("Stopping now. `mig apply` resumes.");
            for active in self.active.values() {
                active.interrupt.stop();
            }
        }
        let up = self
            .job
            .max_duration
            .is_some_and(|limit| self.started.elapsed() >= limit);
        if up && self.drained.is_none() {
            self.drain(
                ExitCode::Partial,
                "The time of `--max-duration` is up: stopping at the next checkpoint.",
            );
        }
        let now = Instant::now();
        for active in self.active.values_mut() {
            if !active.timed_out && active.deadline.is_some_and(|deadline| now >= deadline) {
                active.timed_out = true;
                active.interrupt.drain();
            }
        }
    }

    fn drain(&mut self, code: ExitCode, message: &str) {
        self.drained = Some(code);
        self.code = self.code.worst(code);
        self.say(message);
        for active in self.active.values() {
            active.interrupt.drain();
        }
    }

    fn say(&mut self, message: &str) {
        (self.report)(Event::Diagnostic {
            severity: "note",
            message: message.to_owned(),
        });
    }
}

/// A phase as the journal records it.
fn spec_value(phase: &Phase) -> Value {
    serde_json::to_value(&phase.spec).unwrap_or(Value::Null)
}
