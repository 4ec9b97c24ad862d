//! `mig backfill retry-failed`

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::args::{LockArgs, PhaseArgs};
use super::backfill_session::{self, Session};
use super::error::{CliError, CliResult};
use super::locking::locked;
use super::printer::Printer;
use crate::apply::interrupt::Signals;
use crate::apply::retry::{RetryError, retry};
use crate::apply::session::open_locked;
use crate::base::ExitCode;
use crate::phases::backfill::again::{Retried, Retrying};
use crate::phases::backfill::failures::Failures;
use crate::phases::connections::Connections;
use crate::phases::kind::Interrupt;
use crate::ui::backfill_failed::{FailedCount, count_text, retried_text};

/// Time between two looks at signals.
const TICK: Duration = Duration::from_millis(50);

/// Send the documents again that failed, after what made them fail was mended
///
/// Each is read anew from the snapshot and sent as the plan makes it now: what a verification expects. Where the snapshot is
/// gone, `--as-kept` sends the requests as they were when they failed; documents that no request was made of stay failed then.
/// Writing one twice changes nothing, since each has its id and its version. Those that arrive leave the failed documents, the
/// others stay with the new reason; the counts of the phase follow. A plan whose transforms, versions or target are others than
/// those of the load is refused: an apply writes the indices again then. Ends with 9 while documents are left that failed.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillRetryFailedCommand {
    #[command(flatten)]
    backfill: PhaseArgs,
    /// Send the requests that were kept, instead of reading the documents anew from the snapshot
    #[arg(long)]
    as_kept: bool,
    /// Do not ask before sending
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &BackfillRetryFailedCommand, printer: Printer) -> CliResult {
    let session = Session::open(&command.backfill, printer)?;
    let phase = session.one(command.backfill.phase.as_deref())?;
    let plan = &session.loaded.plan;
    if session.state.serial == 0 {
        return Err(CliError::error(format!(
            "nothing of `{}` was loaded, so no document of it failed",
            phase.address
        ))
        .help(format!(
            "`mig backfill start{}` begins",
            session.then(phase)
        )));
    }
    let mut locked = locked(
        &*session.store,
        "backfill retry-failed",
        &command.lock,
        printer,
    )?;
    open_locked(&mut *locked, &*session.store, plan)?;
    let state = locked.state().clone();
    let connections = Connections::new(plan, &state.lineage);
    let artifacts = session.store.artifacts();
    let failures = Failures::look(plan, phase, &state, &connections, &*artifacts)?;
    if failures.count() > 0 {
        let count = FailedCount {
            failed: failures.count(),
            causes: failures.causes()?,
            ..FailedCount::default()
        };
        printer.message(count_text(&phase.address, &count, Printer::columns()).trim_end());
        if !command.auto_approve {
            printer.confirm("Send these again", "sent", "backfill retry-failed", None)?;
        }
    }
    let signals = Signals::listen()
        .map_err(|error| CliError::error(format!("can't listen for signals: {error}")))?;
    let interrupt = Interrupt::default();
    let ended = AtomicBool::new(false);
    let tried = std::thread::scope(|scope| {
        scope.spawn(|| watch(&signals, &interrupt, &ended));
        let tried = retry(
            &mut *locked,
            &Retrying {
                plan,
                phase,
                state: &state,
                connections: &connections,
                artifacts: &*artifacts,
                as_kept: command.as_kept,
                interrupt: &interrupt,
                progress: &|_| {},
            },
        );
        ended.store(true, Ordering::SeqCst);
        tried
    })?;
    drop(locked);
    let then = session.then(phase);
    let next = if tried.outcome.failed == 0 {
        format!(
            "`mig apply{}` goes on.",
            super::settings::dash_f(&session.file)
        )
    } else {
        format!("`mig backfill failed count{then}` groups them by what makes them fail.")
    };
    printer.data(&if command.backfill.json {
        backfill_session::json(&json!({
            "phase": phase.address, "outcome": tried.outcome, "problems": tried.problems,
        }))?
    } else {
        retried_text(
            &phase.address,
            &tried.outcome,
            &tried.problems,
            &next,
            Printer::columns(),
        )
    })?;
    Ok(code(&tried, signals.count() > 0))
}

fn code(tried: &Retried, interrupted: bool) -> ExitCode {
    if interrupted && !tried.outcome.finished {
        ExitCode::Interrupted
    } else if tried.outcome.failed > 0 || !tried.problems.is_empty() || !tried.outcome.finished {
        ExitCode::Partial
    } else {
        ExitCode::Success
    }
}

/// Hands on what signals ask for.
fn watch(signals: &Signals, interrupt: &Interrupt, ended: &AtomicBool) {
    while !ended.load(Ordering::SeqCst) {
        if signals.count() >= 1 {
            interrupt.drain();
        }
        if signals.count() >= 2 {
            interrupt.stop();
        }
        std::thread::sleep(TICK);
    }
}

impl From<RetryError> for CliError {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::State(error) => error.into(),
            RetryError::Phase(error) => error.into(),
        }
    }
}
