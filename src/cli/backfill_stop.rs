//! `mig backfill stop`

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::args::{LockArgs, PhaseArgs};
use super::backfill_session::{self, Session};
use super::error::{CliError, CliResult};
use super::locking::locked;
use super::printer::Printer;
use super::who::who;
use crate::apply::session::open_locked;
use crate::apply::stop::{StopError, stop};
use crate::base::ExitCode;
use crate::base::units::Span;
use crate::phases::backfill::stop::{Awaited, Stopping, archived_at, ended};
use crate::phases::connections::Connections;
use crate::phases::reset::Scope;
use crate::ui::backfill_orders::{processes_have, stopped};
use crate::ui::backfill_status::status_text;

/// Time between two looks at the board.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The shortest that the state is waited for: a process that left the board has yet to write its last words.
const STATE_WITHIN: Duration = Duration::from_secs(30);

/// Stop a backfill for good: all workers end, its working state is archived and removed from the target
///
/// Waits until every process has come to a checkpoint and left, and until the leases of lost ones are over. Work items, leases,
/// progress, counts and orders go to a JSON file beside the state, whose path is printed; then they are removed where they were
/// kept. Documents stay, and so do failed ones with their requests. What was loaded in full stays loaded; the rest can't be
/// started, scaled or helped any more, and a plan asks about it, until `mig backfill reset`. A stop that was killed is finished by
/// the same command. `mig backfill pause` is for a rest.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillStopCommand {
    #[command(flatten)]
    backfill: PhaseArgs,
    /// How long to wait until nobody works; the word to stop stands all the same
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
    /// Do not ask before stopping
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &BackfillStopCommand, printer: Printer) -> CliResult {
    let session = Session::open(&command.backfill, printer)?;
    let phase = session.one(command.backfill.phase.as_deref())?;
    let plan = &session.loaded.plan;
    let then = session.then(phase);
    let start = format!("mig backfill start{then}");
    let stopping = Stopping::open(plan, phase, &session.state, &session.connections, &start)?;
    // One that was killed goes on without asking: its word stands already.
    if ended(&session.state, &phase.address).is_none() {
        let status = session.look(phase, false)?;
        let text = status_text(&status, Printer::columns());
        printer.message(&format!("{}\n{}", phase.address, text.trim_end()));
        if !command.auto_approve {
            printer.confirm(
                "Stop it for good",
                "stopped",
                "backfill stop",
                Some("`mig backfill pause` lets it rest, so that it can go on"),
            )?;
        }
    }
    let who = who();
    stopping.order(&who)?;
    wait(command, &stopping, &then, printer)?;
    let lock = LockArgs {
        lock_timeout: Span(command.lock.lock_timeout.0.max(STATE_WITHIN)),
    };
    let mut locked = locked(&*session.store, "backfill stop", &lock, printer)?;
    open_locked(&mut *locked, &*session.store, plan)?;
    let state = locked.state().clone();
    let connections = Connections::new(plan, &state.lineage);
    let stopping = Stopping::open(plan, phase, &state, &connections, &start)?;
    let artifacts = session.store.artifacts();
    let only: BTreeSet<_> = [phase.address.clone()].into();
    let scope = Scope {
        plan,
        state: &state,
        connections: &connections,
        only: Some(&only),
        scratch: &artifacts.scratch()?,
        artifacts: &*artifacts,
    };
    printer.message("Archiving the working state of the backfill operation...");
    let done =
        stop(&mut *locked, phase, &stopping, &scope, &who, &*artifacts).map_err(|error| {
            CliError::from(error).help(format!("then `mig backfill stop{then}` does the rest"))
        })?;
    let fleet = stopping.fleet()?;
    printer.data(&if command.backfill.json {
        backfill_session::json(&json!({
            "phase": phase.address,
            "stopped": { "by": done.ended.by, "at": done.ended.at },
            "archive": archived_at(&done.ended),
            "totals": done.totals,
            "control": fleet.control,
        }))?
    } else {
        stopped(
            &phase.address,
            &fleet.muster,
            archived_at(&done.ended),
            done.totals.map_or(0, |it| it.taken_back),
            &then,
            Printer::columns(),
        )
    })?;
    Ok(ExitCode::Success)
}

/// Waits until nobody works any more.
fn wait(
    command: &BackfillStopCommand,
    stopping: &Stopping<'_>,
    then: &str,
    printer: Printer,
) -> Result<(), CliError> {
    let began = Instant::now();
    let mut told = None;
    while let Some(awaited) = stopping.awaited()? {
        let what = match awaited {
            Awaited::Processes(count) => format!("{} not left yet", processes_have(count)),
            Awaited::Lease(until) => {
                format!("a worker that fell silent has a lease until {until:.0}")
            }
        };
        if began.elapsed() >= command.timeout.0 {
            return Err(CliError::error(format!(
                "it is asked to stop, and after {} {what}",
                command.timeout
            ))
            .help(format!(
                "no worker begins any more; `mig backfill stop{then}` does the rest"
            )));
        }
        if told.as_ref() != Some(&what) {
            printer.message(&format!(
                "Workers are still running, waiting for them to complete: {what}"
            ));
            told = Some(what);
        }
        std::thread::sleep(match awaited {
            Awaited::Processes(_) => LOOK_EVERY,
            Awaited::Lease(until) => until_then(until),
        });
    }
    Ok(())
}

/// As long as a lease lasts, but not without a look now and then.
fn until_then(until: Timestamp) -> Duration {
    let left = until.duration_since(Timestamp::now());
    let left = left.clamp(SignedDuration::ZERO, SignedDuration::from_secs(5));
    Duration::try_from(left).unwrap_or_default() + LOOK_EVERY
}

impl From<StopError> for CliError {
    fn from(error: StopError) -> Self {
        match error {
            StopError::State(error) => error.into(),
            StopError::Phase(error) => error.into(),
        }
    }
}
