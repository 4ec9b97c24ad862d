//! Runs phases on threads of their own and tells the dispatcher what becomes of them. Changes no state.

use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::thread::Scope;

use jiff::Timestamp;

use super::survey::Ground;
use crate::base::{Address, failpoint};
use crate::diff::change::PhaseChange;
use crate::diff::observation::Observation;
use crate::phases::kind::{Interrupt, PerformContext, Performed, PhaseError, Progress};
use crate::phases::meters::Meters;
use crate::plan::model::Phase;
use crate::state::Artifacts;
use crate::state::model::{SideEffect, State};

/// What comes back from the threads.
pub(super) enum Message {
    /// A phase was looked at again.
    Observed(Address, Result<Box<Observation>, PhaseError>),
    /// A phase is about to do something; it waits for the answer.
    Announce(Address, SideEffect, SyncSender<Result<(), String>>),
    /// A phase is further.
    Progress(Address, Progress),
    /// A phase ended.
    Ended(Address, Result<Performed, PhaseError>),
}

pub(super) fn observe<'scope>(
    scope: &'scope Scope<'scope, '_>,
    ground: Ground<'scope>,
    phase: &'scope Phase,
    state: Arc<State>,
    to: Sender<Message>,
) {
    scope.spawn(move || {
        let observed = guarded(|| ground.observe(phase, &state));
        let observed = observed.map(Box::new);
        drop(to.send(Message::Observed(phase.address.clone(), observed)));
    });
}

/// A phase that may run.
pub(super) struct Go<'a> {
    pub(super) phase: &'a Phase,
    pub(super) state: Arc<State>,
    pub(super) change: PhaseChange,
    pub(super) observation: Observation,
    pub(super) interrupt: Arc<Interrupt>,
    pub(super) artifacts: &'a dyn Artifacts,
    pub(super) meters: &'a Meters,
    pub(super) now: Timestamp,
}

pub(super) fn perform<'scope>(
    scope: &'scope Scope<'scope, '_>,
    ground: Ground<'scope>,
    go: Go<'scope>,
    to: Sender<Message>,
) {
    scope.spawn(move || {
        let address = &go.phase.address;
        let announce = |effect: SideEffect| {
            let (answer, answered) = sync_channel(1);
            let gone = || PhaseError::Failed {
                message: "the run has ended".into(),
                help: None,
            };
            to.send(Message::Announce(address.clone(), effect, answer))
                .map_err(|_| gone())?;
            match answered.recv() {
                Ok(Ok(())) => {
                    failpoint::hit("effect.announced");
                    Ok(())
                }
                Ok(Err(message)) => Err(PhaseError::Failed {
                    message,
                    help: None,
                }),
                Err(_) => Err(gone()),
            }
        };
        let progress = |progress: Progress| {
            drop(to.send(Message::Progress(address.clone(), progress)));
        };
        tracing::info!(phase = %go.phase.address, action = ?go.change.action, "perform");
        failpoint::hit("phase.perform.before");
        let performed = guarded(|| {
            (ground.kinds)(go.phase.spec.kind()).perform(&PerformContext {
                plan: ground.plan,
                phase: go.phase,
                state: &go.state,
                change: &go.change,
                observation: &go.observation,
                connections: ground.connections,
                announce: &announce,
                progress: &progress,
                interrupt: &go.interrupt,
                now: go.now,
                artifacts: go.artifacts,
                meters: go.meters,
            })
        });
        failpoint::hit("phase.perform.after");
        drop(to.send(Message::Ended(address.clone(), performed)));
    });
}

/// A panic in a phase fails that phase, not the run.
fn guarded<T>(work: impl FnOnce() -> Result<T, PhaseError>) -> Result<T, PhaseError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(PhaseError::Failed {
            message: format!("a fault of mig itself: {text}"),
            help: Some(
                "please report it with the lines above; nothing is lost, `mig apply` goes on"
                    .into(),
            ),
        })
    })
}
